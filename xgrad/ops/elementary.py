"""Element-wise functions that NumPy has and the standard has not."""

from __future__ import annotations

import math
import sys

from ..core import composite, primitive


def _floats(xp, x):
    """An array of a floating dtype, integers as float64."""
    x = xp.asarray(x)
    return x if xp.isdtype(x.dtype, ("real floating", "complex floating")) else xp.astype(x, "float64")


def _nan(xp, x):
    """Where there is NaN; never in integers."""
    return x != x


# Powers, logarithms and exponents -------------------------------------------------------------------------------------


@primitive(vjp=lambda xp, out, x: lambda ct: ct / (3 * out * out), singular=True, floating=True)
def cbrt(x, /):
    """Real cube root: ``sign(x) * abs(x) ** (1/3)``."""


@composite
def exp2(xp, x, /):
    """Two to the power of ``x``."""
    return xp.pow(2.0, _floats(xp, x))


@composite
def float_power(xp, x1, x2, /):
    """Power, computed in double precision."""
    wide = [xp.asarray(x) for x in (x1, x2)]
    dtype = "complex128" if any(xp.isdtype(x.dtype, "complex floating") for x in wide) else "float64"
    return xp.pow(*(xp.astype(x, dtype, copy=False) for x in wide))


@composite
def logaddexp2(xp, x1, x2, /):
    """Logarithm to base two of ``2**x1 + 2**x2``."""
    return xp.logaddexp(_floats(xp, x1) * math.log(2), _floats(xp, x2) * math.log(2)) * (1 / math.log(2))


@composite
def ldexp(xp, x1, x2, /):
    """``x1`` times two to the integer power ``x2``."""
    x1, x2 = _floats(xp, x1), xp.asarray(x2)
    if not xp.isdtype(x2.dtype, "integral"):
        raise TypeError(f"ldexp: x2 must hold integers; got {x2.dtype}. Use x1 * exp2(x2).")
    half = xp.floor_divide(x2, 2)  # in two steps, since 2**x2 may overflow where the product does not
    for step in (half, x2 - half):
        x1 = x1 * xp.astype(xp.pow(2.0, xp.astype(step, "float64")), x1.dtype)
    return x1


@composite
def frexp(xp, x, /):
    """Mantissa, 0 or of size one half to one, and integer exponent of two, as a pair."""
    x = _floats(xp, x)
    plain = xp.isfinite(x) & (x != 0)
    size = xp.abs(xp.where(plain, x, 1.0))
    exponent = xp.astype(xp.floor(xp.log2(size)), "int32") + 1
    scaled = xp.ldexp(size, -exponent)  # log2 may have rounded across a power of two
    exponent = exponent + xp.astype(scaled >= 1, "int32") - xp.astype(scaled < 0.5, "int32")
    exponent = xp.where(plain, exponent, xp.zeros_like(exponent))
    return xp.ldexp(x, -exponent), exponent


# Angles and waves -----------------------------------------------------------------------------------------------------


@composite
def deg2rad(xp, x, /):
    """Degrees as radians."""
    return _floats(xp, x) * (math.pi / 180)


@composite
def rad2deg(xp, x, /):
    """Radians as degrees."""
    return _floats(xp, x) * (180 / math.pi)


@composite
def radians(xp, x, /):
    """Degrees as radians."""
    return xp.deg2rad(x)


@composite
def degrees(xp, x, /):
    """Radians as degrees."""
    return xp.rad2deg(x)


@composite
def sinc(xp, x, /):
    """``sin(pi * x) / (pi * x)``, 1 at 0; near 0 its power series, whose derivatives of every order are right."""
    y = _floats(xp, x) * math.pi
    near = xp.abs(y) < 1
    z = xp.where(near, y, 0.0) ** 2
    series = xp.ones_like(z)
    for k in range(20, 0, -2):
        series = 1 - z * series / (k * (k + 1))
    far = xp.where(near, 1.0, y)
    return xp.where(near, series, xp.sin(far) / far)


@composite
def i0(xp, x, /):
    """Modified Bessel function of the first kind, order 0."""
    return xp.special.i0(_floats(xp, x))


@composite
def angle(xp, z, deg=False):
    """The angle of complex numbers in the plane, in radians or degrees."""
    z = _floats(xp, z)
    parts = (xp.imag(z), xp.real(z)) if xp.isdtype(z.dtype, "complex floating") else (xp.zeros_like(z), z)
    out = xp.atan2(*parts)
    return xp.rad2deg(out) if deg else out


