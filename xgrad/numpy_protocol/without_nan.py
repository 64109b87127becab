"""Functions that pass over NaN: the elements that are NaN count for nothing and get no gradient."""

from __future__ import annotations

import math

import numpy as np

from ..axes import keepdims_shape, normalise_axes
from .reductions import flat
from .table import host, implements, only, same, tensor, xp

same(1, "nansum nanprod nanmean nanvar nanstd nanmax nanmin")


def _filled(a, value):
    return xp.where(xp.isnan(a), value, a) if a.dtype.kind in "fc" else a


@implements("nancumsum")
def _nancumsum(a, axis=None, dtype=None, out=None):
    a, axis = flat(a, axis)
    return xp.cumulative_sum(_filled(a, 0.0), axis=axis, dtype=dtype)


@implements("nancumprod")
def _nancumprod(a, axis=None, dtype=None, out=None):
    a, axis = flat(a, axis)
    return xp.cumulative_prod(_filled(a, 1.0), axis=axis, dtype=dtype)


def _position(name, a, axis, keepdims, worst):
    a = tensor(a)
    if bool(xp.any(xp.all(a != a, axis=axis))):
        raise ValueError(f"{name}: a slice holds nothing but NaN, so it has no extremum. Mask it first.")
    return getattr(xp, name.removeprefix("nan"))(_filled(a, worst), axis=axis, keepdims=keepdims)


@implements("nanargmax")
def _nanargmax(a, axis=None, out=None, *, keepdims=False):
    return _position("nanargmax", a, axis, keepdims, -math.inf)


@implements("nanargmin")
def _nanargmin(a, axis=None, out=None, *, keepdims=False):
    return _position("nanargmin", a, axis, keepdims, math.inf)


def _quantiles(name, a, q, axis, method, keepdims, weights=None):
    """Quantiles of the numbers in each line, between neighbours in proportion."""
    only(name, method=(method, ("linear",)), weights=(weights, (None,)))
    a, q = tensor(a), np.asarray(host(q), dtype=np.float64)
    if q.size and not (q.min() >= 0 and q.max() <= 1):
        raise ValueError(f"{name}: quantiles must be between 0 and 1 (percentiles 100); got {q.tolist()}.")
    over = normalise_axes(axis, a.ndim, name)
    rest = tuple(i for i in range(a.ndim) if i not in over)
    kept = keepdims_shape(a.shape, over)
    lines = xp.permute_dims(a, rest + over)
    lines = xp.sort(xp.reshape(lines, (*lines.shape[: len(rest)], -1)), axis=-1)  # NaN goes last
    last = xp.sum(xp.astype(lines == lines, np.int64), axis=-1, keepdims=True) - 1
    place = xp.clip(xp.asarray(q.reshape(-1)) * last, min=0.0)
    low = xp.astype(xp.floor(place), np.int64)
    below = xp.take_along_axis(lines, low, axis=-1)
    above = xp.take_along_axis(lines, xp.maximum(xp.minimum(low + 1, last), 0), axis=-1)
    found = below + (above - below) * xp.astype(place - low, lines.dtype)
    shape = kept if keepdims else tuple(a.shape[i] for i in rest)
    return xp.reshape(xp.moveaxis(found, -1, 0), q.shape + shape)


@implements("nanquantile")
def _nanquantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    return _quantiles("nanquantile", a, q, axis, method, keepdims, weights)


@implements("nanpercentile")
def _nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    return _quantiles("nanpercentile", a, np.asarray(host(q)) / 100, axis, method, keepdims, weights)


@implements("nanmedian")
def _nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    return _quantiles("nanmedian", a, 0.5, axis, "linear", keepdims)
