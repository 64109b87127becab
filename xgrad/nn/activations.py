"""Activations: functions of one array, of any shape, that keep its dtype and device."""

from __future__ import annotations

from typing import Any

import xgrad as xg

from .checks import floating, lines

# Element by element ---------------------------------------------------------------------------------------------------


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
    return xg.special.relu(xg.asarray(x))


def leaky_relu(x: Any, /, negative_slope: float = 0.01) -> xg.Tensor:
    """``x`` where it is above 0, else ``negative_slope * x``.  The derivative at 0 is ``negative_slope``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.leaky_relu(xg.asarray([-2.0, 3.0]))
    Tensor([-0.02,  3.  ])
    """
    x = floating("leaky_relu", "x", x)
    return xg.where(x > 0, x, negative_slope * x)


def elu(x: Any, /, alpha: float = 1.0) -> xg.Tensor:
    """``x`` where it is above 0, else ``alpha * (exp(x) - 1)``.  The derivative at 0 is ``alpha``.

    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units" (2016).

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.elu(xg.asarray([-100.0, 3.0]))
    Tensor([-1.,  3.])
    """
    x = floating("elu", "x", x)
    positive = x > 0
    return xg.where(positive, x, alpha * xg.expm1(xg.where(positive, 0, x)))  # expm1 of a large x would overflow


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
    return xg.special.gelu(floating("gelu", "x", x), approximate=approximate)


def silu(x: Any, /) -> xg.Tensor:
    """``x * sigmoid(x)``, also known as swish.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.silu(xg.asarray([-1000.0, 0.0, 1000.0]))
    Tensor([  -0.,    0., 1000.])
    """
    return xg.special.silu(floating("silu", "x", x))


def softplus(x: Any, /, beta: float = 1.0, threshold: float = 20.0) -> xg.Tensor:
    """A smooth positive part: ``log(1 + exp(beta * x)) / beta``, and ``x`` where ``beta * x`` is above ``threshold``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.softplus(xg.asarray([-1000.0, 1000.0]))
    Tensor([   0., 1000.])
    """
    x = floating("softplus", "x", x)
    scaled = beta * x
    return xg.where(scaled > threshold, x, xg.special.softplus(scaled) / beta)


def tanh(x: Any, /) -> xg.Tensor:
    """Hyperbolic tangent.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.tanh(xg.zeros(2))
    Tensor([0., 0.])
    """
    return xg.tanh(xg.asarray(x))


def sigmoid(x: Any, /) -> xg.Tensor:
    """The logistic function: ``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.sigmoid(xg.asarray([-1000.0, 0.0, 1000.0]))
    Tensor([0. , 0.5, 1. ])
    """
    return xg.special.expit(floating("sigmoid", "x", x))


# Along an axis --------------------------------------------------------------------------------------------------------


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


def glu(x: Any, /, axis: int = -1) -> xg.Tensor:
    """Gated linear unit: the first half along ``axis`` times the ``sigmoid`` of the second.

    Dauphin et al., "Language modeling with gated convolutional networks" (2017).

    Parameters
    ----------
    x : array of floating dtype
        Any shape with an axis of even length.
    axis : int
        The axis to halve.

    Returns
    -------
    Tensor
        Half as long along ``axis``.

    Raises
    ------
    ValueError
        When the axis is of odd length.
    TypeError
        When ``x`` is not real floating.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.glu(xg.asarray([4.0, 6.0, 0.0, 1000.0]))
    Tensor([2., 6.])
    """
    x = lines("glu", "x", x)
    if x.shape[axis] % 2:
        raise ValueError(f"glu: the axis must be of even length; got {x.shape[axis]}. Double the features before it.")
    value, gate = xg.split(x, 2, axis=axis)
    return value * xg.special.expit(gate)
