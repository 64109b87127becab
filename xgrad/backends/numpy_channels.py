"""Batch normalisation on NumPy, in blocks that fit into a cache and in the order of the elements in memory."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np

from .numpy_blocks import blocks

_SHORT = 256  # elements of a channel in a row up to which a number for each element is quicker than one for each row
_LONG = 4096  # elements of a line from which on NumPy's sum, by pairs, loses less than a product with ones


class Channels:
    """How an array with its channels on axis 1 is seen: as lines of one channel each, or as rows of whole samples.

    Lines are what is long in memory: a convolution may leave the channels outermost there.  Where a channel has few
    elements in a row, samples are rows instead, and every number of a channel is repeated for them.
    """

    def __init__(self, x: np.ndarray):
        self.shape, self.count = x.shape, x.shape[1]
        self.turns = self._turned(x).flags.c_contiguous and not x.flags.c_contiguous
        self.samples = 1 if self.turns else x.shape[0]
        self.size = x.size // (self.samples * self.count)
        self.rows = self.size < _SHORT and self.samples > 1
        self.ones = np.ones(self.samples if self.rows else self.size, x.dtype)

    @staticmethod
    def _turned(x):
        return x.transpose(1, *range(2, x.ndim), 0)

    def seen(self, x: np.ndarray) -> np.ndarray:
        """``x`` as lines or rows, copied if it does not lie in memory like the first one."""
        x = self._turned(x) if self.turns else x
        width = self.count * self.size if self.rows else self.size
        return np.ascontiguousarray(x).reshape(-1, width)

    def back(self, made: np.ndarray) -> np.ndarray:
        """Lines or rows as an array of the first one's shape."""
        if not self.turns:
            return made.reshape(self.shape)
        n, c, *extents = self.shape
        return made.reshape(c, *extents, n).transpose(-1, *range(len(extents) + 1))

    def spread(self, numbers: np.ndarray) -> np.ndarray:
        """A number for each channel, to be broadcast against lines or rows; ``at`` is the part of it for a block."""
        if self.rows:
            return np.repeat(numbers, self.size) if self.size > 1 else numbers
        return np.tile(numbers, self.samples)[:, None]

    def at(self, spread: np.ndarray, block: slice) -> np.ndarray:
        """What was spread, for a block of lines or rows."""
        return spread if self.rows else spread[block]

    def sums(self, parts: Iterable[np.ndarray]) -> np.ndarray:
        """The sum over every channel of blocks of lines or rows, which may be changed afterwards."""
        if not self.rows:
            sums = [a @ self.ones if self.size < _LONG else np.add.reduce(a, axis=1) for a in parts]
            return np.concatenate(sums).reshape(-1, self.count).sum(axis=0)
        total = functools.reduce(np.add, [self.ones[: len(a)] @ a for a in parts])
        return total.reshape(self.count, self.size).sum(axis=1) if self.size > 1 else total


def batch_norm(x, weight, bias, eps):
    """``special.batch_norm``."""
    seen = Channels(x)
    lines, n = seen.seen(x), x.size // x.shape[1]
    out = np.empty_like(lines)
    parts = blocks(lines)
    mean = seen.sums(lines[b] for b in parts) / n
    middle = seen.spread(mean)

    def squares():
        for b in parts:
            part = np.subtract(lines[b], seen.at(middle, b), out=out[b])
            yield part * part

    variance = seen.sums(squares()) / n
    scale = 1 / np.sqrt(variance + eps)
    factor = seen.spread(scale if weight is None else scale * weight)
    offset = None if bias is None else seen.spread(bias)
    for b in parts:
        part = out[b]
        part *= seen.at(factor, b)
        if offset is not None:
            part += seen.at(offset, b)
    return seen.back(out), mean, variance


def batch_norm_grad(ct, to_mean, to_variance, x, weight, mean, variance, eps):
    """``special.batch_norm_grad``."""
    seen = Channels(x)
    lines, cts = seen.seen(x), seen.seen(ct)
    out, n = np.empty_like(lines), x.size // x.shape[1]
    parts = blocks(lines)
    middle = seen.spread(mean)
    to_bias = seen.sums(cts[b] for b in parts)

    def products():
        for b in parts:
            part = np.subtract(lines[b], seen.at(middle, b), out=out[b])
            yield part * cts[b]

    scale = 1 / np.sqrt(variance + eps)
    to_weight = seen.sums(products()) * scale
    factor = scale if weight is None else scale * weight
    slope, offset = factor * scale * to_weight * (-1 / n), factor * to_bias * (-1 / n)
    if to_variance is not None:
        slope += to_variance * (2 / n)
    if to_mean is not None:
        offset += to_mean / n
    slope, factor, offset = map(seen.spread, (slope, factor, offset))
    for b in parts:
        part = out[b]
        part *= seen.at(slope, b)
        part += cts[b] * seen.at(factor, b)
        part += seen.at(offset, b)
    return seen.back(out), to_weight, to_bias
