"""Functions that write into their first argument: a Tensor, so the write is recorded."""

from __future__ import annotations

import numpy as np

from .selection import _wrapped
from .table import host, implements, tensor, unsupported, xp


def _target(name, arr):
    if not hasattr(arr, "node"):
        raise unsupported(name, "an ndarray that is written cannot hold its gradient")
    return arr


def _cast(name, values, dtype, casting="same_kind"):
    values = tensor(values)
    if not np.can_cast(values.dtype, dtype, casting):
        raise TypeError(f"{name}: cannot cast by the rule {casting!r}; got {values.dtype} for {dtype}.")
    return xp.astype(values, dtype, copy=False)


@implements("copyto")
def _copyto(dst, src, casting="same_kind", where=True):
    dst = _target("copyto", dst)
    src = tensor(src).astype(dst.dtype) if _weak(src, dst) else _cast("copyto", src, dst.dtype, casting)
    new = xp.broadcast_to(src, dst.shape)
    dst._write(xp.copy(new) if where is True else xp.where(tensor(where), new, dst), "copyto")


def _weak(value, like):
    """Whether ``value`` is a Python number that takes the dtype of ``like``."""
    return type(value) in (bool, int) or (type(value) is float and like.dtype.kind in "fc")


@implements("put")
def _put(a, ind, v, mode="raise"):
    a = _target("put", a)
    places = xp.reshape(_wrapped(tensor(ind), a.size, mode, "put"), (-1,))
    values = xp.reshape(xp.astype(tensor(v), a.dtype), (-1,))
    if not values.size or not places.size:
        return
    _scatter(a, host(places), xp.take(values, xp.asarray(np.arange(places.size) % values.size), axis=0), "put")


def _scatter(a, places, values, name):
    """Write ``values`` at flat ``places``."""
    flat = xp.copy(xp.reshape(a, (-1,)))
    flat[places] = values
    a._write(xp.reshape(flat, a.shape), name)


@implements("put_along_axis")
def _put_along_axis(arr, indices, values, axis):
    arr = _target("put_along_axis", arr)
    grid = np.arange(arr.size).reshape(arr.shape)
    index = host(indices)
    if axis is None:
        grid, axis = grid.reshape(-1), 0
    places = np.take_along_axis(grid, np.asarray(index), axis=axis)
    values = xp.broadcast_to(xp.astype(tensor(values), arr.dtype), places.shape)
    _scatter(arr, places.reshape(-1), xp.reshape(values, (-1,)), "put_along_axis")


@implements("place")
def _place(arr, mask, vals):
    arr = _target("place", arr)
    places, values = np.flatnonzero(host(mask)), xp.reshape(xp.astype(tensor(vals), arr.dtype), (-1,))
    if not places.size:
        return
    if not values.size:
        raise ValueError("place: vals must not be empty; got no value for the elements of the mask.")
    _scatter(arr, places, xp.take(values, xp.asarray(np.arange(places.size) % values.size), axis=0), "place")


@implements("putmask")
def _putmask(a, /, mask, values):
    a = _target("putmask", a)
    values = xp.reshape(_cast("putmask", values, a.dtype), (-1,))
    if values.size:  # the n-th element of the array gets the n-th value, values beginning anew
        grown = xp.take(values, xp.asarray(np.arange(a.size) % values.size), axis=0)
        a._write(xp.where(tensor(mask) != 0, xp.reshape(grown, a.shape), a), "putmask")


@implements("fill_diagonal")
def _fill_diagonal(a, val, wrap=False):
    a = _target("fill_diagonal", a)
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        raise ValueError(f"fill_diagonal: all axes must have one length, and there must be two; got {a.shape}.")
    grid = np.zeros(a.shape, dtype=bool)
    np.fill_diagonal(grid, True, wrap)
    places, values = np.flatnonzero(grid), xp.reshape(xp.astype(tensor(val), a.dtype), (-1,))
    _scatter(a, places, xp.take(values, xp.asarray(np.arange(places.size) % values.size), axis=0), "fill_diagonal")
