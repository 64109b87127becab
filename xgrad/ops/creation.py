"""Creation functions.

Their results are constants unless ``requires_grad=True``.  Without an array argument and without ``device=`` they live
on the default device *uncommitted*: they follow the first committed array they meet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import SCALARS, as_dtype, canonical_one, settings
from ..backends import Device, borrowed, device_of, get, host, namespace_of, parse_device
from ..core import composite, primitive
from ..errors import kind
from ..registry import functions, register
from ..reverse import UNCOMMITTED
from ..tensor import Tensor, constant, leaf


def set_default_device(device: Any) -> Device:
    """Choose where arrays are created when nothing else says where; returns the Device.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.set_default_device("cpu")
    Device('cpu')
    """
    settings.device = parse_device(device)
    return settings.device


def _finished(value: Any, loose: bool, requires_grad: bool) -> Tensor:
    node = leaf(value, 0) if requires_grad else UNCOMMITTED if loose else None
    return constant(value, node)


def asarray(obj: Any, /, *, dtype=None, device=None, copy=None, requires_grad=False) -> Tensor:
    """A Tensor from a Tensor, an array of any library, a scalar or a nested list.

    A Tensor is returned as it is, its graph included, when nothing changes and ``copy`` is not True.
    """
    if isinstance(obj, Tensor):
        return _converted(obj, dtype, device, copy, requires_grad)
    plain = type(obj) is np.ndarray and dtype is device is None and not copy
    if plain and settings.device.backend == host().name and obj.dtype.kind in "biufc":  # the usual case, short
        return _finished(obj, True, requires_grad)
    target = None if device is None else parse_device(device)
    dtype = None if dtype is None else as_dtype(dtype)
    if isinstance(obj, np.ndarray):
        obj = _host_array(obj)
    owner = None if isinstance(obj, np.generic) else namespace_of(obj)
    loose = target is None and (owner is None or isinstance(obj, np.ndarray))
    if owner is None:
        obj = _host_array(obj, dtype)
        owner = host()
        if copy is False:
            raise ValueError("asarray: copy=False, but Python data must be copied. Pass copy=None.")
        if obj.dtype.kind in "fc":
            dtype = dtype or _default(obj.dtype, target)
    here = owner.device_of(obj)
    place = target or (settings.device if loose else Device(owner.name, here))
    raw = owner.as_array(obj)
    changes = (owner.name, here) != (place.backend, place.place)
    changes = changes or (dtype is not None and owner.numpy_dtype(raw.dtype) != dtype)
    if changes and copy is False:
        raise ValueError("asarray: copy=False, but the dtype or device changes. Pass copy=None.")
    if dtype is not None and owner.numpy_dtype(raw.dtype) != dtype:
        raw = owner.astype(raw, owner.raw_dtype(dtype))
    if owner.name != place.backend:
        raw = get(place.backend).from_numpy(owner.to_numpy(raw), place.place)
    elif here != place.place:
        raw = owner.to_place(raw, place.place)
    if copy and raw is obj:
        raw = owner.copy(raw)
    return _finished(raw, loose, requires_grad)


def _host_array(obj: Any, dtype: np.dtype | None = None) -> np.ndarray:
    if _holds_tracked(obj):
        raise TypeError("asarray: a list of Tensors is not an array. Use xgrad.stack to join them, recorded.")
    try:
        array = np.asarray(obj)
    except ValueError:
        raise ValueError("asarray: the nested lists differ in length, so they have no shape. Pad them first.") from None
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"asarray: expected numbers; got {kind(obj)}. Give an array, a number or nested lists of numbers."
        )
    if dtype is not None and dtype.kind == "u" and array.dtype.kind == "f":  # ints beyond int64 among others
        return np.asarray(obj, dtype=dtype)
    return array


def _holds_tracked(obj: Any) -> bool:
    if isinstance(obj, list | tuple):
        return any(map(_holds_tracked, obj))
    return isinstance(obj, Tensor) and obj.requires_grad


def _converted(x: Tensor, dtype: Any, device: Any, copy: bool | None, requires_grad: bool) -> Tensor:
    out = x
    if dtype is not None and as_dtype(dtype) != x.dtype:
        out = functions.astype(out, dtype)
    if device is not None and parse_device(device) != x.device:
        out = functions.to_device(out, target=parse_device(device))
    if device is not None and out.node is UNCOMMITTED:
        out = constant(out.value)  # naming the device commits it
    if copy is False and out.value is not x.value:
        raise ValueError("asarray: copy=False, but the dtype or device changes. Pass copy=None.")
    if copy and out.value is x.value:
        out = functions.copy(out)
    return constant(out.value, leaf(out.value, 0)) if requires_grad and not out.requires_grad else out


register(asarray)


def from_dlpack(x: Any, /, *, device=None, copy=None) -> Tensor:
    """A Tensor on the memory of an array of any library that speaks DLPack; a tracked Tensor raises."""
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"from_dlpack: x must have a __dlpack__ method; got {kind(x)}. Use asarray for lists.")
    raw = x._raw("from_dlpack") if isinstance(x, Tensor) else borrowed(x)
    return asarray(constant(raw), device=device or device_of(raw), copy=copy)


register(from_dlpack)


def _default(dtype: Any, device: Any) -> np.dtype:
    """What stands on a device for a dtype that the caller did not name: JAX may have no 64 bits."""
    target = settings.device if device is None else parse_device(device)
    return get(target.backend).available(np.dtype(dtype))


def _created(name: str, shape: Any, dtype: Any, device: Any, requires_grad: bool, *values: Any) -> Tensor:
    """Run a creation function of the library that the device belongs to."""
    target = settings.device if device is None else parse_device(device)
    xp = get(target.backend)
    raw_dtype = xp.raw_dtype(as_dtype(dtype))
    function = getattr(xp.library, name)
    options = {"dtype": raw_dtype, "device": xp.raw_device(target.place)}
    if shape is not None:
        shape = canonical_one(name, "shape", shape)
        if min(shape, default=0) < 0:
            raise ValueError(f"{name}: shape must hold no negative extent; got {shape}.")
        values = (shape, *values)
    try:
        with xp.on(target.place):
            raw = function(*values, **options)
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"{name}: {str(error).rstrip('.')}; got {values}.") from None
    return _finished(xp.as_array(raw), device is None, requires_grad)


def _number(value: Any) -> Any:
    """A fill value or bound as a Python number, from a NumPy scalar or a 0-d array too."""
    if type(value) in SCALARS:
        return value
    return value.item() if hasattr(value, "item") else value


def zeros(shape, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Zeros of a shape."""
    return _created("zeros", shape, dtype or _default(float, device), device, requires_grad)


