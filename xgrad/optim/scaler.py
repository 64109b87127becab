"""Loss scaling: gradients kept within the range of float16, without a look from the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import xgrad as xg

from .base import Optimizer
from .flat import Flat, flat_lists


class GradScaler:
    """A factor on the loss that grows while the gradients stay finite and shrinks when they do not.

    Inside ``xg.autocast("float16")`` small cotangents would round to zero; a large factor on the loss, taken off the
    gradients again, keeps them.  A step whose gradients overflowed is cancelled.  Everything stays on the device: the
    factor, the count and the check are 0-d Tensors that no program waits for.  Micikevicius et al., "Mixed precision
    training" (2018).

    Parameters
    ----------
    init_scale : float
        The first factor, above 0.
    growth_factor, backoff_factor : float
        What the factor is multiplied by after ``growth_interval`` steps without an overflow, above 1; and after an
        overflow, between 0 and 1.
    growth_interval : int
        How many steps in a row, at least 1.
    enabled : bool
        False makes ``scale`` and ``step`` do nothing of their own.

    Raises
    ------
    ValueError
        When a number is out of range.

    Examples
    --------
    >>> import xgrad as xg
    >>> model = xg.nn.Linear(3, 1, generator=0)
    >>> optimiser, scaler = xg.optim.SGD(model.parameters(), lr=0.1), xg.optim.GradScaler()
    >>> with xg.autocast("float16"):
    ...     loss = (model(xg.ones((5, 3), dtype="float32")) ** 2).mean()
    >>> scaler.scale(loss).backward()
    >>> scaler.step(optimiser)
    >>> scaler.update()
    >>> scaler.get_scale()
    Tensor(65536., dtype=float32)
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        *,
        enabled: bool = True,
    ):
        for name, value, good in (
            ("init_scale", init_scale, init_scale > 0),
            ("growth_factor", growth_factor, growth_factor > 1),
            ("backoff_factor", backoff_factor, 0 < backoff_factor < 1),
            ("growth_interval", growth_interval, growth_interval >= 1),
        ):
            if not good:
                raise ValueError(f"GradScaler: {name} is out of range; got {value!r}. The defaults serve most models.")
        self.growth_factor, self.backoff_factor = float(growth_factor), float(backoff_factor)
        self.growth_interval, self.enabled = int(growth_interval), enabled
        self._scale = xg.asarray(init_scale, dtype=xg.float32)
        self._count = xg.asarray(0, dtype=xg.int32)  # steps since the last change of the factor
        self._overflow: xg.Tensor | None = None  # whether a step since the last update was cancelled
        self._unscaled: dict[int, xg.Tensor] = {}  # optimisers whose gradients are divided already, by identity

    def get_scale(self) -> xg.Tensor:
        """The factor, as a 0-d Tensor on its device; ``float`` of it waits for the device."""
        return self._scale if self.enabled else xg.asarray(1.0, dtype=xg.float32)

    def scale(self, loss: xg.Tensor) -> xg.Tensor:
        """The loss times the factor, of the dtype of the loss."""
        if not self.enabled:
            return loss
        if self._scale.device != loss.device:
            self._scale, self._count = self._scale.to(loss.device), self._count.to(loss.device)
        return loss * self._scale.astype(loss.dtype)

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of an optimiser by the factor now, as before clipping them.

        Raises
        ------
        RuntimeError
            When that was done since the last ``update``.
        """
        if not self.enabled:
            return
        if id(optimizer) in self._unscaled:
            raise RuntimeError("GradScaler.unscale_: these gradients are unscaled already. Call update() after step().")
        with xg.no_grad():
            self._unscaled[id(optimizer)] = self._not_finite(optimizer)
            for p in _reached(optimizer):
                p.grad = p.grad / self._scale.to(p.grad.device).astype(p.grad.real.dtype)

    def step(self, optimizer: Optimizer) -> None:
        """A step by the unscaled gradients, cancelled where one of them is infinite or NaN."""
        if not self.enabled:
            optimizer.step()
            return
        with xg.no_grad():
            unscaled = self._unscaled.pop(id(optimizer), None)
            overflow = self._not_finite(optimizer) if unscaled is None else unscaled
            self._overflow = overflow if self._overflow is None else self._overflow | overflow
        optimizer.step(found_inf=overflow, grad_scale=self._scale if unscaled is None else None)

    def update(self) -> None:
        """Grow or shrink the factor, once after the steps of all optimisers.

        Raises
        ------
        RuntimeError
            When there was no step.
        """
        if not self.enabled:
            return
        if self._overflow is None:
            raise RuntimeError(
                "GradScaler.update: there was no step since the last update. Call step(optimizer) first."
            )
        with xg.no_grad():
            count = xg.where(self._overflow, 0, self._count + 1)
            grown = count >= self.growth_interval
            factor = xg.where(self._overflow, self.backoff_factor, xg.where(grown, self.growth_factor, 1.0))
            self._scale = self._scale * factor.astype(xg.float32)
            self._count = xg.where(grown, 0, count).astype(xg.int32)
        self._overflow, self._unscaled = None, {}

    def _not_finite(self, optimizer: Optimizer) -> xg.Tensor:
        """Whether any gradient is infinite or NaN, as a 0-d Tensor beside the factor."""
        found = xg.zeros((), dtype=xg.bool, device=self._scale.device)
        grads = [p.grad for p in _reached(optimizer)]
        for places in flat_lists(grads):
            vector = Flat.join([grads[i] for i in places])
            found = found | ~xg.all(xg.isfinite(vector)).to(found.device)
        return found

    def state_dict(self) -> dict[str, Any]:
        """The factor, the count, and the options, to resume from."""
        options = ("growth_factor", "backoff_factor", "growth_interval")
        return {"scale": self._scale, "_growth_tracker": self._count, **{name: getattr(self, name) for name in options}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what ``state_dict`` gave, or PyTorch's with its numbers."""
        device = self._scale.device
        self._scale = xg.asarray(state["scale"], dtype=xg.float32).to(device)
        self._count = xg.asarray(state["_growth_tracker"], dtype=xg.int32).to(device)
        self.growth_factor, self.backoff_factor = float(state["growth_factor"]), float(state["backoff_factor"])
        self.growth_interval = int(state["growth_interval"])


def _reached(optimizer: Optimizer) -> Iterator[xg.Tensor]:
    """The parameters that have a gradient."""
    return (p for group in optimizer.param_groups for p in group["params"] if p.grad is not None)
