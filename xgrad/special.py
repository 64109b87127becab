"""Special functions, by the array library's own implementation where it has one."""

from __future__ import annotations

import math

from .core import primitive


@primitive(
    vjp=lambda xp, out, x: lambda ct: ct * (2 / math.sqrt(math.pi) * xp.exp(-x * x)), singular=True, floating=True
)
def erf(x, /):
    """Error function: twice the integral of ``exp(-t**2)`` from 0 to ``x``, over the square root of pi."""
