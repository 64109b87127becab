"""Flat lists: several arrays of one dtype and device, computed on as one vector.

A call costs a few microseconds of Python and, on a GPU, a launch, however few elements there are.  A rule of twelve
calls on one vector of all parameters costs twelve calls, not twelve for every bias.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import xgrad as xg

# Measured on a CPU, where copying costs what computing does: larger arrays are cheaper with calls of their own.
_LARGE = 1 << 15


class Flat:
    """Tensors that are computed on as one vector, and what is remembered of them.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of one dtype, on one device.
    state : dict of str to Tensor
        Vectors as long as all the tensors together.
    step : int or 0-d Tensor
        How many steps they have taken; a Tensor where only the device knows.
    """

    def __init__(
        self, tensors: Sequence[xg.Tensor], state: dict[str, xg.Tensor] | None = None, step: int | xg.Tensor = 0
    ):
        self.tensors = list(tensors)
        self.state = state or {}
        self.step = step
        self._shapes = [t.shape for t in self.tensors]
        ends = [0, *itertools.accumulate(map(math.prod, self._shapes))]
        self._slices = [slice(a, b) for a, b in itertools.pairwise(ends)]

    @staticmethod
    def join(arrays: Sequence[xg.Tensor]) -> xg.Tensor:
        """One vector of arrays that have the shapes of the tensors."""
        if len(arrays) > 1:
            return xg.concat(arrays, axis=None)
        return _shaped(arrays[0], (arrays[0].size,))

    def split(self, vector: xg.Tensor) -> list[xg.Tensor]:
        """The parts of a vector, one in the shape of every tensor."""
        parts = [vector[part] for part in self._slices] if len(self.tensors) > 1 else [vector]
        return [_shaped(x, shape) for x, shape in zip(parts, self._shapes, strict=True)]

    def states(self) -> list[dict[str, Any]]:
        """What is remembered of every tensor, in its shape; nothing before the first step."""
        if not self.state and isinstance(self.step, int) and not self.step:
            return [{} for _ in self.tensors]
        parts = {name: self.split(vector) for name, vector in self.state.items()}
        return [
            {"step": self.step} | {name: part[i].detach() for name, part in parts.items()}
            for i in range(len(self.tensors))
        ]

    def divided(self, chosen: Sequence[bool]) -> list[Flat]:
        """Two flat lists: of the tensors that are chosen, and of the others."""
        states = self.states()
        halves = [[i for i, c in enumerate(chosen) if bool(c) is side] for side in (True, False)]
        return [joined([self.tensors[i] for i in half], [states[i] for i in half], self.step) for half in halves]


def _shaped(x: xg.Tensor, shape: tuple[int, ...]) -> xg.Tensor:
    return x if x.shape == shape else xg.reshape(x, shape)


def joined(tensors: Sequence[xg.Tensor], states: Sequence[dict[str, Any]], step: int | xg.Tensor) -> Flat:
    """The flat list of tensors of which ``states`` are remembered, with the same names for each."""
    flat = Flat(tensors, step=step)
    with xg.no_grad():
        flat.state = {name: flat.join([s[name] for s in states]) for name in states[0] if name != "step"}
    return flat


def flat_lists(tensors: Iterable[xg.Tensor], key: Callable[[int], Hashable] = lambda i: None) -> list[list[int]]:
    """Which tensors belong together, by their places: those of one dtype, device and ``key`` of the place.

    On a CPU a large array is alone.
    """
    lists: dict[Hashable, list[int]] = {}
    for i, t in enumerate(tensors):
        alone = i if t.size >= _LARGE and str(t.device).endswith("cpu") else None
        lists.setdefault((str(t.dtype), t.device, alone, key(i)), []).append(i)
    return list(lists.values())
