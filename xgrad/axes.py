"""Axes, shapes and indices as canonical Python values: tuples of int, no arrays.

Arguments pass through here before any backend sees them, so ``[2, 3]``, ``np.int64(2)`` and negative axes mean the same
on every array library.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Any


def normalise_axis(axis: Any, ndim: int, function: str = "axis") -> int:
    """``axis`` as a non-negative int; IndexError when it is outside ``ndim`` axes."""
    axis = axis if type(axis) is int else operator.index(axis)
    if not -ndim <= axis < ndim:
        raise IndexError(f"{function}: axis is out of range; got {axis} for {ndim} axes. Use -{ndim} to {ndim - 1}.")
    return axis % ndim


def normalise_axes(axis: Any, ndim: int, function: str = "axis") -> tuple[int, ...]:
    """``axis`` (None for all, an int, or several) as a tuple of distinct non-negative ints."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int or not isinstance(axis, Iterable):
        return (normalise_axis(axis, ndim, function),)
    axes = tuple(normalise_axis(a, ndim, function) for a in axis)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{function}: axis names an axis twice; got {tuple(axis)}. Name each once.")
    return axes


def keepdims_shape(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """The shape of a reduction of ``shape`` over ``axis`` with the reduced axes kept at length one."""
    axes = normalise_axes(axis, len(shape))
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def inverse_permutation(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes ``axes``."""
    return tuple(axes.index(i) for i in range(len(axes)))


def moved(ndim: int, source: Any, destination: Any) -> tuple[int, ...]:
    """The permutation that takes the axes ``source`` to the places ``destination``, the others in order."""
    start = normalise_axes(source if isinstance(source, Iterable) else (source,), ndim, "moveaxis")
    end = normalise_axes(destination if isinstance(destination, Iterable) else (destination,), ndim, "moveaxis")
    if len(start) != len(end):
        raise ValueError(f"moveaxis: source and destination differ in length; got {start} and {end}.")
    order = [i for i in range(ndim) if i not in start]
    for place, axis in sorted(zip(end, start, strict=True)):
        order.insert(place, axis)
    return tuple(order)


_INTS = {int}


def as_shape(shape: Any) -> tuple[int, ...]:
    """An int or several as a tuple of Python ints."""
    if type(shape) is int:
        return (shape,)
    if type(shape) is tuple and _INTS.issuperset(map(type, shape)):
        return shape
    if isinstance(shape, Iterable):
        return tuple(operator.index(n) for n in shape)
    return (operator.index(shape),)


def as_axis(axis: Any) -> Any:
    """None, a Python int, or a tuple of Python ints."""
    if axis is None or type(axis) is int:
        return axis
    if type(axis) is tuple and _INTS.issuperset(map(type, axis)):
        return axis
    if isinstance(axis, Iterable):
        return tuple(operator.index(a) for a in axis)
    return operator.index(axis)


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape, aligned from the right; ValueError when two extents differ and neither is one."""
    ndim = max((len(s) for s in shapes), default=0)
    result = []
    for extents in zip(*((1,) * (ndim - len(s)) + tuple(s) for s in shapes), strict=True):
        distinct = {n for n in extents if n != 1}
        if len(distinct) > 1:
            listed = " and ".join(str(tuple(s)) for s in shapes)
            raise ValueError(f"broadcast_shapes: shapes do not fit together; got {listed}. Extents must agree or be 1.")
        result.append(distinct.pop() if distinct else 1)
    return tuple(result)


@functools.lru_cache(1024)
def summed_axes(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...] | None:
    """Axes of ``shape`` to sum so that it fits ``target``, which was broadcast to it; None when it was not.

    Matched by position from the right, never by extent: a square array has equal extents.
    """
    extra = len(shape) - len(target)
    if extra < 0:
        return None
    axes = list(range(extra))
    for i, (n, m) in enumerate(zip(shape[extra:], target, strict=True), start=extra):
        if m == 1 and n != 1:
            axes.append(i)
        elif n != m:
            return None
    return tuple(axes)


def is_basic(key: tuple[Any, ...]) -> bool:
    """Whether a canonical key holds only ints, slices, None and Ellipsis, so that it selects each element once."""
    return _BASIC.issuperset(map(type, key))


_BASIC = frozenset((int, slice, type(None), type(Ellipsis)))
_PLAIN = frozenset((int, type(None)))  # what a slice may hold as it is


def complete_key(key: Any, ndim: int) -> tuple[Any, ...]:
    """An index as a tuple with exactly one Ellipsis: ``x[1:]`` of a matrix becomes ``(slice(1, None), ...)``.

    Ints become Python ints, lists become arrays at the backend; arrays pass through.
    """
    items = list(key) if isinstance(key, tuple) else [key]
    ellipses = used = 0
    for i, k in enumerate(items):
        if k is Ellipsis:
            ellipses += 1
        elif type(k) is int:
            used += 1
        elif type(k) is slice:
            used += 1
            if not _PLAIN.issuperset((type(k.start), type(k.stop), type(k.step))):
                items[i] = slice(*(n if n is None or type(n) is int else operator.index(n) for n in _parts(k)))
        elif k is None or isinstance(k, bool):
            continue
        elif hasattr(k, "shape"):
            used += len(k.shape) if str(k.dtype).endswith("bool") else 1
        else:
            used += 1
            items[i] = operator.index(k)
    if ellipses > 1:
        raise IndexError("getitem: an index may hold only one Ellipsis (...); got several. Keep one.")
    if not ellipses:
        items.append(Ellipsis)
    if used > ndim:
        raise IndexError(f"getitem: too many indices; got {used} for an array of {ndim} axes.")
    return tuple(items)


def placed_key(key: tuple[Any, ...], ndim: int) -> list[tuple[int, Any]]:
    """The parts of a complete key that select, each with the first axis of ``ndim`` that it selects from."""
    parts = [k for k in key if k is not None and not isinstance(k, bool)]
    extents = [len(k.shape) if hasattr(k, "shape") and str(k.dtype).endswith("bool") else 1 for k in parts]
    rest = ndim - sum(n for n, k in zip(extents, parts, strict=True) if k is not Ellipsis)
    axis, placed = 0, []
    for k, n in zip(parts, extents, strict=True):
        if k is not Ellipsis:
            placed.append((axis, k))
        axis += rest if k is Ellipsis else n
    return placed


def clipped_key(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """A basic key whose slices, of steps above zero, end where the axes of ``shape`` do."""
    taken = sum(k is not None and k is not Ellipsis for k in key)
    axis, clipped = 0, []
    for k in key:
        if isinstance(k, slice):
            k = slice(*k.indices(shape[axis]))
        axis += len(shape) - taken if k is Ellipsis else k is not None
        clipped.append(k)
    return tuple(clipped)


def _parts(k: slice) -> tuple[Any, Any, Any]:
    return k.start, k.stop, k.step


def cut(axis: int, start: int | None, stop: int | None) -> tuple[Any, ...]:
    """The complete key of the elements from ``start`` to ``stop`` along a non-negative ``axis``."""
    return (slice(None),) * axis + (slice(start, stop), Ellipsis)


def diagonal_slice(rows: int, columns: int, offset: int = 0) -> slice:
    """Where the diagonal ``offset`` places above the main one lies in a matrix laid out row by row."""
    count = min(rows + min(offset, 0), columns - max(offset, 0))
    if count <= 0:
        return slice(0, 0, 1)
    start = offset if offset >= 0 else -offset * columns
    return slice(start, start + (count - 1) * (columns + 1) + 1, columns + 1)


def reduced_shape(shape: tuple[int, ...], axis: Any, keepdims: bool) -> tuple[int, ...]:
    """The shape of a reduction of ``shape`` over ``axis``."""
    axes = normalise_axes(axis, len(shape))
    return keepdims_shape(shape, axes) if keepdims else tuple(n for i, n in enumerate(shape) if i not in axes)
