"""Layers that normalise, with a scale and an offset that are learnt."""

from __future__ import annotations

from typing import Any

import xgrad as xg

from .checks import floating, floating_dtype, integer, of_dtype
from .module import Module
from .normalisation import batch_norm, extents, group_norm, layer_norm, rms_norm
from .parameters import ones, state, zeros


class BatchNorm(Module):
    """Every channel scaled to mean 0 and variance 1 over the batch, and then by a weight and bias that are learnt.

    While training mean and variance are those of the batch, and running means of them are kept for ``eval()``.  These
    are buffers, written in place, unrecorded: a forward pass inside ``grad`` or another transform changes them too.

    Parameters
    ----------
    num_features : int
        Channels, axis 1 of every input.
    eps : float
        Added to the variance.
    momentum : float or None
        The share of a batch in the new running values; None for the mean over all batches.
    affine : bool
        Whether there are a weight and a bias.
    track_running_stats : bool
        Whether there are running values.  Without them ``eval()`` uses those of the batch too.
    device : str or Device, optional
        Where parameters and buffers live; by default the default device.
    dtype : dtype
        Floating dtype of the parameters, and of every input.

    Attributes
    ----------
    weight, bias : Tensor, shape (num_features,), or None
        Start as ones and zeros.
    running_mean, running_var : Tensor, shape (num_features,), or None
        Start as zeros and ones.
    num_batches_tracked : Tensor, shape (), or None

    Raises
    ------
    TypeError
        When an input has not the dtype of the layer.
    ValueError
        When an input has other channels or another number of axes, or one value per channel while training.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.BatchNorm1d(2, dtype="float64")
    >>> layer(xg.asarray([[1.0, 20.0], [3.0, 40.0]])).shape
    (2, 2)
    >>> layer.running_mean
    Tensor([0.2, 3. ])
    """

    axes: tuple[int, ...] = ()  # how many an input may have; any number from 2 where there are none

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        device: Any = None,
        dtype: Any = "float32",
    ):
        name = type(self).__name__
        self.num_features = integer(name, "num_features", num_features)
        self.eps, self.momentum = eps, momentum
        shape, dtype = (self.num_features,), floating_dtype(name, dtype)
        self.weight = ones(shape, device, dtype) if affine else None
        self.bias = zeros(shape, device, dtype) if affine else None
        self.running_mean = state(xg.zeros(shape), device, dtype) if track_running_stats else None
        self.running_var = state(xg.ones(shape), device, dtype) if track_running_stats else None
        self.num_batches_tracked = state(0, device, "int64") if track_running_stats else None

    def forward(self, x: Any) -> xg.Tensor:
        """``x``, shape (n, num_features, ...), normalised."""
        name = type(self).__name__
        x = _of_layer(name, x, self.weight, self.running_mean)
        if x.ndim < 2 or (self.axes and x.ndim not in self.axes) or x.shape[1] != self.num_features:
            axes = " or ".join(map(str, self.axes)) or "two or more"
            raise ValueError(
                f"{name}: the input must have {axes} axes, and num_features={self.num_features} on axis 1; got shape "
                f"{x.shape}. Reshape the input, or build the layer for it."
            )
        momentum: Any = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            if momentum is None:  # 1 / n is the share of the last of n batches in their mean
                momentum = 1 / xg.astype(self.num_batches_tracked, x.dtype)
        of_batch = self.training or self.running_mean is None
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, of_batch, momentum, self.eps)

    def describe(self) -> str:
        """The channels, and what is not as usual."""
        usual = {"eps": 1e-5, "momentum": 0.1}
        shown = [
            str(self.num_features),
            *(f"{n}={getattr(self, n)}" for n, v in usual.items() if getattr(self, n) != v),
        ]
        shown += ["affine=False"] if self.weight is None else []
        shown += ["track_running_stats=False"] if self.running_mean is None else []
        return ", ".join(shown)


class BatchNorm1d(BatchNorm):
    """``BatchNorm`` of inputs of shape (n, channels) or (n, channels, length)."""

    axes = (2, 3)


class BatchNorm2d(BatchNorm):
    """``BatchNorm`` of inputs of shape (n, channels, height, width)."""

    axes = (4,)


class BatchNorm3d(BatchNorm):
    """``BatchNorm`` of inputs of shape (n, channels, depth, height, width)."""

    axes = (5,)


