"""Steps of optimisers, on vectors of parameters."""

from __future__ import annotations

from ...registry import formula


@formula("special.adam_step")
def adam_step(xp, p, g, mean, square, /, *, rate, b1, b2, eps, decay=0.0, shrink=0.0):
    """Parameters after a step of Adam, and the running means of their gradient and of its square.

    ``rate`` and ``eps`` hold the corrections of these means.  ``decay`` times the parameters is added to the gradient;
    ``shrink`` of them is taken away.
    """
    if decay:
        g = g + decay * p
    mean = b1 * mean + (1 - b1) * g
    square = b2 * square + (1 - b2) * (g * g)
    change = rate * mean / (xp.sqrt(square) + eps)
    return p - (change + shrink * p if shrink else change), mean, square
