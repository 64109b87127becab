"""Windows that slide over an array, and convolution: the products of all windows with one array of weights."""

from __future__ import annotations

import operator

from ..axes import normalise_axes
from ..core import primitive
from ..registry import functions as xp
from ..registry import register


def convolution(x, w, /, *, stride=1, padding=0, dilation=1, groups=1, spacing=1):
    """Cross-correlation of batches of channels, over any number of spatial axes.

    Every result is a sum over the channels and over a window of ``x`` of products with ``w``, which is not flipped.

    Parameters
    ----------
    x : array, shape (batch, channels, *extents)
        What the windows slide over.
    w : array, shape (channels of the result, channels // groups, *window)
        The weights, with as many spatial axes as ``x``.
    stride : int or tuple of ints
        How far the window moves from one result to the next.
    padding : int, tuple of ints, or tuple of pairs of ints
        Zeros before and after each spatial axis; a negative number takes elements away.
    dilation : int or tuple of ints
        How far apart the elements of a window are.
    groups : int
        Channels and results fall into so many groups that do not meet.
    spacing : int or tuple of ints
        How far apart the elements of ``x`` are set, with zeros between them: the stride of the convolution whose
        transpose this one is.

    Returns
    -------
    Tensor, shape (batch, channels of the result, *extents of the result)
        ``(spacing * (extent - 1) + 1 + padding before and after - dilation * (window - 1) - 1) // stride + 1`` each.

    Raises
    ------
    ValueError
        When the shapes do not match, a number is out of range, or the window is larger than the padded input.

    Examples
    --------
    >>> import xgrad as xg
    >>> x, w = xg.asarray([[[1.0, 2.0, 3.0, 4.0]]]), xg.asarray([[[1.0, 0.0, -1.0]]])
    >>> xg.convolution(x, w, padding=1)
    Tensor([[[-2., -2., -2.,  3.]]])
    """
    x, w = xp.asarray(x), xp.asarray(w)
    n = x.ndim - 2
    if n < 1 or w.ndim != x.ndim:
        raise ValueError(
            f"convolution: x and w must have one number of axes, 3 or more; got shapes {x.shape} and {w.shape}. "
            "They are (batch, channels, *extents) and (results, channels // groups, *window)."
        )
    stride, dilation, spacing = (
        _steps("convolution", name, value, n)
        for name, value in (("stride", stride), ("dilation", dilation), ("spacing", spacing))
    )
    padding = _pads(padding, n)
    if groups < 1 or x.shape[1] != groups * w.shape[1] or w.shape[0] % groups:
        raise ValueError(
            f"convolution: x needs groups * w.shape[1] channels, and the results must be a multiple of groups; got "
            f"{x.shape[1]} channels, w of shape {w.shape}, groups={groups}. Give w the shape "
            "(results, channels // groups, *window)."
        )
    extents = tuple(s * (e - 1) + 1 + sum(p) for s, e, p in zip(spacing, x.shape[2:], padding, strict=True))
    _fits("convolution", extents, w.shape[2:], dilation)
    return xp.cross_correlation(
        x, w, stride=stride, padding=padding, dilation=dilation, groups=int(groups), spacing=spacing
    )


@primitive(multilinear=True, narrows=True)
def cross_correlation(x, w, /, *, stride, padding, dilation, groups, spacing):
    """``convolution`` with a number, or a pair of paddings, for every spatial axis."""


@cross_correlation.vjp
def cross_correlation_vjp(xp, out, x, w, *, stride, padding, dilation, groups, spacing):
    def product(a, b, **options):
        return xp.cross_correlation(a, b, **options)

    return _pullbacks(xp, product, out, x, w, stride, padding, dilation, groups, spacing)


@primitive(multilinear=True)
def narrow_cross_correlation(x, w, /, *, stride, padding, dilation, groups, spacing, precision):
    """``cross_correlation`` of float32 arrays rounded to a 16-bit type, added up in float32."""


@narrow_cross_correlation.vjp
def narrow_cross_correlation_vjp(xp, out, x, w, *, stride, padding, dilation, groups, spacing, precision):
    def product(a, b, **options):
        return xp.narrow_cross_correlation(a, b, precision=precision, **options)

    return _pullbacks(xp, product, out, x, w, stride, padding, dilation, groups, spacing)


def _pullbacks(xp, product, out, x, w, stride, padding, dilation, groups, spacing):
    """Both cotangents are convolutions themselves.

    Stride and spacing change places in one, stride and dilation in the other, where the batch is what is summed over.
    """
    extents, window, results = x.shape[2:], w.shape[2:], out.shape[2:]
    spaced = tuple(s * (e - 1) for s, e in zip(spacing, extents, strict=True))
    reach = tuple(d * (k - 1) for d, k in zip(dilation, window, strict=True))
    moved = tuple(s * (t - 1) for s, t in zip(stride, results, strict=True))
    around = tuple((r - a, e - m + a) for r, e, m, (a, _) in zip(reach, spaced, moved, padding, strict=True))
    unused = tuple(  # elements at the end that no window reached
        e + a + b - r - m for e, r, m, (a, b) in zip(spaced, reach, moved, padding, strict=True)
    )
    seen = tuple((a, b - u) for (a, b), u in zip(padding, unused, strict=True))

    def to_x(ct):
        flipped = xp.flip(_exchanged(xp, w, groups, 0), axis=tuple(range(2, w.ndim)))
        return product(ct, flipped, stride=spacing, padding=around, dilation=dilation, groups=groups, spacing=stride)

    def to_w(ct):
        seen_by_w = _exchanged(xp, x, groups, 1), _exchanged(xp, ct, 1, 0)
        made = product(*seen_by_w, stride=dilation, padding=seen, dilation=stride, groups=groups, spacing=spacing)
        return _exchanged(xp, made, 1, 0)

    return to_x, to_w


