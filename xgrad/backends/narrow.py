"""Rounding of float32 to 16-bit types, in standard calls, and products of what is rounded.

Products of two numbers of 11 significant bits are exact in float32, so a float32 product of rounded arrays is what the
matrix units of a GPU compute, up to the order of the additions.
"""

from __future__ import annotations

import math
from typing import Any

from ..registry import formula

_DROPPED = {"bfloat16": 16, "float16": 13}  # of the 24 significant bits of a float32


@formula("rounded")
def rounded(xp, x, precision, /):
    """``x`` to the nearest number of the type, by Veltkamp's splitting: what is added and taken off keeps high bits."""
    if precision == "float16":
        return _half(xp, x)
    large = xp.abs(x) >= 2.0**100  # where the splitting would overflow
    shrunk = xp.where(large, x * 2.0**-30, x)
    high = _high_bits(shrunk, _DROPPED[precision])
    return xp.where(xp.isfinite(x), xp.where(large, high * 2.0**30, high), x)


def _high_bits(x: Any, dropped: int) -> Any:
    spread = x * (2.0**dropped + 1.0)
    return spread - (spread - x)


def _half(xp: Any, x: Any) -> Any:
    """Below 2**-14 numbers are 2**-24 apart, and above 65504 they are infinite."""
    size = xp.abs(x)
    inside = xp.where(size < 65536.0, x, 0.0)
    tiny = size < 2.0**-14
    out = xp.where(tiny, xp.round(inside * 2.0**24) * 2.0**-24, _high_bits(inside, _DROPPED["float16"]))
    out = xp.where(size < 65520.0, out, x * math.inf)
    return xp.where(xp.isnan(x), x, out)


def _both(xp: Any, x1: Any, x2: Any, precision: str) -> tuple[Any, Any]:
    single = all(xp.numpy_dtype(x.dtype).name == "float32" for x in (x1, x2))
    return (xp.rounded(x1, precision), xp.rounded(x2, precision)) if single else (x1, x2)


@formula("narrow_matmul")
def narrow_matmul(xp, x1, x2, /, *, precision):
    """Of float32 arrays; others are multiplied as they are."""
    return xp.matmul(*_both(xp, x1, x2, precision))


@formula("narrow_cross_correlation")
def narrow_cross_correlation(xp, x, w, /, *, precision, **options):
    """Of float32 arrays; others are multiplied as they are."""
    return xp.cross_correlation(*_both(xp, x, w, precision), **options)
