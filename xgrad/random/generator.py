"""The generator: its seed, its children, its state."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import settings
from ..backends import get, parse_device
from ..errors import kind
from .continuous import Continuous
from .discrete import Discrete


def default_rng(seed: Any = None, *, device: Any = None) -> Generator:
    """A generator of random numbers on a device.

    Equal seeds give equal numbers on equal devices, run after run.  CPU devices of all array libraries share NumPy's
    numbers; accelerators have generators of their own, whose numbers are others.

    Parameters
    ----------
    seed : int, sequence of ints, numpy.random.SeedSequence, Generator or numpy.random.Generator, optional
        Not negative; by default fresh entropy from the system.  A Generator is returned as it is; one of NumPy's is
        drawn from, so both move on together, and its numbers are moved to the device.
    device : str or Device, optional
        Where the numbers are made and live.  Without one they are made on the default device, and are uncommitted: they
        follow the first committed array they meet.

    Raises
    ------
    TypeError, ValueError
        When the seed is no seed, or a Generator that lives on another device.

    Examples
    --------
    >>> import xgrad as xg
    >>> rng = xg.random.default_rng(0)
    >>> rng.normal(size=3)
    Tensor([ 0.12573022, -0.13210486,  0.64042265])
    """
    if isinstance(seed, Generator):
        if device is not None and parse_device(device) != seed.device:
            raise ValueError(
                f"default_rng: the generator is on another device; got {seed.device} for {parse_device(device)}. "
                "Make one there with an int as the seed."
            )
        return seed
    return Generator(seed, device=device)


class Generator(Continuous, Discrete):
    """Random numbers on a device; made by ``default_rng``.

    The methods are those of NumPy's Generator, and some that models need.  ``size`` is NumPy's: an int or a tuple,
    or None for the shape of the parameters together.  ``dtype`` is float32 or float64, by default that of the
    parameters, and float64 without floating arrays among them.  Results are constants on the device; where a draw is a
    smooth function of a parameter (``loc + scale * z``) gradients reach a tracked one.

    Parameters that are on an accelerator are not checked, because looking at them would wait.

    Threads may share a generator, but the order in which they draw is open: give each a child (``spawn``).  A generator
    can be copied and pickled; a copy gives the same numbers from there on.

    Parameters
    ----------
    seed, device
        See ``default_rng``.

    Attributes
    ----------
    device : Device
        Where the numbers live.

    Examples
    --------
    >>> import xgrad as xg
    >>> rng = xg.random.default_rng(1)
    >>> scale = xg.Tensor(2.0)
    >>> rng.normal(10.0, scale, size=(2, 3)).sum().backward()
    >>> scale.grad.shape
    ()
    """

    def __init__(self, seed: Any = None, *, device: Any = None):
        self._committed = device is not None
        self._device = settings.device if device is None else parse_device(device)
        if isinstance(seed, np.random.Generator):
            self._seeds: Any = seed.bit_generator.seed_seq
            drawn_from: Any = seed
        else:
            self._seeds = drawn_from = _seeds(seed)
        self._source = get(self._device.backend).source(self._device.place, drawn_from)

    @property
    def device(self):
        """Where the numbers live."""
        return self._device

    def spawn(self, n: int) -> list[Generator]:
        """``n`` independent generators on the same device, others at every call; the numbers of this one stay.

        Examples
        --------
        >>> import xgrad as xg
        >>> first, second = xg.random.default_rng(0).spawn(2)
        >>> float(first.random()) == float(second.random())
        False
        """
        return [_made(seeds, self._device, self._committed) for seeds in self._seeds.spawn(n)]

    @property
    def state(self) -> dict[str, Any]:
        """All that the next numbers and children follow from, as Python and NumPy values.

        Save it with a checkpoint; ``rng.state = saved``, on a device of the same kind, goes on from there bit for bit.

        Examples
        --------
        >>> import xgrad as xg
        >>> rng = xg.random.default_rng(0)
        >>> saved = rng.state
        >>> first = rng.random()
        >>> rng.state = saved
        >>> float(rng.random()) == float(first)
        True
        """
        seeds = self._seeds.state
        entropy = seeds["entropy"]
        seeds["entropy"] = entropy if isinstance(entropy, int) else [int(word) for word in entropy]
        return {"generator": self._source.name, "state": self._source.state, "seeds": seeds}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        if not isinstance(state, dict) or state.keys() != {"generator", "state", "seeds"}:
            raise TypeError(f"state: expected what the attribute state gave; got {kind(state)}.")
        if state["generator"] != self._source.name:
            raise ValueError(
                f"state: it was saved by another kind of generator; got {state['generator']} for {self._source.name}. "
                "Make the generator on a device like the one it was saved on."
            )
        self._source.state = state["state"]
        self._seeds = np.random.SeedSequence(**state["seeds"])

    def __reduce__(self):
        bits = None  # for a generator of NumPy's, the class of its bit generator
        if self._source.host and self._source.name != "PCG64":
            bits = type(self._source.generator.bit_generator)
        return _restored, (self._device, self._committed, bits, self.state)

    def __repr__(self) -> str:
        return f"Generator({self._source.name}, device={str(self._device)!r})"


def _made(seed: Any, device: Any, committed: bool) -> Generator:
    generator = Generator(seed, device=device)
    generator._committed = committed
    return generator


def _restored(device: Any, committed: bool, bits: Any, state: dict[str, Any]) -> Generator:
    generator = _made(0 if bits is None else np.random.Generator(bits(0)), device, committed)
    generator.state = state
    return generator


def _seeds(seed: Any) -> np.random.SeedSequence:
    if isinstance(seed, np.random.SeedSequence):
        return seed
    try:
        if isinstance(seed, bool | str):
            raise TypeError
        return np.random.SeedSequence(seed)
    except TypeError:
        raise TypeError(
            f"default_rng: seed must be an int, a sequence of ints or None; got {seed!r}. Give an int."
        ) from None
    except ValueError:
        raise ValueError(f"default_rng: a seed must not be negative; got {seed!r}. Give an int of 0 or more.") from None
