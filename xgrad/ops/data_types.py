"""Data types: casting, promotion, and where an array lives.

Gradients are cast back to the dtype, and moved back to the device, of what they belong to.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import SCALARS, as_dtype
from ..backends import Device
from ..core import primitive
from ..registry import register
from ..tensor import Tensor


@primitive(arrays=1, promote=())
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


@primitive(vjp=lambda xp, out, x: lambda ct: ct)
def copy(x, /):
    """``x`` in memory of its own, recorded."""


copy_ = copy  # astype has an argument of that name


@primitive
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
    return value.dtype if hasattr(value, "shape") else as_dtype(value)


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
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ValueError(f"isdtype: unknown kind; got {kind!r}. Use one of {', '.join(_KINDS)}.")
        return as_dtype(dtype).kind in _KINDS[kind]
    return as_dtype(dtype) == as_dtype(kind)


for _function in (astype, device, result_type, can_cast, isdtype):
    register(_function)
