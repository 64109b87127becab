"""Inverses, linear systems and pseudo-inverses."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..axes import normalise_axes
from ..core import composite, primitive
from ..registry import formula


@primitive(floating=True)
def inv(x, /):
    """Inverse of square matrices."""


@inv.vjp
def inv_vjp(xp, out, x):
    def pullback(ct):
        turned = xp.matrix_transpose(out)
        return -xp.matmul(turned, xp.matmul(ct, turned))

    return pullback


@primitive(floating=True)
def solve(x1, x2, /):
    """The solution ``x`` of ``x1 @ x = x2``; ``x2`` is one vector where it has one axis, else matrices."""


@solve.vjp
def solve_vjp(xp, out, x1, x2):
    vector = len(x2.shape) == 1

    def pullback(ct):
        ct, solution = (ct[..., None], out[..., None]) if vector else (ct, out)
        right = xp.linalg.solve(xp.matrix_transpose(x1), ct)
        return -xp.matmul(right, xp.matrix_transpose(solution)), right[..., 0] if vector else right

    return pullback


@primitive(floating=True)
def pinv(x, /, *, rtol=None):
    """Pseudo-inverse of matrices; singular values up to ``rtol`` times the largest count as zero.

    Without ``rtol`` the derivative is that among matrices of one rank: where a perturbation changes the rank there is
    none.  With it, that of the matrix whose small singular values are cut off.
    """


@pinv.vjp
def pinv_vjp(xp, out, x, *, rtol=None):
    """G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate, SIAM J. Numer. Anal. 10 (1973), 413-432, equation 4.12; by singular values where some are cut.
    """

    def pullback(ct):
        if rtol is not None and min(x.shape[-2:]):
            return _pinv_of_kept(xp, x, rtol, xp.linalg.adjoint(ct))
        turned, dual = xp.matrix_transpose(out), xp.linalg.adjoint(out)
        left = xp.matmul(xp.matrix_transpose(ct), xp.matmul(out, dual))
        right = xp.matmul(xp.matmul(dual, out), xp.matrix_transpose(ct))
        left = left - xp.matmul(x, xp.matmul(out, left))
        right = right - xp.matmul(xp.matmul(right, out), x)
        return xp.conj(left + right) - xp.matmul(turned, xp.matmul(ct, turned))

    return pullback


def _pinv_of_kept(xp, x, rtol, ct):
    """The pullback of ``U @ diag(f(S)) @ Vh``, ``f`` the reciprocal of what is kept and 0 of the rest.

    In the basis of the singular vectors it multiplies the Hermitian part of the cotangent by the divided differences
    ``(f(s) - f(t)) / (s - t)`` and the skew one by ``(f(s) + f(t)) / (s + t)``, whose limits are known by hand.
    """
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    kept, inverse = _kept(xp, s, rtol)
    across, beside = kept[..., None] & kept[..., None, :], kept[..., None] ^ kept[..., None, :]
    product = inverse[..., None] * inverse[..., None, :]
    single = xp.where(beside, inverse[..., None] + inverse[..., None, :], 0.0)  # that of the one that is kept
    gap = xp.where(beside, xp.abs(s[..., None] - s[..., None, :]), 1.0)
    total = xp.where(beside, s[..., None] + s[..., None, :], 1.0)
    even = xp.where(across, -product, single / gap)
    odd = xp.where(across, product, single / total)
    left, right, square = xp.conj(u), xp.conj(vh), inverse * inverse
    in_u, in_v = xp.matmul(xp.matrix_transpose(u), ct), xp.matmul(ct, xp.matrix_transpose(vh))
    inner = xp.matmul(in_u, xp.matrix_transpose(vh))
    turned = xp.linalg.adjoint(inner)
    core = even * (inner + turned) / 2 + odd * (inner - turned) / 2
    rows = (in_v - xp.matmul(left, inner)) * square[..., None, :]
    columns = square[..., None] * (in_u - xp.matmul(inner, right))
    return xp.matmul(xp.matmul(left, core) + rows, right) + xp.matmul(left, columns)


def _kept(xp, s, rtol):
    """Which singular values exceed ``rtol`` times the largest, and their reciprocals, 0 for the others."""
    rtol = rtol[..., None] if getattr(rtol, "ndim", 0) else rtol
    kept = s > rtol * xp.max(s, axis=-1, keepdims=True)
    return kept, xp.where(kept, 1 / xp.where(kept, s, xp.ones_like(s)), 0.0)


@formula("linalg.pinv")
def pinv_formula(xp, x, /, *, rtol=None):
    """Through the singular values."""
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    if not s.shape[-1]:
        return xp.zeros_like(xp.matrix_transpose(x))
    rtol = max(x.shape[-2:]) * float(xp.finfo(s.dtype).eps) if rtol is None else rtol
    scale = _kept(xp, s, rtol)[1]
    return xp.matmul(xp.linalg.adjoint(vh) * scale[..., None, :], xp.linalg.adjoint(u))


class LstsqResult(NamedTuple):
    """What ``lstsq`` returns: the solution, the squared distances left, the rank, and the singular values."""

    x: Any
    residuals: Any
    rank: Any
    s: Any


@composite
def lstsq(xp, a, b, /, rcond=None):
    """NumPy's least squares: the shortest ``x`` of those that bring ``a @ x`` closest to ``b``.

    Singular values up to ``rcond`` times the largest count as zero.  ``residuals`` is empty unless ``a`` has more rows
    than columns and full rank.
    """
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise ValueError(f"lstsq: a must be a matrix and b a vector or a matrix; got {a.shape} and {b.shape}.")
    x = xp.matmul(xp.linalg.pinv(a, rtol=rcond), b)
    rank = xp.linalg.matrix_rank(a, rtol=rcond)
    distance = b - xp.matmul(a, x)
    residuals = xp.sum(xp.abs(distance) ** 2, axis=0)
    residuals = xp.reshape(residuals, (-1,))
    if a.shape[0] <= a.shape[1] or int(rank) < a.shape[1]:
        residuals = residuals[:0]
    return LstsqResult(x, residuals, rank, xp.linalg.svdvals(a))


@composite
def tensorinv(xp, a, /, ind=2):
    """NumPy's inverse of ``a`` as a map from its last axes to its first ``ind`` ones."""
    if ind <= 0:
        raise ValueError(f"tensorinv: ind must be positive; got {ind}.")
    rows, columns = tuple(a.shape[:ind]), tuple(a.shape[ind:])
    if math.prod(rows) != math.prod(columns):
        raise ValueError(f"tensorinv: the first {ind} axes must hold as many elements as the rest; got {a.shape}.")
    return xp.reshape(xp.linalg.inv(xp.reshape(a, (math.prod(rows), -1))), (*columns, *rows))


@composite
def tensorsolve(xp, a, b, /, axes=None):
    """NumPy's solution ``x`` of ``tensordot(a, x, x.ndim) = b``, the axes named moved to the end of ``a`` first."""
    if axes is not None:
        axes = normalise_axes(axes, a.ndim, "tensorsolve")
        a = xp.permute_dims(a, (*(i for i in range(a.ndim) if i not in axes), *axes))
    shape, size = tuple(a.shape[b.ndim :]), math.prod(b.shape)
    if math.prod(shape) != size:
        raise ValueError(f"tensorsolve: a must be square as a map of tensors; got {a.shape} for b {b.shape}.")
    return xp.reshape(xp.linalg.solve(xp.reshape(a, (size, size)), xp.reshape(b, (size,))), shape)
