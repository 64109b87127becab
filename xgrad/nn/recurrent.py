"""Recurrent layers: a state that moves along a sequence, one step at a time.

What can be done for the whole sequence at once is done before the loop: the products of the inputs with their weights,
of all steps and gates in one.  A step has one matrix product, that of the state with its weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import xgrad as xg

from .activations import relu
from .checks import floating_dtype, integer, of_dtype, probability
from .dropout import dropout
from .module import Module
from .parameters import dropout_draws, uniform

State = tuple["xg.Tensor", ...]  # what one layer remembers: (h,), or (h, c) of an LSTM
Step = Callable[[Any, State], State]
USUAL: dict[str, Any] = {
    "num_layers": 1,
    "nonlinearity": "tanh",
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
    "proj_size": 0,
}


class _Recurrent(Module):
    """What the recurrent layers share; a subclass says how a state becomes the next one."""

    gates = 1  # blocks of hidden_size rows in the weights
    proj_size = 0  # extent of the outputs where it is not hidden_size
    weight_ih_l0: xg.Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = "float32",
        generator: Any = None,
    ):
        kind = type(self).__name__
        self.input_size = integer(kind, "input_size", input_size)
        self.hidden_size = integer(kind, "hidden_size", hidden_size)
        self.num_layers = integer(kind, "num_layers", num_layers)
        self.bias, self.batch_first, self.bidirectional = bool(bias), bool(batch_first), bool(bidirectional)
        self.dropout = probability(kind, "dropout", dropout)
        self.draws = dropout_draws(generator)
        random = xg.random.default_rng(generator)
        floating_dtype(kind, dtype)
        bound = 1 / math.sqrt(self.hidden_size)
        for name, shape in self._shapes():
            setattr(self, name, uniform(random, bound, shape, device, dtype))

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _shapes(self) -> Iterable[tuple[str, tuple[int, ...]]]:
        """The name and shape of every parameter."""
        rows = self.gates * self.hidden_size
        for layer in range(self.num_layers):
            features = self._output_size * len(self._directions) if layer else self.input_size
            for direction in self._directions:
                suffix = f"_l{layer}{direction}"
                yield "weight_ih" + suffix, (rows, features)
                yield "weight_hh" + suffix, (rows, self._output_size)
                if self.bias:
                    yield "bias_ih" + suffix, (rows,)
                    yield "bias_hh" + suffix, (rows,)
                if self.proj_size:
                    yield "weight_hr" + suffix, (self.proj_size, self.hidden_size)

    # The computation ------------------------------------------------------------------------------------------------

    def forward(self, x: Any, hx: Any = None) -> Any:
        """The outputs of the last layer at every step, and the last states of all layers.

        Parameters
        ----------
        x : array, shape (time, batch, input_size)
            Or (batch, time, input_size) for ``batch_first``, or (time, input_size) without a batch.
        hx : array, or a pair of them for an LSTM, optional
            The first states of shape (layers * directions, batch, hidden_size), zeros by default; without a batch axis
            where ``x`` has none.

        Returns
        -------
        output : Tensor, shape (time, batch, directions * hidden_size)
            Arranged like ``x``.
        states : Tensor, or a pair (h, c) of them for an LSTM
            The states after the last step, of the shape of ``hx``.
        """
        x = self._checked(x)
        batched = x.ndim == 3
        if not batched:
            x = xg.expand_dims(x, axis=1)
        elif self.batch_first:
            x = xg.permute_dims(x, (1, 0, 2))
        initial = self._initial(hx, x, batched)
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = dropout(x, self.dropout, generator=self.draws.on(x.device))
            outputs = []
            for direction in self._directions:
                state = tuple(s[len(last)] for s in initial)
                output, state = self._along(x, state, f"_l{layer}{direction}", backwards=direction == "_reverse")
                outputs.append(output)
                last.append(state)
            x = xg.concat(outputs, axis=-1) if self.bidirectional else outputs[0]
        states = [xg.stack(parts) for parts in zip(*last, strict=True)]
        if not batched:
            x, states = xg.squeeze(x, axis=1), [xg.squeeze(s, axis=1) for s in states]
        elif self.batch_first:
            x = xg.permute_dims(x, (1, 0, 2))
        return x, (states[0] if len(states) == 1 else tuple(states))

    def _along(self, x: xg.Tensor, state: State, suffix: str, backwards: bool) -> tuple[xg.Tensor, State]:
        """One layer along the sequence in one direction: its outputs, in the order of ``x``, and its last state."""
        step = self._step(suffix)
        inputs = self._inputs(x, suffix)
        outputs = []
        for now in reversed(inputs) if backwards else inputs:
            state = step(now, state)
            outputs.append(state[0])
        return xg.stack(outputs[::-1] if backwards else outputs), state

    def _inputs(self, x: xg.Tensor, suffix: str) -> Sequence[Any]:
        """For every step what the inputs contribute to the gates."""
        return xg.unstack(self._projected(x, suffix, ("bias_ih", "bias_hh")))

    def _projected(self, x: xg.Tensor, suffix: str, biases: tuple[str, ...]) -> xg.Tensor:
        """``x`` times the weights of the inputs, plus biases, shape (time, batch, gates * hidden_size)."""
        time, batch, features = x.shape
        weight = self._transposed("weight_ih" + suffix)
        out = xg.reshape(xg.matmul(xg.reshape(x, (time * batch, features)), weight), (time, batch, weight.shape[1]))
        return out + sum(getattr(self, name + suffix) for name in biases) if self.bias else out

    def _step(self, suffix: str) -> Step:
        """How the contribution of the inputs and a state make the next state."""
        raise NotImplementedError

    def _transposed(self, name: str) -> xg.Tensor:
        return xg.matrix_transpose(getattr(self, name))

    # Checks ---------------------------------------------------------------------------------------------------------

    def _checked(self, x: Any) -> xg.Tensor:
        kind = type(self).__name__
        x = of_dtype(kind, "the input", x, self.weight_ih_l0)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            order = "batch, time" if self.batch_first else "time, batch"
            raise ValueError(
                f"{kind}: the input must have the shape ({order}, {self.input_size}) or (time, {self.input_size}); got "
                f"{x.shape}. Reshape it, or build the layer for it."
            )
        if not x.shape[1 if self.batch_first and x.ndim == 3 else 0]:
            raise ValueError(f"{kind}: the sequence must have a step at least; got shape {x.shape}. Leave it out.")
        return x

    def _initial(self, hx: Any, x: xg.Tensor, batched: bool) -> State:
        """The first states, each of shape (layers * directions, batch, its size)."""
        kind = type(self).__name__
        sizes = self._state_sizes()
        count, batch = self.num_layers * len(self._directions), x.shape[1]
        shapes = [(count, batch, size) for size in sizes]
        if hx is None:
            return tuple(xg.zeros(shape, dtype=x.dtype, device=x.device) for shape in shapes)
        given = hx if len(sizes) > 1 else (hx,)
        if not isinstance(given, tuple | list) or len(given) != len(sizes):
            raise TypeError(f"{kind}: hx must be a pair of arrays (h, c); got {type(hx).__name__}. Give both.")
        states = [of_dtype(kind, "hx", s, self.weight_ih_l0) for s in given]
        for state, shape in zip(states, shapes, strict=True):
            wanted = shape if batched else (shape[0], shape[2])
            if state.shape != wanted:
                raise ValueError(
                    f"{kind}: a state in hx must have the shape {wanted}; got {state.shape}. Its first axis counts "
                    "layers and directions, batch_first or not."
                )
        return tuple(states if batched else [xg.expand_dims(s, axis=1) for s in states])

    def _state_sizes(self) -> tuple[int, ...]:
        return (self.hidden_size,)

    def describe(self) -> str:
        """The sizes, and what is not as usual."""
        sizes = [str(self.input_size), str(self.hidden_size)]
        changed = [f"{name}={v!r}" for name, usual in USUAL.items() if (v := getattr(self, name, usual)) != usual]
        return ", ".join(sizes + changed)


class RNN(_Recurrent):
    """The simple recurrent layer: ``h' = tanh(weight_ih @ x + bias_ih + weight_hh @ h + bias_hh)``.

    Parameters
    ----------
    input_size, hidden_size : int
        Extents of the last axis of the input and of the state.
    num_layers : int
        How many layers there are, each reading the outputs of the one before.
    nonlinearity : {"tanh", "relu"}
        What takes the sum to the next state.
    bias : bool
        Whether there are biases.
    batch_first : bool
        Whether inputs and outputs are (batch, time, features) instead of (time, batch, features); states are not.
    dropout : float
        In training, the probability with which an output of a layer does not reach the next layer.
    bidirectional : bool
        Whether a second layer beside each reads the sequence from its end; the outputs of both are joined.
    device : str or Device, optional
        Where the parameters live; if not given, where the generator draws.
    dtype : dtype
        Floating dtype of the parameters, and of every input.
    generator : xgrad.random.Generator, numpy.random.Generator or int, optional
        Where random numbers come from, at the start and for dropout: a generator, which moves on, or a seed.

    Attributes
    ----------
    weight_ih_l0, weight_ih_l0_reverse, weight_ih_l1, ... : Tensor, shape (hidden_size, features)
        ``features`` is ``input_size`` in the first layer, then the extent of the outputs of the layer before.
    weight_hh_l0, ... : Tensor, shape (hidden_size, hidden_size)
    bias_ih_l0, bias_hh_l0, ... : Tensor, shape (hidden_size,)
        All start uniform between -1/sqrt(hidden_size) and 1/sqrt(hidden_size), and have PyTorch's names.

    Raises
    ------
    TypeError
        When an argument is of the wrong kind, or an input has not the dtype of the weights.
    ValueError
        When an argument is out of range, or the shape of an input or a state does not fit.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.RNN(3, 5, num_layers=2, batch_first=True, generator=0)
    >>> layer
    RNN(3, 5, num_layers=2, batch_first=True): 110 parameters
    >>> output, state = layer(xg.ones((4, 7, 3), dtype="float32"))
    >>> output.shape, state.shape
    ((4, 7, 5), (2, 4, 5))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *, nonlinearity: str = "tanh", **options: Any
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: unknown nonlinearity; got {nonlinearity!r}. Use 'tanh' or 'relu'.")
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, **options)

    def _step(self, suffix: str) -> Step:
        weight = self._transposed("weight_hh" + suffix)
        function = xg.tanh if self.nonlinearity == "tanh" else relu
        return lambda now, state: (function(now + xg.matmul(state[0], weight)),)