class LayerNorm(Module):
    """Every sample scaled to mean 0 and variance 1 over its last axes, and then by a weight and bias that are learnt.

    Ba, Kiros and Hinton, "Layer normalization" (2016).

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The extents of the last axes, over which inputs are normalised.
    eps : float
        Added to the variance.
    elementwise_affine : bool
        Whether there is a weight.
    bias : bool
        Whether there is a bias beside the weight.
    device : str or Device, optional
        Where the parameters live; by default the default device.
    dtype : dtype
        Floating dtype of the parameters, and of every input.

    Attributes
    ----------
    weight, bias : Tensor, shape normalized_shape, or None
        Start as ones and zeros.

    Raises
    ------
    TypeError
        When an input has not the dtype of the layer.
    ValueError
        When an input has other last extents.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.LayerNorm(2, eps=0.0, dtype="float64")(xg.asarray([[1.0, 3.0], [20.0, 40.0]]))
    Tensor([[-1.,  1.],
            [-1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        device: Any = None,
        dtype: Any = "float32",
    ):
        self.normalized_shape = extents("LayerNorm", normalized_shape)
        self.eps, dtype = eps, floating_dtype("LayerNorm", dtype)
        self.weight = ones(self.normalized_shape, device, dtype) if elementwise_affine else None
        self.bias = zeros(self.normalized_shape, device, dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> xg.Tensor:
        """``x``, shape (..., *normalized_shape), normalised."""
        x = _of_layer("LayerNorm", x, self.weight)
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def describe(self) -> str:
        """The shape."""
        return _described(self.normalized_shape, self.weight, ", bias=False" if self.bias is None else "")


class RMSNorm(Module):
    """Every sample divided by the root of its mean square over its last axes, and scaled by a weight that is learnt.

    Zhang and Sennrich, "Root mean square layer normalization" (2019).

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The extents of the last axes, over which inputs are normalised.
    eps : float, optional
        Added to the mean square; by default the resolution of the dtype.
    elementwise_affine : bool
        Whether there is a weight.
    device : str or Device, optional
        Where the parameter lives; by default the default device.
    dtype : dtype
        Floating dtype of the parameter, and of every input.

    Attributes
    ----------
    weight : Tensor, shape normalized_shape, or None
        Starts as ones.

    Raises
    ------
    TypeError
        When an input has not the dtype of the layer.
    ValueError
        When an input has other last extents.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.RMSNorm(2, eps=0.0, dtype="float64")(xg.asarray([[1.0, -1.0], [5.0, 5.0]]))
    Tensor([[ 1., -1.],
            [ 1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        device: Any = None,
        dtype: Any = "float32",
    ):
        self.normalized_shape = extents("RMSNorm", normalized_shape)
        self.eps, dtype = eps, floating_dtype("RMSNorm", dtype)
        self.weight = ones(self.normalized_shape, device, dtype) if elementwise_affine else None

    def forward(self, x: Any) -> xg.Tensor:
        """``x``, shape (..., *normalized_shape), normalised."""
        return rms_norm(_of_layer("RMSNorm", x, self.weight), self.normalized_shape, self.weight, self.eps)

    def describe(self) -> str:
        """The shape."""
        return _described(self.normalized_shape, self.weight)


class GroupNorm(Module):
    """Every group of channels scaled to mean 0 and variance 1 in each sample, and then channels by weight and bias.

    Wu and He, "Group normalization" (2018).

    Parameters
    ----------
    num_groups, num_channels : int
        Groups, and channels (axis 1 of every input), which they divide.
    eps : float
        Added to the variance.
    affine : bool
        Whether there are a weight and a bias.
    device : str or Device, optional
        Where the parameters live; by default the default device.
    dtype : dtype
        Floating dtype of the parameters, and of every input.

    Attributes
    ----------
    weight, bias : Tensor, shape (num_channels,), or None
        Start as ones and zeros.

    Raises
    ------
    TypeError
        When an input has not the dtype of the layer.
    ValueError
        When the groups do not divide the channels, or an input has others.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.GroupNorm(2, 4)
    >>> layer, layer(xg.ones((5, 4, 3), dtype="float32")).shape
    (GroupNorm(2, 4): 8 parameters, (5, 4, 3))
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        device: Any = None,
        dtype: Any = "float32",
    ):
        self.num_groups = integer("GroupNorm", "num_groups", num_groups)
        self.num_channels = integer("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_groups must divide num_channels; got {num_groups} and {num_channels}. Change one."
            )
        self.eps, dtype = eps, floating_dtype("GroupNorm", dtype)
        self.weight = ones((self.num_channels,), device, dtype) if affine else None
        self.bias = zeros((self.num_channels,), device, dtype) if affine else None

    def forward(self, x: Any) -> xg.Tensor:
        """``x``, shape (n, num_channels, ...), normalised."""
        x = _of_layer("GroupNorm", x, self.weight)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(
                f"GroupNorm: the input must have num_channels={self.num_channels} on axis 1; got shape {x.shape}. "
                "Reshape the input, or build the layer for it."
            )
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def describe(self) -> str:
        """The groups and channels."""
        return f"{self.num_groups}, {self.num_channels}" + ("" if self.weight is not None else ", affine=False")


def _described(shape: tuple[int, ...], weight: xg.Tensor | None, bias: str = "") -> str:
    extent = str(shape[0]) if len(shape) == 1 else str(shape)
    return extent + (", elementwise_affine=False" if weight is None else bias)


def _of_layer(name: str, x: Any, *own: xg.Tensor | None) -> xg.Tensor:
    """``x`` in the dtype of what a layer holds, if it holds anything."""
    held = next((tensor for tensor in own if tensor is not None), None)
    return floating(name, "x", x) if held is None else of_dtype(name, "the input", x, held)
