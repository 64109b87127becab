"""Averages of weights over the steps of training, which often predict better than the weights themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import xgrad as xg

from .checks import decay as check_decay
from .flat import Flat, flat_lists, joined


class EMA:
    """Exponential moving average of weights: ``average = decay * average + (1 - decay) * weight`` at every update.

    Parameters
    ----------
    params : Module, or iterable of Tensor
        Its parameters, or these; the averages start as copies of them.
    decay : float
        From 0 to below 1; about ``1 / (1 - decay)`` steps are averaged.

    Raises
    ------
    TypeError
        When ``params`` is neither a Module nor an iterable of Tensors.
    ValueError
        When there are none, or ``decay`` is out of range.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([4.0])
    >>> optimizer, ema = xg.optim.SGD([x], lr=1.0), xg.optim.EMA([x], decay=0.75)
    >>> x.sum().backward()
    >>> optimizer.step()
    >>> ema.update()
    >>> with ema.applied():
    ...     print(x)
    Tensor([3.75])
    >>> x
    Tensor([3.])
    """

    def __init__(self, params: Any, decay: float = 0.999):
        check_decay("EMA", "decay", decay)
        self.decay = decay
        named = dict(_named(params))
        if not named:
            raise ValueError("EMA: params is empty; got no Tensor. Pass a model or model.parameters().")
        self.params = named
        self._flats = self._flattened({name: p.detach() for name, p in named.items()})

    def _flattened(self, averages: dict[str, xg.Tensor]) -> list[Flat]:
        names = list(averages)
        return [
            joined([self.params[names[i]] for i in places], [{"average": averages[names[i]]} for i in places], 0)
            for places in flat_lists(self.params.values())
        ]

    def update(self) -> None:
        """Take in the present weights, after every step of the optimiser; nothing waits for the device."""
        with xg.no_grad():
            for flat in self._flats:
                average = flat.state["average"]
                flat.state["average"] = average + (1 - self.decay) * (flat.join(flat.tensors) - average)

    @property
    def averages(self) -> dict[str, xg.Tensor]:
        """The averages by the names of the parameters, in their shapes: constants that later updates do not change."""
        parts = {
            id(p): part.detach()
            for flat in self._flats
            for p, part in zip(flat.tensors, flat.split(flat.state["average"]), strict=True)
        }
        return {name: parts[id(p)] for name, p in self.params.items()}

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Context inside which the parameters have the averages as their values."""
        before = {name: p.detach() for name, p in self.params.items()}
        self._write(self.averages)
        try:
            yield
        finally:
            self._write(before)

    def _write(self, values: Mapping[str, xg.Tensor]) -> None:
        with xg.no_grad():
            for name, p in self.params.items():
                p[...] = values[name]

    def state_dict(self) -> dict[str, Any]:
        """The decay and the averages by name, as constants on the devices of the parameters."""
        return {"decay": self.decay, "averages": self.averages}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take the decay and the averages that ``state_dict`` gave, as Tensors or as read from a file; copied.

        Raises
        ------
        ValueError
            When the names or shapes are not those of the parameters; nothing is changed then.
        """
        given = state_dict["averages"]
        if given.keys() != self.params.keys():
            raise ValueError(
                f"load_state_dict: the averages must be of {', '.join(self.params)}; got {', '.join(given)}. "
                "Load the state of a model built the same way."
            )
        new = {
            name: xg.asarray(given[name], dtype=p.dtype, device=p.device, copy=True) for name, p in self.params.items()
        }
        for name, value in new.items():
            if value.shape != self.params[name].shape:
                raise ValueError(
                    f"load_state_dict: the average of {name} must have shape {self.params[name].shape}; "
                    f"got {value.shape}. Build the model with the sizes it was saved with."
                )
        self.decay = state_dict["decay"]
        self._flats = self._flattened(new)


def _named(params: Any) -> Iterator[tuple[str, xg.Tensor]]:
    """Parameters and their names: paths in a module, else numbers."""
    if hasattr(params, "named_parameters"):
        yield from params.named_parameters()
        return
    if isinstance(params, xg.Tensor) or not isinstance(params, Iterable):
        raise TypeError(f"EMA: params must be a Module or an iterable of Tensors; got one {type(params).__name__}.")
    for i, p in enumerate(params):
        if not isinstance(p, xg.Tensor):
            raise TypeError(f"EMA: params[{i}] must be a Tensor; got {type(p).__name__}. Pass a model's parameters.")
        yield str(i), p
