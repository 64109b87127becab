"""NumPy on the CPU: the standard's namespace already, but for 0-d results, descending sorts and error functions."""

from __future__ import annotations

import functools
import importlib
import math
import sys
import types
from typing import Any, ClassVar

import numpy as np

from ..axes import is_basic, placed_key
from ..registry import composites
from .extension import Extension
from .generic import Generic
from .numpy_special import BITS, FLOATS, Special
from .numpy_windows import Windows

_FEW = 2048  # numbers up to which ``np.add.at`` is not worth avoiding
_WIDE = 32  # numbers in a row from which on rows are added as rows
_MANY = 8  # rows for one place from which on they are summed apart
_reduce_sum: Any = np.add.reduce
_tanh, _matmul = np.tanh, np.matmul
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_HALF: dict[Any, float] = {np.dtype(t): float(np.finfo(t).max) / 2 for t in (np.float32, np.float64)}


class Fourier(Extension):
    """``numpy.fft``, and ``scipy.fft`` for cosines and sines where SciPy is installed."""

    @functools.cached_property
    def scipy(self) -> Any:
        """``scipy.fft``, imported at the first use, or None."""
        try:
            return importlib.import_module("scipy.fft")
        except ImportError:
            return None

    def r2r(self, x, /, *, sine, type, axis):
        """Orthonormal cosine or sine transform."""
        if self.scipy is None:
            return composites["fft.r2r"](self.xp, x, sine=sine, type=type, axis=axis)
        return (self.scipy.dst if sine else self.scipy.dct)(x, type=type, axis=axis, norm="ortho")


class Linalg(Extension):
    """``numpy.linalg``, with eigenvalues of general matrices always complex."""

    def eigvals(self, x, /):
        """Complex eigenvalues of square matrices."""
        values = np.linalg.eigvals(x)
        return values.astype(np.result_type(values, np.complex64), copy=False)

    def eig(self, x, /):
        """Complex eigenvalues and eigenvectors of square matrices."""
        return [part.astype(np.result_type(part, np.complex64), copy=False) for part in np.linalg.eig(x)]


