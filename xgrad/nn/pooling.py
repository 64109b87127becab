"""Pooling: one number for every window of every channel."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import xgrad as xg

from .checks import integer, integers, spatial
from .module import Module

Sizes = int | tuple[int, ...]
LARGE = 16  # from here on a window is reduced in one call, below by whole arrays: one for each of its elements


class _Pool(Module):
    """What pooling over windows shares: where the windows are."""

    axes: int

    def __init__(self, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes, ceil_mode: bool):
        name = type(self).__name__
        self.kernel_size = integers(name, "kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else integers(name, "stride", stride, self.axes)
        self.padding = integers(name, "padding", padding, self.axes, least=0)
        self.dilation = integers(name, "dilation", dilation, self.axes)
        self.ceil_mode = bool(ceil_mode)
        if any(2 * p > r for p, r in zip(self.padding, self._reach, strict=True)):
            raise ValueError(
                f"{name}: padding must be at most half of the window; got {self.padding} for a window that reaches "
                f"over {self._reach} elements."
            )

    @property
    def _reach(self) -> tuple[int, ...]:
        """How many elements a window reaches over."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True))

    def _counts(self, extents: tuple[int, ...]) -> tuple[int, ...]:
        """How many windows there are along each axis."""
        counts = []
        for extent, reach, step, pad in zip(extents, self._reach, self.stride, self.padding, strict=True):
            free = extent + 2 * pad - reach
            count = (-(-free // step) if self.ceil_mode else free // step) + 1
            if self.ceil_mode and (count - 1) * step >= extent + pad:
                count -= 1  # a window must start before the padding at the end
            counts.append(count)
        if min(counts) < 1:
            raise ValueError(
                f"{type(self).__name__}: the window must fit into the padded input; got a window that reaches over "
                f"{self._reach} elements of {extents}. Pad the input, or take a smaller window."
            )
        return tuple(counts)

    def _padded(self, x: xg.Tensor, counts: tuple[int, ...], fill: float) -> xg.Tensor:
        """``x`` with as much padding as the windows reach."""
        widths = [(0, 0)] * (x.ndim - self.axes)
        for i, extent in enumerate(x.shape[-self.axes :]):
            end = (counts[i] - 1) * self.stride[i] + self._reach[i] - self.padding[i]
            widths.append((self.padding[i], max(0, end - extent)))
        return xg.pad(x, widths, constant_values=fill) if any(map(any, widths)) else x

    def describe(self) -> str:
        """The window, and what is not as usual."""
        usual: dict[str, Any] = {
            "stride": self.kernel_size,
            "padding": (0,) * self.axes,
            "dilation": (1,) * self.axes,
            "ceil_mode": False,
            "count_include_pad": True,
            "divisor_override": None,
        }
        changed = [f"{name}={v}" for name, default in usual.items() if (v := getattr(self, name, default)) != default]
        return ", ".join([f"kernel_size={self.kernel_size}", *changed])


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        *,
        ceil_mode: bool = False,
    ):
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, x: Any) -> xg.Tensor:
        """The maxima of the windows of ``x``, shape (batch, channels, *extents) or without the batch."""
        x = spatial(type(self).__name__, x, self.axes)
        x = self._padded(x, self._counts(x.shape[-self.axes :]), -math.inf)
        small = [i for i in range(self.axes) if self.kernel_size[i] < LARGE]
        for i in range(self.axes):
            if i not in small:
                steps = {"stride": self.stride[i], "dilation": self.dilation[i]}
                windows = xg.sliding_window_view(x, self.kernel_size[i], axis=x.ndim - self.axes + i, **steps)
                x = xg.max(windows, axis=-1)
        axes = tuple(x.ndim - self.axes + i for i in small)
        window, stride, dilation = (
            tuple(values[i] for i in small) for values in (self.kernel_size, self.stride, self.dilation)
        )
        return xg.special.max_pool(x, window=window, axes=axes, stride=stride, dilation=dilation) if small else x


