"""HIPS autograd."""

from __future__ import annotations

from typing import Any

from ..tasks import Task
from .peer import LackingError, Peer, Step


class Autograd(Peer):
    """Formulas in its NumPy, and the convolution of its SciPy, as in its own example of an image network."""

    def __init__(self, device: str):
        import autograd
        import autograd.numpy

        self.xp, self.autograd = autograd.numpy, autograd

    def gradient_step(self, task: Task, leaves: list[Any], fixed: list[Any], ct: Any) -> Step:
        def forward(leaves: list[Any]) -> Any:
            return task.forward(self, leaves, fixed)

        if ct is None:
            both = self.autograd.value_and_grad(forward)
            return lambda: both(leaves)

        def step() -> tuple[Any, list[Any]]:
            pullback, value = self.autograd.make_vjp(forward)(leaves)
            return value, pullback(ct)

        return step

    def product_step(self, task: Task, leaves: list[Any], fixed: list[Any], vector: Any) -> Step:
        product = self.autograd.hessian_vector_product(lambda w: task.forward(self, [w], fixed))
        return lambda: (None, [product(leaves[0], vector)])

    def convolution(self, x: Any, w: Any, b: Any) -> Any:
        try:
            from autograd.scipy.signal import convolve
        except ImportError as error:
            raise LackingError(f"its convolution needs SciPy: {error}") from error
        flipped = w[:, :, ::-1, ::-1]
        out = convolve(x, flipped, axes=([2, 3], [2, 3]), dot_axes=([1], [1]), mode="valid")
        return out + self.xp.reshape(b, (-1, 1, 1))
