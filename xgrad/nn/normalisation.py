"""Functions that normalise: inputs scaled to mean 0 and variance 1, over the batch or within each sample."""

from __future__ import annotations

import math
from typing import Any

import xgrad as xg

from .checks import floating, integer

# Within each sample ---------------------------------------------------------------------------------------------------


def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> xg.Tensor:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, with mean and variance over the last axes.

    Parameters
    ----------
    x : array of floating dtype, shape (..., *normalized_shape)
        What is normalised.
    normalized_shape : int or tuple of int
        The extents of the last axes, over which it is.
    weight, bias : array, shape normalized_shape, optional
        A scale and an offset for every element.
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    TypeError
        When ``x`` is not real floating.
    ValueError
        When ``x`` has other last extents.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.functional.layer_norm(xg.asarray([[1.0, 3.0], [20.0, 40.0]]), 2, eps=0.0)
    Tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    x = floating("layer_norm", "x", x)
    axes = _last_axes("layer_norm", x, extents("layer_norm", normalized_shape))
    return xg.special.layer_norm(x, weight, bias, axis=axes, eps=eps)


def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> xg.Tensor:
    """``x / sqrt(mean(x**2) + eps) * weight``, with the mean over the last axes.

    Zhang and Sennrich, "Root mean square layer normalization" (2019).

    Parameters
    ----------
    x : array of floating dtype, shape (..., *normalized_shape)
        What is normalised.
    normalized_shape : int or tuple of int
        The extents of the last axes, over which it is.
    weight : array, shape normalized_shape, optional
        A scale for every element.
    eps : float, optional
        Added to the mean; by default the resolution of the dtype, ``finfo(x.dtype).eps``.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    TypeError
        When ``x`` is not real floating.
    ValueError
        When ``x`` has other last extents.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.functional.rms_norm(xg.asarray([[1.0, -1.0], [5.0, 5.0]]), 2, eps=0.0)
    Tensor([[ 1., -1.],
            [ 1.,  1.]])
    """
    x = floating("rms_norm", "x", x)
    axes = _last_axes("rms_norm", x, extents("rms_norm", normalized_shape))
    eps = float(xg.finfo(x.dtype).eps) if eps is None else eps
    return _affine(x / xg.sqrt(xg.mean(x * x, axis=axes, keepdims=True) + eps), weight, None)


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> xg.Tensor:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, with mean and variance over each group of channels.

    Wu and He, "Group normalization" (2018).

    Parameters
    ----------
    x : array of floating dtype, shape (n, channels, ...)
        What is normalised.
    num_groups : int
        How many groups the channels are divided into.
    weight, bias : array, shape (channels,), optional
        A scale and an offset for every channel.
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    TypeError
        When ``x`` is not real floating.
    ValueError
        When ``x`` has less than two axes, or the groups do not divide the channels.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.functional.group_norm(xg.asarray([[1.0, 3.0, 20.0, 40.0]]), 2, eps=0.0)
    Tensor([[-1.,  1., -1.,  1.]])
    """
    x = floating("group_norm", "x", x)
    if x.ndim < 2 or x.shape[1] % num_groups:
        raise ValueError(
            f"group_norm: x must have the shape (n, channels, ...), the channels a multiple of {num_groups} groups; "
            f"got {x.shape}. Reshape it, or choose another number of groups."
        )
    grouped = xg.reshape(x, (x.shape[0], num_groups, math.prod(x.shape[1:]) // num_groups))
    normal = xg.reshape(xg.special.layer_norm(grouped, eps=eps), x.shape)
    return _affine(normal, _by_channel(weight, x.ndim), _by_channel(bias, x.ndim))


def _affine(x: xg.Tensor, weight: Any, bias: Any) -> xg.Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _by_channel(values: Any, ndim: int) -> Any:
    """One value per channel, to be broadcast against (n, channels, ...)."""
    return None if values is None else xg.reshape(values, (-1, *(1,) * (ndim - 2)))


def extents(function: str, normalized_shape: Any) -> tuple[int, ...]:
    """The extents of the last axes, given as an int or several, as a tuple."""
    given = normalized_shape if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
    return tuple(integer(function, "normalized_shape", extent) for extent in given)


def _last_axes(function: str, x: xg.Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    if x.shape[x.ndim - len(shape) :] != shape or not shape:
        raise ValueError(
            f"{function}: the input must end with the extents {shape}; got shape {x.shape}. Reshape it, or give "
            "another normalized_shape."
        )
    return tuple(range(-len(shape), 0))


# Over the batch -------------------------------------------------------------------------------------------------------


def batch_norm(
    x: Any,
    running_mean: xg.Tensor | None,
    running_var: xg.Tensor | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> xg.Tensor:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, with a mean and variance per channel.

    Ioffe and Szegedy, "Batch normalization" (2015).

    Parameters
    ----------
    x : array of floating dtype, shape (n, channels, ...)
        What is normalised.
    running_mean, running_var : Tensor, shape (channels,), or None
        Constants: what is used when not training.  When training they are changed in place, unrecorded, towards the
        mean and the unbiased variance of the batch.
    weight, bias : array, shape (channels,), optional
        A scale and an offset for every channel.
    training : bool
        Use the mean and the biased variance of the batch.
    momentum : float
        The share of the batch in the new running values.
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    TypeError
        When ``x`` is not real floating.
    ValueError
        When ``x`` has less than two axes, or one value per channel while training; when not training, if there are no
        running values.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.functional.batch_norm(xg.asarray([[1.0, 20.0], [3.0, 40.0]]), None, None, training=True, eps=0.0)
    Tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    x = floating("batch_norm", "x", x)
    if x.ndim < 2:
        raise ValueError(f"batch_norm: x must have the shape (n, channels, ...); got {x.shape}. Reshape it.")
    if training:
        count = x.size // max(x.shape[1], 1)
        if count < 2:
            raise ValueError(
                f"batch_norm: the variance needs more than one value per channel; got shape {x.shape}. "
                "Use a larger batch, or eval()."
            )
        out, mean, variance = xg.special.batch_norm(x, weight, bias, eps=eps)
        with xg.no_grad():  # so that no transform that watches the batch is kept in the model
            if running_mean is not None:
                _follow(running_mean, mean, momentum)
            if running_var is not None:
                _follow(running_var, variance * (count / (count - 1)), momentum)
        return out
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm: there are no running values; got None. Pass both, or training=True.")
    mean, variance = _by_channel(running_mean, x.ndim), _by_channel(running_var, x.ndim)
    normal = (x - mean) / xg.sqrt(variance + eps)
    return _affine(normal, _by_channel(weight, x.ndim), _by_channel(bias, x.ndim))


def _follow(running: xg.Tensor, batch: xg.Tensor, momentum: Any) -> None:
    """Move running values towards those of a batch."""
    running += momentum * (batch - running)
