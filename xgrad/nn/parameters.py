"""Parameters and buffers as they start."""

from __future__ import annotations

from typing import Any

import xgrad as xg

from .dropout import Draws


def uniform(random: xg.random.Generator, bound: float, shape: tuple[int, ...], device: Any, dtype: Any) -> xg.Tensor:
    """A parameter that starts uniform between ``-bound`` and ``bound``."""
    return xg.Tensor(random.uniform(-bound, bound, shape), device=device, dtype=dtype)


def zeros(shape: tuple[int, ...], device: Any, dtype: Any) -> xg.Tensor:
    """A parameter that starts as zeros."""
    return xg.zeros(shape, device=device, dtype=dtype, requires_grad=True)


def ones(shape: tuple[int, ...], device: Any, dtype: Any) -> xg.Tensor:
    """A parameter that starts as ones."""
    return xg.ones(shape, device=device, dtype=dtype, requires_grad=True)


def state(value: Any, device: Any, dtype: Any) -> xg.Tensor:
    """A buffer."""
    return xg.Tensor(value, device=device, dtype=dtype, requires_grad=False)


def dropout_draws(generator: Any) -> Draws:
    """Where dropout draws in a layer whose parameters are drawn too: with a seed, from other numbers than they are."""
    return Draws((generator, 1) if isinstance(generator, int) else generator)
