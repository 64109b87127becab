"""Element-wise functions.

Rules at kinks: ``abs`` and ``sign`` 0 at 0, ``maximum`` and ``minimum`` one half each at a tie, ``clip`` 1 at its
bounds, ``hypot`` and ``atan2`` 0 at the origin, ``x**0`` 0 at 0, ``sqrt`` infinite at 0 unless the cotangent is 0.
"""

from __future__ import annotations

import math

from ..core import primitive

# Arithmetic -----------------------------------------------------------------------------------------------------------


def _same(ct):  # one function for all calls: closures that hold nothing need not be made anew
    return ct


def _negated(ct):
    return -ct


_BOTH = _same, _same  # made once, too


@primitive(vjp=lambda xp, out, x1, x2: _BOTH, diagonal=True)
def add(x1, x2, /):
    """Sum: ``x1 + x2``."""


@primitive(vjp=lambda xp, out, x1, x2: (_same, _negated), diagonal=True)
def subtract(x1, x2, /):
    """Difference: ``x1 - x2``."""


@primitive(vjp=lambda xp, out, x1, x2: (lambda ct: ct * x2, lambda ct: ct * x1), singular=True)
def multiply(x1, x2, /):
    """Product: ``x1 * x2``."""


@primitive(vjp=lambda xp, out, x1, x2: (lambda ct: ct / x2, lambda ct: -ct * (out / x2)), singular=True, floating=True)
def divide(x1, x2, /):
    """Quotient: ``x1 / x2``."""


@primitive(zero=True)
def floor_divide(x1, x2, /):
    """Quotient rounded towards negative infinity; its derivative is zero."""


@primitive(vjp=lambda xp, out, x1, x2: (lambda ct: ct, lambda ct: -ct * xp.floor(x1 / x2)), singular=True)
def remainder(x1, x2, /):
    """Remainder with the sign of the divisor: ``x1 - x2 * floor(x1 / x2)``."""


@primitive(singular=True)
def pow(x1, x2, /):
    """Power: ``x1 ** x2``."""


@pow.vjp
def pow_vjp(xp, out, x1, x2):
    def base(ct):
        if isinstance(x2, int | float | complex):
            if x2 == 0:
                return xp.zeros_like(ct)
            return ct * (2 * x1) if x2 == 2 else ct * (x2 * x1 ** (x2 - 1))
        flat = x2 == 0  # x**0 is constant, at 0 too
        return ct * xp.where(flat, xp.zeros_like(out), x2 * x1 ** xp.where(flat, xp.ones_like(x2), x2 - 1))

    def exponent(ct):
        if isinstance(x1, int | float | complex):
            return ct * (out * (xp.log(xp.full_like(out, x1)) if x1 else 0))
        return ct * (out * xp.log(xp.where(x1 == 0, xp.ones_like(out), x1)))  # complex as out is

    return base, exponent


@primitive(vjp=lambda xp, out, x: _negated, diagonal=True)
def negative(x, /):
    """Negation: ``-x``."""


@primitive(vjp=lambda xp, out, x: _same, diagonal=True)
def positive(x, /):
    """The same values: ``+x``."""


@primitive(singular=True)
def abs(x, /):
    """Absolute value, ``sqrt(re**2 + im**2)`` for complex ``x``."""


@abs.vjp
def abs_vjp(xp, out, x):
    def pullback(ct):
        if not xp.isdtype(x.dtype, "complex floating"):
            return ct * xp.sign(x)
        origin = out == 0
        return ct * xp.where(origin, xp.zeros_like(x), xp.conj(x) / xp.where(origin, xp.ones_like(out), out))

    return pullback


@primitive(singular=True, diagonal=False)
def sign(x, /):
    """Sign: -1, 0 or 1; ``x / abs(x)`` for complex ``x``."""


@sign.vjp
def sign_vjp(xp, out, x):
    def pullback(ct):
        if not xp.isdtype(x.dtype, "complex floating"):
            return xp.zeros_like(ct)
        size = xp.abs(x)
        size = xp.where(size == 0, xp.full_like(size, math.inf), size)
        return (ct - xp.real(ct * out) * xp.conj(out)) / size  # the part of ct across the direction of x

    return pullback


@primitive(singular=True)
def square(x, /):
    """Square: ``x * x``."""


@square.vjp
def square_vjp(xp, out, x):
    return lambda ct: ct * (2 * x)


@primitive(diagonal=True, floating=True)
def sqrt(x, /):
    """Square root."""


@sqrt.vjp
def sqrt_vjp(xp, out, x):
    def pullback(ct):
        nothing = (ct == 0) & ((out == 0) | (out != out))  # norms at 0 ask for 0 times infinity
        return 0.5 * ct / xp.where(nothing, xp.ones_like(out), out)

    return pullback


