"""mygrad."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tasks import Task
from .peer import LackingError, Peer, Step


class MyGrad(Peer):
    """With its guarding of memory off, as its documentation advises for speed."""

    def __init__(self, device: str):
        import mygrad
        import mygrad.nnet

        self.xp, self.nnet = mygrad, mygrad.nnet
        mygrad.turn_memory_guarding_off()

    def gradient_step(self, task: Task, leaves: list[Any], fixed: list[Any], ct: Any) -> Step:
        def step() -> tuple[Any, list[Any]]:
            value = task.forward(self, leaves, fixed)
            value.backward(ct)
            return value, [leaf.grad for leaf in leaves]

        return step

    def product_step(self, task: Task, leaves: list[Any], fixed: list[Any], vector: Any) -> Step:
        raise LackingError("mygrad has no derivatives of derivatives")

    def leaf(self, a: np.ndarray) -> Any:
        return self.xp.tensor(a)

    def relu(self, x: Any) -> Any:
        return self.nnet.activations.relu(x)

    def softmax(self, x: Any) -> Any:
        return self.nnet.activations.softmax(x)

    def cross_entropy(self, logits: Any, targets: Any) -> Any:
        return self.nnet.losses.softmax_crossentropy(logits, targets)

    def convolution(self, x: Any, w: Any, b: Any) -> Any:
        return self.nnet.layers.conv_nd(x, w, stride=1) + self.xp.reshape(b, (-1, 1, 1))
