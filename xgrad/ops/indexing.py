"""Indexing functions: reading, writing and taking elements.

``getitem`` and ``scatter_add`` are linear and each other's rule.  The pullbacks of ``getitem`` and ``take`` may add to
the cotangent that their argument has so far: the n slices of an array then cost n slices, not n whole arrays.
"""

from __future__ import annotations

import math

from ..core import primitive


def _scattering(xp, key, shape):
    def pullback(ct, total=None):
        return xp.scatter_add(ct, key=key, shape=shape) if total is None else xp.add_at(total, ct, key=key)

    return pullback


@primitive(selects=True, linear=True, adds=True)
def getitem(x, /, *, key):
    """``x[key]`` for a complete key of ints, slices, None, Ellipsis, integer and boolean arrays."""


@getitem.vjp
def getitem_vjp(xp, out, x, *, key):
    return _scattering(xp, key, x.shape)


@getitem.view
def getitem_put_back(xp, base, part, *, key):
    return xp.setitem(base, part, key=key)


@primitive(vjp=lambda xp, out, x, key, shape: lambda ct: xp.getitem(ct, key=key), linear=True)
def scatter_add(x, /, *, key, shape):
    """Zeros of ``shape`` with ``x`` added at ``key``; a place named twice receives both."""


@primitive(selects=True, promote=())
def setitem(x, value, /, *, key):
    """``x`` with ``value`` at ``key``, as a new array; of several values for one place the last one stays."""


@setitem.vjp
def setitem_vjp(xp, out, x, value, *, key):
    axes = getattr(value, "ndim", 0)
    several = any(hasattr(k, "shape") and not xp.isdtype(k.dtype, "bool") for k in key)

    def written(ct):
        part = xp.getitem(ct, key=key)
        if several:  # a place written twice keeps one value: only that one has a gradient
            number = xp.reshape(xp.arange(1, math.prod(part.shape) + 1, device=xp.device(ct)), part.shape)
            nobody = xp.reshape(0 * xp.arange(math.prod(ct.shape), device=xp.device(ct)), ct.shape)
            stayed = xp.getitem(xp.setitem(nobody, number, key=key), key=key) == number
            part = xp.where(stayed, part, 0.0)
        return xp.reshape(part, (1,) * (axes - len(part.shape)) + tuple(part.shape))  # a value may have more axes

    cut = xp.isdtype(out.dtype, "integral") and hasattr(value, "dtype") and not xp.isdtype(value.dtype, "integral")
    return lambda ct: xp.setitem(ct, 0, key=key), None if cut else written


@primitive(selects=True, linear=True, adds=True, promote=())
def take(x, indices, /, *, axis=None):
    """Elements of ``x`` at ``indices`` along ``axis``."""


@take.vjp
def take_vjp(xp, out, x, indices, *, axis=None):
    shape = x.shape
    key = (slice(None),) * (0 if axis is None else axis % len(shape)) + (indices, ...)
    return _scattering(xp, key, shape), None


@primitive(selects=True, linear=True, promote=())
def take_along_axis(x, indices, /, *, axis=-1):
    """Elements of ``x`` at ``indices`` along ``axis``, the other axes matched by broadcasting."""


@take_along_axis.vjp
def take_along_axis_vjp(xp, out, x, indices, *, axis=-1):
    shape, axis = x.shape, axis % len(x.shape)

    def pullback(ct):
        key = tuple(
            indices if i == axis else xp.reshape(xp.arange(n, device=xp.device(ct)), (n,) + (1,) * (len(shape) - 1 - i))
            for i, n in enumerate(shape)
        )
        grown = tuple(ct.shape[i] if i == axis else n for i, n in enumerate(shape))
        return xp.scatter_add(xp.broadcast_to(ct, grown), key=(*key, ...), shape=shape)

    return pullback, None
