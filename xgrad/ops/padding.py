"""Padding: new elements around an array."""

from __future__ import annotations

from ..axes import cut
from ..core import composite


def _several(value):
    return isinstance(value, list | tuple) or len(getattr(value, "shape", ())) > 0


def _row(value):
    """Several values as a tuple, one value as a tuple of one; numbers of an array stay tracked."""
    return tuple(value) if _several(value) else (value,)


def _pairs(value, ndim, name):
    """One (before, after) pair per axis, from a number, one pair, or one pair per axis."""
    entries = _row(value)
    rows = [_row(v) for v in entries]
    if len(rows) == 2 and not any(map(_several, entries)):
        rows = [entries]
    if len(rows) not in (1, ndim) or any(len(r) not in (1, 2) for r in rows):
        raise ValueError(f"pad: {name} must be a number, a pair, or one pair per axis; got {value} for {ndim} axes.")
    rows = [(r[0], r[-1]) for r in rows]
    return rows * ndim if len(rows) == 1 else rows


def _mirrored(mode, n, before, after):
    """For each place of the padded axis, the place of the element that fills it."""
    if mode == "edge":
        return [min(max(i, 0), n - 1) for i in range(-before, n + after)]
    if mode == "wrap":
        return [i % n for i in range(-before, n + after)]
    period = 2 * n if mode == "symmetric" else max(2 * n - 2, 1)  # whether the edge itself is repeated
    last = period - 1 if mode == "symmetric" else period
    return [min(i % period, last - i % period) if n > 1 else 0 for i in range(-before, n + after)]


def _ramp(xp, x, axis, width, end, first):
    """Steps from ``end``, outermost, to just before the edge of ``x``."""
    edge = xp.getitem(x, key=cut(axis, 0, 1) if first else cut(axis, x.shape[axis] - 1, None))
    steps = xp.reshape(xp.arange(width, device=xp.device(x)), (-1,) + (1,) * (x.ndim - 1 - axis))
    part = end + (edge - end) * (xp.astype(steps, "float64" if _whole(xp, x) else x.dtype) / max(width, 1))
    part = xp.astype(xp.floor(part), x.dtype) if _whole(xp, x) else part
    return part if first else xp.flip(part, axis=axis)


def _statistic(xp, x, axis, width, mode, length, first):
    """The mean, maximum, minimum or median of the elements next to an edge."""
    n = x.shape[axis]
    length = n if length is None else min(int(length), n)
    if length < 1:
        raise ValueError(f"pad: stat_length must be positive; got {length}.")
    near = xp.getitem(x, key=cut(axis, 0, length) if first else cut(axis, n - length, None))
    function = {"mean": xp.mean, "maximum": xp.max, "minimum": xp.min, "median": xp.median}[mode]
    part = function(near, axis=axis, keepdims=True)
    if _whole(xp, x) and mode in ("mean", "median"):
        part = xp.astype(xp.round(part), x.dtype)
    return xp.broadcast_to(part, (*x.shape[:axis], width, *x.shape[axis + 1 :]))


def _whole(xp, x):
    return xp.isdtype(x.dtype, "integral")


def _constant(xp, x, axis, width, value):
    value = xp.asarray(value)
    value = value if value.dtype == x.dtype else xp.astype(value, x.dtype)
    return xp.broadcast_to(value, (*x.shape[:axis], width, *x.shape[axis + 1 :]))


_OPTIONS = {  # the option of each mode and its default
    "constant": ("constant_values", 0),
    "empty": ("", 0),
    "linear_ramp": ("end_values", 0),
    "mean": ("stat_length", None),
    "maximum": ("stat_length", None),
    "minimum": ("stat_length", None),
    "median": ("stat_length", None),
    "reflect": ("reflect_type", "even"),
    "symmetric": ("reflect_type", "even"),
    "edge": ("", None),
    "wrap": ("", None),
}


@composite
def pad(xp, array, pad_width, mode="constant", **options):
    """``array`` with ``pad_width`` new elements at the ends of each axis, made as ``mode`` says.

    Modes and options are NumPy's; ``constant_values`` and ``end_values`` may be tracked.
    """
    x = xp.asarray(array)
    if mode not in _OPTIONS:
        raise NotImplementedError(f"pad: there is no such mode; got {mode!r}. Use one of {', '.join(_OPTIONS)}.")
    option, default = _OPTIONS[mode]
    value = options.pop(option, default)
    if options:
        raise ValueError(f"pad: unknown options for mode {mode!r}; got {', '.join(options)}.")
    widths = _widths(pad_width, x.ndim)
    if default == "even":
        if value != "even":
            raise NotImplementedError(f"pad: reflect_type must be 'even'; got {value!r}.")
        value = None
    values = _pairs(value, x.ndim, option)
    if mode == "empty" or (mode == "constant" and all(isinstance(v, int) and v == 0 for pair in values for v in pair)):
        inside = tuple(slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True))
        shape = tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True))
        return xp.scatter_add(x, key=(*inside, Ellipsis), shape=shape)
    for axis, ((before, after), (low, high)) in enumerate(zip(widths, values, strict=True)):
        if before == after == 0:
            continue
        if mode != "constant" and x.shape[axis] == 0:
            raise ValueError(f"pad: an axis without elements can be padded with constants only; got axis {axis}.")
        if mode in ("edge", "wrap", "reflect", "symmetric"):
            x = x[(slice(None),) * axis + (_mirrored(mode, x.shape[axis], before, after),)]
            continue
        if mode == "constant":
            ends = _constant(xp, x, axis, before, low), _constant(xp, x, axis, after, high)
        elif mode == "linear_ramp":
            ends = _ramp(xp, x, axis, before, low, True), _ramp(xp, x, axis, after, high, False)
        else:
            ends = (
                _statistic(xp, x, axis, before, mode, low, True),
                _statistic(xp, x, axis, after, mode, high, False),
            )
        x = xp.concat([ends[0], x, ends[1]], axis=axis)
    return x


def _widths(pad_width, ndim):
    """The new elements before and after each axis."""
    if isinstance(pad_width, dict):
        given = {axis % ndim: _row(width) for axis, width in pad_width.items()}
        pad_width = [given.get(axis, (0, 0)) for axis in range(ndim)]
    widths = [(int(a), int(b)) for a, b in _pairs(pad_width, ndim, "pad_width")]
    if any(min(w) < 0 for w in widths):
        raise ValueError(f"pad: pad_width must not be negative; got {pad_width}.")
    return widths
