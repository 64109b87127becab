"""Functions of neural networks, in the dtype of their first argument."""

from __future__ import annotations

import math
from functools import reduce

from ...registry import formula
from ..sliding import elements, places

GELU_SLOPE, GELU_CUBE = math.sqrt(2 / math.pi), 0.044715  # Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016)


@formula("special.relu")
def relu(xp, x, /):
    """This way round a NaN is kept: ``where(x > 0, x, 0)`` would hide it."""
    return xp.where(x <= 0, 0, x)


@formula("special.gelu")
def gelu(xp, x, /, *, approximate="none"):
    """By the error function, or by the hyperbolic tangent."""
    if approximate == "none":
        return 0.5 * x * (1.0 + xp.special.erf(x * math.sqrt(0.5)))
    return 0.5 * x * (1.0 + xp.tanh(x * (GELU_SLOPE + GELU_SLOPE * GELU_CUBE * (x * x))))


@formula("special.silu")
def silu(xp, x, /):
    """A product."""
    return x * xp.special.expit(x)


@formula("special.linear")
def linear(xp, x, weight, bias=None, /):
    """A matrix product and a sum."""
    out = xp.matmul(x, xp.matrix_transpose(weight))
    return out if bias is None else out + bias


@formula("special.layer_norm")
def layer_norm(xp, x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
    """The variance from what is left when the mean is taken off."""
    centred = x - xp.mean(x, axis=axis, keepdims=True)
    out = centred / xp.sqrt(xp.mean(centred * centred, axis=axis, keepdims=True) + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


@formula("special.batch_norm")
def batch_norm(xp, x, weight=None, bias=None, /, *, eps=1e-5):
    """``layer_norm`` over all axes but that of the channels."""
    if x.ndim < 2:
        raise ValueError("x must have the shape (batch, channels, ...)")
    axes, wide = (0, *range(2, x.ndim)), (-1, *(1,) * (x.ndim - 2))
    mean = xp.mean(x, axis=axes)
    centred = x - xp.reshape(mean, wide)
    variance = xp.mean(centred * centred, axis=axes)
    factor = 1.0 / xp.sqrt(variance + eps)
    out = centred * xp.reshape(factor if weight is None else factor * weight, wide)
    return out if bias is None else out + xp.reshape(bias, wide), mean, variance


@formula("special.max_pool")
def max_pool(xp, x, /, *, window, axes, stride, dilation):
    """One axis after the other."""
    if not len(window) == len(axes) == len(stride) == len(dilation):
        raise ValueError("window, axes, stride and dilation must have one number for every axis")
    for axis, *numbers in zip(axes, window, stride, dilation, strict=True):
        size, step, apart = ((n,) for n in numbers)
        count = places((x.shape[axis],), size, step, apart)
        if count[0] < 1:
            raise ValueError(f"a window of {size[0]} elements does not fit into axis {axis}")
        x = reduce(xp.maximum, [xp.getitem(x, key=key) for key in elements(x.ndim, (axis,), size, apart, count, step)])
    return x
