"""Losses: what a prediction costs, as one number to differentiate."""

from __future__ import annotations

from typing import Any

import numpy as np

import xgrad as xg

from .functional import lines


def cross_entropy(logits: Any, targets: Any, /, reduction: str = "mean") -> xg.Tensor:
    """Minus the log of the probability that ``softmax(logits)`` gives to the right classes.

    Parameters
    ----------
    logits : array of floating dtype, shape (..., classes)
        Unnormalised scores, the classes on the last axis.
    targets : array of integer dtype, shape (...)
        The right class of every sample, from 0 to classes - 1.
    reduction : {"mean", "sum", "none"}
        The mean over all samples, their sum, or one loss per sample.

    Returns
    -------
    Tensor
        0-d, or of the shape of ``targets`` for ``"none"``; of the dtype of ``logits``.

    Raises
    ------
    TypeError
        When the targets are not integers or the logits not real floating.
    ValueError
        When the shapes do not match, the mean is over no samples, or a target is out of range.

    Notes
    -----
    The range is checked only for targets in the host's memory: NumPy data, lists, a Tensor on ``"cpu"`` or
    ``"torch:cpu"``.  On any other device the check would make the host wait in every step.  There, what a target out of
    range does is up to the device's library, so check such data once, before training.

    Examples
    --------
    >>> import xgrad as xg
    >>> logits = xg.Tensor([[0.0, 0.0], [0.0, 0.0]])
    >>> loss = xg.nn.cross_entropy(logits, [0, 1])
    >>> loss.backward()
    >>> logits.grad
    Tensor([[-0.25,  0.25],
            [ 0.25, -0.25]])
    """
    known = xg.asarray(targets)
    known = known.detach() if known.requires_grad else known
    if not xg.isdtype(known.dtype, "integral"):
        raise TypeError(
            f"cross_entropy: targets must be integers, the number of the right class; got {known.dtype}. "
            "Convert them with targets.astype(xg.int64), or take xg.argmax of one-hot targets."
        )
    scores = lines("cross_entropy", "logits", logits)
    classes = scores.shape[-1]
    if known.shape != scores.shape[:-1]:
        raise ValueError(
            f"cross_entropy: targets must have the shape of logits without the classes, {scores.shape[:-1]}; "
            f"got {known.shape}. The classes are the last axis of logits."
        )
    if str(known.device).endswith("cpu"):
        _check_range(known, classes)
    elif isinstance(targets, np.ndarray | list | tuple):  # host data on its way to another default device
        _check_range(xg.asarray(targets, device="cpu"), classes)
    return _reduced("cross_entropy", xg.special.softmax_cross_entropy(scores, known), reduction)


def _check_range(targets: xg.Tensor, classes: int) -> None:
    host = targets.numpy()
    if not host.size:
        return
    low, high = int(host.min()), int(host.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"cross_entropy: a target is out of range; got {low if low < 0 else high} for {classes} classes. "
            f"Targets go from 0 to {classes - 1}."
        )


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
    predictions, targets = xg.asarray(predictions), xg.asarray(targets)
    if predictions.shape != targets.shape:
        raise ValueError(
            f"mse_loss: predictions and targets must have one shape; got {predictions.shape} and {targets.shape}. "
            "Reshape one of them."
        )
    if predictions.dtype != targets.dtype:
        raise TypeError(
            f"mse_loss: predictions and targets have different dtypes; got {predictions.dtype} and {targets.dtype}. "
            "Convert the targets with targets.astype(predictions.dtype)."
        )
    return _reduced("mse_loss", xg.square(predictions - targets), reduction)


def _reduced(function: str, losses: xg.Tensor, reduction: str) -> xg.Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{function}: unknown reduction; got {reduction!r}. Use 'mean', 'sum' or 'none'.")
    if reduction == "none":
        return losses
    if reduction == "sum":
        return xg.sum(losses)
    if not losses.size:
        raise ValueError(
            f"{function}: the mean over no samples is undefined; got shape {losses.shape}. "
            "Drop the empty batch, or use reduction='sum'."
        )
    return xg.mean(losses)