class NumPy(Windows, Generic):
    """NumPy, with the differences that xgrad's rules and the standard ask for."""

    extensions: ClassVar[dict[str, type[Extension]]] = {"fft": Fourier, "linalg": Linalg, "special": Special}

    promotes = True
    single = True
    array_type = np.ndarray

    def places(self) -> list[str]:
        """One device: the CPU."""
        return ["cpu"]

    def raw_device(self, place: str) -> str:
        """NumPy's word for its one device."""
        return "cpu"

    def device_of(self, array: Any) -> str:
        """Always the CPU."""
        return "cpu"

    def raw_dtype(self, dtype: np.dtype) -> np.dtype:
        """The same dtype."""
        return dtype

    def numpy_dtype(self, dtype: Any) -> np.dtype:
        """The same dtype."""
        return dtype

    def from_numpy(self, array: np.ndarray, place: str) -> np.ndarray:
        """The same array, as a plain ndarray."""
        return np.asarray(array)

    def to_numpy(self, array: Any) -> np.ndarray:
        """The same array."""
        return array

    def lends(self, array: Any) -> bool:
        """Whether others may write to ``array``, and would step through it forwards only."""
        return array.flags.writeable and all(step >= 0 for step in array.strides)

    def to_place(self, array: Any, place: str) -> Any:
        """The same array."""
        return array

    def as_array(self, result: Any) -> Any:
        """A NumPy scalar as a 0-d array."""
        return result if type(result) is np.ndarray or not isinstance(result, np.generic) else np.asarray(result)

    def own(self, array: Any) -> Any:
        """``array``, copied when it is read-only, as broadcasting makes it."""
        return array if not isinstance(array, np.ndarray) or array.flags.writeable else array.copy()

    def memory(self, array: Any) -> Any:
        """The array that owns the memory, by identity."""
        base = getattr(array, "base", None)  # a NumPy scalar has none
        while isinstance(base, np.ndarray):
            array, base = base, base.base
        return id(array)

    def apart(self, array: Any, taken: set[Any]) -> Any:
        """At once where the array is no view."""
        place = id(array)
        if array.base is not None or place in taken or not array.flags.writeable:
            return super().apart(array, taken)
        taken.add(place)
        return array

    def ones_like(self, x, /, *, dtype=None, device=None):
        """Ones of the shape of ``x``; ``np.ones_like`` takes three times as long for few numbers."""
        out = np.empty(x.shape, x.dtype if dtype is None else dtype)
        out.fill(1)
        return out

    def sum(self, x, /, *, axis=None, dtype=None, keepdims=False):
        """Sum, by the ufunc itself: ``np.sum`` takes twice as long for few numbers."""
        return _reduce_sum(x, axis, dtype, None, keepdims)

    def sliding_windows(self, x, /, **options):
        """A view that NumPy knows not to write to."""
        view = super().sliding_windows(x, **options)
        view.flags.writeable = False
        return view

    def matmul(self, x1, x2, /):
        """Matrix product; one for all leading axes where the right operand has none: 1.1 to 1.4 times as fast."""
        if x1.ndim > 2 and x2.ndim == 2 and x1.shape[-1] == x2.shape[0]:
            rows = x1.reshape(math.prod(x1.shape[:-1]), x1.shape[-1])
            return _matmul(rows, x2).reshape(x1.shape[:-1] + x2.shape[1:])
        return _matmul(x1, x2)

    def reshape(self, x, /, shape, *, copy=None):
        """By the method, in a sixth of the time."""
        return x.reshape(shape) if copy is None else np.reshape(x, shape, copy=copy)

    def permute_dims(self, x, /, axes):
        """By the method."""
        return x.transpose(axes)

    def matrix_transpose(self, x, /):
        """The last two axes exchanged, by the method."""
        return x.swapaxes(-1, -2)

    def expanded(self, x, shape, /):
        """A view, or a copy of few numbers, which takes a fifth of the time."""
        if math.prod(shape) > _FEW:
            return np.broadcast_to(x, shape)
        out = np.empty(shape, x.dtype)
        out[...] = x
        return out

    def mean(self, x, /, *, axis=None, keepdims=False):
        """Mean; for the common dtypes by the ufunc itself, as ``sum``."""
        if x.dtype not in FLOATS or not x.size:
            return np.mean(x, axis=axis, keepdims=keepdims)
        total = _reduce_sum(x, axis, None, None, keepdims)
        return total / (x.size // max(getattr(total, "size", 1), 1))

    def tanh(self, x, /):
        """Hyperbolic tangent; only complex numbers need more than NumPy's own."""
        dtype = x.dtype
        return _tanh(x) if dtype is _FLOAT64 or dtype is _FLOAT32 or dtype.kind != "c" else super().tanh(x)

    def logaddexp(self, x1, x2, /):
        """``np.logaddexp`` takes two to five times as long for many numbers."""
        size = max(getattr(x1, "size", 1), getattr(x2, "size", 1))
        top = np.maximum(x1, x2) if size >= _FEW else None
        if top is None or top.dtype not in _HALF:
            return np.logaddexp(x1, x2)
        bound = _HALF[top.dtype]  # the difference of infinities would be NaN
        gap = np.clip(np.minimum(x1, x2), -bound, bound)
        gap -= np.clip(top, -bound, bound)
        out = np.log1p(np.exp(gap, out=gap), out=gap)
        out += top
        return out

    def astype(self, x, /, dtype, *, copy=True, device=None):
        """``x`` with another dtype."""
        return np.asarray(x).astype(dtype, copy=copy)

    def is_view(self, result: Any, array: Any) -> bool:
        """Whether the two share memory."""
        base = result.base
        return base is not None and (base is array or base is array.base)

    def alone(self, holder: Any) -> bool:
        """Whether only ``holder`` refers to its array: views and other holders would count as references."""
        array = holder.value
        return sys.getrefcount(array) <= _ALONE and array.base is None and array.flags.writeable

    def surely_finite(self, x: Any) -> bool:
        """One pass instead of four."""
        return bool(np.isfinite(x).all())

    def sole(self, ct: Any) -> bool:
        """By the number of references, which views, other names and other threads would add to."""
        return sys.getrefcount(ct) <= _SOLE and ct.base is None and ct.flags.writeable

    def rounded(self, x, precision, /):
        """By NumPy's own float16, or on the bits: half of the last one kept is added, less one where that bit is 0."""
        if precision == "float16":
            with self.quiet():
                return x.astype(np.float16).astype(np.float32)
        bits = np.ascontiguousarray(x).view(np.uint32)
        out = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32).reshape(x.shape)
        return np.where(np.isfinite(x), out, x)

    def take(self, x, indices, /, *, axis=None):
        """Elements of ``x`` along ``axis``, at indices of any shape."""
        if axis is None and x.ndim != 1:
            raise ValueError(f"axis must be given for an array of {x.ndim} axes")
        return np.take(x, indices, axis=axis)

    def where(self, condition, x1, x2, /):
        """``x1`` where the condition holds, else ``x2``.

        ``np.where`` branches at every element: 1.3 ms for a random mask of 256 x 1024 float32.  Where one side is zero,
        as in rules and ``relu``, the same bits come from a mask of bits in 0.13 ms.
        """
        kept, lost = (x2, x1) if type(x1) in (int, float) else (x1, x2)
        if type(lost) not in (int, float) or lost != 0 or np.signbit(lost) or type(kept) is not np.ndarray:
            return np.where(condition, x1, x2)
        bits = BITS.get(kept.dtype)
        if (
            bits is None
            or kept.size < _FEW
            or getattr(condition, "dtype", None) != np.bool_
            or condition.shape != kept.shape
            or not kept.shape
        ):
            return np.where(condition, x1, x2)
        mask = condition.astype(bits)
        mask = np.subtract(mask, 1, out=mask) if kept is x2 else np.negative(mask, out=mask)
        return np.bitwise_and(kept.view(bits), mask, out=mask).view(kept.dtype)

    def getitem(self, x, /, *, key):
        """``x[key]``."""
        return x[key]

    def setitem(self, x, value, /, *, key):
        """``x`` with ``value`` at ``key``, in new memory."""
        out = np.array(x)
        out[key] = value
        return out

    def scatter_add(self, x, /, *, key, shape):
        """Zeros of ``shape`` with ``x`` added at ``key``; a place named twice receives both.

        ``np.add.at`` is fast where it adds numbers at a list of places only: 4,096 rows of 256 float32 take it 17 ms,
        and 0.5 ms by ``_add_rows``.
        """
        out = np.zeros(shape, dtype=x.dtype)
        if _names_each_once(key):
            out[key] = x
        elif x.size < _FEW or not _add_along(out, x, key):
            np.add.at(out, key, x)
        return out

    def add_at(self, total, x, /, *, key):
        """``total`` with ``x`` added at ``key``, in place."""
        if x.dtype != total.dtype or not total.flags.writeable:
            return total + self.scatter_add(x, key=key, shape=total.shape)
        if _names_each_once(key):
            total[key] += x
        elif x.size < _FEW:
            np.add.at(total, key, x)
        else:
            total += self.scatter_add(x, key=key, shape=total.shape)
        return total

    def sort(self, x, /, *, axis=-1, descending=False, stable=True):
        """Sorted along ``axis``."""
        if not descending:
            return np.sort(x, axis=axis, stable=stable)
        return np.take_along_axis(x, self.argsort(x, axis=axis, descending=True), axis=axis)

    def argsort(self, x, /, *, axis=-1, descending=False, stable=True):
        """Positions that sort along ``axis``; equal elements keep their order."""
        if not descending:
            return np.argsort(x, axis=axis, stable=True)
        ascending = np.argsort(np.flip(x, axis=axis), axis=axis, stable=True)
        return np.flip(x.shape[axis] - 1 - ascending, axis=axis)

    def take_along_axis(self, x, indices, /, *, axis=-1):
        """Elements of ``x`` at ``indices`` along ``axis``, the other axes broadcast."""
        return np.take_along_axis(x, indices, axis=axis)


