"""PyTorch eager and ``torch.compile``.  Products and convolutions are true float32, like CuPy's."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import high_water
from ..tasks import Task
from .peer import LackingError, Peer, Step


class Torch(Peer):
    """PyTorch eager."""

    def __init__(self, device: str):
        import torch

        self.xp, self.F = torch, torch.nn.functional
        self.device = device.removeprefix("torch:") if "cuda" in device else "cpu"
        if "cuda" in device and not torch.cuda.is_available():
            raise ImportError("this PyTorch sees no CUDA device")
        torch.backends.cudnn.allow_tf32 = False  # for convolutions it is on by default, for products off
        torch.set_num_threads(min(2, torch.get_num_threads()))

    def gradient_step(self, task: Task, leaves: list[Any], fixed: list[Any], ct: Any) -> Step:
        forward = self.prepared(lambda leaves, fixed: task.forward(self, leaves, fixed))

        def step() -> tuple[Any, list[Any]]:
            for leaf in leaves:
                leaf.grad = None
            value = forward(leaves, fixed)
            value.backward(ct)
            return value, [leaf.grad for leaf in leaves]

        return step

    def product_step(self, task: Task, leaves: list[Any], fixed: list[Any], vector: Any) -> Step:
        grad = self.xp.autograd.grad

        def step() -> tuple[Any, list[Any]]:
            (gradient,) = grad(task.forward(self, leaves, fixed), leaves, create_graph=True)
            return gradient, list(grad(gradient, leaves, vector))

        return step

    def prepared(self, function: Any) -> Any:
        """The function as it is called in every step."""
        return function

    def place(self, a: np.ndarray) -> Any:
        return self.xp.tensor(a, device=self.device)

    def leaf(self, a: np.ndarray) -> Any:
        return self.xp.tensor(a, device=self.device, requires_grad=True)

    def wait(self, result: Any) -> None:
        if self.device != "cpu":
            self.xp.cuda.synchronize(self.device)

    def numpy(self, value: Any) -> np.ndarray:
        return value.detach().cpu().numpy()

    def peak(self, step: Step) -> int:
        return high_water.on_host(step) if self.device == "cpu" else high_water.on_torch(step, self.device)

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
        return self.F.conv2d(x, w, b)

    def logistic_loss(self, logits: Any, targets: Any) -> Any:
        return self.F.binary_cross_entropy_with_logits(logits, targets)

    def permute(self, x: Any, axes: tuple[int, ...]) -> Any:
        return self.xp.permute(x, axes)

    def unstack(self, x: Any) -> Any:
        return self.xp.unbind(x)


class TorchCompiled(Torch):
    """The forward pass, and by it the pass back, through ``torch.compile``."""

    def prepared(self, function: Any) -> Any:
        self.xp.compiler.reset()  # programs of the tasks before count against a limit, after which it runs eagerly
        return self.xp.compile(function)

    def product_step(self, task: Task, leaves: list[Any], fixed: list[Any], vector: Any) -> Step:
        raise LackingError("torch.compile has no derivatives of compiled derivatives")
