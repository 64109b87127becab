"""Convolutions over one, two and three spatial axes, and their transposes."""

from __future__ import annotations

import math
from typing import Any

import xgrad as xg

from .checks import floating_dtype, integer, integers, of_dtype, spatial
from .module import Module
from .parameters import uniform

PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # NumPy's names


class _Convolution(Module):
    """What convolutions and their transposes share: the numbers, the weights and how they look."""

    axes: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...],
        dilation: int | tuple[int, ...],
        groups: int,
        bias: bool,
        device: Any,
        dtype: Any,
        generator: Any,
    ):
        name = type(self).__name__
        self.in_channels = integer(name, "in_channels", in_channels)
        self.out_channels = integer(name, "out_channels", out_channels)
        self.kernel_size = integers(name, "kernel_size", kernel_size, self.axes)
        self.stride = integers(name, "stride", stride, self.axes)
        self.dilation = integers(name, "dilation", dilation, self.axes)
        self.groups = integer(name, "groups", groups)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"{name}: in_channels and out_channels must be multiples of groups; got {in_channels}, {out_channels} "
                f"and {groups}."
            )
        floating_dtype(name, dtype)
        random = xg.random.default_rng(generator)
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (first, second // self.groups, *self.kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = uniform(random, bound, shape, device, dtype)
        self.bias = uniform(random, bound, (self.out_channels,), device, dtype) if bias else None

    def _convolved(self, x: Any, **how: Any) -> xg.Tensor:
        """The convolution of a checked input, plus the bias."""
        weight = how.pop("weight", self.weight)
        batched = x.ndim == self.axes + 2
        out = xg.convolution(x if batched else x[None, ...], weight, groups=self.groups, **how)
        if self.bias is not None:
            out = out + xg.reshape(self.bias, (-1,) + (1,) * self.axes)
        return out if batched else out[0, ...]

    def _checked(self, x: Any) -> xg.Tensor:
        name = type(self).__name__
        x = of_dtype(name, "the input", x, self.weight)
        return spatial(name, x, self.axes, self.in_channels)

    def describe(self) -> str:
        """The sizes, and what is not as usual."""
        words = [str(self.in_channels), str(self.out_channels), f"kernel_size={self.kernel_size}"]
        for name, usual in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1)):
            value = getattr(self, name, usual)
            if value not in (usual, (usual,) * self.axes):
                words.append(f"{name}={value!r}")
        words += [f"groups={self.groups}"] if self.groups > 1 else []
        words += [] if self.bias is not None else ["bias=False"]
        mode = getattr(self, "padding_mode", "zeros")
        words += [f"padding_mode={mode!r}"] if mode != "zeros" else []
        return ", ".join(words)


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        device: Any = None,
        dtype: Any = "float32",
        generator: Any = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype, generator
        )
        name = type(self).__name__
        if padding_mode not in PADDING_MODES:
            raise ValueError(
                f"{name}: unknown padding_mode; got {padding_mode!r}. Use one of {', '.join(PADDING_MODES)}."
            )
        self.padding_mode = padding_mode
        self.padding = padding if isinstance(padding, str) else integers(name, "padding", padding, self.axes, least=0)
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{name}: unknown padding; got {padding!r}. Use 'same', 'valid' or numbers.")
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(f"{name}: padding='same' needs stride=1; got {self.stride}. Give the padding in numbers.")

    def forward(self, x: Any) -> xg.Tensor:
        """The windows of ``x``, shape (batch, in_channels, *extents), times the weights: (batch, out_channels, ...)."""
        x = self._checked(x)
        pairs = self._pairs()
        if self.padding_mode != "zeros" and any(map(any, pairs)):
            x = xg.pad(x, ((0, 0),) * (x.ndim - self.axes) + pairs, mode=PADDING_MODES[self.padding_mode])
            pairs = ((0, 0),) * self.axes
        return self._convolved(x, stride=self.stride, padding=pairs, dilation=self.dilation)

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        """The padding before and after each spatial axis."""
        if not isinstance(self.padding, str):
            return tuple((p, p) for p in self.padding)
        if self.padding == "valid":
            return ((0, 0),) * self.axes
        reach = (d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True))
        return tuple((r // 2, r - r // 2) for r in reach)


class Conv2d(_Conv):
    """Convolution over height and width: every result is a sum over a window of products with the weights.

    It is a cross-correlation, as in PyTorch: the weights are not flipped.

    Parameters
    ----------
    in_channels, out_channels : int
        How many channels the input and the result have.
    kernel_size : int or pair of ints
        The extents of the window.
    stride : int or pair of ints
        How far the window moves from one result to the next.
    padding : int, pair of ints, "same" or "valid"
        New elements before and after each spatial axis; ``"same"`` keeps the extents (the odd one comes after),
        ``"valid"`` is 0.
    dilation : int or pair of ints
        How far apart the elements of a window are.
    groups : int
        Inputs and results fall into so many groups that do not meet.
    bias : bool
        Whether every channel of the result has a bias.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the new elements are.
    device : str or Device, optional
        Where the parameters live; if not given, where the generator draws.
    dtype : dtype
        Floating dtype of the parameters, and of every input.
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        Where the random numbers come from: a generator, which moves on, or a seed.

    Attributes
    ----------
    weight : Tensor, shape (out_channels, in_channels // groups, *kernel_size)
    bias : Tensor, shape (out_channels,), or None
        Both start uniform between -b and b, with b one over the root of the number of products in a result.

    Raises
    ------
    TypeError
        When an argument is of the wrong kind, or an input has not the dtype of the weight.
    ValueError
        When an argument is out of range, the input has another shape than (batch, in_channels, height, width) or
        (in_channels, height, width), or is smaller than the window.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.Conv2d(3, 8, 3, stride=2, padding=1, generator=0)
    >>> layer
    Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1)): 224 parameters
    >>> layer(xg.ones((4, 3, 16, 10), dtype="float32")).shape
    (4, 8, 8, 5)
    """

    axes = 2


class Conv1d(_Conv):
    """Convolution over one axis; everything as for ``Conv2d``, with inputs (batch, channels, width).

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.Conv1d(3, 8, 5, padding="same", generator=0)(xg.ones((4, 3, 16), dtype="float32")).shape
    (4, 8, 16)
    """

    axes = 1


class Conv3d(_Conv):
    """Convolution over three axes; everything as for ``Conv2d``, with inputs (batch, channels, depth, height, width).

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.Conv3d(3, 8, (1, 3, 3), generator=0)(xg.ones((2, 3, 4, 5, 6), dtype="float32")).shape
    (2, 8, 4, 3, 4)
    """

    axes = 3


class _ConvTranspose(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        *,
        device: Any = None,
        dtype: Any = "float32",
        generator: Any = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, device, dtype, generator
        )
        name = type(self).__name__
        self.padding = integers(name, "padding", padding, self.axes, least=0)
        self.output_padding = integers(name, "output_padding", output_padding, self.axes, least=0)
        steps = zip(self.output_padding, self.stride, self.dilation, strict=True)
        if any(extra >= max(stride, dilation) for extra, stride, dilation in steps):
            raise ValueError(
                f"{name}: output_padding must be below the stride or the dilation; got {self.output_padding} for "
                f"{self.stride} and {self.dilation}."
            )

    def forward(self, x: Any, output_size: tuple[int, ...] | None = None) -> xg.Tensor:
        """The result, shape (batch, out_channels, *extents).

        Parameters
        ----------
        x : array, shape (batch, in_channels, *extents)
            Or without the batch.
        output_size : tuple of ints, optional
            The extents of the result, of those that a convolution with this stride takes to the extents of ``x``; the
            smallest by default.  ``output_padding`` is not used then.
        """
        x = self._checked(x)
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        extra = self.output_padding if output_size is None else self._extra(x, reach, output_size)
        padding = tuple((r - p, r - p + e) for r, p, e in zip(reach, self.padding, extra, strict=True))
        return self._convolved(
            x, weight=self._exchanged(), spacing=self.stride, padding=padding, dilation=self.dilation
        )

    def _extra(self, x: xg.Tensor, reach: list[int], output_size: tuple[int, ...]) -> tuple[int, ...]:
        """The output padding that gives ``output_size``."""
        name = type(self).__name__
        wanted = integers(name, "output_size", output_size, self.axes)
        least = tuple(
            s * (e - 1) - 2 * p + r + 1
            for s, e, p, r in zip(self.stride, x.shape[-self.axes :], self.padding, reach, strict=True)
        )
        extra = tuple(w - m for w, m in zip(wanted, least, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = tuple(m + s - 1 for m, s in zip(least, self.stride, strict=True))
            raise ValueError(f"{name}: output_size must lie between {least} and {most}; got {wanted}.")
        return extra

    def _exchanged(self) -> xg.Tensor:
        """The weights of the convolution that this is: channels exchanged within each group, windows flipped."""
        first, second, *window = self.weight.shape
        weight = xg.reshape(self.weight, (self.groups, first // self.groups, second, *window))
        weight = xg.permute_dims(weight, (0, 2, 1, *range(3, weight.ndim)))
        weight = xg.reshape(weight, (self.out_channels, first // self.groups, *window))
        return xg.flip(weight, axis=tuple(range(2, weight.ndim)))


class ConvTranspose2d(_ConvTranspose):
    """The transpose of ``Conv2d``: every input adds a multiple of the weights to a window of the result.

    As a linear map it is what the pass back through a convolution with the same numbers does to cotangents.

    Parameters
    ----------
    in_channels, out_channels : int
        How many channels the input and the result have.
    kernel_size : int or pair of ints
        The extents of the window.
    stride : int or pair of ints
        How far the window moves from one input to the next.
    padding : int or pair of ints
        How many elements are taken away at both ends of each axis of the result.
    output_padding : int or pair of ints
        How many elements the result has at the end that the padding would have taken: a stride takes several extents
        to the same one, and this chooses among them.
    groups, bias
        As for ``Conv2d``.
    dilation : int or pair of ints
        How far apart the elements of a window are.
    device, dtype, generator
        As for ``Conv2d``.

    Attributes
    ----------
    weight : Tensor, shape (in_channels, out_channels // groups, *kernel_size)
    bias : Tensor, shape (out_channels,), or None

    Raises
    ------
    TypeError, ValueError
        As for ``Conv2d``; when ``output_padding`` is not below the stride or the dilation.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, generator=0)
    >>> x = xg.ones((4, 8, 8, 5), dtype="float32")
    >>> layer(x).shape, layer(x, output_size=(16, 10)).shape
    ((4, 3, 15, 9), (4, 3, 16, 10))
    """

    axes = 2


class ConvTranspose1d(_ConvTranspose):
    """The transpose of ``Conv1d``; everything as for ``ConvTranspose2d``, with inputs (batch, channels, width).

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.ConvTranspose1d(8, 3, 4, stride=4, generator=0)(xg.ones((2, 8, 5), dtype="float32")).shape
    (2, 3, 20)
    """

    axes = 1


class ConvTranspose3d(_ConvTranspose):
    """The transpose of ``Conv3d``; everything as for ``ConvTranspose2d``, with inputs of three spatial axes.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.ConvTranspose3d(2, 1, 2, stride=2, generator=0)(xg.ones((1, 2, 2, 3, 4), dtype="float32")).shape
    (1, 1, 4, 6, 8)
    """

    axes = 3
