"""What is measured against others: each task once for every library, and once by hand as a careful engineer would.

A hand-written version takes the array module (NumPy, or CuPy on a GPU) and returns the loss and all gradients.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Task:
    """One computation.

    ``arrays`` draws (parameters, data), ``forward`` gives a peer's loss, ``hand`` the loss and all gradients.
    ``limit`` is the largest ratio to the reference that meets the target, ``ahead_of`` names peers to be faster than;
    both are for xgrad on the CPU.
    """

    name: str
    title: str
    arrays: Callable[[np.random.Generator], tuple[Arrays, Arrays]]
    forward: Callable[[Any, list[Any], list[Any]], Any]
    hand: Callable[[Any, list[Any], list[Any]], tuple[Any, list[Any]]]
    limit: float | None = None
    ahead_of: tuple[str, ...] = ()


# A chain of small operations: nothing but overhead --------------------------------------------------------------------


def chain_arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
    return [rng.standard_normal((4, 4)) for _ in range(3)], []


def chain(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """25 times multiply, add, tanh, sin: 100 operations, and a sum at the end."""
    x, w, b = params
    for _ in range(25):
        x = peer.xp.sin(peer.xp.tanh(x * w + b))
    return peer.xp.sum(x)


def chain_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    x, w, b = params
    saved = []
    for _ in range(25):
        t = xp.tanh(x * w + b)
        saved.append((x, t))
        x = xp.sin(t)
    ct, ct_w, ct_b = xp.ones_like(x), xp.zeros_like(w), xp.zeros_like(b)
    loss = xp.sum(x)
    for x, t in reversed(saved):
        ct = ct * xp.cos(t)
        ct = ct * (1 - t * t)
        ct_b += ct
        ct_w += ct * x
        ct = ct * w
    return loss, [ct, ct_w, ct_b]


# A training step of a classifier --------------------------------------------------------------------------------------


def mlp_arrays(batch: int, widths: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Arrays, Arrays]]:
    def arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        params: Arrays = []
        for n, m in itertools.pairwise(widths):
            params.append(rng.standard_normal((n, m), dtype=np.float32) * np.float32((2 / n) ** 0.5))
            params.append(0.1 * rng.standard_normal(m, dtype=np.float32))
        x = rng.standard_normal((batch, widths[0]), dtype=np.float32)
        return params, [x, rng.integers(0, widths[-1], batch)]

    return arrays


def mlp(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """Linear layers with relu between them, then the mean cross-entropy."""
    h, targets = data
    for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        h = peer.relu(peer.linear(h, w, b))
    return peer.cross_entropy(peer.linear(h, params[-2], params[-1]), targets)


def mlp_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    x, targets = data
    weights, biases = params[::2], params[1::2]
    inputs = [x]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = inputs[-1] @ w
        h += b
        inputs.append(xp.maximum(h, 0, out=h))
    logits = inputs[-1] @ weights[-1]
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
        grads += [ct.sum(axis=0), inputs[i].T @ ct]
        if i:
            ct = ct @ weights[i].T
            ct *= inputs[i] > 0
    return loss, grads[::-1]


# Large arrays, each used several times: memory bound, and cotangents to add up ----------------------------------------


def fan_out_arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
    return [rng.random(4_000_000, dtype=np.float32) for _ in range(2)], []


def fan_out(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """Four times ``h = x * w; x = x + h * (w - h)``, and a sum at the end."""
    x, w = params
    for _ in range(4):
        h = x * w
        x = x + h * (w - h)
    return peer.xp.sum(x)


def fan_out_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    x, w = params
    saved = []
    for _ in range(4):
        h = x * w
        d = w - h
        saved.append((x, h, d))
        x = x + h * d
    loss, ct, ct_w = xp.sum(x), xp.ones_like(x), xp.zeros_like(w)
    while saved:
        x, h, d = saved.pop()
        h *= ct  # the cotangent of d; what was saved is not needed again
        d *= ct
        d -= h  # the cotangent of h
        ct_w += h
        ct_w += xp.multiply(d, x, out=h)
        d *= w
        ct += d
    return loss, [ct, ct_w]


TASKS = {
    task.name: task
    for task in (
        Task("chain100", "100 ops on 4x4, float64", chain_arrays, chain, chain_by_hand, 3.0, ("torch",)),
        Task("mlp_small", "MLP step 32x64-32-10, float32", mlp_arrays(32, (64, 32, 10)), mlp, mlp_by_hand),
        Task(
            "mlp_big",
            "MLP step 256x784-1024-1024-10, float32",
            mlp_arrays(256, (784, 1024, 1024, 10)),
            mlp,
            mlp_by_hand,
            1.15,
        ),
        Task("fan_out", "16 ops on 4 M float32, each used again", fan_out_arrays, fan_out, fan_out_by_hand),
    )
}
