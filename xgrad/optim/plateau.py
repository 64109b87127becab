"""A learning rate that falls when a metric no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .base import Optimizer
from .schedules import per_group

_SAVED = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")


class ReduceLROnPlateau:
    """Times ``factor`` when a metric has not improved for more than ``patience`` epochs.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups are given the learning rates.
    mode : {"min", "max"}
        Whether less or more of the metric is better.
    factor : float
        From 0 to below 1.
    patience : int
        How many epochs without improvement are borne.
    threshold : float
        How much better than the best a metric must be.
    threshold_mode : {"rel", "abs"}
        Whether the threshold is a part of the best or a difference from it.
    cooldown : int
        How many epochs after a fall are not counted.
    min_lr : float, or list of one per group
        Learning rates do not fall below it.
    eps : float
        Falls by less than this are left out.

    Raises
    ------
    TypeError
        When ``optimizer`` is no Optimizer.
    ValueError
        When an option is out of range.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (1.0, 0.5, 0.5, 0.5):
    ...     schedule.step(loss)
    >>> optimizer.lr
    0.25
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ):
        name = "ReduceLROnPlateau"
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: optimizer must be an Optimizer; got {type(optimizer).__name__}.")
        if not 0 <= factor < 1:
            raise ValueError(f"{name}: factor must be from 0 to below 1; got {factor!r}. Use 0.1.")
        for option, value, known in (
            ("mode", mode, ("min", "max")),
            ("threshold_mode", threshold_mode, ("rel", "abs")),
        ):
            if value not in known:
                raise ValueError(f"{name}: unknown {option}; got {value!r}. Use '{known[0]}' or '{known[1]}'.")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        self.min_lrs = per_group(name, "min_lr", min_lr, optimizer)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def step(self, metrics: Any) -> None:
        """Take in the metric of an epoch, a number or a 0-d Tensor, which is read: the host waits for it."""
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def is_better(self, value: float) -> bool:
        """Whether this metric is better than the best by the threshold."""
        sign = 1 if self.mode == "max" else -1
        margin = sign * self.threshold
        bound = self.best * (1 + margin) if self.threshold_mode == "rel" else self.best + margin
        return sign * value > sign * bound

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=False):
            new = max(group["lr"] * self.factor, least)
            if group["lr"] - new > self.eps:
                group["lr"] = new

    def get_last_lr(self) -> list[float]:
        """The learning rates that the groups have now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What was seen so far, as numbers."""
        return {name: getattr(self, name) for name in _SAVED}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where another schedule made alike stood; the optimiser's own state has the learning rates."""
        for name in _SAVED:
            setattr(self, name, state_dict[name])
