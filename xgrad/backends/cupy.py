"""CuPy on CUDA: its own functions with the standard's arguments, and no waiting for the device.

Forward and backward only queue work.  What has to wait because its result's shape depends on values: indexing with a
boolean array, ``nonzero``, and ``repeat`` with an array of counts; what leaves the device (``to_numpy``, ``float``)
waits too.  array_api_compat is not used, since its ``clip`` and ``sign`` wait at every call.

Three differences from NumPy remain, since checking would wait and ordering would cost: an integer array that points
outside an axis wraps around instead of raising, a label that no class has makes its cost NaN, and what belongs to one
place (the gradient of ``take``) is added in no fixed order, so its last digits may differ from run to run.

CuPy computes on its *current* device.  With several GPUs, use ``cupy.cuda.Device(n).use()`` before ``"cuda:n"``.
"""

from __future__ import annotations

import contextlib
import math
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import numpy as np

from ..axes import is_basic
from ..errors import DeviceError
from .cupy_copies import Copier
from .cupy_kernels import DTYPES, Kernels
from .cupy_linalg import Linalg
from .cupy_products import Narrow, Products, open_cublas
from .cupy_random import Random
from .cupy_special import Special, is_half
from .extension import Extension, Fourier
from .generic import Generic
from .sliding import Strided
from .source import Source

PACKAGES = ("cupy-cuda13x", "cupy-cuda12x", "cupy")  # the names under which CuPy is installed
_NUMBERS = frozenset((int, float, complex, bool))
_INSTALL = "Run: pip install 'cupy-cuda13x[ctk]' (or 'cupy-cuda12x[ctk]' for CUDA 12)."

# Functions of two arrays of one dtype, either of which may be a Python number.
_BINARY = frozenset(("add", "atan2", "copysign", "divide", "equal", "greater", "greater_equal", "hypot"))
_BINARY |= {"less", "less_equal", "logaddexp", "maximum", "minimum", "multiply", "nextafter", "not_equal", "pow"}
_BINARY |= {"remainder", "subtract"}

# atomicAdd knows no narrower dtypes; 16-bit floats are summed in 32 bits, which also keeps their digits.
_WIDER = {"float16": "float32", "bfloat16": "float32", "bool": "int32", "int8": "int32", "int16": "int32"}
_WIDER |= {"uint8": "uint32", "uint16": "uint32"}


