"""Attention: every query takes a weighted mean of the values, with weights that its likeness to the keys gives."""

from __future__ import annotations

import math
from typing import Any

import xgrad as xg

from .checks import floating_dtype, integer, of_dtype, probability
from .dropout import dropout
from .layers import Linear
from .module import Module
from .parameters import dropout_draws, uniform, zeros


def scaled_dot_product_attention(
    q: Any,
    k: Any,
    v: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    generator: Any = None,
) -> xg.Tensor:
    """Weighted means of the values: ``softmax(scale * q @ k.T + mask) @ v``.

    Vaswani et al., "Attention is all you need" (2017).

    Parameters
    ----------
    q : array of floating dtype, shape (..., queries, features)
    k : array of the same dtype, shape (..., keys, features)
    v : array of the same dtype, shape (..., keys, outputs)
        Leading axes are broadcast: batch and heads, for instance.
    attn_mask : array, broadcast to (..., queries, keys), optional
        Of bool: True where a query may see a key.  Of the dtype of ``q``: what is added to the scores.
    dropout_p : float
        The probability with which a weight is set to zero, the others being scaled up.
    is_causal : bool
        Whether query i sees the keys 0 to i only, besides what the mask says.
    scale : float, optional
        What the scores are multiplied by; by default 1 / sqrt(features).
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        Where the random numbers of the dropout come from.

    Returns
    -------
    Tensor, shape (..., queries, outputs)
        A query that may see no key at all gets zeros, and gives no gradient.

    Raises
    ------
    TypeError
        When the dtypes differ, or that of the mask is neither bool nor theirs.
    ValueError
        When the shapes do not match.

    Examples
    --------
    >>> import xgrad as xg
    >>> q, k = xg.zeros((2, 4)), xg.zeros((3, 4))
    >>> v = xg.asarray([[3.0], [6.0], [9.0]])
    >>> xg.nn.scaled_dot_product_attention(q, k, v).tolist()
    [[6.0], [6.0]]
    >>> xg.nn.scaled_dot_product_attention(q, k, v, is_causal=True).tolist()
    [[3.0], [4.5]]
    """
    name = "scaled_dot_product_attention"
    probability(name, "dropout_p", dropout_p)
    q, k, v = (xg.asarray(x) for x in (q, k, v))
    if not q.dtype == k.dtype == v.dtype or not xg.isdtype(q.dtype, "real floating"):
        raise TypeError(
            f"{name}: q, k and v must have one real floating dtype; got {q.dtype}, {k.dtype} and {v.dtype}. "
            "Convert them with astype."
        )
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"{name}: q, k and v must have the shapes (..., queries, features), (..., keys, features) and "
            f"(..., keys, outputs); got {q.shape}, {k.shape} and {v.shape}."
        )
    weights = _weights(name, q, k, attn_mask, is_causal, scale)
    return xg.matmul(dropout(weights, dropout_p, generator=generator), v)


