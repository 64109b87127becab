"""The same elements in another arrangement: shapes, axes, joining, splitting and repeating."""

from __future__ import annotations

import math

import numpy as np

from ..axes import as_shape, normalise_axes, normalise_axis
from .table import host, implements, only, same, tensor, xp

# Shapes and axes ------------------------------------------------------------------------------------------------------


@implements("reshape")
def _reshape(a, /, shape, order="C", *, copy=None):
    only("reshape", order=(order, ("C", "F")))
    a = tensor(a)
    if order == "C":
        return xp.reshape(a, shape, copy=copy)
    shape = as_shape(shape)
    return xp.permute_dims(xp.reshape(_reversed(a), shape[::-1], copy=copy), tuple(range(len(shape)))[::-1])


def _reversed(a):
    return xp.permute_dims(a, tuple(range(a.ndim))[::-1])


@implements("matrix_transpose", "linalg.matrix_transpose")
def _matrix_transpose(x, /):
    return xp.matrix_transpose(tensor(x))


@implements("moveaxis")
def _moveaxis(a, source, destination):
    return xp.moveaxis(tensor(a), source, destination)


@implements("rollaxis")
def _rollaxis(a, axis, start=0):
    a = tensor(a)
    axis = normalise_axis(axis, a.ndim, "rollaxis")
    start = start + a.ndim if start < 0 else start
    normalise_axis(start, a.ndim + 1, "rollaxis")
    return xp.moveaxis(a, axis, start - 1 if axis < start else start)


@implements("expand_dims")
def _expand_dims(a, axis):
    return xp.expand_dims(tensor(a), axis=axis)


@implements("squeeze")
def _squeeze(a, axis=None):
    return xp.squeeze(tensor(a), axis=axis)


@implements("broadcast_to")
def _broadcast_to(array, shape, subok=False):
    return xp.broadcast_to(tensor(array), shape)


@implements("broadcast_arrays")
def _broadcast_arrays(*args, subok=False):
    return xp.broadcast_arrays(*map(tensor, args))


# Joining --------------------------------------------------------------------------------------------------------------


def _joined(name, arrays, axis, dtype, casting):
    """``concat``, the arrays cast to ``dtype`` first."""
    arrays = [tensor(a) for a in arrays]
    if dtype is not None:
        for a in arrays:
            if not np.can_cast(a.dtype, dtype, casting):
                raise TypeError(f"{name}: cannot cast to dtype by the rule {casting!r}; got {a.dtype} for {dtype}.")
        arrays = [xp.astype(a, dtype, copy=False) for a in arrays]
    return xp.concat(arrays, axis=axis)


@implements("concatenate", "concat")
def _concatenate(arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind"):
    if dtype is None:
        return xp.concat([tensor(a) for a in arrays], axis=axis)
    return _joined("concatenate", arrays, axis, dtype, casting)


@implements("stack")
def _stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    arrays = [tensor(a) for a in arrays]
    if dtype is None:
        return xp.stack(arrays, axis=axis)
    place = normalise_axis(axis, arrays[0].ndim + 1, "stack")
    return _joined("stack", [xp.expand_dims(a, axis=place) for a in arrays], place, dtype, casting)


@implements("block")
def _block(arrays):
    depth = _depth(arrays)

    def leaves(part):
        return [leaf for p in part for leaf in leaves(p)] if isinstance(part, list) else [tensor(part)]

    ndim = max(depth, *(leaf.ndim for leaf in leaves(arrays)))

    def assembled(part, level):
        if not isinstance(part, list):
            part = tensor(part)
            return xp.reshape(part, (1,) * (ndim - part.ndim) + part.shape)
        return xp.concat([assembled(p, level + 1) for p in part], axis=ndim - depth + level)

    return xp.copy(assembled(arrays, 0)) if not isinstance(arrays, list) else assembled(arrays, 0)


def _depth(part):
    if not isinstance(part, list):
        return 0
    depths = {_depth(p) for p in part}
    if len(depths) != 1:
        raise ValueError(f"block: lists must be nested to one depth; got {sorted(depths) or 'an empty list'}.")
    return 1 + depths.pop()


# Splitting, repeating, turning ----------------------------------------------------------------------------------------


@implements("unstack")
def _unstack(x, /, *, axis=0):
    return xp.unstack(tensor(x), axis=axis)


@implements("repeat")
def _repeat(a, repeats, axis=None):
    repeats = repeats if isinstance(repeats, int) else tensor(host(repeats))
    return xp.repeat(tensor(a), repeats, axis=axis)


@implements("tile")
def _tile(A, reps):
    return xp.tile(tensor(A), as_shape(host(reps)))


@implements("resize")
def _resize(a, new_shape):
    a, shape = xp.reshape(tensor(a), (-1,)), as_shape(new_shape)
    size = math.prod(shape)
    if not a.size:
        return xp.zeros_like(xp.broadcast_to(xp.sum(a), shape))
    return xp.reshape(xp.take(a, xp.asarray(np.arange(size) % a.size), axis=0), shape)


@implements("flip")
def _flip(m, axis=None):
    return xp.flip(tensor(m), axis=axis)


@implements("roll")
def _roll(a, shift, axis=None):
    return xp.roll(tensor(a), shift, axis=axis)


@implements("trim_zeros")
def _trim_zeros(filt, trim="fb", axis=None):
    filt = tensor(filt)
    filled = np.argwhere(host(filt))
    over = normalise_axes(axis, filt.ndim, "trim_zeros")
    key = [slice(None)] * filt.ndim
    for i in over:
        column = filled[:, i] if len(filled) else np.array([0])
        start = int(column.min()) if "f" in trim.lower() else None
        stop = int(column.max()) + 1 if "b" in trim.lower() else None
        key[i] = slice(start, stop) if len(filled) else slice(0, 0)
    return filt[tuple(key)]


same(None, "vstack hstack dstack column_stack")
same(1, "ravel transpose permute_dims:transpose swapaxes atleast_1d atleast_2d atleast_3d append delete insert")
same(1, "flipud fliplr rot90 split array_split hsplit vsplit dsplit pad diag diagflat diagonal trace vander")
