"""What neural networks compute at every step: each a primitive, so that it is one node and a library may fuse it.

The formulas here and in ``backends/special_formulas`` are the definition; a backend's faster version must agree.  The
``..._grad`` functions are pullbacks with a name, for the same reason.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from ..backends.sliding import elements
from ..backends.special_formulas.neural import GELU_CUBE, GELU_SLOPE
from ..core import composite, primitive


@primitive(vjp=lambda xp, out, x: lambda ct: xp.special.relu_grad(ct, out), selects=True, diagonal=True)
def relu(x, /):
    """The positive part: ``x`` where it is above 0, else 0; a NaN stays NaN."""


@composite
def relu_grad(xp, ct, out, /):
    """The cotangent where ``relu`` passed its argument on."""
    return xp.where(out <= 0, 0.0, ct)


@primitive(floating=True, diagonal=True)
def gelu(x, /, *, approximate="none"):
    """``x`` times the probability that a standard normal variable is below it; or, approximately, by ``"tanh"``."""


@gelu.vjp
def gelu_vjp(xp, out, x, *, approximate="none"):
    return lambda ct: xp.special.gelu_grad(ct, x, approximate)


@composite
def gelu_grad(xp, ct, x, approximate, /):
    """The cotangent times the slope of ``gelu``."""
    if approximate == "none":
        density = xp.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
        return ct * (0.5 * (1.0 + xp.special.erf(x * math.sqrt(0.5))) + x * density)
    t = xp.tanh(x * (GELU_SLOPE + GELU_SLOPE * GELU_CUBE * (x * x)))
    inner = GELU_SLOPE + (3 * GELU_SLOPE * GELU_CUBE) * (x * x)
    return ct * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)


@primitive(vjp=lambda xp, out, x: lambda ct: xp.special.silu_grad(ct, x), floating=True, diagonal=True)
def silu(x, /):
    """``x * expit(x)``, also called swish."""


@composite
def silu_grad(xp, ct, x, /):
    """The cotangent times the slope of ``silu``."""
    gate = xp.special.expit(x)
    return ct * (gate + x * gate * (1.0 - gate))


@primitive(arrays=3, promote=(0, 1, 2), narrows=True, multilinear=2)
def linear(x, weight, /, bias=None):
    """``x @ weight.T + bias``: rows of ``weight`` are what every result is a product with; in one node."""


@linear.vjp
def linear_vjp(xp, out, x, weight, bias):
    results, features = weight.shape
    if x.ndim == 2:
        return lambda ct: xp.matmul(ct, weight), lambda ct: xp.matmul(xp.matrix_transpose(ct), x), _same

    def to_weight(ct):
        columns = xp.matrix_transpose(xp.reshape(ct, (math.prod(ct.shape[:-1]), results)))
        return xp.matmul(columns, xp.reshape(x, (math.prod(x.shape[:-1]), features)))

    return lambda ct: xp.matmul(ct, weight), to_weight, _same


def _same(ct):
    return ct


@composite
def narrow_linear(xp, x, weight, bias=None, *, precision):
    """``linear`` by a matrix product in a 16-bit type."""
    out = xp.narrow_matmul(x, xp.matrix_transpose(weight), precision=precision)
    return out if bias is None else out + bias


@primitive(floating=True, arrays=3, promote=(0, 1, 2))
def layer_norm(x, /, weight=None, bias=None, *, axis=-1, eps=1e-5):
    """``(x - mean) / sqrt(var + eps) * weight + bias``, with the mean and variance over ``axis``.

    ``weight`` and ``bias`` are broadcast against ``x``.  Ba, Kiros and Hinton, "Layer normalization" (2016).
    """


@layer_norm.vjp
def layer_norm_vjp(xp, out, x, weight, bias, *, axis=-1, eps=1e-5):
    shape = None if bias is None else tuple(bias.shape)
    return lambda ct: xp.special.layer_norm_grad(ct, x, weight, shape, axis, eps)


@composite
def layer_norm_grad(xp, ct, x, weight, bias, axis, eps, /):
    """The cotangents of the three arguments, ``bias`` being its shape; the last two need not be summed to theirs."""
    centred = x - xp.mean(x, axis=axis, keepdims=True)
    scale = 1.0 / xp.sqrt(xp.mean(centred * centred, axis=axis, keepdims=True) + eps)
    normal = centred * scale
    inner = ct if weight is None else ct * weight
    along = xp.mean(inner * normal, axis=axis, keepdims=True)
    to_x = scale * (inner - xp.mean(inner, axis=axis, keepdims=True) - normal * along)
    return to_x, None if weight is None else ct * normal, None if bias is None else ct


class BatchNormResult(NamedTuple):
    """``out`` of the shape of ``x``, ``mean`` and ``variance`` of shape (channels,)."""

    out: Any
    mean: Any
    variance: Any


@primitive(results=BatchNormResult, floating=True, arrays=3, promote=(0, 1, 2))
def batch_norm(x, /, weight=None, bias=None, *, eps=1e-5):
    """``(x - mean) / sqrt(variance + eps) * weight + bias`` for every channel, and the means and variances.

    ``x`` has the shape (batch, channels, ...), ``weight`` and ``bias`` the shape (channels,); the variance is biased.
    Ioffe and Szegedy, "Batch normalization" (2015).
    """


@batch_norm.vjp
def batch_norm_vjp(xp, out, x, weight, bias, *, eps=1e-5):
    _, mean, variance = out
    return lambda cts: xp.special.batch_norm_grad(*cts, x, weight, mean, variance, eps)


@composite
def batch_norm_grad(xp, ct, to_mean, to_variance, x, weight, mean, variance, eps, /):
    """The cotangents of ``x``, ``weight`` and ``bias`` for those of the three results."""
    axes, wide = (0, *range(2, x.ndim)), (-1, *(1,) * (x.ndim - 2))
    n = math.prod(x.shape[i] for i in axes)
    ct = xp.zeros_like(x) if ct is None else ct
    centred, scale = x - xp.reshape(mean, wide), 1.0 / xp.sqrt(variance + eps)
    to_bias = xp.sum(ct, axis=axes)
    to_weight = xp.sum(ct * centred, axis=axes) * scale
    factor = scale if weight is None else scale * weight
    slope, offset = factor * scale * to_weight * (-1 / n), factor * to_bias * (-1 / n)
    slope = slope if to_variance is None else slope + to_variance * (2 / n)
    offset = offset if to_mean is None else offset + to_mean / n
    to_x = ct * xp.reshape(factor, wide) + centred * xp.reshape(slope, wide) + xp.reshape(offset, wide)
    return to_x, to_weight, to_bias


@primitive(selects=True)
def max_pool(x, /, *, window, axes, stride, dilation):
    """The largest element of every window over ``axes``; a tuple of numbers each, with one for every axis."""


@max_pool.vjp
def max_pool_vjp(xp, out, x, *, window, axes, stride, dilation):
    return lambda ct: xp.special.max_pool_grad(ct, x, out, window, axes, stride, dilation)


@composite
def max_pool_grad(xp, ct, x, out, window, axes, stride, dilation, /):
    """The cotangent of a window where it has its maximum, in equal shares for ties; a NaN wins, as in ``max``.

    There and back over one axis after the other, with the number of ``ties`` for every maximum on the way.
    """
    ties = xp.ones_like(x)
    steps: list[Any] = []
    for axis, *numbers in zip(axes, window, stride, dilation, strict=True):
        size, step, apart = ((n,) for n in numbers)
        last = len(steps) == len(axes) - 1
        top = out if last else xp.special.max_pool(x, window=size, axes=(axis,), stride=step, dilation=apart)
        keys = list(elements(x.ndim, (axis,), size, apart, (top.shape[axis],), step))
        parts = [xp.getitem(x, key=key) for key in keys]
        hits = [(part == top) | (part != part) for part in parts]
        steps.append((keys, hits, tuple(x.shape)))
        ties = reduce(add, [xp.where(h, xp.getitem(ties, key=k), 0.0) for k, h in zip(keys, hits, strict=True)])
        x = top
    ct = ct / ties
    for keys, hits, shape in reversed(steps):
        shares = [xp.where(hit, ct, 0.0) for hit in hits]
        ct = reduce(add, [xp.scatter_add(s, key=key, shape=shape) for key, s in zip(keys, shares, strict=True)])
    return ct
