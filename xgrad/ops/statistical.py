"""Statistical functions: reductions and running sums and products.

Ties of ``max`` and ``min`` share equally.  Products have right derivatives with any number of zeros, without division.
"""

from __future__ import annotations

import math

from ..axes import inverse_permutation, keepdims_shape, normalise_axes, normalise_axis
from ..core import composite, primitive


@composite
def expanded(xp, x, shape, /):
    """``broadcast_to`` for rules, where a copy may take its place."""
    return xp.broadcast_to(x, shape)


@primitive(linear=True)
def sum(x, /, *, axis=None, dtype=None, keepdims=False):
    """Sum over ``axis``, or over all axes."""


@sum.vjp
def sum_vjp(xp, out, x, *, axis=None, dtype=None, keepdims=False):
    shape, kept = x.shape, keepdims_shape(x.shape, axis)
    return lambda ct: xp.expanded(xp.reshape(ct, kept), shape)


@primitive(linear=True, floating=True)
def mean(x, /, *, axis=None, keepdims=False):
    """Arithmetic mean over ``axis``, or over all axes."""


@mean.vjp
def mean_vjp(xp, out, x, *, axis=None, keepdims=False):
    shape, kept = x.shape, keepdims_shape(x.shape, axis)
    count = _count(shape, axis)
    return lambda ct: xp.expanded(xp.reshape(ct / count, kept), shape)


def _count(shape, axis):
    return math.prod(shape[a] for a in normalise_axes(axis, len(shape)))


def _deviation(xp, x, axis):
    """The distance from the mean, conjugated: the derivative of half its squared size."""
    distance = x - xp.mean(x, axis=axis, keepdims=True)
    return xp.conj(distance) if xp.isdtype(x.dtype, "complex floating") else distance


@primitive(floating=True)
def var(x, /, *, axis=None, correction=0.0, keepdims=False):
    """Mean squared distance from the mean over ``axis``, divided by the count less ``correction``."""


@var.vjp
def var_vjp(xp, out, x, *, axis=None, correction=0.0, keepdims=False):
    kept = keepdims_shape(x.shape, axis)
    count = _count(x.shape, axis) - correction
    scale = 2 / count if count > 0 else math.nan
    return lambda ct: xp.reshape(ct, kept) * scale * _deviation(xp, x, axis)


@primitive(floating=True)
def std(x, /, *, axis=None, correction=0.0, keepdims=False):
    """Square root of the variance; its derivative is 0 where all elements are equal."""


@std.vjp
def std_vjp(xp, out, x, *, axis=None, correction=0.0, keepdims=False):
    kept = keepdims_shape(x.shape, axis)
    count = _count(x.shape, axis) - correction

    def pullback(ct):
        scale = ct / (count if count > 0 else math.nan) / xp.where(out == 0, xp.ones_like(out), out)
        return xp.reshape(scale, kept) * _deviation(xp, x, axis)

    return pullback


def _extremum_vjp(xp, out, x, *, axis=None, keepdims=False):
    kept = keepdims_shape(x.shape, axis)

    def pullback(ct):
        hit = (x == xp.reshape(out, kept)) | (x != x)  # a NaN wins, and takes the gradient
        count = xp.sum(xp.astype(hit, ct.dtype), axis=axis, keepdims=True)
        return xp.where(hit, xp.reshape(ct, kept) / count, 0.0)

    return pullback


@primitive(selects=True, vjp=_extremum_vjp)
def max(x, /, *, axis=None, keepdims=False):
    """Largest element over ``axis``, or over all axes."""


@primitive(selects=True, vjp=_extremum_vjp)
def min(x, /, *, axis=None, keepdims=False):
    """Smallest element over ``axis``, or over all axes."""


@primitive(linear=True)
def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running sum along ``axis``."""


@cumulative_sum.vjp
def cumulative_sum_vjp(xp, out, x, *, axis=None, dtype=None, include_initial=False):
    shape, axis = x.shape, normalise_axis(0 if axis is None else axis, x.ndim, "cumulative_sum")
    rest = (slice(None),) * axis + (slice(1, None), ...)

    def pullback(ct):
        if include_initial:
            ct = xp.getitem(ct, key=rest)
        return xp.reshape(xp.flip(xp.cumulative_sum(xp.flip(ct, axis=axis), axis=axis), axis=axis), shape)

    return pullback


@primitive
def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    """Running product along ``axis``."""


@cumulative_prod.vjp
def cumulative_prod_vjp(xp, out, x, *, axis=None, dtype=None, include_initial=False):
    axis = normalise_axis(0 if axis is None else axis, x.ndim, "cumulative_prod")

    def pullback(ct):
        if include_initial:
            ct = xp.getitem(ct, key=(slice(None),) * axis + (slice(1, None), ...))
        return _before(xp, x, axis) * _suffix_recurrence(xp, ct, x, axis)

    return pullback


def _cut(xp, x, axis, start, stop):
    return xp.getitem(x, key=(slice(None),) * axis + (slice(start, stop), ...))


def _before(xp, x, axis):
    """The product of all earlier elements."""
    first = xp.ones_like(_cut(xp, x, axis, 0, 1))
    return xp.cumulative_prod(xp.concat([first, _cut(xp, x, axis, 0, -1)], axis=axis), axis=axis)


def _suffix_recurrence(xp, ct, x, axis):
    """``r[i] = ct[i] + x[i+1] * r[i+1]`` from the end, in log2(n) doubling steps and without division."""
    n = x.shape[axis]
    total = ct
    factor = xp.concat([_cut(xp, x, axis, 1, None), xp.zeros_like(_cut(xp, x, axis, 0, 1))], axis=axis)
    step = 1
    while step < n:
        pad = xp.zeros_like(_cut(xp, total, axis, 0, step))
        total = total + factor * xp.concat([_cut(xp, total, axis, step, None), pad], axis=axis)
        blank = xp.zeros_like(_cut(xp, factor, axis, 0, step))
        factor = factor * xp.concat([_cut(xp, factor, axis, step, None), blank], axis=axis)
        step *= 2
    return total


@primitive
def prod(x, /, *, axis=None, dtype=None, keepdims=False):
    """Product over ``axis``, or over all axes."""


@prod.vjp
def prod_vjp(xp, out, x, *, axis=None, dtype=None, keepdims=False):
    shape, kept = x.shape, keepdims_shape(x.shape, axis)
    over = normalise_axes(axis, len(shape))
    order = (*(a for a in range(len(shape)) if a not in over), *over)
    back = inverse_permutation(order)
    moved_shape = tuple(shape[a] for a in order)
    rows = moved_shape[: len(shape) - len(over)]

    def pullback(ct):
        if 0 in shape or not over:
            return xp.expanded(xp.reshape(ct, kept), shape)
        lines = xp.reshape(xp.permute_dims(x, order), (*rows, -1))
        last = len(rows)
        after = xp.flip(_before(xp, xp.flip(lines, axis=last), last), axis=last)
        others = xp.reshape(_before(xp, lines, last) * after, moved_shape)
        return xp.reshape(ct, kept) * xp.permute_dims(others, back)

    return pullback
