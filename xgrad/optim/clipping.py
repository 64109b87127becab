"""Limits on gradients, set between ``backward()`` and ``step()``."""

from __future__ import annotations

from collections.abc import Iterable

import xgrad as xg

from .checks import at_least_0
from .flat import Flat, flat_lists


def clip_grad_norm(
    params: Iterable[xg.Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> xg.Tensor:
    """Scale all gradients together so that their common norm is at most ``max_norm``; nothing waits for the device.

    Parameters
    ----------
    params : iterable of Tensor, or Tensor
        Those without a gradient are passed over.
    max_norm : float
        The largest norm to leave as it is, at least 0.
    norm_type : float
        The norm of all elements of all gradients as one vector; ``math.inf`` for the largest size of an element.
    error_if_nonfinite : bool
        Look at the norm, for which the host has to wait, and raise when it is infinite or NaN.

    Returns
    -------
    Tensor
        The norm before, 0-d.  A norm that is not finite makes the gradients NaN or 0: look at it to skip such a step.

    Raises
    ------
    ValueError
        When ``max_norm`` is below 0.
    FloatingPointError
        When ``error_if_nonfinite`` and the norm is not finite; the gradients are as before.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([3.0, 4.0])
    >>> (x**2).sum().backward()
    >>> float(xg.optim.clip_grad_norm([x], 5.0))
    10.0
    >>> xg.linalg.vector_norm(x.grad).round(5)
    Tensor(5.)
    """
    at_least_0("clip_grad_norm", "max_norm", max_norm)
    grads = _gradients(params)
    if not grads:
        return xg.asarray(0.0)
    first = grads[0]
    with xg.no_grad():
        vectors = [Flat.join([grads[i] for i in places]) for places in flat_lists(grads)]
        norms = [xg.linalg.vector_norm(v, ord=norm_type).to(first.device).astype(first.real.dtype) for v in vectors]
        total = norms[0] if len(norms) == 1 else xg.linalg.vector_norm(xg.stack(norms), ord=norm_type)
        if error_if_nonfinite and not xg.isfinite(total):
            raise FloatingPointError(
                f"clip_grad_norm: the norm of the gradients is not finite; got {float(total)}. "
                "Skip this step, or lower the learning rate."
            )
        scale = xg.clip(max_norm / (total + 1e-6), None, 1.0)
        for g in grads:
            g *= scale.to(g.device).astype(g.real.dtype)
    return total


def clip_grad_value(params: Iterable[xg.Tensor], clip_value: float) -> None:
    """Bring every element of every gradient into ``[-clip_value, clip_value]``.

    Parameters
    ----------
    params : iterable of Tensor, or Tensor
        Those without a gradient are passed over.
    clip_value : float
        At least 0.

    Raises
    ------
    ValueError
        When ``clip_value`` is below 0.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([3.0, 0.1])
    >>> (x**2).sum().backward()
    >>> xg.optim.clip_grad_value([x], 1.0)
    >>> x.grad
    Tensor([1. , 0.2])
    """
    at_least_0("clip_grad_value", "clip_value", clip_value)
    with xg.no_grad():
        for g in _gradients(params):
            g[...] = xg.clip(g, -clip_value, clip_value)


def _gradients(params: Iterable[xg.Tensor]) -> list[xg.Tensor]:
    several = [params] if isinstance(params, xg.Tensor) else params
    return [p.grad for p in several if p.grad is not None]
