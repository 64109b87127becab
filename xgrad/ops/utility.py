"""Utility functions."""

from __future__ import annotations

from ..axes import normalise_axis
from ..core import composite, primitive


@primitive(zero=True)
def all(x, /, *, axis=None, keepdims=False):
    """Whether every element is true."""


@primitive(zero=True)
def any(x, /, *, axis=None, keepdims=False):
    """Whether any element is true."""


@composite
def diff(xp, x, /, *, axis=-1, n=1, prepend=None, append=None):
    """Differences of neighbours along ``axis``, ``n`` times, of ``x`` between ``prepend`` and ``append``."""
    axis = normalise_axis(axis, x.ndim, "diff")
    parts = [part for part in (prepend, x, append) if part is not None]
    x = xp.concat(parts, axis=axis) if len(parts) > 1 else x
    for _ in range(n):
        later = xp.getitem(x, key=(slice(None),) * axis + (slice(1, None), ...))
        earlier = xp.getitem(x, key=(slice(None),) * axis + (slice(None, -1), ...))
        x = later - earlier
    return x
