"""Module: what every layer and model is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import xgrad as xg

M = TypeVar("M", bound="Module")


class Module:
    """A part of a model: its attributes hold parameters and other modules, ``forward`` computes.

    Write a subclass with ``forward``.  There is nothing to register and no ``super().__init__()`` to call: an attribute
    that is a Tensor is *state*, and a *parameter* when it is a leaf that requires a gradient; an attribute that is a
    Module is a part.  Both are also found in lists, tuples and dicts.  A recorded result is neither.  A name is a path:
    ``"layers.0.weight"``.

    Attributes
    ----------
    training : bool
        What ``train()`` and ``eval()`` set, on this module and on all its parts; for layers that behave differently.

    Examples
    --------
    >>> import xgrad as xg
    >>> class Line(xg.nn.Module):
    ...     def __init__(self):
    ...         self.slope = xg.Tensor(2.0)
    ...         self.offset = xg.Tensor(1.0)
    ...
    ...     def forward(self, x):
    ...         return self.slope * x + self.offset
    >>> line = Line()
    >>> float(line(3.0))
    7.0
    >>> [name for name, _ in line.named_parameters()]
    ['slope', 'offset']
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of this module; what a subclass writes."""
        raise NotImplementedError(f"{type(self).__name__}: forward is not written. Define forward(self, x).")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward`` of the same arguments."""
        return self.forward(*args, **kwargs)

    # What it holds --------------------------------------------------------------------------------------------------

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (its name is the prefix) and every part below it, each once, with the path to it."""
        for name, value in _walk(self, prefix):
            if isinstance(value, Module):
                yield name, value

    def named_parameters(self) -> Iterator[tuple[str, xg.Tensor]]:
        """The path and Tensor of every parameter, each once, in the order of the attributes."""
        return ((name, value) for name, value in self._state() if value.requires_grad)

    def parameters(self) -> Iterator[xg.Tensor]:
        """Every parameter once, for an optimiser."""
        return (value for _, value in self.named_parameters())

    def _state(self) -> Iterator[tuple[str, xg.Tensor]]:
        for name, value in _walk(self, ""):
            if isinstance(value, xg.Tensor) and (not value.requires_grad or value.is_leaf):
                yield name, value

    # Saving and loading ---------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, xg.Tensor]:
        """Every parameter and other Tensor by name: constants that later training does not change, on its device.

        Examples
        --------
        >>> import xgrad as xg
        >>> {name: value.shape for name, value in xg.nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: value.detach() for name, value in self._state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the values that ``state_dict`` gave, as Tensors or as arrays read from a file.

        Parameters
        ----------
        state : mapping of str to array
            One array per name of ``state_dict()``, of the same shape and dtype, on any device.  They are copied.

        Raises
        ------
        ValueError
            When names are missing or unknown, or a shape differs; nothing is changed then.
        TypeError
            When a dtype differs; nothing is changed then.

        Examples
        --------
        >>> import xgrad as xg
        >>> a, b = xg.nn.Linear(3, 2), xg.nn.Linear(3, 2)
        >>> b.load_state_dict(a.state_dict())
        >>> bool((a.weight == b.weight).all())
        True
        """
        mine = dict(self._state())
        missing, unknown = [n for n in mine if n not in state], [n for n in state if n not in mine]
        if missing or unknown:
            facts = "; ".join(f"{w} {', '.join(n)}" for w, n in (("missing", missing), ("unknown", unknown)) if n)
            raise ValueError(
                f"load_state_dict: the names are not those of this {type(self).__name__}; got {facts}. "
                "Load the state of a model built the same way."
            )
        new = {name: xg.asarray(state[name]) for name in mine}
        for name, old in mine.items():
            if new[name].shape != old.shape:
                raise ValueError(
                    f"load_state_dict: {name} must have shape {old.shape}; got {new[name].shape}. "
                    "Build the model with the sizes it was saved with."
                )
            if new[name].dtype != old.dtype:
                raise TypeError(
                    f"load_state_dict: {name} must have dtype {old.dtype}; got {new[name].dtype}. "
                    "Convert the array with astype, or build the model with that dtype."
                )
        with xg.no_grad():
            for name, old in mine.items():
                old[...] = new[name].detach().to(old.device)

    # Where it is and how it behaves ---------------------------------------------------------------------------------

    def to(self: M, device: Any) -> M:
        """Move every parameter and other Tensor to a device, in place, and return the module.

        The Tensors stay the same objects, so an optimiser made before the move still holds them (before its first step:
        what it remembers is not moved).  Gradients are dropped.

        Parameters
        ----------
        device : str or Device
            Such as ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"torch:cpu"``.

        Raises
        ------
        DeviceError
            When the device is not there; nothing has moved then.
        """
        moved = []
        for _, old in self._state():
            new = old.detach().to(device)
            moved.append((old, xg.Tensor(new) if old.requires_grad else new))
        for old, new in moved:
            old.value, old.node = new.value, new.node  # what there is to a Tensor; the name stays
        return self

    def train(self: M, mode: bool = True) -> M:
        """Set ``training`` on this module and on every part of it; returns the module."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """``train(False)``."""
        return self.train(False)

    # How it looks ---------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """What stands in the parentheses of ``repr``; for subclasses to fill in."""
        return ""

    def __repr__(self) -> str:
        return "\n".join(self._lines(set()))

    def _lines(self, above: set[int]) -> list[str]:
        count = sum(p.size for p in self.parameters())
        name = type(self).__name__ + (f"({self.describe()})" if self.describe() else "")
        lines = [f"{name}: {count:,} parameter{'' if count == 1 else 's'}"]
        if id(self) in above:  # a part that points back at the whole
            return [f"{type(self).__name__}, see above"]
        for name, part in _parts(self):
            if isinstance(part, Module):
                first, *rest = part._lines({*above, id(self)})
                lines += [f"  {name}: {first}", *(f"  {line}" for line in rest)]
            elif callable(part):
                lines += [f"  {name}: {getattr(part, '__name__', type(part).__name__)}"]
        return lines


def _parts(module: Module) -> Iterator[tuple[str, Any]]:
    """What a module holds, nested lists, tuples and dicts opened, with the path to each."""
    pending = list(vars(module).items())[::-1]
    while pending:
        name, value = pending.pop()
        if isinstance(value, list | tuple):
            pending += [(f"{name}.{i}", v) for i, v in enumerate(value)][::-1]
        elif isinstance(value, dict):
            pending += [(f"{name}.{key}", v) for key, v in value.items()][::-1]
        else:
            yield name, value


def _walk(module: Module, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every Module and Tensor at and below a module, each once, depth first, in the order of the attributes."""
    seen: set[int] = set()
    pending: list[tuple[str, Any]] = [(prefix, module)]
    while pending:
        name, value = pending.pop()
        if not isinstance(value, Module | xg.Tensor) or id(value) in seen:
            continue
        seen.add(id(value))
        yield name, value
        if isinstance(value, Module):
            start = f"{name}." if name else ""
            pending += [(f"{start}{path}", part) for path, part in _parts(value)][::-1]
