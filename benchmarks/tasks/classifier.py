"""A training step of a classifier, small and big."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .task import Arrays, Draw, Task


def mlp_arrays(batch: int, *widths: int) -> Draw:
    def arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        params: Arrays = []
        for n, m in itertools.pairwise(widths):
            params.append(rng.standard_normal((m, n), dtype=np.float32) * np.float32((2 / n) ** 0.5))
            params.append(0.1 * rng.standard_normal(m, dtype=np.float32))
        x = rng.standard_normal((batch, widths[0]), dtype=np.float32)
        return params, [x, rng.integers(0, widths[-1], batch)]

    return arrays


def mlp(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """Linear layers, with a row of weights for each output, relu between them, then the mean cross-entropy."""
    h, targets = data
    for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        h = peer.relu(peer.linear(h, w, b))
    return peer.cross_entropy(peer.linear(h, params[-2], params[-1]), targets)


def mlp_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    x, targets = data
    weights, biases = params[::2], params[1::2]
    inputs = [x]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = inputs[-1] @ w.T
        h += b
        inputs.append(xp.maximum(h, 0, out=h))
    logits = inputs[-1] @ weights[-1].T
    logits += biases[-1]
    logits -= logits.max(axis=1, keepdims=True)
    rows, n = xp.arange(len(targets)), len(targets)
    ct = xp.exp(logits)
    total = ct.sum(axis=1, keepdims=True)
    loss = (xp.log(total[:, 0]) - logits[rows, targets]).mean()
    ct /= total
    ct[rows, targets] -= 1
    ct /= n
    grads: list[Any] = []
    for i in range(len(weights) - 1, -1, -1):
        grads += [ct.sum(axis=0), ct.T @ inputs[i]]
        if i:
            ct = ct @ weights[i]
            ct *= inputs[i] > 0
    return loss, grads[::-1]


MLP_SMALL = Task(
    "mlp_small",
    "MLP step 32x64-32-10, float32",
    mlp_arrays(32, 64, 32, 10),
    mlp_arrays(7, 6, 5, 4),
    mlp,
    mlp_by_hand,
    2.5,
)
MLP_BIG = Task(
    "mlp_big",
    "MLP step 256x784-1024-1024-10, float32",
    mlp_arrays(256, 784, 1024, 1024, 10),
    mlp_arrays(7, 6, 5, 8, 4),
    mlp,
    mlp_by_hand,
    1.05,
)