class Namespace:
    """CuPy's functions, with the standard's arguments where CuPy's differ.

    Parameters
    ----------
    cupy : module
        The library; what is not defined here is taken from it.
    """

    def __init__(self, cupy: Any):
        self.cupy = cupy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["cupy"], name)

    def _on(self, device: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """CuPy's function called ``name``, on ``device`` or on the current one for None."""
        if device is None:
            return getattr(self.cupy, name)(*args, **kwargs)
        with device:
            return getattr(self.cupy, name)(*args, **kwargs)

    # Creation -------------------------------------------------------------------------------------------------------

    def zeros(self, shape, *, dtype=float, device=None):
        """Zeros of a shape."""
        return self._on(device, "zeros", shape, dtype=dtype)

    def ones(self, shape, *, dtype=float, device=None):
        """Ones of a shape."""
        return self._on(device, "ones", shape, dtype=dtype)

    def empty(self, shape, *, dtype=float, device=None):
        """Memory of a shape with any content."""
        return self._on(device, "empty", shape, dtype=dtype)

    def full(self, shape, fill_value, *, dtype=None, device=None):
        """A shape filled with one value."""
        return self._on(device, "full", shape, fill_value, dtype=dtype)

    def arange(self, start, /, stop=None, step=1, *, dtype=None, device=None):
        """Evenly spaced numbers from ``start`` up to, not including, ``stop``."""
        return self._on(device, "arange", start, stop, step, dtype=dtype)

    def linspace(self, start, stop, /, num, *, dtype=None, device=None, endpoint=True):
        """``num`` evenly spaced numbers; complex ones, which CuPy lacks, come from the host."""
        if complex in (type(start), type(stop)):
            return self._on(device, "asarray", np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype))
        return self._on(device, "linspace", start, stop, num, endpoint=endpoint, dtype=dtype)

    def zeros_like(self, x, /, *, dtype=None, device=None):
        """Zeros of the shape of ``x``."""
        return self._on(device, "zeros_like", x, dtype=dtype)

    def ones_like(self, x, /, *, dtype=None, device=None):
        """Ones of the shape of ``x``."""
        return self._on(device, "ones_like", x, dtype=dtype)

    def empty_like(self, x, /, *, dtype=None, device=None):
        """Memory of the shape of ``x`` with any content."""
        return self._on(device, "empty_like", x, dtype=dtype)

    def full_like(self, x, /, fill_value, *, dtype=None, device=None):
        """The shape of ``x`` filled with one value."""
        return self._on(device, "full_like", x, fill_value, dtype=dtype)

    # Element by element ---------------------------------------------------------------------------------------------

    def where(self, condition, x1, x2, /):
        """``x1`` where the condition holds, else ``x2``."""
        if not hasattr(condition, "dtype"):
            condition = self.cupy.asarray(bool(condition))
        return self.cupy.where(condition, *_matched(x1, x2))

    # Reductions, order, arrangement ---------------------------------------------------------------------------------

    def var(self, x, /, *, axis=None, correction=0.0, keepdims=False):
        """Mean squared distance from the mean."""
        return self.cupy.var(x, axis=axis, ddof=correction, keepdims=keepdims)

    def std(self, x, /, *, axis=None, correction=0.0, keepdims=False):
        """Square root of the variance."""
        return self.cupy.std(x, axis=axis, ddof=correction, keepdims=keepdims)

    def count_nonzero(self, x, /, *, axis=None, keepdims=False):
        """How many elements are not zero."""
        return self.cupy.sum(x != 0, axis=axis, dtype=np.int64, keepdims=keepdims)

    def sort(self, x, /, *, axis=-1, descending=False, stable=True):
        """Sorted along ``axis``; CuPy's sort is always stable, and fails on no elements in some versions."""
        if not x.size:
            return x.copy()
        ascending = self.cupy.sort(x, axis=axis)
        return self.cupy.flip(ascending, axis=axis) if descending else ascending

    def argsort(self, x, /, *, axis=-1, descending=False, stable=True):
        """Positions that sort along ``axis``; equal elements keep their order."""
        if not x.size:
            return self.cupy.zeros(x.shape, dtype=np.int64)
        if not descending:
            return self.cupy.argsort(x, axis=axis)
        ascending = self.cupy.argsort(self.cupy.flip(x, axis=axis), axis=axis)
        return self.cupy.flip(x.shape[axis] - 1 - ascending, axis=axis)

    def take_along_axis(self, x, indices, /, *, axis=-1):
        """Elements of ``x`` at ``indices`` along ``axis``, the other axes broadcast."""
        return self.cupy.take_along_axis(x, indices, axis)

    def reshape(self, x, /, shape, *, copy=None):
        """The same elements in another shape."""
        return x.reshape(shape) if copy is None else self.cupy.reshape(x, shape, copy=copy)

    # Products -------------------------------------------------------------------------------------------------------

    def matmul(self, x1, x2, /):
        """Matrix product; one product for all leading axes where the right operand has none.

        CuPy multiplies stacks of matrices through arrays of pointers and copies transposed operands, so a stack times
        one matrix is folded into a single product.  It has no stacks of bfloat16: those are multiplied in float32.
        """
        if x1.ndim > 2 and 0 < x2.ndim <= 2 and x1.shape[-1] == x2.shape[0]:
            rows = x1.reshape((math.prod(x1.shape[:-1]), x1.shape[-1]))
            return (rows @ x2).reshape(x1.shape[:-1] + x2.shape[1:])
        if max(x1.ndim, x2.ndim) > 2 and "bfloat16" in (x1.dtype.name, x2.dtype.name):
            dtype = self.cupy.result_type(x1.dtype, x2.dtype)
            return (x1.astype(np.float32) @ x2.astype(np.float32)).astype(dtype)
        return x1 @ x2


