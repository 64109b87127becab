"""Eigenvalues, eigenvectors and singular values.

**The choice of basis.**  Eigenvectors and singular vectors are fixed only up to a sign or phase, and those of a
repeated value only up to a rotation among themselves.  A function that depends on the choice has no derivative.

**Repeated values.**  For functions that do not depend on the choice the derivatives are finite, also where values are
equal or closer than rounding can tell apart: what would be divided by their difference vanishes there, and counts as
zero.  At repeated values this is right for functions

- of the values alone, such as ``sum(eigvalsh(x)**2)`` or the nuclear norm,
- of the space that the vectors of a repeated value span, such as the projection onto it, and
- of the polar factor ``U @ Vh``.

It is not right for functions that weigh the vectors of a repeated value by a function of that value, such as
``V @ diag(f(w)) @ adjoint(V)`` where ``f'(w)`` is not 0: of what should be ``f'(w)`` times the cotangent in the basis
``V``, the pullback of ``eigh`` is given the diagonal only, and the rest counts as zero.  No pullback can do better,
since equal cotangents may belong to different derivatives: at the identity those of ``sum(V @ diag(w) @ V.T)`` are
those of ``sum(w) + sum(V @ V.T)``, whose second term is constant.  To differentiate a function of a matrix at repeated
values, write it without them: ``inv``, ``matrix_power``, ``solve``, ``pinv``, ``det``, ``slogdet`` and the norms have
rules of their own that are right there.  Second derivatives of functions of the values alone suffer in the same way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core import primitive
from ..registry import formula


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, and eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class EigResult(NamedTuple):
    """Eigenvalues in any order, and eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class SVDResult(NamedTuple):
    """Left singular vectors as columns, singular values in descending order, right singular vectors as rows."""

    U: Any
    S: Any
    Vh: Any


def _skew(xp, x):
    return (x - xp.linalg.adjoint(x)) / 2


def _rounding(xp, values):
    """How far apart values may be and yet be equal."""
    if not values.shape[-1]:
        return xp.abs(values)
    unit = 10 * values.shape[-1] * float(xp.finfo(values.dtype).eps)
    return unit * xp.max(xp.abs(values), axis=-1, keepdims=True)


def _reciprocal(xp, x, rounding):
    """``1 / x``, but 0 where ``x`` is no more than rounding."""
    nothing = xp.abs(x) <= rounding
    return xp.where(nothing, 0.0, 1 / xp.where(nothing, xp.ones_like(x), x))


def _over_gaps(xp, values):
    """At ``[i, j]`` the reciprocal of the j-th value less the i-th, 0 where they are equal."""
    return _reciprocal(xp, values[..., None, :] - values[..., None], _rounding(xp, values)[..., None])


# Hermitian matrices ---------------------------------------------------------------------------------------------------


@primitive(results=EighResult, floating=True)
def eigh(x, /):
    """Eigenvalues and orthonormal eigenvectors of Hermitian matrices: ``x = V @ diag(w) @ adjoint(V)``.

    Only one triangle of ``x`` is read; the gradient is Hermitian, as ``x`` is.  Repeated values: see the top of
    the page.
    """


@eigh.vjp
def eigh_vjp(xp, out, x):
    w, v = out

    def pullback(ct):
        ct_w, ct_v = ct
        core = xp.zeros_like(v) if ct_w is None else xp.linalg.eye_like(v) * ct_w[..., None]
        if ct_v is not None:
            core = core + _over_gaps(xp, w) * _skew(xp, xp.matmul(xp.matrix_transpose(v), ct_v))
        return xp.matmul(xp.conj(v), xp.matmul(core, xp.matrix_transpose(v)))

    return pullback


@primitive(floating=True)
def eigvalsh(x, /):
    """Eigenvalues of Hermitian matrices, in ascending order; the gradient is Hermitian, as ``x`` is."""


@eigvalsh.vjp
def eigvalsh_vjp(xp, out, x):
    def pullback(ct):
        _, v = xp.linalg.eigh(x)
        return xp.matmul(xp.conj(v) * ct[..., None, :], xp.matrix_transpose(v))

    return pullback


# Square matrices ------------------------------------------------------------------------------------------------------


@primitive(results=EigResult, floating=True)
def eig(x, /):
    """Complex eigenvalues and unit eigenvectors of square matrices: ``x @ V = V @ diag(w)``.

    The phases of the eigenvectors are held fixed.  A matrix without a basis of eigenvectors has no derivative; repeated
    eigenvalues of one that has: see the top of the page.
    """


