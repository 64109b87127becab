"""Bessel functions of orders 0 and 1: integrals where the argument is moderate, Hankel's expansions beyond.

Integrals of smooth periodic functions by the midpoint rule are exact but for Bessel functions of an order beyond the
number of points, which are below 1e-17 here.
"""

from __future__ import annotations

import functools
import math

from ...approximate import horner
from .precise import special

_EULER = 0.57721566490153286061
_LIMIT = 25.0  # beyond it Hankel's expansions, to their smallest term, give double precision
_POINTS = [math.pi * (j + 0.5) / 64 for j in range(32)]  # half of those in (0, pi): sin is symmetric


def _hankel(order: int, count: int) -> list[float]:
    """The coefficients of DLMF 10.17.1."""
    terms = [1.0]
    for k in range(1, count):
        terms.append(terms[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8 * k))
    return terms


_TERMS = {order: _hankel(order, 26) for order in (0, 1)}


@functools.cache
def _neumann() -> list[float]:
    """Weights of ``cos(x*sin(t))`` at the points, for the part of y0 that has no logarithm (DLMF 10.8.2 and 10.9.1)."""
    weights = []
    for t in _POINTS:
        total = math.fsum((-1) ** k * math.cos(2 * k * t) / k for k in range(1, 33))
        weights.append(-4 / math.pi * total * 2 / 64)
    return weights


def _inside(xp, x):
    """The argument where it is moderate, else 0."""
    return xp.where(x <= _LIMIT, x, 0.0)


def _outside(xp, x):
    """The argument where it is large, else the limit."""
    return xp.where(x > _LIMIT, x, _LIMIT)


def _oscillating(xp, x, order):
    """J and Y of a large argument (DLMF 10.17.3 and 10.17.4)."""
    x = _outside(xp, x)
    x = xp.where(x == math.inf, 1e300, x)
    z = 1 / (x * x)
    even = horner(-z, _TERMS[order][0::2])
    odd = horner(-z, _TERMS[order][1::2]) / x
    cosine, sine = xp.cos(x), xp.sin(x)  # of x - pi/4 without rounding the difference
    if order == 0:
        cosine, sine = cosine + sine, sine - cosine
    else:
        cosine, sine = sine - cosine, -sine - cosine
    amplitude = xp.sqrt(1 / (math.pi * x))
    return amplitude * (even * cosine - odd * sine), amplitude * (even * sine + odd * cosine)


def _j0(xp, x):
    near = _inside(xp, x)
    total = xp.zeros_like(x)
    for t in _POINTS:
        total = total + xp.cos(near * math.sin(t))
    return total / 32


def _j1(xp, x):
    near = _inside(xp, x)
    total = xp.zeros_like(x)
    for t in _POINTS:
        total = total + math.sin(t) * xp.sin(near * math.sin(t))
    return total / 32


@special
def j0(xp, x, /):
    """Of the first kind and order 0 (DLMF 10.9.1)."""
    size = xp.abs(x)
    return xp.where(size <= _LIMIT, _j0(xp, size), _oscillating(xp, size, 0)[0])


@special
def j1(xp, x, /):
    """Of the first kind and order 1, minus the derivative of that of order 0."""
    size = xp.abs(x)
    out = xp.where(size <= _LIMIT, _j1(xp, size), _oscillating(xp, size, 1)[0])
    return xp.where(x < 0, -out, out)


@special
def y0(xp, x, /):
    """Of the second kind and order 0: Neumann's series, summed under the integrals of its members."""
    near = _inside(xp, x)
    log = xp.log(0.5 * xp.where(near > 0, near, 1.0)) + _EULER
    total = 2 / math.pi * log * _j0(xp, near)
    for t, weight in zip(_POINTS, _neumann(), strict=True):
        total = total + weight * xp.cos(near * math.sin(t))
    out = xp.where(x <= _LIMIT, total, _oscillating(xp, x, 0)[1])
    return _above_zero(xp, x, out)


@special
def y1(xp, x, /):
    """Of the second kind and order 1, minus the derivative of that of order 0."""
    near = xp.where(x > 0, _inside(xp, x), 0.0)
    safe = xp.where(near > 0, near, 1.0)
    log = xp.log(0.5 * safe) + _EULER
    total = 2 / math.pi * (log * _j1(xp, near) - _j0(xp, near) / safe)
    for t, weight in zip(_POINTS, _neumann(), strict=True):
        total = total + weight * math.sin(t) * xp.sin(near * math.sin(t))
    out = xp.where(x <= _LIMIT, total, _oscillating(xp, x, 1)[1])
    return _above_zero(xp, x, out)


