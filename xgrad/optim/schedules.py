"""Schedules: the learning rate as a function of the number of epochs, or of steps.

Every schedule here is a closed form: ``rate(i, t)`` is the learning rate of group ``i`` at time ``t``.  Python floats
only, so a schedule costs nothing on a device and its state is one number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .base import Optimizer


class LRScheduler:
    """What all schedules share; a subclass writes ``rate``.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups are given the learning rate of time 0 at once.
    last_epoch : int
        The time that was reached, for a run that goes on; its groups then have ``"initial_lr"`` from the run before.

    Attributes
    ----------
    last_epoch : int
        The time: how often ``step()`` was called.
    base_lrs : list of float
        The learning rates that the groups had at first (``"initial_lr"``).

    Raises
    ------
    TypeError
        When ``optimizer`` is no Optimizer.
    ValueError
        When ``last_epoch`` is given and a group has no ``"initial_lr"``.

    Examples
    --------
    A schedule of one's own, one over the root of the time:

    >>> import xgrad as xg
    >>> class RootLR(xg.optim.LRScheduler):
    ...     def rate(self, i, t):
    ...         return self.base_lrs[i] / (t + 1) ** 0.5
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.6)
    >>> schedule = RootLR(optimizer)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    >>> optimizer.lr
    0.3
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: optimizer must be an Optimizer; got {type(optimizer).__name__}.")
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{name}: a schedule that goes on needs the learning rate it began with; got last_epoch="
                    f"{last_epoch} and no 'initial_lr' in group {i}. Load the optimiser's state first."
                )
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch + 1
        self.apply(self.last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``; what a subclass writes."""
        raise NotImplementedError(f"{type(self).__name__}: rate is not written. Define rate(self, i, t).")

    def apply(self, t: int) -> None:
        """Give the groups what they have at time ``t``."""
        for i, group in enumerate(self.optimizer.param_groups[: len(self.base_lrs)]):
            group["lr"] = self.rate(i, t)

    def step(self) -> None:
        """Go on by one epoch (or step, whichever the schedule counts), after the optimiser's ``step()``."""
        self.last_epoch += 1
        self.apply(self.last_epoch)

    def get_last_lr(self) -> list[float]:
        """The learning rates that the groups have now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The time and the first learning rates; what the schedule was made with is not in it."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from the time of another schedule made alike; the optimiser's own state has the learning rates."""
        self.last_epoch = state_dict["last_epoch"]
        self.base_lrs = list(state_dict["base_lrs"])


class LambdaLR(LRScheduler):
    """The first learning rate times a function of the time.

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``.
    lr_lambda : callable, or list of one per group
        Takes the time, an int, to the factor.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    ValueError
        When there is not one function per group.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.LambdaLR(optimizer, lambda t: 0.5**t)
    >>> schedule.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ):
        self.lr_lambdas = per_group("LambdaLR", "lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        return self.base_lrs[i] * self.lr_lambdas[i](t)


class SequentialLR(LRScheduler):
    """One schedule after another, each from its own time 0.

    Parameters
    ----------
    optimizer : Optimizer
        That of all the schedules.
    schedulers : list of LRScheduler
        In their order.
    milestones : list of int
        When each but the first begins.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    TypeError
        When something is no schedule of the time, such as ``ReduceLROnPlateau``.
    ValueError
        When there is not one milestone between every two, or a schedule is another optimiser's.

    Examples
    --------
    A warm-up:

    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> rise = xg.optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> fall = xg.optim.CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule = xg.optim.SequentialLR(optimizer, [rise, fall], milestones=[2])
    >>> [schedule.rate(0, t) for t in range(5)]
    [0.25, 0.375, 0.5, 0.25, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ):
        for i, schedule in enumerate(schedulers):
            if not isinstance(schedule, LRScheduler):
                raise TypeError(
                    f"SequentialLR: schedulers[{i}] must be a schedule of the time; got {type(schedule).__name__}."
                )
            if schedule.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: schedulers[{i}] is another optimiser's. Make all with the same one.")
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: there must be one milestone between every two schedules; got {len(milestones)} "
                f"for {len(schedulers)} schedules."
            )
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        schedule, since = self._at(t)
        return schedule.rate(i, since)

    def apply(self, t: int) -> None:
        """Give the groups what they have at time ``t``."""
        schedule, since = self._at(t)
        schedule.apply(since)

    def _at(self, t: int) -> tuple[LRScheduler, int]:
        """Whose turn it is, and its own time."""
        which = bisect_right(self.milestones, t)
        return self.schedulers[which], t - [0, *self.milestones][which]


def per_group(function: str, name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """One value per group of the optimiser, from one for all or from a list."""
    count = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{function}: {name} must have one entry per group, {count}; got {len(value)}.")
    return list(value)


def positive(function: str, name: str, value: float) -> None:
    """Raise ValueError unless ``value`` is above 0."""
    if not value > 0:
        raise ValueError(f"{function}: {name} must be above 0; got {value!r}. Give a number of epochs or steps.")
