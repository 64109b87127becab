"""The gamma function and its relatives: Stirling's series, recurrences and reflection."""

from __future__ import annotations

import math

from ...approximate import SHIFT, bernoulli, from_integer, horner, odd_floor, rising, stirling, stirling_terms
from .precise import special

_EULER = 0.57721566490153286061
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def _zeta_less(k: int) -> float:
    """``zeta(k) - 1 - 2**-k``."""
    last = 300
    tail = last ** (1 - k) / (k - 1) + 0.5 * last**-k + k * last ** (-k - 1) / 12  # Euler and Maclaurin
    tail -= k * (k + 1) * (k + 2) * last ** (-k - 3) / 720
    return math.fsum([n**-k for n in range(3, last)] + [tail])


# log(gamma(2 + z)) + log(1 + z/2) in powers of z: DLMF 5.7.3 with one more term of zeta taken out, so that |z| < 3.
_AT_TWO = [0.0, 1.5 - _EULER] + [(-1) ** k * _zeta_less(k) / k for k in range(2, 36)]


@special
def gammaln(xp, x, /):
    """The logarithm of the size of gamma."""
    positive = _positive_gammaln(xp, xp.where(x < 0, 1 - x, x))
    sine = xp.abs(xp.sin(math.pi * from_integer(xp, x)))
    return xp.where(x < 0, math.log(math.pi) - xp.log(sine) - positive, positive)


def _positive_gammaln(xp, x):
    below = x < 1.5
    z = xp.where(x < 3, xp.where(below, x - 1, x - 2), 0.0)  # in [-1, 1]
    low = horner(z, _AT_TWO) - xp.log1p(0.5 * z) - xp.log(xp.where(below, x, 1.0))
    large = xp.where(x < 3, 3.0, x)
    high = (large - 0.5) * xp.log(large) - large + _HALF_LOG_TWO_PI + stirling(xp, large)
    return xp.where(x < 3, low, xp.where(x == math.inf, math.inf, high))


@special
def gamma(xp, x, /):
    """The gamma function."""
    size = xp.where(x < 0, 1 - x, x)
    small = size < SHIFT
    up = xp.where(small, size + SHIFT, size)
    root = (up / math.e) ** (0.5 * up)  # twice half a power, which does not overflow too early
    series = xp.exp(horner(1 / (up * up), stirling_terms()) / up)
    positive = xp.sqrt(2 * math.pi / up) * root * series * root
    positive = xp.where(small, positive / rising(xp.where(small, size, 1.0), SHIFT), positive)
    positive = xp.where(up > 180, math.inf, positive)
    sine = _sign(xp, x) * xp.abs(xp.sin(math.pi * from_integer(xp, x)))
    reflected = xp.where(sine == 0, math.nan, math.pi / sine / positive)
    return xp.where(x < 0, reflected, positive)


@special
def gammasgn(xp, x, /):
    """The sign of gamma."""
    return _sign(xp, x)


def _sign(xp, x):
    return xp.where((x < 0) & odd_floor(xp, x), -xp.ones_like(x), 1.0)  # at poles too, where libraries have NaN


@special
def loggamma(xp, z, /):
    """The principal branch of the logarithm of gamma; of real numbers below zero NaN."""
    return xp.where(z < 0, math.nan, xp.special.gammaln(z))


@special
def psi(xp, x, /):
    """The logarithmic derivative of gamma."""
    size = xp.where(x < 0, 1 - x, x)
    small = size < SHIFT
    low, up = xp.where(small, size, 1.0), xp.where(small, size + SHIFT, size)
    moved = 1 / low
    for k in range(1, SHIFT):
        moved = moved + 1 / (low + k)
    z = 1 / (up * up)
    out = xp.log(up) - 0.5 / up - z * horner(z, [float(bernoulli(2 * k) / (2 * k)) for k in range(1, 10)])
    out = xp.where(small, out - moved, out)
    gap = from_integer(xp, x)
    tangent = xp.tan(math.pi * xp.where(gap == 0, 0.25, gap))
    out = xp.where(x < 0, out - math.pi / tangent, out)
    pole = (x < 0) & (gap == 0)
    return xp.where(pole, math.nan, xp.where(x == 0, xp.where(1 / x < 0, math.inf, -xp.ones_like(x) * math.inf), out))


