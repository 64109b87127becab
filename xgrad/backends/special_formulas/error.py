"""The error function, the normal distribution, and their inverses.

W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969), 631-637.
"""

from __future__ import annotations

import math
from typing import Any

from ...approximate import horner
from .precise import special

_ROOT_PI = math.sqrt(math.pi)


@special
def erf(xp, x, /):
    """Error function."""
    size = xp.abs(x)
    out = xp.where(size <= 0.46875, _near(xp, size), 1 - _gauss(xp, size) * _scaled(xp, size))
    return xp.where(x < 0, -out, out)


@special
def erfc(xp, x, /):
    """``1 - erf(x)``."""
    size = xp.abs(x)
    tail = xp.where(size <= 0.46875, 1 - _near(xp, size), _gauss(xp, size) * _scaled(xp, size))
    return xp.where(x < 0, 2 - tail, tail)


@special
def erfcx(xp, x, /):
    """``exp(x**2) * erfc(x)``."""
    size = xp.abs(x)
    grown = 1 / _gauss(xp, size)
    positive = _erfcx(xp, size, grown)
    return xp.where(x < 0, 2 * grown - positive, positive)


@special
def erfinv(xp, x, /):
    """The inverse of ``erf``."""
    return xp.where(xp.abs(x) <= 0.5, _central(xp, x), xp.sign(x) * _quantile(xp, 1 - xp.abs(x)))


@special
def erfcinv(xp, x, /):
    """The inverse of ``erfc``."""
    tail = xp.where(x < 1, x, 2 - x)
    sign = xp.where(x < 1, xp.ones_like(x), -1.0)
    return xp.where(xp.abs(1 - x) <= 0.5, _central(xp, 1 - x), sign * _quantile(xp, tail))


@special
def ndtr(xp, x, /):
    """The probability that a standard normal variable is below ``x``."""
    return 0.5 * xp.special.erfc(-x * math.sqrt(0.5))


@special
def log_ndtr(xp, x, /):
    """The logarithm of ``ndtr``, without its underflow."""
    left = xp.where(x < -1, x, -1.0)
    right = xp.where(x < -1, -1.0, x)
    far = xp.log(0.5 * xp.special.erfcx(-left * math.sqrt(0.5))) - 0.5 * left * left
    return xp.where(x < -1, far, xp.log1p(-0.5 * xp.special.erfc(right * math.sqrt(0.5))))


@special
def ndtri(xp, y, /):
    """The inverse of ``ndtr``."""
    return -math.sqrt(2) * xp.special.erfcinv(2 * y)


def _near(xp, size):
    """``erf`` of sizes up to 0.46875."""
    size = xp.where(size <= 0.46875, size, 0.0)
    return size * _ratio(size * size, _ERF_A, _ERF_B)


def _scaled(xp, size):
    """``exp(x**2) * erfc(x)`` for sizes above 0.46875."""
    middle = xp.where((size > 0.46875) & (size <= 4), size, 1.0)
    far = xp.where(size > 4, size, 4.0)
    w = 1 / (far * far)
    tail = (1 / _ROOT_PI - w * _ratio(w, _ERF_P, _ERF_Q)) / far
    return xp.where(size <= 4, _ratio(middle, _ERF_C, _ERF_D), tail)


def _erfcx(xp, size, grown):
    return xp.where(size <= 0.46875, (1 - _near(xp, size)) * grown, _scaled(xp, size))


def _gauss(xp, size):
    """``exp(-x**2)`` with the square in two parts, the first one exact."""
    coarse = xp.floor(xp.where(size < 1e9, size, 1e9) * 16) / 16
    rest = xp.where(size < 1e9, (size - coarse) * (size + coarse), 0.0)
    return xp.exp(-coarse * coarse) * xp.exp(-rest)


def _central(xp, x):
    """``erfinv`` of sizes up to one half: Halley's method from the first terms of its series."""
    x = xp.where(xp.abs(x) <= 0.5, x, 0.0)
    y = x * horner(x * x, [_ROOT_PI / 2 * c for c in (1.0, math.pi / 12, 7 * math.pi**2 / 480, 0.0916)])
    for _ in range(2):
        gap = (xp.special.erf(y) - x) * (_ROOT_PI / 2) * xp.exp(y * y)
        y = y - gap / (1 + y * gap)
    return y


def _quantile(xp, tail):
    """``erfcinv`` up to one half: Newton's method for its logarithm, from Abramowitz and Stegun 26.2.23."""
    known = (tail > 0) & (tail <= 0.5)
    q = xp.where(known, tail, 0.5)
    t = xp.sqrt(-2 * xp.log(0.5 * q))
    y = t - horner(t, (2.515517, 0.802853, 0.010328)) / horner(t, (1.0, 1.432788, 0.189269, 0.001308))
    y = y * math.sqrt(0.5)
    for _ in range(3):
        scaled = _erfcx(xp, y, 1 / _gauss(xp, y))
        y = y + (xp.log(scaled / q) - y * y) * (_ROOT_PI / 2) * scaled
    return xp.where(tail == 0, math.inf, xp.where(tail < 0, math.nan, y))


def _ratio(z: Any, numerator: tuple[float, ...], denominator: tuple[float, ...]) -> Any:
    """A ratio of two polynomials, highest power first."""
    return horner(z, numerator[::-1]) / horner(z, denominator[::-1])


_ERF_A = (
    1.85777706184603153e-1,
    3.16112374387056560,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_ERF_B = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
_ERF_C = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_ERF_D = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
_ERF_P = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_ERF_Q = (
    1.0,
    2.56852019228982242,
    1.87295284992346725,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)
