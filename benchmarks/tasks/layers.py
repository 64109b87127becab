"""Single layers, each given a cotangent for its result: layer norm, attention, embedding, convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from .task import Arrays, Draw, Task

EPS = 1e-5  # what layer norm adds to the variance, in every library
HEADS = 8


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)


# Layer norm -----------------------------------------------------------------------------------------------------------


def layer_norm_arrays(rows: int, width: int) -> Draw:
    def arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        return [normal(rng, rows, width), normal(rng, width), normal(rng, width)], [normal(rng, rows, width)]

    return arrays


def layer_norm(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """Rows with mean 0 and variance 1, times a weight, plus a bias."""
    return peer.layer_norm(*params)


def layer_norm_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    (x, weight, bias), (ct,) = params, data
    n = x.shape[1]
    normed = x - x.mean(axis=1, keepdims=True)
    scale = 1 / xp.sqrt(xp.einsum("ij,ij->i", normed, normed)[:, None] / n + EPS)
    normed *= scale
    out = normed * weight
    out += bias
    to_weight, to_bias = xp.einsum("ij,ij->j", ct, normed), ct.sum(axis=0)
    to_x = ct * weight
    along = xp.einsum("ij,ij->i", to_x, normed)[:, None] / n
    to_x -= to_x.mean(axis=1, keepdims=True)
    normed *= along  # what was saved is not needed again
    to_x -= normed
    to_x *= scale
    return out, [to_x, to_weight, to_bias]


# Multi-head attention: of a sequence to itself, with the projections before and after it ------------------------------


def attention_arrays(batch: int, length: int, width: int) -> Draw:
    def arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        x, ct = normal(rng, batch, length, width), normal(rng, batch, length, width)
        into = [normal(rng, 3 * width, width, scale=width**-0.5), normal(rng, 3 * width, scale=0.1)]
        out_of = [normal(rng, width, width, scale=width**-0.5), normal(rng, width, scale=0.1)]
        return [x, *into, *out_of], [ct]

    return arrays


def attention(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """Queries, keys and values by one product, eight heads side by side, and one product more."""
    x, w_in, b_in, w_out, b_out = params
    batch, length, width = x.shape
    split = peer.xp.reshape(peer.linear(x, w_in, b_in), (batch, length, 3, HEADS, width // HEADS))
    mixed = peer.attend(*peer.unstack(peer.permute(split, (2, 0, 3, 1, 4))))
    return peer.linear(peer.xp.reshape(peer.permute(mixed, (0, 2, 1, 3)), x.shape), w_out, b_out)


def attention_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    (x, w_in, b_in, w_out, b_out), (ct,) = params, data
    batch, length, width = x.shape
    size = width // HEADS

    def heads(a: Any, parts: int) -> Any:
        """Views of queries, keys and values, or of one of them: (parts, batch, heads, length, size)."""
        return a.reshape(batch, length, parts, HEADS, size).transpose(2, 0, 3, 1, 4)

    rows = x.reshape(-1, width)
    projected = rows @ w_in.T
    projected += b_in
    q, k, v = heads(projected, 3)
    q *= size**-0.5
    weights = q @ k.swapaxes(2, 3)
    weights -= weights.max(axis=3, keepdims=True)
    xp.exp(weights, out=weights)
    weights /= weights.sum(axis=3, keepdims=True)
    joined = xp.empty_like(rows)
    heads(joined, 1)[0][...] = weights @ v
    out = joined @ w_out.T
    out += b_out

    ct = ct.reshape(-1, width)
    to_w_out, to_b_out = ct.T @ joined, ct.sum(axis=0)
    to_mixed = heads(ct @ w_out, 1)[0]
    to_projected = xp.empty_like(projected)
    to_q, to_k, to_v = heads(to_projected, 3)
    to_v[...] = weights.swapaxes(2, 3) @ to_mixed
    to_scores = to_mixed @ v.swapaxes(2, 3)
    to_scores -= xp.einsum("bhij,bhij->bhi", to_scores, weights)[..., None]
    to_scores *= weights
    to_k[...] = to_scores.swapaxes(2, 3) @ q
    to_q[...] = to_scores @ k
    to_q *= size**-0.5
    to_x = (to_projected @ w_in).reshape(x.shape)
    return out.reshape(x.shape), [to_x, to_projected.T @ rows, to_projected.sum(axis=0), to_w_out, to_b_out]


# Embedding ------------------------------------------------------------------------------------------------------------


def embedding_arrays(rows: int, table: int, width: int) -> Draw:
    def arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        return [normal(rng, table, width)], [rng.integers(0, table, rows), normal(rng, rows, width)]

    return arrays


def embedding(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """Rows of a table; some come twice, most never."""
    return peer.embedding(data[0], params[0])


def embedding_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    (table,), (rows, ct) = params, data
    out, to_table = table[rows], xp.zeros_like(table)
    xp.add.at(to_table, rows, ct)
    return out, [to_table]


# Convolution ----------------------------------------------------------------------------------------------------------


def convolution_arrays(batch: int, inputs: int, outputs: int, size: int, window: int) -> Draw:
    def arrays(rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        x, w = normal(rng, batch, inputs, size, size), normal(rng, outputs, inputs, window, window)
        ct = normal(rng, batch, outputs, size - window + 1, size - window + 1)
        return [x, w, normal(rng, outputs)], [ct]

    return arrays


def convolution(peer: Any, params: list[Any], data: list[Any]) -> Any:
    """Every window of every image times the weights of every channel, plus its bias; nothing is padded."""
    return peer.convolution(*params)


def convolution_by_hand(xp: Any, params: list[Any], data: list[Any]) -> tuple[Any, list[Any]]:
    """By im2col: one column for each window, so that the convolution is a product of matrices."""
    (x, w, b), (ct,) = params, data
    (batch, inputs, height, width), (outputs, _, window, _) = x.shape, w.shape
    down, across = height - window + 1, width - window + 1
    shifts = [(i, j, (..., slice(i, i + down), slice(j, j + across))) for i in range(window) for j in range(window)]
    columns = xp.empty((batch, inputs, window, window, down, across), x.dtype)
    for i, j, part in shifts:
        columns[:, :, i, j] = x[part]
    columns = columns.reshape(batch, -1, down * across)
    flat = w.reshape(outputs, -1)
    out = flat @ columns
    out += b[:, None]

    rows = ct.reshape(batch, outputs, -1)
    to_w = (rows @ columns.swapaxes(1, 2)).sum(axis=0).reshape(w.shape)
    to_columns = (flat.T @ rows).reshape(batch, inputs, window, window, down, across)
    to_x = xp.zeros_like(x)
    for i, j, part in shifts:
        to_x[part] += to_columns[:, :, i, j]
    return out.reshape(ct.shape), [to_x, to_w, ct.sum(axis=(0, 2, 3))]


LAYER_NORM = Task(
    "layer_norm",
    "layer norm of 4096x768, float32",
    layer_norm_arrays(4096, 768),
    layer_norm_arrays(6, 5),
    layer_norm,
    layer_norm_by_hand,
    1.3,
    kind="layer",
)
ATTENTION = Task(
    "attention",
    "attention, batch 8, 128 long, 8 heads of 32, float32",
    attention_arrays(8, 128, 32 * HEADS),
    attention_arrays(2, 5, 3 * HEADS),
    attention,
    attention_by_hand,
    1.1,
    kind="layer",
)
EMBEDDING = Task(
    "embedding",
    "4,096 rows of a 10,000x256 table, float32",
    embedding_arrays(4_096, 10_000, 256),
    embedding_arrays(9, 7, 3),
    embedding,
    embedding_by_hand,
    0.3,
    kind="layer",
)
CONVOLUTION = Task(
    "convolution",
    "32x3x32x32 by 32 windows of 3x3, float32",
    convolution_arrays(32, 3, 32, 32, 3),
    convolution_arrays(2, 3, 4, 6, 3),
    convolution,
    convolution_by_hand,
    kind="layer",
)