def _names_each_once(key: tuple[Any, ...]) -> bool:
    """Whether no place can be named twice: there are no arrays of integers."""
    return all(is_basic((k,)) or type(k) is bool or k.dtype == np.bool_ for k in key)


def _add_along(out: np.ndarray, x: np.ndarray, key: tuple[Any, ...]) -> bool:
    """Add ``x`` at ``key`` to zeros where integer arrays index neighbouring axes and nothing else; whether they do."""
    placed = [(i, k) for i, k in placed_key(key, out.ndim) if type(k) is not slice or k != slice(None)]
    start, index = placed[0][0], tuple(k for _, k in placed)
    end = start + len(index)
    whole = any(k is None or type(k) is bool for k in key) or [i for i, _ in placed] != list(range(start, end))
    if whole or not all(hasattr(k, "dtype") and k.dtype != np.bool_ for k in index):
        return False
    before, over, after = out.shape[:start], out.shape[start:end], out.shape[end:]
    width = math.prod(before + after)
    if width == 1 and all(k.ndim == 1 for k in index):
        return False  # numbers at a list of places
    places = np.arange(math.prod(over)).reshape(over)[index]
    rows = np.broadcast_to(x, before + places.shape + after).reshape(*before, places.size, *after)
    rows = np.moveaxis(rows, start, 0)
    base = np.moveaxis(out.reshape(*before, -1, *after), start, 0)
    if width >= _WIDE:
        _add_rows(base, places.reshape(-1), rows)
    elif start:
        return False
    else:
        positions = places.reshape(-1, 1) * width + np.arange(width)
        np.add.at(out.reshape(-1), positions.reshape(-1), rows.reshape(-1))
    return True