@composite
def unwrap(xp, p, discont=None, axis=-1, *, period=2 * math.pi):
    """``p`` with multiples of ``period`` added so that neighbours differ by half a period at most."""
    p = xp.moveaxis(xp.asarray(p), axis, -1)
    step = p[..., 1:] - p[..., :-1]
    whole = xp.isdtype(step.dtype, "integral") and isinstance(period, int)
    low = -(period // 2) if whole else -period / 2
    wrapped = xp.remainder(step - low, period) + low
    if not whole or period % 2 == 0:  # a step of exactly half a period keeps its sign
        wrapped = xp.where((wrapped == low) & (step > 0), -low, wrapped)
    small = xp.abs(step) < (period / 2 if discont is None else max(discont, period / 2))
    fixes = xp.cumulative_sum(xp.where(small, 0 * step, wrapped - step), axis=-1)
    return xp.moveaxis(xp.concat([p[..., :1], p[..., 1:] + fixes], axis=-1), -1, axis)


# Choosing, rounding and repairing -------------------------------------------------------------------------------------


@composite
def heaviside(xp, x1, x2, /):
    """0 where ``x1`` is negative, ``x2`` where it is 0, 1 where it is positive; constant in ``x1``."""
    x1, x2 = _floats(xp, x1), _floats(xp, x2)
    step = xp.where(_nan(xp, x1), math.nan, xp.astype(x1 > 0, x1.dtype))
    return xp.where(x1 == 0, x2, step)


def _ignoring_nan(xp, function, x1, x2):
    x1, x2 = xp.asarray(x1), xp.asarray(x2)
    return xp.where(_nan(xp, x1), x2, xp.where(_nan(xp, x2), x1, function(x1, x2)))


@composite
def fmax(xp, x1, x2, /):
    """The larger of two; a number wins over NaN, and a tie gives each side one half of the derivative."""
    return _ignoring_nan(xp, xp.maximum, x1, x2)


@composite
def fmin(xp, x1, x2, /):
    """The smaller of two; a number wins over NaN, and a tie gives each side one half of the derivative."""
    return _ignoring_nan(xp, xp.minimum, x1, x2)


@composite
def fmod(xp, x1, x2, /):
    """Remainder with the sign of the dividend: ``x1 - x2 * trunc(x1 / x2)``."""
    x1, x2 = xp.asarray(x1), xp.asarray(x2)
    size = xp.abs(x2)
    return xp.remainder(x1, xp.where(x1 < 0, -size, size))


@composite
def modf(xp, x, /):
    """Fractional and whole part, both with the sign of ``x``, as a pair."""
    x = _floats(xp, x)
    whole = xp.trunc(x)
    return xp.where(xp.isinf(x), 0.0, x - whole), whole


@composite
def divmod(xp, x1, x2, /):
    """Floored quotient and remainder, as a pair."""
    return xp.floor_divide(x1, x2), xp.remainder(x1, x2)


_LARGEST = {2: 65504.0, 4: (2 - 2**-23) * 2.0**127, 8: sys.float_info.max}  # by bytes of a real number


@composite
def nan_to_num(xp, x, copy=True, nan=0.0, posinf=None, neginf=None):
    """NaN as ``nan``, infinities as the largest finite numbers or as given; their derivative is zero."""
    x = xp.asarray(x)
    if xp.isdtype(x.dtype, "complex floating"):
        parts = (xp.nan_to_num(part(x), copy, nan, posinf, neginf) for part in (xp.real, xp.imag))
        real, imag = parts
        return real + 1j * imag
    if not xp.isdtype(x.dtype, "real floating"):
        return xp.copy(x)
    largest = _LARGEST[x.dtype.itemsize]
    out = xp.where(_nan(xp, x), nan, x)
    out = xp.where(x == math.inf, largest if posinf is None else posinf, out)
    return xp.where(x == -math.inf, -largest if neginf is None else neginf, out)


@composite
def real_if_close(xp, a, tol=100):
    """The real part when every imaginary part is within ``tol`` machine epsilons (or within ``tol`` below 1) of 0."""
    a = xp.asarray(a)
    if not xp.isdtype(a.dtype, "complex floating"):
        return a
    bound = tol * (2.0**-52 if a.dtype.itemsize == 16 else 2.0**-23) if tol > 1 else tol
    return xp.real(a) if bool(xp.all(xp.abs(xp.imag(a)) < bound)) else a
