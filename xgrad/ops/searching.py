"""Searching functions: values that are chosen flow, positions do not."""

from __future__ import annotations

from ..core import primitive


@primitive(vjp=lambda xp, out, x: lambda ct: ct, selects=True, diagonal=True)
def selected(x, /):
    """``x`` itself, where a selection was made before: its pullbacks may meet the zeros of that one."""


@primitive(selects=True, diagonal=True, promote=(1, 2))
def where(condition, x1, x2, /):
    """``x1`` where the condition holds, else ``x2``."""


@where.vjp
def where_vjp(xp, out, condition, x1, x2):
    return (
        None,
        lambda ct: xp.where(condition, ct, 0.0),
        lambda ct: xp.where(condition, 0.0, ct),
    )


@primitive(zero=True)
def argmax(x, /, *, axis=None, keepdims=False):
    """Position of the first maximum along ``axis``, or in the flattened array."""


@primitive(zero=True)
def argmin(x, /, *, axis=None, keepdims=False):
    """Position of the first minimum along ``axis``, or in the flattened array."""


@primitive(zero=True, results=tuple)
def nonzero(x, /):
    """Positions of the elements that are not zero, one array per axis."""


@primitive(zero=True)
def count_nonzero(x, /, *, axis=None, keepdims=False):
    """How many elements are not zero."""


@primitive(zero=True)
def searchsorted(x1, x2, /, *, side="left", sorter=None):
    """Where to insert each element of ``x2`` so that the sorted ``x1`` stays sorted."""
