"""The encoder layer of a transformer: attention, then a small network for every position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xgrad as xg

from .activations import gelu, relu
from .attention import MultiheadAttention
from .dropout import Dropout
from .layers import Linear
from .module import Module
from .norms import LayerNorm

ACTIVATIONS = {"relu": relu, "gelu": gelu}


class TransformerEncoderLayer(Module):
    """Self-attention and a network of two linear layers, each added to its input and normalised.

    Vaswani et al., "Attention is all you need" (2017).

    Parameters
    ----------
    d_model : int
        Extent of the last axis of inputs and outputs.
    nhead : int
        How many heads the attention has.
    dim_feedforward : int
        How many features the network has inside.
    dropout : float
        In training, the probability with which an element is set to zero: of the weights of attention, of the inside of
        the network, and of both results.
    activation : {"relu", "gelu"} or callable
        The nonlinear function inside the network.
    layer_norm_eps : float
        Added to the variance when normalising.
    batch_first : bool
        Whether inputs and outputs are (batch, sequence, features) instead of (sequence, batch, features).
    norm_first : bool
        Whether the input of a part is normalised, ``x + part(norm(x))``, instead of its sum with the result,
        ``norm(x + part(x))``.
    bias : bool
        Whether linear layers and normalisations have biases.
    device : str or Device, optional
        Where the parameters live; if not given, where the generator draws.
    dtype : dtype
        Floating dtype of the parameters, and of every input.
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        Where random numbers come from, at the start and for dropout: a generator, which moves on, or a seed.

    Attributes
    ----------
    self_attn : MultiheadAttention
    linear1, linear2 : Linear
    norm1, norm2 : LayerNorm
    dropout, dropout1, dropout2 : Dropout
        Inside of the network, after the attention, after the network.

    Raises
    ------
    TypeError, ValueError
        As for ``MultiheadAttention``; ValueError when the activation is unknown.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True, generator=0)
    >>> layer(xg.ones((4, 5, 8), dtype="float32"), is_causal=True).shape
    (4, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        device: Any = None,
        dtype: Any = "float32",
        generator: Any = None,
    ):
        if not callable(activation) and activation not in ACTIVATIONS:
            raise ValueError(
                f"TransformerEncoderLayer: unknown activation; got {activation!r}. Use 'relu', 'gelu' or a function."
            )
        where = {"device": device, "dtype": dtype}
        drawn = where | {"generator": xg.random.default_rng(generator)}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **drawn)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **drawn)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **drawn)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where)
        self.dropout, self.dropout1, self.dropout2 = (Dropout(dropout) for _ in range(3))
        for layer in (self.dropout, self.dropout1, self.dropout2):
            layer.draws = self.self_attn.draws  # one sequence of numbers, on the device of the input
        self.activation = ACTIVATIONS[activation] if isinstance(activation, str) else activation
        self.norm_first = bool(norm_first)

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> xg.Tensor:
        """The sequences with what every position takes from the others.

        Parameters
        ----------
        src : array, shape (sequence, batch, d_model)
            (batch, sequence, d_model) for ``batch_first``, or without a batch.
        src_mask : array, shape (sequence, sequence) or (batch * nhead, sequence, sequence), optional
            True where a position may not see another one, or what is added to the scores.
        src_key_padding_mask : array, shape (batch, sequence), optional
            True where a position is padding, or what is added to the scores.
        is_causal : bool
            Whether no position sees a later one, besides what the masks say.

        Returns
        -------
        Tensor, of the shape of ``src``
        """

        def attention(x: Any) -> xg.Tensor:
            out, _ = self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)
            return self.dropout1(out)

        def network(x: xg.Tensor) -> xg.Tensor:
            return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        x = xg.asarray(src)
        if self.norm_first:
            x = x + attention(self.norm1(x))
            return x + network(self.norm2(x))
        x = self.norm1(x + attention(x))
        return self.norm2(x + network(x))

    def describe(self) -> str:
        """Whether it normalises first."""
        return "norm_first=True" if self.norm_first else ""
