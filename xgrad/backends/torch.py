"""PyTorch: promotion with 0-d arrays, negative steps and masks as the standard has them."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..axes import is_basic, normalise_axes
from ..errors import DeviceError
from ..registry import composites
from .extension import Extension, Fourier
from .generic import Generic
from .sliding import spread
from .source import Source

_BESSEL = {f"k{order}": f"modified_bessel_k{order}" for order in "01"}
_BESSEL |= {f"k{order}e": f"scaled_modified_bessel_k{order}" for order in "01"}


class Special(Extension):
    """``torch.special``, where it has the function and to full precision."""

    # Relative errors in 2.13: gammainc 2e-9, Bessel functions 3e-6, ndtr 1 in its left tail.
    coarse: ClassVar[frozenset[str]] = frozenset(("gammainc", "gammaincc", "j0", "j1", "y0", "y1", "ndtr"))

    def module(self) -> Any:
        """PyTorch's own module."""
        return self.xp.torch.special

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(_BESSEL.get(name, name))


class Linalg(Extension):
    """``torch.linalg``, whose refusal of a singular matrix is a ValueError, as NumPy's is."""

    def __getattr__(self, name: str) -> Any:
        function = super().__getattr__(name)
        refusal = self.xp.torch.linalg.LinAlgError

        def call(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            except refusal as error:
                raise ValueError(str(error)) from None

        setattr(self, name, call)
        return call


class Random(Source):
    """``torch.Generator`` on an accelerator."""

    host = False
    name = "torch.Generator"

    def __init__(self, xp: Any, place: str, seeds: Any):
        self.xp, self.place, self.torch = xp, place, xp.torch
        self.generator = self.torch.Generator(place)
        self.generator.manual_seed(int(seeds.generate_state(1, np.uint64)[0]))

    @property
    def state(self) -> np.ndarray:
        """Seed and counter, as bytes."""
        return self.generator.get_state().numpy().copy()

    @state.setter
    def state(self, state: np.ndarray) -> None:
        self.generator.set_state(self.torch.from_numpy(np.array(state, dtype=np.uint8)))

    def _options(self, dtype: Any) -> dict[str, Any]:
        return {"dtype": self.xp.raw_dtype(np.dtype(dtype)), "device": self.place}

    def random(self, shape, dtype):
        """Uniform in [0, 1)."""
        return self.torch.rand(shape, generator=self.generator, **self._options(dtype))

    def normal(self, shape, dtype):
        """Standard normal."""
        return self.torch.randn(shape, generator=self.generator, **self._options(dtype))

    def exponential(self, shape, dtype):
        """Exponential of mean 1."""
        return self.torch.empty(shape, **self._options(dtype)).exponential_(generator=self.generator)

    def integers(self, low, high, shape):
        """int64, uniform from ``low`` to below ``high``."""
        end = None if high == 2**63 else high  # torch's word for the end of int64
        return self.torch.empty(shape, **self._options(np.int64)).random_(low, end, generator=self.generator)

    def permutation(self, n):
        """The numbers from 0 to below ``n`` in random order, int64."""
        return self.torch.randperm(n, generator=self.generator, device=self.place)

    def gamma(self, shape):
        """Gamma of scale 1, float64, one for every element of ``shape``."""
        return self.torch._standard_gamma(shape, generator=self.generator)

    def poisson(self, lam):
        """Poisson, int64, one for every element of ``lam``."""
        return self.torch.poisson(lam, generator=self.generator).to(self.torch.int64)

    def binomial(self, n, p):
        """Successes of ``n`` trials (int64) of probability ``p`` (float64), int64."""
        return self.torch.binomial(n.to(p.dtype), p, generator=self.generator).to(self.torch.int64)


def _unknown(dtype: str) -> TypeError:
    return TypeError(f"dtype: NumPy has no {dtype} of its own, and so xgrad none. Convert the tensor to float32.")


class Torch(Generic):
    """PyTorch through array_api_compat, with gradients of its own switched off by detaching what comes in."""

    extensions: ClassVar[dict[str, type[Extension]]] = {"fft": Fourier, "linalg": Linalg, "special": Special}

    def __init__(self, name: str, library: Any, torch: Any):
        super().__init__(name, library)
        self.torch = torch
        self.array_type = torch.Tensor

    def places(self) -> list[str]:
        """The CPU, and every CUDA device that answers."""
        cuda = self.torch.cuda.device_count() if self.torch.cuda.is_available() else 0
        return ["cpu", *(f"cuda:{i}" for i in range(cuda))]

    def place(self, name: str) -> str:
        """The device's name with its number: ``cuda`` is ``cuda:0``."""
        return super().place("cuda:0" if name == "cuda" else name)

    def raw_device(self, place: str) -> Any:
        """The ``torch.device`` called ``place``."""
        return self.torch.device(place)

    def device_of(self, array: Any) -> str:
        """The name of the device that holds ``array``."""
        return str(array.device)

    def raw_dtype(self, dtype: np.dtype) -> Any:
        """The torch dtype for one of NumPy's."""
        return getattr(self.torch, dtype.name)

    def numpy_dtype(self, dtype: Any) -> np.dtype:
        """NumPy's dtype for one of torch's."""
        name = str(dtype).removeprefix("torch.")
        try:
            return np.dtype(name)
        except TypeError:
            raise _unknown(name) from None

    def from_numpy(self, array: np.ndarray, place: str) -> Any:
        """A NumPy array in memory of torch's own, on the device called ``place``."""
        plain = np.ascontiguousarray(array, dtype=array.dtype.name)  # of C's two types of one size the one torch knows
        return self.torch.tensor(plain.reshape(array.shape), device=place)

    def to_numpy(self, array: Any) -> np.ndarray:
        """The elements as a NumPy array."""
        try:
            return array.detach().cpu().resolve_conj().resolve_neg().numpy()
        except TypeError:  # also of a name that another package taught NumPy
            raise _unknown(str(array.dtype).removeprefix("torch.")) from None

    def to_place(self, array: Any, place: str) -> Any:
        """The array on the device called ``place``."""
        return array.to(self.raw_device(place))

    def source(self, place: str, seeds: Any) -> Source:
        """PyTorch's generator on an accelerator; on the CPU NumPy's, as on every CPU device."""
        host = place.startswith("cpu") or isinstance(seeds, np.random.Generator)
        return (Source if host else Random)(self, place, seeds)

    def as_array(self, result: Any) -> Any:
        """A result without torch's own graph."""
        return result.detach() if isinstance(result, self.torch.Tensor) and result.requires_grad else result

    def is_view(self, result: Any, array: Any) -> bool:
        """Whether the two share memory."""
        return result.untyped_storage().data_ptr() == array.untyped_storage().data_ptr()

    def own(self, array: Any) -> Any:
        """``array``, copied when broadcasting made its elements share memory."""
        shared = any(n > 1 and s == 0 for n, s in zip(array.shape, array.stride(), strict=True))
        return array.clone() if shared else array

    def memory(self, array: Any) -> Any:
        """The address of the storage."""
        return array.untyped_storage().data_ptr() or id(array)

    def held(self, array: Any) -> int:
        """The bytes of the storage."""
        return array.untyped_storage().nbytes()

    def copy(self, x, /):
        """``x`` in memory of its own."""
        return x.clone()

    def cast(self, x, /, *, dtype):
        """``x`` with another dtype."""
        return x.to(dtype)

    def astype(self, x, /, dtype, *, copy=True, device=None):
        """``x`` with another dtype."""
        return x.to(dtype)

    def getitem(self, x, /, *, key):
        """``x[key]``; torch has no negative steps, and orders axes differently where ints and arrays are apart."""
        view, steps = self._forward_steps(x, key)
        return super().getitem(x, key=key) if steps is None else view[steps]

    def scatter_add(self, x, /, *, key, shape):
        """Zeros of ``shape`` with ``x`` added at ``key``; a place named twice receives both."""
        out = self.torch.zeros(shape, dtype=x.dtype, device=x.device)
        view, steps = self._forward_steps(out, key)
        if steps is None or view is not out:
            return super().scatter_add(x, key=key, shape=shape)
        if is_basic(steps):
            out[steps] = x
        else:
            index = self.torch.arange(math.prod(shape), device=x.device).reshape(shape)[steps]
            out.reshape(-1).index_add_(0, index.reshape(-1), x.broadcast_to(index.shape).reshape(-1))
        return out

    def add_at(self, total, x, /, *, key):
        """``total`` with ``x`` added at ``key``; in place where each place is named once."""
        view, steps = self._forward_steps(total, key)
        if steps is None or view is not total or not is_basic(steps) or x.dtype != total.dtype:
            return super().add_at(total, x, key=key)
        total[steps] += x
        return total

    def setitem(self, x, value, /, *, key):
        """``x`` with ``value`` at ``key``, in new memory."""
        view, steps = self._forward_steps(x, key)
        ordered = all(not hasattr(k, "shape") or k.dtype == self.torch.bool for k in key)
        if steps is None or view is not x or not ordered:  # torch leaves the order of equal indices open
            return super().setitem(x, value, key=key)
        out = x.clone()
        out[steps] = value.to(x.dtype) if hasattr(value, "dtype") else value
        return out

    def _forward_steps(self, x: Any, key: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...] | None]:
        """The array flipped along axes of negative steps and the key with positive ones; None for torch's own ways."""
        known = (self.torch.bool, self.torch.int64)  # torch takes bytes for a mask
        key = tuple(k.to(self.torch.int64) if hasattr(k, "dtype") and k.dtype not in known else k for k in key)
        arrays = any(hasattr(k, "shape") for k in key)
        negative = any(isinstance(k, slice) and (k.step or 1) < 0 for k in key)
        if any(isinstance(k, bool) for k in key) or (arrays and (negative or any(isinstance(k, int) for k in key))):
            return x, None
        if not negative:
            return x, key
        taken = sum(k is not None and k is not Ellipsis for k in key)
        axis, flips, steps = 0, [], []
        for k in key:
            if k is Ellipsis:
                axis += x.ndim - taken
            elif k is not None:
                if isinstance(k, slice) and (k.step or 1) < 0:
                    n = x.shape[axis]
                    start, stop, step = k.indices(n)
                    flips.append(axis)
                    k = slice(n - 1 - start, n - 1 - stop, -step)
                axis += 1
            steps.append(k)
        return self.torch.flip(x, flips), tuple(steps)

    def _index(self, positions: np.ndarray, like: Any) -> Any:
        return self.torch.from_numpy(np.array(positions, dtype=np.int64)).to(like.device)

    def take_along_axis(self, x, indices, /, *, axis=-1):
        """Elements of ``x`` at ``indices`` along ``axis``, the other axes broadcast."""
        return self.torch.take_along_dim(x, indices.to(self.torch.int64), dim=axis)

    def flip(self, x, /, *, axis=None):
        """The order of elements reversed along ``axis``."""
        return self.torch.flip(x, normalise_axes(axis, x.ndim))

    def where(self, condition, x1, x2, /):
        """``x1`` where the condition holds, else ``x2``; a Python number takes the other's dtype."""
        like = x1 if hasattr(x1, "dtype") else x2
        if hasattr(like, "dtype"):
            x1, x2 = (v if hasattr(v, "dtype") else self.torch.full_like(like, v) for v in (x1, x2))
            if x1.ndim == 0 or x2.ndim == 0:
                dtype = self.torch.promote_types(x1.dtype, x2.dtype)
                x1, x2 = x1.to(dtype), x2.to(dtype)
        return self.torch.where(condition, x1, x2)

    def cross_correlation(self, x, w, /, *, stride, padding, dilation, groups, spacing):
        """PyTorch's own over one to three axes; the zeros around and between are put in before."""
        n = x.ndim - 2
        if n > 3 or not x.dtype.is_floating_point or 0 in (*x.shape, *w.shape):
            return composites["cross_correlation"](
                self, x, w, stride=stride, padding=padding, dilation=dilation, groups=groups, spacing=spacing
            )
        own = getattr(self.torch.nn.functional, f"conv{n}d")
        return own(spread(self, x, padding, spacing), w, stride=stride, dilation=dilation, groups=groups)

    def rounded(self, x, precision, /):
        """By torch's own types."""
        return x.to(getattr(self.torch, precision)).to(x.dtype)

    # torch has no arithmetic on unsigned integers of 16 bits and more: it is done in int64, right up to 2**63

    def _unsigned(self, dtype: Any) -> bool:
        return str(dtype).startswith("torch.uint")

    def floor_divide(self, x1, x2, /):
        """Quotient rounded down."""
        dtype = getattr(x1, "dtype", None) if hasattr(x1, "dtype") else x2.dtype
        if not self._unsigned(dtype):
            return super().floor_divide(x1, x2)
        x1, x2 = (v.to(self.torch.int64) if hasattr(v, "dtype") else v for v in (x1, x2))
        return self.torch.floor_divide(x1, x2).to(dtype)

    def _accumulated(self, function: str, x, options):
        narrow = self._unsigned(x.dtype)
        if narrow and options.get("dtype") is None:
            options["dtype"] = self.torch.uint64
        wanted = options.get("dtype")
        if narrow or (wanted is not None and self._unsigned(wanted)):
            x, options["dtype"] = x.to(self.torch.int64), self.torch.int64
            return getattr(self.library, function)(x, **options).to(wanted)
        return getattr(self.library, function)(x, **options)

    def sum(self, x, /, **options):
        """Sum; of unsigned integers in uint64."""
        return self._accumulated("sum", x, options)

    def prod(self, x, /, **options):
        """Product; of unsigned integers in uint64."""
        return self._accumulated("prod", x, options)

    def cumulative_sum(self, x, /, **options):
        """Running sum; of unsigned integers in uint64."""
        return self._accumulated("cumulative_sum", x, options)

    def cumulative_prod(self, x, /, **options):
        """Running product; of unsigned integers in uint64."""
        return self._accumulated("cumulative_prod", x, options)

    def remainder(self, x1, x2, /):
        """Remainder; a zero has the sign of the divisor."""
        return self.signed_zero(self.library.remainder(x1, x2), x2)

    def _correction(self, function: str, x, axis, correction, keepdims):
        if correction != int(correction):  # torch takes whole numbers only
            count = math.prod(x.shape[a] for a in normalise_axes(axis, x.ndim))
            mean = self.library.mean(x, axis=axis, keepdims=True)
            out = self.library.sum((x - mean).abs() ** 2, axis=axis, keepdims=keepdims) / (count - correction)
            return out.sqrt() if function == "std" else out
        return getattr(self.library, function)(x, axis=axis, correction=int(correction), keepdims=keepdims)

    def var(self, x, /, *, axis=None, correction=0.0, keepdims=False):
        """Mean squared distance from the mean."""
        return self._correction("var", x, axis, correction, keepdims)

    def std(self, x, /, *, axis=None, correction=0.0, keepdims=False):
        """Square root of the variance."""
        return self._correction("std", x, axis, correction, keepdims)


def load() -> Torch:
    """The backend; DeviceError when PyTorch is not installed."""
    try:
        import torch
    except ImportError as error:
        raise DeviceError(
            f"device: PyTorch cannot be imported; got {error}. Install it with: pip install torch."
        ) from None
    import array_api_compat.torch as library

    return Torch("torch", library, torch)
