"""One cycle of the learning rate, up and down, with momentum the other way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .base import Optimizer
from .formulas import along_cosine
from .schedules import LRScheduler, per_group, positive


class _Phase(NamedTuple):
    """From which to which of the named values a phase goes, and when it ends."""

    end: float
    rates: tuple[str, str]
    momenta: tuple[str, str]


class OneCycleLR(LRScheduler):
    """The learning rate up to ``max_lr`` and down to almost nothing, momentum down and up; stepped after every batch.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates" (2018).

    Parameters
    ----------
    optimizer : Optimizer
        See ``LRScheduler``; its own learning rates mean nothing here.
    max_lr : float, or list of one per group
        The learning rate at the top.
    total_steps : int, optional
        How many steps the cycle has; else ``epochs * steps_per_epoch``.
    epochs, steps_per_epoch : int, optional
        See ``total_steps``.
    pct_start : float
        The part of the cycle that the rise takes, from 0 to 1.
    anneal_strategy : {"cos", "linear"}
        How a phase goes.
    cycle_momentum : bool
        Whether to move momentum too: ``"momentum"``, or the first of ``"betas"``.
    base_momentum, max_momentum : float, or list of one per group
        Momentum at the top of the cycle, and at its ends.
    div_factor : float
        The cycle begins with ``max_lr / div_factor``.
    final_div_factor : float
        It ends with its first learning rate over this.
    three_phase : bool
        Fall as the rise was, and only then to the end.
    last_epoch : int
        See ``LRScheduler``.

    Raises
    ------
    ValueError
        When the number of steps is not given, an option is out of range, or the optimiser has no momentum to move.

    Notes
    -----
    After the last step everything stays as it is.

    Examples
    --------
    >>> import xgrad as xg
    >>> optimizer = xg.optim.SGD([xg.Tensor(1.0)], lr=0.1, momentum=0.9)
    >>> schedule = xg.optim.OneCycleLR(optimizer, 1.0, total_steps=5, pct_start=0.6, div_factor=4.0)
    >>> [round(schedule.rate(0, t), 4) for t in range(5)]
    [0.25, 0.625, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    "OneCycleLR: the number of steps is not given. Pass total_steps, or epochs and steps_per_epoch."
                )
            total_steps = epochs * steps_per_epoch
        positive("OneCycleLR", "total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be from 0 to 1; got {pct_start!r}. Use 0.3.")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: unknown anneal_strategy; got {anneal_strategy!r}. Use 'cos' or 'linear'.")
        if cycle_momentum and not all("betas" in g or g.get("momentum") for g in optimizer.param_groups):
            raise ValueError(
                f"OneCycleLR: cycle_momentum needs momentum or betas; got {type(optimizer).__name__} without. "
                "Pass cycle_momentum=False."
            )
        self.total_steps, self.cycle_momentum, self.anneal_strategy = total_steps, cycle_momentum, anneal_strategy
        self._rates = [
            {"start": top / div_factor, "top": top, "end": top / div_factor / final_div_factor}
            for top in per_group("OneCycleLR", "max_lr", max_lr, optimizer)
        ]
        self._momenta = [
            {"base": base, "max": top}
            for base, top in zip(
                per_group("OneCycleLR", "base_momentum", base_momentum, optimizer),
                per_group("OneCycleLR", "max_momentum", max_momentum, optimizer),
                strict=True,
            )
        ]
        rise = _Phase(pct_start * total_steps - 1, ("start", "top"), ("max", "base"))
        if three_phase:
            self._phases = [
                rise,
                _Phase(2 * pct_start * total_steps - 2, ("top", "start"), ("base", "max")),
                _Phase(total_steps - 1, ("start", "end"), ("max", "max")),
            ]
        else:
            self._phases = [rise, _Phase(total_steps - 1, ("top", "end"), ("base", "max"))]
        super().__init__(optimizer, last_epoch)

    def rate(self, i: int, t: int) -> float:
        """The learning rate of group ``i`` at time ``t``."""
        phase, part = self._at(t)
        start, end = (self._rates[i][name] for name in phase.rates)
        return self._between(start, end, part)

    def momentum(self, i: int, t: int) -> float:
        """The momentum of group ``i`` at time ``t``."""
        phase, part = self._at(t)
        start, end = (self._momenta[i][name] for name in phase.momenta)
        return self._between(start, end, part)

    def apply(self, t: int) -> None:
        """Give the groups what they have at time ``t``."""
        super().apply(t)
        if self.cycle_momentum:
            for i, group in enumerate(self.optimizer.param_groups[: len(self.base_lrs)]):
                momentum = self.momentum(i, t)
                changed: dict[str, Any] = (
                    {"betas": (momentum, *group["betas"][1:])} if "betas" in group else {"momentum": momentum}
                )
                group.update(changed)

    def _at(self, t: int) -> tuple[_Phase, float]:
        """The phase at time ``t``, and how much of it is done, from 0 to 1."""
        t, start = min(t, self.total_steps - 1), 0.0
        for phase in self._phases:
            if t <= phase.end:
                break
            start = phase.end
        length = phase.end - start
        return phase, (t - start) / length if length else 1.0

    def _between(self, start: float, end: float, part: float) -> float:
        return along_cosine(start, end, part) if self.anneal_strategy == "cos" else start + (end - start) * part
