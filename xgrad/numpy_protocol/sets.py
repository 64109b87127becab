"""Sets of values, each once and sorted; the values are recorded, positions and counts are not."""

from __future__ import annotations

import numpy as np

from .table import implements, only, same, tensor, xp

same(1, "unique_values unique_counts unique_inverse unique_all")
same(2, "isin")


@implements("unique")
def _unique(
    ar,
    return_index=False,
    return_inverse=False,
    return_counts=False,
    axis=None,
    *,
    equal_nan=True,
    sorted=True,
):
    only("unique", axis=(axis, (None,)))
    values, index, inverse, counts = xp.unique_all(tensor(ar))
    if equal_nan and values.dtype.kind in "fc":
        nans = int(xp.count_nonzero(xp.isnan(values)))  # the standard tells them apart; they come last
        first = values.size - nans
        if nans > 1:
            inverse = xp.minimum(inverse, first)
            counts = xp.concat([counts[:first], xp.reshape(xp.sum(counts[first:]), (1,))])
            values, index = values[: first + 1], index[: first + 1]
    wanted = ((return_index, index), (return_inverse, inverse), (return_counts, counts))
    chosen = [part for asked, part in wanted if asked]
    return (values, *chosen) if chosen else values


def _once(x, assume_unique):
    x = xp.reshape(tensor(x), (-1,))
    return x if assume_unique else _unique(x)


def _neighbours(ar1, ar2, assume_unique):
    """Both sets in one sorted array, and whether each element equals the next one."""
    both = xp.sort(xp.concat([_once(ar1, assume_unique), _once(ar2, assume_unique)]))
    return both, both[1:] == both[:-1]


@implements("intersect1d")
def _intersect1d(ar1, ar2, assume_unique=False, return_indices=False):
    only("intersect1d", return_indices=(return_indices, (False,)))
    both, equal = _neighbours(ar1, ar2, assume_unique)
    return both[:-1][equal]


@implements("setxor1d")
def _setxor1d(ar1, ar2, assume_unique=False):
    both, equal = _neighbours(ar1, ar2, assume_unique)
    if not both.size:
        return both
    edge = xp.zeros_like(both[:1], dtype=np.bool_)
    return both[~(xp.concat([edge, equal]) | xp.concat([equal, edge]))]


@implements("union1d")
def _union1d(ar1, ar2):
    return _unique(xp.concat([xp.reshape(tensor(ar1), (-1,)), xp.reshape(tensor(ar2), (-1,))]))


@implements("setdiff1d")
def _setdiff1d(ar1, ar2, assume_unique=False):
    first = _once(ar1, assume_unique)
    return first[~xp.isin(first, tensor(ar2))]
