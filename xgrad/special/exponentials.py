"""Sums of exponentials over axes, and their normalised forms, without overflow.

Lines of nothing but ``-inf`` have a sum of 0: ``logsumexp`` is ``-inf`` there, ``softmax`` 0, and the derivatives are
0, not NaN.
"""

from __future__ import annotations

import math

from ..axes import keepdims_shape, normalise_axes
from ..core import composite, primitive
from ..registry import functions as xp
from ..registry import register


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    """``log(sum(b * exp(a)))`` over ``axis``, or over all axes.

    Parameters
    ----------
    a : array
        The exponents.
    axis : int or tuple of ints, optional
        The axes to sum over.
    b : array, optional
        Factors, broadcast against ``a``; an element with the factor 0 does not count, whatever its exponent.
    keepdims : bool
        Whether the axes stay, with length one.
    return_sign : bool
        Whether to return the logarithm of the size of the sum, and its sign; without, a negative sum gives NaN.

    Returns
    -------
    Tensor, or a pair of Tensors
        The logarithm, and the sign if it was asked for.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.special.logsumexp(xg.asarray([1000.0, 1000.0, -xg.inf]))
    Tensor(1000.69314718)
    """
    a = xp.asarray(a)
    if b is not None:
        a, b = xp.broadcast_arrays(a, xp.asarray(b))
        a = xp.where(b == 0, -math.inf, a)
    shifted, top = _shifted(a, axis)
    terms = xp.exp(shifted)
    total = xp.sum(terms if b is None else b * terms, axis=axis, keepdims=True)
    sign, size = xp.sign(total), total if b is None else xp.abs(total)
    empty = size == 0
    out = xp.where(empty, -math.inf, xp.log(xp.where(empty, 1.0, size)) + top)
    if b is not None and not return_sign:
        out = xp.where(sign < 0, math.nan, out)
    if not keepdims:
        dropped = normalise_axes(axis, a.ndim, "logsumexp")
        out, sign = xp.squeeze(out, axis=dropped), xp.squeeze(sign, axis=dropped)
    return (out, sign) if return_sign else out


@primitive(floating=True)
def softmax(x, /, *, axis=None):
    """Positive numbers that sum to 1 over ``axis``, or over all axes: ``exp(x) / sum(exp(x))``."""


@softmax.vjp
def softmax_vjp(xp, out, x, *, axis=None):
    return lambda ct: xp.special.softmax_grad(ct, out, axis)


@composite
def softmax_grad(xp, ct, out, axis, /):
    """``out * (ct - sum(ct * out))``."""
    return out * (ct - xp.sum(ct * out, axis=axis, keepdims=True))


@primitive(floating=True)
def log_softmax(x, /, *, axis=None):
    """The logarithm of ``softmax``, without its underflow."""


@log_softmax.vjp
def log_softmax_vjp(xp, out, x, *, axis=None):
    return lambda ct: xp.special.log_softmax_grad(ct, out, axis)


@composite
def log_softmax_grad(xp, ct, out, axis, /):
    """``ct - exp(out) * sum(ct)``."""
    return ct - xp.exp(out) * xp.sum(ct, axis=axis, keepdims=True)


@primitive(floating=True, promote=(), arrays=2, saves=True)
def softmax_cross_entropy(x, labels, /, *, mean=False):
    """Minus ``log_softmax(x)`` over the last axis at integer ``labels``, shape ``x.shape[:-1]``: a cost per sample.

    With ``mean`` it is the mean of these costs, a 0-d array.
    """


@softmax_cross_entropy.vjp
def softmax_cross_entropy_vjp(xp, out, x, labels, *, mean=False, saved=None):
    if not mean:
        return lambda ct: xp.special.softmax_cross_entropy_grad(ct, x, labels, saved), None
    count = math.prod(labels.shape)
    return lambda ct: xp.special.softmax_cross_entropy_grad(ct / count, x, labels, saved), None


@composite
def softmax_cross_entropy_grad(xp, ct, x, labels, saved, /):
    """The cotangent, one for all samples or one for each, times the probabilities, less 1 at the labels."""
    classes = xp.arange(x.shape[-1], device=xp.device(x))
    hit = xp.equal(classes, xp.astype(labels[..., None], classes.dtype))  # narrow labels cannot count all classes
    return ct[..., None] * (xp.special.softmax(x, axis=-1) - xp.astype(hit, x.dtype))


def _shifted(x, axis):
    """``x`` less its maximum over ``axis``, and that: any constant serves, so its derivative is not needed."""
    if 0 in x.shape:
        return x, xp.zeros(keepdims_shape(x.shape, axis), dtype=x.dtype, device=xp.device(x))
    top = xp.max(x.detach(), axis=axis, keepdims=True)
    top = xp.where(xp.abs(top) == math.inf, 0.0, top)  # infinity less infinity would be NaN
    return x - top, top


register(logsumexp)
