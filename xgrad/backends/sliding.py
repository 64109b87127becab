"""Windows and convolution for array libraries: formulas in standard calls, and faster ways for arrays with strides.

A convolution *gathers* all windows into one large array, which a matrix product then contracts with the weights; or,
where that makes the smaller array, it *scatters*: each element of the window has a matrix product of its own with all
of ``x``, and these are added where the windows overlap.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from ..registry import formula

Ints = tuple[int, ...]


def places(extents: Ints, window: Ints, stride: Ints, dilation: Ints) -> Ints:
    """How many windows there are along each axis."""
    return tuple((e - d * (k - 1) - 1) // s + 1 for e, k, s, d in zip(extents, window, stride, dilation, strict=True))


def _slices(offset: Ints, count: Ints, step: Ints) -> tuple[slice, ...]:
    """For every axis, ``count`` elements ``step`` apart from ``offset`` on."""
    return tuple(slice(o, o + s * (n - 1) + 1, s) for o, n, s in zip(offset, count, step, strict=True))


def _key(ndim: int, axes: Ints, slices: tuple[slice, ...]) -> tuple[Any, ...]:
    """A complete key of an array of ``ndim`` axes with ``slices`` at ``axes``."""
    key: list[Any] = [slice(None)] * ndim
    for axis, s in zip(axes, slices, strict=True):
        key[axis] = s
    return (*key, Ellipsis)


def _offsets(window: Ints, step: Ints):
    """Each element of a window, and where it lies when they are ``step`` apart."""
    for element in itertools.product(*map(range, window)):
        yield element, tuple(d * k for d, k in zip(step, element, strict=True))


def elements(ndim: int, axes: Ints, window: Ints, dilation: Ints, count: Ints, stride: Ints):
    """The key of each element of a window at all places."""
    for _, start in _offsets(window, dilation):
        yield _key(ndim, axes, _slices(start, count, stride))


def landing(before: int, step: int, n: int, extent: int) -> tuple[slice, slice]:
    """Which of ``n`` elements, ``step`` apart from ``before`` on, fall inside ``extent``, and where."""
    first = max(-(before // step), 0)
    last = min((extent - 1 - before) // step, n - 1)
    if last < first:
        return slice(0, 0), slice(0, 0)
    return slice(first, last + 1), slice(before + step * first, before + step * last + 1, step)


# Formulas -------------------------------------------------------------------------------------------------------------


@formula("sliding_windows")
def sliding_windows(xp, x, /, *, window, axes, stride, dilation):
    """Slices, one for each element of the window or one for each window, whatever are fewer."""
    count = places(tuple(x.shape[a] for a in axes), window, stride, dilation)
    by_element = math.prod(window) <= math.prod(count)
    (few, step), (many, inner) = (window, dilation), (count, stride)
    if not by_element:
        few, step, many, inner = many, inner, few, step
    parts = [xp.getitem(x, key=_key(x.ndim, axes, _slices(start, many, inner))) for _, start in _offsets(few, step)]
    last = tuple(range(x.ndim, x.ndim + len(axes)))
    if by_element:
        return xp.reshape(xp.stack(parts, axis=-1), (*parts[0].shape, *window))
    out = xp.reshape(xp.stack(parts, axis=-1), (*parts[0].shape, *count))
    order = list(range(out.ndim))
    for axis, end in zip(axes, last, strict=True):  # what was cut is the windows, what was stacked their places
        order[axis], order[end] = order[end], order[axis]
    return xp.permute_dims(out, tuple(order))


@formula("overlap_add")
def overlap_add(xp, x, /, *, shape, window, axes, stride, dilation):
    """The sum over the elements of the window, each spread over its places."""
    count = tuple(x.shape[a] for a in axes)
    total = None
    for element, start in _offsets(window, dilation):
        part = xp.getitem(x, key=(Ellipsis, *element))
        part = xp.scatter_add(part, key=_key(len(shape), axes, _slices(start, count, stride)), shape=shape)
        total = part if total is None else total + part
    return total


@formula("cross_correlation")
def cross_correlation(xp, x, w, /, *, stride, padding, dilation, groups, spacing):
    """By gathering: a matrix product of the weights with all windows."""
    return gathered(xp, spread(xp, x, padding, spacing), w, stride, dilation, groups, xp.matmul)


def spread(xp: Any, x: Any, padding: Any, spacing: Ints) -> Any:
    """``x`` with its elements ``spacing`` apart and zeros around; what a negative padding takes away is left out."""
    if all(p == (0, 0) for p in padding) and set(spacing) <= {1}:
        return x
    extents = tuple(s * (e - 1) + 1 + a + b for s, e, (a, b) in zip(spacing, x.shape[2:], padding, strict=True))
    landings = [landing(p[0], *rest) for p, *rest in zip(padding, spacing, x.shape[2:], extents, strict=True)]
    kept, put = zip(*landings, strict=True)
    axes = tuple(range(2, x.ndim))
    part = xp.getitem(x, key=_key(x.ndim, axes, kept))
    return xp.scatter_add(part, key=_key(x.ndim, axes, put), shape=(*x.shape[:2], *extents))


LONG = 16  # elements in a row from which on copying rows costs what copying memory does


def _laid_out(xp: Any, x: Any, row: int) -> tuple[Any, Ints]:
    """``x`` as (batch, channels, *extents), or with short rows as (1, channels, *extents, batch); what is added.

    With the batch last, windows are copied in long lines, and one product serves the whole batch.
    """
    if row >= LONG:
        return x, ()
    last = xp.packed(xp.permute_dims(x, (*range(1, x.ndim), 0)))
    return xp.reshape(last, (1, *last.shape)), (x.shape[0],)


def _batch_first(xp: Any, x: Any, tail: Ints) -> Any:
    """What was laid out, with the batch first again; in memory it stays where it was, for the next convolution."""
    if not tail:
        return x
    return xp.permute_dims(xp.reshape(x, x.shape[1:]), (x.ndim - 2, *range(x.ndim - 2)))


def gathered(xp: Any, x: Any, w: Any, stride: Ints, dilation: Ints, groups: int, product: Any) -> Any:
    """The convolution without padding, from all windows of ``x`` at once, multiplied by ``product``."""
    channels, window, spatial = x.shape[1], tuple(w.shape[2:]), x.ndim - 2
    count = places(tuple(x.shape[2:]), window, stride, dilation)
    x, tail = _laid_out(xp, x, count[-1])
    axes = tuple(range(2, 2 + spatial))
    every = xp.sliding_windows(x, window=window, axes=axes, stride=stride, dilation=dilation)
    end = tuple(range(every.ndim - spatial, every.ndim))
    every = xp.permute_dims(every, (0, 1, *end, *range(2, every.ndim - spatial)))
    inner, each = channels // groups * math.prod(window), w.shape[0] // groups
    every = xp.reshape(every, (x.shape[0], groups, inner, math.prod(count + tail)))
    out = product(xp.reshape(w, (groups, each, inner)), every)
    return _batch_first(xp, xp.reshape(out, (x.shape[0], w.shape[0], *count, *tail)), tail)


@formula("packed")
def packed(xp, x, /):
    """The same values; where a library has strides, in the order of the axes in memory."""
    return x


# Arrays with strides, of NumPy and CuPy -------------------------------------------------------------------------------


class Strided:
    """What a library whose arrays have ``strides`` does better; a backend inherits it before ``Generic``."""

    library: Any
    matmul: Any

    def sliding_windows(self, x, /, *, window, axes, stride, dilation):
        """A view that nothing may write to."""
        count = places(tuple(x.shape[a] for a in axes), window, stride, dilation)
        shape, strides = list(x.shape), list(x.strides)
        for a, n, s in zip(axes, count, stride, strict=True):
            shape[a], strides[a] = n, x.strides[a] * s
        shape += window
        strides += [x.strides[a] * d for a, d in zip(axes, dilation, strict=True)]
        return self.library.lib.stride_tricks.as_strided(x, tuple(shape), tuple(strides))

    def overlap_add(self, x, /, *, shape, window, axes, stride, dilation):
        """Slices added in place, one for each element of the window."""
        out = self.library.zeros(shape, dtype=x.dtype)
        count = tuple(x.shape[a] for a in axes)
        for element, start in _offsets(window, dilation):
            out[_key(len(shape), axes, _slices(start, count, stride))] += x[(Ellipsis, *element)]
        return out

    def cross_correlation(self, x, w, /, *, stride, padding, dilation, groups, spacing, product=None):
        """By gathering or scattering, whichever makes the smaller array; ``product`` may stand for ``matmul``."""
        product = self.matmul if product is None else product
        extents, window = x.shape[2:], w.shape[2:]
        padded = tuple(s * (e - 1) + 1 + a + b for s, e, (a, b) in zip(spacing, extents, padding, strict=True))
        count = places(padded, window, stride, dilation)
        gathers, scatters = x.shape[1] * math.prod(count), w.shape[0] * math.prod(extents)
        if set(stride) <= {1} and math.prod(window) <= math.prod(count) and scatters < gathers:
            return self._scattered(x, w, padding, dilation, groups, spacing, count, product)
        return gathered(self, spread(self, x, padding, spacing), w, stride, dilation, groups, product)

    def _scattered(self, x, w, padding, dilation, groups, spacing, count, product):
        (channels, *extents), (results, _, *window) = x.shape[1:], w.shape
        inner, each, size = channels // groups, results // groups, math.prod(window)
        x, tail = _laid_out(self, x, extents[-1])
        n, whole = x.shape[0], slice(None)
        by_element = self.library.moveaxis(w.reshape(groups, each, inner, size), -1, 1)
        weights = by_element.reshape(groups, size * each, inner)
        parts = product(weights, x.reshape(n, groups, inner, math.prod((*extents, *tail))))
        parts = parts.reshape(n, groups, size, each, *extents, *tail)
        out = self.library.zeros((n, groups, each, *count, *tail), dtype=parts.dtype)
        for number, (_, start) in enumerate(_offsets(tuple(window), dilation)):
            before = (p - o for (p, _), o in zip(padding, start, strict=True))
            landings = itertools.starmap(landing, zip(before, spacing, extents, count, strict=True))
            kept, put = zip(*landings, strict=True)
            out[(whole, whole, whole, *put)] += parts[(whole, whole, number, whole, *kept)]
        return _batch_first(self, out.reshape(n, results, *count, *tail), tail)

    def packed(self, x, /):
        """A copy, unless the axes are in order already."""
        return self.library.ascontiguousarray(x)
