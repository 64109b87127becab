"""Normalised exponentials: one formula for every library, faster than those of libraries that check first."""

from __future__ import annotations

import math

from ...registry import formula


def _shifted(xp, x, axis):
    """``x`` less its maximum over ``axis``: exponentials of the result are at most 1, one of them exactly 1."""
    if 0 in x.shape:
        return x
    top = xp.max(x, axis=axis, keepdims=True)
    return x - xp.where(xp.abs(top) == math.inf, 0.0, top)  # infinity less infinity would be NaN


def _total(xp, terms, axis):
    """The sum of ``exp`` of shifted numbers: at least 1, or 0 where all are -inf, and the bound lifts only that."""
    return xp.clip(xp.sum(terms, axis=axis, keepdims=True), 0.5, None)


@formula("special.softmax")
def softmax(xp, x, /, *, axis=None):
    """In the dtype of ``x``."""
    terms = xp.exp(_shifted(xp, x, axis))
    return terms / _total(xp, terms, axis)


@formula("special.log_softmax")
def log_softmax(xp, x, /, *, axis=None):
    """In the dtype of ``x``."""
    shifted = _shifted(xp, x, axis)
    return shifted - xp.log(_total(xp, xp.exp(shifted), axis))


@formula("special.softmax_cross_entropy")
def softmax_cross_entropy(xp, x, labels, /, *, mean=False):
    """In the dtype of ``x``; nothing is saved."""
    shifted = _shifted(xp, x, -1)
    chosen = xp.take_along_axis(shifted, labels[..., None], axis=-1)
    losses = (xp.log(_total(xp, xp.exp(shifted), -1)) - chosen)[..., 0]
    return (xp.mean(losses) if mean else losses), None
