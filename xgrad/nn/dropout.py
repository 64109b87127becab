"""Dropout, and where it draws."""

from __future__ import annotations

import functools
from typing import Any

import xgrad as xg

from .checks import floating, probability
from .module import Module


class Draws:
    """Random numbers for inputs on any device: a generator that was given, or one for each device that is met.

    A module keeps it as one object, so copies that transforms make of the module go on in the same sequence.

    Parameters
    ----------
    generator : xgrad.random.Generator, numpy.random.Generator, int or None
        A generator of xgrad's, which draws for every device, or what one is made from.
    """

    def __init__(self, generator: Any = None):
        self.given = generator
        self.made: dict[Any, xg.random.Generator] = {}

    def on(self, device: Any) -> xg.random.Generator:
        """The generator for inputs on a device."""
        if isinstance(self.given, xg.random.Generator):
            return self.given
        if device not in self.made:
            self.made[device] = xg.random.default_rng(self.given, device=device)
        return self.made[device]


@functools.cache
def _unseeded() -> Draws:
    return Draws()


def dropout(x: Any, /, p: float = 0.5, training: bool = True, generator: Any = None) -> xg.Tensor:
    """``x`` with elements at random made 0, with probability ``p``, and the others divided by ``1 - p``.

    Parameters
    ----------
    x : array of floating dtype
        Any shape.
    p : float
        From 0 to 1.
    training : bool
        Without it the result is ``x``.
    generator : xgrad.random.Generator, optional
        Where the random numbers come from.  Without one they are others in every run.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    TypeError
        When ``x`` is not real floating.
    ValueError
        When ``p`` is no probability.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.functional.dropout(xg.ones(6), 0.5, generator=xg.random.default_rng(0))
    Tensor([2., 2., 2., 0., 0., 0.])
    """
    x, p = floating("dropout", "x", x), probability("dropout", "p", p)
    if not training or not p:
        return x
    random = _unseeded().on(x.device) if generator is None else xg.random.default_rng(generator)
    return x * random.dropout_mask(x.shape, p, dtype=x.dtype)


class Dropout(Module):
    """While training, elements at random are made 0, with probability ``p``, and the others divided by ``1 - p``.

    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).

    Parameters
    ----------
    p : float
        From 0 to 1.
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        Where the random numbers come from: a generator, which moves on, or a seed, from which they are drawn on the
        device of the input.

    Raises
    ------
    TypeError, ValueError
        When ``p`` is no probability; TypeError when an input is not real floating.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.Dropout(0.5, generator=0)
    >>> layer(xg.ones(6))
    Tensor([2., 2., 2., 0., 0., 0.])
    >>> layer.eval()(xg.ones(6))
    Tensor([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, generator: Any = None):
        self.p = probability("Dropout", "p", p)
        self.draws = Draws(generator)

    def forward(self, x: Any) -> xg.Tensor:
        """``x``, thinned out while training."""
        x = xg.asarray(x)
        return dropout(x, self.p, self.training, self.draws.on(x.device) if self.training else None)

    def describe(self) -> str:
        """The probability."""
        return str(self.p)
