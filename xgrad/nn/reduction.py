"""From costs to one number."""

from __future__ import annotations

import xgrad as xg


def reduced(function: str, costs: xg.Tensor, reduction: str) -> xg.Tensor:
    """The mean or the sum of costs, or all of them."""
    if reduction == "mean":
        return xg.mean(some(function, costs))
    if reduction == "sum":
        return xg.sum(costs)
    if reduction != "none":
        raise ValueError(f"{function}: unknown reduction; got {reduction!r}. Use 'mean', 'sum' or 'none'.")
    return costs


def some(function: str, costs: xg.Tensor) -> xg.Tensor:
    """``costs``, if there are any to take a mean of."""
    if not costs.size:
        raise ValueError(
            f"{function}: the mean over no samples is undefined; got shape {costs.shape}. "
            "Drop the empty batch, or use reduction='sum'."
        )
    return costs
