"""Data types: casting, promotion, and where an array lives.

Gradients are cast back to the dtype, and moved back to the device, of what they belong to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import SCALARS, as_dtype
from ..backends import Device
from ..core import primitive
from ..registry import register
from ..tensor import Tensor


@primitive(arrays=1, diagonal=True, promote=())
def cast(x, /, *, dtype):
    """``x`` with another dtype; to integers or booleans the derivative is zero."""


@cast.vjp
def cast_vjp(xp, out, x, *, dtype):
    smooth = xp.isdtype(out.dtype, ("real floating", "complex floating")) or not xp.isdtype(
        x.dtype, ("real floating", "complex floating")
    )
    return (lambda ct: ct) if smooth and not xp.isdtype(out.dtype, "bool") else (None,)


def astype(x, dtype, /, *, copy=True, device=None):
    """``x`` with another dtype; ``copy=False`` returns ``x`` itself when nothing changes."""
    dtype = as_dtype(dtype)
    if x.dtype.kind == "c" and dtype.kind != "c":
        raise TypeError(f"astype: complex cannot become real; got {x.dtype} for {dtype}. Use xgrad.real or xgrad.abs.")
    if x.dtype != dtype:
        x = cast(x, dtype=dtype)
    elif copy:
        x = copy_(x)
    return x if device is None else x.to(device)


@primitive(vjp=lambda xp, out, x: lambda ct: ct, diagonal=True)
def copy(x, /):
    """``x`` in memory of its own, recorded."""


copy_ = copy  # astype has an argument of that name


@primitive(linear=True)
def to_device(x, /, *, target):
    """``x`` on the Device ``target``, recorded."""


@to_device.vjp
def to_device_vjp(xp, out, x, *, target):
    home = xp.device(x)
    return lambda ct: xp.to_device(ct, target=home)


def device(x: Tensor, /) -> Device:
    """The Device of a Tensor."""
    return x.device


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype that an operation on these arrays, dtypes and Python scalars gives."""
    return np.result_type(*(_promotable(v) for v in arrays_and_dtypes))


def _promotable(value: Any) -> Any:
    if type(value) in SCALARS:
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, type | np.dtype) or not hasattr(value, "shape"):  # NumPy's dtypes have a shape too
        return as_dtype(value)
    return as_dtype(value.dtype)


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether a dtype, or the dtype of an array, can be cast to another by the promotion rules."""
    return bool(np.can_cast(_promotable(from_), as_dtype(to)))


_KINDS: dict[str, str] = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether ``dtype`` is of a kind such as ``"real floating"``, equals a dtype, or is one of several."""
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ValueError(f"isdtype: unknown kind; got {kind!r}. Use one of {', '.join(_KINDS)}.")
        return as_dtype(dtype).kind in _KINDS[kind]
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    return as_dtype(dtype) == as_dtype(kind)


@dataclass(frozen=True)
class FloatInfo:
    """What ``finfo`` returns: Python numbers, and the real dtype they belong to."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype


@dataclass(frozen=True)
class IntInfo:
    """What ``iinfo`` returns: Python integers, and the dtype they belong to."""

    bits: int
    max: int
    min: int
    dtype: np.dtype


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a floating-point dtype, or of the dtype of an array; for complex ones those of their parts."""
    dtype = _promotable(type)
    if getattr(dtype, "kind", "") not in ("f", "c"):
        raise ValueError(f"finfo: type must be a floating-point dtype or array; got {dtype}. Use iinfo for integers.")
    found = np.finfo(dtype)
    eps, large, low, tiny = (float(v) for v in (found.eps, found.max, found.min, found.smallest_normal))
    return FloatInfo(int(found.bits), eps, large, low, tiny, np.dtype(found.dtype))


def iinfo(type: Any, /) -> IntInfo:
    """The limits of an integer dtype, or of the dtype of an array."""
    dtype = _promotable(type)
    if getattr(dtype, "kind", "") not in ("i", "u"):
        raise ValueError(f"iinfo: type must be an integer dtype or array; got {dtype}. Use finfo for floats.")
    found = np.iinfo(dtype)
    return IntInfo(int(found.bits), int(found.max), int(found.min), dtype)


for _function in (astype, device, result_type, can_cast, isdtype, finfo, iinfo):
    register(_function)
