"""Functions made of exponentials, logarithms and powers, and the dilogarithm."""

from __future__ import annotations

import math

from ..approximate import near_zero, times
from ..core import composite, primitive


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (out * xp.special.expit(-x)), singular=True, floating=True)
def expit(x, /):
    """The logistic function: ``1 / (1 + exp(-x))``."""


@primitive(vjp=lambda xp, out, x: lambda ct: times(xp, ct, 1 / (x * (1 - x))), singular=True, floating=True)
def logit(x, /):
    """The inverse of ``expit``: ``log(x / (1 - x))``; its derivative at 0 and 1 is infinite."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * xp.special.expit(-x), singular=True, floating=True)
def log_expit(x, /):
    """``log(expit(x))``, without its underflow."""


@composite
def softplus(xp, x, /):
    """``log(1 + exp(x))`` without overflow."""
    return xp.logaddexp(x, 0.0)


@composite
def log1p(xp, x, /):
    """``log(1 + x)``, exact for small ``x``."""
    return xp.log1p(x)


@composite
def expm1(xp, x, /):
    """``exp(x) - 1``, exact for small ``x``."""
    return xp.expm1(x)


@composite
def cosm1(xp, x, /):
    """``cos(x) - 1``, exact for small ``x``."""
    return -2 * xp.square(xp.sin(0.5 * x))


@composite
def exp2(xp, x, /):
    """``2**x``."""
    return xp.exp2(x)


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (out * math.log(10)), singular=True, floating=True)
def exp10(x, /):
    """``10**x``."""


@composite
def cbrt(xp, x, /):
    """The real cube root; its derivative at 0 is infinite."""
    return xp.cbrt(x)


@composite
def sinc(xp, x, /):
    """``sin(pi*x) / (pi*x)``, 1 at 0."""
    return xp.sinc(x)


@primitive(vjp=lambda xp, out, x: lambda ct: ct * _exprel_slope(xp, x), singular=True, floating=True)
def exprel(x, /):
    """``(exp(x) - 1) / x``, 1 at 0."""


_EXPREL_SLOPE = [(n + 1) / math.factorial(n + 2) for n in range(18)]


def _exprel_slope(xp, x):
    def far(z):
        left, right = xp.where(z < 0, z, -1.0), xp.where(z < 0, 1.0, z)
        ratio = xp.special.exprel(right)
        return xp.where(z < 0, (1 - xp.exp(left) * (1 - left)) / left / left, ratio - (ratio - 1) / right)

    return near_zero(xp, x, 1.0, _EXPREL_SLOPE, far)


@primitive(singular=True, floating=True)
def spence(z, /):
    """The dilogarithm of ``1 - z``: the integral of ``log(t) / (1 - t)`` from 1 to ``z``."""


@spence.vjp
def spence_vjp(xp, out, z):
    return lambda ct: times(xp, ct, near_zero(xp, z - 1, 0.125, _SPENCE_SLOPE, lambda u: -xp.log1p(u) / u))


_SPENCE_SLOPE = [-((-1) ** n) / (n + 1) for n in range(18)]

# Power transformations ------------------------------------------------------------------------------------------------


@primitive(singular=True, floating=True, boxed=True)
def boxcox(x, lmbda, /):
    """``(x**lmbda - 1) / lmbda``, ``log(x)`` where ``lmbda`` is 0."""


@boxcox.vjp
def boxcox_vjp(xp, out, x, lmbda):
    return lambda ct: times(xp, ct, x ** (lmbda - 1)), lambda ct: ct * _power_slope(xp, xp.log, x == 0, x, lmbda)


@primitive(singular=True, floating=True, boxed=True)
def boxcox1p(x, lmbda, /):
    """``boxcox(1 + x, lmbda)``, exact for small ``x``."""


@boxcox1p.vjp
def boxcox1p_vjp(xp, out, x, lmbda):
    def power(ct):
        return times(xp, ct, (1 + x) ** (lmbda - 1))

    return power, lambda ct: ct * _power_slope(xp, xp.log1p, x == -1, x, lmbda)


def _power_slope(xp, log, zero, x, lmbda):
    """The derivative in ``lmbda`` of ``expm1(lmbda*L)/lmbda``, L the logarithm; where that is infinite, of -1/lmbda."""
    length = log(xp.where(zero, 1.0, x))
    at_zero = 1 / xp.square(xp.where(zero & (lmbda > 0), lmbda, math.inf))
    return xp.where(zero, at_zero, xp.square(length) * _exprel_slope(xp, lmbda * length))


@primitive(singular=True, floating=True, boxed=True)
def inv_boxcox(y, lmbda, /):
    """The inverse of ``boxcox`` in its first argument: ``(1 + lmbda*y)**(1/lmbda)``."""


@inv_boxcox.vjp
def inv_boxcox_vjp(xp, out, y, lmbda):
    return lambda ct: times(xp, ct, out ** (1 - lmbda)), lambda ct: ct * (out * _root_slope(xp, y, lmbda))


@primitive(singular=True, floating=True, boxed=True)
def inv_boxcox1p(y, lmbda, /):
    """The inverse of ``boxcox1p`` in its first argument."""


@inv_boxcox1p.vjp
def inv_boxcox1p_vjp(xp, out, y, lmbda):
    def power(ct):
        return times(xp, ct, (1 + out) ** (1 - lmbda))

    return power, lambda ct: ct * ((1 + out) * _root_slope(xp, y, lmbda))


_ROOT_SLOPE = [(-1) ** (n + 1) * (n + 1) / (n + 2) for n in range(18)]


def _root_slope(xp, y, lmbda):
    """The derivative in ``lmbda`` of ``log1p(lmbda*y)/lmbda``."""

    def far(z):
        return (z / (1 + z) - xp.log1p(z)) / z / z

    return xp.square(y) * near_zero(xp, lmbda * y, 0.1, _ROOT_SLOPE, far)
