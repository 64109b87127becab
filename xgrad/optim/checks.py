"""Ranges of the options of optimisers, by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def at_least_0(function: str, name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is a number from 0 on."""
    if not value >= 0:
        raise ValueError(f"{function}: {name} must be at least 0; got {value!r}. Give a number of 0 or more.")


def decay(function: str, name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is a number from 0 to below 1."""
    if not 0 <= value < 1:
        raise ValueError(f"{function}: {name} must be from 0 to below 1; got {value!r}. Use 0.99.")


def decays(function: str, name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is a pair of numbers from 0 to below 1."""
    if len(value) != 2 or not all(0 <= beta < 1 for beta in value):
        raise ValueError(f"{function}: {name} must be two numbers from 0 to below 1; got {value!r}. Use (0.9, 0.99).")


CHECKS: dict[str, Callable[[str, str, Any], None]] = {
    "lr": at_least_0,
    "weight_decay": at_least_0,
    "eps": at_least_0,
    "momentum": at_least_0,
    "lr_decay": at_least_0,
    "initial_accumulator_value": at_least_0,
    "alpha": decay,
    "betas": decays,
}