class MaxPool2d(_MaxPool):
    """The maximum of every window of every channel, over height and width.

    Where a window has its maximum in several places they share the cotangent equally, along one axis after the other
    where an extent of the window is 16 or more.  (PyTorch gives all of it to the first.)

    Parameters
    ----------
    kernel_size : int or pair of ints
        The extents of the window.
    stride : int or pair of ints, optional
        How far the window moves from one result to the next; by default its extents.
    padding : int or pair of ints
        Elements of -inf before and after each spatial axis, at most half of the window.
    dilation : int or pair of ints
        How far apart the elements of a window are.
    ceil_mode : bool
        Whether a last window that reaches over the end counts, if it starts inside of the input or the padding before.

    Raises
    ------
    TypeError
        When a number is not an int, or the input is not real floating.
    ValueError
        When a number is out of range, or the input has another number of axes than 4, or 3 without a batch, or is
        smaller than the window.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.MaxPool2d(3, stride=2, padding=1)
    >>> layer
    MaxPool2d(kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    >>> layer(xg.zeros((4, 8, 16, 10))).shape
    (4, 8, 8, 5)
    """

    axes = 2


class MaxPool1d(_MaxPool):
    """The maximum of every window of (batch, channels, width); everything as for ``MaxPool2d``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.MaxPool1d(2)(xg.asarray([[1.0, 3.0, 2.0, 0.0]]))
    Tensor([[3., 2.]])
    """

    axes = 1


class MaxPool3d(_MaxPool):
    """The maximum of every window of (batch, channels, depth, height, width); everything as for ``MaxPool2d``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.MaxPool3d((1, 2, 2))(xg.zeros((1, 2, 3, 4, 6))).shape
    (1, 2, 3, 2, 3)
    """

    axes = 3


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = bool(count_include_pad)
        if divisor_override is not None:
            divisor_override = integer(type(self).__name__, "divisor_override", divisor_override)
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> xg.Tensor:
        """The means of the windows of ``x``, shape (batch, channels, *extents) or without the batch."""
        x = spatial(type(self).__name__, x, self.axes)
        extents = x.shape[-self.axes :]
        counts = self._counts(extents)
        total = self._sums(self._padded(x, counts, 0), counts)
        divisor = self.divisor_override or self._divisor(extents, counts)
        return total / (divisor if isinstance(divisor, int) else xg.asarray(divisor, dtype=x.dtype, device=x.device))

    def _sums(self, x: xg.Tensor, counts: tuple[int, ...]) -> xg.Tensor:
        """The sums of the windows of ``x``, one axis after the other."""
        for i, axis in enumerate(range(x.ndim - self.axes, x.ndim)):
            window, step = self.kernel_size[i], self.stride[i]
            if window >= LARGE:
                x = xg.sum(xg.sliding_window_view(x, window, axis=axis, stride=step), axis=-1)
                continue
            before, after = (slice(None),) * axis, (slice(None),) * (x.ndim - axis - 1)
            places = [slice(j, j + step * (counts[i] - 1) + 1, step) for j in range(window)]
            x = functools.reduce(xg.add, [x[(*before, place, *after)] for place in places])
        return x

    def _divisor(self, extents: tuple[int, ...], counts: tuple[int, ...]) -> int | np.ndarray:
        """How many elements count in each window: one number if it is the same for all."""
        sizes: Any = np.ones((), dtype=int)
        for extent, count, window, step, pad in zip(
            extents, counts, self.kernel_size, self.stride, self.padding, strict=True
        ):
            starts = np.arange(count) * step - pad
            ends = np.minimum(starts + window, extent + pad)
            if not self.count_include_pad:
                starts, ends = np.maximum(starts, 0), np.minimum(ends, extent)
            sizes = sizes[..., None] * (ends - starts)
        return math.prod(self.kernel_size) if (sizes == math.prod(self.kernel_size)).all() else sizes