@special
def zeta(xp, x, q, /):
    """Hurwitz's zeta function by the formula of Euler and Maclaurin (DLMF 25.11.28).

    For ``q`` below zero, where ``x`` must be a whole number, the sum over all integers is used: it depends only on
    the fraction of ``q``, so ``zeta(x, q) = zeta(x, f) + (-1)**x * (zeta(x, 1 - f) - zeta(x, 1 - q))``.
    """
    fraction = q - xp.floor(q)
    negative = q < 0
    start = xp.where(negative, fraction, q)
    out = _positive_zeta(xp, x, start)
    other = _positive_zeta(xp, x, 1 - fraction) - _positive_zeta(xp, x, xp.where(negative, 1 - q, 1.0))
    out = xp.where(negative, out + xp.where(odd_floor(xp, x), -other, other), out)
    out = xp.where(negative & (x != xp.floor(x)), math.nan, out)
    out = xp.where((q <= 0) & (fraction == 0), math.inf, out)
    return xp.where(x == 1, math.inf, xp.where(x < 1, math.nan, out))


def _positive_zeta(xp, x, q):
    terms = 12
    total = q ** (-x)
    for k in range(1, terms):
        total = total + (q + k) ** (-x)
    a = q + terms
    power = a ** (-x)
    total = total + power * (a / (x - 1)) + 0.5 * power
    factor = x * power / a
    for k in range(1, 13):
        total = total + factor * float(bernoulli(2 * k) / math.factorial(2 * k))
        factor = factor * ((x + (2 * k - 1)) / a) * ((x + 2 * k) / a)
    return total


@special
def betaln(xp, a, b, /):
    """The logarithm of the size of beta."""
    low, high = xp.where(a < b, a, b), xp.where(a < b, b, a)
    plain = _gammaln_of(xp, low) + _gammaln_of(xp, high) - _gammaln_of(xp, low + high)
    large = (high >= SHIFT) & (low > 0)
    return xp.where(large, _gammaln_of(xp, low) - _growth(xp, high, low, large), plain)


def _gammaln_of(xp, x):
    return xp.special.gammaln(x)


def _growth(xp, x, m, where):
    """``gammaln(x + m) - gammaln(x)`` for large ``x`` and positive ``m``, without cancellation."""
    x, m = xp.where(where, x, float(SHIFT)), xp.where(where, m, 1.0)
    whole = x + m
    return (x - 0.5) * xp.log1p(m / x) + m * (xp.log(whole) - 1) + stirling(xp, whole) - stirling(xp, x)


@special
def beta(xp, a, b, /):
    """``gamma(a) * gamma(b) / gamma(a + b)``."""
    sign = _sign(xp, a) * _sign(xp, b) * _sign(xp, a + b)
    return sign * xp.exp(xp.special.betaln(a, b))


@special
def poch(xp, z, m, /):
    """``gamma(z + m) / gamma(z)``."""
    large = (z >= SHIFT) & (m > 0)
    plain = xp.special.gammaln(z + m) - xp.special.gammaln(z)
    sign = _sign(xp, z) * _sign(xp, z + m)
    out = sign * xp.exp(xp.where(large, _growth(xp, z, m, large), plain))
    return xp.where(m == 0, 1.0, out)


@special
def binom(xp, n, k, /):
    """The binomial coefficient of real numbers."""
    rest = 1 + n - k
    sign = _sign(xp, n + 1) * _sign(xp, k + 1) * _sign(xp, rest)
    poles = ((rest <= 0) & (rest == xp.floor(rest))) | ((k < 0) & (k == xp.floor(k)))
    inside = (rest > 0) & (k + 1 > 0) & (n + 1 > 0)
    usual = -xp.log(xp.where(inside, n + 1, 1.0)) - xp.special.betaln(
        xp.where(inside, rest, 1.0), xp.where(inside, k + 1, 1.0)
    )
    other = xp.special.gammaln(n + 1) - xp.special.gammaln(k + 1) - xp.special.gammaln(rest)
    out = sign * xp.exp(xp.where(inside, usual, other))
    undefined = (n < 0) & (n == xp.floor(n))
    return xp.where(undefined, math.nan, xp.where(poles, 0.0, out))
