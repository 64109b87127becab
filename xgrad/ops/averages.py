"""Statistics that NumPy has and the standard has not: masked and NaN-aware reductions, averages, covariance, counts."""

from __future__ import annotations

import math

from ..axes import normalise_axes, reduced_shape
from ..core import composite


@composite
def cumsum(xp, a, axis=None, dtype=None):
    """Running sum along ``axis``, or over all elements in one axis."""
    return _running(xp, xp.cumulative_sum, a, axis, dtype)


@composite
def cumprod(xp, a, axis=None, dtype=None):
    """Running product along ``axis``, or over all elements in one axis."""
    return _running(xp, xp.cumulative_prod, a, axis, dtype)


def _running(xp, function, a, axis, dtype):
    a = xp.ravel(a) if axis is None else xp.asarray(a)
    a = xp.astype(a, "int64") if xp.isdtype(a.dtype, "bool") else a
    return function(a, axis=axis or 0, dtype=dtype)


@composite
def ptp(xp, a, axis=None, keepdims=False):
    """Largest less smallest element over ``axis``."""
    a = xp.asarray(a)
    return xp.max(a, axis=axis, keepdims=keepdims) - xp.min(a, axis=axis, keepdims=keepdims)


# Masked reductions ----------------------------------------------------------------------------------------------------


@composite
def masked(xp, x, reduction, where=None, *, initial=None, axis=None, dtype=None, keepdims=False, correction=0):
    """The reduction of this name over the elements where ``where`` holds, starting from ``initial``.

    The formula behind ``where=`` and ``initial=`` of the methods and behind the functions that ignore NaN.
    """
    x = xp.asarray(x)
    mask = xp.broadcast_to(xp.asarray(True if where is None else where), x.shape)
    return _MASKED[reduction](xp, x, mask, where, initial, axis, dtype, keepdims, correction)


def _total(identity, name, join):
    def reduce(xp, x, mask, where, initial, axis, dtype, keepdims, correction):
        x = xp.astype(x, "int64") if xp.isdtype(x.dtype, "bool") else x
        x = xp.where(mask, x, xp.full_like(x, identity))
        out = getattr(xp, name)(x, axis=axis, dtype=dtype, keepdims=keepdims)
        return out if initial is None else join(out, _start(xp, initial, out))

    return reduce


def _start(xp, initial, like):
    """What a reduction starts from, in the dtype of the elements; a complex start stays complex."""
    initial = xp.asarray(initial)
    return initial if initial.dtype in (like.dtype, "complex128") else xp.astype(initial, like.dtype)


def _extremum(name, join):
    def reduce(xp, x, mask, where, initial, axis, dtype, keepdims, correction):
        if initial is None and where is not None:
            raise ValueError(f"{name}: where= needs initial=, the result where nothing is selected; got none.")
        if initial is not None:
            start = _start(xp, initial, x)
            if math.prod(x.shape) == 0:
                return xp.broadcast_to(start, reduced_shape(x.shape, axis, keepdims))
            x = xp.where(mask, x, start)
        out = getattr(xp, name)(x, axis=axis, keepdims=keepdims)
        return out if initial is None else getattr(xp, join)(out, start)

    return reduce


def _logical(identity, name):
    def reduce(xp, x, mask, where, initial, axis, dtype, keepdims, correction):
        return getattr(xp, name)(xp.where(mask, x != 0, identity), axis=axis, keepdims=keepdims)

    return reduce


def _smooth(xp, x, dtype):
    if dtype is not None:
        return xp.astype(x, dtype)
    return x if xp.isdtype(x.dtype, ("real floating", "complex floating")) else xp.astype(x, "float64")


def _share(xp, total, mask, axis, correction, keepdims):
    """``total`` over the number of selected elements less the correction."""
    real = total.dtype if xp.isdtype(total.dtype, "real floating") else xp.real(total).dtype
    count = xp.astype(xp.sum(xp.astype(mask, "int64"), axis=axis, keepdims=keepdims), real)
    return total / (xp.maximum(count - correction, 0.0) if correction else count)


def _mean(xp, x, mask, where, initial, axis, dtype, keepdims, correction):
    x = _smooth(xp, x, dtype)
    return _share(xp, xp.sum(xp.where(mask, x, 0.0), axis=axis, keepdims=keepdims), mask, axis, 0, keepdims)


def _var(xp, x, mask, where, initial, axis, dtype, keepdims, correction):
    x = _smooth(xp, x, dtype)
    middle = _mean(xp, x, mask, where, None, axis, None, True, 0)
    distance = xp.where(mask, x - middle, 0.0)
    square = xp.real(distance * xp.conj(distance))
    return _share(xp, xp.sum(square, axis=axis, keepdims=keepdims), mask, axis, correction, keepdims)


def _std(xp, *arguments):
    variance = _var(xp, *arguments)
    flat = variance == 0  # the derivative is 0 where all elements are equal
    return xp.where(flat, 0.0, xp.sqrt(xp.where(flat, 1.0, variance)))


