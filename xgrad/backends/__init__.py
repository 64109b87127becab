"""Which library holds an array, and which devices there are.

``namespace_of`` answers with a backend: the array library as rules see it.  It is found once per array type and cached.
Nothing heavy is imported before it is asked for, and CUDA is probed at first use, never at ``import xgrad``.
"""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DeviceError
from .generic import Generic

# The first word of a device's name, and the module below this package that speaks for it.
_MODULES = {"cpu": "numpy", "numpy": "numpy", "cuda": "cupy", "cupy": "cupy"}
_MODULES |= {name: name for name in ("torch", "jax", "dask", "strict")}
_BY_NAME: dict[str, Generic] = {}
_BY_TYPE: dict[type, Generic] = {}


@dataclass(frozen=True)
class Device:
    """Where an array lives: the library that holds it, and that library's own name for the place.

    Parameters
    ----------
    backend : str
        ``"numpy"``, ``"cupy"``, ``"torch"``, ``"jax"``, ``"dask"``, ``"strict"``, or the name of another library.
    place : str
        The library's device, such as ``"cpu"`` or ``"cuda:0"``.
    """

    backend: str
    place: str

    def __str__(self) -> str:
        return self.place if self.backend in ("numpy", "cupy", "dask") else f"{self.backend}:{self.place}"

    def __repr__(self) -> str:
        return f"Device({str(self)!r})"

    def copier(self) -> Any:
        """What copies host arrays to this device in the background.

        Returns
        -------
        object or None
            None where nothing does.  Else ``start(arrays)`` begins to copy a list of NumPy arrays, Tensors and arrays
            of other libraries without waiting, and looks at none of them after it has returned; ``finish`` of what it
            gave answers with a list of Tensors, committed to this device, for work that is queued from then on.

        Examples
        --------
        >>> import xgrad as xg
        >>> xg.asarray(1.0, device="cpu").device.copier() is None
        True
        """
        return get(self.backend).copier(self.place)


def get(name: str) -> Generic:
    """The backend called ``name``, loaded at the first call; DeviceError when it cannot be had."""
    backend = _BY_NAME.get(name)
    if backend is None:
        if name not in _MODULES.values():
            raise DeviceError(f"device: there is no backend {name!r}. Use one of {', '.join(_names())}.")
        loaded = importlib.import_module(f".{name}", __name__).load()
        backend = _BY_NAME.setdefault(name, loaded)  # of two threads that load it, the first one's serves both
    return backend


def host() -> Generic:
    """The backend of data in the host's own memory."""
    return get("numpy")


def _names() -> list[str]:
    return ["cpu", "cuda", "cuda:N", "torch:cpu", "torch:cuda:N", "jax:cpu", "jax:cuda:N", "dask", "strict"]


def parse_device(device: Any) -> Device:
    """A Device from its name or from itself; DeviceError when it names none that is usable here."""
    if isinstance(device, Device):
        return device
    if not isinstance(device, str):
        raise TypeError(f"device: expected a name or a Device; got {device!r}. Use one of {', '.join(_names())}.")
    first, _, rest = device.partition(":")
    if first not in _MODULES:
        raise DeviceError(f"device: unknown device; got {device!r}. Use one of {', '.join(_names())}.")
    if first == "cuda" and not re.fullmatch(r"(\d+)?", rest):
        raise DeviceError(f"device: a CUDA device has a number; got {device!r}. Write 'cuda' or 'cuda:0'.")
    backend = get(_MODULES[first])
    place = device if first in ("cpu", "cuda") else rest
    return Device(backend.name, backend.place(place))


def namespace_of(array: Any) -> Any:
    """The backend whose library holds ``array``, or None when it is no array."""
    kind = type(array)
    try:
        return _BY_TYPE[kind]
    except KeyError:
        backend = _find(array)
        if backend is not None:
            _BY_TYPE[kind] = backend
        return backend


def _find(array: Any) -> Generic | None:
    module = type(array).__module__
    root = module.partition(".")[0].removesuffix("lib")  # JAX's arrays come from jaxlib
    if isinstance(array, np.matrix | np.ma.MaskedArray):
        return None  # their operators mean something else: a product of matrices, a mask that travels along
    if isinstance(array, np.ndarray | np.generic):
        return get("numpy")
    if root == "dask" and not module.startswith("dask.array"):
        return None
    if root in ("torch", "cupy", "jax", "dask") and hasattr(array, "dtype") and hasattr(array, "shape"):
        return get(root)
    if root == "array_api_strict":
        return get("strict")
    if hasattr(array, "__array_namespace__") and hasattr(array, "shape") and root != "xgrad":
        if root not in _BY_NAME:
            from array_api_compat import array_namespace

            _BY_NAME.setdefault(root, Generic(root, array_namespace(array)))
        return _BY_NAME[root]
    return None


_device = functools.lru_cache(256)(Device)  # a look in a cache is faster than making one


def device_of(array: Any) -> Device:
    """The Device of a raw array."""
    backend = namespace_of(array)
    return _device(backend.name, backend.device_of(array))


def meet(a: Device, b: Device) -> bool:
    """Whether arrays of the two Devices may meet in one call."""
    return a is b or a == b or (a.backend == b.backend and get(a.backend).joins(a.place, b.place))


def transfer(array: Any, device: Device) -> Any:
    """A raw array of any library on any device; through NumPy where the library changes."""
    owner = namespace_of(array)
    if owner is None:
        raise TypeError(f"transfer: expected an array; got {type(array).__name__}.")
    if owner.name == device.backend:
        return owner.to_place(array, device.place)
    return get(device.backend).from_numpy(owner.to_numpy(array), device.place)


def share(array: Any, device: Device) -> Any:
    """A raw array in another library, on the same memory where DLPack lets both see it, else transferred.

    Memory that must not be written to is copied: not every library heeds that, nor negative strides.
    """
    owner, taker = namespace_of(array), get(device.backend)
    if owner.name != taker.name and owner.lends(array) and taker.has_dtype(owner.numpy_dtype(array.dtype)):
        try:
            taken = taker.library.from_dlpack(array)
        except (BufferError, RuntimeError, TypeError, ValueError):  # other memory, or no DLPack of this dtype
            return transfer(array, device)
        return taker.to_place(taken, device.place)
    return transfer(array, device)


_CUDA = 2  # DLPack's number for the memory of a CUDA device


def borrowed(x: Any) -> Any:
    """A raw array on the memory that ``x`` offers by DLPack; an array of a known library is itself."""
    if namespace_of(x) is not None:
        return x
    owner = get("cupy" if int(x.__dlpack_device__()[0]) == _CUDA else "numpy")
    return owner.library.from_dlpack(x)


def devices() -> dict[str, str | None]:
    """Every device by name: None when it is usable here, else the reason why not.

    Examples
    --------
    >>> import xgrad
    >>> xgrad.devices()["cpu"] is None
    True
    """
    found: dict[str, str | None] = {}
    for prefix in ("cpu", "cuda", "torch", "jax", "dask", "strict"):
        try:
            backend = get(_MODULES[prefix])
            places = backend.places()
        except DeviceError as error:
            found[prefix] = str(error)
            continue
        for place in places:
            found[str(Device(backend.name, place))] = None
    return found
