"""Layers: modules with parameters, and modules made of modules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import xgrad as xg

from .module import Module


class Linear(Module):
    """An affine map of the last axis: ``x @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
        Extents of the last axis of the input and of the result.
    bias : bool
        Whether to add a bias.
    device : str or Device, optional
        Where the parameters live; if not given, where the generator draws.
    dtype : dtype
        Floating dtype of the parameters, and of every input.
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        Where the random numbers come from: a generator, which moves on, or a seed, drawn from on the default device.
        Pass one generator to all layers of a model; with equal seeds they would start equal.

    Attributes
    ----------
    weight : Tensor, shape (out_features, in_features)
    bias : Tensor, shape (out_features,), or None
        Both start uniform between -1/sqrt(in_features) and 1/sqrt(in_features), as in PyTorch.

    Raises
    ------
    TypeError
        When an input has not the dtype of the weight.
    ValueError
        When the last axis of an input is not ``in_features`` long.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.Linear(3, 2, generator=0)
    >>> layer
    Linear(3, 2): 8 parameters
    >>> layer(xg.ones((5, 3), dtype="float32")).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        device: Any = None,
        dtype: Any = "float32",
        generator: xg.random.Generator | np.random.Generator | int | None = None,
    ):
        for name, value in (("in_features", in_features), ("out_features", out_features)):
            if not isinstance(value, int | np.integer) or isinstance(value, bool):
                raise TypeError(f"Linear: {name} must be an int; got {value!r}. Give the extent of the last axis.")
            if value < 1:
                raise ValueError(f"Linear: {name} must be at least 1; got {value}. Give the extent of the last axis.")
        if not xg.isdtype(dtype, "real floating"):
            raise TypeError(f"Linear: dtype must be real floating; got {dtype}. Use xg.float32 or xg.float64.")
        random = xg.random.default_rng(generator)
        bound = 1 / math.sqrt(in_features)
        self.in_features = int(in_features)
        self.out_features = int(out_features)
        weight = random.uniform(-bound, bound, (out_features, in_features))
        self.weight = xg.Tensor(weight, device=device, dtype=dtype)
        self.bias: xg.Tensor | None = None
        if bias:
            self.bias = xg.Tensor(random.uniform(-bound, bound, (out_features,)), device=device, dtype=dtype)

    def forward(self, x: Any) -> xg.Tensor:
        """The map of ``x``, shape (..., in_features), to shape (..., out_features)."""
        x = xg.asarray(x)
        if x.dtype != self.weight.dtype:
            raise TypeError(
                f"Linear: the input and the weight have different dtypes; got {x.dtype} and {self.weight.dtype}. "
                f"Convert the input with x.astype(xg.{self.weight.dtype}), or build the layer with dtype=."
            )
        if not x.ndim or x.shape[-1] != self.in_features:
            raise ValueError(
                f"Linear: the last axis of the input must be in_features={self.in_features} long; got shape {x.shape}. "
                "Reshape the input, or build the layer for it."
            )
        out = xg.matmul(x, xg.matrix_transpose(self.weight))
        return out if self.bias is None else out + self.bias

    def describe(self) -> str:
        """The sizes."""
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Sequential(Module):
    """Modules and functions, applied one after another.

    Parameters
    ----------
    *steps : Module or callable
        Each takes the result of the one before.

    Raises
    ------
    TypeError
        When a step cannot be called.

    Examples
    --------
    >>> import xgrad as xg
    >>> random = xg.random.default_rng(0)
    >>> xg.nn.Sequential(xg.nn.Linear(4, 8, generator=random), xg.nn.relu, xg.nn.Linear(8, 3, generator=random))
    Sequential: 67 parameters
      0: Linear(4, 8): 40 parameters
      1: relu
      2: Linear(8, 3): 27 parameters
    """

    def __init__(self, *steps: Callable[[Any], Any]):
        for i, step in enumerate(steps):
            if not callable(step):
                raise TypeError(
                    f"Sequential: step {i} must be a Module or a function; got {type(step).__name__}. "
                    "Pass the steps one by one: Sequential(a, b)."
                )
        for i, step in enumerate(steps):
            setattr(self, str(i), step)
        self._length = len(steps)

    def forward(self, x: Any) -> Any:
        """The result of the last step."""
        for step in self:
            x = step(x)
        return x

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Callable[[Any], Any]:
        return getattr(self, str(range(self._length)[index]))

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        return (self[i] for i in range(self._length))
