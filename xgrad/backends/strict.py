"""array-api-strict: the standard and nothing else, on the CPU; the proof that rules need no more than the standard."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DeviceError
from .generic import Generic


class Strict(Generic):
    """array-api-strict, with its default device under the name ``cpu``."""

    def places(self) -> list[str]:
        """The library's pretended devices; ``cpu`` is the default one."""
        return ["cpu", *(str(d) for d in self.library.__array_namespace_info__().devices() if "CPU" not in str(d))]

    def raw_device(self, place: str) -> Any:
        """The library's device object called ``place``."""
        return self.library.Device("CPU_DEVICE" if place == "cpu" else place)

    def device_of(self, array: Any) -> str:
        """The name of the device that holds ``array``."""
        name = str(array.device)
        return "cpu" if "CPU" in name else name.removeprefix("array_api_strict.Device('").removesuffix("')")

    def to_numpy(self, array: Any) -> np.ndarray:
        """The elements as a NumPy array."""
        cpu = array if self.device_of(array) == "cpu" else array.to_device(self.library.Device("CPU_DEVICE"))
        return np.asarray(cpu)


def load() -> Strict:
    """The backend; DeviceError when the library is not installed."""
    try:
        import array_api_strict
    except ImportError as error:
        raise DeviceError(
            f"device: array-api-strict cannot be imported; got {error}. Install it with: pip install array-api-strict."
        ) from None
    return Strict("strict", array_api_strict)
