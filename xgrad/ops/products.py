"""Products of vectors and matrices under NumPy's names, convolution, and polynomials."""

from __future__ import annotations

from ..axes import normalise_axis
from ..core import composite, primitive


@composite
def inner(xp, a, b):
    """Sum of products over the last axes, without a conjugate."""
    a, b = xp.asarray(a), xp.asarray(b)
    return xp.tensordot(a, b, axes=((-1,), (-1,))) if a.ndim and b.ndim else a * b


@composite
def outer(xp, a, b):
    """The product of every element of ``a`` with every element of ``b``, as a matrix."""
    return xp.reshape(xp.asarray(a), (-1, 1)) * xp.reshape(xp.asarray(b), (1, -1))


@composite
def vdot(xp, a, b):
    """Sum of ``conj(a) * b`` over all elements."""
    return xp.vecdot(xp.ravel(a), xp.ravel(b))


@composite
def kron(xp, a, b):
    """Kronecker product: ``b`` laid out once per element of ``a``, times that element."""
    a, b = xp.asarray(a), xp.asarray(b)
    n = max(a.ndim, b.ndim)
    left, right = ((1,) * (n - x.ndim) + tuple(x.shape) for x in (a, b))
    spread = xp.reshape(a, tuple(e for s in left for e in (s, 1))) * xp.reshape(
        b, tuple(e for s in right for e in (1, s))
    )
    return xp.reshape(spread, tuple(s * t for s, t in zip(left, right, strict=True)))


@composite
def cross(xp, a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """Cross product of vectors of three elements."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = xp.moveaxis(xp.asarray(a), axisa, -1), xp.moveaxis(xp.asarray(b), axisb, -1)
    if (a.shape[-1], b.shape[-1]) != (3, 3):
        raise ValueError(f"cross: vectors must have three elements; got {a.shape[-1]} and {b.shape[-1]}.")
    parts = [a[..., i - 2] * b[..., i - 1] - a[..., i - 1] * b[..., i - 2] for i in range(3)]
    return xp.stack(parts, axis=normalise_axis(axisc, parts[0].ndim + 1, "cross"))


# Convolution ----------------------------------------------------------------------------------------------------------


@primitive(multilinear=True)
def convolve(a, v, /, *, mode="full"):
    """Discrete convolution of two vectors: ``out[k] = sum_i a[i] * v[k - i]``."""


@convolve.vjp
def convolve_vjp(xp, out, a, v, *, mode="full"):
    n, m, size = a.shape[0], v.shape[0], out.shape[0]
    lost = {"full": 0, "same": (min(n, m) - 1) // 2, "valid": min(n, m) - 1}[mode]

    def pulled(ct, other):
        whole = xp.scatter_add(ct, key=(slice(lost, lost + size), Ellipsis), shape=(n + m - 1,))
        return xp.convolve(whole, xp.flip(other, axis=0), mode="valid")

    return lambda ct: pulled(ct, v), lambda ct: pulled(ct, a)


@composite
def correlate(xp, a, v, mode="valid"):
    """Cross-correlation of two vectors: ``out[k] = sum_i a[i + k] * conj(v[i])``."""
    a, v = xp.asarray(a), xp.asarray(v)
    if mode == "same" and v.shape[0] > a.shape[0] and a.shape[0] % 2 == 0:  # NumPy's middle lies one further left
        full = xp.convolve(a, xp.flip(xp.conj(v), axis=0))
        start = a.shape[0] // 2
        return full[start : start + v.shape[0]]
    return xp.convolve(a, xp.flip(xp.conj(v), axis=0), mode=mode)


# Polynomials ----------------------------------------------------------------------------------------------------------


@composite
def polyval(xp, p, x):
    """A polynomial with coefficients ``p``, highest power first, at ``x``, by Horner's scheme."""
    p, x = xp.asarray(p), xp.asarray(x)
    if p.ndim != 1:
        raise ValueError(f"polyval: p must have one axis; got {p.ndim}.")
    out = xp.zeros_like(x)
    for coefficient in xp.unstack(p):
        out = out * x + coefficient
    return out


@composite
def vander(xp, x, N=None, increasing=False):
    """Vandermonde matrix: powers of ``x`` as columns, highest power first unless ``increasing``."""
    x = xp.asarray(x)
    if x.ndim != 1:
        raise ValueError(f"vander: x must have one axis; got {x.ndim}.")
    columns = [xp.ones_like(x)]
    count = x.shape[0] if N is None else int(N)
    while len(columns) < count:
        columns.append(columns[-1] * x)
    columns = columns[:count]
    if not columns:
        return xp.reshape(x[:0], (x.shape[0], 0)) if not x.shape[0] else xp.reshape(x, (-1, 1))[:, :0]
    return xp.stack(columns if increasing else columns[::-1], axis=1)
