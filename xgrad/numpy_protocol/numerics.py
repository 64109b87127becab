"""Elementwise helpers, statistics and numerical recipes, with NumPy's keywords."""

from __future__ import annotations

import numpy as np

from ..axes import normalise_axis
from .table import host, implements, only, operand, same, tensor, unsupported, xp

_NoValue = np._NoValue

# Elementwise ----------------------------------------------------------------------------------------------------------


@implements("clip")
def _clip(a, a_min=_NoValue, a_max=_NoValue, out=None, *, min=_NoValue, max=_NoValue, **kwargs):
    if kwargs:
        raise unsupported("clip", f"with {', '.join(sorted(kwargs))}=")
    low = min if a_min is _NoValue else a_min
    high = max if a_max is _NoValue else a_max
    bounds = (None if v is _NoValue or v is None else operand(v) for v in (low, high))
    return xp.clip(tensor(a), *bounds)


@implements("round", "around")
def _round(a, decimals=0, out=None):
    return tensor(a).round(decimals)


@implements("fix")
def _fix(x, out=None):
    return xp.trunc(tensor(x))


@implements("real")
def _real(val):
    return xp.real(tensor(val))


@implements("imag")
def _imag(val):
    val = tensor(val)
    return xp.imag(val) if val.dtype.kind == "c" else xp.zeros_like(val)


@implements("astype")
def _astype(x, dtype, /, *, copy=True, device=None):
    return xp.astype(tensor(x), dtype, copy=copy, device=device)


@implements("copy")
def _copy(a, order="K", subok=False):
    only("copy", order=(order, ("K", "C", "A")))
    return xp.copy(tensor(a))


same(1, "angle real_if_close sinc i0 nan_to_num unwrap")

# Differences and sums -------------------------------------------------------------------------------------------------


@implements("diff")
def _diff(a, n=1, axis=-1, prepend=_NoValue, append=_NoValue):
    if n < 0:
        raise ValueError(f"diff: n must not be negative; got {n}.")
    a = tensor(a)
    axis = normalise_axis(axis, a.ndim, "diff")
    shape = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
    parts = [a]
    for end, place in ((prepend, 0), (append, 2)):
        if end is not _NoValue:
            end = tensor(end)
            end = xp.broadcast_to(end, shape) if end.ndim == 0 else end
            parts.insert(place, end)
    if n == 0:
        return a
    a = xp.concat(parts, axis=axis) if len(parts) > 1 else a
    return xp.diff(xp.astype(a, np.int8) if a.dtype == np.bool_ else a, axis=axis, n=n)


same(1, "ediff1d gradient trapezoid")
same(2, "convolve correlate")
same(3, "interp")

# Statistics -----------------------------------------------------------------------------------------------------------

same(1, "median quantile percentile average cov corrcoef histogram bincount")
same(2, "digitize polyval")


@implements("einsum")
def _einsum(*operands, out=None, optimize=False, **kwargs):
    for name, value in kwargs.items():
        if name == "dtype" or (name, value) not in (("order", "K"), ("casting", "safe")):
            raise unsupported("einsum", f"with {name}=")
    return xp.einsum(*(v if isinstance(v, str | list | tuple) else tensor(v) for v in operands))


# Functions of functions -----------------------------------------------------------------------------------------------


@implements("apply_along_axis")
def _apply_along_axis(func1d, axis, arr, *args, **kwargs):
    return xp.apply_along_axis(func1d, axis, tensor(arr), *args, **kwargs)


@implements("apply_over_axes")
def _apply_over_axes(func, a, axes):
    a = tensor(a)
    ndim = a.ndim
    for axis in np.atleast_1d(host(axes)).tolist():
        axis = normalise_axis(axis, ndim, "apply_over_axes")
        result = tensor(func(a, axis))
        a = result if result.ndim == ndim else xp.expand_dims(result, axis=axis)
        if a.ndim != ndim:
            raise ValueError("apply_over_axes: the function must keep the axes or reduce one.")
    return a
