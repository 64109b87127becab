"""Schedules by a formula: steps, lines, powers and cosines."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from .base import Optimizer
from .schedules import LRScheduler, positive


class StepLR(LRScheduler):
    """Times ``gamma`` after every ``step_size`` epochs.

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``.
    step_size : int
        How many epochs, at least 1.
    gamma : float
        The factor.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    TypeError, ValueError
        See ``LRScheduler``; also ValueError for a length below 1.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [schedule.rate(0, t) for t in range(4)]
    [0.5, 0.5, 0.25, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        positive("StepLR", "step_size", step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        return self.base_lrs[i] * self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """Times ``gamma`` at each of the ``milestones``, a list of times.

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``.
    milestones : list of int
        Times; one that is named twice counts twice.
    gamma : float
        The factor.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    TypeError, ValueError
        See ``LRScheduler``.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> [schedule.rate(0, t) for t in range(4)]
    [0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        return self.base_lrs[i] * self.gamma ** bisect_right(self.milestones, t)


class ConstantLR(LRScheduler):
    """Times ``factor`` until the time ``total_iters``, and the first learning rate from then on.

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``.
    factor : float
        The factor.
    total_iters : int
        When it ends.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    TypeError, ValueError
        See ``LRScheduler``.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> [schedule.rate(0, t) for t in range(3)]
    [0.25, 0.25, 0.5]
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1):
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        return self.base_lrs[i] * (self.factor if t < self.total_iters else 1.0)


class LinearLR(LRScheduler):
    """Times a factor that goes along a line from ``start_factor`` to ``end_factor`` in ``total_iters``: a warm-up.

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``.
    start_factor, end_factor : float
        The factor at time 0, and from ``total_iters`` on.
    total_iters : int
        How long the line is, at least 1.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    TypeError, ValueError
        See ``LRScheduler``; also ValueError for a length below 1.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> [schedule.rate(0, t) for t in range(4)]
    [0.25, 0.375, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        positive("LinearLR", "total_iters", total_iters)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        done = min(t, self.total_iters) / self.total_iters
        return self.base_lrs[i] * (self.start_factor + (self.end_factor - self.start_factor) * done)


class ExponentialLR(LRScheduler):
    """Times ``gamma`` at every step.

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``.
    gamma : float
        The factor.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    TypeError, ValueError
        See ``LRScheduler``.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.ExponentialLR(optimizer, gamma=0.5)
    >>> [schedule.rate(0, t) for t in range(3)]
    [0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        return self.base_lrs[i] * self.gamma**t


class PolynomialLR(LRScheduler):
    """To 0 in ``total_iters``, as ``(1 - t / total_iters) ** power``.

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``.
    total_iters : int
        When 0 is reached, at least 1.
    power : float
        The power.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    TypeError, ValueError
        See ``LRScheduler``; also ValueError for a length below 1.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.PolynomialLR(optimizer, total_iters=2, power=2.0)
    >>> [schedule.rate(0, t) for t in range(4)]
    [0.5, 0.125, 0.0, 0.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        positive("PolynomialLR", "total_iters", total_iters)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        return self.base_lrs[i] * (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """Along half a cosine to ``eta_min`` in ``T_max``, and up again on its other half.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``.
    T_max : int
        Half a period, at least 1.
    eta_min : float
        The lowest learning rate.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    TypeError, ValueError
        See ``LRScheduler``; also ValueError for a length below 1.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.CosineAnnealingLR(optimizer, T_max=2, eta_min=0.125)
    >>> [schedule.rate(0, t) for t in range(3)]
    [0.5, 0.3125, 0.125]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        positive("CosineAnnealingLR", "T_max", T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        return along_cosine(self.base_lrs[i], self.eta_min, t / self.T_max)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Along half a cosine to ``eta_min`` in ``T_0``, then from the top again, each time ``T_mult`` times as long.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017).

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``.
    T_0 : int
        How long the first fall takes, at least 1.
    T_mult : int
        How many times as long as the one before each fall takes, at least 1.
    eta_min : float
        The lowest learning rate.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    TypeError, ValueError
        See ``LRScheduler``; also ValueError for a length below 1.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.5)
    >>> schedule = xg.optim.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> [schedule.rate(0, t) for t in range(4)]
    [0.5, 0.25, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        positive("CosineAnnealingWarmRestarts", "T_0", T_0)
        positive("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        length = self.T_0
        while self.T_mult > 1 and t >= length:
            t, length = t - length, length * self.T_mult
        return along_cosine(self.base_lrs[i], self.eta_min, t % length / length)


def along_cosine(start: float, end: float, part: float) -> float:
    """The value after ``part`` of the way from ``start`` to ``end``, on half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
