"""A derivative of a derivative: logistic regression, as Newton's method by conjugate gradients needs it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .task import Arrays, Draw, Task


def logistic_arrays(rows: int, features: int) -> Draw:
    def arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        x, w, v = rng.standard_normal((rows, features)), rng.standard_normal(features), rng.standard_normal(features)
        return [w * features**-0.5], [x, (rng.random(rows) < 0.5) * 1.0, v]

    return arrays


def logistic(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """The mean of ``log(1 + exp(z)) - y * z``, with ``z = x @ w``."""
    (w,), (x, y) = params, data
    return peer.logistic_loss(x @ w, y)


def logistic_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    (w,), (x, y, v) = params, data
    p = 1 / (1 + xp.exp(-(x @ w)))
    gradient = (p - y) @ x / len(y)
    along = x @ v
    along *= p
    along *= 1 - p
    return gradient, [along @ x / len(y)]


HESSIAN_PRODUCT = Task(
    "hvp",
    "Hessian of logistic regression, 4,000x100, times a vector, float64",
    logistic_arrays(4_000, 100),
    logistic_arrays(20, 4),
    logistic,
    logistic_by_hand,
    kind="hessian",
)