class CuPy(Narrow, Strided, Generic):
    """CuPy, its devices by number.

    Parameters
    ----------
    cupy, cupyx : module
        The library and its extensions.
    """

    promotes = True
    extensions: ClassVar[dict[str, type[Extension]]] = {"fft": Fourier, "linalg": Linalg, "special": Special}

    def __init__(self, cupy: Any, cupyx: Any):
        super().__init__("cupy", Namespace(cupy))
        self.cupy, self.cupyx = cupy, cupyx
        self.kernels = Kernels(cupy)
        self.products = Products(cupy, self.kernels)
        self.array_type = cupy.ndarray
        self._copiers: dict[str, Copier] = {}
        self.single = len(self.places()) == 1

    def __getattr__(self, name: str) -> Any:
        function = super().__getattr__(name)
        if name in _BINARY:
            function = _typed(function)
            setattr(self, name, function)
        return function

    # Devices and dtypes ---------------------------------------------------------------------------------------------

    def places(self) -> list[str]:
        """Every CUDA device that the driver shows."""
        return [f"cuda:{i}" for i in range(self.cupy.cuda.runtime.getDeviceCount())]

    def place(self, name: str) -> str:
        """The device's name with its number; without one, that of CuPy's current device."""
        if name in ("", "cuda"):
            return f"cuda:{self.cupy.cuda.runtime.getDevice()}"
        places = self.places()
        if name not in places:
            have = f"this machine has {len(places)}: {', '.join(places)}" if places else "this machine has none"
            raise DeviceError(
                f"device: there is no such CUDA device; got {name!r}, {have}. Use one of these, or 'cpu'."
            )
        return name

    def raw_device(self, place: str) -> Any:
        """The ``cupy.cuda.Device`` called ``place``."""
        return self.cupy.cuda.Device(int(place.rpartition(":")[2]))

    def device_of(self, array: Any) -> str:
        """The name of the device that holds ``array``."""
        return f"cuda:{array.data.device_id}"

    def raw_dtype(self, dtype: np.dtype) -> np.dtype:
        """The same dtype: CuPy's are NumPy's."""
        return dtype

    def numpy_dtype(self, dtype: Any) -> np.dtype:
        """The same dtype."""
        return dtype

    def from_numpy(self, array: np.ndarray, place: str) -> Any:
        """A copy on the device called ``place``."""
        with self.raw_device(place):
            return self.cupy.asarray(array)

    def to_numpy(self, array: Any) -> np.ndarray:
        """A copy on the host; waits until the device has computed it."""
        return self.cupy.asnumpy(array)

    def lends(self, array: Any) -> bool:
        """Whether others would step through ``array`` forwards only."""
        return all(step >= 0 for step in array.strides)

    def to_place(self, array: Any, place: str) -> Any:
        """The array on the device called ``place``."""
        if self.device_of(array) == place:
            return array
        with self.raw_device(place):
            return array.copy()

    def on(self, place: str) -> Any:
        """A context in which CuPy works on the device called ``place``."""
        return self.raw_device(place)

    def copier(self, place: str) -> Copier:
        """What copies to the device called ``place`` in the background: one for all who ask."""
        return self._copiers.get(place) or self._copiers.setdefault(place, Copier(self, place))

    def source(self, place: str, seeds: Any) -> Source:
        """cuRAND, or NumPy's numbers when a generator of NumPy's is given."""
        return (Source if isinstance(seeds, np.random.Generator) else Random)(self, place, seeds)

    def around(self, arrays: Any) -> Any:
        """A context in which CuPy launches on the device of ``arrays``."""
        if self.single:
            return contextlib.nullcontext()
        return next(a.device for a in arrays if isinstance(a, self.array_type))

    def copy(self, x, /):
        """``x`` in memory of its own."""
        return x.copy()

    def own(self, array: Any) -> Any:
        """``array``, copied when broadcasting made its elements share memory."""
        shared = any(n > 1 and s == 0 for n, s in zip(array.shape, array.strides, strict=True))
        return array.copy() if shared else array

    def astype(self, x, /, dtype, *, copy=True, device=None):
        """``x`` with another dtype."""
        return x.astype(dtype, copy=copy)

    def concat(self, arrays, /, *, axis=0):
        """Arrays joined along an axis, or with None as one vector."""
        dtypes = {a.dtype for a in arrays}
        if axis is None and len(arrays) > 1 and len(dtypes) == 1 and arrays[0].dtype.name in DTYPES:
            return self.kernels.join(arrays)
        return self.library.concat(arrays, axis=axis)

    def is_view(self, result: Any, array: Any) -> bool:
        """Whether the two share memory."""
        base = result.base
        return result is array or (base is not None and (base is array or base is array.base))

    def floor_divide(self, x1, x2, /):
        """Quotient rounded down."""
        return super().floor_divide(*_matched(x1, x2))

    # Indexing -------------------------------------------------------------------------------------------------------

    def getitem(self, x, /, *, key):
        """``x[key]``; an integer array may point outside, and wraps around."""
        return x[key]

    def scatter_add(self, x, /, *, key, shape):
        """Zeros of ``shape`` with ``x`` added at ``key``; a place named twice receives both."""
        zeros = self.cupy.zeros
        if is_basic(key):
            out = zeros(shape, dtype=x.dtype)
            out[key] = x
            return out
        wide = _WIDER.get(x.dtype.name)
        if wide is not None:
            return self.scatter_add(x.astype(wide), key=key, shape=shape).astype(x.dtype)
        out = zeros(shape, dtype=x.dtype)
        if x.dtype.kind == "c":
            self.cupyx.scatter_add(out.real, key, x.real)
            self.cupyx.scatter_add(out.imag, key, x.imag)
        else:
            self.cupyx.scatter_add(out, key, x)
        return out

    def add_at(self, total, x, /, *, key):
        """``total`` with ``x`` added at ``key``; in place where each place is named once."""
        if not is_basic(key) or x.dtype != total.dtype:
            return super().add_at(total, x, key=key)
        total[key] += x
        return total

    def setitem(self, x, value, /, *, key):
        """``x`` with ``value`` at ``key``, in new memory; of several values for one place the last one stays."""
        single = not getattr(value, "shape", ())
        arrays = [k for k in key if hasattr(k, "shape")]
        if single and len(arrays) == 1 and arrays[0].dtype == np.bool_ and len(key) == 2 and key[1] is Ellipsis:
            mask = arrays[0]  # a selection instead of a masked write, which would wait
            if mask.ndim > 0 and mask.shape == x.shape[: mask.ndim]:
                mask = mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim))
                return self.where(mask, value, x).astype(x.dtype, copy=False)
        if not single and any(k.dtype.kind in "iu" for k in arrays):
            return self._set_last(x, value, key)
        out = x.copy()
        out[key] = value
        return out

    def _set_last(self, x, value, key):
        """What ``setitem`` does for integer arrays: CuPy leaves open which of several values for one place stays."""
        cupy = self.cupy
        last = cupy.zeros(x.shape, dtype=np.int32 if x.size < 2**31 else np.int64)
        selected = last[key]
        if not selected.size:
            return x.copy()
        order = cupy.arange(1, selected.size + 1, dtype=last.dtype).reshape(selected.shape)
        self.cupyx.scatter_max(last, key, order)  # at every place, the number of the value that came last
        value = value.reshape(value.shape[max(0, value.ndim - selected.ndim) :])
        values = cupy.broadcast_to(value, selected.shape).astype(x.dtype).reshape((-1,))
        return cupy.where(last > 0, cupy.take(values, last - 1), x)


