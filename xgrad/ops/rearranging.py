"""NumPy's names for the same elements in another arrangement: transposes, rotations, diagonals, triangles."""

from __future__ import annotations

from ..axes import diagonal_slice, normalise_axis
from ..core import composite


@composite
def transpose(xp, a, axes=None):
    """The axes in another order, reversed when none is given."""
    a = xp.asarray(a)
    return xp.permute_dims(a, tuple(reversed(range(a.ndim))) if axes is None else axes)


@composite
def swapaxes(xp, a, axis1, axis2):
    """Two axes exchanged."""
    a = xp.asarray(a)
    order = list(range(a.ndim))
    i, j = normalise_axis(axis1, a.ndim, "swapaxes"), normalise_axis(axis2, a.ndim, "swapaxes")
    order[i], order[j] = j, i
    return xp.permute_dims(a, tuple(order))


@composite
def ravel(xp, a, order="C"):
    """All elements in one axis; with ``order="F"`` the first axis runs fastest."""
    a = xp.asarray(a)
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"ravel: order must be 'C' or 'F'; got {order!r}.")
    return xp.reshape(xp.transpose(a) if order == "F" else a, (-1,))


def _grown(xp, arrays, shape):
    arrays = [xp.asarray(a) for a in arrays]
    grown = tuple(xp.reshape(a, shape(tuple(a.shape))) for a in arrays)
    return grown[0] if len(grown) == 1 else grown


@composite
def atleast_1d(xp, *arys):
    """Arrays with one axis or more, a number as an array of one element."""
    return _grown(xp, arys, lambda shape: shape or (1,))


@composite
def atleast_2d(xp, *arys):
    """Arrays with two axes or more, a vector as one row."""
    return _grown(xp, arys, lambda shape: (1,) * (2 - len(shape)) + shape)


@composite
def atleast_3d(xp, *arys):
    """Arrays with three axes or more: a vector becomes (1, n, 1), a matrix (m, n, 1)."""
    return _grown(xp, arys, lambda shape: (*((1,) * (2 - len(shape)) + shape), 1) if len(shape) < 3 else shape)


@composite
def rot90(xp, m, k=1, axes=(0, 1)):
    """Rotated ``k`` quarter turns from the first of two axes towards the second."""
    m = xp.asarray(m)
    first, second = (normalise_axis(a, m.ndim, "rot90") for a in axes)
    if first == second:
        raise ValueError(f"rot90: axes must be two different axes; got {tuple(axes)}.")
    if k % 4 == 1:
        return xp.swapaxes(xp.flip(m, axis=second), first, second)
    if k % 4 == 3:
        return xp.flip(xp.swapaxes(m, first, second), axis=second)
    return xp.flip(m, axis=(first, second)) if k % 4 else xp.copy(m)


@composite
def fliplr(xp, m):
    """The order of columns reversed."""
    m = xp.asarray(m)
    if m.ndim < 2:
        raise ValueError(f"fliplr: m must have two axes or more; got {m.ndim}. Use flip.")
    return xp.flip(m, axis=1)


@composite
def flipud(xp, m):
    """The order of rows reversed."""
    return xp.flip(xp.asarray(m), axis=0)


# Diagonals and triangles ----------------------------------------------------------------------------------------------


@composite
def diagonal(xp, a, offset=0, axis1=0, axis2=1):
    """The diagonal ``offset`` places above the main one of two axes, as a new last axis."""
    a = xp.asarray(a)
    if a.ndim < 2:
        raise ValueError(f"diagonal: a must have two axes or more; got {a.ndim}.")
    pair = normalise_axis(axis1, a.ndim, "diagonal"), normalise_axis(axis2, a.ndim, "diagonal")
    if pair[0] == pair[1]:
        raise ValueError(f"diagonal: axis1 and axis2 must differ; got {axis1} and {axis2}.")
    rest = tuple(i for i in range(a.ndim) if i not in pair)
    rows, columns = (a.shape[i] for i in pair)
    flat = xp.reshape(xp.permute_dims(a, (*rest, *pair)), (*(a.shape[i] for i in rest), rows * columns))
    return xp.getitem(flat, key=(Ellipsis, diagonal_slice(rows, columns, int(offset))))


@composite
def trace(xp, a, offset=0, axis1=0, axis2=1, dtype=None):
    """The sum of a diagonal of two axes."""
    return xp.sum(xp.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@composite
def diag(xp, v, k=0):
    """The k-th diagonal of a matrix, or the matrix of zeros with the vector ``v`` on its k-th diagonal."""
    v = xp.asarray(v)
    if v.ndim == 2:
        return xp.diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag: v must have one axis or two; got {v.ndim}.")
    n = v.shape[0] + (k if k > 0 else -k)
    flat = xp.scatter_add(v, key=(diagonal_slice(n, n, int(k)), Ellipsis), shape=(n * n,))
    return xp.reshape(flat, (n, n))


@composite
def diagflat(xp, v, k=0):
    """The matrix of zeros with all elements of ``v`` on its k-th diagonal."""
    return xp.diag(xp.ravel(v), k)


@composite
def tri(xp, N, M=None, k=0, dtype=float, *, device=None):
    """Ones at and below the k-th diagonal of a matrix of zeros."""
    rows, columns = xp.arange(N, device=device), xp.arange(N if M is None else M, device=device)
    return xp.astype(xp.reshape(rows, (-1, 1)) + int(k) >= columns, dtype)


@composite
def tril_indices(xp, n, k=0, m=None):
    """Rows and columns of the lower triangle of an ``n`` by ``m`` matrix."""
    return xp.nonzero(xp.tri(n, m, k, dtype=bool))


@composite
def triu_indices(xp, n, k=0, m=None):
    """Rows and columns of the upper triangle of an ``n`` by ``m`` matrix."""
    return xp.nonzero(xp.logical_not(xp.tri(n, m, k - 1, dtype=bool)))
