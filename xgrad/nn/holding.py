"""Holder: what of a module is a container of parameters, buffers and parts."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import xgrad as xg

if TYPE_CHECKING:
    from .module import Module

# What a value is to the module that holds it.
MODULE, PARAMETER, FROZEN, BUFFER, TRANSIENT = "module", "parameter", "frozen", "buffer", "transient"


class Held(NamedTuple):
    """A Tensor or module found in a module: the path to it, what it is there, and which part holds it under what."""

    name: str
    value: Any
    role: str
    owner: Any
    place: str


class Holder:
    """Attributes that are parameters, buffers and parts, found by walking ``vars``; ``Module`` says what each is."""

    _roles: Mapping[str, str] = {}  # what the values alone do not tell: place -> role

    # What it holds --------------------------------------------------------------------------------------------------

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (its name is the prefix) and every part below it, each once, with the path to it."""
        return ((held.name, held.value) for held in walk(self, prefix) if held.role == MODULE)

    def modules(self) -> Iterator[Module]:
        """This module and every part below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The parts that this module itself holds, each once, with their names."""
        seen: set[int] = set()
        for name, part in parts(self):
            if isinstance(part, Holder) and id(part) not in seen:
                seen.add(id(part))
                yield name, part  # type: ignore[misc]

    def children(self) -> Iterator[Module]:
        """The parts that this module itself holds, each once."""
        return (module for _, module in self.named_children())

    def named_parameters(self) -> Iterator[tuple[str, xg.Tensor]]:
        """The path and Tensor of every parameter, each once, in the order of the attributes; no frozen ones."""
        return self._named(PARAMETER)

    def parameters(self) -> Iterator[xg.Tensor]:
        """Every parameter once, for an optimiser."""
        return (value for _, value in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, xg.Tensor]]:
        """The path and Tensor of every buffer, each once, in the order of the attributes."""
        return self._named(BUFFER, TRANSIENT)

    def buffers(self) -> Iterator[xg.Tensor]:
        """Every buffer once."""
        return (value for _, value in self.named_buffers())

    def _named(self, *roles: str) -> Iterator[tuple[str, xg.Tensor]]:
        return ((held.name, held.value) for held in walk(self) if held.role in roles)

    def register_parameter(self, name: str, value: xg.Tensor | None) -> None:
        """Set an attribute that must be a parameter, or None; plain assignment does the same without the check."""
        if value is not None and not (isinstance(value, xg.Tensor) and value.is_leaf):
            raise TypeError(
                f"register_parameter: {name} must be a leaf that requires a gradient, or None; got "
                f"{kind(value)}. Make it with xgrad.Tensor(...)."
            )
        self._set("register_parameter", name, value)

    def register_buffer(self, name: str, value: xg.Tensor | None, persistent: bool = True) -> None:
        """Set an attribute that must be a buffer, or None; plain assignment does the same for persistent ones.

        Parameters
        ----------
        name : str
            The attribute.
        value : Tensor or None
            A constant.
        persistent : bool
            Whether it is part of ``state_dict()``.  It moves with ``to`` in any case.

        Raises
        ------
        TypeError
            When the value is no Tensor, or one that requires a gradient.
        ValueError
            When the name is no identifier.

        Examples
        --------
        >>> import xgrad as xg
        >>> model = xg.nn.Module()
        >>> model.register_buffer("mean", xg.zeros(3))
        >>> model.register_buffer("mask", xg.ones(3), persistent=False)
        >>> list(model.state_dict()), [name for name, _ in model.named_buffers()]
        (['mean'], ['mean', 'mask'])
        """
        if value is not None and (not isinstance(value, xg.Tensor) or value.requires_grad):
            raise TypeError(
                f"register_buffer: {name} must be a Tensor that requires no gradient, or None; got {kind(value)}. "
                "Pass x.detach(), or xgrad.asarray(...)."
            )
        self._set("register_buffer", name, value)
        if not persistent:
            pin(self, name, TRANSIENT)

    def _set(self, function: str, name: str, value: Any) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"{function}: name must be that of an attribute; got {name!r}. Use letters and digits.")
        setattr(self, name, value)

    # As a tree ------------------------------------------------------------------------------------------------------

    def __tree__(self) -> tuple[dict[str, Any], Callable[[dict[str, Any]], Holder]]:
        """The parameters by name, and what makes a like module from others; see ``xgrad.pytree``."""
        held = [h for h in walk(self) if h.role == PARAMETER]
        return {h.name: h.value for h in held}, functools.partial(_rebuilt, self, held)


