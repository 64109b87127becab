"""Discrete cosine and sine transforms, types 1 to 4, with SciPy's arguments.

Made orthonormal, each of them is a symmetric matrix or, of types 2 and 3, the transpose of the other: that is the rule.
SciPy's other norms scale the result.  Without ``orthogonalize`` a value that is its own mirror image in the extended
signal is counted by half: it is divided by the square root of 2 in the argument and multiplied by it in the result.
"""

from __future__ import annotations

import math
import operator

from ..axes import as_shape, normalise_axes, normalise_axis
from ..core import composite, primitive
from ..errors import not_an_array

_TRANSPOSED = {1: 1, 2: 3, 3: 2, 4: 4}  # by type; the inverse too
_MIRRORS = {  # whether the first and the last value of the argument are their own mirror images
    (False, 1): (True, True),
    (False, 3): (True, False),
    (True, 3): (False, True),
}


@primitive(floating=True)
def r2r(x, /, *, sine, type, axis):
    """Orthonormal cosine or sine transform of a type along ``axis``; of complex ``x``, part by part."""


@r2r.vjp
def r2r_vjp(xp, out, x, *, sine, type, axis):
    return lambda ct: xp.fft.r2r(ct, sine=sine, type=_TRANSPOSED[type], axis=axis)


def _transform(xp, function, x, sine, type, n, axis, norm, orthogonalize):
    """A transform of SciPy's by the orthonormal one; ``function`` begins with an i for the inverse."""
    if not hasattr(x, "shape"):
        raise not_an_array(function, "x", x)
    if type not in _TRANSPOSED:
        raise ValueError(f"{function}: type must be 1, 2, 3 or 4; got {type!r}. Use one of these.")
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f"{function}: norm must be 'backward', 'ortho' or 'forward'; got {norm!r}. Use one of these.")
    axis = normalise_axis(axis, x.ndim, function)
    n = x.shape[axis] if n is None else operator.index(n)
    period = 2 * (n + (type == 1) * (1 if sine else -1))  # of the extended signal
    if min(n, period) < 1:
        raise ValueError(f"{function}: type {type} cannot transform so few values; got {n}. Pass another n.")
    inverse = function.startswith("i")
    type = _TRANSPOSED[type] if inverse else type
    scaled = {None: 0.5, "backward": 0.5, "ortho": 0.0, "forward": -0.5}[norm] * (-1 if inverse else 1)
    x = _of_length(xp, xp.astype(x, "float64") if xp.isdtype(x.dtype, ("bool", "integral")) else x, n, axis)
    half = norm != "ortho" if orthogonalize is None else not orthogonalize
    if half:
        x = _at_ends(xp, x, _MIRRORS.get((sine, type), ()), math.sqrt(0.5), axis)
    x = xp.fft.r2r(x, sine=sine, type=type, axis=axis)
    if half:
        x = _at_ends(xp, x, _MIRRORS.get((sine, _TRANSPOSED[type]), ()), math.sqrt(2), axis)
    return x * period**scaled if scaled else x


def _of_length(xp, x, n, axis):
    """``x`` cropped or filled up with zeros to n values along ``axis``."""
    before, m = (slice(None),) * axis, x.shape[axis]
    if n < m:
        return xp.getitem(x, key=(*before, slice(0, n), ...))
    shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
    return x if n == m else xp.scatter_add(x, key=(*before, slice(0, m), ...), shape=shape)


def _at_ends(xp, x, mirrors, factor, axis):
    """``x`` with its first and last value along ``axis``, where ``mirrors`` says so, multiplied by ``factor``."""
    if not any(mirrors):
        return x
    start, stop = int(mirrors[0]), x.shape[axis] - int(mirrors[1])

    def part(*bounds):
        return xp.getitem(x, key=(slice(None),) * axis + (slice(*bounds), ...))

    return xp.concat([part(0, start) * factor, part(start, stop), part(stop, None) * factor], axis=axis)


def _over_axes(one, function, x, type, s, axes, norm, orthogonalize):
    if not hasattr(x, "shape"):
        raise not_an_array(function, "x", x)
    lengths = None if s is None else as_shape(s)
    if axes is None and lengths is not None:
        axes = range(-len(lengths), 0)
    axes = normalise_axes(axes, x.ndim, function)
    lengths = (-1,) * len(axes) if lengths is None else lengths
    if len(lengths) != len(axes):
        raise ValueError(f"{function}: s must hold one length for each of axes; got {lengths} and {axes}.")
    for n, axis in zip(lengths, axes, strict=True):
        x = one(x, type, None if n == -1 else n, axis, norm, orthogonalize)
    return x


@composite
def dct(xp, x, /, type=2, n=None, axis=-1, norm=None, orthogonalize=None):
    """Discrete cosine transform of ``n`` values along ``axis``."""
    return _transform(xp, "dct", x, False, type, n, axis, norm, orthogonalize)


@composite
def idct(xp, x, /, type=2, n=None, axis=-1, norm=None, orthogonalize=None):
    """Inverse of ``dct`` of the same type."""
    return _transform(xp, "idct", x, False, type, n, axis, norm, orthogonalize)


@composite
def dst(xp, x, /, type=2, n=None, axis=-1, norm=None, orthogonalize=None):
    """Discrete sine transform of ``n`` values along ``axis``."""
    return _transform(xp, "dst", x, True, type, n, axis, norm, orthogonalize)


@composite
def idst(xp, x, /, type=2, n=None, axis=-1, norm=None, orthogonalize=None):
    """Inverse of ``dst`` of the same type."""
    return _transform(xp, "idst", x, True, type, n, axis, norm, orthogonalize)


@composite
def dctn(xp, x, /, type=2, s=None, axes=None, norm=None, orthogonalize=None):
    """``dct`` along several ``axes``, of ``s`` values each."""
    return _over_axes(xp.fft.dct, "dctn", x, type, s, axes, norm, orthogonalize)


@composite
def idctn(xp, x, /, type=2, s=None, axes=None, norm=None, orthogonalize=None):
    """Inverse of ``dctn``."""
    return _over_axes(xp.fft.idct, "idctn", x, type, s, axes, norm, orthogonalize)


@composite
def dstn(xp, x, /, type=2, s=None, axes=None, norm=None, orthogonalize=None):
    """``dst`` along several ``axes``, of ``s`` values each."""
    return _over_axes(xp.fft.dst, "dstn", x, type, s, axes, norm, orthogonalize)


@composite
def idstn(xp, x, /, type=2, s=None, axes=None, norm=None, orthogonalize=None):
    """Inverse of ``dstn``."""
    return _over_axes(xp.fft.idst, "idstn", x, type, s, axes, norm, orthogonalize)
