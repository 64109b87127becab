"""JAX: arrays that never change, its own indexing, 64 bits only where they are enabled, and tracers.

**64 bits.**  Unless ``jax.config.update("jax_enable_x64", True)`` has run, JAX has no dtype of 64 bits and narrows
silently.  Here nothing is narrowed silently.  Without 64 bits, a float64 or complex128 array that is brought to JAX, or
a 64-bit dtype that is asked for, is an error that says so; 64-bit integers become 32-bit ones when every value fits.
What names no dtype takes JAX's own: Python numbers, lists and ``zeros(3)`` are float32 there, and float32 with int32 is
float32.

**Tracers.**  Inside ``jax.jit``, ``jax.vmap`` or ``jax.grad`` the arrays are tracers.  They are on the device
``"jax:traced"``, which goes with every JAX device, and so does ``"jax:sharded"``, an array spread over several.
Whatever depends on values (a traced mask as an index, ``bool`` of a traced array) raises JAX's own error; masks and
indices from NumPy stay constants, so their shapes are known.

An index of integers outside its axis is an IndexError on the CPU.  Elsewhere the indices are not waited for, and JAX's
rule holds: reading takes the nearest element, writing does nothing.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, ClassVar

import numpy as np

from ..axes import is_basic, placed_key
from ..errors import DeviceError
from ..registry import composites
from .extension import Extension
from .generic import Generic

_NARROW = {"float64": "float32", "complex128": "complex64", "int64": "int32", "uint64": "uint32"}
_FREE = frozenset(("traced", "sharded"))  # no device of their own: JAX decides where they meet others
_ENABLE = 'Run jax.config.update("jax_enable_x64", True) first, or convert with astype to 32 bits.'


class Linalg(Extension):
    """``jax.numpy.linalg``, which reads one triangle of Hermitian matrices, as others do, instead of their mean."""

    def cholesky(self, x, /, *, upper=False):
        """The triangular factor; NaN where there is none."""
        return self.library.cholesky(x, upper=upper, symmetrize_input=False)

    def eigh(self, x, /):
        """Eigenvalues and eigenvectors."""
        return self.library.eigh(x, symmetrize_input=False)

    def eigvalsh(self, x, /):
        """Eigenvalues alone."""
        return self.library.eigvalsh(x, symmetrize_input=False)


class Special(Extension):
    """``jax.scipy.special``, where it has the function and to full precision."""

    # Relative errors in 0.10: beta, betaln and poch 7e-7, erfinv 3e-11, log_ndtr 5e-5; some NaN in loggamma and poch.
    coarse: ClassVar[frozenset[str]] = frozenset(("beta", "betaln", "poch", "erfinv", "log_ndtr", "loggamma"))

    def module(self) -> Any:
        """Imported at the first use."""
        return importlib.import_module("jax.scipy.special")


class Jax(Generic):
    """``jax.numpy``, its devices as ``cpu``, ``cuda:0`` and so on.

    Parameters
    ----------
    jax : module
        The library.
    """

    extensions: ClassVar[dict[str, type[Extension]]] = Generic.extensions | {"linalg": Linalg, "special": Special}

    def __init__(self, jax: Any):
        super().__init__("jax", jax.numpy)
        self.jax = jax
        self.array_type = jax.Array
        self.passes = (jax.errors.JAXTypeError, jax.errors.JAXIndexError)
        self._names: dict[Any, str] = {}

    # Devices --------------------------------------------------------------------------------------------------------

    def _devices(self) -> dict[str, Any]:
        """JAX's devices in this process by name, its default one first."""
        found = list(self.jax.local_devices())
        if found[0].platform != "cpu":
            found += self.jax.local_devices(backend="cpu")
        return {_name(d): d for d in found}

    def places(self) -> list[str]:
        """The devices in this process, JAX's default one first."""
        return list(self._devices())

    def place(self, name: str) -> str:
        """The device's name with its number: ``cuda`` is ``cuda:0``."""
        numbered = f"{name}:0"
        return super().place(numbered if numbered in self.places() else name)

    def raw_device(self, place: str) -> Any:
        """The JAX device called ``place``; None, JAX's own choice, for tracers."""
        return None if place in _FREE else self._devices()[place]

    def device_of(self, array: Any) -> str:
        """The name of the device that holds ``array``."""
        if isinstance(array, self.jax.core.Tracer):
            return "traced"
        device = array.device
        name = self._names.get(device)
        if name is None:
            name = self._names[device] = _name(device) if isinstance(device, self.jax.Device) else "sharded"
        return name

    def joins(self, place: str, other: str) -> bool:
        """Whether arrays of the two places may meet: those of one device, and tracers with all."""
        return place == other or place in _FREE or other in _FREE

    def to_place(self, array: Any, place: str) -> Any:
        """The array on the device called ``place``."""
        return self.jax.device_put(array, self.raw_device(place))

    # Dtypes and data ------------------------------------------------------------------------------------------------

    def available(self, dtype: np.dtype) -> np.dtype:
        """``dtype``, or its half where JAX has no 64 bits: for dtypes that nobody named."""
        return dtype if self.jax.config.jax_enable_x64 else np.dtype(_NARROW.get(dtype.name, dtype))

    def raw_dtype(self, dtype: np.dtype) -> np.dtype:
        """The same dtype, or a TypeError where JAX would narrow it silently."""
        if self.available(dtype) != dtype:
            raise TypeError(f"dtype: JAX has no 64 bits unless they are enabled; got {dtype}. {_ENABLE}")
        return dtype

    def numpy_dtype(self, dtype: Any) -> np.dtype:
        """The same dtype."""
        return dtype

    def from_numpy(self, array: np.ndarray, place: str) -> Any:
        """A copy of a NumPy array on the device called ``place``."""
        return self.library.array(self._narrowed(array), device=self.raw_device(place))

    def _narrowed(self, array: np.ndarray) -> np.ndarray:
        """Integers in 32 bits where JAX has no more and they fit; other 64-bit values are an error there."""
        dtype = self.available(array.dtype)
        if dtype.kind in "iu" and dtype != array.dtype:
            bounds = np.iinfo(dtype)
            if not array.size or (bounds.min <= array.min() and array.max() <= bounds.max):
                return array.astype(dtype)
        self.raw_dtype(array.dtype)
        return array

    def to_numpy(self, array: Any) -> np.ndarray:
        """The elements as a NumPy array."""
        return np.asarray(array)

    def lends(self, array: Any) -> bool:
        """Whether ``array`` has memory on one device."""
        return self.device_of(array) not in _FREE

    def preview(self, array: Any) -> str:
        """The elements as text; JAX's own words for a tracer, which has none."""
        return repr(array) if isinstance(array, self.jax.core.Tracer) else super().preview(array)

    def copy(self, x, /):
        """``x`` itself: it never changes."""
        return x

    def memory(self, array: Any) -> Any:
        """Nothing is shared that can be written."""
        return object()

    def astype(self, x, /, dtype, *, copy=True, device=None):
        """``x`` with another dtype."""
        return x.astype(dtype)

    # Indexing -------------------------------------------------------------------------------------------------------

    def index_array(self, index: np.ndarray, like: Any) -> np.ndarray:
        """A NumPy index as it is: a constant, also where everything else is traced."""
        return self._narrowed(index)

    def _in_bounds(self, index: Any, axis: int, n: int) -> None:
        """IndexError for an index outside of its axis, where that can be seen without waiting for a device."""
        if type(index) is not int and not isinstance(index, np.ndarray):
            if isinstance(index, self.jax.core.Tracer) or self.device_of(index) != "cpu":
                return
            index = np.asarray(index)
        if type(index) is not int and not index.size:
            return
        low, high = (index, index) if type(index) is int else (int(index.min()), int(index.max()))
        if low < -n or high >= n:
            wrong = low if low < -n else high
            raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {n}")

    def _checked(self, key: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
        """Whether integer arrays in the key may name a place twice; IndexError when one is outside of its axis."""
        several = False
        for axis, k in placed_key(key, len(shape)):
            if type(k) is int or (hasattr(k, "dtype") and k.dtype != np.bool_):
                self._in_bounds(k, axis, shape[axis])
                several = several or type(k) is not int
        return several

    def take(self, x, indices, /, *, axis=None):
        """Elements of ``x`` along ``axis``, at indices of any shape."""
        if axis is None and x.ndim != 1:
            raise ValueError(f"axis must be given for an array of {x.ndim} axes")
        self._in_bounds(indices, axis or 0, x.shape[axis or 0])
        return self.library.take(x, indices, axis=axis)

    def take_along_axis(self, x, indices, /, *, axis=-1):
        """Elements of ``x`` at ``indices`` along ``axis``, the other axes broadcast."""
        self._in_bounds(indices, axis, x.shape[axis])
        return self.library.take_along_axis(x, indices, axis=axis)

    def getitem(self, x, /, *, key):
        """``x[key]``."""
        self._checked(key, x.shape)
        return x[key]

    def scatter_add(self, x, /, *, key, shape):
        """Zeros of ``shape`` with ``x`` added at ``key``; a place named twice receives both."""
        place = None if self.device_of(x) in _FREE else x.device
        target = self.library.zeros(shape, dtype=x.dtype, device=place).at[key]
        return target.max(x) if x.dtype == np.bool_ else target.add(x)

    def convolve(self, a, v, /, *, mode="full"):
        """Discrete convolution; JAX's own turns integers into floats."""
        whole = all(self.library.issubdtype(x.dtype, np.integer) for x in (a, v))
        return composites["convolve"](self, a, v, mode=mode) if whole else self.library.convolve(a, v, mode=mode)

    def setitem(self, x, value, /, *, key):
        """``x`` with ``value`` at ``key``; of several values for one place the last one stays.

        JAX leaves open which one stays, so where integers may repeat, each place takes the largest position that names
        it.  A mask may be traced where the value is one number.
        """
        several = self._checked(key, x.shape)
        value = self.library.asarray(value, dtype=x.dtype)
        mask = key[0]
        masked = value.ndim == 0 and len(key) == 2 and hasattr(mask, "dtype") and mask.dtype == np.bool_
        if masked and key[1] is Ellipsis and mask.shape == x.shape[: mask.ndim]:
            return self.library.where(mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), value, x)
        if not is_basic(key) and several:
            shape = self.jax.eval_shape(lambda a: a[key], x).shape
            value = self.library.broadcast_to(_without_ones(value), shape).reshape(-1)
            number = self.library.arange(1, value.size + 1).reshape(shape)
            stays = self.library.zeros(x.shape, dtype=number.dtype).at[key].max(number)
            padded = self.library.concatenate([self.library.zeros_like(value, shape=(1,)), value])
            return self.library.where(stays > 0, padded[stays], x)
        return x.at[key].set(_without_ones(value))

    # Functions that differ from the standard's ----------------------------------------------------------------------

    def permute_dims(self, x, /, axes):
        """The axes in another order, counted from the end too."""
        return self.library.permute_dims(x, tuple(a % x.ndim for a in axes))

    def sign(self, x, /):
        """Sign; 0 at a complex zero."""
        return self.zero_safe_sign(x)

    def remainder(self, x1, x2, /):
        """Remainder; a zero has the sign of the divisor."""
        return self.signed_zero(self.library.remainder(x1, x2), x2)

    def cumulative_prod(self, x, /, *, axis=None, dtype=None, include_initial=False):
        """Running product; of integers in the default integer, as a sum is."""
        if dtype is None and x.dtype.kind in "iu":
            dtype = self.available(np.dtype(np.uint64 if x.dtype.kind == "u" else np.int64))
        return self.library.cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial)

    def searchsorted(self, x1, x2, /, *, side="left", sorter=None):
        """Where to insert each element of ``x2`` so that the sorted ``x1`` stays sorted, in the default integer."""
        found = self.library.searchsorted(x1, x2, side=side, sorter=sorter)
        return found.astype(self.available(np.dtype(np.int64)))

    def rounded(self, x, precision, /):
        """By JAX's own types."""
        return x.astype(getattr(self.library, precision)).astype(x.dtype)

    def cross_correlation(self, x, w, /, *, stride, padding, dilation, groups, spacing):
        """XLA's own, which takes the same words."""
        return self.jax.lax.conv_general_dilated(
            x,
            w,
            stride,
            padding,
            lhs_dilation=spacing,
            rhs_dilation=dilation,
            feature_group_count=groups,
            precision="highest",
        )


def _without_ones(value: Any) -> Any:
    """``value`` without its leading axes of one, of which a written value may have too many, as in NumPy."""
    extra = next((i for i, n in enumerate(value.shape) if n != 1), value.ndim)
    return value.reshape(value.shape[extra:]) if extra else value


def _name(device: Any) -> str:
    name = str(device) if re.fullmatch(r"[a-z]+:\d+", str(device)) else f"{device.platform}:{device.id}"
    return "cpu" if name == "cpu:0" else name


def load() -> Jax:
    """The backend; DeviceError when JAX is not installed."""
    try:
        import jax
        import jax.numpy  # an attribute of ``jax`` from here on
    except ImportError as error:
        raise DeviceError(f"device: JAX cannot be imported; got {error}. Install it with: pip install jax.") from None
    return Jax(jax)
