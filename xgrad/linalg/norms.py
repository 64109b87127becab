"""Norms of vectors and matrices, and ranks.

A size has no derivative at zero: the derivative of a norm is 0 at zero, and with respect to an element of zero whose
size it takes.  Where several elements, columns, rows or singular values are the largest, they share equally.

Second derivatives are 0 there too, also of ``norm(x)**2``: where that is meant, write ``sum(abs(x)**2)``.
"""

from __future__ import annotations

import math

from ..axes import keepdims_shape, moved, normalise_axes
from ..core import composite, primitive
from ..registry import formula


@primitive(floating=True)
def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """``sum(abs(x)**ord)**(1 / ord)`` over ``axis``; the largest size for inf, the smallest for
    -inf, and for 0 the number of elements that are not zero.
    """


@vector_norm.vjp
def vector_norm_vjp(xp, out, x, *, axis=None, keepdims=False, ord=2):
    kept = keepdims_shape(x.shape, axis)

    def pullback(ct):
        ct, norm = xp.reshape(ct, kept), xp.reshape(out, kept)
        turned = xp.conj(x)
        if ord == 0:
            return xp.zeros_like(turned * ct)
        if ord == 1:
            return ct * xp.sign(turned)
        if ord == 2:
            return ct / xp.where(norm == 0, xp.ones_like(norm), norm) * turned
        size = xp.abs(x)
        if math.isinf(ord):
            hit = (size == norm) | (size != size)  # a NaN wins, and takes the gradient
            count = xp.sum(xp.astype(hit, ct.dtype), axis=axis, keepdims=True)
            return xp.where(hit, ct / count, 0.0) * xp.sign(turned)
        nothing = (size == 0) | (norm == 0)
        size = xp.where(nothing, xp.ones_like(size), size)
        norm = xp.where(norm == 0, xp.ones_like(norm), norm)
        return ct * xp.where(nothing, 0.0, (size / norm) ** (ord - 2) / norm) * turned

    return pullback


@formula("linalg.vector_norm")
def vector_norm_formula(xp, x, /, *, axis=None, keepdims=False, ord=2):
    """Standard calls."""
    size, over = xp.abs(x), {"axis": axis, "keepdims": keepdims}
    if ord == math.inf:
        return xp.max(size, **over)
    if ord == -math.inf:
        return xp.min(size, **over)
    if ord == 0:
        return xp.sum(xp.astype(size != 0, size.dtype), **over)
    if ord == 1:
        return xp.sum(size, **over)
    return xp.sqrt(xp.sum(size * size, **over)) if ord == 2 else xp.sum(size**ord, **over) ** (1 / ord)


@composite
def matrix_norm(xp, x, /, *, keepdims=False, ord="fro"):
    """Norm of matrices: ``"fro"`` that of their elements; ``"nuc"``, 2 and -2 the sum, the largest and the smallest of
    their singular values; 1 and -1 the largest and smallest sum of sizes in a column, inf and -inf in a row.
    """
    orders = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
    if x.ndim < 2 or ord not in orders:
        got = f"ord {ord!r}" if x.ndim > 1 else f"shape {tuple(x.shape)}"
        raise ValueError(f"matrix_norm: x must hold matrices and ord be one of {orders}; got {got}.")
    if ord == "fro":
        return xp.linalg.vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        values, over = xp.linalg.svdvals(x), {"nuc": 1, 2: math.inf, -2: -math.inf}[ord]
        norm = xp.linalg.vector_norm(values, axis=-1, keepdims=keepdims, ord=over)
    else:
        sums = xp.sum(xp.abs(x), axis=-2 if ord in (1, -1) else -1)
        norm = (xp.max if ord > 0 else xp.min)(sums, axis=-1, keepdims=keepdims)
    return norm[..., None] if keepdims else norm


@composite
def norm(xp, x, /, ord=None, axis=None, keepdims=False):
    """NumPy's ``linalg.norm``: of vectors along one axis, of matrices along two, of all elements where neither ``ord``
    nor ``axis`` is given.
    """
    if axis is None and ord is None:
        return xp.linalg.vector_norm(x, keepdims=keepdims)
    axes = normalise_axes(axis, x.ndim, "norm")
    if len(axes) not in (1, 2):
        raise ValueError(f"norm: axis must name one axis or two; got {len(axes)}. Use vector_norm for more.")
    if len(axes) == 1:
        return xp.linalg.vector_norm(x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)
    last = xp.permute_dims(x, moved(x.ndim, axes, (-2, -1)))
    out = xp.linalg.matrix_norm(last, ord="fro" if ord is None else ord)
    return xp.reshape(out, keepdims_shape(x.shape, axes)) if keepdims else out


@composite
def cond(xp, x, /, p=None):
    """NumPy's condition number: ``norm(x, p) * norm(inv(x), p)``, by singular values for None, 2 and -2."""
    if p is None or p in (2, -2):
        values = xp.linalg.svdvals(x)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    return xp.linalg.matrix_norm(x, ord=p) * xp.linalg.matrix_norm(xp.linalg.inv(x), ord=p)


@composite
def matrix_rank(xp, x, /, *, rtol=None):
    """How many singular values exceed ``rtol`` times the largest; its derivative is zero."""
    if x.ndim < 2:
        raise ValueError(f"matrix_rank: x must hold matrices; got shape {tuple(x.shape)}.")
    values = xp.linalg.svdvals(x)
    if not values.shape[-1]:
        return xp.count_nonzero(values, axis=-1)
    rtol = max(x.shape[-2:]) * float(xp.finfo(values.dtype).eps) if rtol is None else rtol
    bound = xp.max(values, axis=-1) * rtol
    return xp.count_nonzero(values > bound[..., None], axis=-1)
