"""What every adapter has, and the hand-written version.

An adapter holds the functions that tasks use (``xp``, ``linear``, ``relu``, ``attend`` ...) and makes the *step* that
is timed: a call without arguments that returns the value and all gradients.  Parameters and data are in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import high_water
from ..tasks import Arrays, Task
from ..tasks.layers import EPS

Step = Callable[[], tuple[Any, list[Any]]]  # no value (None) where a library gives nothing but the derivative


class LackingError(Exception):
    """The library has not what the task needs; it is left out of it."""


class Peer:
    """The defaults are those of a library that follows NumPy: formulas, where it has no function of the kind."""

    xp: Any

    def step(self, task: Task, params: Arrays, data: Arrays) -> Step:
        """The call that is timed."""
        leaves, fixed = [self.leaf(a) for a in params], [self.place(a) for a in data]
        along = None if task.kind == "loss" else fixed.pop()
        if task.kind == "hessian":
            return self.product_step(task, leaves, fixed, along)
        return self.gradient_step(task, leaves, fixed, along)

    def gradient_step(self, task: Task, leaves: list[Any], fixed: list[Any], ct: Any) -> Step:
        """The task's value, and the gradients for the cotangent ``ct``, which a loss has none of."""
        raise NotImplementedError

    def product_step(self, task: Task, leaves: list[Any], fixed: list[Any], vector: Any) -> Step:
        """The gradient, or None, and the Hessian times the vector."""
        raise NotImplementedError

    def place(self, a: np.ndarray) -> Any:
        """An array of the library, where it computes."""
        return a

    def leaf(self, a: np.ndarray) -> Any:
        """A parameter."""
        return self.place(a)

    def wait(self, result: Any) -> None:
        """Wait until ``result`` is there, for libraries that only queue the work."""

    def numpy(self, value: Any) -> np.ndarray:
        """A value of the library as a NumPy array."""
        return np.asarray(value)

    def peak(self, step: Step) -> int:
        """How many bytes more than before it were in use at once while ``step`` ran."""
        return high_water.on_host(step)

    # What tasks are made of -------------------------------------------------------------------------------------------

    def linear(self, x: Any, w: Any, b: Any = None) -> Any:
        return x @ w.T if b is None else x @ w.T + b

    def relu(self, x: Any) -> Any:
        return self.xp.maximum(x, 0.0)

    def cross_entropy(self, logits: Any, targets: Any) -> Any:
        xp = self.xp
        shifted = logits - xp.max(logits, axis=1, keepdims=True)
        return xp.mean(xp.log(xp.sum(xp.exp(shifted), axis=1)) - shifted[xp.arange(len(targets)), targets])

    def layer_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        xp = self.xp
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        scale = 1.0 / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + EPS)
        return centred * scale * weight + bias

    def softmax(self, x: Any) -> Any:
        e = self.xp.exp(x - self.xp.max(x, axis=-1, keepdims=True))
        return e / self.xp.sum(e, axis=-1, keepdims=True)

    def attend(self, q: Any, k: Any, v: Any) -> Any:
        scores = self.xp.matmul(q * q.shape[-1] ** -0.5, self.xp.swapaxes(k, 2, 3))
        return self.xp.matmul(self.softmax(scores), v)

    def embedding(self, rows: Any, table: Any) -> Any:
        return table[rows]

    def convolution(self, x: Any, w: Any, b: Any) -> Any:
        raise NotImplementedError

    def logistic_loss(self, logits: Any, targets: Any) -> Any:
        return self.xp.mean(self.xp.logaddexp(0.0, logits) - targets * logits)

    def permute(self, x: Any, axes: tuple[int, ...]) -> Any:
        return self.xp.transpose(x, axes)

    def unstack(self, x: Any) -> list[Any]:
        return [x[i] for i in range(len(x))]

    def scan(self, function: Callable[[Any, Any], Any], state: Any, inputs: Any) -> Any:
        """The last state of ``state = function(state, x)`` for every x of the inputs."""
        for x in inputs:
            state = function(state, x)
        return state


class Hand(Peer):
    """The hand-written version, on NumPy or on CuPy."""

    def __init__(self, device: str):
        self.xp, self.gpu = np, None
        if "cuda" in device:
            import cupy

            self.xp, self.gpu = cupy, cupy.cuda.Device(number(device))
            self.gpu.use()

    def step(self, task: Task, params: Arrays, data: Arrays) -> Step:
        ours, fixed = ([self.place(a) for a in arrays] for arrays in (params, data))
        return lambda: task.hand(self.xp, ours, fixed)

    def place(self, a: np.ndarray) -> Any:
        return self.xp.asarray(a)

    def wait(self, result: Any) -> None:
        if self.gpu is not None:
            self.gpu.synchronize()

    def numpy(self, value: Any) -> np.ndarray:
        return value.get() if hasattr(value, "get") else np.asarray(value)

    def peak(self, step: Step) -> int:
        return high_water.on_host(step) if self.gpu is None else high_water.on_cupy(step)


def number(device: str) -> int:
    """The number at the end of a device's name; 0 when there is none."""
    last = device.rpartition(":")[2]
    return int(last) if last.isdigit() else 0
