"""Convolution on NumPy: few copies of each element, in long lines, and matrix products of a size that BLAS likes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..registry import composites
from .sliding import LONG, Ints, Strided, elements, landing, places

_BUFFER = 1 << 21  # bytes of gathered windows at a time
_PRODUCT = 10**6  # multiplications up to which OpenBLAS packs no operand: 1.6 times as fast with few rows
_NARROW = 48  # columns below which that is no gain
_FEWER = 3  # times as large an array to gather as to scatter, from where on scattering is quicker
_WHOLE = slice(None)


class Windows(Strided):
    """Convolution by matrix products with windows that are gathered in blocks, along as few axes as possible.

    Where the elements of a window follow one another on the first spatial axis, windows are gathered along the others
    only: the window at every place is a matrix in what was gathered, and that at the next place overlaps with it.  For
    3 x 3 elements that is 3 copies of the array instead of 9.
    """

    def cross_correlation(self, x, w, /, *, stride, padding, dilation, groups, spacing, product=None):
        """By gathering; or by scattering, where that makes a far smaller array and not just shorter lines."""
        extents, window = x.shape[2:], w.shape[2:]
        padded = tuple(s * (e - 1) + 1 + a + b for s, e, (a, b) in zip(spacing, extents, padding, strict=True))
        count = places(padded, window, stride, dilation)
        if not x.size or not w.size:
            return np.zeros((x.shape[0], w.shape[0], *count), np.result_type(x, w))
        over_places = math.prod(window) <= math.prod(count)
        smaller = _FEWER * w.shape[0] * math.prod(extents) < x.shape[1] * math.prod(count)
        if over_places and smaller and set(stride) <= {1} and (count[-1] >= LONG or max(spacing) > 1):
            return self._scattered(x, w, padding, dilation, groups, spacing, count, self.matmul)
        batch_apart = not over_places and window[-1] < LONG and w.strides[1] != w.itemsize  # it would have to be moved
        if batch_apart or product is not None:
            how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "spacing": spacing}
            return super().cross_correlation(x, w, **how, product=product)
        x = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
        w = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
        if over_places:
            return _over_places(Gathering(x, window, dilation, count, stride, padding, spacing), w)
        return _over_windows(Gathering(x.swapaxes(0, 2), count, stride, window, dilation, padding, spacing), w)


def _over_places(windows: Gathering, w: np.ndarray) -> np.ndarray:
    """The weights, shape (groups, results, rows, *few), times all windows."""
    groups, results = w.shape[:2]
    weights = w.transpose(0, 1, *range(3, w.ndim), 2).reshape(groups, 1, 1, results, -1)
    out: Any = np.empty((windows.batch, groups, results, windows.many[0], windows.line), np.result_type(windows.x, w))
    for part, at, matrices in windows.blocks(results):
        block = out[part, :, :, at]
        block = block.reshape(*block.shape[:3], *matrices.shape[2:4], matrices.shape[5])
        np.matmul(weights, matrices, out=block.transpose(0, 1, 3, 4, 2, 5))
    out = out.reshape(windows.batch, groups * results, *windows.many, -1)
    return out[0].transpose(out.ndim - 2, *range(out.ndim - 2)) if windows.batch_last else out[..., 0]


def _over_windows(windows: Gathering, w: np.ndarray) -> np.ndarray:
    """The sum over few windows that are long, times ``w`` of the shape (groups, results, batch, *many)."""
    groups, results = w.shape[:2]
    spatial = range(3, w.ndim)
    w = w.transpose(0, 1, *spatial, 2)[None] if windows.batch_last else w.transpose(2, 0, 1, *spatial)
    w = w.reshape(windows.batch, groups, results, windows.many[0], windows.line)
    total: Any = 0
    for part, at, matrices in windows.blocks(None):
        block = w[part, :, :, at]
        block = block.reshape(*block.shape[:3], *matrices.shape[2:4], matrices.shape[5])
        total += np.add.reduce(np.matmul(matrices, block.transpose(0, 1, 3, 4, 5, 2)), axis=(0, 2, 3))
    total = np.moveaxis(total.reshape(groups, *windows.few, -1, results), (-2, -1), (0, 2))
    return total.reshape(len(total), groups * results, *windows.few)


class Gathering:
    """Windows of ``x``, shape (batch, groups, rows, *extents), as matrices: their columns are its places and its batch.

    ``few`` are the extents of a window and ``many`` the numbers of places, or the other way round.  Lines of memory go
    along the last axis, or along the batch as well where that axis is short.
    """

    def __init__(
        self, x: np.ndarray, few: Ints, few_step: Ints, many: Ints, many_step: Ints, padding: Any, spacing: Ints
    ):
        self.batch_last = many[-1] < LONG
        x = x.transpose(*range(1, x.ndim), 0)[None] if self.batch_last else x[..., None]
        self.x = _padded(x, padding, spacing, -1 if self.batch_last else -2)
        self.few, self.few_step, self.many, self.many_step = few, few_step, many, many_step
        self.batch, self.groups, self.rows, self.tail = *x.shape[:3], x.shape[-1]
        self.line = math.prod(many[1:]) * self.tail  # numbers for one place on the first axis
        self.overlap = self.batch_last and few_step[0] == 1 < few[0] and self.line >= _NARROW

    def blocks(self, results: int | None) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """Ranges of the batch and of the first axis of ``many``, and of these the matrices.

        The axes of these are (batch, groups, first axis, parts of a line, rows, columns).  There are several parts
        where that makes products with as many rows as ``results`` small.
        """
        size = self.groups * math.prod(self.few[1:]) * self.rows * self.line * self.x.itemsize
        fit = max(_BUFFER // (size * (self.many_step[0] if self.overlap else self.few[0])), 1)
        step, n = _even(self.batch, max(fit // self.many[0], 1)), _even(self.many[0], fit)
        for first, start in itertools.product(range(0, self.batch, step), range(0, self.many[0], n)):
            part, at = slice(first, first + step), slice(start, min(start + n, self.many[0]))
            yield part, at, self._matrices(self.x[part, :, :, start * self.many_step[0] :], at.stop - start, results)

    def _matrices(self, x: np.ndarray, n: int, results: int | None) -> np.ndarray:
        """Those for ``n`` places, in what is gathered: (batch, groups, *few, rows, *many, tail).

        Where windows overlap, the first of ``few`` and the first of ``many`` are one axis.
        """
        rows, step = math.prod(self.few) * self.rows, self.many_step[0]
        first, few, many = 1, self.few, (n, *self.many[1:])
        if self.overlap:
            first, few, many = n, (step * (n - 1) + few[0], *few[1:]), (1, *many[1:])
        few_strides, many_strides = (
            tuple(s * d for s, d in zip(x.strides[3:-1], steps, strict=True))
            for steps in (self.few_step, self.many_step)
        )
        shape = (*x.shape[:2], *few, self.rows, *many, self.tail)
        strides = (*x.strides[:2], *few_strides, x.strides[2], *many_strides, x.strides[-1])
        lines: Any = np.ascontiguousarray(np.lib.stride_tricks.as_strided(x, shape, strides))
        line, each = math.prod(many) * self.tail, lines.size // (len(x) * self.groups)
        width = line if results is None else _part(line, _PRODUCT // (results * rows))
        shape = (len(x), self.groups, first, line // width, rows, width)
        strides = (self.groups * each, each, step * (rows // self.few[0]) * line, width, line, 1)
        matrices: Any = np.ndarray(shape, lines.dtype, lines, 0, tuple(s * lines.itemsize for s in strides))
        return matrices


def _padded(x: np.ndarray, padding: Any, spacing: Ints, line: int) -> np.ndarray:
    """``x``, shape (batch, groups, rows, *extents, tail), spread out; in lines along the axis ``line``."""
    if all(p == (0, 0) for p in padding) and set(spacing) <= {1}:
        return x if x.strides[line] == x.itemsize else np.ascontiguousarray(x)
    extents = tuple(s * (e - 1) + 1 + a + b for s, e, (a, b) in zip(spacing, x.shape[3:-1], padding, strict=True))
    out = np.zeros((*x.shape[:3], *extents, x.shape[-1]), x.dtype)
    where = [landing(p[0], *rest) for p, *rest in zip(padding, spacing, x.shape[3:-1], extents, strict=True)]
    kept, put = zip(*where, strict=True)
    out[(_WHOLE, _WHOLE, _WHOLE, *put)] = x[(_WHOLE, _WHOLE, _WHOLE, *kept)]
    return out


class Pooling:
    """Max pooling with few passes over memory; the backend's ``special`` inherits it."""

    xp: Any

    def max_pool_grad(self, ct, x, out, window, axes, stride, dilation, /):
        """Element by element of the window; the bits of a share of the cotangent are multiplied by 0 or 1."""
        count = tuple(out.shape[a] for a in axes)
        plain = x.dtype in (np.float32, np.float64) and ct.dtype == x.dtype and ct.shape == out.shape
        if not plain or math.prod(window) > 2 * sum(window) or np.isnan(out).any():  # else one axis after the other
            return composites["special.max_pool_grad"](self.xp, ct, x, out, window, axes, stride, dilation)
        if x.shape[-1] < LONG <= len(x) and x.strides[0] != x.itemsize:  # long lines along the batch
            ct, x, out = (np.moveaxis(np.ascontiguousarray(np.moveaxis(v, 0, -1)), -1, 0) for v in (ct, x, out))
        keys = list(elements(x.ndim, axes, window, dilation, count, stride))
        hits = [np.equal(x[key], out) for key in keys]
        share = np.empty_like(out)
        if sum(map(np.count_nonzero, hits)) == out.size:
            share[...] = ct
        else:
            ties = hits[0].astype(np.uint8 if len(hits) < 256 else np.int32)
            for hit in hits[1:]:
                ties += hit.view(np.uint8)
            np.divide(ct, ties, out=share)
        bits = np.dtype(f"i{x.itemsize}")
        made, shares = np.zeros_like(x), share.view(bits)
        apart = all(d * (k - 1) < s for k, s, d in zip(window, stride, dilation, strict=True))
        for key, hit in zip(keys, hits, strict=True):
            if apart:
                np.multiply(shares, hit, out=made.view(bits)[key])
            else:
                made[key] += np.multiply(shares, hit).view(x.dtype)
        return made


def _even(n: int, most: int) -> int:
    """The size of parts of ``n`` that are about equal, and at most so large."""
    return -(-n // -(-n // most))


def _part(line: int, most: int) -> int:
    """A divisor of ``line`` not far below ``most``; all of it where there is none, or none that is worth it."""
    parts = -(-line // max(most, 1))
    width = next((line // n for n in range(parts, 4 * parts) if line % n == 0), line)
    return width if width >= _NARROW else line
