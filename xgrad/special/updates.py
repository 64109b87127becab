"""Steps of optimisers: one call, and one kernel, for a vector of parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core import primitive


class AdamStep(NamedTuple):
    """What ``adam_step`` returns."""

    p: Any
    mean: Any
    square: Any


@primitive(results=AdamStep, floating=True)
def adam_step(p, g, mean, square, /, *, rate, b1, b2, eps, decay=0.0, shrink=0.0):
    """Parameters after a step of Adam, and the running means of their gradients ``g`` and of the squares of these.

    ``rate`` and ``eps`` hold the bias corrections; ``decay`` times the parameters is added to the gradients, and
    ``shrink`` times the parameters is taken from them besides the step.  It has no derivative.
    """
