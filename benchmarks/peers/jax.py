"""JAX eager and ``jax.jit``.  On a CPU it uses as many threads as there are cores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import high_water
from ..tasks import Task
from .peer import Peer, Step, number


class Jax(Peer):
    """JAX eager: its transforms without ``jit`` around them."""

    def __init__(self, device: str):
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_default_matmul_precision", "highest")  # true float32 on GPUs, as for the others
        self.xp, self.jax = jax.numpy, jax
        self.device = jax.devices("cuda")[number(device)] if "cuda" in device else jax.devices("cpu")[0]

    def gradient_step(self, task: Task, leaves: list[Any], fixed: list[Any], ct: Any) -> Step:
        def forward(leaves: list[Any], fixed: list[Any]) -> Any:
            return task.forward(self, leaves, fixed)

        def pulled(leaves: list[Any], fixed: list[Any], ct: Any) -> tuple[Any, list[Any]]:
            value, pullback = self.jax.vjp(lambda leaves: forward(leaves, fixed), leaves)
            return value, pullback(ct)[0]

        if ct is None:
            both = self.prepared(self.jax.value_and_grad(forward))
            return lambda: both(leaves, fixed)
        pulled = self.prepared(pulled)
        return lambda: pulled(leaves, fixed, ct)

    def product_step(self, task: Task, leaves: list[Any], fixed: list[Any], vector: Any) -> Step:
        def product(w: Any, fixed: list[Any], vector: Any) -> tuple[Any, Any]:
            gradient = self.jax.grad(lambda w: task.forward(self, [w], fixed))
            return self.jax.jvp(gradient, (w,), (vector,))

        both = self.prepared(product)

        def step() -> tuple[Any, list[Any]]:
            gradient, product = both(leaves[0], fixed, vector)
            return gradient, [product]

        return step

    def prepared(self, function: Any) -> Any:
        """The function as it is called in every step."""
        return function

    def place(self, a: np.ndarray) -> Any:
        return self.jax.device_put(a, self.device)

    def wait(self, result: Any) -> None:
        self.jax.block_until_ready(result)

    def peak(self, step: Step) -> int:
        def finished() -> Any:
            return self.jax.block_until_ready(step())

        return (
            high_water.on_host(finished) if self.device.platform == "cpu" else high_water.on_jax(finished, self.device)
        )

    def relu(self, x: Any) -> Any:
        return self.jax.nn.relu(x)

    def softmax(self, x: Any) -> Any:
        return self.jax.nn.softmax(x)

    def convolution(self, x: Any, w: Any, b: Any) -> Any:
        return self.jax.lax.conv(x, w, (1, 1), "VALID") + self.xp.reshape(b, (-1, 1, 1))


class JaxJit(Jax):
    """All of a step compiled; loops by ``lax.scan``."""

    def prepared(self, function: Any) -> Any:
        return self.jax.jit(function)

    def scan(self, function: Callable[[Any, Any], Any], state: Any, inputs: Any) -> Any:
        return self.jax.lax.scan(lambda h, x: (function(h, x), None), state, inputs)[0]