def _add_rows(out: np.ndarray, places: np.ndarray, rows: np.ndarray) -> None:
    """Add each row to the zeros ``out`` at its place.

    All are assigned, which leaves the last one at every place.  A stable sort then brings rows of one place together,
    and of those before the last, first ones are added, then second ones, and so on, each time to different places; a
    place of many rows gets their sum at once.
    """
    out[places] = rows
    order = np.argsort(places, kind="stable")
    places = places[order]
    left = np.flatnonzero(places[1:] == places[:-1])  # another row comes after it
    order, places = order[left], places[left]
    starts = np.flatnonzero(np.r_[True, places[1:] != places[:-1]][: len(places)])
    counts = np.diff(np.r_[starts, len(places)])
    many = counts > _MANY
    for start, count in zip(starts[many].tolist(), counts[many].tolist(), strict=True):
        out[places[start]] += np.add.reduce(rows[order[start : start + count]], axis=0)
    starts, counts = starts[~many], counts[~many]
    for rank in range(counts.max(initial=0)):
        at = starts[counts > rank] + rank
        out[places[at]] += rows[order[at]]


def _references(holder: Any) -> int:
    array = holder.value
    return sys.getrefcount(array)


_ALONE = _references(types.SimpleNamespace(value=np.empty(1)))  # how many references one holder makes, in this Python


def _references_in_a_pass(xp: Any) -> int:
    cts = {0: np.empty(1)}
    known = cts.get(0)
    return xp.references(known)


class _Counter:
    def references(self, ct: Any) -> int:
        return sys.getrefcount(ct)


_SOLE = _references_in_a_pass(_Counter())


def load() -> NumPy:
    """The backend; NumPy is always there."""
    return NumPy("numpy", np)
