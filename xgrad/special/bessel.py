"""Bessel functions of orders 0 and 1, each the derivative of another."""

from __future__ import annotations

import math

from ..approximate import horner, near_zero
from ..core import primitive


def _over_x(sign):
    """``j1(x)/x`` (sign -1) or ``i1(x)/x`` (sign 1) in powers of ``x`` (DLMF 10.2.2 and 10.25.2)."""
    terms = [0.5 * (sign * 0.25) ** k / (math.factorial(k) * math.factorial(k + 1)) for k in range(10)]
    return [c for term in terms for c in (term, 0.0)]


_J1_OVER_X, _I1_OVER_X = _over_x(-1), _over_x(1)


@primitive(vjp=lambda xp, out, x: lambda ct: -ct * xp.special.j1(x), singular=True, floating=True)
def j0(x, /):
    """Bessel function of the first kind and order 0."""


@primitive(singular=True, floating=True)
def j1(x, /):
    """Bessel function of the first kind and order 1."""


@j1.vjp
def j1_vjp(xp, out, x):
    def pullback(ct):
        ratio = near_zero(xp, x, 1.0, _J1_OVER_X, lambda z: xp.special.j1(z) / z)
        return ct * (xp.special.j0(x) - ratio)

    return pullback


@primitive(vjp=lambda xp, out, x: lambda ct: -ct * xp.special.y1(x), singular=True, floating=True)
def y0(x, /):
    """Bessel function of the second kind and order 0."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (xp.special.y0(x) - out / x), singular=True, floating=True)
def y1(x, /):
    """Bessel function of the second kind and order 1."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * xp.special.i1(x), singular=True, floating=True)
def i0(x, /):
    """Modified Bessel function of the first kind and order 0."""


@primitive(singular=True, floating=True)
def i1(x, /):
    """Modified Bessel function of the first kind and order 1."""


@i1.vjp
def i1_vjp(xp, out, x):
    def pullback(ct):
        ratio = near_zero(xp, x, 1.0, _I1_OVER_X, lambda z: xp.special.i1(z) / z)
        return ct * (xp.special.i0(x) - ratio)

    return pullback


@primitive(singular=True, floating=True)
def i0e(x, /):
    """Scaled: ``exp(-abs(x)) * i0(x)``; its derivative at the kink 0 is 0."""


@i0e.vjp
def i0e_vjp(xp, out, x):
    return lambda ct: ct * (xp.special.i1e(x) - xp.sign(x) * out)


@primitive(singular=True, floating=True)
def i1e(x, /):
    """Scaled: ``exp(-abs(x)) * i1(x)``."""


@i1e.vjp
def i1e_vjp(xp, out, x):
    def pullback(ct):
        near = xp.abs(x) < 1
        low, far = xp.where(near, x, 0.0), xp.where(near, 1.0, x)
        ratio = xp.where(near, xp.exp(-xp.abs(low)) * horner(low, _I1_OVER_X), xp.special.i1e(far) / far)
        return ct * (xp.special.i0e(x) - ratio - xp.sign(x) * out)

    return pullback


@primitive(vjp=lambda xp, out, x: lambda ct: -ct * xp.special.k1(x), singular=True, floating=True)
def k0(x, /):
    """Modified Bessel function of the second kind and order 0."""


@primitive(vjp=lambda xp, out, x: lambda ct: -ct * (xp.special.k0(x) + out / x), singular=True, floating=True)
def k1(x, /):
    """Modified Bessel function of the second kind and order 1."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (out - xp.special.k1e(x)), singular=True, floating=True)
def k0e(x, /):
    """Scaled: ``exp(x) * k0(x)``."""


@primitive(singular=True, floating=True)
def k1e(x, /):
    """Scaled: ``exp(x) * k1(x)``."""


@k1e.vjp
def k1e_vjp(xp, out, x):
    return lambda ct: ct * (out - xp.special.k0e(x) - out / x)
