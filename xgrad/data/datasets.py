"""Data sets: what has a length and gives samples by number; samples joined to batches; a part kept for testing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import xgrad as xg

_ADVICE = "Pass collate= to DataLoader."


class Dataset:
    """What a ``DataLoader`` takes; a subclass writes ``__len__`` and ``__getitem__``.

    Any other object with these two serves as well.  One that can fetch many samples faster than one by one may have a
    method ``batch(indices)`` too: it takes an int64 array and gives the batch.

    Examples
    --------
    >>> import xgrad as xg
    >>> class Squares(xg.data.Dataset):
    ...     def __len__(self):
    ...         return 5
    ...
    ...     def __getitem__(self, index):
    ...         return index, index**2
    >>> for n, square in xg.data.DataLoader(Squares(), batch_size=3):
    ...     print(square)
    Tensor([0, 1, 4])
    Tensor([ 9, 16])
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: __len__ is not written. Return the number of samples.")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: __getitem__ is not written. Return sample number index.")


class ArrayDataset(Dataset):
    """Samples that are the rows of arrays; a batch is one selection from each.

    Parameters
    ----------
    *arrays : array
        Of one length; sample ``i`` is the tuple of their rows ``i``.  NumPy arrays, memory maps of files among them,
        stay on the host.  Tensors and arrays of other libraries stay on their device, and batches are cut there.

    Raises
    ------
    ValueError
        When there is no array, one has no axis, or lengths differ.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> dataset = xg.data.ArrayDataset(np.arange(8).reshape(4, 2), np.array([0, 1, 0, 1]))
    >>> len(dataset)
    4
    >>> dataset[3]
    (array([6, 7]), np.int64(1))
    """

    def __init__(self, *arrays: Any):
        self.arrays = _equally_long("ArrayDataset", arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(array[index] for array in self.arrays)

    def batch(self, indices: np.ndarray) -> tuple[Any, ...]:
        """The rows ``indices`` of every array, in memory of their own."""
        return self[indices]


def collate(samples: list[Any]) -> Any:
    """One batch from a list of samples of one structure.

    Arrays and numbers are stacked along a new first axis, int to int64 and float to float64; texts become a list; the
    entries of tuples, lists and dicts are joined each for itself.

    Parameters
    ----------
    samples : list
        At least one.

    Returns
    -------
    tree of array
        NumPy arrays; Tensors where the samples are Tensors or another library's arrays.

    Raises
    ------
    ValueError
        When arrays differ in shape, or tuples or dicts in their entries.
    TypeError
        When samples hold something else.

    Examples
    --------
    >>> from xgrad.data import collate
    >>> collate([(0.5, "a"), (1.5, "b")])
    (array([0.5, 1.5]), ['a', 'b'])
    """
    first = samples[0]
    if isinstance(first, str | bytes):
        return samples
    if isinstance(first, Mapping):
        _require_same([tuple(sorted(s, key=str)) for s in samples], "entries")
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, tuple | list):
        _require_same([len(s) for s in samples], "numbers of entries")
        entries = [collate(list(group)) for group in zip(*samples, strict=True)]
        return type(first)._make(entries) if hasattr(first, "_make") else tuple(entries)
    if isinstance(first, np.ndarray | np.generic | int | float | complex):
        _require_same([np.shape(s) for s in samples], "shapes")
        return np.stack([np.asarray(s) for s in samples])
    if isinstance(first, xg.Tensor) or hasattr(first, "__dlpack__"):
        _require_same([tuple(s.shape) for s in samples], "shapes")
        return xg.stack([xg.asarray(s) for s in samples])
    raise TypeError(f"collate: samples must hold arrays, numbers or texts; got {type(first).__name__}. {_ADVICE}")


def _require_same(facts: list[Any], what: str) -> None:
    other = next((fact for fact in facts if fact != facts[0]), None)
    if other is not None:
        raise ValueError(f"collate: samples of one batch differ in their {what}; got {facts[0]} and {other}. {_ADVICE}")


