"""How a special function is entered: computed in double precision, answered in the dtype of its arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...registry import formula

_DOUBLE = np.dtype(np.float64)


def special(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: ``f(xp, *arrays)`` computes ``special.f`` on libraries that lack it.

    Python numbers may stand for arrays.  A NaN in any argument gives NaN, whatever the formula made of it.
    """

    @functools.wraps(function)
    def call(xp, *arrays):
        like = next(a for a in arrays if hasattr(a, "dtype"))
        dtype = np.result_type(*(xp.numpy_dtype(a.dtype) if hasattr(a, "dtype") else a for a in arrays))
        wide = xp.raw_dtype(_DOUBLE)
        values = [a if hasattr(a, "dtype") else xp.full_like(like, a) for a in arrays]
        if dtype != _DOUBLE:
            values = [xp.astype(v, wide) for v in values]
        with xp.quiet():
            out = function(xp, *values)
            for v in values:
                out = xp.where(v != v, v, out)
        return out if dtype == _DOUBLE or dtype.kind != "f" else xp.astype(out, xp.raw_dtype(dtype))

    return formula(f"special.{function.__name__}")(call)
