"""Series, asymptotic expansions and integrals in array calls, for rules and for libraries that lack a function.

Nothing here is a table: coefficients come from the formulas that are named, nodes from NumPy's Gauss-Legendre rule.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def horner(z: Any, coefficients: Sequence[float]) -> Any:
    """The polynomial ``c[0] + c[1]*z + c[2]*z**2 + ...``."""
    total = z * 0.0 + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * z + c
    return total


def near_zero(xp: Any, x: Any, radius: float, coefficients: Sequence[float], far: Callable[[Any], Any]) -> Any:
    """A power series where ``abs(x) < radius``, else ``far(x)``; right at every order of derivative.

    ``far`` never sees a small argument, so what is 0/0 there does no harm.
    """
    near = xp.abs(x) < radius
    return xp.where(near, horner(xp.where(near, x, 0.0), coefficients), far(xp.where(near, radius, x)))


def times(xp: Any, ct: Any, slope: Any) -> Any:
    """``ct * slope``, but 0 where the slope is infinite and the cotangent exactly 0."""
    return ct * xp.where((ct == 0) & ~xp.isfinite(slope), 0.0, slope)


def odd_floor(xp: Any, x: Any) -> Any:
    """Whether ``floor(x)`` is odd: the sign of the gamma function below zero."""
    half = 0.5 * xp.floor(x)
    return half != xp.floor(half)


def from_integer(xp: Any, x: Any) -> Any:
    """The distance, with its sign, from the nearest integer: exact, so ``sin(pi * x)`` keeps its digits."""
    return x - xp.round(x)


# Stirling's series ----------------------------------------------------------------------------------------------------


@functools.cache
def bernoulli(n: int) -> Any:
    """The Bernoulli number with index ``n``, a fraction; that with index 1 is -1/2."""
    from fractions import Fraction  # here, and the numbers made when they are needed: ``import xgrad`` stays quick

    return Fraction(n == 0) - sum((math.comb(n, k) * bernoulli(k) / (n - k + 1) for k in range(n)), Fraction(0))


@functools.cache
def stirling_terms() -> list[float]:
    """The coefficients of Stirling's series."""
    return [float(bernoulli(2 * k) / (2 * k * (2 * k - 1))) for k in range(1, 10)]


HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
SHIFT = 10  # from here on nine terms of the asymptotic series give double precision


def stirling(xp: Any, x: Any) -> Any:
    """``log(gamma(x)) - ((x - 1/2)*log(x) - x + log(2*pi)/2)`` for any positive ``x`` (DLMF 5.11.1)."""
    small = x < SHIFT
    low = xp.where(small, x, 1.0)
    high = xp.where(small, x + SHIFT, x)
    series = horner(1 / (high * high), stirling_terms()) / high
    up = low + SHIFT
    moved = (up - 0.5) * xp.log(up) - (low - 0.5) * xp.log(low) - SHIFT - xp.log(rising(low, SHIFT))
    return xp.where(small, series + moved, series)


def rising(x: Any, n: int) -> Any:
    """``x * (x + 1) * ... * (x + n - 1)``."""
    product = x
    for k in range(1, n):
        product = product * (x + k)
    return product


def zeta_slope(xp: Any, x: Any, q: Any) -> Any:
    """The derivative in ``x`` of Hurwitz's zeta function for ``q > 0``: the formula of Euler and Maclaurin, derived."""
    terms = 12
    total = 0.0
    for k in range(terms):
        total = total - xp.log(q + k) * (q + k) ** (-x)
    a = q + terms
    log = xp.log(a)
    power = a ** (-x)
    total = total - power * (a / (x - 1) * (log + 1 / (x - 1)) + 0.5 * log)
    factor, slope = x * power / a, (1 - x * log) * power / a
    for k in range(1, 13):
        total = total + slope * float(bernoulli(2 * k) / math.factorial(2 * k))
        u, v = (x + (2 * k - 1)) / a, (x + 2 * k) / a
        factor, slope = factor * u * v, slope * u * v + factor * (u + v) / a
    return xp.where(x > 1, total, math.nan)


