"""Medians and quantiles: each gradient goes to the one or two elements that the result is made of.

R. J. Hyndman, Y. Fan, Sample quantiles in statistical packages, Amer. Statist. 50 (1996), 361-365.
"""

from __future__ import annotations

import math

from ..axes import normalise_axes, reduced_shape
from ..core import composite

_CONTINUOUS = {  # plotting positions: alpha and beta of Hyndman and Fan
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


def _lines(xp, x, axis):
    """``x`` sorted, with the axes that go as one last axis."""
    gone = normalise_axes(axis, x.ndim, "quantile")
    stay = tuple(i for i in range(x.ndim) if i not in gone)
    shape = tuple(x.shape[i] for i in stay), math.prod(x.shape[i] for i in gone)
    lines = xp.reshape(xp.permute_dims(x, (*stay, *gone)), (*shape[0], shape[1]))
    return xp.sort(lines, axis=-1)


def _position(xp, n, q, method):
    """Where the quantile lies among ``n`` sorted elements, counted from 0, and its share of the upper neighbour."""
    if method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        place = n * q + (alpha + q * (1 - alpha - beta)) - 1
    elif method in ("inverted_cdf", "averaged_inverted_cdf"):
        place = n * q - 1
    elif method == "closest_observation":
        place = n * q - 1.5
    else:
        place = (n - 1) * q
    low = xp.floor(place)
    share = place - low
    between = xp.astype(share > 0, q.dtype)
    if method in ("lower", "higher", "midpoint"):
        share = {"lower": 0.0, "higher": 1.0, "midpoint": 0.5}[method] * between
    elif method == "nearest":
        low, share = xp.round(place), xp.zeros_like(share)
    elif method == "inverted_cdf":
        share = between
    elif method == "averaged_inverted_cdf":
        share = (1 + between) / 2
    elif method == "closest_observation":
        share = xp.where((share == 0) & (xp.remainder(low, 2) == 1), 0.0, xp.ones_like(share))
    elif method != "linear" and method not in _CONTINUOUS:
        raise ValueError(f"quantile: there is no method {method!r}. Use 'linear', 'lower', 'higher', 'nearest', ...")
    return low, share


@composite
def quantile(xp, a, q, axis=None, method="linear", keepdims=False):
    """The value below which a share ``q`` of the elements over ``axis`` lies; axes of ``q`` come first."""
    a = xp.asarray(a)
    if not xp.isdtype(a.dtype, ("real floating", "integral")):
        raise TypeError(f"quantile: a must hold real numbers; got {a.dtype}.")
    a = a if xp.isdtype(a.dtype, "real floating") else xp.astype(a, "float64")
    q = xp.asarray(q, dtype=a.dtype) if isinstance(q, int | float) else xp.asarray(q)
    q = q if xp.isdtype(q.dtype, "real floating") else xp.astype(q, "float64")
    if not bool(xp.all((q >= 0) & (q <= 1))):
        raise ValueError("quantile: q must lie between 0 and 1 (0 and 100 for percentile); got others.")
    lines = _lines(xp, a, axis)
    n = lines.shape[-1]
    if not n:
        raise ValueError(f"quantile: there is no element over axis {axis}; got shape {tuple(a.shape)}.")
    low, share = _position(xp, n, xp.reshape(q, (-1,)), method)
    first, second = (xp.astype(xp.clip(low + k, 0, n - 1), "int64") for k in (0, 1))
    low, high = xp.take(lines, first, axis=-1), xp.take(lines, second, axis=-1)
    step = high - low
    out = xp.where(share >= 0.5, high - step * (1 - share), low + step * share)
    last = lines[..., -1:]
    out = xp.where(last != last, last, out)  # NaN is sorted to the end
    shape = reduced_shape(a.shape, axis, keepdims)
    return xp.reshape(xp.moveaxis(out, -1, 0), (*q.shape, *shape))


@composite
def percentile(xp, a, q, axis=None, method="linear", keepdims=False):
    """The quantile of ``q`` per cent."""
    a = xp.asarray(a)
    if isinstance(q, int | float):
        q = xp.asarray(q, dtype=a.dtype if xp.isdtype(a.dtype, "real floating") else "float64")
    return xp.quantile(a, xp.asarray(q) / 100, axis, method, keepdims)


@composite
def median(xp, a, axis=None, keepdims=False):
    """The middle element over ``axis``, or the mean of the two middle ones."""
    a = xp.asarray(a)
    a = a if xp.isdtype(a.dtype, "real floating") else xp.astype(a, "float64")
    lines = _lines(xp, a, axis)
    n = lines.shape[-1]
    shape = reduced_shape(a.shape, axis, keepdims)
    if not n:
        return xp.reshape(xp.mean(lines, axis=-1), shape)
    middle = xp.mean(lines[..., (n - 1) // 2 : n // 2 + 1], axis=-1)
    last = lines[..., -1]
    return xp.reshape(xp.where(last != last, last, middle), shape)
