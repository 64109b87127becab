"""NumPy's names for joining, splitting, inserting and deleting."""

from __future__ import annotations

import itertools

from ..axes import cut, normalise_axis
from ..core import composite


@composite
def concatenate(xp, arrays, axis=0, *, dtype=None):
    """Arrays joined along an axis they have; None flattens them first."""
    arrays = [xp.asarray(a) for a in arrays]
    return xp.concat(arrays if dtype is None else [xp.astype(a, dtype) for a in arrays], axis=axis)


def _stacked(xp, tup, atleast, axis, dtype):
    arrays = [atleast(a) for a in tup]
    if not arrays:
        raise ValueError("concatenate: at least one array is needed; got none.")
    return xp.concatenate(arrays, axis=axis(arrays[0].ndim) if callable(axis) else axis, dtype=dtype)


@composite
def hstack(xp, tup, *, dtype=None):
    """Arrays side by side: joined along the second axis, vectors along their only one."""
    return _stacked(xp, tup, xp.atleast_1d, lambda ndim: 0 if ndim == 1 else 1, dtype)


@composite
def vstack(xp, tup, *, dtype=None):
    """Arrays one above the other: joined along the first axis, vectors as rows."""
    return _stacked(xp, tup, xp.atleast_2d, 0, dtype)


@composite
def dstack(xp, tup, *, dtype=None):
    """Arrays one behind the other: joined along the third axis."""
    return _stacked(xp, tup, xp.atleast_3d, 2, dtype)


@composite
def column_stack(xp, tup):
    """Vectors as the columns of a matrix, matrices as they are."""
    columns = [xp.asarray(a) for a in tup]
    return xp.concatenate([xp.transpose(xp.atleast_2d(a)) if a.ndim < 2 else a for a in columns], axis=1)


@composite
def append(xp, arr, values, axis=None):
    """``values`` joined to the end of ``arr``; both are flattened when no axis is given."""
    if axis is None:
        return xp.concatenate([xp.ravel(arr), xp.ravel(values)])
    return xp.concatenate([arr, values], axis=axis)


# Splitting ------------------------------------------------------------------------------------------------------------


@composite
def array_split(xp, ary, indices_or_sections, axis=0):
    """Parts along ``axis``: so many of about one size, or cut at the given places; a list."""
    ary = xp.asarray(ary)
    axis = normalise_axis(axis, ary.ndim, "array_split")
    n = ary.shape[axis]
    if hasattr(indices_or_sections, "__len__") and len(getattr(indices_or_sections, "shape", (0,))):
        places = [0, *(int(i) for i in indices_or_sections), n]
    else:
        count = int(indices_or_sections)
        if count <= 0:
            raise ValueError(f"array_split: the number of parts must be positive; got {count}.")
        size, longer = divmod(n, count)
        places = [i * size + min(i, longer) for i in range(count + 1)]
    return [xp.getitem(ary, key=cut(axis, a, b)) for a, b in itertools.pairwise(places)]


@composite
def split(xp, ary, indices_or_sections, axis=0):
    """Parts along ``axis``: so many of one size, or cut at the given places; a list."""
    ary = xp.asarray(ary)
    if not hasattr(indices_or_sections, "__len__"):
        n = ary.shape[normalise_axis(axis, ary.ndim, "split")]
        if n % int(indices_or_sections):
            raise ValueError(
                f"split: {n} elements do not make {indices_or_sections} parts of one size; got axis {axis} of shape "
                f"{tuple(ary.shape)}. Use array_split."
            )
    return xp.array_split(ary, indices_or_sections, axis)


def _split(xp, name, ary, indices_or_sections, axis, least):
    ary = xp.asarray(ary)
    if ary.ndim < least:
        raise ValueError(f"{name}: ary must have {least} axes or more; got {ary.ndim}.")
    return xp.split(ary, indices_or_sections, min(axis, ary.ndim - 1))


@composite
def hsplit(xp, ary, indices_or_sections):
    """Parts along the second axis, of a vector along its only one."""
    return _split(xp, "hsplit", ary, indices_or_sections, 1, 1)


@composite
def vsplit(xp, ary, indices_or_sections):
    """Parts along the first axis."""
    return _split(xp, "vsplit", ary, indices_or_sections, 0, 2)


@composite
def dsplit(xp, ary, indices_or_sections):
    """Parts along the third axis."""
    return _split(xp, "dsplit", ary, indices_or_sections, 2, 3)


# Inserting and deleting -----------------------------------------------------------------------------------------------


def _places(obj, n, function, end):
    """An int, or the list of places that a slice, a mask or several ints name, from 0 to ``end``."""
    if isinstance(obj, slice):
        return list(range(*obj.indices(n)))
    obj = obj.tolist() if hasattr(obj, "tolist") else obj
    if isinstance(obj, list | tuple) and obj and all(isinstance(i, bool) for i in obj):
        if len(obj) != n:
            raise ValueError(f"{function}: a mask must have one entry per element; got {len(obj)} for {n}.")
        return [i for i, chosen in enumerate(obj) if chosen]

    def place(i):
        if not -n <= i <= end:
            raise IndexError(f"{function}: index {i} is out of range for {n} elements.")
        return int(i) % n if i < 0 else int(i)

    return [place(i) for i in obj] if isinstance(obj, list | tuple) else place(obj)


def _flattened(xp, arr, axis, function):
    arr = xp.asarray(arr)
    if axis is None:
        return xp.reshape(arr, (-1,)), 0
    return arr, normalise_axis(axis, arr.ndim, function)


@composite
def delete(xp, arr, obj, axis=None):
    """``arr`` without the elements at ``obj`` along ``axis``, flattened when no axis is given."""
    arr, axis = _flattened(xp, arr, axis, "delete")
    n = arr.shape[axis]
    gone = _places(obj, n, "delete", n - 1)
    gone = {gone} if isinstance(gone, int) else set(gone)
    return arr[(slice(None),) * axis + ([i for i in range(n) if i not in gone],)]


@composite
def insert(xp, arr, obj, values, axis=None):
    """``arr`` with ``values`` inserted before the places ``obj`` along ``axis``, flattened when no axis is given."""
    arr, axis = _flattened(xp, arr, axis, "insert")
    n = arr.shape[axis]
    places = _places(obj, n, "insert", n)
    values = xp.asarray(values)
    values = values if values.dtype == arr.dtype else xp.astype(values, arr.dtype)
    values = xp.reshape(values, (1,) * (arr.ndim - values.ndim) + tuple(values.shape))
    if isinstance(places, int):  # one place: the first axis of the values runs along ``axis``
        values = xp.moveaxis(values, 0, axis)
        places = [places] * values.shape[axis]
    elif len(places) == 1:
        places = places * values.shape[axis]
    count = len(places)
    values = xp.broadcast_to(values, (*arr.shape[:axis], count, *arr.shape[axis + 1 :]))
    source = iter(range(n))
    order = sorted(range(count), key=lambda i: places[i])  # equal places keep their order
    new = {places[i] + k: n + i for k, i in enumerate(order)}
    positions = [new[p] if p in new else next(source) for p in range(n + count)]
    return xp.concat([arr, values], axis=axis)[(slice(None),) * axis + (positions,)]