def _above_zero(xp, x, out):
    return xp.where(x > 0, xp.where(x == math.inf, 0.0, out), xp.where(x == 0, -math.inf, math.nan * xp.ones_like(x)))


# Modified functions ---------------------------------------------------------------------------------------------------


def _growing(xp, size, order):
    """``exp(-x) * I`` for ``x >= 0`` (DLMF 10.32.3 and 10.40.1)."""
    near = _inside(xp, size)
    total = xp.zeros_like(size)
    for t in _POINTS:
        c = math.cos(t)
        half = xp.exp(near * (c - 1))
        both = xp.expm1(-2 * near * c)
        total = total + (half * (both + 2) if order == 0 else -c * half * both)
    large = _outside(xp, size)
    series = horner(-1 / large, _TERMS[order]) / xp.sqrt(2 * math.pi * large)
    return xp.where(size <= _LIMIT, total / 64, series)


@special
def i0e(xp, x, /):
    """``exp(-abs(x)) * i0(x)``."""
    return _growing(xp, xp.abs(x), 0)


@special
def i1e(xp, x, /):
    """``exp(-abs(x)) * i1(x)``."""
    return xp.sign(x) * _growing(xp, xp.abs(x), 1)


@special
def i0(xp, x, /):
    """Modified, of the first kind and order 0."""
    return _grown(xp, xp.abs(x), xp.special.i0e(x))


@special
def i1(xp, x, /):
    """Modified, of the first kind and order 1."""
    return xp.sign(x) * _grown(xp, xp.abs(x), xp.special.i1e(xp.abs(x)))


def _grown(xp, size, scaled):
    half = xp.exp(0.5 * size)  # twice half a power, which does not overflow too early
    return xp.where(size == math.inf, size, half * scaled * half)


def _series_k(xp, x, order):
    """K of arguments up to 1 (DLMF 10.31.1 and 10.31.2)."""
    z = 0.25 * x * x
    log = xp.log(0.5 * x)
    digamma = [-_EULER]
    for k in range(1, 12):
        digamma.append(digamma[-1] + 1 / k)
    if order == 0:
        inverse = [1 / math.factorial(k) ** 2 for k in range(11)]
        return horner(z, [c * digamma[k] for k, c in enumerate(inverse)]) - log * horner(z, inverse)
    inverse = [1 / (math.factorial(k) * math.factorial(k + 1)) for k in range(11)]
    half = horner(z, [0.5 * c * (digamma[k] + digamma[k + 1]) for k, c in enumerate(inverse)])
    return 1 / x + 0.5 * x * (log * horner(z, inverse) - half)


def _falling(xp, x, order):
    """``exp(x) * K`` of arguments above 1 (DLMF 10.32.9, by the trapezoidal rule, and 10.40.2)."""
    near = xp.where((x > 1) & (x <= _LIMIT), x, 1.0)
    step, total = 0.125, xp.zeros_like(x) + 0.5
    for j in range(1, 38):
        t = j * step
        total = total + math.cosh(order * t) * xp.exp(near * (-2 * math.sinh(0.5 * t) ** 2))
    large = _outside(xp, x)
    series = xp.sqrt(0.5 * math.pi / large) * horner(1 / large, _TERMS[order])
    return xp.where(x <= _LIMIT, step * total, series)


def _k(xp, x, order, scaled):
    low = xp.where((x > 0) & (x <= 1), x, 1.0)
    near, far = _series_k(xp, low, order), _falling(xp, x, order)
    near, far = (near * xp.exp(low), far) if scaled else (near, far * xp.exp(-x))
    out = xp.where(x == math.inf, 0.0, xp.where(x <= 1, near, far))
    return xp.where(x > 0, out, xp.where(x == 0, math.inf, math.nan * xp.ones_like(x)))


@special
def k0(xp, x, /):
    """Modified, of the second kind and order 0."""
    return _k(xp, x, 0, False)


@special
def k0e(xp, x, /):
    """``exp(x) * k0(x)``."""
    return _k(xp, x, 0, True)


@special
def k1(xp, x, /):
    """Modified, of the second kind and order 1."""
    return _k(xp, x, 1, False)


@special
def k1e(xp, x, /):
    """``exp(x) * k1(x)``."""
    return _k(xp, x, 1, True)