def train_test_split(
    *arrays: Any,
    test_size: float = 0.2,
    generator: xg.random.Generator | np.random.Generator | int | None = None,
    stratify: Any = None,
) -> list[Any]:
    """Arrays in two parts, in random order: one to learn from, one kept for testing.

    Parameters
    ----------
    *arrays : array
        Of one length; Tensors stay Tensors on their device, all else becomes NumPy's.
    test_size : float or int
        The part to keep for testing, above 0 and below 1 (rounded up to whole samples); or how many samples.
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        What the order follows from: a generator, which moves on, or a seed.
    stratify : array, optional
        The class of every sample; each class then has the same share of both parts, as nearly as can be.

    Returns
    -------
    list
        Two for every array: its rows for training and its rows for testing.

    Raises
    ------
    ValueError
        When there is no array, lengths differ, or a part would be empty.

    Examples
    --------
    >>> import numpy as np
    >>> from xgrad.data import train_test_split
    >>> x, y = np.arange(20).reshape(10, 2), np.array([0] * 5 + [1] * 5)
    >>> x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, generator=0, stratify=y)
    >>> x_train.shape, sorted(y_test)
    ((6, 2), [np.int64(0), np.int64(0), np.int64(1), np.int64(1)])
    """
    known = _equally_long("train_test_split", arrays)
    n = len(known[0])
    count = _test_count(n, test_size)
    order = np.random.default_rng(seed_from(generator)).permutation(n)
    if stratify is None:
        test = np.arange(n) < count
    else:
        test = _in_proportion(_equally_long("train_test_split", (stratify, *known))[0], order, count)
    return [array[part] for array in known for part in (order[~test], order[test])]


def _test_count(n: int, test_size: Any) -> int:
    if isinstance(test_size, int | np.integer):
        count = int(test_size)
    else:
        count = int(np.ceil(n * test_size)) if 0 < test_size < 1 else 0
    if not 0 < count < n:
        raise ValueError(
            f"train_test_split: test_size must leave samples in both parts; got {test_size!r} for {n} samples. "
            "Give a number between 0 and 1, or how many samples to keep for testing."
        )
    return count


def _in_proportion(labels: Any, order: np.ndarray, count: int) -> np.ndarray:
    """Which places of ``order`` go to a part of ``count``: of every class the first, as many as its share."""
    labels = labels.detach().numpy() if isinstance(labels, xg.Tensor) else labels
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    exact = sizes * (count / len(order))
    shares = np.floor(exact).astype(np.int64)
    shares[np.argsort(shares - exact, kind="stable")[: count - shares.sum()]] += 1  # the largest remainders
    chosen = np.zeros(len(order), dtype=bool)
    for label, share in enumerate(shares):
        chosen[np.flatnonzero(classes[order] == label)[:share]] = True
    return chosen


def seed_from(generator: xg.random.Generator | np.random.Generator | int | None) -> int:
    """A seed for host data: drawn from a generator; the same for the same int on every default device."""
    device = None if isinstance(generator, xg.random.Generator) else "cpu"
    return int(xg.random.default_rng(generator, device=device).integers(2**63 - 1))


def _equally_long(function: str, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arrays as NumPy's or Tensors, of one length."""
    if not arrays:
        raise ValueError(f"{function}: there is no array; got nothing. Pass at least one.")
    known = tuple(_known(array) for array in arrays)
    for i, array in enumerate(known):
        if not array.ndim:
            raise ValueError(f"{function}: arrays[{i}] must have an axis, of one entry per sample; got a 0-d array.")
    lengths = [len(array) for array in known]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"{function}: arrays must be of one length; got {', '.join(map(str, lengths))}. The first axis counts the "
            "samples."
        )
    return known


def _known(array: Any) -> Any:
    if isinstance(array, np.ndarray | xg.Tensor):
        return array
    return xg.asarray(array) if hasattr(array, "__dlpack__") else np.asarray(array)
