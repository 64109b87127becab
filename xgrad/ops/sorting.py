"""Sorting functions."""

from __future__ import annotations

from ..core import primitive


@primitive(selects=True)
def sort(x, /, *, axis=-1, descending=False, stable=True):
    """Sorted along ``axis``."""


@sort.vjp
def sort_vjp(xp, out, x, *, axis=-1, descending=False, stable=True):
    def pullback(ct):
        order = xp.argsort(x, axis=axis, descending=descending, stable=True)
        return xp.take_along_axis(ct, xp.argsort(order, axis=axis), axis=axis)

    return pullback


@primitive(zero=True)
def argsort(x, /, *, axis=-1, descending=False, stable=True):
    """Positions that sort along ``axis``."""
