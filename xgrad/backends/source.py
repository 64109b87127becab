"""Where random numbers come from: NumPy on the host, unless a library draws on an accelerator of its own."""

from __future__ import annotations

from typing import Any

import numpy as np


class Source:
    """Random numbers for one device, as raw arrays on it, in the order in which they are asked for.

    This one draws with NumPy on the host and moves the numbers: right for every library, and the same numbers on every
    device.  A library with a generator on its accelerator has a subclass with the same methods.

    Parameters
    ----------
    xp : Generic
        The backend.
    place : str
        The backend's name for the device.
    seeds : numpy.random.SeedSequence or numpy.random.Generator
        What the numbers follow from; NumPy's generator is shared, not copied.
    """

    host = True  # whether the numbers are drawn on the host, so that looking at parameters does not wait

    def __init__(self, xp: Any, place: str, seeds: Any):
        self.xp, self.place = xp, place
        self.generator: Any = np.random.default_rng(seeds)

    @property
    def name(self) -> str:
        """The algorithm; states are exchanged between sources of one name only."""
        return type(self.generator.bit_generator).__name__

    @property
    def state(self) -> Any:
        """All that the next numbers follow from, as Python and NumPy values."""
        return self.generator.bit_generator.state

    @state.setter
    def state(self, state: Any) -> None:
        self.generator.bit_generator.state = state

    def random(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """Uniform in [0, 1)."""
        return self._moved(self.generator.random(shape, dtype))

    def normal(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """Standard normal."""
        return self._moved(self.generator.standard_normal(shape, dtype))

    def exponential(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """Exponential of mean 1."""
        return self._moved(self.generator.standard_exponential(shape, dtype))

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Any:
        """int64, uniform from ``low`` to below ``high``."""
        return self._moved(self.generator.integers(low, high, shape))

    def permutation(self, n: int) -> Any:
        """The numbers from 0 to below ``n`` in random order, int64."""
        return self._moved(self.generator.permutation(n))

    def gamma(self, shape: Any) -> Any:
        """Gamma of scale 1, float64, one for every element of ``shape``."""
        return self._moved(self.generator.standard_gamma(self.xp.to_numpy(shape)))

    def poisson(self, lam: Any) -> Any:
        """Poisson, int64, one for every element of ``lam``."""
        return self._moved(self.generator.poisson(self.xp.to_numpy(lam)))

    def binomial(self, n: Any, p: Any) -> Any:
        """Successes of ``n`` trials (int64) of probability ``p`` (float64), int64."""
        return self._moved(self.generator.binomial(self.xp.to_numpy(n), self.xp.to_numpy(p)))

    def _moved(self, drawn: Any) -> Any:
        return self.xp.from_numpy(np.asarray(drawn), self.place)
