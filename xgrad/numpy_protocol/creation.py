"""Arrays that are made like a Tensor (``like=``, ``zeros_like``) or between bounds that may be Tensors."""

from __future__ import annotations

import numpy as np

from ..axes import as_shape, normalise_axis
from .table import host, implements, numpys, only, operand, tensor, xp

# Like another array ---------------------------------------------------------------------------------------------------


def _like(name, a, dtype, order, shape, device):
    """Zeros like ``a``; the order in memory says nothing about a Tensor."""
    only(name, order=(order, ("K", "C", "A")))
    a = tensor(a)
    if shape is None:
        return xp.zeros_like(a, dtype=dtype, device=device)
    return xp.zeros(as_shape(shape), dtype=dtype or a.dtype, device=device or a.device)


@implements("zeros_like")
def _zeros_like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
    return _like("zeros_like", a, dtype, order, shape, device)


@implements("empty_like")
def _empty_like(prototype, /, dtype=None, order="K", subok=True, shape=None, *, device=None):
    return xp.empty_like(_like("empty_like", prototype, dtype, order, shape, device))


@implements("ones_like")
def _ones_like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
    return xp.ones_like(_like("ones_like", a, dtype, order, shape, device))


@implements("full_like")
def _full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    blank, value = _like("full_like", a, dtype, order, shape, device), operand(fill_value)
    if hasattr(value, "node"):
        return xp.astype(xp.broadcast_to(value, blank.shape), blank.dtype)
    return xp.full_like(blank, value)


_MAKERS = """
    array asarray asanyarray ascontiguousarray asfortranarray require zeros ones empty full arange eye identity tri
    fromfunction fromiter frombuffer fromfile fromstring loadtxt genfromtxt
"""
makers = frozenset(numpys(name) for name in _MAKERS.split())


def made_like(like, func, args, kwargs):
    """What ``func(..., like=tensor)`` makes, on the device of the Tensor; what holds Tensors is recorded."""
    name = func.__name__
    if name in ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "require"):
        return _array_like(like, name, *args, **kwargs)
    if name == "full":
        return _full(like, *args, **kwargs)
    return xp.asarray(func(*args, **kwargs), device=like.device)


def _array_like(
    like, name, a, dtype=None, *args, copy=None, ndmin=0, order=None, subok=False, device=None, requirements=None
):
    """``order``, ``subok`` and ``requirements`` speak of memory and classes, which say nothing about a Tensor."""
    copy = True if name == "array" and copy is None else copy
    made = xp.asarray(tensor(a), dtype=dtype, device=device or like.device, copy=copy or None)
    return xp.reshape(made, (1,) * (ndmin - made.ndim) + made.shape) if made.ndim < ndmin else made


def _full(like, shape, fill_value, dtype=None, order="C", *, device=None):
    value = xp.asarray(tensor(fill_value), dtype=dtype, device=device or like.device)
    return xp.copy(xp.broadcast_to(value, as_shape(host(shape))))


# Between bounds -------------------------------------------------------------------------------------------------------


def _shares(start, stop, num, endpoint, axis):
    """The bounds as arrays with a new axis, how far each sample is from ``start`` to ``stop``, and that axis."""
    num = int(num)
    if num < 0:
        raise ValueError(f"linspace: num must not be negative; got {num}.")
    start, stop = xp.broadcast_arrays(tensor(start), tensor(stop))
    dtype = np.result_type(start.dtype, stop.dtype, 1.0)
    start, stop = (xp.astype(v, dtype, copy=False) for v in (start, stop))
    axis = normalise_axis(axis, start.ndim + 1, "linspace")
    steps = num - 1 if endpoint else num
    share = np.arange(num).reshape((-1,) + (1,) * (start.ndim - axis)) / max(steps, 1)
    real = np.zeros(0, dtype).real.dtype
    start, stop = xp.expand_dims(start, axis=axis), xp.expand_dims(stop, axis=axis)
    return start, stop, xp.asarray(share.astype(real)), axis, steps


def _typed(samples, dtype):
    if dtype is None:
        return samples
    return xp.astype(xp.floor(samples) if np.dtype(dtype).kind in "iu" else samples, dtype)


@implements("linspace")
def _linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    start, stop, share, axis, steps = _shares(start, stop, num, endpoint, axis)
    samples = _typed(start * (1 - share) + stop * share, dtype)
    if not retstep:
        return samples
    return samples, xp.squeeze(stop - start, axis=axis) / (steps or np.nan)


@implements("logspace")
def _logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    if np.ndim(host(base)):
        start, stop, base = xp.broadcast_arrays(tensor(start), tensor(stop), tensor(base))
        base = xp.expand_dims(base, axis=normalise_axis(axis, start.ndim + 1, "logspace"))
    return _typed(xp.pow(base, _linspace(start, stop, num, endpoint, axis=axis)), dtype)


@implements("geomspace")
def _geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    start, stop, share, *_ = _shares(start, stop, num, endpoint, axis)
    if bool(xp.any((start == 0) | (stop == 0))):
        raise ValueError("geomspace: start and stop must not be zero; got a zero. Use linspace.")
    return _typed(start * xp.pow(stop / start, share), dtype)


# Grids and triangles --------------------------------------------------------------------------------------------------


@implements("meshgrid")
def _meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    arrays = [xp.reshape(tensor(x), (-1,)) for x in xi]
    if not sparse:
        return xp.meshgrid(*arrays, indexing=indexing)
    only("meshgrid", indexing=(indexing, ("xy", "ij")))
    order = [1, 0, *range(2, len(arrays))] if indexing == "xy" and len(arrays) > 1 else range(len(arrays))
    return tuple(
        xp.reshape(x, tuple(-1 if i == place else 1 for i in range(len(arrays))))
        for place, x in zip(order, arrays, strict=True)
    )


def _square(m):
    m = tensor(m)
    return m if m.ndim != 1 else xp.broadcast_to(m, (m.size, m.size))


@implements("tril")
def _tril(m, k=0):
    return xp.tril(_square(m), k=k)


@implements("triu")
def _triu(m, k=0):
    return xp.triu(_square(m), k=k)
