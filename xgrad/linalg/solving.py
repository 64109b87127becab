"""Inverses, linear systems and pseudo-inverses."""

from __future__ import annotations

from ..core import primitive
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

    The derivative is that among matrices of one rank: where a perturbation changes the rank there is none.
    """


@pinv.vjp
def pinv_vjp(xp, out, x, *, rtol=None):
    """G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate, SIAM J. Numer. Anal. 10 (1973), 413-432, equation 4.12.
    """

    def pullback(ct):
        turned, dual = xp.matrix_transpose(out), xp.linalg.adjoint(out)
        left = xp.matmul(xp.matrix_transpose(ct), xp.matmul(out, dual))
        right = xp.matmul(xp.matmul(dual, out), xp.matrix_transpose(ct))
        left = left - xp.matmul(x, xp.matmul(out, left))
        right = right - xp.matmul(xp.matmul(right, out), x)
        return xp.conj(left + right) - xp.matmul(turned, xp.matmul(ct, turned))

    return pullback


@formula("linalg.pinv")
def pinv_formula(xp, x, /, *, rtol=None):
    """Through the singular values."""
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    if not s.shape[-1]:
        return xp.zeros_like(xp.matrix_transpose(x))
    rtol = max(x.shape[-2:]) * float(xp.finfo(s.dtype).eps) if rtol is None else rtol
    rtol = rtol[..., None] if getattr(rtol, "ndim", 0) else rtol
    kept = s > rtol * xp.max(s, axis=-1, keepdims=True)
    scale = xp.where(kept, 1 / xp.where(kept, s, xp.ones_like(s)), 0.0)
    return xp.matmul(xp.linalg.adjoint(vh) * scale[..., None, :], xp.linalg.adjoint(u))
