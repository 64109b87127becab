"""Triangular factors: Cholesky and QR."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core import primitive


class QRResult(NamedTuple):
    """A matrix with orthonormal columns and an upper triangular one."""

    Q: Any
    R: Any


def _lower_half(xp, x):
    """The lower triangle with half the diagonal."""
    return (xp.tril(x) + xp.tril(x, k=-1)) / 2


@primitive(floating=True)
def cholesky(x, /, *, upper=False):
    """The triangular ``L`` with ``x = L @ adjoint(L)``, or ``U`` with ``x = adjoint(U) @ U`` where ``upper``.

    Only one triangle of ``x`` is read; the gradient is Hermitian, as ``x`` is.
    """


@cholesky.vjp
def cholesky_vjp(xp, out, x, *, upper=False):
    """I. Murray, Differentiation of the Cholesky decomposition, arXiv:1602.07527 (2016), section 3.1."""

    def pullback(ct):
        factor, ct = (xp.linalg.adjoint(out), xp.linalg.adjoint(ct)) if upper else (out, ct)
        turned = xp.matrix_transpose(factor)
        half = xp.linalg.solve(turned, _lower_half(xp, xp.matmul(turned, ct)))
        whole = xp.matrix_transpose(xp.linalg.solve(xp.linalg.adjoint(factor), xp.matrix_transpose(half)))
        return (whole + xp.linalg.adjoint(whole)) / 2

    return pullback


@primitive(results=QRResult, floating=True)
def qr(x, /, *, mode="reduced"):
    """The factors of ``x = Q @ R``, with ``min(m, n)`` columns in ``Q`` or, where ``mode="complete"``, ``m``.

    The first ``min(m, n)`` columns of ``x`` must be independent.  For complex ``x`` the phases of the diagonal of ``R``
    are held fixed.  What ``mode="complete"`` adds to ``Q`` is any basis of the complement: only functions that do not
    depend on the choice, such as the projection onto it, have a derivative.
    """


@qr.vjp
def qr_vjp(xp, out, x, *, mode="reduced"):
    """S. F. Walter, L. Lehmann and R. Lamour, On evaluating higher-order derivatives of the QR decomposition of tall
    matrices with full column rank in forward and reverse mode algorithmic differentiation, Optim. Methods Softw. 27
    (2012), 391-403; wide matrices by ``R[:, m:] = adjoint(Q) @ x[:, m:]``.
    """
    q, r = out
    k, n = min(x.shape[-2:]), x.shape[-1]

    def pullback(ct):
        ct_q, ct_r = ct
        ct_q = xp.zeros_like(q) if ct_q is None else ct_q
        ct_r = xp.zeros_like(r) if ct_r is None else ct_r
        q1, r1, rest = q[..., :k], r[..., :k, :k], []
        turned, ct_q1, ct_r1 = xp.matrix_transpose(q1), ct_q[..., :k], ct_r[..., :k, :k]
        if n > k:
            r2, ct_r2 = r[..., k:], ct_r[..., k:]
            rest = [xp.matmul(xp.conj(q), ct_r2)]
            ct_q1 = ct_q1 + xp.matmul(xp.conj(q), xp.matmul(xp.conj(r2), xp.linalg.adjoint(ct_r2)))
        y = xp.matmul(turned, ct_q1) - xp.matmul(ct_r1, xp.matrix_transpose(r1))
        y = _lower_half(xp, y - xp.linalg.adjoint(y)) - y
        whole = ct_q1 + xp.matmul(xp.conj(q1), y)
        if q.shape[-1] > k:
            across = xp.linalg.adjoint(xp.matmul(turned, ct_q[..., k:]))
            whole = whole - xp.matmul(xp.conj(q[..., k:]), across)
        first = xp.matrix_transpose(xp.linalg.solve(r1, xp.matrix_transpose(whole)))
        return xp.concat([first, *rest], axis=-1)

    return pullback
