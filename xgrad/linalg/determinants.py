"""Determinants, and the matrix of cofactors that differentiates them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..core import primitive
from ..registry import formula


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the absolute value of a determinant."""

    sign: Any
    logabsdet: Any


@primitive(vjp=lambda xp, out, x: lambda ct: ct[..., None, None] * xp.linalg.cofactor(x), floating=True)
def det(x, /):
    """Determinant of square matrices; its derivative is the matrix of cofactors, also where it vanishes."""


@primitive(floating=True)
def cofactor(x, /):
    """Cofactors of square matrices: ``det(x) * inv(x).T``, and its limit at singular ones."""


@formula("linalg.cofactor")
def cofactor_formula(xp, x, /):
    """Cofactors of a product are the product of cofactors, and those of a unitary matrix are its determinant times its
    conjugate: through ``x = U S Vh`` no singular value is divided by.
    """
    u, s, vh = xp.linalg.svd(x)
    others = xp.where(xp.linalg.eye_like(x) != 0, 1.0, s[..., None, :])
    left = xp.conj(u) * xp.prod(others, axis=-1)[..., None, :]
    return _phase(xp, u, vh) * xp.matmul(left, xp.conj(vh))


@cofactor.vjp
def cofactor_vjp(xp, out, x):
    """The derivative of the cofactors of ``S`` is known by hand: all products of singular values but two."""

    def pullback(ct):
        u, s, vh = xp.linalg.svd(x)
        inner = xp.matmul(xp.linalg.adjoint(u), xp.matmul(ct, xp.linalg.adjoint(vh)))
        products = _all_but_two(xp, s)
        eye = xp.linalg.eye_like(x)
        diagonal = xp.sum(products * xp.sum(inner * eye, axis=-2, keepdims=True), axis=-1, keepdims=True)
        core = eye * diagonal - xp.matrix_transpose(products * inner)
        return _phase(xp, u, vh) * xp.matmul(xp.conj(u), xp.matmul(core, xp.conj(vh)))

    return pullback


def _phase(xp, u, vh):
    """The determinant of ``u @ vh``, of absolute value one."""
    return (xp.linalg.det(u) * xp.linalg.det(vh))[..., None, None]


def _all_but_two(xp, s):
    """At ``[i, j]`` the product of all of ``s`` but the i-th and the j-th, without division; zero on the diagonal."""
    rows = xp.broadcast_to(s[..., None, :], (*s.shape, s.shape[-1]))
    ones = xp.ones_like(rows)
    earlier = xp.prod(xp.tril(rows, k=-1) + xp.triu(ones), axis=-1)
    later = xp.triu(rows, k=1) + xp.tril(ones)
    between = xp.cumulative_prod(later, axis=-1, include_initial=True)[..., :-1]
    upper = xp.triu(earlier[..., None] * between * xp.prod(later, axis=-1)[..., None, :], k=1)
    return upper + xp.matrix_transpose(upper)


@primitive(results=SlogdetResult, floating=True)
def slogdet(x, /):
    """Sign (for complex ``x`` the phase) and logarithm of the absolute value of the determinant.

    At a singular matrix the logarithm is infinite and has no derivative: the gradient is NaN there, but 0 where the
    cotangent is exactly 0.
    """


@slogdet.vjp
def slogdet_vjp(xp, out, x):
    sign, _ = out
    turns = xp.isdtype(x.dtype, "complex floating")  # a real sign is constant where it is defined

    def pullback(ct):
        ct_sign, weight = ct
        if turns and ct_sign is not None:
            along = ct_sign * sign
            turn = (along - xp.conj(along)) / 2
            weight = turn if weight is None else weight + turn
        if weight is None:
            return xp.zeros_like(x)
        singular = (sign == 0)[..., None, None]
        weight = weight[..., None, None]
        inverse = xp.linalg.inv(xp.where(singular, xp.linalg.eye_like(x), x))
        weight = xp.where(singular & (weight != 0), math.nan, weight)
        return xp.where(singular & (weight == 0), 0.0, weight * xp.matrix_transpose(inverse))

    return pullback
