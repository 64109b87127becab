"""DataLoader: the batches of a data set, epoch after epoch, in an order that can be had again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import xgrad as xg

from .datasets import collate as collate_samples
from .datasets import seed_from
from .moving import moved, moved_ahead
from .threads import ordered_map


class DataLoader:
    """The batches of a data set as Tensors; every ``for`` loop over it is one epoch.

    The order of an epoch follows from the seed and the number of the epoch alone.  It is the same whatever the device
    and the number of threads, and a resumed run sees the batches that the interrupted one would have seen.

    Parameters
    ----------
    dataset : Dataset
        Anything with ``__len__`` and ``__getitem__``.  Where it has ``batch(indices)``, as ``ArrayDataset`` has, whole
        batches are fetched by that.
    batch_size : int
        Samples per batch; the last one may be smaller.
    shuffle : bool
        Whether every epoch has a random order of its own; else samples come in order.
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        Where the seed comes from: a generator, which moves on, or an int; by default the system's entropy.
    drop_last : bool
        Leave out a last batch that is smaller.
    num_workers : int
        Background threads that fetch, collate and transform batches ahead; 0 does it in the loop.  The data set must
        bear being read by several threads at once.  Reading files and most of NumPy's work go on beside Python code.
    prefetch : int
        Batches per thread that are made ahead.
    device : str or Device, optional
        Where the batches go; by default to the default device, uncommitted.
    pin_memory : bool
        On a device that can (CUDA), copy through pinned memory, without waiting and one batch ahead.  False copies each
        batch when it is asked for.
    collate : callable, optional
        Makes a batch from a list of samples; by default ``xgrad.data.collate``.
    transform : callable, optional
        ``transform(batch, random)`` changes a whole batch on the host, in the thread that fetched it.  ``random`` is a
        ``numpy.random.Generator`` of this batch's own, so random changes are as reproducible as the order.

    Attributes
    ----------
    epoch : int
        The number of the epoch that the last loop was in, or that the next will be; from 0.

    Raises
    ------
    TypeError
        When the data set has no length or its samples cannot be collated.
    ValueError
        When a number is out of range.

    Notes
    -----
    Batches of tuples are tuples, where PyTorch's are lists.  Threads take the place of PyTorch's worker processes.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> dataset = xg.data.ArrayDataset(np.arange(10.0).reshape(5, 2), np.arange(5))
    >>> loader = xg.data.DataLoader(dataset, batch_size=2, shuffle=True, generator=0)
    >>> len(loader)
    3
    >>> for x, y in loader:
    ...     print(x.shape, y)
    (2, 2) Tensor([1, 0])
    (2, 2) Tensor([3, 4])
    (1, 2) Tensor([2])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        generator: xg.random.Generator | np.random.Generator | int | None = None,
        drop_last: bool = False,
        num_workers: int = 0,
        prefetch: int = 2,
        device: Any = None,
        pin_memory: bool = True,
        collate: Callable[[list[Any]], Any] | None = None,
        transform: Callable[[Any, np.random.Generator], Any] | None = None,
    ):
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise TypeError(
                f"DataLoader: dataset must have __len__ and __getitem__; got {type(dataset).__name__}. "
                "For arrays use ArrayDataset."
            )
        self.dataset, self.shuffle, self.drop_last = dataset, shuffle, drop_last
        self.batch_size = _at_least("batch_size", batch_size, 1)
        self.num_workers = _at_least("num_workers", num_workers, 0)
        self.prefetch = _at_least("prefetch", prefetch, 1)
        self.device = None if device is None else xg.empty(0, device=device).device
        self.pin_memory, self.collate, self.transform = pin_memory, collate, transform
        self.epoch = 0
        self._seed = seed_from(generator)
        self._position = 0  # how many batches of the epoch were handed out
        self._begun = False  # whether a loop has begun the epoch

    def __len__(self) -> int:
        """How many batches an epoch has."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        if self._begun:  # and left before its end
            self.epoch, self._position = self.epoch + 1, 0
        self._begun = True
        return self._batches(self.epoch, self._position)

    # Position -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, int]:
        """Where the last batch handed out stands; plain ints, for a checkpoint.

        Examples
        --------
        >>> import xgrad as xg
        >>> loader = xg.data.DataLoader(range(6), batch_size=2, shuffle=True, generator=0)
        >>> batches = iter(loader)
        >>> first = next(batches)
        >>> resumed = xg.data.DataLoader(range(6), batch_size=2, shuffle=True)
        >>> resumed.load_state_dict(loader.state_dict())
        >>> [bool((a == b).all()) for a, b in zip(batches, resumed)]
        [True, True]
        """
        size = {"samples": len(self.dataset), "batch_size": self.batch_size}
        return {"seed": self._seed, "epoch": self.epoch, "batch": self._position} | size

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Make the next loop go on with the batch after the one that was handed out last, in the same epoch.

        Raises
        ------
        ValueError
            When the state is of a loader of another data set or batch size.
        """
        mine = self.state_dict()
        if state.keys() != mine.keys():
            raise ValueError(f"load_state_dict: expected what state_dict gave; got {', '.join(map(str, state))}.")
        for name in ("samples", "batch_size"):
            if state[name] != mine[name]:
                raise ValueError(
                    f"load_state_dict: {name} differs, so batches would; got {state[name]} for a loader with "
                    f"{mine[name]}. Make the loader as it was."
                )
        self._seed, self.epoch, self._position = state["seed"], state["epoch"], state["batch"]
        self._begun = False

    # One epoch ------------------------------------------------------------------------------------------------------

    def _batches(self, epoch: int, first: int) -> Iterator[Any]:
        """The batches of an epoch from number ``first`` on; a later loop's epoch leaves this one without a say."""
        ahead = self.prefetch * self.num_workers
        with contextlib.closing(ordered_map(self._fetch, self._work(epoch, first), self.num_workers, ahead)) as fetched:
            for number, batch in enumerate(self._moved(fetched), first):
                if self.epoch == epoch:
                    self._position = number + 1
                yield batch
        if self.epoch == epoch:
            self.epoch, self._position, self._begun = epoch + 1, 0, False

    def _work(self, epoch: int, first: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """Epoch, number and indices of every batch."""
        n, size = len(self.dataset), self.batch_size
        order = self._random(epoch).permutation(n) if self.shuffle else np.arange(n)
        for number in range(first, len(self)):
            yield epoch, number, order[number * size : (number + 1) * size]

    def _fetch(self, epoch: int, number: int, indices: np.ndarray) -> Any:
        try:
            if self.collate is None and hasattr(self.dataset, "batch"):
                batch = self.dataset.batch(indices)
            else:
                batch = (self.collate or collate_samples)([self.dataset[i] for i in indices.tolist()])
            return batch if self.transform is None else self.transform(batch, self._random(epoch, number))
        except Exception as error:
            error.add_note(f"DataLoader: this was batch {number} of epoch {epoch}.")
            raise

    def _random(self, *path: int) -> np.random.Generator:
        """The generator of an epoch, or of a batch of it."""
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=path))

    def _moved(self, batches: Iterator[Any]) -> Iterator[Any]:
        copier = self.device.copier() if self.pin_memory and self.device is not None else None
        return moved(batches, self.device) if copier is None else moved_ahead(batches, copier)


def _at_least(name: str, value: Any, least: int) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"DataLoader: {name} must be an int; got {value!r}. Give {least} or more.")
    if value < least:
        raise ValueError(f"DataLoader: {name} must be at least {least}; got {value}. Give {least} or more.")
    return int(value)
