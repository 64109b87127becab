"""Linear algebra functions of the main namespace."""

from __future__ import annotations

from ..axes import normalise_axis
from ..core import composite, primitive


@primitive(multilinear=True, narrows=True)
def matmul(x1, x2, /):
    """Matrix product over the last two axes; a vector is a row on the left and a column on the right."""


@matmul.vjp
def matmul_vjp(xp, out, x1, x2):
    return _pullbacks(xp, lambda a, b: xp.matmul(a, b), x1, x2)  # a closure, which can be lifted


@primitive(multilinear=True)
def narrow_matmul(x1, x2, /, *, precision):
    """``matmul`` of float32 arrays rounded to a 16-bit type, added up in float32."""


@narrow_matmul.vjp
def narrow_matmul_vjp(xp, out, x1, x2, *, precision):
    def product(a, b):
        return xp.narrow_matmul(a, b, precision=precision)

    return _pullbacks(xp, product, x1, x2)


def _pullbacks(xp, product, x1, x2):
    """Those of a matrix product that is computed by ``product``."""
    if x1.ndim > 1 and x2.ndim > 1:
        if x2.ndim == 2 and x1.ndim > 2:  # leading axes folded: the gradient of the weight is one product
            rows, n, m = x1.shape, x2.shape[0], x2.shape[1]

            def weight(ct):
                return product(xp.matrix_transpose(xp.reshape(x1, (-1, n))), xp.reshape(ct, (-1, m)))

            if 0 not in rows and m:
                return lambda ct: _by_columns(product, ct, xp.matrix_transpose(x2)), weight
        return (
            lambda ct: _by_columns(product, ct, xp.matrix_transpose(x2)),
            lambda ct: _by_columns(product, xp.matrix_transpose(x1), ct),
        )
    if x1.ndim == 1 and x2.ndim == 1:
        return lambda ct: ct * x2, lambda ct: ct * x1
    if x1.ndim == 1:
        return (
            lambda ct: product(ct[..., None, :], xp.matrix_transpose(x2))[..., 0, :],
            lambda ct: x1[:, None] * ct[..., None, :],
        )
    return (
        lambda ct: ct[..., :, None] * x2,
        lambda ct: product(xp.matrix_transpose(x1), ct[..., None])[..., 0],
    )


def _by_columns(product, a, b):
    """The matrix product; columns times rows, by broadcasting, take half the time of a batch of matrix products."""
    return a * b if a.shape[-1] == 1 else product(a, b)


@primitive(linear=True)
def matrix_transpose(x, /):
    """The last two axes exchanged."""


@matrix_transpose.vjp
def matrix_transpose_vjp(xp, out, x):
    return lambda ct: xp.matrix_transpose(ct)


@matrix_transpose.view
def matrix_transpose_put_back(xp, base, part):
    return xp.matrix_transpose(part)


@composite
def vecdot(xp, x1, x2, /, *, axis=-1):
    """Sum of ``conj(x1) * x2`` over ``axis``, counted from the end."""
    if x1.shape[axis] != x2.shape[axis]:
        got = f"{tuple(x1.shape)} and {tuple(x2.shape)}"
        raise ValueError(f"vecdot: x1 and x2 must have equal extents along axis {axis}; got shapes {got}.")
    products = xp.conj(x1) * x2
    return xp.sum(products, axis=axis, dtype=products.dtype)


@composite
def tensordot(xp, x1, x2, /, *, axes=2):
    """Sum of products over pairs of axes: the last ``axes`` of x1 with the first of x2, or two sequences of axes."""
    if isinstance(axes, int):
        left, right = tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
    else:
        left, right = ((a,) if isinstance(a, int) else tuple(a) for a in axes)
        left = tuple(normalise_axis(a, x1.ndim, "tensordot") for a in left)
        right = tuple(normalise_axis(a, x2.ndim, "tensordot") for a in right)
    contracted = tuple(x1.shape[a] for a in left)
    if contracted != tuple(x2.shape[a] for a in right):
        got = f"{contracted} and {tuple(x2.shape[a] for a in right)}"
        raise ValueError(f"tensordot: contracted axes must have equal extents; got {got}.")
    rows = tuple(a for a in range(x1.ndim) if a not in left)
    cols = tuple(a for a in range(x2.ndim) if a not in right)
    inner = outer = across = 1
    for n in contracted:
        inner *= n
    for a in rows:
        outer *= x1.shape[a]
    for a in cols:
        across *= x2.shape[a]
    a = xp.reshape(xp.permute_dims(x1, (*rows, *left)), (outer, inner))
    b = xp.reshape(xp.permute_dims(x2, (*right, *cols)), (inner, across))
    return xp.reshape(xp.matmul(a, b), (*(x1.shape[i] for i in rows), *(x2.shape[i] for i in cols)))


@composite
def dot(xp, x1, x2, /):
    """NumPy's ``dot``: the product with a scalar, else over the last axis of x1 and the last but one of x2."""
    if 0 in (getattr(x1, "ndim", 0), getattr(x2, "ndim", 0)):
        return x1 * x2
    return xp.tensordot(x1, x2, axes=((-1,), (-1 if x2.ndim == 1 else -2,)))