def _matched(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Two operands, a Python number made a scalar of the dtype it should have beside the other's."""
    if type(x1) in _NUMBERS:
        x1 = _scalar(x1, getattr(x2, "dtype", None))
    elif type(x2) in _NUMBERS:
        x2 = _scalar(x2, x1.dtype)
    return x1, x2


def _scalar(number: Any, dtype: Any) -> Any:
    """``number`` for use beside ``dtype``: left to CuPy, unless that would widen a 16-bit float or a complex result."""
    if dtype is None:
        return number
    if type(number) is complex:
        return np.result_type(dtype, np.complex64).type(number) if dtype.kind == "f" else number
    return dtype.type(number) if is_half(dtype) else number


def _typed(function: Any) -> Any:
    """A function of two operands that gives a Python number the right dtype."""

    def call(x1, x2, /):
        return function(*_matched(x1, x2))

    return call


def installed() -> tuple[str, str] | None:
    """The package that CuPy was installed from and its version, without importing it."""
    for name in PACKAGES:
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return None


def cuda_problem() -> str | None:
    """Why CuPy cannot be used on this machine, and what to do about it; None when it can.

    Importing CuPy needs no driver, and nothing here creates a CUDA context.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            return f"device: CuPy is not installed. {_INSTALL}"
        return f"device: CuPy cannot be imported; got {_line(error)}. {_INSTALL}"
    except Exception as error:  # a broken installation raises almost anything
        return f"device: CuPy cannot be imported; got {_line(error)}. {_INSTALL}"
    package, number = installed() or ("cupy", cupy.__version__)
    if int(cupy.__version__.partition(".")[0]) < 14:
        return f"device: CuPy 14 or newer is needed; got {number}. Run: pip install --upgrade {package}."
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except RuntimeError as error:
        return f"device: CUDA cannot be used; got {_line(error)}. Install or update the NVIDIA driver, or use 'cpu'."
    if not count:
        return "device: there is no CUDA device; the driver shows none. Use 'cpu'."
    try:  # they are opened at first use, too late for a clear message
        cupy.cuda.nvrtc.getVersion()
        open_cublas()
    except (ImportError, RuntimeError) as error:
        return f"device: a CUDA library is missing; got {_line(error)}. Run: pip install '{package}[ctk]'."
    return None


def _line(error: BaseException) -> str:
    """The first line of an error's message that says something, without its full stop."""
    lines = [line.strip(" =") for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__).rstrip(".")


def load() -> CuPy:
    """The backend; DeviceError with the reason and the remedy when CUDA cannot be used here."""
    problem = cuda_problem()
    if problem:
        raise DeviceError(problem)
    import cupy
    import cupyx

    return CuPy(cupy, cupyx)
