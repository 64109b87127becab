"""Losses of classifiers: scores of classes against the right ones.  See ``losses`` for ``reduction``."""

from __future__ import annotations

from typing import Any

import xgrad as xg

from .checks import alike, in_range, like, lines, probability
from .reduction import reduced, some


def cross_entropy(
    logits: Any,
    targets: Any,
    /,
    weight: Any = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    axis: int | None = None,
) -> xg.Tensor:
    """Minus the log of the probability that ``softmax(logits)`` gives to the right classes.

    Parameters
    ----------
    logits : array of floating dtype, shape (n, classes, ...) or (classes,)
        Unnormalised scores.
    targets : array of integer dtype, shape (n, ...) or (), or of the shape and dtype of ``logits``
        The right class of every sample, from 0 to classes - 1; or the wanted probability of every class.
    weight : array, shape (classes,), optional
        What an error in each class counts.  The mean is divided by the sum of the weights of the right classes; for
        probabilities, by the number of samples.
    ignore_index : int, optional
        Samples of this class cost nothing and do not count.  PyTorch ignores -100 unless told otherwise; here nothing
        is ignored, because looking for it takes as long as the loss.
    reduction : {"mean", "sum", "none"}
        The mean over all samples, their sum, or one loss per sample.
    label_smoothing : float
        From 0 to 1: this share of the wanted probability is spread evenly over all classes.
    axis : int, optional
        Where the classes are in ``logits``; by default axis 1, or 0 of a single sample.

    Returns
    -------
    Tensor
        0-d, or of the shape of ``logits`` without the classes for ``"none"``; of the dtype of ``logits``.

    Raises
    ------
    TypeError
        When the targets are neither integers nor of the dtype of the logits, or the logits not real floating.
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
    scores = _classes_last("cross_entropy", "logits", logits, axis)
    known = xg.asarray(targets)
    if known.ndim == scores.ndim and xg.isdtype(known.dtype, "real floating"):
        if ignore_index is not None:
            raise ValueError(
                f"cross_entropy: ignore_index is for targets that are integers; got {known.dtype}. "
                "Give samples that do not count zeros in place of probabilities."
            )
        return _soft_cross_entropy(scores, known, weight, reduction, label_smoothing, axis)
    if weight is None and ignore_index is None and not label_smoothing:
        return _plain_cross_entropy(scores, targets, known, reduction)
    known = _labels("cross_entropy", targets, known, scores, ignore_index)
    known, factors, ignored = _chosen("cross_entropy", known, scores, weight, ignore_index)
    costs = xg.special.softmax_cross_entropy(scores, known)
    costs = costs if factors is None else factors * costs
    if label_smoothing:
        share = probability("cross_entropy", "label_smoothing", label_smoothing)
        logs = xg.special.log_softmax(scores, -1)
        logs = logs if weight is None else logs * _class_weight("cross_entropy", weight, scores)
        costs = (1 - share) * costs - share * xg.mean(logs, axis=-1)
    return _over_samples("cross_entropy", costs, factors, ignored, reduction)


def _plain_cross_entropy(scores: xg.Tensor, targets: Any, known: xg.Tensor, reduction: str) -> xg.Tensor:
    """Without weights; NumPy looks at the range by itself, so only the message is made here."""
    known = _integers("cross_entropy", known, scores)
    if scores.device.backend != "numpy":
        _in_range("cross_entropy", targets, known, scores)
    try:
        if reduction == "mean":
            return xg.special.softmax_cross_entropy(scores, some("cross_entropy", known), mean=True)
        return reduced("cross_entropy", xg.special.softmax_cross_entropy(scores, known), reduction)
    except IndexError:
        _in_range("cross_entropy", targets, known, scores)
        raise


def _soft_cross_entropy(
    scores: xg.Tensor, targets: Any, weight: Any, reduction: str, label_smoothing: float, axis: int | None
) -> xg.Tensor:
    wanted = _classes_last("cross_entropy", "targets", targets, axis)
    scores, wanted = alike("cross_entropy", ("logits", "targets"), scores, wanted)
    if label_smoothing:
        share = probability("cross_entropy", "label_smoothing", label_smoothing)
        wanted = (1 - share) * wanted + share / scores.shape[-1]
    terms = wanted * xg.special.log_softmax(scores, -1)
    terms = terms if weight is None else terms * _class_weight("cross_entropy", weight, scores)
    return reduced("cross_entropy", -xg.sum(terms, axis=-1), reduction)


def nll_loss(
    log_probabilities: Any,
    targets: Any,
    /,
    weight: Any = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
    axis: int | None = None,
) -> xg.Tensor:
    """Minus the log probability of the right classes; ``cross_entropy`` of what went through ``log_softmax`` already.

    Parameters
    ----------
    log_probabilities : array of floating dtype, shape (n, classes, ...) or (classes,)
        Logarithms of probabilities.
    targets : array of integer dtype, shape (n, ...) or ()
        The right class of every sample, from 0 to classes - 1.
    weight, ignore_index, reduction, axis
        As in ``cross_entropy``; the errors are the same.

    Examples
    --------
    >>> import xgrad as xg
    >>> float(xg.nn.nll_loss(xg.asarray([[-1.0, -2.0], [-3.0, -4.0]]), [0, 1]))
    2.5
    """
    logs = _classes_last("nll_loss", "log_probabilities", log_probabilities, axis)
    known = _labels("nll_loss", targets, xg.asarray(targets), logs, ignore_index)
    known, factors, ignored = _chosen("nll_loss", known, logs, weight, ignore_index)
    costs = -xg.take_along_axis(logs, known[..., None], axis=-1)[..., 0]
    return _over_samples("nll_loss", costs if factors is None else factors * costs, factors, ignored, reduction)


def _classes_last(function: str, name: str, x: Any, axis: int | None) -> xg.Tensor:
    x = lines(function, name, x)
    axis = min(1, x.ndim - 1) if axis is None else axis
    return x if axis in (-1, x.ndim - 1) else xg.moveaxis(x, axis, -1)


def _labels(function: str, given: Any, known: xg.Tensor, scores: xg.Tensor, skip: int | None) -> xg.Tensor:
    """The right classes, checked; ``known`` is ``given`` as a Tensor."""
    known = _integers(function, known, scores)
    _in_range(function, given, known, scores, skip)
    return known


def _in_range(function: str, given: Any, known: xg.Tensor, scores: xg.Tensor, skip: int | None = None) -> None:
    in_range(function, ("a target", "classes"), given, known, scores.shape[-1], skip)


def _integers(function: str, known: xg.Tensor, scores: xg.Tensor) -> xg.Tensor:
    known = known.detach() if known.requires_grad else known
    if known.dtype.kind not in "iu":
        raise TypeError(
            f"{function}: targets must be integers, the number of the right class; got {known.dtype}. "
            "Convert them with targets.astype(xg.int64), or take xg.argmax of one-hot targets."
        )
    if known.shape != scores.shape[:-1]:
        raise ValueError(
            f"{function}: targets must have the shape of the scores without the classes, {scores.shape[:-1]}; "
            f"got {known.shape}. The classes are axis 1 of the scores, if axis= does not say otherwise."
        )
    return known


def _chosen(
    function: str, known: xg.Tensor, scores: xg.Tensor, weight: Any, ignore_index: int | None
) -> tuple[xg.Tensor, xg.Tensor | None, xg.Tensor | None]:
    """Classes that exist, what each sample counts, and which do not; None where there is nothing to say."""
    ignored = None
    if ignore_index is not None:
        ignored = known == ignore_index
        known = xg.where(ignored, 0, known)
    factors = None if weight is None else xg.take(_class_weight(function, weight, scores), known)
    return known, factors, ignored


def _class_weight(function: str, weight: Any, scores: xg.Tensor) -> xg.Tensor:
    weight = like(function, "weight", weight, scores)
    if weight.shape != scores.shape[-1:]:
        raise ValueError(
            f"{function}: weight must be one number per class, of shape {scores.shape[-1:]}; got {weight.shape}. "
            "Weigh samples by reduction='none'."
        )
    return weight


def _over_samples(
    function: str, costs: xg.Tensor, factors: xg.Tensor | None, ignored: xg.Tensor | None, reduction: str
) -> xg.Tensor:
    """The reduction of costs of samples that count differently: their mean is over what they count."""
    if ignored is not None:
        costs = xg.where(ignored, 0, costs)
        factors = xg.astype(~ignored, costs.dtype) if factors is None else xg.where(ignored, 0, factors)
    if reduction != "mean" or factors is None:
        return reduced(function, costs, reduction)
    return xg.sum(some(function, costs)) / xg.sum(factors)
