"""Layers with weights of their own, and those that only arrange."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import xgrad as xg

from .checks import floating_dtype, in_range, integer, last_axis, of_dtype
from .module import Module
from .parameters import uniform

# Affine maps ----------------------------------------------------------------------------------------------------------


def linear(x: Any, weight: Any, bias: Any = None) -> xg.Tensor:
    """``x @ weight.T + bias``: shape (..., in) by (out, in) to (..., out).

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.functional.linear(xg.asarray([1.0, 2.0]), xg.asarray([[3.0, 4.0]]), xg.asarray([0.5]))
    Tensor([11.5])
    """
    return xg.special.linear(x, weight, bias)


def bilinear(x1: Any, x2: Any, weight: Any, bias: Any = None) -> xg.Tensor:
    """``x1 @ weight[k] @ x2 + bias[k]`` for every k: shapes (..., in1), (..., in2), (out, in1, in2) to (..., out).

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.functional.bilinear(xg.ones((5, 3)), xg.ones((5, 4)), xg.ones((2, 3, 4))).shape
    (5, 2)
    """
    half = xg.tensordot(xg.asarray(x1), xg.asarray(weight), axes=((-1,), (1,)))  # (..., out, in2)
    out = xg.matmul(half, xg.asarray(x2)[..., None])[..., 0]
    return out if bias is None else out + bias


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
        self.in_features = integer("Linear", "in_features", in_features)
        self.out_features = integer("Linear", "out_features", out_features)
        random, dtype = xg.random.default_rng(generator), floating_dtype("Linear", dtype)
        bound = 1 / math.sqrt(in_features)
        self.weight = uniform(random, bound, (self.out_features, self.in_features), device, dtype)
        self.bias = uniform(random, bound, (self.out_features,), device, dtype) if bias else None

    def forward(self, x: Any) -> xg.Tensor:
        """The map of ``x``, shape (..., in_features), to shape (..., out_features)."""
        x = of_dtype("Linear", "the input", x, self.weight)
        last_axis("Linear", "in_features", x, self.in_features)
        return linear(x, self.weight, self.bias)

    def describe(self) -> str:
        """The sizes."""
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Bilinear(Module):
    """A map that is linear in each of two inputs: ``x1 @ weight[k] @ x2 + bias[k]`` for every output k.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
        Extents of the last axis of the inputs and of the result.
    bias : bool
        Whether to add a bias.
    device, dtype, generator
        As in ``Linear``.

    Attributes
    ----------
    weight : Tensor, shape (out_features, in1_features, in2_features)
    bias : Tensor, shape (out_features,), or None
        Both start uniform between -1/sqrt(in1_features) and 1/sqrt(in1_features), as in PyTorch.

    Raises
    ------
    TypeError
        When an input has not the dtype of the weight.
    ValueError
        When the last axis of an input has another extent, or the inputs have different other axes.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.Bilinear(3, 4, 2, generator=0)
    >>> layer(xg.ones((5, 3), dtype="float32"), xg.ones((5, 4), dtype="float32")).shape
    (5, 2)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        device: Any = None,
        dtype: Any = "float32",
        generator: xg.random.Generator | np.random.Generator | int | None = None,
    ):
        self.in1_features = integer("Bilinear", "in1_features", in1_features)
        self.in2_features = integer("Bilinear", "in2_features", in2_features)
        self.out_features = integer("Bilinear", "out_features", out_features)
        random, dtype = xg.random.default_rng(generator), floating_dtype("Bilinear", dtype)
        bound, shape = 1 / math.sqrt(in1_features), (self.out_features, self.in1_features, self.in2_features)
        self.weight = uniform(random, bound, shape, device, dtype)
        self.bias = uniform(random, bound, (self.out_features,), device, dtype) if bias else None

    def forward(self, x1: Any, x2: Any) -> xg.Tensor:
        """The map of ``x1`` and ``x2``, shapes (..., in1_features) and (..., in2_features)."""
        x1 = of_dtype("Bilinear", "the first input", x1, self.weight)
        x2 = of_dtype("Bilinear", "the second input", x2, self.weight)
        last_axis("Bilinear", "in1_features", x1, self.in1_features)
        last_axis("Bilinear", "in2_features", x2, self.in2_features)
        if x1.shape[:-1] != x2.shape[:-1]:
            raise ValueError(
                f"Bilinear: the inputs must agree in all axes but the last; got {x1.shape} and {x2.shape}. "
                "Broadcast one of them."
            )
        return bilinear(x1, x2, self.weight, self.bias)

    def describe(self) -> str:
        """The sizes."""
        sizes = f"{self.in1_features}, {self.in2_features}, {self.out_features}"
        return sizes + ("" if self.bias is not None else ", bias=False")


