"""Manipulation functions: the same elements in another arrangement."""

from __future__ import annotations

import math

from ..axes import broadcast_shapes as common_shape
from ..axes import inverse_permutation, moved, normalise_axes, normalise_axis
from ..core import composite, primitive
from ..registry import register


@primitive(linear=True)
def reshape(x, /, shape, *, copy=None):
    """The same elements in another shape; one extent may be -1."""


@reshape.vjp
def reshape_vjp(xp, out, x, *, shape, copy=None):
    before = x.shape
    return lambda ct: xp.reshape(ct, before)


@reshape.view
def reshape_put_back(xp, base, part, *, shape, copy=None):
    return xp.reshape(part, base.shape)


@primitive(linear=True)
def permute_dims(x, /, axes):
    """The axes in another order."""


@permute_dims.vjp
def permute_dims_vjp(xp, out, x, *, axes):
    back = inverse_permutation(tuple(a % len(axes) for a in axes))
    return lambda ct: xp.permute_dims(ct, back)


@permute_dims.view
def permute_dims_put_back(xp, base, part, *, axes):
    return xp.permute_dims(part, inverse_permutation(tuple(a % len(axes) for a in axes)))


@primitive(linear=True)
def broadcast_to(x, /, shape):
    """``x`` repeated along new axes and axes of length one."""


@broadcast_to.vjp
def broadcast_to_vjp(xp, out, x, *, shape):
    return lambda ct: ct  # the engine's fit sums over what broadcasting repeated


@composite
def broadcast_arrays(xp, *arrays):
    """All arrays broadcast to their common shape."""
    shape = common_shape(*(tuple(a.shape) for a in arrays))
    return tuple(xp.broadcast_to(a, shape) for a in arrays)


def broadcast_shapes(*shapes):
    """The shape that arrays of these shapes broadcast to."""
    return common_shape(*shapes)


register(broadcast_shapes)


@composite
def expand_dims(xp, x, /, axis):
    """New axes of length one at the places ``axis`` of the result."""
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    axes = normalise_axes(axes, x.ndim + len(axes), "expand_dims")
    rest = iter(x.shape)
    return xp.reshape(x, tuple(1 if i in axes else next(rest) for i in range(x.ndim + len(axes))))


@composite
def squeeze(xp, x, /, axis=None):
    """``x`` without the axes of length one named by ``axis`` (all of them, as in NumPy, for None)."""
    ones = tuple(i for i, n in enumerate(x.shape) if n == 1)
    axes = ones if axis is None else normalise_axes(axis, x.ndim, "squeeze")
    if not set(axes) <= set(ones):
        raise ValueError(f"squeeze: axis must have length one; got {axis} for shape {tuple(x.shape)}.")
    return xp.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


@composite
def moveaxis(xp, x, source, destination, /):
    """Axes moved to other places, the others in order."""
    return xp.permute_dims(x, moved(x.ndim, source, destination))


@primitive(linear=True)
def concat(arrays, /, *, axis=0):
    """Arrays joined along an axis they have; None flattens them first."""


@concat.vjp
def concat_vjp(xp, out, *arrays, axis=0):
    shapes = [a.shape for a in arrays]
    place = 0 if axis is None else axis % len(out.shape)
    pullbacks, start = [], 0
    for shape in shapes:
        size = math.prod(shape) if axis is None else shape[place]
        pullbacks.append(_part(xp, (slice(None),) * place + (slice(start, start + size), ...), shape))
        start += size
    return tuple(pullbacks)


def _part(xp, key, shape):
    return lambda ct: xp.reshape(xp.getitem(ct, key=key), shape)


@composite
def stack(xp, arrays, /, *, axis=0):
    """Arrays of one shape joined along a new axis."""
    arrays = list(arrays)
    if not arrays:
        raise ValueError("stack: at least one array is needed; got none.")
    place = normalise_axis(axis, len(arrays[0].shape) + 1, "stack")
    if len({tuple(a.shape) for a in arrays}) > 1:
        raise ValueError(f"stack: arrays must have one shape; got {[tuple(a.shape) for a in arrays]}.")
    shape = tuple(arrays[0].shape)
    shape = (*shape[:place], 1, *shape[place:])
    return xp.concat([xp.reshape(a, shape) for a in arrays], axis=place)


@composite
def unstack(xp, x, /, *, axis=0):
    """The slices of ``x`` along ``axis``, as a tuple."""
    place = normalise_axis(axis, x.ndim, "unstack")
    return tuple(xp.getitem(x, key=(slice(None),) * place + (i, ...)) for i in range(x.shape[place]))


@primitive(linear=True)
def flip(x, /, *, axis=None):
    """The order of elements reversed along ``axis`` (every axis for None)."""


@flip.vjp
def flip_vjp(xp, out, x, *, axis=None):
    return lambda ct: xp.flip(ct, axis=axis)


@flip.view
def flip_put_back(xp, base, part, *, axis=None):
    return xp.flip(part, axis=axis)


@primitive(linear=True)
def roll(x, /, shift, *, axis=None):
    """Elements moved along ``axis``, those that fall off coming back at the other end."""


@roll.vjp
def roll_vjp(xp, out, x, *, shift, axis=None):
    back = tuple(-s for s in shift) if isinstance(shift, tuple) else -shift
    return lambda ct: xp.roll(ct, back, axis=axis)


@composite
def repeat(xp, x, repeats, /, *, axis=None):
    """Each element repeated along ``axis`` (all elements in one axis for None), ``repeats`` times each."""
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    axis = normalise_axis(axis, x.ndim, "repeat")
    n = x.shape[axis]
    if isinstance(repeats, list | tuple):
        repeats = xp.asarray(repeats, device=xp.device(x))
    shape = tuple(getattr(repeats, "shape", ()))
    if shape not in ((), (1,), (n,)):
        raise ValueError(f"repeat: repeats must be an int or one per element; got shape {shape} for {n} elements.")
    if shape != (n,) or n == 1:
        repeats = repeats[0] if shape else repeats
        split = xp.reshape(x, (*x.shape[: axis + 1], 1, *x.shape[axis + 1 :]))
        grown = xp.broadcast_to(split, (*x.shape[: axis + 1], int(repeats), *x.shape[axis + 1 :]))
        return xp.reshape(grown, (*x.shape[:axis], n * int(repeats), *x.shape[axis + 1 :]))
    ends = xp.cumulative_sum(repeats)  # the k-th result comes from the first element whose end lies beyond k
    total = int(ends[-1]) if n else 0
    return xp.take(x, xp.searchsorted(ends, xp.arange(total, device=xp.device(x)), side="right"), axis=axis)


@composite
def tile(xp, x, repetitions, /):
    """``x`` laid out side by side, ``repetitions`` times along each axis."""
    times = tuple(repetitions) if isinstance(repetitions, tuple | list) else (repetitions,)
    times = (1,) * (x.ndim - len(times)) + times
    shape = (1,) * (len(times) - x.ndim) + tuple(x.shape)
    pairs = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    split = xp.reshape(x, tuple(n for extent in shape for n in (1, extent)))
    return xp.reshape(xp.broadcast_to(split, pairs), tuple(t * n for t, n in zip(times, shape, strict=True)))
