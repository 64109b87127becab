"""Differences, integrals and interpolation of sampled functions, under NumPy's names."""

from __future__ import annotations

import math

from ..axes import normalise_axes
from ..core import composite


@composite
def ediff1d(xp, ary, to_end=None, to_begin=None):
    """Differences of neighbours of all elements, with values put before and after."""
    flat = xp.ravel(ary)
    parts = [flat[1:] - flat[:-1]]
    if to_begin is not None:
        parts.insert(0, xp.astype(xp.ravel(to_begin), flat.dtype))
    if to_end is not None:
        parts.append(xp.astype(xp.ravel(to_end), flat.dtype))
    return xp.concat(parts, axis=0)


@composite
def trapezoid(xp, y, x=None, dx=1.0, axis=-1):
    """The integral of samples ``y`` along ``axis`` by the trapezoidal rule, at places ``x`` or ``dx`` apart."""
    y = xp.moveaxis(xp.asarray(y), axis, -1)
    width = dx
    if x is not None:
        x = xp.asarray(x)
        x = x if x.ndim == 1 else xp.moveaxis(x, axis, -1)
        width = x[..., 1:] - x[..., :-1]
    return xp.sum(width * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


@composite
def gradient(xp, f, *varargs, axis=None, edge_order=1):
    """Differences of second order inside and of ``edge_order`` at the ends, over the spacing, along each axis."""
    f = xp.asarray(f)
    f = f if xp.isdtype(f.dtype, ("real floating", "complex floating")) else xp.astype(f, "float64")
    axes = normalise_axes(axis, f.ndim, "gradient")
    spacings = [xp.asarray(v) if not isinstance(v, int | float) else v for v in varargs] or [1.0]
    if len(spacings) == 1 and not getattr(spacings[0], "ndim", 0):
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"gradient: one spacing per axis is needed; got {len(varargs)} for {len(axes)} axes.")
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order must be 1 or 2; got {edge_order}.")
    results = tuple(
        xp.moveaxis(_slope(xp, xp.moveaxis(f, a, -1), h, edge_order), -1, a)
        for a, h in zip(axes, spacings, strict=True)
    )
    return results[0] if len(axes) == 1 else results


def _slope(xp, f, spacing, edge_order):
    n = f.shape[-1]
    if n < edge_order + 1:
        raise ValueError(f"gradient: an axis needs {edge_order + 1} elements at least; got {n}.")
    if getattr(spacing, "ndim", 0):
        if tuple(spacing.shape) != (n,):
            raise ValueError(f"gradient: places must be one per element; got shape {tuple(spacing.shape)} for {n}.")
        width = spacing[1:] - spacing[:-1]
        d1, d2 = width[:-1], width[1:]
        inside = (
            f[..., :-2] * (-d2 / (d1 * (d1 + d2)))
            + f[..., 1:-1] * ((d2 - d1) / (d1 * d2))
            + f[..., 2:] * (d1 / (d2 * (d1 + d2)))
        )
        first, last = width[:1], width[-1:]
    else:
        inside = (f[..., 2:] - f[..., :-2]) / (2.0 * spacing)
        width, first, last = None, spacing, spacing
    if edge_order == 1:
        ends = (f[..., 1:2] - f[..., :1]) / first, (f[..., -1:] - f[..., -2:-1]) / last
    else:
        near, far = (first, first) if width is None else (width[:1], width[1:2])
        left = _edge(f[..., :1], f[..., 1:2], f[..., 2:3], near, far)
        near, far = (last, last) if width is None else (width[-1:], width[-2:-1])
        right = _edge(f[..., -1:], f[..., -2:-1], f[..., -3:-2], -near, -far)
        ends = left, right
    return xp.concat([ends[0], inside, ends[1]], axis=-1)


def _edge(f0, f1, f2, near, far):
    """The slope at the first of three places of a parabola through them."""
    both = near + far
    return f1 * (both / (near * far)) - f0 * ((near + both) / (near * both)) - f2 * (near / (far * both))


@composite
def interp(ns, x, xp, fp, left=None, right=None, period=None):
    """Values at ``x`` of the line through the points (xp, fp), xp rising; ``left`` and ``right`` beyond its ends."""
    x, xp, fp = (ns.asarray(v) for v in (x, xp, fp))
    if xp.ndim != 1 or tuple(xp.shape) != tuple(fp.shape) or not xp.shape[0]:
        raise ValueError(f"interp: xp and fp must be vectors of one length; got {tuple(xp.shape)}, {tuple(fp.shape)}.")
    if period is not None:
        period = abs(period)
        x, xp = ns.remainder(x, period), ns.remainder(xp, period)
        order = ns.argsort(xp)
        xp, fp = ns.take(xp, order, axis=0), ns.take(fp, order, axis=0)
        xp = ns.concat([xp[-1:] - period, xp, xp[:1] + period], axis=0)
        fp = ns.concat([fp[-1:], fp, fp[:1]], axis=0)
        left = right = None
    n = xp.shape[0]
    low = ns.clip(ns.searchsorted(xp, ns.astype(x, ns.result_type(x, xp)), side="right") - 1, 0, max(n - 2, 0))
    high = ns.clip(low + 1, 0, n - 1)
    x0, x1, f0, f1 = (_at(ns, v, i) for v in (xp, fp) for i in (low, high))
    width = ns.where(x1 == x0, 1.0, x1 - x0)
    out = f0 + (f1 - f0) / width * (x - x0)
    out = ns.where(x < xp[0], fp[0] if left is None else left, out)
    out = ns.where(x > xp[-1], fp[-1] if right is None else right, out)
    return ns.where(x != x, math.nan, out)


def _at(ns, v, places):
    return ns.reshape(ns.take(v, ns.reshape(places, (-1,)), axis=0), places.shape)
