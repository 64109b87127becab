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


def like(function: str, name: str, value: Any, x: xg.Tensor) -> xg.Tensor:
    """``value`` as a Tensor of the dtype of ``x``, which lists and numbers take on."""
    value = xg.asarray(value, dtype=None if hasattr(value, "dtype") else x.dtype)
    if value.dtype != x.dtype:
        raise TypeError(
            f"{function}: {name} must have the dtype of what it weighs; got {value.dtype} and {x.dtype}. "
            f"Convert it with {name}.astype(xg.{x.dtype})."
        )
    return value


def floating(function: str, name: str, x: Any) -> xg.Tensor:
    """``x`` as a real floating Tensor."""
    x = xg.asarray(x)
    if x.dtype.kind != "f":
        raise TypeError(
            f"{function}: {name} must be real floating; got {x.dtype}. Convert it with x.astype(xg.float32)."
        )
    return x


def lines(function: str, name: str, x: Any) -> xg.Tensor:
    """``x`` as a real floating Tensor with an axis to sum over."""
    x = floating(function, name, x)
    if not x.ndim:
        raise ValueError(f"{function}: {name} needs an axis to sum over; got a 0-d array. Give it at least one.")
    return x


def alike(function: str, names: tuple[str, str], x1: Any, x2: Any) -> tuple[xg.Tensor, xg.Tensor]:
    """Two Tensors of one shape and one dtype: nothing is broadcast and nothing promoted."""
    x1, x2 = xg.asarray(x1), xg.asarray(x2)
    first, second = names
    if x1.shape != x2.shape:
        raise ValueError(
            f"{function}: {first} and {second} must have one shape; got {x1.shape} and {x2.shape}. Reshape one of them."
        )
    if x1.dtype != x2.dtype:
        raise TypeError(
            f"{function}: {first} and {second} have different dtypes; got {x1.dtype} and {x2.dtype}. "
            f"Convert the {second} with {second}.astype({first}.dtype)."
        )
    return x1, x2


def last_axis(layer: str, name: str, x: xg.Tensor, extent: int) -> None:
    """ValueError unless the last axis of the input is as long as the layer was built for."""
    if not x.ndim or x.shape[-1] != extent:
        raise ValueError(
            f"{layer}: the last axis of the input must be {name}={extent} long; got shape {x.shape}. "
            "Reshape the input, or build the layer for it."
        )


def in_range(
    function: str, words: tuple[str, str], given: Any, known: xg.Tensor, count: int, skip: int | None = None
) -> None:
    """ValueError if an integer is not from 0 to ``count`` - 1 nor ``skip``; looks only at what the host holds.

    ``known`` is ``given`` as a constant Tensor.  On any other device a look would make the host wait in every step.
    ``words`` are those for one integer and for what is counted.
    """
    if str(known.device).endswith("cpu"):
        host = known.numpy()
    elif isinstance(given, np.ndarray | list | tuple):  # host data on its way to another default device
        host = np.asarray(given)
    else:
        return
    if skip is not None:
        host = host[host != skip]
    if not host.size:
        return
    low, high = int(host.min()), int(host.max())
    if low < 0 or high >= count:
        raise ValueError(
            f"{function}: {words[0]} is out of range; got {low if low < 0 else high} for {count} {words[1]}. "
            f"Give one from 0 to {count - 1}."
        )


def spatial(layer: str, x: Any, axes: int, channels: int | None = None) -> xg.Tensor:
    """``x`` as a real floating Tensor (batch, channels, *extents) with so many extents, or one without a batch."""
    x = floating(layer, "the input", x)
    if x.ndim not in (axes + 1, axes + 2) or channels not in (None, x.shape[-axes - 1]):
        words = ", ".join([str(channels or "channels"), *("depth", "height", "width")[3 - axes :]])
        raise ValueError(
            f"{layer}: the input must have the shape (batch, {words}) or ({words}); got {x.shape}. Reshape it, or "
            "build the layer for it."
        )
    return x