@primitive(vjp=lambda xp, out, x: lambda ct: -ct * out * out, singular=True, floating=True)
def reciprocal(x, /):
    """Reciprocal: ``1 / x``."""


# Exponentials and logarithms ------------------------------------------------------------------------------------------


@primitive(vjp=lambda xp, out, x: lambda ct: ct * out, singular=True, floating=True)
def exp(x, /):
    """Exponential: ``e**x``."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (out + 1), singular=True, floating=True)
def expm1(x, /):
    """``e**x - 1``, exact for small ``x``."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct / x, singular=True, floating=True)
def log(x, /):
    """Natural logarithm."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct / (x + 1), singular=True, floating=True)
def log1p(x, /):
    """``log(1 + x)``, exact for small ``x``."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct / (x * math.log(2)), singular=True, floating=True)
def log2(x, /):
    """Logarithm to base 2."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct / (x * math.log(10)), singular=True, floating=True)
def log10(x, /):
    """Logarithm to base 10."""


@primitive(singular=True, floating=True)
def logaddexp(x1, x2, /):
    """``log(exp(x1) + exp(x2))`` without overflow."""


@logaddexp.vjp
def logaddexp_vjp(xp, out, x1, x2):
    def share(x):
        def pullback(ct):
            lost = xp.isinf(out)  # where out is infinite, out - x may be NaN
            gap = xp.where(lost, xp.zeros_like(out), x - out)
            return ct * xp.where(lost, xp.astype(out == x, out.dtype), xp.exp(gap))

        return pullback

    return share(x1), share(x2)


# Trigonometry ---------------------------------------------------------------------------------------------------------


@primitive(vjp=lambda xp, out, x: lambda ct: ct * xp.cos(x), singular=True, floating=True)
def sin(x, /):
    """Sine of an angle in radians."""


@primitive(vjp=lambda xp, out, x: lambda ct: -ct * xp.sin(x), singular=True, floating=True)
def cos(x, /):
    """Cosine of an angle in radians."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * (1 + out * out), singular=True, floating=True)
def tan(x, /):
    """Tangent of an angle in radians."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct / xp.sqrt(1 - x * x), singular=True, floating=True)
def asin(x, /):
    """Inverse sine, in radians."""


@primitive(vjp=lambda xp, out, x: lambda ct: -ct / xp.sqrt(1 - x * x), singular=True, floating=True)
def acos(x, /):
    """Inverse cosine, in radians."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct / (1 + x * x), singular=True, floating=True)
def atan(x, /):
    """Inverse tangent, in radians."""


@primitive(singular=True, floating=True)
def atan2(x1, x2, /):
    """Angle in radians of the point with ordinate ``x1`` and abscissa ``x2``."""


@atan2.vjp
def atan2_vjp(xp, out, x1, x2):
    def over_square_radius(x):
        r = xp.hypot(x1, x2)  # divided by twice: its square may overflow
        r = xp.where(r == 0, xp.ones_like(r), r)
        return x / r / r

    return lambda ct: ct * over_square_radius(x2), lambda ct: -ct * over_square_radius(x1)


@primitive(singular=True, floating=True)
def hypot(x1, x2, /):
    """``sqrt(x1**2 + x2**2)`` without overflow."""


@hypot.vjp
def hypot_vjp(xp, out, x1, x2):
    def radius():
        return xp.where(out == 0, xp.ones_like(out), out)

    return lambda ct: ct * (x1 / radius()), lambda ct: ct * (x2 / radius())


# Hyperbolic functions -------------------------------------------------------------------------------------------------


@primitive(vjp=lambda xp, out, x: lambda ct: ct * xp.cosh(x), singular=True, floating=True)
def sinh(x, /):
    """Hyperbolic sine."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct * xp.sinh(x), singular=True, floating=True)
def cosh(x, /):
    """Hyperbolic cosine."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct - ct * out * out, singular=True, floating=True)
def tanh(x, /):
    """Hyperbolic tangent."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct / xp.sqrt(x * x + 1), singular=True, floating=True)
def asinh(x, /):
    """Inverse hyperbolic sine."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct / (xp.sqrt(x - 1) * xp.sqrt(x + 1)), singular=True, floating=True)
def acosh(x, /):
    """Inverse hyperbolic cosine."""


@primitive(vjp=lambda xp, out, x: lambda ct: ct / (1 - x * x), singular=True, floating=True)
def atanh(x, /):
    """Inverse hyperbolic tangent."""


# Selections -----------------------------------------------------------------------------------------------------------


def _winner(xp, x1, x2, wins):
    """The pullback of the argument for which ``wins(x1, x2)`` holds; a tie gives one half."""

    def pullback(ct):
        return xp.where(wins(x1, x2), ct, 0.0) + xp.where(x1 == x2, 0.5 * ct, 0.0)

    return pullback