def ones(shape, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Ones of a shape."""
    return _created("ones", shape, dtype or _default(float, device), device, requires_grad)


def empty(shape, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Memory of a shape with any content."""
    return _created("empty", shape, dtype or _default(float, device), device, requires_grad)


def full(shape, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A shape filled with one value; a tracked Tensor as the value is broadcast, recorded."""
    if isinstance(fill_value, Tensor):
        filled = functions.broadcast_to(fill_value, shape)
        return filled if dtype is None else functions.astype(filled, dtype)
    value = _number(fill_value)
    dtype = dtype or _default(np.asarray(value).dtype, device)
    return _created("full", shape, dtype, device, requires_grad, value)


def arange(start, /, stop=None, step=1, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Evenly spaced numbers from ``start`` up to, not including, ``stop``."""
    if not _number(step):
        raise ValueError("arange: step must not be zero; got 0.")
    bounds = [_number(v) for v in ((0, start) if stop is None else (start, stop))]
    common = np.result_type(*(np.asarray(v).dtype for v in (*bounds, _number(step))))
    dtype = dtype or _default(common, device)
    return _created("arange", None, dtype, device, requires_grad, *bounds, _number(step))


def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True, requires_grad=False) -> Tensor:
    """``num`` evenly spaced numbers from ``start`` to ``stop``; recorded when a bound is a tracked Tensor."""
    if any(isinstance(v, Tensor) and v.requires_grad for v in (start, stop)):
        where = next(v.device for v in (start, stop) if isinstance(v, Tensor))
        share = linspace(0.0, 1.0, num, dtype=dtype, device=device or where, endpoint=endpoint)
        return start * (1.0 - share) + stop * share
    bounds = _number(start), _number(stop)
    dtype = dtype or _default(complex if complex in map(type, bounds) else float, device)
    target = settings.device if device is None else parse_device(device)
    xp = get(target.backend)
    options = {"dtype": xp.raw_dtype(as_dtype(dtype)), "device": xp.raw_device(target.place), "endpoint": endpoint}
    with xp.on(target.place):
        return _finished(xp.library.linspace(*bounds, int(num), **options), device is None, requires_grad)


def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Ones on the k-th diagonal of a matrix of zeros."""
    rows, cols = int(n_rows), int(n_rows if n_cols is None else n_cols)
    square = np.eye(rows, cols, k=int(k), dtype=as_dtype(dtype or _default(float, device)))
    return asarray(square, device=device, requires_grad=requires_grad)


@primitive(arrays=1, zero=True)
def full_like(x, /, fill_value, *, dtype=None, device=None):
    """A constant of the shape of ``x``, and of its dtype and device unless told otherwise."""


@primitive(zero=True)
def zeros_like(x, /, *, dtype=None, device=None):
    """Zeros of the shape of ``x``, and of its dtype and device unless told otherwise."""


@primitive(zero=True)
def ones_like(x, /, *, dtype=None, device=None):
    """Ones of the shape of ``x``, and of its dtype and device unless told otherwise."""


@primitive(zero=True)
def empty_like(x, /, *, dtype=None, device=None):
    """Memory of the shape of ``x`` with any content."""


@primitive(vjp=lambda xp, out, x, k=0: lambda ct: xp.tril(ct, k=k), linear=True)
def tril(x, /, *, k=0):
    """The lower triangle of matrices, up to the k-th diagonal."""


@primitive(vjp=lambda xp, out, x, k=0: lambda ct: xp.triu(ct, k=k), linear=True)
def triu(x, /, *, k=0):
    """The upper triangle of matrices, from the k-th diagonal."""


@composite
def meshgrid(xp, *arrays, indexing="xy"):
    """Coordinate arrays of a grid, one per one-dimensional array."""
    n = len(arrays)
    order = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    shaped = [xp.reshape(a, tuple(-1 if i == order[j] else 1 for i in range(n))) for j, a in enumerate(arrays)]
    return xp.broadcast_arrays(*shaped)


for _function in (zeros, ones, empty, full, arange, linspace, eye):
    register(_function)
