"""How parameters start: functions that fill a Tensor in place, unrecorded, and return it, with PyTorch's names.

All that draw take ``generator``: one of xgrad's or NumPy's, which moves on, or a seed, drawn from on the default
device.
"""

from __future__ import annotations

import math
from typing import Any

import xgrad as xg

# The same number everywhere -------------------------------------------------------------------------------------------


def constant_(tensor: xg.Tensor, value: float) -> xg.Tensor:
    """Fill with one number.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.Linear(2, 1)
    >>> xg.nn.init.constant_(layer.weight, 3)
    Tensor([[3., 3.]], dtype=float32)
    """
    return _filled("constant_", tensor, value)


def zeros_(tensor: xg.Tensor) -> xg.Tensor:
    """Fill with zeros."""
    return _filled("zeros_", tensor, 0)


def ones_(tensor: xg.Tensor) -> xg.Tensor:
    """Fill with ones."""
    return _filled("ones_", tensor, 1)


def eye_(tensor: xg.Tensor) -> xg.Tensor:
    """Fill a matrix with ones on its diagonal and zeros elsewhere."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: the Tensor must be a matrix; got shape {tensor.shape}. Use orthogonal_ for others.")
    return _filled("eye_", tensor, xg.eye(*tensor.shape))


# Given distributions --------------------------------------------------------------------------------------------------


def uniform_(tensor: xg.Tensor, a: float = 0.0, b: float = 1.0, *, generator: Any = None) -> xg.Tensor:
    """Fill from the uniform distribution between ``a`` and ``b``."""
    return _filled("uniform_", tensor, xg.random.default_rng(generator).uniform(a, b, tensor.shape))


def normal_(tensor: xg.Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> xg.Tensor:
    """Fill from the normal distribution with this mean and standard deviation."""
    return _filled("normal_", tensor, xg.random.default_rng(generator).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: xg.Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, *, generator: Any = None
) -> xg.Tensor:
    """Fill from the normal distribution, kept between the numbers ``a`` and ``b``."""
    random = xg.random.default_rng(generator)
    return _filled(
        "trunc_normal_", tensor, random.truncated_normal((a - mean) / std, (b - mean) / std, mean, std, tensor.shape)
    )


# By the number of inputs and outputs ----------------------------------------------------------------------------------

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The scale of weights that keeps the variance of what goes through a nonlinearity.

    Parameters
    ----------
    nonlinearity : str
        ``"linear"``, ``"conv2d"`` and its kind, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"`` or ``"selu"``.
    param : float, optional
        The slope of ``"leaky_relu"`` below 0; 0.01 if not given.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        When there is no such nonlinearity.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: unknown nonlinearity; got {nonlinearity!r}. Use one of {', '.join(_GAINS)}, leaky_relu."
        )
    return _GAINS[nonlinearity]


def xavier_uniform_(tensor: xg.Tensor, gain: float = 1.0, *, generator: Any = None) -> xg.Tensor:
    """Fill uniformly so that the variance is ``2 * gain**2 / (inputs + outputs)``.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).  A weight has
    the shape (outputs, inputs, ...); further axes, of a kernel, count for both.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.Linear(100, 50)
    >>> weight = xg.nn.init.xavier_uniform_(layer.weight, generator=0)
    >>> weight is layer.weight, float(xg.max(xg.abs(weight))) <= (6 / 150) ** 0.5
    (True, True)
    """
    bound = math.sqrt(3) * gain * math.sqrt(2 / sum(_fans("xavier_uniform_", tensor)))
    return uniform_(tensor, -bound, bound, generator=generator)


def xavier_normal_(tensor: xg.Tensor, gain: float = 1.0, *, generator: Any = None) -> xg.Tensor:
    """Fill normally so that the variance is ``2 * gain**2 / (inputs + outputs)``; see ``xavier_uniform_``."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans("xavier_normal_", tensor))), generator=generator)


def kaiming_uniform_(
    tensor: xg.Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Any = None,
) -> xg.Tensor:
    """Fill uniformly so that the variance is ``gain**2 / inputs``, the gain that of the nonlinearity.

    He et al., "Delving deep into rectifiers" (2015).

    Parameters
    ----------
    tensor : Tensor, shape (outputs, inputs, ...)
        Further axes, of a kernel, count for both.
    a : float
        The slope below 0 of ``"leaky_relu"``.
    mode : {"fan_in", "fan_out"}
        Divide by the inputs, or by the outputs.
    nonlinearity : str
        As in ``calculate_gain``.
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        Where the random numbers come from.

    Returns
    -------
    Tensor
        The same one.

    Raises
    ------
    ValueError
        When the Tensor has less than two axes, or the mode or nonlinearity is unknown.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.Linear(100, 50)
    >>> weight = xg.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=0)
    >>> float(xg.max(xg.abs(weight))) <= (6 / 100) ** 0.5
    True
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator=generator)


def kaiming_normal_(
    tensor: xg.Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Any = None,
) -> xg.Tensor:
    """Fill normally so that the variance is ``gain**2 / inputs``; see ``kaiming_uniform_``."""
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator=generator)


def orthogonal_(tensor: xg.Tensor, gain: float = 1.0, *, generator: Any = None) -> xg.Tensor:
    """Fill with a random matrix whose rows, or columns if they are fewer, are orthogonal and of length ``gain``.

    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks"
    (2014).  Axes after the first count as one.

    Raises
    ------
    ValueError
        When the Tensor has less than two axes.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> q = xg.nn.init.orthogonal_(xg.Tensor(xg.zeros((2, 5))), generator=0).detach()
    >>> np.allclose(q @ q.T, xg.eye(2))
    True
    """
    _fans("orthogonal_", tensor)
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    tall = xg.random.default_rng(generator).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = xg.linalg.qr(tall)
    q = q * xg.sign(xg.linalg.diagonal(r))  # without it the distribution is not uniform
    return _filled("orthogonal_", tensor, gain * xg.reshape(q if rows >= columns else q.T, tensor.shape))


def _fans(function: str, tensor: xg.Tensor) -> tuple[int, int]:
    """The number of inputs and of outputs of a weight."""
    if tensor.ndim < 2:
        raise ValueError(
            f"{function}: a weight must have the shape (outputs, inputs, ...); got {tensor.shape}. "
            "Use uniform_ or normal_ for others."
        )
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


def _kaiming_std(function: str, tensor: xg.Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{function}: unknown mode; got {mode!r}. Use 'fan_in' or 'fan_out'.")
    fan = _fans(function, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _filled(function: str, tensor: xg.Tensor, values: Any) -> xg.Tensor:
    if not isinstance(tensor, xg.Tensor) or (tensor.requires_grad and not tensor.is_leaf):
        raise TypeError(
            f"{function}: a parameter is needed, a Tensor that was not computed; got {type(tensor).__name__}. "
            "Pass layer.weight."
        )
    with xg.no_grad():
        tensor[...] = values.to(tensor.device).astype(tensor.dtype) if isinstance(values, xg.Tensor) else values
    return tensor