# A table of vectors ---------------------------------------------------------------------------------------------------


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> xg.Tensor:
    """Rows of a table: shape (...) into (rows, features) to (..., features).

    Parameters
    ----------
    indices : array of integer dtype, any shape
        From 0 to rows - 1; checked where they are in the host's memory.
    weight : array of floating dtype, shape (rows, features)
        The table.
    padding_idx : int, optional
        This row gets no gradient; negative from the end.

    Raises
    ------
    TypeError
        When the indices are not integers.
    ValueError
        When an index is out of range.

    Examples
    --------
    >>> import xgrad as xg
    >>> table = xg.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> xg.nn.functional.embedding([1, 1, 0], table).sum().backward()
    >>> table.grad
    Tensor([[1., 1.],
            [2., 2.]])
    """
    weight, known = xg.asarray(weight), xg.asarray(indices)
    if not xg.isdtype(known.dtype, "integral"):
        raise TypeError(f"embedding: indices must be integers; got {known.dtype}. Use indices.astype(xg.int64).")
    known = known.detach() if known.requires_grad else known
    in_range("embedding", ("an index", "rows"), indices, known, weight.shape[0])
    rows = xg.take(weight, known, axis=0)
    if padding_idx is None:
        return rows
    return xg.where((known == padding_idx % weight.shape[0])[..., None], rows.detach(), rows)


class Embedding(Module):
    """A table of vectors, looked up by number.

    Of PyTorch's options ``max_norm`` is missing: it changes the table while looking up.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Rows and features of the table.
    padding_idx : int, optional
        This row starts as zeros and gets no gradient; negative from the end.
    device, dtype, generator
        As in ``Linear``.

    Attributes
    ----------
    weight : Tensor, shape (num_embeddings, embedding_dim)
        Starts from the standard normal distribution, as in PyTorch.

    Raises
    ------
    TypeError
        When the indices are not integers.
    ValueError
        When ``padding_idx`` is out of range, or an index that is in the host's memory.

    Examples
    --------
    >>> import xgrad as xg
    >>> words = xg.nn.Embedding(10, 3, padding_idx=0, generator=0)
    >>> words
    Embedding(10, 3, padding_idx=0): 30 parameters
    >>> words([[1, 2, 0], [4, 0, 0]]).shape
    (2, 3, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: Any = None,
        dtype: Any = "float32",
        generator: xg.random.Generator | np.random.Generator | int | None = None,
    ):
        self.num_embeddings = integer("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = integer("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = _row(padding_idx, self.num_embeddings)
        random, dtype = xg.random.default_rng(generator), floating_dtype("Embedding", dtype)
        table = random.normal(size=(self.num_embeddings, self.embedding_dim))
        if self.padding_idx is not None:
            table[self.padding_idx] = 0.0
        self.weight = xg.Tensor(table, device=device, dtype=dtype)

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """A layer with a copy of a table, frozen unless told otherwise.

        Examples
        --------
        >>> import xgrad as xg
        >>> xg.nn.Embedding.from_pretrained(xg.ones((4, 2)))
        Embedding(4, 2): 0 parameters, 8 frozen
        """
        table = xg.Tensor(xg.asarray(embeddings).detach())
        if table.ndim != 2:
            raise ValueError(f"Embedding: embeddings must have the shape (rows, features); got {table.shape}. Reshape.")
        layer = cls(table.shape[0], table.shape[1], padding_idx, dtype=table.dtype)
        layer.weight = table
        return layer.requires_grad_(not freeze)

    def forward(self, indices: Any) -> xg.Tensor:
        """The vectors, shape (..., embedding_dim), of indices of shape (...)."""
        return embedding(indices, self.weight, self.padding_idx)

    def describe(self) -> str:
        """The sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


def _row(index: int | None, rows: int) -> int | None:
    if index is None:
        return None
    if integer("Embedding", "padding_idx", index, -rows) >= rows:
        raise ValueError(f"Embedding: padding_idx must be a row of the table; got {index} for {rows} rows.")
    return index % rows


# Arranging ------------------------------------------------------------------------------------------------------------


class Identity(Module):
    """What comes in; a place in a model to be filled later.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.Identity()(3.0)
    3.0
    """

    def forward(self, x: Any) -> Any:
        """``x``."""
        return x


class Flatten(Module):
    """Axes from ``start_axis`` to ``end_axis`` made one; by default all but the first.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.Flatten()(xg.zeros((5, 3, 2, 2))).shape
    (5, 12)
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1):
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: Any) -> xg.Tensor:
        """``x`` with those axes joined."""
        x = xg.asarray(x)
        start, end = (range(x.ndim)[axis] for axis in (self.start_axis, self.end_axis))
        if start > end:
            raise ValueError(f"Flatten: start_axis comes after end_axis; got {start} and {end}. Swap them.")
        return xg.reshape(x, (*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))

    def describe(self) -> str:
        """The axes."""
        return f"{self.start_axis}, {self.end_axis}"
