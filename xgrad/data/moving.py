"""Batches on their way to a device."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np

import xgrad as xg
from xgrad import pytree


def moved(batches: Iterable[Any], device: xg.Device | None) -> Generator[Any, None, None]:
    """The batches with Tensors in place of their arrays, on a device; uncommitted for None."""
    for batch in batches:
        yield _with_arrays(batch, lambda arrays: [xg.asarray(array, device=device) for array in arrays])()


def moved_ahead(batches: Iterable[Any], copier: Any) -> Generator[Any, None, None]:
    """The batches with Tensors in place of their arrays, each on its way while the one before it is in use.

    Parameters
    ----------
    batches : iterable of tree
        Batches of host arrays.
    copier : object
        Of a device.  ``start(arrays)`` takes a list of NumPy arrays, Tensors and arrays of other libraries and begins
        to copy them without waiting; it must not look at them after it has returned.  ``finish(started)`` takes what
        ``start`` gave and answers with the Tensors, which later work on the device may use.
    """
    waiting = None
    for batch in batches:
        started = _with_arrays(batch, copier.start, copier.finish)
        if waiting is not None:
            yield waiting()
        waiting = started
    if waiting is not None:
        yield waiting()


def _with_arrays(
    batch: Any, start: Callable[[list[Any]], Any], finish: Callable[[Any], list[Any]] = lambda started: started
) -> Callable[[], Any]:
    """Start with the arrays of a batch; the function returned finishes, and puts the Tensors in their places."""
    leaves, build = pytree.flatten(batch)
    places = [i for i, leaf in enumerate(leaves) if _is_array(leaf)]
    started = start([leaves[i] for i in places])

    def whole() -> Any:
        for i, tensor in zip(places, finish(started), strict=True):
            leaves[i] = tensor
        return build(leaves)

    return whole


def _is_array(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.dtype.kind in "biufc"
    return hasattr(leaf, "__dlpack__")  # a Tensor, or an array of another library
