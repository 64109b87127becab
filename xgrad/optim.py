"""Optimisers: rules that turn gradients into steps, made only of what any user of xgrad has.

An optimiser holds the parameters and, per parameter, what its rule remembers.  ``step()`` records nothing, replaces
each parameter's value in place and keeps its dtype and device.  A parameter without a gradient is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import xgrad as xg


class Optimizer:
    """What all optimisers share; a subclass writes ``update``.

    Parameters
    ----------
    params : iterable of Tensor
        Leaves of floating dtype with ``requires_grad``, each once; ``model.parameters()``.
    lr : float
        Learning rate, at least 0.  The attribute ``lr`` may be changed between steps.
    weight_decay : float
        This times the parameter is added to its gradient, at least 0; where ``decoupled``, ``lr * weight_decay`` times
        the parameter is taken from it instead.

    Raises
    ------
    TypeError
        When ``params`` is no iterable of floating Tensors.
    ValueError
        When ``params`` is empty, names a Tensor twice or one that is no leaf, or a number is out of range.
    """

    kinds: tuple[str, ...] = ("real floating",)
    decoupled = False

    def __init__(self, params: Iterable[xg.Tensor], lr: float, weight_decay: float):
        name = type(self).__name__
        if isinstance(params, xg.Tensor) or not isinstance(params, Iterable):
            raise TypeError(f"{name}: params must be an iterable of Tensors; got one {type(params).__name__}. Use [p].")
        self.params = list(params)
        if not self.params:
            raise ValueError(f"{name}: params is empty; got no Tensor. Pass model.parameters().")
        for i, p in enumerate(self.params):
            if not isinstance(p, xg.Tensor):
                raise TypeError(f"{name}: params[{i}] must be a Tensor; got {type(p).__name__}. Use xgrad.Tensor(...).")
            if not p.is_leaf:
                what = "recorded result" if p.requires_grad else "constant"
                raise ValueError(
                    f"{name}: params[{i}] must be a leaf with requires_grad; got a {what} of shape {p.shape}. "
                    "Make it with xgrad.Tensor(...)."
                )
            if not xg.isdtype(p.dtype, self.kinds):
                raise TypeError(f"{name}: params[{i}] must be {' or '.join(self.kinds)}; got {p.dtype}. Use float32.")
        if len({id(p) for p in self.params}) < len(self.params):
            raise ValueError(f"{name}: params names a Tensor twice; got {len(self.params)} of them. Pass each once.")
        self.lr = _at_least_0(name, "lr", lr)
        self.weight_decay = _at_least_0(name, "weight_decay", weight_decay)
        self.state: list[dict[str, Any]] = [{} for _ in self.params]

    def step(self) -> None:
        """Change every parameter that has a gradient, by the rule of this optimiser."""
        with xg.no_grad():
            for p, state in zip(self.params, self.state, strict=True):
                if p.grad is None:
                    continue
                g = p.grad
                if self.weight_decay and self.decoupled:
                    p *= 1 - self.lr * self.weight_decay
                elif self.weight_decay:
                    g = g + self.weight_decay * p
                self.update(p, g, state)

    def update(self, p: xg.Tensor, g: xg.Tensor, state: dict[str, Any]) -> None:
        """Change ``p`` in place, given its gradient ``g`` and what was remembered for it; gradients are off."""
        raise NotImplementedError(f"{type(self).__name__}: update is not written. Define update(self, p, g, state).")

    def zero_grad(self) -> None:
        """Drop every gradient (None, not zeros).

        ``backward()`` replaces the gradients it reaches, so this is needed only after ``backward(zero_grad=False)`` and
        for parameters that the next loss may not reach.
        """
        for p in self.params:
            p.grad = None


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    Parameters
    ----------
    params : iterable of Tensor
        Leaves of real or complex floating dtype, each once.
    lr : float
        Learning rate, at least 0.
    momentum : float
        Factor on the running sum of gradients, at least 0.
    weight_decay : float
        This times the parameter is added to its gradient, at least 0.
    nesterov : bool
        Look one step of momentum ahead; needs ``momentum``.

    Raises
    ------
    TypeError, ValueError
        See ``Optimizer``; also ValueError for ``nesterov`` without momentum.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0])
    >>> optimiser = xg.optim.SGD([x], lr=0.25)
    >>> (x**2).sum().backward()
    >>> optimiser.step()
    >>> x
    Tensor([0.5, 1. ])
    """

    kinds = ("real floating", "complex floating")

    def __init__(
        self,
        params: Iterable[xg.Tensor],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        super().__init__(params, lr, weight_decay)
        self.momentum = _at_least_0("SGD", "momentum", momentum)
        self.nesterov = nesterov
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov looks ahead along the momentum; got momentum=0. Give a momentum above 0.")

    def update(self, p: xg.Tensor, g: xg.Tensor, state: dict[str, Any]) -> None:
        """One step of ``p`` against ``g``."""
        if self.momentum:
            state["velocity"] = v = self.momentum * state["velocity"] + g if "velocity" in state else g.detach()
            g = g + self.momentum * v if self.nesterov else v
        p -= self.lr * g


class Adam(Optimizer):
    """Adam: every element's step scaled by running means of its gradient and of the square of it.

    Kingma and Ba, "Adam: a method for stochastic optimization" (2015), with the bias correction of that paper.

    Parameters
    ----------
    params : iterable of Tensor
        Leaves of real floating dtype, each once.
    lr : float
        Learning rate, at least 0.
    betas : tuple of two floats
        Decay of the two running means per step, each from 0 to below 1.
    eps : float
        Added to the root of the mean square, at least 0.
    weight_decay : float
        This times the parameter is added to its gradient, at least 0.

    Raises
    ------
    TypeError, ValueError
        See ``Optimizer``.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0])
    >>> optimiser = xg.optim.Adam([x], lr=0.1)
    >>> for _ in range(200):
    ...     (x**2).sum().backward()
    ...     optimiser.step()
    >>> bool((abs(x) < 1e-3).all())
    True
    """

    def __init__(
        self,
        params: Iterable[xg.Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr, weight_decay)
        self.betas = _decays(type(self).__name__, betas)
        self.eps = _at_least_0(type(self).__name__, "eps", eps)

    def update(self, p: xg.Tensor, g: xg.Tensor, state: dict[str, Any]) -> None:
        """One step of ``p`` against ``g``."""
        b1, b2 = self.betas
        state["step"] = t = state.get("step", 0) + 1
        state["mean"] = m = b1 * state["mean"] + (1 - b1) * g if t > 1 else (1 - b1) * g
        state["square"] = s = b2 * state["square"] + (1 - b2) * (g * g) if t > 1 else (1 - b2) * (g * g)
        # Both bias corrections are Python numbers, put where they cost no pass over an array.
        root = math.sqrt(1 - b2**t)
        p -= (self.lr * root / (1 - b1**t)) * m / (xg.sqrt(s) + self.eps * root)


class AdamW(Adam):
    """Adam with weight decay outside of its scaling: every step shrinks the parameter by ``lr * weight_decay`` of it.

    Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).  Parameters and errors are those of ``Adam``.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0])
    >>> optimiser = xg.optim.AdamW([x], lr=0.1, weight_decay=0.5)
    >>> (0 * x).sum().backward()
    >>> optimiser.step()
    >>> x
    Tensor([0.95, 1.9 ])
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[xg.Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)


class RMSprop(Optimizer):
    """Every element's step scaled by the root of the running mean of the square of its gradient.

    Tieleman and Hinton, "Lecture 6.5: rmsprop" (2012); centred: Graves, "Generating sequences with recurrent neural
    networks" (2013).

    Parameters
    ----------
    params : iterable of Tensor
        Leaves of real floating dtype, each once.
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

    Raises
    ------
    TypeError, ValueError
        See ``Optimizer``.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, -2.0])
    >>> optimiser = xg.optim.RMSprop([x], lr=0.1, alpha=0.0)
    >>> (x**2).sum().backward()
    >>> optimiser.step()
    >>> x
    Tensor([ 0.9, -1.9])
    """

    def __init__(
        self,
        params: Iterable[xg.Tensor],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        super().__init__(params, lr, weight_decay)
        if not 0 <= alpha < 1:
            raise ValueError(f"RMSprop: alpha must be from 0 to below 1; got {alpha!r}. Use 0.99.")
        self.alpha, self.centered = alpha, centered
        self.eps = _at_least_0("RMSprop", "eps", eps)
        self.momentum = _at_least_0("RMSprop", "momentum", momentum)

    def update(self, p: xg.Tensor, g: xg.Tensor, state: dict[str, Any]) -> None:
        """One step of ``p`` against ``g``."""
        a = self.alpha
        state["square"] = spread = a * state["square"] + (1 - a) * (g * g) if "square" in state else (1 - a) * (g * g)
        if self.centered:
            state["mean"] = m = a * state["mean"] + (1 - a) * g if "mean" in state else (1 - a) * g
            spread = spread - m * m
        g = g / (xg.sqrt(spread) + self.eps)
        if self.momentum:
            state["velocity"] = g = self.momentum * state["velocity"] + g if "velocity" in state else g
        p -= self.lr * g


class Adagrad(Optimizer):
    """Every element's step scaled by the root of the sum of all squares of its gradient.

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization" (2011).

    Parameters
    ----------
    params : iterable of Tensor
        Leaves of real floating dtype, each once.
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

    Raises
    ------
    TypeError, ValueError
        See ``Optimizer``.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, -2.0])
    >>> optimiser = xg.optim.Adagrad([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimiser.step()
    >>> x
    Tensor([ 0.9, -1.9])
    """

    def __init__(
        self,
        params: Iterable[xg.Tensor],
        lr: float = 0.01,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ):
        super().__init__(params, lr, weight_decay)
        self.lr_decay = _at_least_0("Adagrad", "lr_decay", lr_decay)
        self.initial = _at_least_0("Adagrad", "initial_accumulator_value", initial_accumulator_value)
        self.eps = _at_least_0("Adagrad", "eps", eps)

    def update(self, p: xg.Tensor, g: xg.Tensor, state: dict[str, Any]) -> None:
        """One step of ``p`` against ``g``."""
        t = state["step"] = state.get("step", -1) + 1
        state["total"] = total = state.get("total", self.initial) + g * g
        p -= (self.lr / (1 + t * self.lr_decay)) * g / (xg.sqrt(total) + self.eps)


class Lion(Optimizer):
    """Every element moves by the learning rate, against the sign of a mean of its gradients.

    Chen et al., "Symbolic discovery of optimization algorithms" (2023).  Weight decay is decoupled, as in ``AdamW``.

    Parameters
    ----------
    params : iterable of Tensor
        Leaves of real floating dtype, each once.
    lr : float
        Learning rate, at least 0; three to ten times smaller than for ``AdamW``.
    betas : tuple of two floats
        Weight of the running mean in the step, and its decay per step; each from 0 to below 1.
    weight_decay : float
        Times ``lr``, the part of the parameter that every step takes away, at least 0.

    Raises
    ------
    TypeError, ValueError
        See ``Optimizer``.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, -2.0])
    >>> optimiser = xg.optim.Lion([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimiser.step()
    >>> x
    Tensor([ 0.9, -1.9])
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[xg.Tensor],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr, weight_decay)
        self.betas = _decays("Lion", betas)

    def update(self, p: xg.Tensor, g: xg.Tensor, state: dict[str, Any]) -> None:
        """One step of ``p`` against ``g``."""
        b1, b2 = self.betas
        m = state.get("mean", 0.0)
        p -= self.lr * xg.sign(b1 * m + (1 - b1) * g)
        state["mean"] = b2 * m + (1 - b2) * g


def clip_grad_norm(params: Iterable[xg.Tensor], max_norm: float, ord: float = 2.0) -> xg.Tensor:
    """Scale all gradients together so that their common norm is at most ``max_norm``; nothing waits for the device.

    Parameters
    ----------
    params : iterable of Tensor
        Those without a gradient are passed over.
    max_norm : float
        The largest norm to leave as it is, at least 0.
    ord : float
        The norm of all elements of all gradients as one vector; ``math.inf`` for the largest size of an element.

    Returns
    -------
    Tensor
        The norm before, 0-d.  A norm that is not finite makes the gradients NaN or 0: look at it to skip such a step.

    Raises
    ------
    ValueError
        When ``max_norm`` is below 0.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([3.0, 4.0])
    >>> (x**2).sum().backward()
    >>> float(xg.optim.clip_grad_norm([x], 5.0))
    10.0
    >>> xg.linalg.vector_norm(x.grad).round(5)
    Tensor(5.)
    """
    _at_least_0("clip_grad_norm", "max_norm", max_norm)
    grads = [p.grad for p in params if p.grad is not None]
    if not grads:
        return xg.asarray(0.0)
    first = grads[0]
    with xg.no_grad():
        norms = [xg.linalg.vector_norm(g, ord=ord).to(first.device).astype(first.real.dtype) for g in grads]
        total = xg.linalg.vector_norm(xg.stack(norms), ord=ord)
        scale = xg.clip(max_norm / (total + 1e-6), None, 1.0)
        for g in grads:
            g *= scale.to(g.device).astype(g.real.dtype)
    return total


def clip_grad_value(params: Iterable[xg.Tensor], max_value: float) -> None:
    """Bring every element of every gradient into ``[-max_value, max_value]``.

    Parameters
    ----------
    params : iterable of Tensor
        Those without a gradient are passed over.
    max_value : float
        At least 0.

    Raises
    ------
    ValueError
        When ``max_value`` is below 0.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([3.0, 0.1])
    >>> (x**2).sum().backward()
    >>> xg.optim.clip_grad_value([x], 1.0)
    >>> x.grad
    Tensor([1. , 0.2])
    """
    _at_least_0("clip_grad_value", "max_value", max_value)
    with xg.no_grad():
        for p in params:
            if p.grad is not None:
                p.grad[...] = xg.clip(p.grad, -max_value, max_value)


def _decays(function: str, betas: tuple[float, float]) -> tuple[float, float]:
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{function}: betas must be two numbers from 0 to below 1; got {betas!r}. Use (0.9, 0.99).")
    return betas


def _at_least_0(function: str, name: str, value: Any) -> float:
    if not value >= 0:
        raise ValueError(f"{function}: {name} must be at least 0; got {value!r}. Give a number of 0 or more.")
    return value
