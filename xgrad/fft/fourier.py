"""Discrete Fourier transforms.

Every transform here is one of three linear maps: complex to complex (``c2c``), real to half spectrum (``r2c``) and half
spectrum to real (``c2r``), each in both directions.  The matrix of a DFT is symmetric, so the transpose of ``c2c`` is
itself, same direction and same norm.  ``r2c`` and ``c2r`` are each other's transpose, up to the weights with which a
half spectrum stands for the whole one: the bins 0 and n/2 count once, those in between twice.
"""

from __future__ import annotations

import operator

from ..axes import as_shape, normalise_axis
from ..core import composite, primitive
from ..errors import not_an_array

# The three transforms -------------------------------------------------------------------------------------------------
# ``s`` holds the length of the signal along each of ``axes``, all different; the last axis is the one that r2c and c2r
# halve.  ``forward`` chooses the sign of the exponent.


@primitive(linear=True, floating=True)
def c2c(x, /, *, s, axes, norm, forward):
    """Sum of ``x[j] * exp(-2j * pi * j * k / n)`` over j, with ``+2j`` backwards; ``x`` is cropped or padded to n."""


@c2c.vjp
def c2c_vjp(xp, out, x, *, s, axes, norm, forward):
    shape = x.shape
    return lambda ct: _resized(xp, xp.fft.c2c(ct, s=s, axes=axes, norm=norm, forward=forward), shape)


@primitive(linear=True, floating=True)
def r2c(x, /, *, s, axes, norm, forward):
    """The bins 0 to n // 2 of ``c2c`` of a real signal."""


@r2c.vjp
def r2c_vjp(xp, out, x, *, s, axes, norm, forward):
    shape, n, axis = x.shape, s[-1], axes[-1]

    def pullback(ct):
        ct = _between_ends(xp, ct, 0.5, n, axis)
        return _resized(xp, xp.fft.c2r(ct, s=s, axes=axes, norm=norm, forward=forward), shape)

    return pullback


@primitive(linear=True, floating=True)
def c2r(x, /, *, s, axes, norm, forward):
    """The real signal of length n of which ``x`` is the half spectrum; the imaginary parts of bins 0 and n/2 are lost.

    Only the last axis is taken to be symmetric: the others are transformed first, by ``c2c``.
    """


@c2r.vjp
def c2r_vjp(xp, out, x, *, s, axes, norm, forward):
    shape, n, axis = x.shape, s[-1], axes[-1]

    def pullback(ct):
        ct = xp.fft.r2c(ct, s=s, axes=axes, norm=norm, forward=forward)
        return _resized(xp, _between_ends(xp, ct, 2.0, n, axis), shape)

    return pullback


def _resized(xp, x, shape):
    """Every axis cropped or filled up with zeros at its end: the transpose of what ``s`` does to the argument."""
    if tuple(x.shape) == tuple(shape):
        return x
    common = (*(slice(min(have, want)) for have, want in zip(x.shape, shape, strict=True)), ...)
    kept = xp.getitem(x, key=common)
    return kept if tuple(kept.shape) == tuple(shape) else xp.scatter_add(kept, key=common, shape=shape)


def _between_ends(xp, spectrum, factor, n, axis):
    """The half spectrum of n values with the bins that stand for two multiplied by ``factor``."""

    def bins(start, stop):
        return xp.getitem(spectrum, key=(slice(None),) * axis + (slice(start, stop), ...))

    half = (n + 1) // 2
    return xp.concat([bins(0, 1), bins(1, half) * factor, bins(half, None)], axis=axis)


# Arguments ------------------------------------------------------------------------------------------------------------


