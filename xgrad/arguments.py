"""Arguments before a backend sees them: canonical metadata, and arrays settled on one library, device and dtype."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .axes import as_axis, as_shape, complete_key
from .backends import Device, namespace_of, parse_device
from .backends.generic import Generic
from .errors import DeviceError, not_an_array

SCALARS = frozenset((int, float, complex, bool))  # by type: np.float64 *is* a float, and is handled apart


class _Settings:
    """What the whole process shares."""

    device = Device("numpy", "cpu")  # where arrays are created when nothing else says where


settings = _Settings()


def strip(value: Any) -> Any:
    """The raw array inside a Tensor of any level; anything else unchanged."""
    while hasattr(value, "node"):
        value = value.value
    return value


@functools.lru_cache(256)
def _known_dtype(dtype: Any) -> np.dtype:
    name = str(dtype).rpartition(".")[2]  # torch.float32, array_api_strict.float32: the name after the last dot
    return np.dtype(dtype) if isinstance(dtype, type | str) else np.dtype(name)


def as_dtype(dtype: Any) -> np.dtype:
    """NumPy's dtype for a dtype, a name, a Python type or another library's dtype."""
    if isinstance(dtype, np.dtype) and dtype.kind in "biufc":
        return dtype
    try:
        known = _known_dtype(dtype)
    except TypeError:
        known = None
    if known is None or known.kind not in "biufc":
        raise TypeError(f"dtype: not a dtype of numbers; got {dtype!r}. Use xgrad.float32, 'float32' or float.")
    return known


def _dtype(dtype: Any) -> np.dtype | None:
    return None if dtype is None else as_dtype(dtype)


def _device(device: Any) -> Device | None:
    return None if device is None else parse_device(device)


_CANONICAL: dict[str, Callable[[Any], Any]] = {
    "axis": as_axis,
    "axes": as_shape,
    "shape": as_shape,
    "shift": as_axis,
    "dtype": _dtype,
    "device": _device,
}


def canonical(function: str, params: dict[str, Any]) -> dict[str, Any]:
    """Metadata by keyword with shapes and axes as Python ints, dtypes as NumPy's, devices as Devices."""
    if _CANONICAL.keys().isdisjoint(params):
        return params
    try:
        return {name: _CANONICAL[name](v) if name in _CANONICAL else v for name, v in params.items()}
    except TypeError:  # again, for a message that says which one it was
        return {name: canonical_one(function, name, v) if name in _CANONICAL else v for name, v in params.items()}


def canonical_one(function: str, name: str, value: Any) -> Any:
    """One piece of metadata in canonical form; the error names the function and the argument."""
    try:
        return _CANONICAL[name](value)
    except TypeError as error:
        if name in ("dtype", "device"):
            raise
        raise TypeError(f"{function}: {name} must be an int or several; got {value!r}: {error}.") from None


_DATA = (list, np.generic, np.ndarray)


def index_key(key: Any, ndim: int) -> tuple[Any, ...]:
    """An index of an array of ``ndim`` axes as a complete key, its lists as integer or boolean arrays."""
    items = key if isinstance(key, tuple) else (key,)
    for k in items:
        if isinstance(k, _DATA):
            items = tuple(_index_array(k) if isinstance(k, _DATA) else k for k in items)
            break
    try:
        return complete_key(items, ndim)
    except TypeError as error:
        raise TypeError(
            f"getitem: an index must hold ints, slices, None, ..., or arrays of ints or booleans; got {key!r}: {error}."
        ) from None


def _index_array(index: Any) -> Any:
    array = np.array(index)  # a copy: the pullback must see the index as it was
    if not array.size and isinstance(index, list):
        array = array.astype(np.int64)
    return array if array.ndim or array.dtype == np.bool_ else int(array)


_BASIC = frozenset((int, slice, type(None), type(Ellipsis), bool))
_LOCAL = frozenset(("dtype", "device", "key", "rtol", "sorter"))