# Integrals of log-concave functions -----------------------------------------------------------------------------------

CUT = 40.0  # an integrand of 1 at its start is left out where it is below exp(-40)
TOGETHER = 2**18  # as many numbers may be computed at once


@functools.cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Places in (0, 1) and weights of Gauss's rule with 56 points."""
    places, weights = np.polynomial.legendre.leggauss(56)
    return (places + 1) / 2, weights / 2


def integrals(xp: Any, exponent: Callable[[Any], tuple], end: Any, factors: Callable[..., list[Any]]) -> list[Any]:
    """Integrals over v from 0 to infinity of ``exp(E(v))`` and of ``exp(E(v))`` times each of some factors.

    Parameters
    ----------
    xp : namespace
        Where to compute.
    exponent : callable
        Gives ``E(v)``, falling and concave with ``E(0) = 0``, its slope, and what the factors need.
    end : array
        A point beyond which ``E`` is below ``-CUT``; Newton's method makes it the least one.
    factors : callable
        From v and what ``exponent`` gave, the factors.
    """
    for _ in range(6):
        value, slope, _extra = exponent(end)
        end = end - (value + CUT) / slope
    # Rounded, so that it counts as a constant: derivatives are then those of the integrand.
    end = xp.exp(xp.round(8 * xp.log(end)) / 8)
    places, weights = (_column(xp, nodes, end) for nodes in _nodes())
    if len(_nodes()[0]) * math.prod(end.shape) <= TOGETHER:
        groups = [(places, weights)]
    else:
        groups = [(places[i : i + 1, ...], weights[i : i + 1, ...]) for i in range(len(_nodes()[0]))]
    totals: list[Any] = []
    for place, weight in groups:
        v = end * place
        value, _, extra = exponent(v)
        mass = weight * xp.exp(value)
        parts = [xp.sum(part, axis=0) for part in [mass, *(mass * f for f in factors(v, extra))]]
        totals = [t + p for t, p in zip(totals, parts, strict=True)] if totals else parts
    return [t * end for t in totals]


def _column(xp: Any, numbers: np.ndarray, like: Any) -> Any:
    """Numbers along a new first axis, in the dtype and on the device of ``like``."""
    column = numbers.reshape(-1, *(1 for _ in like.shape))
    return xp.astype(xp.to_device(column, target=xp.device(like)), like.dtype)


def _first_end(slope: Any, curvature: Any, xp: Any) -> Any:
    """Where ``slope*v + curvature*v**2/(2 + v)`` reaches CUT: below the exponents here, since v - 1 + exp(-v) is."""
    b, a = CUT - 2 * slope, slope + curvature
    return (b + xp.sqrt(b * b + 8 * CUT * a)) / (2 * a)


# The incomplete gamma function ----------------------------------------------------------------------------------------


def gamma_weight(xp: Any, a: Any, x: Any) -> Any:
    """``x**a * exp(-x) / gamma(a + 1)`` for ``a >= 0`` and ``x > 0``, without cancellation for large ``a``."""
    n = a + 1
    gap = (x - n) / n
    ratio = xp.where(gap < -0.5, xp.log(x / n), xp.log1p(xp.where(gap < -0.5, 0.0, gap)))
    log_weight = n * (ratio - gap) - xp.log(x) - stirling(xp, n)
    return xp.exp(log_weight) * xp.sqrt(n / (2 * math.pi))