def _plan(xp, function, kind, x, s, axes, norm):
    """The arguments of ``function`` as NumPy reads them, as metadata of the transform called ``kind``."""
    if not hasattr(x, "shape"):
        raise not_an_array(function, "x", x)
    if kind == "r2c" and xp.isdtype(x.dtype, "complex floating"):
        raise TypeError(f"{function}: x must be real; got {x.dtype}. Use the transform of complex signals, or real(x).")
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f"{function}: norm must be 'backward', 'ortho' or 'forward'; got {norm!r}. Use one of these.")
    lengths = None if s is None else as_shape(s)
    if axes is None:
        axes = range(x.ndim) if lengths is None else range(-len(lengths), 0)
    axes = tuple(normalise_axis(a, x.ndim, function) for a in as_shape(axes))
    if kind != "c2c" and not axes:
        raise IndexError(f"{function}: one axis at least must be transformed; got none. Name it in axes.")
    whole = tuple(x.shape[a] for a in axes)
    if lengths is None:
        lengths = (*whole[:-1], 2 * (whole[-1] - 1)) if kind == "c2r" else whole
    if len(lengths) != len(axes):
        raise ValueError(f"{function}: s must hold one length for each of axes; got {lengths} and {axes}.")
    lengths = tuple(m if n == -1 else n for n, m in zip(lengths, whole, strict=True))
    if min(lengths, default=1) < 1:
        raise ValueError(f"{function}: the length of a transform must be 1 at least; got {min(lengths)}. Pass n or s.")
    return {"s": lengths, "axes": axes, "norm": norm or "backward"}


def _in_turn(s, axes, norm):
    """The plan as plans over different axes: NumPy transforms an axis as often as it is named, the last one first."""
    if len(set(axes)) == len(axes):
        return [{"s": s, "axes": axes, "norm": norm}]
    return [{"s": (n,), "axes": (axis,), "norm": norm} for n, axis in zip(s[::-1], axes[::-1], strict=True)]


# One axis -------------------------------------------------------------------------------------------------------------


@composite
def fft(xp, x, /, n=None, axis=-1, norm="backward"):
    """Fourier transform along ``axis``, of ``n`` values."""
    return xp.fft.c2c(x, **_plan(xp, "fft", "c2c", x, n, axis, norm), forward=True)


@composite
def ifft(xp, x, /, n=None, axis=-1, norm="backward"):
    """Inverse of ``fft``."""
    return xp.fft.c2c(x, **_plan(xp, "ifft", "c2c", x, n, axis, norm), forward=False)


@composite
def rfft(xp, x, /, n=None, axis=-1, norm="backward"):
    """Fourier transform of real ``x`` along ``axis``: the ``n // 2 + 1`` bins of frequency zero and above."""
    return xp.fft.r2c(x, **_plan(xp, "rfft", "r2c", x, n, axis, norm), forward=True)


@composite
def irfft(xp, x, /, n=None, axis=-1, norm="backward"):
    """Inverse of ``rfft``: ``n`` real values, by default twice the number of bins less two."""
    return xp.fft.c2r(x, **_plan(xp, "irfft", "c2r", x, n, axis, norm), forward=False)


@composite
def hfft(xp, x, /, n=None, axis=-1, norm="backward"):
    """Fourier transform, of ``n`` real values, of a signal with Hermitian symmetry, of which ``x`` is one half."""
    return xp.fft.c2r(x, **_plan(xp, "hfft", "c2r", x, n, axis, norm), forward=True)


@composite
def ihfft(xp, x, /, n=None, axis=-1, norm="backward"):
    """Inverse of ``hfft``."""
    return xp.fft.r2c(x, **_plan(xp, "ihfft", "r2c", x, n, axis, norm), forward=False)


# Several axes ---------------------------------------------------------------------------------------------------------


@composite
def fftn(xp, x, /, s=None, axes=None, norm="backward"):
    """Fourier transform along several ``axes``, of ``s`` values each."""
    for plan in _in_turn(**_plan(xp, "fftn", "c2c", x, s, axes, norm)):
        x = xp.fft.c2c(x, **plan, forward=True)
    return x


@composite
def ifftn(xp, x, /, s=None, axes=None, norm="backward"):
    """Inverse of ``fftn``."""
    for plan in _in_turn(**_plan(xp, "ifftn", "c2c", x, s, axes, norm)):
        x = xp.fft.c2c(x, **plan, forward=False)
    return x


@composite
def rfftn(xp, x, /, s=None, axes=None, norm="backward"):
    """Fourier transform of real ``x`` along several ``axes``; of the last one, the bins of frequency zero and above."""
    last, *others = _in_turn(**_plan(xp, "rfftn", "r2c", x, s, axes, norm))
    x = xp.fft.r2c(x, **last, forward=True)
    for plan in others:
        x = xp.fft.c2c(x, **plan, forward=True)
    return x