def localise(xp: Generic, params: dict[str, Any], like: Any) -> dict[str, Any]:
    """Canonical metadata in the words of one library: its dtypes, its devices, its arrays inside a key."""
    if _LOCAL.isdisjoint(params):
        return params
    if len(params) == 1 and "key" in params and _BASIC.issuperset(map(type, params["key"])):
        return params
    local = dict(params)
    if local.get("dtype") is not None:
        local["dtype"] = xp.raw_dtype(local["dtype"])
    if local.get("device") is not None:
        local["device"] = xp.raw_device(local["device"].place)
    for name in ("rtol", "sorter"):
        if getattr(local.get(name), "shape", None) is not None:
            local[name] = _local_index(xp, local[name], like)
    if "key" in local:
        local["key"] = tuple(k if type(k) in _BASIC else _local_index(xp, k, like) for k in local["key"])
    return local


def _local_index(xp: Generic, index: Any, like: Any) -> Any:
    index = strip(index)
    owner = namespace_of(index)
    if owner is xp:
        return index
    return xp.index_array(owner.to_numpy(index), like)


def settle(
    function: str,
    names: tuple[str, ...],
    values: list[Any],
    loose: list[bool],
    promote: tuple[int, ...],
    optional: bool = False,
):
    """Operands of one call on one library and device, and of one dtype where the library does not promote by itself.

    Parameters
    ----------
    function, names
        For messages: the function and its arguments.
    values
        Raw arrays and Python scalars.
    loose
        Which values are uncommitted and follow the device of the others.
    promote
        Positions that share a result dtype.
    optional
        Whether None stands for an array that is not given.

    Returns
    -------
    tuple
        The backend and the list of operands.
    """
    if all(type(v) in SCALARS for v in values):
        values = [np.asarray(values[0]), *values[1:]]
    owners: list[Generic | None] = [None if type(v) in SCALARS or v is None else namespace_of(v) for v in values]
    for name, value, owner in zip(names, values, owners, strict=True):
        if owner is None and type(value) not in SCALARS and not (optional and value is None):
            raise not_an_array(function, name, value)
    target: tuple[Generic, str] | None = None
    first = ""
    for committed in (True, False):
        for name, value, owner, free in zip(names, values, owners, loose, strict=True):
            if owner is None or free is committed:
                continue
            place = owner.device_of(value)
            if target is None:
                target, first = (owner, place), name
            elif committed and not (owner is target[0] and owner.joins(place, target[1])):
                here, there = Device(target[0].name, target[1]), Device(owner.name, place)
                raise DeviceError(
                    f"{function}: {first} and {name} are on different devices; got {here} and {there}. "
                    "Move one with x.to(device)."
                )
    if target is None:
        raise not_an_array(function, names[0], values[0])
    xp, place = target
    settled = [
        v
        if owner is None or (owner is xp and owner.joins(owner.device_of(v), place))
        else xp.from_numpy(owner.to_numpy(v), place)
        for v, owner in zip(values, owners, strict=True)
    ]
    if promote and not xp.promotes:
        settled = _promoted(xp, settled, promote, place)
    return xp, settled


def smooth(xp: Generic, values: list[Any], promote: tuple[int, ...]) -> list[Any]:
    """Operands with integers as float64, as NumPy's promotion has them, for libraries that do not promote."""
    return [
        xp.astype(v, xp.raw_dtype(xp.available(np.dtype(np.float64))))
        if i in promote and hasattr(v, "shape") and xp.numpy_dtype(v.dtype).kind in "iu"
        else v
        for i, v in enumerate(values)
    ]


def _promoted(xp: Generic, values: list[Any], promote: tuple[int, ...], place: str) -> list[Any]:
    chosen = [values[i] for i in promote if values[i] is not None]
    dtypes = [v if type(v) in SCALARS else xp.numpy_dtype(v.dtype) for v in chosen]
    result = xp.available(np.result_type(*dtypes))
    out = list(values)
    if all(type(v) in SCALARS for v in chosen):  # where(condition, 1.0, 0.0)
        out[promote[0]] = xp.from_numpy(np.asarray(chosen[0], dtype=result), place)
    for i in promote:
        value = out[i]
        if value is not None and type(value) not in SCALARS and xp.numpy_dtype(value.dtype) != result:
            out[i] = xp.astype(value, xp.raw_dtype(result))
    return out
