"""Choosing elements: by a condition, by position, by rank."""

from __future__ import annotations

import numpy as np

from ..axes import normalise_axis
from .reductions import flat
from .table import host, implements, only, operand, same, tensor, xp

# By a condition -------------------------------------------------------------------------------------------------------


@implements("where")
def _where(condition, *choices):
    condition = tensor(condition)
    if not choices:
        return xp.nonzero(condition)
    x, y = choices
    return xp.where(condition if condition.dtype == np.bool_ else condition != 0, operand(x), operand(y))


@implements("select")
def _select(condlist, choicelist, default=0):
    return xp.select([tensor(c) for c in condlist], [operand(c) for c in choicelist], operand(default))


@implements("choose")
def _choose(a, choices, out=None, mode="raise"):
    return xp.choose(tensor(a), [operand(c) for c in choices], mode)


same(2, "extract compress")


@implements("piecewise")
def _piecewise(x, condlist, funclist, *args, **kw):
    x = tensor(x)
    if not isinstance(condlist, list | tuple) or (condlist and not np.ndim(host(condlist[0])) and x.ndim):
        condlist = [condlist]
    conditions = [tensor(c) for c in condlist]
    if len(funclist) == len(conditions) + 1:
        anyone = conditions[0]
        for condition in conditions[1:]:
            anyone = anyone | condition
        conditions.append(~anyone)
    if len(funclist) != len(conditions):
        raise ValueError(f"piecewise: one function per condition, or one more; got {len(funclist)}.")
    result = xp.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            result = xp.where(condition, xp.astype(xp.broadcast_to(tensor(function), x.shape), x.dtype), result)
        elif bool(xp.any(condition)):
            new = xp.copy(result)
            new[condition] = function(x[condition], *args, **kw)
            result = new
    return result


# By position ----------------------------------------------------------------------------------------------------------


def _wrapped(indices, n, mode, name):
    """Indices within ``n`` elements: as they are and checked, wrapped around, or clipped."""
    only(name, mode=(mode, ("raise", "wrap", "clip")))
    if mode == "wrap":
        return xp.remainder(indices, n)
    if mode == "clip":
        return xp.clip(indices, 0, n - 1)
    low = 0 if name == "choose" else -n
    if indices.size and not (int(xp.min(indices)) >= low and int(xp.max(indices)) < n):
        raise IndexError(f"{name}: an index is out of range; got one outside {low} to {n - 1}. Pass mode='wrap'.")
    return indices


@implements("take")
def _take(a, indices, axis=None, out=None, mode="raise"):
    a, axis = flat(a, axis)
    axis = normalise_axis(axis, a.ndim, "take")
    indices = tensor(indices)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"take: indices must be integers; got {indices.dtype}. Convert with astype.")
    if mode != "raise":
        indices = _wrapped(indices, a.shape[axis], mode, "take")
    elif indices.ndim == 0:
        return a[(slice(None),) * axis + (int(indices),)]
    return (
        xp.take(a, indices, axis=axis)
        if indices.ndim
        else xp.take(a, xp.reshape(indices, (1,)), axis=axis)[(slice(None),) * axis + (0,)]
    )


@implements("take_along_axis")
def _take_along_axis(arr, indices, axis=-1):
    arr, axis = flat(arr, axis)
    return xp.take_along_axis(arr, tensor(indices), axis=axis)


# By rank --------------------------------------------------------------------------------------------------------------


@implements("sort")
def _sort(a, axis=-1, kind=None, order=None, *, stable=None):
    only("sort", order=(order, (None,)))
    a, axis = flat(a, axis)
    return xp.sort(a, axis=axis)


@implements("argsort")
def _argsort(a, axis=-1, kind=None, order=None, *, stable=None):
    only("argsort", order=(order, (None,)))
    a, axis = flat(a, axis)
    return xp.argsort(a, axis=axis)


@implements("partition")
def _partition(a, kth, axis=-1, kind="introselect", order=None):
    a, axis = flat(a, axis)
    _ranks(kth, a.shape[axis], "partition")
    return _sort(a, axis, order=order)


@implements("argpartition")
def _argpartition(a, kth, axis=-1, kind="introselect", order=None):
    a, axis = flat(a, axis)
    _ranks(kth, a.shape[axis], "argpartition")
    return _argsort(a, axis, order=order)


def _ranks(kth, n, name):
    for k in np.atleast_1d(host(kth)).tolist():
        normalise_axis_of = -n <= k < n
        if not normalise_axis_of:
            raise ValueError(f"{name}: kth is out of range; got {k} for {n} elements.")


@implements("sort_complex")
def _sort_complex(a):
    a = tensor(a)
    if a.dtype.kind != "c":
        return xp.astype(xp.sort(a, axis=-1), np.result_type(a.dtype, np.complex64))
    return xp.take_along_axis(a, _lexsort((xp.imag(a), xp.real(a))), axis=-1)


@implements("lexsort")
def _lexsort(keys, axis=-1):
    keys = list(xp.unstack(keys)) if hasattr(keys, "node") else [tensor(k) for k in keys]
    order = xp.argsort(keys[0], axis=axis)
    for key in keys[1:]:
        ranked = xp.take_along_axis(key, order, axis=axis)
        order = xp.take_along_axis(order, xp.argsort(ranked, axis=axis), axis=axis)
    return order


@implements("searchsorted")
def _searchsorted(a, v, side="left", sorter=None):
    return xp.searchsorted(tensor(a), tensor(v), side=side, sorter=None if sorter is None else tensor(sorter))
