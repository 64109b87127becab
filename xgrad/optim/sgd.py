"""Steps along the gradient, and along the sign of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import xgrad as xg

from .base import Optimizer


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    Parameters
    ----------
    params : iterable of Tensor or of dict
        Leaves of real or complex floating dtype, each once, or groups of them.
    lr : float
        Learning rate, at least 0.
    momentum : float
        Factor on the running sum of gradients, at least 0.
    dampening : float
        One minus the weight of a gradient in that sum; the first one always has the weight 1.
    weight_decay : float
        This times the parameter is added to its gradient, at least 0.
    nesterov : bool
        Look one step of momentum ahead; needs ``momentum``, and no ``dampening``.
    maximize : bool
        Climb instead.

    Raises
    ------
    TypeError, ValueError
        See ``Optimizer``; also ValueError for ``nesterov`` without momentum or with dampening.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0])
    >>> optimizer = xg.optim.SGD([x], lr=0.25)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    Tensor([0.5, 1. ])
    """

    kinds = ("real floating", "complex floating")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize})

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise when an option is out of range, or ``nesterov`` does not fit."""
        super().check(options)
        if options["nesterov"] and not options["momentum"]:
            raise ValueError("SGD: nesterov looks ahead along the momentum; got momentum=0. Give a momentum above 0.")
        if options["nesterov"] and options["dampening"]:
            raise ValueError(
                f"SGD: nesterov needs undamped momentum; got dampening={options['dampening']}. Leave dampening at 0."
            )

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The running sum of gradients, where there is momentum."""
        return {"momentum_buffer": 0.0} if group["momentum"] else {}

    def update(self, g: xg.Tensor, state: dict[str, xg.Tensor], group: dict[str, Any], step: Any) -> xg.Tensor:
        """What this step takes from the parameters."""
        momentum, dampening = group["momentum"], group["dampening"]
        if momentum:
            # 0.0**0 is 1: the first gradient is not damped.
            damped = (1 - dampening + dampening * 0.0 ** (step - 1)) * g if dampening else g
            state["momentum_buffer"] = velocity = momentum * state["momentum_buffer"] + damped
            g = g + momentum * velocity if group["nesterov"] else velocity
        return group["lr"] * g


class Lion(Optimizer):
    """Every element moves by the learning rate, against the sign of a mean of its gradients.

    Chen et al., "Symbolic discovery of optimization algorithms" (2023).  Weight decay is decoupled, as in ``AdamW``.

    Parameters
    ----------
    params : iterable of Tensor or of dict
        Leaves of real floating dtype, each once, or groups of them.
    lr : float
        Learning rate, at least 0; three to ten times smaller than for ``AdamW``.
    betas : tuple of two floats
        Weight of the running mean in the step, and its decay per step; each from 0 to below 1.
    weight_decay : float
        Times ``lr``, the part of the parameter that every step takes away, at least 0.
    maximize : bool
        Climb instead.

    Raises
    ------
    TypeError, ValueError
        See ``Optimizer``.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, -2.0])
    >>> optimizer = xg.optim.Lion([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    Tensor([ 0.9, -1.9])
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The running mean of gradients."""
        return {"exp_avg": 0.0}

    def update(self, g: xg.Tensor, state: dict[str, xg.Tensor], group: dict[str, Any], step: Any) -> xg.Tensor:
        """What this step takes from the parameters."""
        b1, b2 = group["betas"]
        m = state["exp_avg"]
        state["exp_avg"] = b2 * m + (1 - b2) * g
        return group["lr"] * xg.sign(b1 * m + (1 - b1) * g)
