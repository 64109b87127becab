"""What layers ask of their arguments and inputs: the same checks, the same words."""

from __future__ import annotations

from typing import Any

import numpy as np

import xgrad as xg


def integer(layer: str, name: str, value: Any, least: int = 1) -> int:
    """``value`` as an int of at least ``least``."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{layer}: {name} must be an int; got {value!r}. Give a whole number.")
    if value < least:
        raise ValueError(f"{layer}: {name} must be at least {least}; got {value}. Give a larger number.")
    return int(value)


def integers(layer: str, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """``value``, an int for all axes or one per axis, as a tuple of ``count`` ints."""
    if not isinstance(value, tuple | list):
        return (integer(layer, name, value, least),) * count
    if len(value) != count:
        raise ValueError(f"{layer}: {name} must be an int or {count} of them; got {value!r}. Give one per axis.")
    return tuple(integer(layer, name, v, least) for v in value)


def probability(layer: str, name: str, value: Any) -> float:
    """``value`` as a float from 0 to 1."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise TypeError(f"{layer}: {name} must be a number; got {value!r}. Give a probability.")
    if not 0 <= value <= 1:
        raise ValueError(f"{layer}: {name} must lie between 0 and 1; got {value}. Give a probability.")
    return float(value)


def floating_dtype(layer: str, dtype: Any) -> Any:
    """``dtype``, if parameters may have it."""
    if not xg.isdtype(dtype, "real floating"):
        raise TypeError(f"{layer}: dtype must be real floating; got {dtype}. Use xg.float32 or xg.float64.")
    return dtype


def of_dtype(layer: str, name: str, x: Any, weight: xg.Tensor) -> xg.Tensor:
    """``x`` as a Tensor, if it has the dtype of the weights."""
    x = xg.asarray(x)
    if x.dtype != weight.dtype:
        raise TypeError(
            f"{layer}: {name} and the weights have different dtypes; got {x.dtype} and {weight.dtype}. "
            f"Convert it with x.astype(xg.{weight.dtype}), or build the layer with dtype=."
        )
    return x
