"""Special functions on CuPy: its own, and those of neural networks as single kernels that nothing waits for.

What the kernels do not cover (other dtypes, other axes than the last one) is computed by the formulas.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

import numpy as np

from ..registry import composites
from .cupy_kernels import DTYPES, Kernels, accumulator
from .extension import Extension

_OF_ADAM = ("rate", "b1", "b2", "eps", "decay", "shrink")
_NULL = 0  # for a kernel, a pointer to nothing
_COLUMNS = 32  # of a block of the kernel that sums over lines
_ROWS, _PARTS = 64, 128  # lines that are worth a block of their own, and the most such blocks


def is_half(dtype: Any) -> bool:
    """Whether ``dtype`` is float16 or bfloat16, which NumPy counts among its void types."""
    return dtype.itemsize == 2 and dtype.kind in "fV"


def _alike(*arrays: Any) -> bool:
    """Whether arrays have one shape and one dtype that the kernels know."""
    first = arrays[0]
    return first.dtype.name in DTYPES and all(a.shape == first.shape and a.dtype == first.dtype for a in arrays)


def _on_last(axis: Any, *arrays: Any) -> bool:
    """Whether kernels on lines serve: the last axis of arrays that have elements, all of one shape and dtype."""
    x = arrays[0]
    last = axis in (-1, x.ndim - 1, (-1,), (x.ndim - 1,)) or (axis is None and x.ndim == 1)
    return last and x.size > 0 and _alike(*arrays)


def _labelled(x: Any, labels: Any) -> bool:
    """Whether this is the usual case: a label for every line."""
    return _alike(x) and x.size > 0 and labels.dtype.kind in "iu" and labels.shape == x.shape[:-1]


def _per_element(x: Any, other: Any) -> bool:
    """Whether ``other`` is None or has one number for every element of a line of ``x``."""
    return other is None or (other.dtype == x.dtype and other.shape == x.shape[-1:])


def _per_channel(x: Any, other: Any) -> bool:
    """Whether ``x`` has elements on two axes or more, and ``other`` is None or has one number for every channel."""
    usual = _alike(x) and x.ndim > 1 and x.size > 0
    return usual and (other is None or (other.dtype == x.dtype and other.shape == x.shape[1:2]))


def _on_host(*numbers: Any) -> bool:
    """Whether the host knows these numbers; those of an array only the device does."""
    return all(isinstance(v, int | float) for v in numbers)


class Special(Extension):
    """``cupyx.scipy.special``, in the dtype of its arguments: alone it would answer 16-bit floats in float64."""

    def __init__(self, xp: Any, space: str):
        super().__init__(xp, space)
        self.cupy = xp.cupy
        self.kernels: Kernels = xp.kernels

    def module(self) -> Any:
        """Imported at the first use."""
        return importlib.import_module("cupyx.scipy.special")

    def __getattr__(self, name: str) -> Any:
        call = _in_single(super().__getattr__(name))
        setattr(self, name, call)
        return call

    def _formula(self, name: str) -> Any:
        return _in_single(partial(composites[f"special.{name}"], self.xp), formula=True)

    # Element by element ---------------------------------------------------------------------------------------------

    def relu(self, x, /):
        """The larger one of ``x`` and 0."""
        return self._each("relu", x) if _alike(x) else self._formula("relu")(x)

    def relu_grad(self, ct, out, /):
        """The cotangent where ``out`` is above 0."""
        return self._each("relu_grad", ct, out) if _alike(out, ct) else self._formula("relu_grad")(ct, out)

    def gelu(self, x, /, *, approximate="none"):
        """By the error function, or by the hyperbolic tangent."""
        if not _alike(x):
            return self._formula("gelu")(x, approximate=approximate)
        return self._each("gelu" if approximate == "none" else "gelu_tanh", x)

    def gelu_grad(self, ct, x, approximate, /):
        """The cotangent times the slope."""
        if not _alike(x, ct):
            return self._formula("gelu_grad")(ct, x, approximate)
        return self._each("gelu_grad" if approximate == "none" else "gelu_tanh_grad", ct, x)

    def silu(self, x, /):
        """``x`` times its logistic function."""
        return self._each("silu", x) if _alike(x) else self._formula("silu")(x)

    def silu_grad(self, ct, x, /):
        """The cotangent times the slope."""
        return self._each("silu_grad", ct, x) if _alike(x, ct) else self._formula("silu_grad")(ct, x)

    def _each(self, name, *arrays):
        return self.kernels.elementwise(name)(*arrays)

    # Normalised exponentials ----------------------------------------------------------------------------------------

    def softmax(self, x, /, *, axis=None):
        """Line by line."""
        return self._lines("softmax", x) if _on_last(axis, x) else self._formula("softmax")(x, axis=axis)

    def softmax_grad(self, ct, out, axis, /):
        """Line by line."""
        if not _on_last(axis, out, ct):
            return self._formula("softmax_grad")(ct, out, axis)
        return self._lines("softmax_grad", ct, out)

    def log_softmax(self, x, /, *, axis=None):
        """Line by line."""
        return self._lines("log_softmax", x) if _on_last(axis, x) else self._formula("log_softmax")(x, axis=axis)

    def log_softmax_grad(self, ct, out, axis, /):
        """Line by line."""
        if not _on_last(axis, out, ct):
            return self._formula("log_softmax_grad")(ct, out, axis)
        return self._lines("log_softmax_grad", ct, out)

    def softmax_cross_entropy(self, x, labels, /, *, mean=False):
        """Line by line; NaN for a label that no class has, since an error would have to be waited for.

        Nothing is saved: to read the exponentials back would take longer than to compute them again.
        """
        if not _labelled(x, labels):
            return self._formula("softmax_cross_entropy")(x, labels, mean=mean)
        losses = self.cupy.empty(labels.shape, dtype=x.dtype)
        self._queue("softmax_cross_entropy", x, self._dense(x), self._numbers(labels), losses)
        return (self.xp.mean(losses) if mean else losses), None

    def softmax_cross_entropy_grad(self, ct, x, labels, saved, /):
        """Line by line."""
        if not _labelled(x, labels) or ct.dtype != x.dtype or ct.shape not in ((), labels.shape):
            return self._formula("softmax_cross_entropy_grad")(ct, x, labels, saved)
        shared = not any(ct.strides)  # one cotangent for all lines, as after a mean
        cts = ct if shared else self._dense(ct)
        to_x = self.cupy.empty(x.shape, dtype=x.dtype)
        numbers = self._numbers(labels)
        self._queue("softmax_cross_entropy_grad", x, cts, int(not shared), self._dense(x), numbers, to_x)
        return to_x

    def _numbers(self, labels):
        return self._dense(labels.astype(np.int64, copy=False))

    def _dense(self, x):
        """``x``, copied unless its elements are next to one another: kernels do not know strides."""
        return self.cupy.ascontiguousarray(x)

    def _lines(self, name, *arrays):
        """A kernel that makes an array of arrays of its shape."""
        out = self.cupy.empty(arrays[0].shape, dtype=arrays[0].dtype)
        self._queue(name, out, *map(self._dense, arrays), out)
        return out

    def _queue(self, name, x, *args):
        """Queue a kernel on the lines of ``x``."""
        n = x.shape[-1]
        self.kernels.on_lines(name, x.dtype, x.size // n, n, *args)

    # Layers ---------------------------------------------------------------------------------------------------------

    def linear(self, x, weight, bias=None, /):
        """One product, and the sum in place."""
        out = self.xp.matmul(x, weight.T)
        if bias is None:
            return out
        if bias.dtype != out.dtype or bias.shape != out.shape[-1:]:
            return self.xp.add(out, bias)
        return self.cupy.add(out, bias, out=out)

    def layer_norm(self, x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
        """Line by line."""
        if not (_on_last(axis, x) and _per_element(x, weight) and _per_element(x, bias) and _on_host(eps)):
            return self._formula("layer_norm")(x, weight, bias, axis=axis, eps=eps)
        out = self.cupy.empty(x.shape, dtype=x.dtype)
        weight, bias = (_NULL if v is None else self._dense(v) for v in (weight, bias))
        self._queue("layer_norm", x, self._dense(x), weight, bias, out, float(eps))
        return out

    def layer_norm_grad(self, ct, x, weight, bias, axis, eps, /):
        """Line by line, then the cotangent of weight column by column."""
        if not (_on_last(axis, x, ct) and _per_element(x, weight) and _on_host(eps)):
            return self._formula("layer_norm_grad")(ct, x, weight, bias, axis, eps)
        cts, lines = self._dense(ct), self._dense(x)
        to_x = self.cupy.empty(x.shape, dtype=x.dtype)
        if weight is None:
            self._queue("layer_norm_grad", x, cts, lines, _NULL, to_x, _NULL, float(eps))
            return to_x, None, None if bias is None else ct
        spreads = self.cupy.empty((x.size // x.shape[-1], 2), dtype=accumulator(x.dtype))
        self._queue("layer_norm_grad", x, cts, lines, self._dense(weight), to_x, spreads, float(eps))
        return to_x, self._to_weight(cts, lines, spreads), None if bias is None else ct

    def _to_weight(self, cts, lines, spreads):
        """Sums over lines, in an order that is always the same."""
        count, n = len(spreads), lines.shape[-1]
        blocks = -(-n // _COLUMNS)
        parts = min(-(-count // _ROWS), _PARTS)
        sums = self.cupy.empty((parts, n), dtype=spreads.dtype)
        launch = self.kernels.launch
        launch("layer_norm_parts", lines.dtype, (blocks, parts), (32, 8), (cts, lines, spreads, sums, count, n))
        to_weight = self.cupy.empty((n,), dtype=lines.dtype)
        launch("layer_norm_columns", lines.dtype, (blocks,), (32,), (sums, to_weight, parts, n))
        return to_weight

    def batch_norm(self, x, weight=None, bias=None, /, *, eps=1e-5):
        """Channel by channel."""
        if not (_per_channel(x, weight) and _per_channel(x, bias) and _on_host(eps)):
            return self._formula("batch_norm")(x, weight, bias, eps=eps)
        channels = x.shape[1]
        out = self.cupy.empty(x.shape, dtype=x.dtype)
        mean, variance = (self.cupy.empty((channels,), dtype=x.dtype) for _ in range(2))
        weight, bias = (_NULL if v is None else self._dense(v) for v in (weight, bias))
        self._queue_channels("batch_norm", x, self._dense(x), weight, bias, out, mean, variance, eps=eps)
        return out, mean, variance

    def batch_norm_grad(self, ct, to_mean, to_variance, x, weight, mean, variance, eps, /):
        """Channel by channel; by the formula if there are cotangents of mean and variance, as no training step has."""
        plain = ct is not None and to_mean is None and to_variance is None and _alike(x, ct)
        if not (plain and _per_channel(x, weight) and _per_channel(x, mean) and _on_host(eps)):
            return self._formula("batch_norm_grad")(ct, to_mean, to_variance, x, weight, mean, variance, eps)
        to_x = self.cupy.empty(x.shape, dtype=x.dtype)
        to_weight, to_bias = (self.cupy.empty(mean.shape, dtype=x.dtype) for _ in range(2))
        given = [self._dense(ct), self._dense(x), _NULL if weight is None else self._dense(weight), mean, variance]
        self._queue_channels("batch_norm_grad", x, *given, to_x, to_weight, to_bias, eps=eps)
        return to_x, to_weight, to_bias

    def _queue_channels(self, name, x, *args, eps):
        """Queue a kernel on the channels of ``x``."""
        samples, channels = x.shape[:2]
        size = x.size // (samples * channels)
        self.kernels.on_lines(name, x.dtype, channels, samples * size, *args, size, float(eps))

    # Optimisers -----------------------------------------------------------------------------------------------------

    def adam_step(self, p, g, mean, square, /, **numbers):
        """One kernel."""
        if not (_alike(p, g, mean, square) and _on_host(*numbers.values())):
            return self._formula("adam_step")(p, g, mean, square, **numbers)
        return self._each("adam_step", p, g, mean, square, *(numbers.get(name, 0.0) for name in _OF_ADAM))


def _in_single(function: Any, formula: bool = False) -> Any:
    """A function that computes 16-bit floats in float32.

    The result has their dtype if there are no others among the arguments, and always where it is a ``formula``.
    """

    def call(*args, **options):
        dtypes = {a.dtype for a in args if hasattr(a, "dtype")}
        halves = {dtype for dtype in dtypes if is_half(dtype)}
        if not halves:
            return function(*args, **options)
        wide = (a.astype(np.float32) if getattr(a, "dtype", None) in halves else a for a in args)
        out = function(*wide, **options)
        return _narrowed(out, halves.pop()) if formula or len(dtypes) == 1 else out

    return call


def _narrowed(out: Any, dtype: Any) -> Any:
    """One result or several in ``dtype``; None stays."""
    if isinstance(out, tuple):
        return tuple(_narrowed(v, dtype) for v in out)
    return None if out is None else out.astype(dtype)
