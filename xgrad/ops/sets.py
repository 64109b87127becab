"""Set functions: the values found flow, by their first occurrence; positions and counts do not."""

from __future__ import annotations

from typing import NamedTuple

from ..core import composite
from ..tensor import Tensor


class UniqueAllResult(NamedTuple):
    """What ``unique_all`` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCountsResult(NamedTuple):
    """What ``unique_counts`` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverseResult(NamedTuple):
    """What ``unique_inverse`` returns."""

    values: Tensor
    inverse_indices: Tensor


def _sorting(xp, flat):
    """Positions that sort a vector of any dtype, equal elements in order; complex ones by real, then imaginary part."""
    if xp.isdtype(flat.dtype, "bool"):
        return xp.argsort(xp.astype(flat, xp.uint8), stable=True)
    if not xp.isdtype(flat.dtype, "complex floating"):
        return xp.argsort(flat, stable=True)
    order = xp.argsort(xp.imag(flat), stable=True)
    return xp.take(order, xp.argsort(xp.take(xp.real(flat), order, axis=0), stable=True), axis=0)


@composite
def unique_all(xp, x, /):
    """The distinct elements, sorted, with first positions, positions that rebuild ``x``, and counts; NaNs differ."""
    flat = xp.reshape(x, (-1,))
    order = _sorting(xp, flat)
    ordered = xp.take(flat, order, axis=0)
    later = ordered[1:] != ordered[:-1]
    new = xp.concat([xp.ones_like(order[:1], dtype=xp.bool), later])
    (starts,) = xp.nonzero(new)
    ends = xp.concat([starts[1:], xp.full_like(starts[:1], flat.shape[0])])
    number = xp.cumulative_sum(xp.astype(new, order.dtype)) - 1
    indices = xp.take(order, starts, axis=0)
    inverse = xp.reshape(xp.take(number, xp.argsort(order), axis=0), x.shape)
    return UniqueAllResult(xp.take(flat, indices, axis=0), indices, inverse, ends - starts)


@composite
def unique_counts(xp, x, /):
    """The distinct elements, sorted, and how often each occurs; NaNs differ from one another."""
    found = xp.unique_all(x)
    return UniqueCountsResult(found.values, found.counts)


@composite
def unique_inverse(xp, x, /):
    """The distinct elements, sorted, and the positions in them that rebuild ``x``; NaNs differ from one another."""
    found = xp.unique_all(x)
    return UniqueInverseResult(found.values, found.inverse_indices)


@composite
def unique_values(xp, x, /):
    """The distinct elements, sorted; NaNs differ from one another."""
    return xp.unique_all(x).values


@composite
def isin(xp, x1, x2, /, *, invert=False):
    """Whether each element of ``x1`` is among those of ``x2``, or is not when ``invert``."""
    x1, x2 = xp.asarray(x1), xp.asarray(x2)
    members = xp.reshape(x2, (-1,))
    dtype = xp.result_type(x1, x2)
    if members.shape[0] <= 16 or not xp.isdtype(dtype, ("integral", "real floating")):
        found = xp.any(xp.expand_dims(x1, axis=-1) == members, axis=-1)
    else:  # sorted once, then one search per element
        members = xp.sort(xp.astype(members, dtype))
        place = xp.searchsorted(members, xp.astype(x1, dtype))
        found = xp.take(members, xp.clip(place, max=members.shape[0] - 1), axis=0) == x1
    return ~found if invert else found
