"""array-api-strict: the standard and nothing else, on the CPU; the proof that rules need no more than the standard."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..errors import DeviceError
from .generic import Generic


class Strict(Generic):
    """array-api-strict, with its default device under the name ``cpu``."""

    def places(self) -> list[str]:
        """The library's pretended devices but for those without float64; ``cpu`` is the default one."""
        info = self.library.__array_namespace_info__()
        return [_name(d) for d in info.devices() if "float64" in info.dtypes(device=d)]

    def raw_device(self, place: str) -> Any:
        """The library's device object called ``place``."""
        return self.library.Device("CPU_DEVICE" if place == "cpu" else place)

    def device_of(self, array: Any) -> str:
        """The name of the device that holds ``array``."""
        return _name(array.device)

    def sign(self, x, /):
        """Sign; 0 at a complex zero."""
        return self.zero_safe_sign(x)

    def is_view(self, result: Any, array: Any) -> bool:
        """Whether the two share memory; the arrays inside are NumPy's."""
        return np.may_share_memory(result._array, array._array)

    def var(self, x, /, *, axis=None, correction=0.0, keepdims=False):
        """Mean squared distance from the mean; of complex ``x``, which the standard leaves out, of both its parts."""
        if not self.isdtype(x.dtype, "complex floating"):
            return self.library.var(x, axis=axis, correction=correction, keepdims=keepdims)
        parts = [self.var(p, axis=axis, correction=correction, keepdims=keepdims) for p in (self.real(x), self.imag(x))]
        return parts[0] + parts[1]

    def std(self, x, /, *, axis=None, correction=0.0, keepdims=False):
        """Square root of the variance."""
        return self.sqrt(self.var(x, axis=axis, correction=correction, keepdims=keepdims))

    def to_numpy(self, array: Any) -> np.ndarray:
        """The elements as a NumPy array."""
        cpu = array if self.device_of(array) == "cpu" else array.to_device(self.library.Device("CPU_DEVICE"))
        return np.asarray(cpu)

    def sum(self, x, /, *, axis=None, dtype=None, keepdims=False):
        """Sum over ``axis``; truths, which the standard does not add, count as 0 and 1."""
        x = self.library.astype(x, self.library.int64) if x.dtype == self.library.bool else x
        return self.library.sum(x, axis=axis, dtype=dtype, keepdims=keepdims)


def _name(device: Any) -> str:
    name = re.sub(r".*'(.*)'.*", r"\1", str(device))
    return "cpu" if name == "CPU_DEVICE" else name


def load() -> Strict:
    """The backend; DeviceError when the library is not installed."""
    try:
        import array_api_strict
    except ImportError as error:
        raise DeviceError(
            f"device: array-api-strict cannot be imported; got {error}. Install it with: pip install array-api-strict."
        ) from None
    return Strict("strict", array_api_strict)
