"""Losses: what a prediction costs, as one number to differentiate.

All take ``reduction``: ``"mean"``, ``"sum"``, or ``"none"`` for every cost by itself.  A mean over nothing is an error.
"""

from __future__ import annotations

from typing import Any

import xgrad as xg

from .activations import relu
from .checks import alike, floating, like
from .reduction import reduced, some

# Numbers --------------------------------------------------------------------------------------------------------------


def mse_loss(predictions: Any, targets: Any, /, reduction: str = "mean") -> xg.Tensor:
    """Mean of the squared differences.

    Parameters
    ----------
    predictions, targets : arrays of one floating dtype and one shape
        Nothing is broadcast: (n, 1) against (n,) is a mistake, not an (n, n) array.
    reduction : {"mean", "sum", "none"}
        The mean over all elements, their sum, or every squared difference.

    Returns
    -------
    Tensor
        0-d, or of the shape of ``predictions`` for ``"none"``.

    Raises
    ------
    ValueError
        When the shapes differ, or the mean is over no elements.
    TypeError
        When the dtypes differ.

    Examples
    --------
    >>> import xgrad as xg
    >>> float(xg.nn.mse_loss(xg.asarray([1.0, 2.0]), xg.asarray([1.0, 4.0])))
    2.0
    """
    predictions, targets = alike("mse_loss", ("predictions", "targets"), predictions, targets)
    return reduced("mse_loss", xg.square(predictions - targets), reduction)


def l1_loss(predictions: Any, targets: Any, /, reduction: str = "mean") -> xg.Tensor:
    """Mean of the sizes of the differences; arguments and errors are those of ``mse_loss``.

    Examples
    --------
    >>> import xgrad as xg
    >>> float(xg.nn.l1_loss(xg.asarray([1.0, 2.0]), xg.asarray([1.0, 4.0])))
    1.0
    """
    predictions, targets = alike("l1_loss", ("predictions", "targets"), predictions, targets)
    return reduced("l1_loss", xg.abs(predictions - targets), reduction)