# Walking --------------------------------------------------------------------------------------------------------------


def parts(module: Holder) -> Iterator[tuple[str, Any]]:
    """What a module holds, nested lists, tuples and dicts opened, with the place of each."""
    pending = [item for item in vars(module).items() if item[0] != "_roles"][::-1]
    while pending:
        name, value = pending.pop()
        if isinstance(value, list | tuple):
            pending += [(f"{name}.{i}", v) for i, v in enumerate(value)][::-1]
        elif isinstance(value, dict):
            pending += [(f"{name}.{key}", v) for key, v in value.items()][::-1]
        else:
            yield name, value


def walk(module: Holder, prefix: str = "") -> Iterator[Held]:
    """Every Module and Tensor at and below a module, each once, depth first, in the order of the attributes."""
    seen: set[int] = set()
    pending: list[tuple[str, Any, Any, str]] = [(prefix, module, None, "")]
    while pending:
        name, value, owner, place = pending.pop()
        pinned = None if owner is None else owner._roles.get(place)
        role = _role(value, pinned)
        if role is None or (id(value) in seen and pinned != PARAMETER):
            continue  # the leaves of a tree count by their place: two gradients may be one array
        seen.add(id(value))
        yield Held(name, value, role, owner, place)
        if role == MODULE:
            start = f"{name}." if name else ""
            pending += [(f"{start}{path}", part, value, path) for path, part in parts(value)][::-1]


def _role(value: Any, pinned: str | None) -> str | None:
    if isinstance(value, Holder):
        return MODULE
    if isinstance(value, xg.Tensor):
        return PARAMETER if value.is_leaf else pinned or (None if value.requires_grad else BUFFER)
    return pinned if pinned == PARAMETER and value is not None else None  # trees may hold anything


def pin(module: Holder, place: str, role: str) -> None:
    """Remember what is at a place of a module."""
    module._roles = {**module._roles, place: role}


def _rebuilt(module: Holder, held: list[Held], leaves: dict[str, Any]) -> Holder:
    """A module like this one with other leaves; of the rest, only what holds modules and leaves is copied."""
    by_place = {(id(h.owner), h.place): leaves[h.name] for h in held}
    by_value = {id(h.value): leaves[h.name] for h in held}  # for a parameter's second name
    copies: dict[int, Any] = {}

    def copied(value: Any, owner: Any, place: str) -> Any:
        if (id(owner), place) in by_place:
            return by_place[id(owner), place]
        if isinstance(value, Holder):
            if id(value) not in copies:
                copies[id(value)] = new = object.__new__(type(value))
                vars(new).update({name: copied(part, value, name) for name, part in vars(value).items()})
            return copies[id(value)]
        if isinstance(value, list | tuple):
            items = [copied(part, owner, f"{place}.{i}") for i, part in enumerate(value)]
            return _like(value, items)
        if isinstance(value, dict):
            filled = copy.copy(value)
            filled.update({key: copied(part, owner, f"{place}.{key}") for key, part in value.items()})
            return filled
        return by_value.get(id(value), value) if isinstance(value, xg.Tensor) else value

    made = copied(module, None, "")
    for h in held:
        pin(copies[id(h.owner)], h.place, PARAMETER)
    return made


def _like(container: Any, items: list[Any]) -> Any:
    """A list or tuple of the container's own kind."""
    if isinstance(container, tuple):
        return container._make(items) if hasattr(container, "_make") else type(container)(items)
    new = copy.copy(container)
    new[:] = items
    return new


def kind(value: Any) -> str:
    """What a value is, for a message."""
    if not isinstance(value, xg.Tensor):
        return type(value).__name__
    return f"{'a recorded result' if value.requires_grad and not value.is_leaf else 'a Tensor'} of shape {value.shape}"