class LSTM(_Recurrent):
    """Long short-term memory: a state ``h`` beside a memory ``c``, which gates write, keep and read.

    ``i, f, g, o`` are the four blocks of ``weight_ih @ x + bias_ih + weight_hh @ h + bias_hh``, and::

        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    Hochreiter and Schmidhuber, "Long short-term memory" (1997); with the gate ``f`` of Gers et al. (2000).

    Parameters
    ----------
    input_size, hidden_size, num_layers
        As for ``RNN``, and so are all others but one.
    proj_size : int
        Where it is not 0, ``h'`` is multiplied by ``weight_hr``, to this extent, below ``hidden_size``.

    Attributes
    ----------
    weight_ih_l0, ... : Tensor, shape (4 * hidden_size, features)
    weight_hh_l0, ... : Tensor, shape (4 * hidden_size, hidden_size or proj_size)
    bias_ih_l0, bias_hh_l0, ... : Tensor, shape (4 * hidden_size,)
    weight_hr_l0, ... : Tensor, shape (proj_size, hidden_size)

    Raises
    ------
    TypeError, ValueError
        As for ``RNN``.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.LSTM(3, 5, bidirectional=True, generator=0)
    >>> layer
    LSTM(3, 5, bidirectional=True): 400 parameters
    >>> output, (h, c) = layer(xg.ones((7, 4, 3), dtype="float32"))
    >>> output.shape, h.shape, c.shape
    ((7, 4, 10), (2, 4, 5), (2, 4, 5))
    """

    gates = 4

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *, proj_size: int = 0, **options: Any):
        self.proj_size = integer("LSTM", "proj_size", proj_size, least=0)
        if self.proj_size >= integer("LSTM", "hidden_size", hidden_size):
            raise ValueError(f"LSTM: proj_size must be below hidden_size={hidden_size}; got {proj_size}. Lower it.")
        super().__init__(input_size, hidden_size, num_layers, **options)

    def _step(self, suffix: str) -> Step:
        weight = self._transposed("weight_hh" + suffix)
        projection = self._transposed("weight_hr" + suffix) if self.proj_size else None
        sigmoid = xg.special.expit

        def step(now: xg.Tensor, state: State) -> State:
            h, c = state
            i, f, g, o = blocks(now + xg.matmul(h, weight), 4)
            c = sigmoid(f) * c + sigmoid(i) * xg.tanh(g)
            h = sigmoid(o) * xg.tanh(c)
            return h if projection is None else xg.matmul(h, projection), c

        return step

    def _state_sizes(self) -> tuple[int, ...]:
        return self._output_size, self.hidden_size


