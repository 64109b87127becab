"""The methods of ufuncs: the call itself, ``reduce``, ``accumulate``, ``reduceat``, ``outer`` and ``at``.

Where we have a function of the same meaning it is called (``add.reduce`` is ``sum``); otherwise the ufunc itself is
applied to the slices in their order, which is right for every ufunc of two arguments.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import index_key
from ..axes import keepdims_shape, normalise_axes, normalise_axis
from .table import deliver, host, tensor, unsupported, xp
from .ufuncs import call, find, general

_NoValue = np._NoValue
_REDUCTIONS = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.logical_and: "all",
    np.logical_or: "any",
}
_SUMMED = {np.add: "cumulative_sum", np.multiply: "cumulative_prod"}
_ANY_ORDER = (np.maximum, np.minimum, np.fmax, np.fmin)  # and those with an identity


def _binary(ufunc: Any, method: str) -> None:
    if ufunc.nin != 2 or ufunc.nout != 1 or ufunc.signature is not None:
        raise unsupported(f"{ufunc.__name__}.{method}", "only ufuncs of two arguments have this method")
    find(ufunc)


def _delivered(ufunc: Any, method: str, result: Any, out: Any) -> Any:
    return result if out is None or out[0] is None else deliver(f"{ufunc.__name__}.{method}", result, out)


def reduce(ufunc, a, axis=0, dtype=None, out=None, keepdims=False, initial=_NoValue, where=True):
    """``ufunc.reduce``, over the first axis unless told otherwise."""
    _binary(ufunc, "reduce")
    return _delivered(ufunc, "reduce", reduced(ufunc, a, axis, dtype, keepdims, initial, where), out)


def reduced(ufunc, a, axis=None, dtype=None, keepdims=False, initial=_NoValue, where=True):
    """The reduction of ``a`` over ``axis``, masked by ``where`` and starting from ``initial``."""
    a = tensor(a)
    name, axes, identity = ufunc.__name__, normalise_axes(axis, a.ndim, ufunc.__name__), ufunc.identity
    if len(axes) > 1 and identity is None and ufunc not in _ANY_ORDER:
        raise ValueError(f"{name}.reduce: the result depends on the order of the axes; got {axes}. Name one axis.")
    if initial is None:
        identity, initial = None, _NoValue  # NumPy's way to say that there is no start
    if where is not True:
        rest = initial if identity is None else identity
        if rest is _NoValue:
            raise ValueError(f"{name}.reduce: where= needs a value for what it leaves out. Pass initial=.")
        a = xp.where(tensor(where), a, rest)
        axes = normalise_axes(axis, a.ndim, name)
    ours = _REDUCTIONS.get(ufunc)
    if dtype is not None and ours not in ("all", "any"):
        a = xp.astype(a, dtype, copy=False)
    empty = 0 in (a.shape[i] for i in axes)
    if empty and initial is not _NoValue and identity is None:
        return xp.sum(a, axis=axes, keepdims=keepdims) + initial
    if ours is not None:
        result = getattr(xp, ours)(a, axis=axes, keepdims=bool(keepdims))
    elif ufunc is np.logaddexp:
        result = _log_of_sum(a, axes, keepdims)
    else:
        return _folded(ufunc, a, axes, keepdims, initial if initial is not _NoValue else identity if empty else None)
    return result if initial is _NoValue else call(ufunc, (initial, result))


def _log_of_sum(a, axes, keepdims):
    """``log(sum(exp(a)))``, shifted by the largest element, of which the value does not depend."""
    if 0 in (a.shape[i] for i in axes):
        return xp.sum(a, axis=axes, keepdims=keepdims) - math.inf
    top = xp.max(a.detach(), axis=axes, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    total = xp.sum(xp.exp(a - top), axis=axes, keepdims=True)
    result = xp.where(total == 0, -math.inf, xp.log(xp.where(total == 0, 1.0, total))) + top
    return result if keepdims else xp.squeeze(result, axis=axes)


def _folded(ufunc, a, axes, keepdims, start):
    """The ufunc applied to the slices one after the other."""
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    kept = keepdims_shape(a.shape, axes) if keepdims else tuple(a.shape[i] for i in rest)
    if not axes:
        return a if start is None else call(ufunc, (start, a))
    lines = xp.reshape(
        xp.permute_dims(a, axes + rest), (math.prod(a.shape[i] for i in axes), *(a.shape[i] for i in rest))
    )
    slices = list(xp.unstack(lines))
    if start is not None:
        slices.insert(0, xp.full_like(xp.sum(lines, axis=0), start))
    if not slices:
        raise ValueError(f"{ufunc.__name__}.reduce: an empty axis has no value to start from. Pass initial=.")
    return xp.reshape(functools.reduce(lambda x, y: call(ufunc, (x, y)), slices), kept)


def accumulate(ufunc, a, axis=0, dtype=None, out=None):
    """``ufunc.accumulate``: the results of all prefixes."""
    _binary(ufunc, "accumulate")
    a = tensor(a)
    a = a if dtype is None else xp.astype(a, dtype, copy=False)
    axis = normalise_axis(axis, a.ndim, "accumulate")
    if ufunc in _SUMMED:
        result = getattr(xp, _SUMMED[ufunc])(a, axis=axis)
    elif not a.shape[axis]:
        result = a
    else:
        prefixes = itertools.accumulate(xp.unstack(a, axis=axis), lambda x, y: call(ufunc, (x, y)))
        result = xp.stack(list(prefixes), axis=axis)
    return _delivered(ufunc, "accumulate", result, out)


def reduceat(ufunc, a, indices, axis=0, dtype=None, out=None):
    """``ufunc.reduceat``: the reductions of slices between the indices, or one element where they do not grow."""
    _binary(ufunc, "reduceat")
    a, starts = tensor(a), np.asarray(host(indices)).tolist()
    axis = normalise_axis(axis, a.ndim, "reduceat")
    parts = []
    for start, stop in zip(starts, [*starts[1:], a.shape[axis]], strict=True):
        if not 0 <= start < a.shape[axis]:
            raise IndexError(f"reduceat: an index is out of range; got {start} for {a.shape[axis]} elements.")
        piece = slice(start, max(stop, start + 1))
        parts.append(reduced(ufunc, a[(slice(None),) * axis + (piece,)], axis, dtype))
    return _delivered(ufunc, "reduceat", xp.stack(parts, axis=axis), out)


def outer(ufunc, a, b, **kwargs):
    """``ufunc.outer``: all pairs of an element of ``a`` and one of ``b``."""
    _binary(ufunc, "outer")
    a, b = tensor(a), tensor(b)
    return general(ufunc, xp.reshape(a, a.shape + (1,) * b.ndim), b, **kwargs)


def at(ufunc, a, indices, *values):
    """``ufunc.at``: the ufunc applied in place at ``indices``, a place named twice twice."""
    name = f"{ufunc.__name__}.at"
    if ufunc.nin != 1 + len(values) or ufunc.nout != 1 or ufunc.signature is not None:
        raise unsupported(name, f"with {len(values)} operands")
    if not hasattr(a, "node"):
        raise unsupported(name, "an ndarray that is written cannot hold its gradient")
    find(ufunc)
    if ufunc in (np.add, np.subtract):
        key = index_key(tuple(map(_key, indices)) if isinstance(indices, tuple) else _key(indices), a.ndim)
        shape = np.broadcast_to(False, a.shape)[tuple(map(host, key))].shape
        grown = xp.scatter_add(xp.broadcast_to(tensor(values[0]), shape), key=key, shape=a.shape)
        a._write(call(ufunc, (a, grown)), name)
        return
    key = tuple(map(host, indices)) if isinstance(indices, tuple) else host(indices)
    places = np.arange(a.size).reshape(a.shape)[key]
    flat = places.reshape(-1)
    order = np.argsort(flat, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(flat[order]) != 0][: flat.size])
    turn = np.empty(flat.size, dtype=np.int64)  # how many earlier ones name the same place
    turn[order] = np.arange(flat.size) - np.repeat(first, np.diff(np.r_[first, flat.size]))
    operands = [xp.reshape(xp.broadcast_to(tensor(v), places.shape), (-1,)) for v in values]
    new = xp.reshape(a, (-1,))
    new = xp.copy(new)
    for k in range(int(turn.max(initial=-1)) + 1):
        now = np.flatnonzero(turn == k)
        new[flat[now]] = call(ufunc, (new[flat[now]], *(v[now] for v in operands)))
    a._write(xp.reshape(new, a.shape), name)


def _key(index: Any) -> Any:
    return host(index) if isinstance(index, list) else index


methods: dict[str, Callable[..., Any]] = {
    "__call__": general,
    "reduce": reduce,
    "accumulate": accumulate,
    "reduceat": reduceat,
    "outer": outer,
    "at": at,
}
