"""Steps scaled, element by element, by the size that the gradients have had."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import xgrad as xg

from .base import Optimizer
from .counts import correction


class Adam(Optimizer):
    """Adam: every element's step scaled by running means of its gradient and of the square of it.

    Kingma and Ba, "Adam: a method for stochastic optimization" (2015), with the bias correction of that paper; amsgrad:
    Reddi, Kale and Kumar, "On the convergence of Adam and beyond" (2018).

    Parameters
    ----------
    params : iterable of Tensor or of dict
        Leaves of real floating dtype, each once, or groups of them.
    lr : float
        Learning rate, at least 0.
    betas : tuple of two floats
        Decay of the two running means per step, each from 0 to below 1.
    eps : float
        Added to the root of the mean square, at least 0.
    weight_decay : float
        This times the parameter is added to its gradient, at least 0.
    amsgrad : bool
        Scale by the largest mean square so far.
    maximize : bool
        Climb instead.

    Raises
    ------
    TypeError, ValueError
        See ``Optimizer``.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0])
    >>> optimizer = xg.optim.Adam([x], lr=0.1)
    >>> for _ in range(200):
    ...     (x**2).sum().backward()
    ...     optimizer.step()
    >>> bool((abs(x) < 1e-3).all())
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**options, "amsgrad": amsgrad, "maximize": maximize})

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The running means of the gradient and of its square, and with ``amsgrad`` the largest of the latter."""
        means = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        return {**means, "max_exp_avg_sq": 0.0} if group["amsgrad"] else means

    def update(self, g: xg.Tensor, state: dict[str, xg.Tensor], group: dict[str, Any], step: Any) -> xg.Tensor:
        """What this step takes from the parameters."""
        b1, b2 = group["betas"]
        state["exp_avg"] = mean = b1 * state["exp_avg"] + (1 - b1) * g
        state["exp_avg_sq"] = square = b2 * state["exp_avg_sq"] + (1 - b2) * (g * g)
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = square = xg.maximum(state["max_exp_avg_sq"], square)
        # Both bias corrections are single numbers, put where they cost no pass over a vector.
        root = correction(b2, step) ** 0.5
        return (group["lr"] * root / correction(b1, step)) * mean / (xg.sqrt(square) + group["eps"] * root)

    def moved(
        self, p: xg.Tensor, g: xg.Tensor, state: dict[str, xg.Tensor], group: dict[str, Any], step: Any
    ) -> xg.Tensor:
        """In one call, which is one kernel on a GPU, where its numbers are known on the host."""
        if group["amsgrad"] or isinstance(step, xg.Tensor):
            return super().moved(p, g, state, group, step)
        (b1, b2), decay = group["betas"], group["weight_decay"]
        root = correction(b2, step) ** 0.5
        new, state["exp_avg"], state["exp_avg_sq"] = xg.special.adam_step(
            p,
            g,
            state["exp_avg"],
            state["exp_avg_sq"],
            rate=group["lr"] * root / correction(b1, step),
            b1=b1,
            b2=b2,
            eps=group["eps"] * root,
            decay=0.0 if self.decoupled else decay,
            shrink=group["lr"] * decay if self.decoupled else 0.0,
        )
        return new


class AdamW(Adam):
    """Adam with weight decay outside of its scaling: every step shrinks the parameter by ``lr * weight_decay`` of it.

    Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).  Parameters and errors are those of ``Adam``;
    ``weight_decay`` is 0.01 where none is given.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0])
    >>> optimizer = xg.optim.AdamW([x], lr=0.1, weight_decay=0.5)
    >>> (0 * x).sum().backward()
    >>> optimizer.step()
    >>> x
    Tensor([0.95, 1.9 ])
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class RMSprop(Optimizer):
    """Every element's step scaled by the root of the running mean of the square of its gradient.

    Tieleman and Hinton, "Lecture 6.5: rmsprop" (2012); centred: Graves, "Generating sequences with recurrent neural
    networks" (2013).

    Parameters
    ----------
    params : iterable of Tensor or of dict
        Leaves of real floating dtype, each once, or groups of them.
    lr : float
        Learning rate, at least 0.
    alpha : float
        Decay of the running means per step, from 0 to below 1.
    eps : float
        Added to the root of the mean square, at least 0.
    weight_decay : float
        This times the parameter is added to its gradient, at least 0.
    momentum : float
        Factor on the running sum of scaled gradients, at least 0.
    centered : bool
        Scale by the standard deviation of the gradient instead of its mean square.
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
    >>> optimizer = xg.optim.RMSprop([x], lr=0.1, alpha=0.0)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    Tensor([ 0.9, -1.9])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ):
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**options, "centered": centered, "maximize": maximize})

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The running mean of the square, and where wanted those of the gradient and of the scaled gradient."""
        wanted = {"square_avg": True, "grad_avg": group["centered"], "momentum_buffer": group["momentum"]}
        return {name: 0.0 for name, is_wanted in wanted.items() if is_wanted}

    def update(self, g: xg.Tensor, state: dict[str, xg.Tensor], group: dict[str, Any], step: Any) -> xg.Tensor:
        """What this step takes from the parameters."""
        a = group["alpha"]
        state["square_avg"] = spread = a * state["square_avg"] + (1 - a) * (g * g)
        if group["centered"]:
            state["grad_avg"] = mean = a * state["grad_avg"] + (1 - a) * g
            spread = spread - mean * mean
        g = g / (xg.sqrt(spread) + group["eps"])
        if group["momentum"]:
            state["momentum_buffer"] = g = group["momentum"] * state["momentum_buffer"] + g
        return group["lr"] * g


class Adagrad(Optimizer):
    """Every element's step scaled by the root of the sum of all squares of its gradient.

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization" (2011).

    Parameters
    ----------
    params : iterable of Tensor or of dict
        Leaves of real floating dtype, each once, or groups of them.
    lr : float
        Learning rate, at least 0.
    lr_decay : float
        Step ``t``, from 0, takes ``lr / (1 + t * lr_decay)``; at least 0.
    weight_decay : float
        This times the parameter is added to its gradient, at least 0.
    initial_accumulator_value : float
        What the sums of squares start with, at least 0.
    eps : float
        Added to the root of the sum, at least 0.
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
    >>> optimizer = xg.optim.Adagrad([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    Tensor([ 0.9, -1.9])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ):
        options = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        super().__init__(
            params, {**options, "initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        )

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The sum of all squares."""
        return {"sum": group["initial_accumulator_value"]}

    def update(self, g: xg.Tensor, state: dict[str, xg.Tensor], group: dict[str, Any], step: Any) -> xg.Tensor:
        """What this step takes from the parameters."""
        state["sum"] = total = state["sum"] + g * g
        return (group["lr"] / (1 + (step - 1) * group["lr_decay"])) * g / (xg.sqrt(total) + group["eps"])