@composite
def irfftn(xp, x, /, s=None, axes=None, norm="backward"):
    """Inverse of ``rfftn``: ``s`` real values."""
    last, *others = _in_turn(**_plan(xp, "irfftn", "c2r", x, s, axes, norm))
    for plan in others[::-1]:
        x = xp.fft.c2c(x, **plan, forward=False)
    return xp.fft.c2r(x, **last, forward=False)


@composite
def fft2(xp, x, /, s=None, axes=(-2, -1), norm="backward"):
    """``fftn`` over the last two axes."""
    return xp.fft.fftn(x, s=s, axes=axes, norm=norm)


@composite
def ifft2(xp, x, /, s=None, axes=(-2, -1), norm="backward"):
    """``ifftn`` over the last two axes."""
    return xp.fft.ifftn(x, s=s, axes=axes, norm=norm)


@composite
def rfft2(xp, x, /, s=None, axes=(-2, -1), norm="backward"):
    """``rfftn`` over the last two axes."""
    return xp.fft.rfftn(x, s=s, axes=axes, norm=norm)


@composite
def irfft2(xp, x, /, s=None, axes=(-2, -1), norm="backward"):
    """``irfftn`` over the last two axes."""
    return xp.fft.irfftn(x, s=s, axes=axes, norm=norm)


@composite
def hfftn(xp, x, /, s=None, axes=None, norm="backward"):
    """``fftn`` with ``hfft`` along the last of ``axes``: ``s`` real values."""
    last, *others = _in_turn(**_plan(xp, "hfftn", "c2r", x, s, axes, norm))
    for plan in others[::-1]:
        x = xp.fft.c2c(x, **plan, forward=True)
    return xp.fft.c2r(x, **last, forward=True)


@composite
def ihfftn(xp, x, /, s=None, axes=None, norm="backward"):
    """Inverse of ``hfftn``."""
    last, *others = _in_turn(**_plan(xp, "ihfftn", "r2c", x, s, axes, norm))
    x = xp.fft.r2c(x, **last, forward=False)
    for plan in others:
        x = xp.fft.c2c(x, **plan, forward=False)
    return x


# Frequencies ----------------------------------------------------------------------------------------------------------


@composite
def fftfreq(xp, n, /, d=1.0, dtype=None, device=None):
    """Frequencies of the bins of ``fft`` for samples ``d`` apart, in cycles per unit of ``d``."""
    n = operator.index(n)
    above, below = ((0, (n + 1) // 2), (-(n // 2), 0))
    parts = [xp.arange(*bounds, dtype="float64", device=device) for bounds in (above, below)]
    return _frequencies(xp, xp.concat(parts), n, d, dtype)


@composite
def rfftfreq(xp, n, /, d=1.0, dtype=None, device=None):
    """Frequencies of the bins of ``rfft`` for samples ``d`` apart, in cycles per unit of ``d``."""
    n = operator.index(n)
    return _frequencies(xp, xp.arange(n // 2 + 1, dtype="float64", device=device), n, d, dtype)


def _frequencies(xp, bins, n, d, dtype):
    frequencies = bins * (1.0 / (n * d))
    return frequencies if dtype is None else xp.astype(frequencies, dtype)


@composite
def fftshift(xp, x, /, axes=None):
    """The bin of frequency zero moved from the start to the middle of ``axes``, or of all axes."""
    return _shifted(xp, "fftshift", x, axes, lambda n: n // 2)


@composite
def ifftshift(xp, x, /, axes=None):
    """Inverse of ``fftshift``."""
    return _shifted(xp, "ifftshift", x, axes, lambda n: -(n // 2))


def _shifted(xp, function, x, axes, shift):
    if not hasattr(x, "shape"):
        raise not_an_array(function, "x", x)
    axes = tuple(normalise_axis(a, x.ndim, function) for a in (range(x.ndim) if axes is None else as_shape(axes)))
    return xp.roll(x, tuple(shift(x.shape[a]) for a in axes), axis=axes) if axes else xp.positive(x)
