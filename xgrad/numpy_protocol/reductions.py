"""Reductions, running sums and what is measured on the whole of an array, with NumPy's keywords."""

from __future__ import annotations

import numpy as np

from .table import implements, same, tensor, xp
from .ufunc_methods import reduced

_NoValue = np._NoValue


@implements("sum")
def _sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=_NoValue, where=True):
    if initial is _NoValue and where is True:
        return xp.sum(tensor(a), axis=axis, dtype=dtype, keepdims=keepdims)
    return reduced(np.add, a, axis, dtype, keepdims, initial, where)


@implements("prod")
def _prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=_NoValue, where=True):
    if initial is _NoValue and where is True:
        return xp.prod(tensor(a), axis=axis, dtype=dtype, keepdims=keepdims)
    return reduced(np.multiply, a, axis, dtype, keepdims, initial, where)


@implements("max", "amax")
def _max(a, axis=None, out=None, keepdims=False, initial=_NoValue, where=True):
    return reduced(np.maximum, a, axis, None, keepdims, initial, where)


@implements("min", "amin")
def _min(a, axis=None, out=None, keepdims=False, initial=_NoValue, where=True):
    return reduced(np.minimum, a, axis, None, keepdims, initial, where)


@implements("all")
def _all(a, axis=None, out=None, keepdims=False, *, where=True):
    return reduced(np.logical_and, a, axis, None, keepdims, where=where)


@implements("any")
def _any(a, axis=None, out=None, keepdims=False, *, where=True):
    return reduced(np.logical_or, a, axis, None, keepdims, where=where)


@implements("mean")
def _mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=True):
    a = tensor(a) if dtype is None else xp.astype(tensor(a), dtype, copy=False)
    if where is True:
        return xp.mean(a, axis=axis, keepdims=keepdims)
    a, chosen = xp.broadcast_arrays(a, tensor(where))
    return reduced(np.add, a, axis, None, keepdims, where=chosen) / _count(chosen, axis, keepdims, a)


def _count(chosen, axis, keepdims, like):
    """How many elements a mask chooses, in the floating dtype that goes with ``like``."""
    dtype = like.dtype if like.dtype.kind in "fc" else np.dtype(np.float64)
    return xp.astype(xp.sum(xp.astype(chosen, np.int64), axis=axis, keepdims=keepdims), dtype)


def _moment(root, name, a, axis, dtype, ddof, keepdims, where, mean, correction):
    """Variance or standard deviation; ``correction`` is the standard's word for ``ddof``."""
    if correction is not _NoValue:
        if ddof != 0:
            raise ValueError(f"{name}: ddof and correction mean the same; got both. Give one.")
        ddof = correction
    a = tensor(a) if dtype is None else xp.astype(tensor(a), dtype, copy=False)
    if where is True and mean is _NoValue:
        return getattr(xp, name)(a, axis=axis, correction=ddof, keepdims=keepdims)
    a, chosen = xp.broadcast_arrays(a, tensor(where))
    middle = _mean(a, axis, keepdims=True, where=chosen) if mean is _NoValue else tensor(mean)
    distance = xp.abs(a - middle)
    total = reduced(np.add, distance * distance, axis, None, keepdims, where=chosen)
    variance = total / (_count(chosen, axis, keepdims, distance) - ddof)
    return xp.sqrt(variance) if root else variance


@implements("var")
def _var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=_NoValue, correction=_NoValue):
    return _moment(False, "var", a, axis, dtype, ddof, keepdims, where, mean, correction)


@implements("std")
def _std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=_NoValue, correction=_NoValue):
    return _moment(True, "std", a, axis, dtype, ddof, keepdims, where, mean, correction)


@implements("argmax")
def _argmax(a, axis=None, out=None, *, keepdims=False):
    return xp.argmax(tensor(a), axis=axis, keepdims=keepdims)


@implements("argmin")
def _argmin(a, axis=None, out=None, *, keepdims=False):
    return xp.argmin(tensor(a), axis=axis, keepdims=keepdims)


@implements("count_nonzero")
def _count_nonzero(a, axis=None, *, keepdims=False):
    return xp.count_nonzero(tensor(a), axis=axis, keepdims=keepdims)


def flat(a, axis):
    """``a`` in one axis where ``axis`` is None, and the axis to go along."""
    a = tensor(a)
    return (xp.reshape(a, (-1,)), 0) if axis is None else (a, axis)


same(1, "ptp cumsum cumprod cumulative_sum cumulative_prod")
