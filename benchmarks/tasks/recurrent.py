"""A small recurrent loop: 200 steps that depend on one another."""

from __future__ import annotations

from typing import Any

import numpy as np

from .task import Arrays, Draw, Task


def recurrent_arrays(steps: int, batch: int, inputs: int, hidden: int) -> Draw:
    def arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        shapes = [(hidden, inputs), (hidden, hidden), (hidden,)]
        params = [rng.standard_normal(s, dtype=np.float32) * np.float32(0.9 * hidden**-0.5) for s in shapes]
        return params, [
            rng.standard_normal((steps, batch, inputs), dtype=np.float32),
            np.zeros((batch, hidden), np.float32),
        ]

    return arrays


def recurrent(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """``h = tanh(x @ w.T + b + h @ u.T)`` for every x, then the mean square of h."""
    (w, u, b), (inputs, h) = params, data
    h = peer.scan(lambda h, x: peer.xp.tanh(peer.linear(x, w, b) + peer.linear(h, u)), h, inputs)
    return peer.xp.mean(h * h)


def recurrent_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    """What does not depend on the step before is one product for all steps."""
    (w, u, b), (inputs, start) = params, data
    states = inputs @ w.T
    states += b
    h = start
    for state in states:
        state += h @ u.T
        h = xp.tanh(state, out=state)
    loss, ct = xp.mean(h * h), h * (2 / h.size)
    slopes = 1 - states * states
    for slope in slopes[::-1]:
        slope *= ct  # now the cotangent of what tanh was of
        ct = slope @ u
    rows, width = slopes.reshape(-1, len(u)), inputs.shape[2]
    before = xp.concatenate((start[None], states[:-1])).reshape(rows.shape)
    return loss, [rows.T @ inputs.reshape(-1, width), rows.T @ before, rows.sum(axis=0)]


RECURRENT = Task(
    "recurrent",
    "recurrent loop of 200 steps, 16x8 to 32, float32",
    recurrent_arrays(200, 16, 8, 32),
    recurrent_arrays(6, 3, 2, 4),
    recurrent,
    recurrent_by_hand,
)
