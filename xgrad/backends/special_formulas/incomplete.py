"""The incomplete gamma and beta functions, by the integrals of ``approximate``, and Student's distribution."""

from __future__ import annotations

import math

from ...approximate import beta_tails, gamma_tails
from .precise import special


@special
def gammainc(xp, a, x, /):
    """The regularised lower incomplete gamma function."""
    return _gammainc(xp, a, x, lower=True)


@special
def gammaincc(xp, a, x, /):
    """The regularised upper incomplete gamma function."""
    return _gammainc(xp, a, x, lower=False)


def _gammainc(xp, a, x, lower):
    usual = (a > 0) & (x > 0) & xp.isfinite(a) & xp.isfinite(x)
    low, tail, _ = gamma_tails(xp, xp.where(usual, a, 1.0), xp.where(usual, x, 1.0))
    inside = xp.where(low, tail, 1 - tail) if lower else xp.where(low, 1 - tail, tail)
    nothing, everything = (0.0, 1.0) if lower else (1.0, 0.0)
    empty = (x == 0) | ((a == math.inf) & (x < math.inf))
    out = xp.where(usual, inside, xp.where(empty, nothing, xp.full_like(inside, everything)))
    wrong = (a < 0) | (x < 0) | ((a == 0) & (x == 0)) | ((a == math.inf) & (x == math.inf))
    return xp.where(wrong, math.nan, out)


@special
def betainc(xp, a, b, x, /):
    """The regularised incomplete beta function."""
    usual = (a > 0) & (b > 0) & (x > 0) & (x < 1) & xp.isfinite(a) & xp.isfinite(b)
    n, m, z = (xp.where(usual, v, 0.5) for v in (a, b, x))
    low, tail, _, _ = beta_tails(xp, n, m, z, 1 - z)
    out = xp.where(usual, xp.where(low, tail, 1 - tail), xp.where(x > 0, xp.ones_like(tail), 0.0))
    ends = ((x == 0) | (x == 1)) & (a > 0) & (b > 0)
    return xp.where(usual | ends, out, math.nan)


@special
def stdtr(xp, df, t, /):
    """The distribution function of Student's t: ``t*t/(df + t*t)`` has a beta distribution."""
    usual = (df > 0) & xp.isfinite(df) & xp.isfinite(t) & (t != 0)
    n, size = xp.where(usual, df, 1.0), xp.where(usual, xp.abs(t), 1.0)
    size = xp.where(size < 1e100, size, 1e100)
    low, tail, _, _ = beta_tails(xp, xp.full_like(n, 0.5), 0.5 * n, size / (n / size + size), n / (n + size * size))
    outer = xp.where(low, 0.5 - 0.5 * tail, 0.5 * tail)
    out = xp.where(usual, xp.where(t < 0, outer, 1 - outer), 0.5)
    out = xp.where(xp.abs(t) == math.inf, xp.where(t > 0, xp.ones_like(out), 0.0), out)
    return xp.where(df > 0, xp.where(df == math.inf, xp.special.ndtr(t), out), math.nan)