@primitive(selects=True, diagonal=True)
def maximum(x1, x2, /):
    """The larger of two values."""


@maximum.vjp
def maximum_vjp(xp, out, x1, x2):
    return _winner(xp, x1, x2, lambda a, b: a > b), _winner(xp, x1, x2, lambda a, b: a < b)


@primitive(selects=True, diagonal=True)
def minimum(x1, x2, /):
    """The smaller of two values."""


@minimum.vjp
def minimum_vjp(xp, out, x1, x2):
    return _winner(xp, x1, x2, lambda a, b: a < b), _winner(xp, x1, x2, lambda a, b: a > b)


@primitive(selects=True, diagonal=True, arrays=3)
def clip(x, /, min=None, max=None):
    """``x`` limited to the range from ``min`` to ``max``; None leaves a side open."""


@clip.vjp
def clip_vjp(xp, out, x, min, max):
    def inside(ct):
        if min is not None:
            ct = xp.where(x >= min, ct, 0.0)
        return ct if max is None else xp.where(x <= max, ct, 0.0)

    def below(ct):
        ct = xp.where(x < min, ct, 0.0)
        return ct if max is None else xp.where(min <= max, ct, 0.0)

    def above(ct):
        over = x > max if min is None else (x > max) | (min > max)
        return xp.where(over, ct, 0.0)

    return inside, below, above


@primitive(vjp=lambda xp, out, x1, x2: (lambda ct: ct * xp.sign(x1) * xp.sign(out), None), diagonal=True)
def copysign(x1, x2, /):
    """The size of ``x1`` with the sign of ``x2``."""


# Complex numbers ------------------------------------------------------------------------------------------------------


@primitive(vjp=lambda xp, out, x: lambda ct: xp.conj(ct), diagonal=True)
def conj(x, /):
    """Complex conjugate; the same values for real ``x``."""


@primitive(vjp=lambda xp, out, x: _same, diagonal=True)
def real(x, /):
    """Real part; the same values for real ``x``."""


@primitive(vjp=lambda xp, out, x: lambda ct: xp.astype(ct, x.dtype) * -1j, diagonal=True)
def imag(x, /):
    """Imaginary part of complex ``x``."""


# Derivative zero ------------------------------------------------------------------------------------------------------


@primitive(zero=True)
def floor(x, /):
    """Rounded down."""


@primitive(zero=True)
def ceil(x, /):
    """Rounded up."""


@primitive(zero=True)
def trunc(x, /):
    """Rounded towards zero."""


@primitive(zero=True)
def round(x, /):
    """Rounded to the nearest integer, halves to even."""


@primitive(zero=True)
def isfinite(x, /):
    """Whether neither infinite nor NaN."""


@primitive(zero=True)
def isinf(x, /):
    """Whether infinite."""


@primitive(zero=True)
def isnan(x, /):
    """Whether NaN."""


@primitive(zero=True)
def signbit(x, /):
    """Whether the sign bit is set."""


@primitive(zero=True)
def equal(x1, x2, /):
    """``x1 == x2``."""


@primitive(zero=True)
def not_equal(x1, x2, /):
    """``x1 != x2``."""


@primitive(zero=True)
def less(x1, x2, /):
    """``x1 < x2``."""


@primitive(zero=True)
def less_equal(x1, x2, /):
    """``x1 <= x2``."""


@primitive(zero=True)
def greater(x1, x2, /):
    """``x1 > x2``."""


@primitive(zero=True)
def greater_equal(x1, x2, /):
    """``x1 >= x2``."""


@primitive(zero=True)
def logical_and(x1, x2, /):
    """Both true."""


@primitive(zero=True)
def logical_or(x1, x2, /):
    """At least one true."""


@primitive(zero=True)
def logical_xor(x1, x2, /):
    """Exactly one true."""


@primitive(zero=True)
def logical_not(x, /):
    """Not true."""


@primitive(zero=True)
def bitwise_and(x1, x2, /):
    """Bits set in both."""


@primitive(zero=True)
def bitwise_or(x1, x2, /):
    """Bits set in at least one."""


@primitive(zero=True)
def bitwise_xor(x1, x2, /):
    """Bits set in exactly one."""


@primitive(zero=True)
def bitwise_invert(x, /):
    """Every bit flipped."""


@primitive(zero=True)
def bitwise_left_shift(x1, x2, /):
    """Bits moved up by ``x2`` places."""


@primitive(zero=True)
def bitwise_right_shift(x1, x2, /):
    """Bits moved down by ``x2`` places."""


@primitive(zero=True)
def nextafter(x1, x2, /):
    """The next representable number from ``x1`` towards ``x2``."""
