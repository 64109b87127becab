"""Functions that a library may lack, as formulas in standard calls: right on every library."""

from __future__ import annotations

import math

from ..registry import formula

# Fourier transforms ---------------------------------------------------------------------------------------------------

_OTHER_WAY = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


@formula("fft.c2c")
def c2c(xp, x, /, *, s, axes, norm, forward):
    """Complex transform by the library's own; over no axes, the same values."""
    x = _as_complex(xp, x)
    if len(axes) == 1:
        one = xp.fft.fft if forward else xp.fft.ifft
        return one(x, n=s[0], axis=axes[0], norm=norm)
    several = xp.fft.fftn if forward else xp.fft.ifftn
    return several(x, s=s, axes=axes, norm=norm) if axes else xp.positive(x)


@formula("fft.r2c")
def r2c(xp, x, /, *, s, axes, norm, forward):
    """Half spectrum by the library's own; backwards it is the conjugate of forwards."""
    if not forward:
        return xp.conj(r2c(xp, x, s=s, axes=axes, norm=_OTHER_WAY[norm], forward=True))
    if len(axes) == 1:
        return xp.fft.rfft(x, n=s[0], axis=axes[0], norm=norm)
    return xp.fft.rfftn(x, s=s, axes=axes, norm=norm)


@formula("fft.c2r")
def c2r(xp, x, /, *, s, axes, norm, forward):
    """Real signal, one axis at the end: a library's own ``irfftn`` may take all axes to be symmetric, as cuFFT does."""
    x = _as_complex(xp, x)
    if len(axes) > 1:
        x = c2c(xp, x, s=s[:-1], axes=axes[:-1], norm=norm, forward=forward)
    if forward:
        x, norm = xp.conj(x), _OTHER_WAY[norm]
    return xp.fft.irfft(x, n=s[-1], axis=axes[-1], norm=norm)


def _as_complex(xp, x):
    """``x`` for a library that keeps to the standard and refuses real arrays here; one that promotes takes them."""
    if xp.promotes or xp.isdtype(x.dtype, "complex floating"):
        return x
    return xp.astype(x, xp.result_type(x.dtype, xp.complex64))


# NumPy's functions beside the standard --------------------------------------------------------------------------------


@formula("selected")
def selected(xp, x, /):
    """The same array."""
    return x


@formula("cbrt")
def cbrt(xp, x, /):
    """Real cube root, with one step of Newton's method to mend the rounding of 1/3."""
    size = xp.abs(x)
    root = size ** (1 / 3)
    plain = (size > 0) & xp.isfinite(size)
    safe = xp.where(plain, root, xp.ones_like(root))
    root = xp.where(plain, safe - (safe - size / safe / safe) / 3, root)
    return xp.where(x < 0, -root, root)


@formula("convolve")
def convolve(xp, a, v, /, *, mode="full"):
    """Discrete convolution: every product in a matrix whose rows are shifted one place each, summed over rows."""
    n, m = a.shape[0], v.shape[0]
    if not n or not m:
        raise ValueError("a and v must have elements")
    if m > n:
        a, v, n, m = v, a, m, n
    products = xp.reshape(v, (m, 1)) * xp.reshape(a, (1, n))
    blank = xp.zeros((m, m), dtype=products.dtype, device=xp.device(products))
    shifted = xp.reshape(xp.concat([products, blank], axis=1), (-1,))[: m * (n + m - 1)]
    full = xp.sum(xp.reshape(shifted, (m, n + m - 1)), axis=0, dtype=products.dtype)
    if mode not in ("full", "same", "valid"):
        raise ValueError("mode must be 'full', 'same' or 'valid'")
    lost = {"full": 0, "same": (m - 1) // 2, "valid": m - 1}[mode]
    return full[lost : lost + {"full": n + m - 1, "same": n, "valid": n - m + 1}[mode]]


@formula("fft.r2r")
def r2r(xp, x, /, *, sine, type, axis):
    """Orthonormal cosine or sine transform, read from one FFT of the extended signal, of 2 * m values.

    All types are one sum over j of ``x[j] * cos(pi * j * k / m)``, or ``sin``, where j and k run over whole numbers or
    over halves and m is near n.  A place at 0 or at m is its own mirror image.
    """
    if xp.isdtype(x.dtype, "complex floating"):
        real, imag = (r2r(xp, part(x), sine=sine, type=type, axis=axis) for part in (xp.real, xp.imag))
        return xp.astype(real, x.dtype) + xp.astype(imag, x.dtype) * 1j
    first_j, first_k = _FIRST[type] if not sine else tuple(1 if v == 0 else v for v in _FIRST[type])
    n = x.shape[axis]
    m = n + (type == 1) * (1 if sine else -1)

    def places(first, mirrored):
        """The places from ``first`` on, and a weight for each: one, or ``mirrored`` at a mirror."""
        at = xp.arange(n, dtype=x.dtype, device=xp.device(x)) + first
        return at, 1 + (mirrored - 1) * xp.astype((at == 0) | (at == m), x.dtype)

    def turned(at, by):
        return xp.exp(xp.astype(at, xp.result_type(at.dtype, xp.complex64)) * (-1j * math.pi * by / m))

    j, weights = places(first_j, math.sqrt(0.5))
    k, factors = places(first_k, math.sqrt(0.5))
    x = xp.moveaxis(x, axis, -1) * weights
    if first_k == 0.5:
        bins = xp.fft.fft(x * turned(j - first_j, 0.5), n=2 * m, axis=-1, norm="backward")[..., :n]
    else:
        bins = xp.fft.rfft(x, n=2 * m, axis=-1, norm="backward")[..., first_k : first_k + n]
    turn = turned(k, first_j) * (factors * math.sqrt(2 / m)) * (1j if sine else 1)
    return xp.moveaxis(xp.real(bins * turn), -1, axis)


_FIRST = {1: (0, 0), 2: (0.5, 0), 3: (0, 0.5), 4: (0.5, 0.5)}  # the first j and k of the cosine transforms
