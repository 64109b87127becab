"""The gamma function and its relatives.

Derivatives in every argument, by ``psi`` and ``zeta``, which are the derivatives of one another; NaN at poles.
"""

from __future__ import annotations

import math

from ..approximate import zeta_slope
from ..core import composite, primitive


@primitive(vjp=lambda xp, out, x: lambda ct: ct * xp.special.psi(x), singular=True, floating=True)
def gammaln(x, /):
    """The logarithm of the size of gamma."""


@primitive(vjp=lambda xp, out, z: lambda ct: ct * xp.special.psi(z), singular=True, floating=True)
def loggamma(z, /):
    """The principal branch of the logarithm of gamma; NaN for real numbers below zero."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (out * xp.special.psi(x)), singular=True, floating=True)
def gamma(x, /):
    """The gamma function: ``factorial(x - 1)`` for whole numbers above zero."""


@primitive(zero=True, floating=True)
def gammasgn(x, /):
    """The sign of gamma."""


@primitive(singular=True, floating=True)
def psi(x, /):
    """The logarithmic derivative of gamma."""


@psi.vjp
def psi_vjp(xp, out, x):
    return lambda ct: ct * xp.special.zeta(xp.full_like(x, 2.0), x)


@composite
def digamma(xp, x, /):
    """The logarithmic derivative of gamma, ``psi`` by another name."""
    return xp.special.psi(x)


@primitive(singular=True, floating=True, boxed=True)
def zeta(x, q, /):
    """Hurwitz's zeta function: the sum of ``(k + q)**-x`` over k = 0, 1, 2, ..."""


@zeta.vjp
def zeta_vjp(xp, out, x, q):
    return lambda ct: ct * zeta_slope(xp, x, q), lambda ct: -ct * (x * xp.special.zeta(x + 1, q))


@composite
def polygamma(xp, n, x, /):
    """The derivative of ``psi`` of the whole order ``n``, a number or an array."""
    if not hasattr(n, "shape"):
        if n == 0:
            return xp.special.psi(x)
        return xp.special.zeta(n + 1, x) * ((-1) ** (n + 1) * math.factorial(n))
    sign = 1 - 2 * xp.remainder(n + 1, 2)
    higher = sign * (xp.special.gamma(n + 1) * xp.special.zeta(xp.where(n == 0, 2, n + 1), x))
    return xp.where(n == 0, xp.special.psi(x), higher)


@composite
def multigammaln(xp, a, d, /):
    """The logarithm of the gamma function of ``d`` dimensions; NaN where ``a`` is not above ``(d - 1) / 2``."""
    total = xp.special.gammaln(a) + 0.25 * d * (d - 1) * math.log(math.pi)
    for j in range(1, d):
        total = total + xp.special.gammaln(a - 0.5 * j)
    return xp.where(xp.greater(a, 0.5 * (d - 1)), total, math.nan)


def _psi_gap(xp, x, y):
    return xp.special.psi(x) - xp.special.psi(y)


@primitive(singular=True, floating=True, boxed=True)
def beta(a, b, /):
    """``gamma(a) * gamma(b) / gamma(a + b)``."""


@beta.vjp
def beta_vjp(xp, out, a, b):
    return lambda ct: ct * (out * _psi_gap(xp, a, a + b)), lambda ct: ct * (out * _psi_gap(xp, b, a + b))


@primitive(singular=True, floating=True, boxed=True)
def betaln(a, b, /):
    """The logarithm of the size of ``beta``."""


@betaln.vjp
def betaln_vjp(xp, out, a, b):
    return lambda ct: ct * _psi_gap(xp, a, a + b), lambda ct: ct * _psi_gap(xp, b, a + b)


@primitive(singular=True, floating=True, boxed=True)
def poch(z, m, /):
    """Pochhammer's symbol: ``gamma(z + m) / gamma(z)``."""


@poch.vjp
def poch_vjp(xp, out, z, m):
    def first(ct):
        low = z < 0.5  # where 1/gamma(z) = gamma(1 - z)*sin(pi*z)/pi has no poles
        y = xp.where(low, z, 0.0)
        gamma = xp.special.gamma
        crossing = xp.cos(math.pi * y) * (gamma(xp.where(low, z + m, 1.0)) * gamma(1 - y))
        below = crossing + out * _psi_gap(xp, z + m, 1 - y)
        return ct * xp.where(low, below, out * _psi_gap(xp, z + m, xp.where(low, 1.0, z)))

    return first, lambda ct: ct * (out * xp.special.psi(z + m))


@primitive(singular=True, floating=True, boxed=True)
def binom(n, k, /):
    """The binomial coefficient of real numbers."""


@binom.vjp
def binom_vjp(xp, out, n, k):
    def parts():
        """What crosses zero where ``n - k + 1`` passes a pole of gamma, and ``psi`` of it or, there, its reflection."""
        low = n - k < -0.5  # where binom(n, k) = beta(n + 1, k - n)*sin(pi*(n - k + 1))/pi
        gap = xp.where(low, k - n, 1.0)
        crossing = xp.where(low, -xp.cos(math.pi * gap) * xp.special.beta(n + 1, gap), 0.0)
        return crossing, xp.special.psi(xp.where(low, gap, n - k + 1))

    def upper(ct):
        crossing, psi = parts()
        return ct * (crossing + out * (xp.special.psi(n + 1) - psi))

    def lower(ct):
        crossing, psi = parts()
        return ct * (out * (psi - xp.special.psi(k + 1)) - crossing)

    return upper, lower
