"""Counts of steps: Python ints, or 0-d Tensors where only the device knows which steps were taken."""

from __future__ import annotations

import math
from typing import Any

import xgrad as xg


def on_device(count: int | xg.Tensor, device: Any) -> xg.Tensor:
    """The count as a 0-d Tensor."""
    return count if isinstance(count, xg.Tensor) else xg.asarray(count, dtype=xg.int32, device=device)


def counted(count: Any) -> tuple[int, bool]:
    """The count as an int, for which the host may have to wait, and whether it was known on the host."""
    return int(count), isinstance(count, int | float)


def correction(beta: float, count: int | xg.Tensor) -> Any:
    """``1 - beta**count``, to full precision also on the device: a Python number, or a 0-d Tensor."""
    if not isinstance(count, xg.Tensor):
        return 1 - beta**count
    return -xg.expm1(math.log(beta) * count) if beta else 1.0
