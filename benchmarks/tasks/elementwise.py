"""Element by element: many small operations, where all is overhead, and few large ones, where all is memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from .task import Arrays, Draw, Task

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


# Large arrays, each used several times: memory bound, and cotangents to add up ----------------------------------------


def fan_out_arrays(size: int) -> Draw:
    return lambda rng: ([rng.random(size, dtype=np.float32) for _ in range(2)], [])


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


CHAIN = Task("chain100", "100 ops on 4x4, float64", chain_arrays, chain_arrays, chain, chain_by_hand, 2.5)
FAN_OUT = Task(
    "fan_out",
    "16 ops on 4 M float32, each used again",
    fan_out_arrays(4_000_000),
    fan_out_arrays(1_000),
    fan_out,
    fan_out_by_hand,
    1.5,
)