def huber_loss(predictions: Any, targets: Any, /, reduction: str = "mean", delta: float = 1.0) -> xg.Tensor:
    """Half the squared difference up to ``delta``, linear beyond: ``delta * (abs(difference) - delta / 2)``.

    Arguments and errors are those of ``mse_loss``; ``delta`` must be above 0.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.huber_loss(xg.asarray([1.0, 2.0]), xg.asarray([1.5, 4.0]), reduction="none")
    Tensor([0.125, 1.5  ])
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be above 0; got {delta!r}. Give where the loss becomes linear.")
    predictions, targets = alike("huber_loss", ("predictions", "targets"), predictions, targets)
    return reduced("huber_loss", xg.special.huber(delta, predictions - targets), reduction)


# Probabilities --------------------------------------------------------------------------------------------------------


def binary_cross_entropy(
    probabilities: Any, targets: Any, /, weight: Any = None, *, reduction: str = "mean"
) -> xg.Tensor:
    """Minus the log of the probability given to what is right, of two: ``targets`` 1 or 0, or between.

    Prefer ``binary_cross_entropy_with_logits``, whose gradient does not fade where probabilities round to 0 and 1.

    Parameters
    ----------
    probabilities, targets : arrays of one floating dtype and one shape
        From 0 to 1.  Logarithms count as -100 where they are below, as in PyTorch; there they have no gradient.
    weight : array, optional
        Factors on the losses, broadcast against them.
    reduction : {"mean", "sum", "none"}
        The mean over all elements, whatever the weights, their sum, or every loss.

    Returns
    -------
    Tensor
        0-d, or of the shape of ``probabilities`` for ``"none"``.

    Raises
    ------
    ValueError
        When the shapes differ, or the mean is over no elements.
    TypeError
        When the dtypes differ.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.binary_cross_entropy(xg.asarray([0.5, 0.0]), xg.asarray([1.0, 1.0]), reduction="none")
    Tensor([  0.69314718, 100.        ])
    """
    p, t = alike("binary_cross_entropy", ("probabilities", "targets"), probabilities, targets)
    costs = -(t * _log(p) + (1 - t) * _log(1 - p))
    costs = costs if weight is None else costs * like("binary_cross_entropy", "weight", weight, p)
    return reduced("binary_cross_entropy", costs, reduction)


def _log(p: xg.Tensor) -> xg.Tensor:
    """The logarithm, but at least -100."""
    zero = p == 0
    return xg.where(zero, -100, xg.clip(xg.log(xg.where(zero, 1, p)), min=-100))


def binary_cross_entropy_with_logits(
    logits: Any, targets: Any, /, weight: Any = None, *, pos_weight: Any = None, reduction: str = "mean"
) -> xg.Tensor:
    """``binary_cross_entropy`` of ``sigmoid(logits)``, for logits of any size.

    Parameters
    ----------
    logits, targets : arrays of one floating dtype and one shape
        Scores, and 1 or 0 for what is right, or between.
    weight : array, optional
        Factors on the losses, broadcast against them.
    pos_weight : array, optional
        Factors on the losses of targets that are 1, broadcast against them.
    reduction : {"mean", "sum", "none"}
        The mean over all elements, whatever the weights, their sum, or every loss.

    Returns
    -------
    Tensor
        0-d, or of the shape of ``logits`` for ``"none"``.

    Raises
    ------
    ValueError
        When the shapes differ, or the mean is over no elements.
    TypeError
        When the dtypes differ.

    Examples
    --------
    >>> import xgrad as xg
    >>> x, t = xg.asarray([1000.0, 1000.0]), xg.asarray([1.0, 0.0])
    >>> xg.nn.binary_cross_entropy_with_logits(x, t, reduction="none")
    Tensor([   0., 1000.])
    """
    x, t = alike("binary_cross_entropy_with_logits", ("logits", "targets"), logits, targets)
    log_right = xg.special.log_expit(x)
    if pos_weight is not None:
        extra = like("binary_cross_entropy_with_logits", "pos_weight", pos_weight, x) - 1
        log_right = (1 + extra * t) * log_right
    costs = (1 - t) * x - log_right
    costs = costs if weight is None else costs * like("binary_cross_entropy_with_logits", "weight", weight, x)
    return reduced("binary_cross_entropy_with_logits", costs, reduction)


def kl_div(log_probabilities: Any, targets: Any, /, reduction: str = "mean", *, log_target: bool = False) -> xg.Tensor:
    """Kullback and Leibler's divergence of a model from a target: ``targets * (log(targets) - log_probabilities)``.

    Parameters
    ----------
    log_probabilities, targets : arrays of one floating dtype and one shape
        Logarithms of the model's probabilities, and the target's probabilities.
    reduction : {"mean", "batchmean", "sum", "none"}
        ``"batchmean"`` divides the sum by the extent of the first axis, which is the mathematical divergence;
        ``"mean"`` divides it by the number of elements.
    log_target : bool
        Whether the targets are logarithms too.

    Returns
    -------
    Tensor
        0-d, or of the shape of ``targets`` for ``"none"``.

    Raises
    ------
    ValueError
        When the shapes differ, or the mean is over nothing.
    TypeError
        When the dtypes differ.

    Examples
    --------
    >>> import xgrad as xg
    >>> p = xg.asarray([[0.5, 0.5]])
    >>> float(xg.nn.kl_div(xg.log(p), p, reduction="batchmean"))
    0.0
    """
    logs, t = alike("kl_div", ("log_probabilities", "targets"), log_probabilities, targets)
    costs = xg.exp(t) * (t - logs) if log_target else xg.special.xlogy(t, t) - t * logs
    if reduction == "batchmean":
        return xg.sum(some("kl_div", costs)) / (costs.shape[0] if costs.ndim else 1)
    return reduced("kl_div", costs, reduction)


# Directions -----------------------------------------------------------------------------------------------------------


def cosine_similarity(x1: Any, x2: Any, /, axis: int = 1, eps: float = 1e-8) -> xg.Tensor:
    """The cosine of the angle between vectors: their product by that of their lengths, each at least ``eps``.

    Parameters
    ----------
    x1, x2 : arrays of floating dtype
        Of shapes that broadcast.
    axis : int
        The axis of the vectors.
    eps : float
        The least length to divide by.

    Returns
    -------
    Tensor
        Without ``axis``.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.cosine_similarity(xg.asarray([[3.0, 4.0]]), xg.asarray([[3.0, 0.0]]))
    Tensor([0.6])
    """
    x1, x2 = floating("cosine_similarity", "x1", x1), floating("cosine_similarity", "x2", x2)
    x1, x2 = (x / xg.clip(xg.linalg.vector_norm(x, axis=axis, keepdims=True), min=eps) for x in (x1, x2))
    return xg.sum(x1 * x2, axis=axis)


def cosine_embedding_loss(x1: Any, x2: Any, targets: Any, /, margin: float = 0.0, reduction: str = "mean") -> xg.Tensor:
    """1 less the cosine between vectors that belong together; the cosine above ``margin`` of those that do not.

    Parameters
    ----------
    x1, x2 : arrays of one floating dtype and one shape, (n, features) or (features,)
        The vectors.
    targets : array, shape (n,) or ()
        1 for pairs that belong together, -1 for those that do not.
    margin : float
        From -1 to 1.
    reduction : {"mean", "sum", "none"}
        The mean over all pairs, their sum, or one loss per pair.

    Returns
    -------
    Tensor
        0-d, or of the shape of ``targets`` for ``"none"``.

    Raises
    ------
    ValueError
        When the shapes do not match, or the mean is over no pairs.
    TypeError
        When the dtypes differ.

    Examples
    --------
    >>> import xgrad as xg
    >>> a, b = xg.asarray([[1.0, 0.0], [1.0, 0.0]]), xg.asarray([[0.0, 2.0], [3.0, 4.0]])
    >>> xg.nn.cosine_embedding_loss(a, b, [1, -1], reduction="none")
    Tensor([1. , 0.6])
    """
    x1, x2 = alike("cosine_embedding_loss", ("x1", "x2"), x1, x2)
    targets = xg.asarray(targets)
    if x1.ndim not in (1, 2) or targets.shape != x1.shape[:-1]:
        raise ValueError(
            "cosine_embedding_loss: the vectors must be (n, features) and the targets (n,), or without n; got "
            f"{x1.shape} and {targets.shape}. Reshape them."
        )
    tiny = 1e-12  # added under the root, as in PyTorch
    lengths = xg.sqrt((xg.sum(x1 * x1, axis=-1) + tiny) * (xg.sum(x2 * x2, axis=-1) + tiny))
    cosine = xg.sum(x1 * x2, axis=-1) / lengths
    apart = relu(cosine - margin)
    costs = xg.where(targets == 1, 1 - cosine, xg.where(targets == -1, apart, 0))
    return reduced("cosine_embedding_loss", costs, reduction)