def gamma_tails(xp: Any, a: Any, x: Any) -> tuple[Any, Any, Any]:
    """Whether ``x`` is below the bulk; the lower (there) or upper tail; its derivative in ``a``.

    With t = x*exp(-v) the lower tail is an integral over v from 0; with ``a + 1`` in place of ``a``, by DLMF 8.8.5,
    its integrand is smooth for small ``a`` too.  ``a`` and ``x`` are positive.
    """
    low = x <= xp.where((a < 1) & (x > 0.1), a, a + 1)
    sign = xp.where(low, xp.ones_like(x), -1.0)
    shape = xp.where(low, a + 1, a)

    def exponent(v):
        power = xp.expm1(-sign * v)
        return -(sign * shape * v + x * power), -sign * (shape - x * (power + 1)), None

    slope = xp.abs(shape - x)
    quadratic = 2 * CUT / (slope + xp.sqrt(slope * slope + 2 * CUT * x))  # exp(v) - 1 - v is above v**2/2
    exponential = xp.log1p(2 * CUT / x + 0.4)  # and above (exp(v) - 1)/2 - 0.2
    above = xp.where(quadratic < exponential, quadratic, exponential)
    end = xp.where(low, _first_end(slope, x, xp), above)
    whole, first = integrals(xp, exponent, end, lambda v, extra: [v])
    weight = gamma_weight(xp, a, x)
    rate = xp.log(x) - xp.special.psi(a + 1)  # of the weight, in a
    lower, lower_slope = weight * (1 + x * whole), weight * (rate * (1 + x * whole) - x * first)
    upper, upper_slope = weight * (a * whole), weight * ((1 + a * rate) * whole + a * first)
    return low, xp.where(low, lower, upper), xp.where(low, lower_slope, upper_slope)


# The incomplete beta function -----------------------------------------------------------------------------------------


def beta_weight(xp: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """``x**a * y**b / beta(a, b)`` for ``y = 1 - x`` inside (0, 1), without cancellation for large ``a`` and ``b``."""
    total = a + b
    gap = x * b - y * a  # zero at the mean
    log_weight = a * _log_ratio(xp, gap / a, x * (total / a)) + b * _log_ratio(xp, -gap / b, y * (total / b))
    log_weight = log_weight - stirling(xp, a) - stirling(xp, b) + stirling(xp, total)
    return xp.exp(log_weight) * xp.sqrt(a * (b / total) / (2 * math.pi))


def _log_ratio(xp: Any, gap: Any, ratio: Any) -> Any:
    """``log(ratio)`` with ``ratio = 1 + gap``, from whichever has more digits."""
    far = xp.abs(gap) > 0.5
    return xp.where(far, xp.log(ratio), xp.log1p(xp.where(far, 0.0, gap)))


def beta_tails(xp: Any, a: Any, b: Any, x: Any, y: Any) -> tuple[Any, Any, Any, Any]:
    """Whether ``x`` is below the mean; the lower (there) or upper tail; its derivatives in ``a`` and in ``b``.

    The lower tail is that of ``log(t/(1 - t))``, an integral over v from 0 below ``log(x/(1 - x))``; with ``a + 1`` in
    place of ``a``, by DLMF 8.17.20, its integrand is smooth for small ``a`` too.  The upper one is the lower one of
    ``y = 1 - x`` with ``a`` and ``b`` exchanged.  ``a`` and ``b`` are positive, ``x`` is inside (0, 1).
    """
    low = x * (a + b) <= a
    n, m = xp.where(low, a, b), xp.where(low, b, a)
    z, w = xp.where(low, x, y), xp.where(low, y, x)

    def exponent(v):
        power = xp.expm1(-v)
        shrunk = xp.log1p(z * power)
        return -(n + 1) * v - (n + 1 + m) * shrunk, (n + 1 + m) * z * (power + 1) / (1 + z * power) - (n + 1), shrunk

    slope, curvature = n + 1 - (n + 1 + m) * z, (n + 1 + m) * z * w
    whole, in_n, in_m = integrals(
        xp, exponent, _first_end(slope, curvature, xp), lambda v, shrunk: [-v - shrunk, -shrunk]
    )
    # The tail is weight/n * (1 + z*(n + m)*integral); weight = z**n * w**m / beta(n, m).
    weight = beta_weight(xp, n, m, z, w) / n
    psi = xp.special.psi
    in_both = psi(n + m)
    rate_n, rate_m = xp.log(z) - psi(n + 1) + in_both, xp.log(w) - psi(m) + in_both
    scale = z * (n + m)
    tail = weight * (1 + scale * whole)
    slope_n = tail * rate_n + weight * z * (whole + (n + m) * in_n)
    slope_m = tail * rate_m + weight * z * (whole + (n + m) * in_m)
    return low, tail, xp.where(low, slope_n, slope_m), xp.where(low, slope_m, slope_n)
