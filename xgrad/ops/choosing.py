"""NumPy's names for choosing among arrays, for places, and for comparing arrays as a whole."""

from __future__ import annotations

import math

from ..axes import broadcast_shapes, normalise_axis
from ..core import composite


@composite
def argwhere(xp, a):
    """Positions of the elements that are not zero, one row per element."""
    a = xp.asarray(a)
    flat = xp.flatnonzero(a)[:, None]
    if not a.ndim:
        return flat[:, :0]
    steps = [math.prod(a.shape[i + 1 :]) or 1 for i in range(a.ndim)]
    rows = xp.floor_divide(flat, xp.asarray(steps, dtype="int64"))
    return xp.remainder(rows, xp.asarray([n or 1 for n in a.shape], dtype="int64"))


@composite
def flatnonzero(xp, a):
    """Positions of the elements that are not zero, all axes in one."""
    return xp.nonzero(xp.ravel(a))[0]


@composite
def compress(xp, condition, a, axis=None):
    """The elements along ``axis`` where the one-dimensional condition holds; ``a`` is flattened for None."""
    a = xp.ravel(a) if axis is None else xp.asarray(a)
    axis = normalise_axis(0 if axis is None else axis, a.ndim, "compress")
    condition = xp.asarray(condition)
    if condition.ndim != 1:
        raise ValueError(f"compress: condition must have one axis; got {condition.ndim}. Use extract or a[condition].")
    return xp.take(a, xp.flatnonzero(condition), axis=axis)


@composite
def extract(xp, condition, arr):
    """The elements where the condition holds, in one axis."""
    return xp.take(xp.ravel(arr), xp.flatnonzero(condition), axis=0)


@composite
def select(xp, condlist, choicelist, default=0):
    """Elements of the first choice whose condition holds, ``default`` where none does."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(
            f"select: one choice per condition is needed; got {len(condlist)} conditions for {len(choicelist)} choices."
        )
    choices = [xp.asarray(c) for c in choicelist]
    conditions = [xp.asarray(c) for c in condlist]
    if not all(xp.isdtype(c.dtype, "bool") for c in conditions):
        raise TypeError(f"select: conditions must be boolean; got {[str(c.dtype) for c in conditions]}.")
    dtype = xp.result_type(*choices, default)
    out = xp.astype(xp.asarray(default), dtype)
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        out = xp.where(condition, xp.astype(choice, dtype, copy=False), out)
    shape = broadcast_shapes(*(tuple(a.shape) for a in (*conditions, *choices)))
    return xp.broadcast_to(out, shape) if tuple(out.shape) != shape else out


@composite
def choose(xp, a, choices, mode="raise"):
    """At each place the element of the choice whose number is in ``a``."""
    a = xp.asarray(a)
    arrays = xp.broadcast_arrays(a, *(xp.asarray(c) for c in choices))
    number, stacked, n = arrays[0], xp.stack(arrays[1:]), len(arrays) - 1
    if mode == "raise":
        if bool(xp.any((a < 0) | (a >= n))):
            raise ValueError(f"choose: a must hold numbers from 0 to {n - 1}; got others. Pass mode='wrap' or 'clip'.")
    elif mode == "wrap":
        number = xp.remainder(number, n)
    elif mode == "clip":
        number = xp.clip(number, 0, n - 1)
    else:
        raise ValueError(f"choose: mode must be 'raise', 'wrap' or 'clip'; got {mode!r}.")
    return xp.take_along_axis(stacked, xp.reshape(xp.astype(number, "int64"), (1, *number.shape)), axis=0)[0]


@composite
def apply_along_axis(xp, func1d, axis, arr, *args, **kwargs):
    """``func1d`` of every one-dimensional slice along ``axis``, whose place its results' axes take."""
    arr = xp.asarray(arr)
    axis = normalise_axis(axis, arr.ndim, "apply_along_axis")
    lines = xp.moveaxis(arr, axis, -1)
    outer = tuple(lines.shape[:-1])
    if 0 in outer:
        raise ValueError(f"apply_along_axis: there is no slice to apply to; got shape {tuple(arr.shape)}.")
    results = [
        xp.asarray(func1d(line, *args, **kwargs)) for line in xp.unstack(xp.reshape(lines, (-1, arr.shape[axis])))
    ]
    inner = tuple(results[0].shape)
    out = xp.reshape(xp.stack(results), (*outer, *inner))
    here, there = range(len(outer), len(outer) + len(inner)), range(axis, axis + len(inner))
    return xp.moveaxis(out, tuple(here), tuple(there))


# Comparing ------------------------------------------------------------------------------------------------------------


@composite
def isclose(xp, a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether ``abs(a - b) <= atol + rtol * abs(b)``, element by element; infinities are close to themselves."""
    a, b = xp.asarray(a), xp.asarray(b)
    inexact = [x for x in (a, b) if xp.isdtype(x.dtype, ("real floating", "complex floating"))]
    if not inexact:
        a, b = xp.astype(a, "float64"), xp.astype(b, "float64")
    plain = (a == a) & (xp.abs(a) != float("inf")) & (b == b) & (xp.abs(b) != float("inf"))
    near = xp.abs(xp.where(plain, a, 0.0) - xp.where(plain, b, 0.0)) <= atol + rtol * xp.abs(xp.where(plain, b, 0.0))
    close = xp.where(plain, near, a == b)
    return close | ((a != a) & (b != b)) if equal_nan else close


@composite
def allclose(xp, a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are close; a Python bool."""
    return bool(xp.all(xp.isclose(a, b, rtol, atol, equal_nan)))


@composite
def array_equal(xp, a1, a2, equal_nan=False):
    """Whether two arrays have one shape and equal elements; a Python bool."""
    a1, a2 = xp.asarray(a1), xp.asarray(a2)
    if tuple(a1.shape) != tuple(a2.shape):
        return False
    same = a1 == a2
    return bool(xp.all(same | ((a1 != a1) & (a2 != a2)) if equal_nan else same))
