"""CuPy's random numbers: cuRAND's Philox on the GPU.

cuRAND keeps a counter per thread in an array on the device (64 bytes each, 17 MB for 264,000 threads); CuPy has no
public name for it, so ``state`` reads and writes the array that CuPy calls ``_state``.  CuPy seeds with 32 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .source import Source


class Random(Source):
    """``cupy.random.Generator`` with Philox."""

    host = False
    name = "cuRAND Philox4x32-10"

    def __init__(self, xp: Any, place: str, seeds: Any):
        self.xp, self.place = xp, place
        with xp.on(place):
            self.bits = xp.cupy.random.Philox4x3210(seeds)
        self.generator = xp.cupy.random.Generator(self.bits)

    @property
    def state(self) -> np.ndarray:
        """The counters of all threads, as bytes."""
        return self.xp.to_numpy(self.bits._state)

    @state.setter
    def state(self, state: np.ndarray) -> None:
        with self.xp.on(self.place):
            self.bits._state[...] = self.xp.cupy.asarray(state)

    def random(self, shape, dtype):
        """Uniform in [0, 1)."""
        with self.xp.on(self.place):
            return self.generator.random(shape, dtype)

    def normal(self, shape, dtype):
        """Standard normal."""
        with self.xp.on(self.place):
            return self.generator.standard_normal(shape, dtype)

    def exponential(self, shape, dtype):
        """Exponential of mean 1."""
        with self.xp.on(self.place):
            return self.generator.standard_exponential(shape, dtype)

    def integers(self, low, high, shape):
        """int64, uniform from ``low`` to below ``high``."""
        with self.xp.on(self.place):
            return self.generator.integers(low, high, shape, np.int64)

    def permutation(self, n):
        """The numbers from 0 to below ``n`` in the order of random keys, int64."""
        keys = self.integers(0, 2**63, (n,))
        with self.xp.on(self.place):
            return self.xp.argsort(keys)

    def gamma(self, shape):
        """Gamma of scale 1, float64, one for every element of ``shape``; NaN for NaN, where CuPy's loop has no end."""
        with self.xp.on(self.place):
            return self.generator.standard_gamma(self.xp.where(shape >= 0, shape, 0.0)) + 0.0 * shape

    def poisson(self, lam):
        """Poisson, int64, one for every element of ``lam``."""
        with self.xp.on(self.place):
            return self.generator.poisson(lam)

    def binomial(self, n, p):
        """Successes of ``n`` trials (below 2**31) of probability ``p``, int64; CuPy's loop has no end for ``p < 0``."""
        with self.xp.on(self.place):
            return self.generator.binomial(n, self.xp.clip(p, 0.0, 1.0))