_MASKED = {
    "sum": _total(0, "sum", lambda out, start: out + start),
    "prod": _total(1, "prod", lambda out, start: out * start),
    "max": _extremum("max", "maximum"),
    "min": _extremum("min", "minimum"),
    "any": _logical(False, "any"),
    "all": _logical(True, "all"),
    "mean": _mean,
    "var": _var,
    "std": _std,
}


# Reductions that ignore NaN -------------------------------------------------------------------------------------------


def _numbers(xp, a, where):
    """An array, and where it holds a number and is selected."""
    a = xp.asarray(a)
    return a, (a == a) if where is None else (a == a) & xp.asarray(where)


@composite
def nansum(xp, a, axis=None, dtype=None, *, keepdims=False, initial=None, where=None):
    """Sum over ``axis`` that takes NaN as 0."""
    a, mask = _numbers(xp, a, where)
    return xp.masked(a, "sum", mask, initial=initial, axis=axis, dtype=dtype, keepdims=keepdims)


@composite
def nanprod(xp, a, axis=None, dtype=None, *, keepdims=False, initial=None, where=None):
    """Product over ``axis`` that takes NaN as 1."""
    a, mask = _numbers(xp, a, where)
    return xp.masked(a, "prod", mask, initial=initial, axis=axis, dtype=dtype, keepdims=keepdims)


@composite
def nanmean(xp, a, axis=None, dtype=None, *, keepdims=False, where=None):
    """Mean over ``axis`` of what is not NaN."""
    a, mask = _numbers(xp, a, where)
    return xp.masked(a, "mean", mask, axis=axis, dtype=dtype, keepdims=keepdims)


@composite
def nanvar(xp, a, axis=None, dtype=None, *, ddof=0, keepdims=False, where=None, correction=None):
    """Variance over ``axis`` of what is not NaN; NaN where the count does not exceed ``ddof``."""
    return _nan_deviation(xp, "var", a, axis, dtype, ddof if correction is None else correction, keepdims, where)


@composite
def nanstd(xp, a, axis=None, dtype=None, *, ddof=0, keepdims=False, where=None, correction=None):
    """Standard deviation over ``axis`` of what is not NaN; NaN where the count does not exceed ``ddof``."""
    return _nan_deviation(xp, "std", a, axis, dtype, ddof if correction is None else correction, keepdims, where)


def _nan_deviation(xp, name, a, axis, dtype, correction, keepdims, where):
    a, mask = _numbers(xp, a, where)
    out = xp.masked(a, name, mask, axis=axis, dtype=dtype, keepdims=keepdims, correction=correction)
    count = xp.sum(xp.astype(xp.broadcast_to(mask, a.shape), "int64"), axis=axis, keepdims=keepdims)
    return xp.where(count > correction, out, math.nan)


def _nan_extremum(xp, name, a, axis, keepdims, initial, where):
    a = xp.asarray(a)
    if not xp.isdtype(a.dtype, "real floating"):
        return xp.masked(a, name, where, initial=initial, axis=axis, keepdims=keepdims)
    nan = a != a
    lowest = -math.inf if name == "max" else math.inf
    out = xp.masked(xp.where(nan, lowest, a), name, where, initial=initial, axis=axis, keepdims=keepdims)
    return xp.where(xp.all(nan, axis=axis, keepdims=keepdims), math.nan, out) if initial is None else out


@composite
def nanmax(xp, a, axis=None, *, keepdims=False, initial=None, where=None):
    """Largest element over ``axis`` that is not NaN; NaN where there is none."""
    return _nan_extremum(xp, "max", a, axis, keepdims, initial, where)


@composite
def nanmin(xp, a, axis=None, *, keepdims=False, initial=None, where=None):
    """Smallest element over ``axis`` that is not NaN; NaN where there is none."""
    return _nan_extremum(xp, "min", a, axis, keepdims, initial, where)


# Averages and covariance ----------------------------------------------------------------------------------------------


@composite
def average(xp, a, axis=None, weights=None, returned=False, *, keepdims=False):
    """Mean over ``axis``, weighted where weights are given; with ``returned`` also the sum of the weights."""
    a = xp.asarray(a)
    if weights is None:
        out = xp.mean(a, axis=axis, keepdims=keepdims)
        count = math.prod(a.shape[i] for i in normalise_axes(axis, a.ndim))
        return (out, xp.full_like(out, count)) if returned else out
    weights = xp.asarray(weights)
    if tuple(weights.shape) != tuple(a.shape):
        if axis is None:
            raise ValueError(f"average: without an axis weights must have the shape of a; got {tuple(weights.shape)}.")
        axes = normalise_axes(axis, a.ndim, "average")
        if tuple(weights.shape) != tuple(a.shape[i] for i in axes):
            raise ValueError(
                f"average: weights must fit axis {axis} of a; got shape {tuple(weights.shape)} for {tuple(a.shape)}."
            )
        weights = xp.permute_dims(weights, tuple(sorted(range(len(axes)), key=lambda i: axes[i])))
        weights = xp.reshape(weights, tuple(n if i in axes else 1 for i, n in enumerate(a.shape)))
    weights = xp.broadcast_to(weights, a.shape)
    scale = xp.sum(_smooth(xp, weights, None), axis=axis, keepdims=keepdims)
    out = xp.sum(a * weights, axis=axis, keepdims=keepdims) / scale
    return (out, xp.broadcast_to(scale, out.shape)) if returned else out


