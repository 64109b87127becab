"""Functions made of exponentials and logarithms, and the dilogarithm."""

from __future__ import annotations

import functools
import math

from ...approximate import bernoulli, horner
from .precise import special


@special
def expit(xp, x, /):
    """``1 / (1 + exp(-x))`` without overflow."""
    small = xp.exp(-xp.abs(x))
    return xp.where(x < 0, small, xp.ones_like(x)) / (1 + small)


@special
def log_expit(xp, x, /):
    """``log(expit(x))``."""
    return xp.where(x < 0, x, 0.0) - xp.log1p(xp.exp(-xp.abs(x)))


@special
def logit(xp, x, /):
    """``log(x / (1 - x))``; near one half from the distance to it."""
    middle = xp.abs(x - 0.5) < 0.2
    s = xp.where(middle, 2 * (x - 0.5), 0.0)
    return xp.where(middle, xp.log1p(s) - xp.log1p(-s), xp.log(x / (1 - x)))


@special
def exp10(xp, x, /):
    """``10**x``."""
    return 10.0**x


@special
def exprel(xp, x, /):
    """``(exp(x) - 1) / x``, 1 at 0."""
    return xp.where(x == 0, 1.0, xp.where(x == math.inf, math.inf, xp.expm1(x) / xp.where(x == 0, 1.0, x)))


@special
def xlogy(xp, x, y, /):
    """``x * log(y)``, 0 where ``x`` is."""
    return xp.where(x == 0, 0.0, x * xp.log(xp.where(x == 0, 1.0, y)))


@special
def xlog1py(xp, x, y, /):
    """``x * log1p(y)``, 0 where ``x`` is."""
    return xp.where(x == 0, 0.0, x * xp.log1p(xp.where(x == 0, 0.0, y)))


@special
def entr(xp, x, /):
    """``-x * log(x)``, 0 at 0, minus infinity below."""
    return xp.where(x > 0, -x * xp.log(xp.where(x > 0, x, 1.0)), xp.where(x == 0, 0.0, -math.inf * xp.ones_like(x)))


@special
def rel_entr(xp, x, y, /):
    """``x * log(x / y)``, 0 where ``x`` is, infinite outside."""
    both = (x > 0) & (y > 0)
    a, b = xp.where(both, x, 1.0), xp.where(both, y, 1.0)
    ratio = a / b
    extreme = (ratio == 0) | (ratio == math.inf)
    log_ratio = xp.where(extreme, xp.log(a) - xp.log(b), xp.log(xp.where(extreme, 1.0, ratio)))
    close = xp.abs(a - b) < 0.5 * b
    log_ratio = xp.where(close, xp.log1p(xp.where(close, (a - b) / b, 0.0)), log_ratio)
    return xp.where(both, a * log_ratio, xp.where((x == 0) & (y >= 0), 0.0, math.inf * xp.ones_like(ratio)))


@special
def kl_div(xp, x, y, /):
    """``x * log(x / y) - x + y``, infinite outside."""
    both = (x > 0) & (y > 0)
    return xp.where(both, xp.special.rel_entr(x, y) - x + y, xp.where((x == 0) & (y >= 0), y, math.inf))


@special
def boxcox(xp, x, lmbda, /):
    """``(x**lmbda - 1) / lmbda``, ``log(x)`` at 0."""
    return _power(xp, xp.log(x), lmbda)


@special
def boxcox1p(xp, x, lmbda, /):
    """``boxcox(1 + x, lmbda)``."""
    return _power(xp, xp.log1p(x), lmbda)


def _power(xp, log, lmbda):
    flat = xp.abs(lmbda) < 1e-19
    safe = xp.where(flat, 1.0, lmbda)
    return xp.where(flat, log, xp.expm1(safe * log) / safe)


@special
def inv_boxcox(xp, x, lmbda, /):
    """The inverse of ``boxcox`` in its first argument."""
    flat = lmbda == 0
    safe = xp.where(flat, 1.0, lmbda)
    return xp.exp(xp.where(flat, x, xp.log1p(safe * x) / safe))


@special
def inv_boxcox1p(xp, x, lmbda, /):
    """The inverse of ``boxcox1p`` in its first argument."""
    flat = lmbda == 0
    safe = xp.where(flat, 1.0, lmbda)
    return xp.expm1(xp.where(flat, x, xp.log1p(safe * x) / safe))


# log(x)/(x - 1) in powers of log(x), integrated term by term (DLMF 24.2.1)
@functools.cache
def _debye() -> list[float]:
    return [float(bernoulli(2 * k) / math.factorial(2 * k + 1)) for k in range(12)]


@special
def spence(xp, z, /):
    """The integral of ``log(t) / (1 - t)`` from 1 to ``z``; by reflection and inversion ``z`` is brought near 1."""
    inverted = z > 2
    y = xp.where(inverted, 1 / xp.where(inverted, z, 1.0), z)
    small = y < 0.5
    log = xp.log(y)
    inner = _spence_near_one(xp, xp.log(xp.where(small, 1 - y, y)))
    crossed = xp.where(y > 0, log * xp.log1p(-xp.where(small, y, 0.0)), 0.0)
    out = xp.where(small, math.pi**2 / 6 - crossed - inner, inner)
    out = xp.where(inverted, -0.5 * xp.log(xp.where(inverted, z, 1.0)) ** 2 - out, out)
    return xp.where(z < 0, math.nan, out)


def _spence_near_one(xp, log):
    return -log * horner(log * log, _debye()) - 0.25 * log * log