class GRU(_Recurrent):
    """Gated recurrent unit: a state that gates mix with what is new.

    ``i_r, i_z, i_n`` are the three blocks of ``weight_ih @ x + bias_ih``, ``h_r, h_z, h_n`` those of
    ``weight_hh @ h + bias_hh``, and::

        r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
        n = tanh(i_n + r * h_n)
        h' = (1 - z) * n + z * h

    Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014); ``r`` multiplies after the product
    with the weights, as in PyTorch.

    Parameters
    ----------
    input_size, hidden_size, num_layers
        As for ``RNN``, and so are all others.

    Attributes
    ----------
    weight_ih_l0, ... : Tensor, shape (3 * hidden_size, features)
    weight_hh_l0, ... : Tensor, shape (3 * hidden_size, hidden_size)
    bias_ih_l0, bias_hh_l0, ... : Tensor, shape (3 * hidden_size,)

    Raises
    ------
    TypeError, ValueError
        As for ``RNN``.

    Examples
    --------
    >>> import xgrad as xg
    >>> layer = xg.nn.GRU(3, 5, generator=0)
    >>> output, h = layer(xg.ones((7, 4, 3), dtype="float32"))
    >>> bool((output[-1] == h[0]).all())
    True
    """

    gates = 3

    def _inputs(self, x: xg.Tensor, suffix: str) -> Sequence[Any]:
        parts = blocks(self._projected(x, suffix, ("bias_ih",)), 3)
        return list(zip(*map(xg.unstack, parts), strict=True))

    def _step(self, suffix: str) -> Step:
        weight = self._transposed("weight_hh" + suffix)
        bias = getattr(self, "bias_hh" + suffix) if self.bias else None
        sigmoid = xg.special.expit

        def step(now: State, state: State) -> State:
            (h,) = state
            i_r, i_z, i_n = now
            product = xg.matmul(h, weight)
            h_r, h_z, h_n = blocks(product if bias is None else product + bias, 3)
            r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
            n = xg.tanh(i_n + r * h_n)
            return (n + z * (h - n),)

        return step


def blocks(x: xg.Tensor, count: int) -> tuple[xg.Tensor, ...]:
    """The last axis in ``count`` equal parts."""
    return xg.unstack(xg.reshape(x, (*x.shape[:-1], count, x.shape[-1] // count)), axis=-2)
