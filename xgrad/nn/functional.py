"""Activations: functions of one array, of any shape, that keep its shape, dtype and device."""

from __future__ import annotations

import math
from typing import Any

import xgrad as xg


def relu(x: Any, /) -> xg.Tensor:
    """The positive part: ``x`` where it is above 0, else 0.  The derivative at 0 is 0; a NaN stays NaN.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([-2.0, 0.0, 3.0])
    >>> y = xg.nn.relu(x)
    >>> y.sum().backward()
    >>> x.grad
    Tensor([0., 0., 1.])
    """
    x = xg.asarray(x)
    return xg.where(x <= 0, 0, x)  # this way round a NaN is kept: where(x > 0, x, 0) would hide it


def tanh(x: Any, /) -> xg.Tensor:
    """Hyperbolic tangent.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.tanh(xg.zeros(2))
    Tensor([0., 0.])
    """
    return xg.tanh(xg.asarray(x))


def gelu(x: Any, /, approximate: str = "none") -> xg.Tensor:
    """Gaussian error linear unit: ``x`` times the probability that a standard normal variable is below it.

    Parameters
    ----------
    x : array of floating dtype
        Any shape.
    approximate : {"none", "tanh"}
        ``"none"`` is exact, by the error function; ``"tanh"`` is the approximation of Hendrycks and Gimpel,
        "Gaussian Error Linear Units" (2016), that GPT-2 was trained with.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    ValueError
        When ``approximate`` is neither of the two.
    TypeError
        When ``x`` is not real floating.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.gelu(xg.asarray([0.0, 10.0]))
    Tensor([ 0., 10.])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: unknown approximation; got {approximate!r}. Use approximate='none' or 'tanh'.")
    x = _floating("gelu", "x", x)
    if approximate == "tanh":
        return 0.5 * x * (1.0 + xg.tanh(x * (math.sqrt(2 / math.pi) + math.sqrt(2 / math.pi) * 0.044715 * (x * x))))
    return 0.5 * x * (1.0 + xg.special.erf(x * math.sqrt(0.5)))


def softmax(x: Any, /, axis: int = -1) -> xg.Tensor:
    """Positive numbers that sum to 1 along ``axis``: ``exp(x) / sum(exp(x))``, for ``x`` of any size.

    Parameters
    ----------
    x : array of floating dtype
        Any shape with at least one axis.  An element of -inf gets 0; a line of nothing but -inf gets zeros, not NaN.
    axis : int
        The axis to sum over.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    TypeError
        When ``x`` is not real floating.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.softmax(xg.asarray([1000.0, 1000.0]))
    Tensor([0.5, 0.5])
    """
    return xg.special.softmax(lines("softmax", "x", x), axis)


def log_softmax(x: Any, /, axis: int = -1) -> xg.Tensor:
    """The logarithm of ``softmax`` along ``axis``, without its underflow.

    Parameters
    ----------
    x : array of floating dtype
        Any shape with at least one axis.  An element of -inf stays -inf, also in a line of nothing else.
    axis : int
        The axis to sum over.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    TypeError
        When ``x`` is not real floating.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.log_softmax(xg.asarray([0.0, -1000.0]))
    Tensor([    0., -1000.])
    """
    return xg.special.log_softmax(lines("log_softmax", "x", x), axis)


def lines(function: str, argument: str, x: Any) -> xg.Tensor:
    """``x`` as a real floating Tensor with an axis to sum over."""
    x = _floating(function, argument, x)
    if not x.ndim:
        raise ValueError(f"{function}: {argument} needs an axis to sum over; got a 0-d array. Give it at least one.")
    return x


def _floating(function: str, argument: str, x: Any) -> xg.Tensor:
    x = xg.asarray(x)
    if not xg.isdtype(x.dtype, "real floating"):
        raise TypeError(
            f"{function}: {argument} must be real floating; got {x.dtype}. Convert it with x.astype(xg.float32)."
        )
    return x
