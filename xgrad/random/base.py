"""What every distribution needs: shapes, dtypes, parameters, and standard draws as constants on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import as_dtype, canonical_one, strip
from ..backends import Device, transfer
from ..backends.source import Source
from ..errors import DeviceError, kind
from ..registry import functions
from ..reverse import UNCOMMITTED
from ..tensor import Tensor, constant

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

# What a parameter must be: a test of its values, the words for it, and advice.
FINITE = (np.isfinite, "be finite", "Give a finite number.")
POSITIVE = (lambda v: v > 0, "be above 0", "Give a number above 0.")
NOT_NEGATIVE = (lambda v: v >= 0, "not be negative", "Give a number of 0 or more.")
PROBABILITY = (lambda v: (v >= 0) & (v <= 1), "lie between 0 and 1", "Give a probability.")


class Draws:
    """A source of random numbers on a device, and the helpers of the distributions."""

    _source: Source
    _device: Device
    _committed: bool

    # Standard draws -------------------------------------------------------------------------------------------------

    def _constant(self, raw: Any, *parameters: Any) -> Tensor:
        """Drawn numbers as a constant: where the generator is committed to, else where a parameter is."""
        if self._committed:
            return constant(raw)
        for value in parameters:
            if isinstance(value, Tensor) and value.node is not UNCOMMITTED:
                return constant(transfer(raw, value.device))
        return constant(raw, UNCOMMITTED)

    def _uniform(self, shape: tuple[int, ...], dtype: Any = np.float64) -> Tensor:
        return self._constant(self._source.random(shape, np.dtype(dtype)))

    def _normal(self, shape: tuple[int, ...], dtype: Any = np.float64) -> Tensor:
        return self._constant(self._source.normal(shape, np.dtype(dtype)))

    def _exponential(self, shape: tuple[int, ...], dtype: Any = np.float64) -> Tensor:
        return self._constant(self._source.exponential(shape, np.dtype(dtype)))

    def _log_exponential(self, shape: tuple[int, ...]) -> Tensor:
        """The logarithm of an exponential, in float64: in float32 one draw in ten million is 0."""
        return functions.log(functions.maximum(self._exponential(shape), 2.0**-60))

    # Parameters -----------------------------------------------------------------------------------------------------

    def _parameters(
        self, function: str, size: Any, dtype: Any, core: int = 0, **given: Any
    ) -> tuple[tuple[int, ...], np.dtype, list[Any]]:
        """The shape and dtype of a floating result, and its parameters of that dtype, as numbers or Tensors.

        ``core`` counts the last axes of the parameters that are no part of ``size``.
        """
        values = {name: self._parameter(function, name, value) for name, value in given.items()}
        arrays = [v for v in values.values() if isinstance(v, Tensor)]
        if dtype is None:
            floating = [v.dtype for v in arrays if v.dtype.kind == "f"]
            dtype = np.result_type(*floating) if floating else np.dtype(np.float64)
        dtype = floating_dtype(function, dtype)
        shape = result_shape(function, size, {n: _batch(v, core) for n, v in values.items()})
        cast = [
            functions.astype(v, dtype) if isinstance(v, Tensor) and v.dtype != dtype else v for v in values.values()
        ]
        return shape, dtype, cast

    def _parameter(self, function: str, name: str, value: Any) -> Any:
        """A parameter as a Python number or a real Tensor, on the generator's device if that is a committed one."""
        value = value.item() if isinstance(value, np.generic) else value
        if type(value) in (int, float):
            return value
        if isinstance(value, str | bool | complex) or value is None:
            raise TypeError(f"{function}: {name} must be real; got {value!r}. Give a number or an array of numbers.")
        array = functions.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError(
                f"{function}: {name} must be real; got {kind(array)}. Give a number or an array of numbers."
            )
        if self._committed and array.node is not UNCOMMITTED and array.device != self._device:
            raise DeviceError(
                f"{function}: the generator and {name} are on different devices; got {self._device} and "
                f"{array.device}. Move the parameter with x.to(device), or make a generator there."
            )
        return array

    def _raw(self, value: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        """The values of a parameter as a raw array on the generator's device, broadcast."""
        xp = self._source.xp
        raw = transfer(strip(value) if isinstance(value, Tensor) else np.asarray(value), self._device)
        return xp.broadcast_to(xp.astype(raw, xp.raw_dtype(np.dtype(dtype))), shape)

    def _require(self, function: str, rule: tuple[Callable[[Any], Any], str, str], **given: Any) -> None:
        """Raise unless every parameter holds; those on an accelerator are not looked at, since that would wait."""
        holds, words, advice = rule
        for name, value in given.items():
            seen = host_values(value)
            if seen is not None and not np.all(good := holds(seen)):
                raise ValueError(f"{function}: {name} must {words}; got {seen[~good].flat[0]}. {advice}")

    def _vector(self, function: str, name: str, value: Any) -> Tensor:
        """A parameter whose last axis holds what belongs to one draw."""
        vector = self._parameter(function, name, value)
        if not getattr(vector, "shape", ()):
            raise ValueError(f"{function}: {name} must have an axis, of one entry per category; got {value!r}.")
        return vector


def _batch(value: Any, core: int) -> tuple[int, ...]:
    shape = getattr(value, "shape", ())
    return shape[: len(shape) - core] if core else shape


def host_values(value: Any) -> np.ndarray | None:
    """The values of a parameter, or None where looking at them would wait for an accelerator."""
    if not isinstance(value, Tensor):
        return np.asarray(value)
    return value.detach().numpy() if "cpu" in value.device.place else None


def floating_dtype(function: str, dtype: Any) -> np.dtype:
    """``dtype`` as float32 or float64; TypeError for any other."""
    known = as_dtype(dtype)
    if known not in FLOATS:
        raise TypeError(f"{function}: dtype must be float32 or float64; got {known}. Convert the result with astype.")
    return known


def result_shape(function: str, size: Any, shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """``size`` as a tuple, or the shape of the parameters together for None."""
    named = " and ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
    try:
        together = np.broadcast_shapes(*shapes.values())
    except ValueError:
        raise ValueError(
            f"{function}: the shapes of the parameters do not fit together; got {named}. Extents must agree or be 1."
        ) from None
    if size is None:
        return together
    shape = canonical_one(function, "shape", size)
    if min(shape, default=0) < 0:
        raise ValueError(f"{function}: size must hold no negative extent; got {shape}.")
    try:
        fits = np.broadcast_shapes(together, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{function}: the parameters cannot be broadcast to size; got {named} for size {shape}. "
            "Leave size out, or let it end with their shape."
        )
    return shape


def untracked(function: str, **given: Any) -> None:
    """Raise for a tracked parameter that the draw is no explicit smooth function of."""
    for name, value in given.items():
        if isinstance(value, Tensor) and value.requires_grad:
            raise NotImplementedError(
                f"{function}: there is no derivative with respect to {name}, which is tracked. Pass {name}.detach()."
            )


def detached(value: Any) -> Any:
    """A parameter whose gradient ends here."""
    return value.detach() if isinstance(value, Tensor) else value


def check_sum(function: str, name: str, value: Any) -> None:
    """Raise unless probabilities that can be looked at sum to one along the last axis."""
    seen = host_values(value)
    if seen is None:
        return
    total = seen.sum(axis=-1, dtype=np.float64)
    near = np.sqrt(np.finfo(seen.dtype if seen.dtype.kind == "f" else np.float64).eps)
    if not np.allclose(total, 1.0, rtol=0, atol=near):
        raise ValueError(
            f"{function}: {name} must sum to one along the last axis; got {np.ravel(total)[0]}. "
            f"Divide {name} by its sum."
        )