def _exchanged(xp, x, groups, place):
    """The first two axes exchanged, with the ``groups`` that lead axis ``place`` leading the other one."""
    if groups == 1:
        return xp.permute_dims(x, (1, 0, *range(2, x.ndim)))
    a, b, *rest = x.shape
    inner = xp.reshape(x, (groups, a // groups, b, *rest) if place == 0 else (a, groups, b // groups, *rest))
    order = (2, 1, 0) if place == 1 else (0, 2, 1)
    inner = xp.permute_dims(inner, (*order, *range(3, inner.ndim)))
    return xp.reshape(inner, (b // groups, groups * a, *rest) if place == 1 else (groups * b, a // groups, *rest))


def sliding_window_view(x, /, window_shape, axis=None, *, stride=1, dilation=1):
    """Every window of ``x``: the elements of each along new last axes.  NumPy's function, with steps.

    Parameters
    ----------
    x : array
        What the windows slide over.
    window_shape : int or tuple of ints
        The extents of the window.
    axis : int or tuple of ints, optional
        The axis of each extent; all axes in their order by default.
    stride : int or tuple of ints
        How far the window moves from one to the next.
    dilation : int or tuple of ints
        How far apart its elements are.

    Returns
    -------
    Tensor
        The axes of ``x``, with the places of the window on those of ``axis``, and then the axes of the window.  Unlike
        in NumPy it is no view to write through.

    Raises
    ------
    ValueError
        When there is not one axis for each extent, or the window is larger than the array.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.sliding_window_view(xg.asarray([1.0, 2.0, 3.0, 4.0]), 2, stride=2)
    Tensor([[1., 2.],
            [3., 4.]])
    """
    x = xp.asarray(x)
    window = tuple(map(operator.index, window_shape)) if isinstance(window_shape, list | tuple) else (window_shape,)
    axes = normalise_axes(axis, x.ndim, "sliding_window_view")
    if len(axes) != len(window):
        raise ValueError(
            f"sliding_window_view: one axis is needed for each extent of the window; got {len(window)} extents and "
            f"{len(axes)} axes. Name the axes with axis=."
        )
    stride, dilation = (
        _steps("sliding_window_view", name, value, len(axes))
        for name, value in (("stride", stride), ("dilation", dilation))
    )
    _fits("sliding_window_view", tuple(x.shape[a] for a in axes), window, dilation)
    return xp.sliding_windows(x, window=window, axes=axes, stride=stride, dilation=dilation)


@primitive(linear=True)
def sliding_windows(x, /, *, window, axes, stride, dilation):
    """``sliding_window_view`` with a number for every axis."""


@sliding_windows.vjp
def sliding_windows_vjp(xp, out, x, *, window, axes, stride, dilation):
    shape = tuple(x.shape)
    return lambda ct: xp.overlap_add(ct, shape=shape, window=window, axes=axes, stride=stride, dilation=dilation)


@primitive(linear=True)
def overlap_add(x, /, *, shape, window, axes, stride, dilation):
    """Windows put back in their places in an array of ``shape``, and added where they overlap."""


@overlap_add.vjp
def overlap_add_vjp(xp, out, x, *, shape, window, axes, stride, dilation):
    return lambda ct: xp.sliding_windows(ct, window=window, axes=axes, stride=stride, dilation=dilation)


def _steps(function, name, value, n):
    """A number of at least 1 for each of ``n`` axes."""
    try:
        steps = tuple(map(operator.index, value)) if isinstance(value, list | tuple) else (operator.index(value),) * n
    except TypeError:
        raise TypeError(f"{function}: {name} must be an int or a tuple of ints; got {value!r}.") from None
    if len(steps) != n or min(steps, default=1) < 1:
        raise ValueError(
            f"{function}: {name} must be at least 1, one number or one for each of {n} spatial axes; got {value!r}."
        )
    return steps


def _pads(padding, n):
    """A pair of numbers for each of ``n`` axes."""
    entries = padding if isinstance(padding, list | tuple) else (padding,) * n
    try:
        pairs = tuple(
            (operator.index(p[0]), operator.index(p[1])) if isinstance(p, list | tuple) else (operator.index(p),) * 2
            for p in entries
        )
    except (TypeError, IndexError):
        raise TypeError(f"convolution: padding must hold ints or pairs of ints; got {padding!r}.") from None
    if len(pairs) != n:
        raise ValueError(
            f"convolution: padding must be one number, or one or a pair for each of {n} spatial axes; got {padding!r}."
        )
    return pairs


def _fits(function, extents, window, dilation):
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True))
    if min(window, default=1) < 1 or any(r > e for r, e in zip(reach, extents, strict=True)):
        raise ValueError(
            f"{function}: the window must have elements and fit into the array; got a window that reaches over "
            f"{reach} elements of {extents}. Pad the array, or take a smaller window."
        )


register(convolution)
register(sliding_window_view)