@composite
def cov(xp, m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """Covariance matrix of variables in rows (or columns), observations in columns (or rows)."""

    def variables(x):
        x = _smooth(xp, xp.asarray(x), dtype)
        return xp.transpose(x) if not rowvar and x.ndim > 1 else xp.atleast_2d(x)

    x = variables(m) if y is None else xp.concat([variables(m), variables(y)], axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = None
    for given in (fweights, aweights):
        if given is not None:
            weights = xp.asarray(given) if weights is None else weights * xp.asarray(given)
    mean, total = xp.average(x, axis=1, weights=weights, returned=True)
    if weights is None:
        factor = max(x.shape[1] - ddof, 0) or math.nan
    elif ddof == 0:
        factor = total[0]
    elif aweights is None:
        factor = total[0] - ddof
    else:
        factor = total[0] - ddof * xp.sum(weights * xp.asarray(aweights)) / total[0]
    centred = x - xp.reshape(mean, (-1, 1))
    other = centred if weights is None else centred * weights
    return xp.squeeze(xp.matmul(centred, xp.conj(xp.transpose(other))) / factor)


@composite
def corrcoef(xp, x, y=None, rowvar=True, *, dtype=None):
    """Correlation coefficients: the covariance matrix over the products of the standard deviations."""
    c = xp.cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    deviation = xp.sqrt(xp.real(xp.diagonal(c)))
    c = c / xp.reshape(deviation, (-1, 1)) / deviation
    if xp.isdtype(c.dtype, "complex floating"):
        return xp.clip(xp.real(c), -1, 1) + 1j * xp.clip(xp.imag(c), -1, 1)
    return xp.clip(c, -1, 1)


# Counts ---------------------------------------------------------------------------------------------------------------


@composite
def bincount(xp, x, weights=None, minlength=0):
    """How often each integer from 0 on occurs in ``x``; with weights, the sum of those of its occurrences."""
    x = xp.asarray(x)
    if x.ndim != 1 or not xp.isdtype(x.dtype, ("integral", "bool")):
        raise ValueError(f"bincount: x must be a vector of integers; got shape {tuple(x.shape)} and dtype {x.dtype}.")
    x = xp.astype(x, "int64")
    if x.shape[0] and int(xp.min(x)) < 0:
        raise ValueError(f"bincount: x must not be negative; got {int(xp.min(x))}.")
    count = max(int(xp.max(x)) + 1 if x.shape[0] else 0, int(minlength))
    weights = xp.ones_like(x) if weights is None else _smooth(xp, xp.asarray(weights), None)
    if tuple(weights.shape) != tuple(x.shape):
        raise ValueError(
            f"bincount: weights must have the shape of x; got {tuple(weights.shape)} for {tuple(x.shape)}."
        )
    return xp.scatter_add(weights, key=(x, Ellipsis), shape=(count,))


@composite
def histogram(xp, a, bins=10, range=None, density=None, weights=None):
    """How many elements lie in each bin, or the sum of their weights, and the edges; counts are constant in ``a``."""
    a = xp.ravel(a)
    if isinstance(bins, str):
        raise NotImplementedError(f"histogram: bins must be a number or the edges; got {bins!r}.")
    if getattr(bins, "ndim", 0) or isinstance(bins, list | tuple):
        edges = xp.asarray(bins)
        low, high = edges[0], edges[-1]
    else:
        empty = not a.shape[0]
        low, high = range if range is not None else (0.0, 1.0) if empty else (xp.min(a), xp.max(a))
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
        edges = xp.linspace(low, high, int(bins) + 1, device=xp.device(a))
    count = edges.shape[0] - 1
    place = xp.searchsorted(edges[1:-1], xp.astype(a, xp.result_type(a, edges)), side="right") + 1
    place = xp.where(a < low, 0, xp.where(a <= high, place, count + 1))  # the last bin is closed
    weights = xp.ones_like(place) if weights is None else _smooth(xp, xp.ravel(weights), None)
    hist = xp.scatter_add(weights, key=(place, Ellipsis), shape=(count + 2,))[1:-1]  # the ends take what is outside
    return (hist / xp.sum(hist) / xp.diff(edges) if density else hist), edges


@composite
def digitize(xp, x, bins, right=False):
    """The number of the bin that holds each element; bins rise or fall."""
    x, bins = xp.asarray(x), xp.asarray(bins)
    if bins.ndim != 1:
        raise ValueError(f"digitize: bins must have one axis; got {bins.ndim}.")
    side = "left" if right else "right"
    if bins.shape[0] > 1 and bool(bins[0] > bins[-1]):
        return bins.shape[0] - xp.searchsorted(xp.flip(bins), x, side=side)
    return xp.searchsorted(bins, x, side=side)
