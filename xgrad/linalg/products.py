"""Products, diagonals and powers of vectors and matrices: formulas in other functions, right at every order."""

from __future__ import annotations

import operator

from ..core import composite


@composite
def adjoint(xp, x, /):
    """Conjugate transpose of matrices."""
    return xp.conj(xp.matrix_transpose(x))


@composite
def eye_like(xp, x, /):
    """Ones on the main diagonals of matrices of the shape of ``x``, zeros beside them."""
    return xp.tril(xp.triu(xp.ones_like(x)))


@composite
def diagonal(xp, x, /, *, offset=0):
    """The diagonal of matrices, ``offset`` places above the main one."""
    *stack, n, m = x.shape
    count = max(0, min(n, m - offset) if offset >= 0 else min(n + offset, m))
    start = offset if offset >= 0 else -offset * m
    places = slice(start, start + (count - 1) * (m + 1) + 1, m + 1) if count else slice(0, 0)
    return xp.getitem(xp.reshape(x, (*stack, n * m)), key=(..., places))


@composite
def trace(xp, x, /, *, offset=0, dtype=None):
    """Sum of the diagonal of matrices, ``offset`` places above the main one."""
    return xp.sum(xp.linalg.diagonal(x, offset=offset), axis=-1, dtype=dtype)


@composite
def outer(xp, x1, x2, /):
    """Every element of a vector times every element of another."""
    if x1.ndim != 1 or x2.ndim != 1:
        got = f"{tuple(x1.shape)} and {tuple(x2.shape)}"
        raise ValueError(f"outer: x1 and x2 must be vectors; got shapes {got}. Flatten them with reshape.")
    return x1[:, None] * x2[None, :]


@composite
def cross(xp, x1, x2, /, *, axis=-1):
    """Cross product of vectors of three elements along ``axis``."""
    if axis >= 0 and x1.ndim != x2.ndim:
        raise ValueError(f"cross: axis must be counted from the end for {x1.ndim} and {x2.ndim} axes; got {axis}.")
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        got = f"{x1.shape[axis]} and {x2.shape[axis]}"
        raise ValueError(f"cross: vectors must have 3 elements along axis {axis}; got {got}.")
    following, last = (xp.roll(x1, -1, axis=axis), xp.roll(x2, -2, axis=axis))
    return following * last - xp.roll(x1, -2, axis=axis) * xp.roll(x2, -1, axis=axis)


@composite
def matrix_power(xp, x, n, /):
    """``n`` copies of square matrices multiplied, or of their inverses where ``n`` is negative."""
    if x.ndim < 2 or x.shape[-2] != x.shape[-1]:
        raise ValueError(f"matrix_power: x must hold square matrices; got shape {tuple(x.shape)}.")
    n = operator.index(n)
    if n == 0:
        return xp.linalg.eye_like(x)
    power, product, n = (x if n > 0 else xp.linalg.inv(x)), None, abs(n)
    while True:
        n, odd = divmod(n, 2)
        if odd:
            product = power if product is None else xp.matmul(product, power)
        if not n:
            return product
        power = xp.matmul(power, power)


@composite
def multi_dot(xp, arrays, /):
    """Product of two or more matrices, the first and last of which may be vectors, in the order of least work."""
    arrays = list(arrays)
    if len(arrays) < 2:
        raise ValueError(f"multi_dot: at least two arrays are needed; got {len(arrays)}.")
    for i, a in enumerate(arrays):
        if a.ndim != 2 and not (a.ndim == 1 and i in (0, len(arrays) - 1)):
            raise ValueError(
                f"multi_dot: arrays must be matrices, the first and last may be vectors; got {a.ndim} axes at {i}."
            )
    first, last = arrays[0].ndim, arrays[-1].ndim
    arrays[0] = xp.reshape(arrays[0], (1, -1)) if first == 1 else arrays[0]
    arrays[-1] = xp.reshape(arrays[-1], (-1, 1)) if last == 1 else arrays[-1]
    product = _chained(xp, arrays, _splits([a.shape[0] for a in arrays] + [arrays[-1].shape[1]]), 0, len(arrays) - 1)
    rows = () if first == 1 else product.shape[:1]
    return xp.reshape(product, (*rows, *(() if last == 1 else product.shape[1:])))


def _splits(extents):
    """Where to split every run of matrices; the i-th has ``extents[i]`` rows and ``extents[i + 1]`` columns."""
    count = len(extents) - 1
    cost, split = {(i, i): 0 for i in range(count)}, {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + extents[i] * extents[k + 1] * extents[j + 1], k) for k in range(i, j)
            )
    return split


def _chained(xp, arrays, split, i, j):
    if i == j:
        return arrays[i]
    k = split[i, j]
    return xp.matmul(_chained(xp, arrays, split, i, k), _chained(xp, arrays, split, k + 1, j))
