"""Entropies, divergences and robust losses.

``x*log(y)`` is 0 where ``x`` is 0, and so are its derivatives where both are.  Where ``x`` alone is 0 the derivatives
of ``entr``, ``rel_entr`` and ``kl_div`` in it are infinite, but 0 where the cotangent is exactly 0.
"""

from __future__ import annotations

import math

from ..approximate import times
from ..core import composite, primitive


@primitive(singular=True, floating=True, boxed=True)
def xlogy(x, y, /):
    """``x * log(y)``, 0 where ``x`` is 0."""


@xlogy.vjp
def xlogy_vjp(xp, out, x, y):
    def safe():
        return xp.where((x == 0) & (y <= 0), 1.0, y)

    return lambda ct: times(xp, ct, xp.log(safe())), lambda ct: ct * (x / safe())


@primitive(singular=True, floating=True, boxed=True)
def xlog1py(x, y, /):
    """``x * log1p(y)``, 0 where ``x`` is 0."""


@xlog1py.vjp
def xlog1py_vjp(xp, out, x, y):
    def safe():
        return xp.where((x == 0) & (y <= -1), 0.0, y)

    return lambda ct: times(xp, ct, xp.log1p(safe())), lambda ct: ct * (x / (1 + safe()))


@primitive(vjp=lambda xp, out, x: lambda ct: times(xp, ct, -xp.log(x) - 1), singular=True, floating=True)
def entr(x, /):
    """Entropy: ``-x * log(x)``, 0 at 0, minus infinity below."""


def _pair(xp, x, y):
    """Where both are 0, and both with 1 there."""
    none = (x == 0) & (y == 0)
    return none, xp.where(none, 1.0, x), xp.where(none, 1.0, y)


@primitive(singular=True, floating=True, boxed=True)
def rel_entr(x, y, /):
    """Relative entropy: ``x * log(x / y)``, 0 where ``x`` is 0, infinite where one is negative."""


@rel_entr.vjp
def rel_entr_vjp(xp, out, x, y):
    def first(ct):
        none, a, b = _pair(xp, x, y)
        return times(xp, ct, xp.where(none, 0.0, xp.log(a / b) + 1))

    return first, lambda ct: -ct * (x / _pair(xp, x, y)[2])


@primitive(singular=True, floating=True, boxed=True)
def kl_div(x, y, /):
    """Divergence of Kullback and Leibler: ``x * log(x / y) - x + y``, ``y`` where ``x`` is 0."""


@kl_div.vjp
def kl_div_vjp(xp, out, x, y):
    def first(ct):
        _, a, b = _pair(xp, x, y)
        return times(xp, ct, xp.log(a / b))

    return first, lambda ct: ct * (1 - x / _pair(xp, x, y)[2])


@composite(boxed=True)
def huber(xp, delta, r, /):
    """Huber's loss: ``r**2 / 2`` up to ``delta``, then ``delta * (abs(r) - delta/2)``; infinite below ``delta = 0``."""
    size = xp.abs(r)
    loss = xp.where(size <= delta, 0.5 * xp.square(r), delta * (size - 0.5 * delta))
    return xp.where(delta < 0, math.inf, loss)


@composite(boxed=True)
def pseudo_huber(xp, delta, r, /):
    """Smooth form of Huber's loss: ``delta**2 * (sqrt(1 + (r/delta)**2) - 1)``."""
    flat = delta == 0
    ratio = xp.where(flat, 0.0, r) / xp.where(flat, 1.0, delta)
    loss = xp.square(delta) * xp.expm1(0.5 * xp.log1p(xp.square(ratio)))
    return xp.where(delta < 0, math.inf, loss)