@eig.vjp
def eig_vjp(xp, out, x):
    """C. Boeddeker, P. Hanebrink, L. Drude, J. Heymann and R. Haeb-Umbach, On the computation of complex-valued
    gradients with application to statistically optimum beamforming, arXiv:1701.00392 (2017); each column kept at unit
    length and fixed phase.
    """
    w, v = out

    def pullback(ct):
        ct_w, ct_v = ct
        turned, eye = xp.matrix_transpose(v), xp.linalg.eye_like(v)
        core = xp.zeros_like(v) if ct_w is None else eye * ct_w[..., None]
        if ct_v is not None:
            inner = xp.matmul(turned, ct_v)
            length = xp.sum(inner * eye, axis=-2, keepdims=True)  # what would change the length or phase of a column
            core = core + _over_gaps(xp, w) * (inner - xp.matmul(turned, xp.conj(v)) * length)
        return xp.linalg.solve(turned, xp.matmul(core, turned))

    return pullback


@primitive(floating=True)
def eigvals(x, /):
    """Complex eigenvalues of square matrices, in any order."""


@eigvals.vjp
def eigvals_vjp(xp, out, x):
    def pullback(ct):
        turned = xp.matrix_transpose(xp.linalg.eig(x)[1])
        return xp.linalg.solve(turned, ct[..., None] * turned)

    return pullback


# Singular values ------------------------------------------------------------------------------------------------------


@primitive(results=SVDResult, floating=True)
def svd(x, /, *, full_matrices=True):
    """Singular values and orthonormal singular vectors of matrices: ``x = U @ diag(S) @ Vh``.

    What ``full_matrices`` adds to ``U`` or ``Vh`` is any basis of the complement, and only functions that do not depend
    on the choice have a derivative; so it is with the vectors of singular values that are zero.  Repeated values: see
    the top of the page.
    """


@svd.vjp
def svd_vjp(xp, out, x, *, full_matrices=True):
    """J. Townsend, Differentiating the singular value decomposition (2016), for complex matrices and all columns; with
    the differences of squares factored, so that equal singular values lose no more than they must.
    """
    u, s, vh = out

    def pullback(ct):
        ct_u, ct_s, ct_vh = ct
        k = s.shape[-1]
        left, right = xp.conj(u[..., :k]), xp.conj(vh[..., :k, :])
        if ct_u is None and ct_vh is None:
            return xp.matmul(left * ct_s[..., None, :], right)
        ct_u = xp.zeros_like(u) if ct_u is None else ct_u
        ct_vh = xp.zeros_like(vh) if ct_vh is None else ct_vh
        columns, rows = ct_u[..., :k], ct_vh[..., :k, :]
        turned_u, turned_vh = xp.matrix_transpose(u[..., :k]), xp.matrix_transpose(vh[..., :k, :])
        in_u, in_v = xp.matmul(turned_u, columns), xp.matmul(rows, turned_vh)
        beside_u, beside_v = columns - xp.matmul(left, in_u), rows - xp.matmul(in_v, right)
        if u.shape[-1] > k:
            across = xp.linalg.adjoint(xp.matmul(turned_u, ct_u[..., k:]))
            beside_u = beside_u - xp.matmul(xp.conj(u[..., k:]), across)
        if vh.shape[-2] > k:
            across = xp.linalg.adjoint(xp.matmul(ct_vh[..., k:, :], turned_vh))
            beside_v = beside_v - xp.matmul(across, xp.conj(vh[..., k:, :]))
        rounding = _rounding(xp, s)
        over_s = _reciprocal(xp, s, rounding)
        over_sums = _reciprocal(xp, s[..., None, :] + s[..., None], rounding[..., None])
        in_u, in_v = _skew(xp, in_u), _skew(xp, in_v)
        core = _over_gaps(xp, s) * (in_u - in_v) + over_sums * (in_u + in_v)
        if ct_s is not None:
            core = core + xp.linalg.eye_like(core) * ct_s[..., None]
        outer = xp.matmul(left, core) + beside_u * over_s[..., None, :]
        return xp.matmul(outer, right) + xp.matmul(left * over_s[..., None, :], beside_v)

    return pullback


@primitive(floating=True)
def svdvals(x, /):
    """Singular values of matrices, in descending order."""


@svdvals.vjp
def svdvals_vjp(xp, out, x):
    def pullback(ct):
        u, _, vh = xp.linalg.svd(x, full_matrices=False)
        return xp.matmul(xp.conj(u) * ct[..., None, :], xp.conj(vh))

    return pullback


@formula("linalg.svdvals")
def svdvals_formula(xp, x, /):
    """Without the vectors."""
    return xp.linalg.svd(x, full_matrices=False)[1]