class AvgPool2d(_AvgPool):
    """The mean of every window of every channel, over height and width.

    Parameters
    ----------
    kernel_size : int or pair of ints
        The extents of the window.
    stride : int or pair of ints, optional
        How far the window moves from one result to the next; by default its extents.
    padding : int or pair of ints
        Zeros before and after each spatial axis, at most half of the window.
    ceil_mode : bool
        Whether a last window that reaches over the end counts, if it starts inside of the input or the padding before.
        What is beyond the padding is not counted.
    count_include_pad : bool
        Whether the zeros of the padding count as elements.
    divisor_override : int, optional
        What the sum of a window is divided by, instead of the number of its elements.

    Raises
    ------
    TypeError, ValueError
        As for ``MaxPool2d``.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.AvgPool2d(2, padding=1, count_include_pad=False)
    >>> layer
    AvgPool2d(kernel_size=(2, 2), padding=(1, 1), count_include_pad=False)
    >>> layer(xg.asarray([[[1.0, 2.0], [3.0, 4.0]]])).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """

    axes = 2


class AvgPool1d(_AvgPool):
    """The mean of every window of (batch, channels, width); everything as for ``AvgPool2d``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.AvgPool1d(2)(xg.asarray([[1.0, 3.0, 2.0, 0.0]]))
    Tensor([[2., 1.]])
    """

    axes = 1


class AvgPool3d(_AvgPool):
    """The mean of every window of (batch, channels, depth, height, width); everything as for ``AvgPool2d``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.AvgPool3d((1, 2, 2))(xg.zeros((1, 2, 3, 4, 6))).shape
    (1, 2, 3, 2, 3)
    """

    axes = 3


class _AdaptiveAvgPool(Module):
    axes: int

    def __init__(self, output_size: int | tuple[int | None, ...] | None):
        name = type(self).__name__
        given = output_size if isinstance(output_size, tuple | list) else (output_size,) * self.axes
        known = integers(name, "output_size", [1 if n is None else n for n in given], self.axes)
        self.output_size = tuple(None if n is None else k for n, k in zip(given, known, strict=True))

    def forward(self, x: Any) -> xg.Tensor:
        """The means of the regions of ``x``, shape (batch, channels, *extents) or without the batch."""
        x = spatial(type(self).__name__, x, self.axes)
        for axis, count in enumerate(self.output_size, x.ndim - self.axes):
            if count not in (None, x.shape[axis]):
                x = _means(x, axis, count)
        return x

    def describe(self) -> str:
        """The extents of the result."""
        return f"output_size={self.output_size}"


def _means(x: xg.Tensor, axis: int, count: int) -> xg.Tensor:
    """``x`` with ``count`` means along an axis, of regions that cover it evenly."""
    extent = x.shape[axis]
    if extent % count == 0:
        return xg.mean(xg.reshape(x, (*x.shape[:axis], count, extent // count, *x.shape[axis + 1 :])), axis=axis + 1)
    bounds = [(i * extent // count, -(-(i + 1) * extent // count)) for i in range(count)]
    means = [xg.mean(x[(slice(None),) * axis + (slice(*b),)], axis=axis, keepdims=True) for b in bounds]
    return xg.concat(means, axis=axis)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over height and width, of as many regions as the result is to have elements.

    The i-th of n regions of an axis goes from ``floor(i * extent / n)`` to below ``ceil((i + 1) * extent / n)``.

    Parameters
    ----------
    output_size : int, None, or pair of them
        The extents of the result; None for that of the input.

    Raises
    ------
    TypeError, ValueError
        As for ``MaxPool2d``.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.AdaptiveAvgPool2d((1, None))
    >>> layer
    AdaptiveAvgPool2d(output_size=(1, None))
    >>> layer(xg.zeros((4, 8, 16, 10))).shape
    (4, 8, 1, 10)
    """

    axes = 2


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of regions of (batch, channels, width); everything as for ``AdaptiveAvgPool2d``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.AdaptiveAvgPool1d(2)(xg.asarray([[1.0, 3.0, 2.0]]))
    Tensor([[2. , 2.5]])
    """

    axes = 1


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means of regions of (batch, channels, depth, height, width); everything as for ``AdaptiveAvgPool2d``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.AdaptiveAvgPool3d(1)(xg.zeros((1, 2, 3, 4, 5))).shape
    (1, 2, 1, 1, 1)
    """

    axes = 3
