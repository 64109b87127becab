"""Inspection: what this namespace can do, as the array API standard asks."""

from __future__ import annotations

from typing import Any

from ..arguments import settings
from ..backends import Device, devices, get, parse_device
from ..constants import DTYPES
from ..registry import functions, register


class Info:
    """Capabilities, devices and dtypes of the xgrad namespace.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.__array_namespace_info__().default_device()
    Device('cpu')
    """

    def capabilities(self) -> dict[str, Any]:
        """Optional behaviours; None stands for no limit."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """Where arrays are created when nothing says where."""
        return settings.device

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """The dtypes that creation functions choose, the same on every device."""
        return {
            "real floating": DTYPES["float64"],
            "complex floating": DTYPES["complex128"],
            "integral": DTYPES["int64"],
            "indexing": DTYPES["int64"],
        }

    def devices(self) -> tuple[Device, ...]:
        """All usable devices that hold every dtype: not JAX's while its 64 bits are off."""
        usable = [parse_device(name) for name, problem in devices().items() if problem is None]
        return tuple(d for d in usable if get(d.backend).has_dtype(DTYPES["float64"]))

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """The dtypes of a device by name, of one kind such as ``"integral"`` or of several."""
        backend = get((settings.device if device is None else parse_device(device)).backend)
        return {
            name: dtype
            for name, dtype in DTYPES.items()
            if backend.has_dtype(dtype) and (kind is None or functions.isdtype(dtype, kind))
        }


def __array_namespace_info__() -> Info:
    """What this namespace can do: capabilities, devices and dtypes."""
    return Info()


register(__array_namespace_info__)
