"""The error function, the normal distribution, and their inverses."""

from __future__ import annotations

import math

from ..approximate import horner
from ..core import primitive

_ROOT_PI = math.sqrt(math.pi)


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (2 / _ROOT_PI * xp.exp(-x * x)), singular=True, floating=True)
def erf(x, /):
    """Error function: twice the integral of ``exp(-t**2)`` from 0 to ``x``, over the square root of pi."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (-2 / _ROOT_PI * xp.exp(-x * x)), singular=True, floating=True)
def erfc(x, /):
    """``1 - erf(x)``, without cancellation for large ``x``."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * _erfcx_slope(xp, x), singular=True, floating=True)
def erfcx(x, /):
    """Scaled complement: ``exp(x**2) * erfc(x)``."""


# erfcx(x) = sum of (-1)**k (2k-1)!!/(2 x**2)**k / (x sqrt(pi)) (DLMF 7.12.1); its derivative times -x**2 sqrt(pi)
_FALL = [(-1) ** k * (2 * k + 1) * math.prod(range(1, 2 * k, 2)) / 2**k for k in range(14)]


def _erfcx_slope(xp, x):
    """``2*x*erfcx(x) - 2/sqrt(pi)``; for large ``x``, where the two cancel, the asymptotic series."""
    large = x > 12
    far, near = xp.where(large, x, 12.0), xp.where(large, 0.0, x)
    falling = horner(1 / far / far, _FALL) / far / far * (-1 / _ROOT_PI)
    return xp.where(large, falling, 2 * near * xp.special.erfcx(near) - 2 / _ROOT_PI)


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (_ROOT_PI / 2 * xp.exp(out * out)), singular=True, floating=True)
def erfinv(x, /):
    """The inverse of ``erf`` on (-1, 1)."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (-_ROOT_PI / 2 * xp.exp(out * out)), singular=True, floating=True)
def erfcinv(x, /):
    """The inverse of ``erfc`` on (0, 2)."""


def _density(xp, x):
    return xp.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))


@primitive(vjp=lambda xp, out, x: lambda ct: ct * _density(xp, x), singular=True, floating=True)
def ndtr(x, /):
    """The probability that a standard normal variable is below ``x``."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * _log_ndtr_slope(xp, x), singular=True, floating=True)
def log_ndtr(x, /):
    """The logarithm of ``ndtr``, without its underflow."""


def _log_ndtr_slope(xp, x):
    """Density over probability, by ``erfcx`` on the left, where both underflow."""
    right = x > 5
    left = math.sqrt(2 / math.pi) / xp.special.erfcx(xp.where(right, 0.0, x) * -math.sqrt(0.5))
    high = xp.where(right, x, 5.0)
    return xp.where(right, _density(xp, high) / xp.special.ndtr(high), left)


@primitive(singular=True, floating=True)
def ndtri(y, /):
    """The inverse of ``ndtr`` on (0, 1)."""


@ndtri.vjp
def ndtri_vjp(xp, out, y):
    return lambda ct: ct * (math.sqrt(2 * math.pi) * xp.exp(0.5 * out * out))
