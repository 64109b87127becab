"""xgrad, with leaves and ``backward()``, on any of its devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import high_water
from ..tasks import Task
from .peer import Peer, Step, number


class XGrad(Peer):
    """Layers are those of ``xgrad.nn.functional``."""

    def __init__(self, device: str):
        import xgrad
        import xgrad.nn.functional

        self.xp, self.F, self.device, self.synchronize = xgrad, xgrad.nn.functional, device, None
        xgrad.zeros((), device=device)  # a clear error when the device is not there
        if device.startswith("cuda"):
            import cupy

            place = cupy.cuda.Device(number(device))
            place.use()
            self.synchronize = place.synchronize
        elif device.startswith("torch:cuda"):
            import torch

            self.synchronize = lambda: torch.cuda.synchronize(number(device))

    def gradient_step(self, task: Task, leaves: list[Any], fixed: list[Any], ct: Any) -> Step:
        def step() -> tuple[Any, list[Any]]:
            value = task.forward(self, leaves, fixed)
            value.backward(ct)
            return value, [leaf.grad for leaf in leaves]

        return step

    def product_step(self, task: Task, leaves: list[Any], fixed: list[Any], vector: Any) -> Step:
        (w,) = leaves
        w = w.detach()
        return lambda: (None, list(self.xp.hvp(lambda w: task.forward(self, [w], fixed), (w,), (vector,))))

    def place(self, a: np.ndarray) -> Any:
        return self.xp.asarray(a, device=self.device)

    def leaf(self, a: np.ndarray) -> Any:
        return self.xp.Tensor(a, device=self.device)

    def wait(self, result: Any) -> None:
        if self.synchronize is not None:
            self.synchronize()

    def numpy(self, value: Any) -> np.ndarray:
        return value.detach().numpy()

    def peak(self, step: Step) -> int:
        if self.device.startswith("cuda"):
            return high_water.on_cupy(step)
        if self.device.startswith("torch:cuda"):
            return high_water.on_torch(step, self.device.removeprefix("torch:"))
        return high_water.on_host(step)

    def linear(self, x: Any, w: Any, b: Any = None) -> Any:
        return self.F.linear(x, w, b)

    def relu(self, x: Any) -> Any:
        return self.F.relu(x)

    def cross_entropy(self, logits: Any, targets: Any) -> Any:
        return self.F.cross_entropy(logits, targets)

    def layer_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        return self.F.layer_norm(x, weight.shape, weight, bias)

    def attend(self, q: Any, k: Any, v: Any) -> Any:
        return self.F.scaled_dot_product_attention(q, k, v)

    def embedding(self, rows: Any, table: Any) -> Any:
        return self.F.embedding(rows, table)

    def convolution(self, x: Any, w: Any, b: Any) -> Any:
        return self.xp.convolution(x, w) + self.xp.reshape(b, (-1, 1, 1))  # as nn.Conv2d

    def logistic_loss(self, logits: Any, targets: Any) -> Any:
        return self.F.binary_cross_entropy_with_logits(logits, targets)

    def permute(self, x: Any, axes: tuple[int, ...]) -> Any:
        return self.xp.permute_dims(x, axes)

    def unstack(self, x: Any) -> list[Any]:
        return self.xp.unstack(x)
