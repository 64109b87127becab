"""Any library that follows the array API standard, and the few functions the standard lacks, in standard calls.

A backend *is* the array namespace that rules see: a name it does not define is looked up in the library it stands for,
then among xgrad's composites.  The other backends subclass this one and hold only their differences.
"""

from __future__ import annotations

import contextlib
import math
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..axes import clipped_key, is_basic
from ..errors import DeviceError
from ..registry import SPACES, composites
from . import formulas as formulas  # entered among the composites
from . import narrow as narrow
from . import sliding as sliding
from . import special_formulas as special_formulas
from .extension import Extension
from .source import Source


class Generic:
    """An array library: its functions as attributes, and what the engine asks of it.

    Parameters
    ----------
    name : str
        The library's name, the first part of its devices' names.
    library : module
        Its array API namespace.
    """

    promotes = False  # whether the library itself combines dtypes as the standard and NumPy do
    single = False  # whether it has one device only
    passes: tuple[type[Exception], ...] = ()  # errors of the library's own that say what to do, and are not reworded
    extensions: ClassVar[dict[str, type[Extension]]] = dict.fromkeys(SPACES, Extension)

    def __init__(self, name: str, library: Any):
        self.name = self.__name__ = name
        self.library = library

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "library" not in self.__dict__:
            raise AttributeError(name)
        function: Any = self.extensions[name](self, name) if name in SPACES else getattr(self.library, name, None)
        if function is None:
            if name not in composites:
                raise AttributeError(f"{name}: the array library {self.name} has no such function.")
            function = partial(composites[name], self)
        elif name in _CREATES:
            function = self._placed(function)
        setattr(self, name, function)  # found once
        return function

    def _placed(self, create: Any) -> Any:
        """A creation function that takes a Device too, which is what ``xp.device(x)`` gives a rule."""

        def placed(*args: Any, device: Any = None, **options: Any) -> Any:
            return create(
                *args, device=self.raw_device(device.place) if hasattr(device, "place") else device, **options
            )

        return placed

    # Devices and dtypes ---------------------------------------------------------------------------------------------

    def places(self) -> list[str]:
        """The names of the library's usable devices."""
        return [str(d) for d in self.library.__array_namespace_info__().devices() if d is not None]

    def place(self, name: str) -> str:
        """The library's own name for the device that a user calls ``name`` (the default one for an empty name)."""
        places = self.places()
        for place in places:
            if name in ("", place):
                return place
        raise DeviceError(f"device: {self.name} has no device {name!r}; got {', '.join(places)}. Use one of these.")

    def raw_device(self, place: str) -> Any:
        """The library's device object called ``place``."""
        for device in self.library.__array_namespace_info__().devices():
            if str(device) == place:
                return device
        return None

    def device_of(self, array: Any) -> str:
        """The name of the device that holds ``array``."""
        return str(array.device)

    def joins(self, place: str, other: str) -> bool:
        """Whether arrays of the two places may meet in one call."""
        return place == other

    def available(self, dtype: np.dtype) -> np.dtype:
        """What stands for a dtype that nobody named, where the library lacks it."""
        return dtype

    def raw_dtype(self, dtype: np.dtype) -> Any:
        """The library's dtype for one of NumPy's."""
        found = getattr(self.library, dtype.name, None)
        if found is None:
            raise TypeError(f"dtype: the array library {self.name} has no {dtype.name}. Use another dtype or device.")
        return found

    def has_dtype(self, dtype: np.dtype) -> bool:
        """Whether the library computes with a dtype of NumPy's."""
        return hasattr(self.library, dtype.name) and self.available(dtype) == dtype

    def numpy_dtype(self, dtype: Any) -> np.dtype:
        """NumPy's dtype for one of the library's."""
        for name in _DTYPE_NAMES:
            if dtype == getattr(self.library, name, None):
                return np.dtype(name)
        return np.dtype(str(dtype).rpartition(".")[2])

    def from_numpy(self, array: np.ndarray, place: str) -> Any:
        """A NumPy array as an array of this library, on the device called ``place``."""
        return self.library.asarray(array, dtype=self.raw_dtype(array.dtype), device=self.raw_device(place))

    def to_numpy(self, array: Any) -> np.ndarray:
        """An array of this library as a NumPy array (a copy from a device that NumPy cannot see)."""
        return np.from_dlpack(array)

    def lends(self, array: Any) -> bool:
        """Whether another library may compute on the memory of ``array``."""
        return hasattr(array, "__dlpack__")

    def index_array(self, index: np.ndarray, like: Any) -> Any:
        """A NumPy array of integers or booleans as part of an index of ``like``."""
        return self.from_numpy(index, self.device_of(like))

    def preview(self, array: Any) -> str:
        """The elements as text, for ``repr``."""
        return np.array2string(self.to_numpy(array), separator=", ", prefix="Tensor(")

    def to_place(self, array: Any, place: str) -> Any:
        """The array on the device called ``place``."""
        device = self.raw_device(place)
        move = getattr(
            self.library, "to_device", None
        )  # array_api_compat has it as a function, the standard as a method
        return move(array, device) if move else array.to_device(device)

    def on(self, place: str) -> contextlib.AbstractContextManager[Any]:
        """A context in which the library creates arrays on the device called ``place``."""
        return contextlib.nullcontext()

    def around(self, arrays: Any) -> contextlib.AbstractContextManager[Any]:
        """A context in which the library computes on the device of ``arrays``, where it has a current device."""
        return contextlib.nullcontext()

    def copier(self, place: str) -> Any:
        """What copies to the device called ``place`` in the background, or None where nothing does."""
        return None

    def source(self, place: str, seeds: Any) -> Source:
        """Random numbers for the device called ``place``."""
        return Source(self, place, seeds)

    def copy(self, x, /):
        """``x`` in memory of its own."""
        return self.library.asarray(x, copy=True)

    def own(self, array: Any) -> Any:
        """``array``, copied when it is read-only or its elements share memory, as broadcasting makes them."""
        return array

    def cast(self, x, /, *, dtype):
        """``x`` with another of the library's dtypes."""
        return self.astype(x, dtype)

    def device(self, x, /) -> Any:
        """The Device of a raw array, for rules."""
        from . import device_of

        return device_of(x)

    def to_device(self, x, /, *, target):
        """``x``, an array of any library, on a Device of any library."""
        from . import transfer

        return transfer(x, target)

    def memory(self, array: Any) -> Any:
        """What tells whether two arrays share memory."""
        return id(array)

    def apart(self, array: Any, taken: set[Any]) -> Any:
        """``array``, copied unless its memory is its own and none of those ``taken``, to which it is added."""
        mine = self.copy(array) if self.memory(array) in taken else self.own(array)
        taken.add(self.memory(mine))
        return mine

    def held(self, array: Any) -> int:
        """The bytes that ``array`` keeps alive: all of the memory that it is a view of."""
        while isinstance(getattr(array, "base", None), type(array)):
            array = array.base
        return math.prod(array.shape) * self.numpy_dtype(array.dtype).itemsize

    def astype(self, x, /, dtype, *, copy=True, device=None):
        """``x`` with another of the library's dtypes."""
        return self.library.astype(x, dtype, copy=copy)

    def alone(self, holder: Any) -> bool:
        """Whether ``holder.value`` may be written in place because nothing else can see it."""
        return False

    def surely_finite(self, x: Any) -> bool:
        """Whether there is no infinity or NaN, where that can be seen without waiting for a device."""
        return False

    def sole(self, ct: Any) -> bool:
        """Whether the pass back, which holds ``ct`` in a dict and under one name, is all that can see its memory."""
        return False

    def as_array(self, result: Any) -> Any:
        """What a function of the library returned, as an array: NumPy returns scalars for 0-d results."""
        return result

    def is_view(self, result: Any, array: Any) -> bool:
        """Whether the two share memory; libraries that cannot tell follow NumPy's usual case."""
        return True

    def quiet(self) -> contextlib.AbstractContextManager[Any]:
        """A context without floating-point warnings."""
        return np.errstate(all="ignore")  # some libraries compute with NumPy; to the others it means nothing

    # Special cases that most libraries miss -------------------------------------------------------------------------

    def floor_divide(self, x1, x2, /):
        """Quotient rounded down, with infinite operands and the signs of zeros as the standard has them."""
        out = self.library.floor_divide(x1, x2)
        if not self.isdtype(out.dtype, "real floating"):
            return out
        exact = (self._is_infinite(x1) ^ self._is_infinite(x2)) | (x1 == 0)
        with self.quiet():
            return self.where(exact, self.library.floor(x1 / x2), out)

    def _is_infinite(self, x: Any) -> Any:
        return math.isinf(x) if isinstance(x, int | float | np.generic) else self.library.isinf(x)

    def zero_safe_sign(self, x: Any) -> Any:
        """``sign`` for libraries that divide a complex zero by its size."""
        if not self.isdtype(x.dtype, "complex floating"):
            return self.library.sign(x)
        zero = x == 0
        return self.where(zero, self.zeros_like(x), self.library.sign(self.where(zero, self.ones_like(x), x)))

    def signed_zero(self, remainder: Any, divisor: Any) -> Any:
        """A remainder whose zeros have the sign of the divisor, for libraries that give them that of the dividend."""
        if not self.isdtype(remainder.dtype, "real floating"):
            return remainder
        if not hasattr(divisor, "dtype"):
            divisor = self.full_like(remainder, divisor)
        zero = self.copysign(self.zeros_like(remainder), self.astype(divisor, remainder.dtype))
        return self.where(remainder == 0, zero, remainder)

    def expm1(self, x, /):
        """``e**x - 1``, with infinite and NaN parts of complex numbers as the standard has them."""
        out = self.library.expm1(x)
        if not self.isdtype(x.dtype, "complex floating"):
            return out
        with self.quiet():
            return self.where(self.library.isfinite(x) & (x != 0), out, self.library.exp(x) - 1.0)

    def tanh(self, x, /):
        """Hyperbolic tangent; for complex numbers far right or left, a zero with the sign of the imaginary part."""
        out = self.library.tanh(x)
        if not self.isdtype(x.dtype, "complex floating"):
            return out
        re, im = self.library.real(x), self.library.imag(x)
        limit = self.astype(self.library.sign(re), x.dtype)
        limit = self.where(self.library.signbit(im), self.library.conj(limit), limit)
        return self.where(self.library.isinf(re) & self.library.isfinite(im), limit, out)

    # Functions the standard lacks -----------------------------------------------------------------------------------

    def take(self, x, indices, /, *, axis=None):
        """Elements of ``x`` along ``axis``, at indices of any shape."""
        if indices.ndim == 1:
            return self.library.take(x, indices, axis=axis)
        if axis is None and x.ndim != 1:
            raise ValueError(f"axis must be given for an array of {x.ndim} axes")
        place = 0 if axis is None else axis % x.ndim
        taken = self.library.take(x, self.reshape(indices, (-1,)), axis=place)
        return self.reshape(taken, (*x.shape[:place], *indices.shape, *x.shape[place + 1 :]))

    def getitem(self, x, /, *, key):
        """``x[key]`` for every kind of key: the elements' flat positions are found on the host, then taken."""
        if is_basic(key) and all(k.step in (None, 1) for k in key if isinstance(k, slice)):
            return x[clipped_key(key, x.shape)]
        positions = self._positions(key, x.shape)
        taken = self.take(self.reshape(x, (-1,)), self._index(positions.reshape(-1), x), axis=0)
        return self.reshape(taken, positions.shape)

    def scatter_add(self, x, /, *, key, shape):
        """Zeros of ``shape`` with ``x`` added at ``key``; a place named twice receives both.

        Rows for one place are added in pairs, so n rows for it take log2(n) steps and the rounding error stays small.
        """
        positions = self._positions(key, shape)
        values = self.reshape(self.broadcast_to(x, positions.shape), (-1,))
        places = positions.reshape(-1)
        order = np.argsort(places, kind="stable")
        places, values = places[order], self.take(values, self._index(order, x), axis=0)
        zero = self.zeros((1,), dtype=x.dtype, device=x.device)
        while True:
            starts = np.flatnonzero(np.r_[True, places[1:] != places[:-1]][: len(places)])
            if len(starts) == len(places):
                break
            rank = np.arange(len(places)) - np.repeat(starts, np.diff(np.r_[starts, len(places)]))
            first = np.flatnonzero(rank % 2 == 0)
            paired = np.r_[rank, 0][first + 1] % 2 == 1
            second = np.where(paired, first + 1, len(places))
            padded = self.concat([values, zero])
            values = self.take(values, self._index(first, x), axis=0) + self.take(
                padded, self._index(second, x), axis=0
            )
            places = places[first]
        source = np.full(math.prod(shape), len(places))
        source[places] = np.arange(len(places))
        return self.reshape(self.take(self.concat([values, zero]), self._index(source, x), axis=0), shape)

    def add_at(self, total, x, /, *, key):
        """``total`` with ``x`` added at ``key``, in its own memory where the library allows it."""
        return total + self.scatter_add(x, key=key, shape=tuple(total.shape))

    def setitem(self, x, value, /, *, key):
        """``x`` with ``value`` at ``key``, in new memory; of several values for one place the last one stays."""
        positions = self._positions(key, x.shape)
        if not hasattr(value, "shape"):
            value = self.full((), value, dtype=x.dtype, device=x.device)
        extra = len(value.shape) - positions.ndim
        if extra > 0:  # as in NumPy, leading axes of one
            value = self.reshape(value, value.shape[extra:])
        value = self.astype(self.reshape(self.broadcast_to(value, positions.shape), (-1,)), x.dtype)
        source = np.arange(math.prod(x.shape))
        source[positions.reshape(-1)] = np.arange(positions.size) + source.size
        both = self.concat([self.reshape(x, (-1,)), value])
        return self.reshape(self.take(both, self._index(source, x), axis=0), x.shape)

    def _positions(self, key: tuple[Any, ...], shape: tuple[int, ...]) -> np.ndarray:
        host = tuple(self.to_numpy(k) if hasattr(k, "shape") and not isinstance(k, np.ndarray) else k for k in key)
        return np.asarray(np.arange(math.prod(shape)).reshape(shape)[host])

    def _index(self, positions: np.ndarray, like: Any) -> Any:
        return self.from_numpy(np.ascontiguousarray(positions, dtype=np.int64), self.device_of(like))


_CREATES = frozenset(("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros"))
_CREATES |= {"empty_like", "full_like", "ones_like", "zeros_like"}

_DTYPE_NAMES = [
    "float64",
    "float32",
    "complex128",
    "complex64",
    "bool",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint64",
    "uint32",
    "uint16",
    "uint8",
    "float16",
]
