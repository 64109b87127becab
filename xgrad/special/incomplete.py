"""Incomplete gamma and beta functions and the distributions made of them, with derivatives in every parameter.

The derivatives in ``a``, ``b`` and ``df`` have no closed form: they are integrals, taken by Gauss's rule (see
``approximate``).  At the ends of the range of ``x``, where a parameter no longer matters, they are 0.
"""

from __future__ import annotations

import math

from ..approximate import beta_tails, beta_weight, gamma_tails, gamma_weight
from ..core import composite, primitive


@primitive(singular=True, floating=True, boxed=True)
def gammainc(a, x, /):
    """Regularised lower incomplete gamma: the integral of ``t**(a-1) * exp(-t)`` from 0 to ``x``, over gamma."""


@gammainc.vjp
def gammainc_vjp(xp, out, a, x):
    return lambda ct: ct * _shape_slope(xp, a, x), lambda ct: ct * _gamma_density(xp, a, x)


@primitive(singular=True, floating=True, boxed=True)
def gammaincc(a, x, /):
    """Regularised upper incomplete gamma: ``1 - gammainc(a, x)``."""


@gammaincc.vjp
def gammaincc_vjp(xp, out, a, x):
    return lambda ct: -ct * _shape_slope(xp, a, x), lambda ct: -ct * _gamma_density(xp, a, x)


def _shape_slope(xp, a, x):
    """The derivative of ``gammainc`` in ``a``."""
    inside = (x > 0) & (x < math.inf)
    low, _, slope = gamma_tails(xp, a, xp.where(inside, x, 1.0))
    return xp.where(inside, xp.where(low, slope, -slope), 0.0)


def _gamma_density(xp, a, x):
    """``x**(a-1) * exp(-x) / gamma(a)``."""
    inside = (x > 0) & (x < math.inf)
    z = xp.where(inside, x, 1.0)
    at_zero = xp.where(a > 1, 0.0, xp.where(a < 1, math.inf, xp.ones_like(a)))
    return xp.where(inside, a * gamma_weight(xp, a, z) / z, xp.where(x == 0, at_zero, 0.0))


@primitive(singular=True, floating=True, boxed=True)
def betainc(a, b, x, /):
    """Regularised incomplete beta: the integral of ``t**(a-1) * (1-t)**(b-1)`` from 0 to ``x``, over ``beta(a, b)``."""


@betainc.vjp
def betainc_vjp(xp, out, a, b, x):
    def slope(place):
        def pullback(ct):
            inside = (x > 0) & (x < 1)
            z = xp.where(inside, x, 0.5)
            tails = beta_tails(xp, a, b, z, 1 - z)
            return ct * xp.where(inside, xp.where(tails[0], tails[place], -tails[place]), 0.0)

        return pullback

    def density(ct):
        inside = (x > 0) & (x < 1)
        z = xp.where(inside, x, 0.5)
        here, there = xp.where(x == 0, a, b), xp.where(x == 0, b, a)  # at an end the density is a power, or constant
        edge = xp.where(here > 1, 0.0, xp.where(here < 1, math.inf, there))
        return ct * xp.where(inside, beta_weight(xp, a, b, z, 1 - z) / (z * (1 - z)), edge)

    return slope(2), slope(3), density


@composite(boxed=True)
def chdtr(xp, v, x, /):
    """The probability that a chi-square variable of ``v`` degrees of freedom is below ``x``."""
    return xp.special.gammainc(0.5 * v, 0.5 * x)


@composite(boxed=True)
def chdtrc(xp, v, x, /):
    """The probability that a chi-square variable of ``v`` degrees of freedom is above ``x``."""
    return xp.where(x < 0, 1.0, xp.special.gammaincc(0.5 * v, 0.5 * xp.where(x < 0, 0.0, x)))


@composite(boxed=True)
def fdtr(xp, dfn, dfd, x, /):
    """The probability that a variable of Snedecor's F distribution is below ``x``."""
    scaled = dfn * x
    return xp.special.betainc(0.5 * dfn, 0.5 * dfd, scaled / (dfd + scaled))


@composite(boxed=True)
def fdtrc(xp, dfn, dfd, x, /):
    """The probability that a variable of Snedecor's F distribution is above ``x``."""
    return xp.special.betainc(0.5 * dfd, 0.5 * dfn, dfd / (dfd + dfn * x))


@primitive(singular=True, floating=True, boxed=True)
def stdtr(df, t, /):
    """The probability that a variable of Student's t distribution is below ``t``."""


@stdtr.vjp
def stdtr_vjp(xp, out, df, t):
    def freedom(ct):
        inside = (t != 0) & xp.isfinite(t)
        square = xp.where(inside, t * t, 1.0)
        x, y = square / (df + square), df / (df + square)  # half of t's tail is that of beta(1/2, df/2) beyond x
        half, a = 0.5 * df, xp.full_like(df, 0.5)
        low, _, _, slope = beta_tails(xp, a, half, x, y)
        rate = 0.25 * xp.where(low, slope, -slope) - 0.5 * beta_weight(xp, a, half, x, y) / df
        return ct * xp.where(inside, xp.sign(t) * rate, 0.0)

    def density(ct):
        log_power = -0.5 * (df + 1) * xp.log1p(t * t / df)
        return ct * (xp.exp(log_power - xp.special.betaln(0.5 * df, xp.full_like(df, 0.5))) / xp.sqrt(df))

    return freedom, density
