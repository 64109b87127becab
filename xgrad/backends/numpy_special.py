"""Special functions on NumPy: SciPy's where it is installed, and those of neural networks with few passes over memory.

What works line by line does so in blocks of lines that fit into a cache.
"""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

import numpy as np

from ..registry import composites
from . import numpy_blocks, numpy_channels
from .extension import Extension
from .numpy_blocks import blocks
from .numpy_windows import Pooling
from .special_formulas.neural import GELU_CUBE, GELU_SLOPE

_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
BITS: dict[Any, Any] = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}
FLOATS = frozenset(BITS)
_LONG = 64  # numbers in a line from which on products serve for sums
_FEW = 2048  # numbers up to which more calls cost more than they save
_reduce_sum, _reduce_max = np.add.reduce, np.maximum.reduce


def _lines(x: np.ndarray) -> np.ndarray:
    """``x`` as lines along its last axis, contiguous."""
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


def _last(axis: Any, ndim: int) -> bool:
    return axis in (-1, ndim - 1, (-1,), (ndim - 1,)) or (axis is None and ndim == 1)


@functools.cache
def _largest(dtype: np.dtype) -> Any:
    return np.finfo(dtype).max


def _exponentials(x: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``exp`` of lines less their largest element into ``out``; that element, and the sums, no smaller than 1/2.

    A line of nothing but -inf has exponentials of 0, by ``initial``; an infinity makes no NaN of its neighbours.
    """
    largest = _largest(x.dtype)
    top = _reduce_max(x, axis=-1, keepdims=True, initial=-largest)
    np.minimum(top, largest, out=top)
    np.subtract(x, top, out=out)
    np.exp(out, out=out)
    n = out.shape[-1]  # a product with ones takes a third of the time of a sum, but not of a few numbers
    total = (out @ np.ones(n, out.dtype))[:, None] if n >= _LONG else _reduce_sum(out, axis=-1, keepdims=True)
    return top, np.maximum(total, 0.5, out=total)


def _normalisers(lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of every line, its largest element and the sum of its exponentials."""
    if lines.nbytes <= numpy_blocks.BLOCK:  # a twentieth of the step of a small network would be spent on what follows
        return _exponentials(lines, np.empty(lines.shape, lines.dtype))
    top, total = np.empty((2, len(lines), 1), lines.dtype)
    for block in blocks(lines):
        top[block], total[block] = _exponentials(lines[block], np.empty_like(lines[block]))
    return top, total


class Special(Pooling, Extension):
    """``scipy.special`` where SciPy is installed."""

    def module(self) -> Any:
        """Imported at the first use."""
        try:
            return importlib.import_module("scipy.special")
        except ImportError:
            return None

    def _formula(self, name: str) -> Any:
        return functools.partial(composites[f"special.{name}"], self.xp)

    # Normalised exponentials ----------------------------------------------------------------------------------------

    def softmax(self, x, /, *, axis=None):
        """Line by line."""
        if x.dtype.kind != "f" or not _last(axis, x.ndim) or not x.size:
            return self._formula("softmax")(x, axis=axis)
        lines = _lines(x)
        out = np.empty_like(lines)
        for block in blocks(lines):
            part = out[block]
            part /= _exponentials(lines[block], part)[1]
        return out.reshape(x.shape)

    def softmax_grad(self, ct, out, axis, /):
        """Line by line."""
        if not _last(axis, out.ndim) or not out.size or ct.dtype != out.dtype or ct.shape != out.shape:
            return self._formula("softmax_grad")(ct, out, axis)
        lines, cts = _lines(out), _lines(ct)
        made = np.empty_like(lines)
        for block in blocks(lines):
            line, part = lines[block], made[block]
            np.subtract(cts[block], np.vecdot(cts[block], line)[:, None], out=part)
            part *= line
        return made.reshape(out.shape)

    def softmax_cross_entropy(self, x, labels, /, *, mean=False):
        """One pass of exponentials, which saves for every line its largest element and the sum."""
        if not self._labelled(x, labels):
            return self._formula("softmax_cross_entropy")(x, labels, mean=mean)
        lines, flat = _lines(x), labels.reshape(-1)
        if _reduce_max(flat.view(_UNSIGNED[flat.itemsize])) >= lines.shape[1]:  # a negative label is a large one
            raise IndexError(f"labels must be from 0 to {lines.shape[1] - 1}")
        top, total = _normalisers(lines)
        chosen = lines.take(self._places(lines, flat))
        chosen -= top[:, 0]
        losses = np.log(total[:, 0])
        losses -= chosen
        out = _reduce_sum(losses) / len(losses) if mean else losses.reshape(labels.shape)
        return out, (top, total)

    def softmax_cross_entropy_grad(self, ct, x, labels, saved, /):
        """The probabilities, changed in place."""
        if saved is None or ct.dtype != x.dtype:
            return self._formula("softmax_cross_entropy_grad")(ct, x, labels, saved)
        lines, (top, total) = _lines(x), saved
        out = np.empty(lines.shape, lines.dtype)
        for block in blocks(lines):
            part = np.subtract(lines[block], top[block], out=out[block])
            np.exp(part, out=part)
            part /= total[block]
        out.reshape(-1)[self._places(lines, labels.reshape(-1))] -= 1
        out *= ct.reshape(-1, 1) if ct.ndim else ct
        return out.reshape(x.shape)

    @staticmethod
    def _places(lines: np.ndarray, labels: np.ndarray) -> np.ndarray:
        rows, classes = lines.shape
        starts = np.arange(0, rows * classes, classes)
        return np.add(starts, labels, out=starts, casting="unsafe")  # labels of every integer type

    @staticmethod
    def _labelled(x: np.ndarray, labels: np.ndarray) -> bool:
        """Whether this is the usual case."""
        return x.dtype.kind == "f" and x.size > 0 and labels.dtype.kind in "iu" and labels.shape == x.shape[:-1]

    # Activations ----------------------------------------------------------------------------------------------------

    def relu(self, x, /):
        """The larger one of ``x`` and 0."""
        return np.maximum(x, 0)

    def relu_grad(self, ct, out, /):
        """The bits of the cotangent times 0 or 1, which makes no NaN; ``where`` takes 1.5 to 14 times as long."""
        bits = BITS.get(ct.dtype)
        if bits is None or ct.shape != out.shape:
            return self._formula("relu_grad")(ct, out)
        return np.multiply(ct.view(bits), out != 0).view(ct.dtype)

    def gelu(self, x, /, *, approximate="none"):
        """In blocks."""
        if approximate == "none":
            return self._blockwise(self._gelu, x)
        return self._blockwise(self._gelu_by_tanh, x)

    def _gelu(self, x):
        t = self.erf(x * math.sqrt(0.5))
        t += 1.0
        t *= x
        t *= 0.5
        return t

    @staticmethod
    def _gelu_by_tanh(x):
        t = x * x
        t *= GELU_SLOPE * GELU_CUBE
        t += GELU_SLOPE
        t *= x
        np.tanh(t, out=t)
        t += 1.0
        t *= x
        t *= 0.5
        return t

    def gelu_grad(self, ct, x, approximate, /):
        """In blocks."""
        return self._blockwise(lambda c, v: composites["special.gelu_grad"](self.xp, c, v, approximate), ct, x)

    def expit(self, x, /):
        """For many numbers by exponentials of none above 0, which cannot overflow: in half of SciPy's time."""
        if x.size < _FEW or x.dtype not in FLOATS:
            return self._expit(x)
        return self._blockwise(self._by_exponentials, x)

    @functools.cached_property
    def _expit(self):
        return super().__getattr__("expit")

    @staticmethod
    def _by_exponentials(x):
        out = np.minimum(x, 0)
        np.exp(out, out=out)
        below = np.abs(x)
        np.exp(np.negative(below, out=below), out=below)
        below += 1.0
        out /= below
        return out

    def silu(self, x, /):
        """In blocks."""
        return self._blockwise(self._silu, x) if x.dtype in FLOATS else self._formula("silu")(x)

    @staticmethod
    def _silu(x):
        with np.errstate(over="ignore"):  # far below 0, where the result is 0
            out = np.exp(-x)
        out += 1.0
        return np.divide(x, out, out=out if out.ndim else None)

    def silu_grad(self, ct, x, /):
        """In blocks."""
        if ct.dtype != x.dtype or x.dtype not in FLOATS:
            return self._formula("silu_grad")(ct, x)
        return self._blockwise(self._silu_grad, ct, x)

    @staticmethod
    def _silu_grad(ct, x):
        with np.errstate(over="ignore"):
            gate = np.exp(-x)
        gate += 1.0
        gate = np.divide(1.0, gate, out=gate if gate.ndim else None)
        out = 1.0 - gate
        out *= x
        out += 1.0
        out *= gate
        out *= ct
        return out

    @staticmethod
    def _blockwise(function, *arrays):
        """An elementwise function of arrays of one shape, in blocks where they are large."""
        first = arrays[0]
        alike = all(a.shape == first.shape and a.flags.c_contiguous for a in arrays)
        if first.nbytes <= 2 * numpy_blocks.BLOCK or not alike:
            return function(*arrays)
        flat = [a.reshape(-1) for a in arrays]
        step = numpy_blocks.BLOCK // first.itemsize
        head = function(*(f[:step] for f in flat))
        out = np.empty(first.size, head.dtype)
        out[:step] = head
        for i in range(step, first.size, step):
            out[i : i + step] = function(*(f[i : i + step] for f in flat))
        return out.reshape(first.shape)

    # Optimisers -----------------------------------------------------------------------------------------------------

    def adam_step(self, p, g, mean, square, /, *, rate, b1, b2, eps, decay=0.0, shrink=0.0):
        """In blocks, with two arrays in a cache besides those that are read and made."""
        numbers = {"rate": rate, "b1": b1, "b2": b2, "eps": eps, "decay": decay, "shrink": shrink}
        vectors = all(a.ndim == 1 and a.dtype in (np.float32, np.float64) and a.dtype == p.dtype for a in (p, g, mean))
        if not vectors or any(hasattr(v, "dtype") for v in numbers.values()):
            return self._formula("adam_step")(p, g, mean, square, **numbers)
        new, mean_new, square_new = np.empty((3, p.size), p.dtype)
        step = numpy_blocks.BLOCK // p.itemsize
        one, two = np.empty((2, min(step, p.size)), p.dtype)
        for i in range(0, p.size, step):
            b = slice(i, i + step)
            slope, m, s, n = g[b], mean_new[b], square_new[b], new[b]
            t, u = one[: len(n)], two[: len(n)]
            if decay:
                slope = np.multiply(p[b], decay, out=u)
                slope += g[b]
            np.multiply(slope, 1 - b1, out=t)
            np.multiply(mean[b], b1, out=m)
            m += t
            np.multiply(slope, slope, out=t)
            t *= 1 - b2
            np.multiply(square[b], b2, out=s)
            s += t
            np.sqrt(s, out=t)
            t += eps
            np.divide(m, t, out=t)
            t *= rate
            np.multiply(p[b], 1 - shrink, out=n) if shrink else np.copyto(n, p[b])
            n -= t
        return new, mean_new, square_new

    # Layers ---------------------------------------------------------------------------------------------------------

    def linear(self, x, weight, bias=None, /):
        """The sum in place."""
        out = self.xp.matmul(x, weight.T)
        if bias is None:
            return out
        return np.add(out, bias, out=out) if bias.dtype == out.dtype else out + bias

    def layer_norm(self, x, weight=None, bias=None, /, *, axis=-1, eps=1e-5):
        """Line by line."""
        if not self._lines_fit(x, (weight, bias), axis):
            return self._formula("layer_norm")(x, weight, bias, axis=axis, eps=eps)
        lines = _lines(x)
        out = np.empty_like(lines)
        for block in blocks(lines):
            part = self._normal(lines[block], out[block], eps)[0]
            if weight is not None:
                part *= weight
            if bias is not None:
                part += bias
        return out.reshape(x.shape)

    def layer_norm_grad(self, ct, x, weight, bias, axis, eps, /):
        """Line by line, with the cotangents of weight and bias summed on the way."""
        alike = ct.shape == x.shape and ct.dtype == x.dtype
        if not alike or not self._lines_fit(x, (weight,), axis):
            return self._formula("layer_norm_grad")(ct, x, weight, bias, axis, eps)
        lines, cts = _lines(x), _lines(ct)
        n = x.shape[-1]
        to_x = np.empty_like(lines)
        summed = bias == (n,)
        to_weight, to_bias = np.zeros((2, n), x.dtype)
        mean_of, ones = (
            np.full(n, 1 / n, x.dtype),
            np.ones(len(lines), x.dtype),
        )  # for products, quicker than sums
        for block in blocks(lines):
            c, part = cts[block], to_x[block]
            normal, scale = self._normal(lines[block], np.empty_like(part), eps)
            if summed:
                to_bias += ones[: len(c)] @ c
            np.multiply(c, normal, out=part)
            if weight is not None:
                to_weight += ones[: len(part)] @ part
                part *= weight
                c = c * weight
            normal *= (part @ mean_of)[:, None]
            mean = (c @ mean_of)[:, None]
            np.subtract(c, mean, out=part)
            part -= normal
            part *= scale
        return (
            to_x.reshape(x.shape),
            None if weight is None else to_weight,
            to_bias if summed else None if bias is None else ct,
        )

    def batch_norm(self, x, weight=None, bias=None, /, *, eps=1e-5):
        """In the order of the elements in memory."""
        if not self._channels_fit(x, (weight, bias)):
            return self._formula("batch_norm")(x, weight, bias, eps=eps)
        return numpy_channels.batch_norm(x, weight, bias, eps)

    def batch_norm_grad(self, ct, to_mean, to_variance, x, weight, mean, variance, eps, /):
        """In the order of the elements in memory."""
        args = ct, to_mean, to_variance, x, weight, mean, variance, eps
        if ct is None or ct.dtype != x.dtype or not self._channels_fit(x, (weight, mean)):
            return self._formula("batch_norm_grad")(*args)
        return numpy_channels.batch_norm_grad(*args)

    @staticmethod
    def _channels_fit(x, others):
        """Whether this is the usual case: one real dtype, and a number for every channel."""
        return (
            x.dtype in FLOATS
            and x.ndim > 1
            and x.size > 0
            and all(o is None or (o.dtype == x.dtype and o.shape == x.shape[1:2]) for o in others)
        )

    @staticmethod
    def _normal(lines, out, eps):
        """Lines of mean 0 and variance 1 into ``out``, and what they were multiplied by."""
        n = lines.shape[-1]
        np.subtract(lines, (lines @ np.full(n, 1 / n, lines.dtype))[:, None], out=out)
        scale = np.vecdot(out, out)[:, None]
        scale /= n
        scale += eps
        np.sqrt(scale, out=scale)
        np.divide(1.0, scale, out=scale)
        out *= scale
        return out, scale

    @staticmethod
    def _lines_fit(x, others, axis):
        """Whether this is the usual case: the last axis, one real dtype, weights of one line."""
        return (
            x.dtype in FLOATS
            and x.size > 0
            and _last(axis, x.ndim)
            and all(o is None or (o.dtype == x.dtype and o.shape == x.shape[-1:]) for o in others)
        )