def _weights(name: str, q: xg.Tensor, k: xg.Tensor, mask: Any, is_causal: bool, scale: float | None) -> xg.Tensor:
    """How much every query takes of every key's value: numbers that sum to 1 over the last axis."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = xg.matmul(q * scale, xg.matrix_transpose(k))  # q is smaller than the scores
    if mask is not None:
        mask = _of_mask_dtype(name, "attn_mask", mask, q)
        scores = xg.where(mask, scores, -math.inf) if mask.dtype == xg.bool else scores + mask
    if is_causal:
        queries, keys = (xg.arange(n, device=q.device) for n in scores.shape[-2:])
        scores = xg.where(queries[:, None] >= keys, scores, -math.inf)
    return xg.special.softmax(scores, axis=-1)


def _of_mask_dtype(name: str, argument: str, mask: Any, q: xg.Tensor) -> xg.Tensor:
    mask = xg.asarray(mask)
    if mask.dtype not in (xg.bool, q.dtype):
        raise TypeError(f"{name}: {argument} must be of bool or {q.dtype}; got {mask.dtype}. Convert it with astype.")
    return mask


class MultiheadAttention(Module):
    """Attention by several heads side by side, each with its own part of the features.

    Parameters
    ----------
    embed_dim : int
        Extent of the last axis of the queries and of the result.
    num_heads : int
        How many heads there are; they share ``embed_dim`` equally.
    dropout : float
        In training, the probability with which a weight is set to zero.
    bias : bool
        Whether there are biases.
    kdim, vdim : int, optional
        Extents of the last axis of keys and values; ``embed_dim`` by default.
    batch_first : bool
        Whether inputs and outputs are (batch, sequence, features) instead of (sequence, batch, features).
    device : str or Device, optional
        Where the parameters live; if not given, where the generator draws.
    dtype : dtype
        Floating dtype of the parameters, and of every input.
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        Where random numbers come from, at the start and for dropout: a generator, which moves on, or a seed.

    Attributes
    ----------
    in_proj_weight : Tensor, shape (3 * embed_dim, embed_dim)
        The weights of queries, keys and values, one below the other.  Where ``kdim`` or ``vdim`` differ from
        ``embed_dim`` there are ``q_proj_weight``, ``k_proj_weight`` and ``v_proj_weight`` instead.
    in_proj_bias : Tensor, shape (3 * embed_dim,), or None
    out_proj : Linear
        What mixes the results of the heads.  Weights start uniform, as in PyTorch, and biases as zeros.

    Raises
    ------
    TypeError
        When an argument is of the wrong kind, or an input has not the dtype of the weights.
    ValueError
        When an argument is out of range, or the shape of an input or a mask does not fit.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.MultiheadAttention(8, 2, batch_first=True, generator=0)
    >>> layer
    MultiheadAttention(8, 2, batch_first=True): 288 parameters
      out_proj: Linear(8, 8): 72 parameters
    >>> x = xg.ones((4, 5, 8), dtype="float32")
    >>> y, weights = layer(x, x, x, is_causal=True)
    >>> y.shape, weights.shape
    ((4, 5, 8), (4, 5, 5))
    """

    in_proj_weight: xg.Tensor
    q_proj_weight: xg.Tensor
    k_proj_weight: xg.Tensor
    v_proj_weight: xg.Tensor

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = "float32",
        generator: Any = None,
    ):
        name = "MultiheadAttention"
        self.embed_dim = integer(name, "embed_dim", embed_dim)
        self.num_heads = integer(name, "num_heads", num_heads)
        if self.embed_dim % self.num_heads:
            raise ValueError(
                f"{name}: embed_dim must be a multiple of num_heads; got {embed_dim} and {num_heads}. Every head has "
                "its part."
            )
        self.kdim = self.embed_dim if kdim is None else integer(name, "kdim", kdim)
        self.vdim = self.embed_dim if vdim is None else integer(name, "vdim", vdim)
        self.dropout = probability(name, "dropout", dropout)
        self.batch_first = bool(batch_first)
        self.draws = dropout_draws(generator)
        random = xg.random.default_rng(generator)
        floating_dtype(name, dtype)
        size = self.embed_dim
        shapes = {"in_proj_weight": (3 * size, size)}
        if not self.kdim == self.vdim == size:
            shapes = {
                "q_proj_weight": (size, size),
                "k_proj_weight": (size, self.kdim),
                "v_proj_weight": (size, self.vdim),
            }
        for parameter, shape in shapes.items():
            bound = math.sqrt(6 / sum(shape))  # Glorot and Bengio (2010)
            setattr(self, parameter, uniform(random, bound, shape, device, dtype))
        self.in_proj_bias = zeros((3 * size,), device, dtype) if bias else None
        self.out_proj = Linear(size, size, bias, device=device, dtype=dtype, generator=random)
        if bias:
            self.out_proj.bias = zeros((size,), device, dtype)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[xg.Tensor, xg.Tensor | None]:
        """What every query takes of the values, and with which weights.

        Parameters
        ----------
        query : array, shape (queries, batch, embed_dim)
        key : array, shape (keys, batch, kdim)
        value : array, shape (keys, batch, vdim)
            The batch comes first for ``batch_first``; it may be missing from all three.
        key_padding_mask : array, shape (batch, keys), optional
            Of bool: True where a key is padding, which nobody sees.  Of the dtype of the inputs: added to the scores.
        need_weights : bool
            Whether to return the weights.
        attn_mask : array, shape (queries, keys) or (batch * num_heads, queries, keys), optional
            Of bool: True where a query may *not* see a key, other than in ``scaled_dot_product_attention``.  Of the
            dtype of the inputs: added to the scores.
        average_attn_weights : bool
            Whether the weights are the mean over the heads, or those of every head.
        is_causal : bool
            Whether query i sees the keys 0 to i only, besides what the masks say.

        Returns
        -------
        output : Tensor, shape (queries, batch, embed_dim)
            Arranged like ``query``.
        weights : Tensor, shape (batch, queries, keys) or (batch, num_heads, queries, keys), or None
            After the dropout, as in PyTorch.
        """
        query, key, value = self._checked(query, key, value)
        batched = query.ndim == 3
        batch_axis = 0 if self.batch_first else 1
        if not batched:
            query, key, value = (xg.expand_dims(x, axis=batch_axis) for x in (query, key, value))
        q, k, v = self._projected(query, key, value)
        mask = self._mask(q, k, key_padding_mask, attn_mask)
        weights = _weights("MultiheadAttention", q, k, mask, is_causal, None)
        if self.dropout and self.training:
            weights = dropout(weights, self.dropout, generator=self.draws.on(weights.device))
        out = self.out_proj(self._joined(xg.matmul(weights, v)))
        if not batched:
            out = xg.squeeze(out, axis=batch_axis)
        if not need_weights:
            return out, None
        weights = xg.mean(weights, axis=1) if average_attn_weights else weights
        return out, weights if batched else xg.squeeze(weights, axis=0)

    def _projected(self, query: xg.Tensor, key: xg.Tensor, value: xg.Tensor) -> list[xg.Tensor]:
        """Queries, keys and values of every head, each (batch, heads, sequence, features of a head)."""
        size = self.embed_dim
        parts = [slice(i * size, (i + 1) * size) for i in range(3)]
        if hasattr(self, "in_proj_weight"):
            weights = [self.in_proj_weight[part] for part in parts]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases = [None if self.in_proj_bias is None else self.in_proj_bias[part] for part in parts]
        inputs = (query, key, value)
        return [self._split(xg.special.linear(*args)) for args in zip(inputs, weights, biases, strict=True)]

    def _split(self, x: xg.Tensor) -> xg.Tensor:
        """The heads apart: (batch, heads, sequence, features of a head), whichever axis of ``x`` is the batch."""
        x = xg.reshape(x, (*x.shape[:2], self.num_heads, self.embed_dim // self.num_heads))
        return xg.permute_dims(x, (0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3))

    def _joined(self, x: xg.Tensor) -> xg.Tensor:
        """The inverse of ``_split``."""
        x = xg.permute_dims(x, (0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3))
        return xg.reshape(x, (*x.shape[:2], self.embed_dim))

    # Masks and checks -----------------------------------------------------------------------------------------------

    def _mask(self, q: xg.Tensor, k: xg.Tensor, padding: Any, attention: Any) -> xg.Tensor | None:
        """Both masks in one, broadcast to (batch, heads, queries, keys): True where visible, or what to add."""
        (batch, heads, queries, _), keys = q.shape, k.shape[2]
        masks = []
        if padding is not None:
            shapes: list[tuple[int, ...]] = [(batch, keys)]
            shapes += [(keys,)] if batch == 1 else []  # as it is without a batch
            mask = self._checked_mask("key_padding_mask", padding, shapes, q)
            masks.append(xg.reshape(mask, (batch, 1, 1, keys)))
        if attention is not None:
            shapes = [(queries, keys), (batch * heads, queries, keys)]
            mask = self._checked_mask("attn_mask", attention, shapes, q)
            masks.append(mask if mask.ndim == 2 else xg.reshape(mask, (batch, heads, queries, keys)))
        if any(mask.dtype != xg.bool for mask in masks):
            masks = [
                xg.where(m, -math.inf, xg.zeros_like(m, dtype=q.dtype)) if m.dtype == xg.bool else m for m in masks
            ]
            return sum(masks[1:], masks[0])
        if not masks:
            return None
        return xg.logical_not(masks[0] if len(masks) == 1 else xg.logical_or(*masks))

    def _checked_mask(self, argument: str, mask: Any, shapes: list[tuple[int, ...]], q: xg.Tensor) -> xg.Tensor:
        mask = _of_mask_dtype("MultiheadAttention", argument, mask, q)
        if mask.shape not in shapes:
            words = " or ".join(map(str, shapes))
            raise ValueError(f"MultiheadAttention: {argument} must have the shape {words}; got {mask.shape}.")
        return mask

    def _checked(self, query: Any, key: Any, value: Any) -> list[xg.Tensor]:
        sizes = {"query": self.embed_dim, "key": self.kdim, "value": self.vdim}
        inputs = [
            of_dtype("MultiheadAttention", name, x, self.out_proj.weight)
            for name, x in zip(sizes, (query, key, value), strict=True)
        ]
        q, k, v = inputs
        order = "batch, sequence" if self.batch_first else "sequence, batch"
        for x, (name, size) in zip(inputs, sizes.items(), strict=True):
            if x.ndim not in (2, 3) or x.ndim != q.ndim or x.shape[-1] != size:
                raise ValueError(
                    f"MultiheadAttention: {name} must have the shape ({order}, {size}), or all three (sequence, "
                    f"features); got {x.shape}. Reshape it, or build the layer for it."
                )
        batch = 0 if self.batch_first else 1
        if k.shape[:-1] != v.shape[:-1] or (q.ndim == 3 and q.shape[batch] != k.shape[batch]):
            raise ValueError(
                f"MultiheadAttention: there must be a value for every key, and one batch; got query {q.shape}, key "
                f"{k.shape} and value {v.shape}."
            )
        return inputs

    def describe(self) -> str:
        """The sizes, and what is not as usual."""
        changed = [f"{n}={v}" for n, v in (("kdim", self.kdim), ("vdim", self.vdim)) if v != self.embed_dim]
        changed += [f"dropout={self.dropout}"] if self.dropout else []
        changed += [] if self.in_proj_bias is not None else ["bias=False"]
        changed += ["batch_first=True"] if self.batch_first else []
        return ", ".join([str(self.embed_dim), str(self.num_heads), *changed])
