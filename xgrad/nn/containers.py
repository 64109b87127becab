"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

from .module import Module


class _Numbered(Module):
    """A sequence of parts, whose names are their places: ``"0.weight"``."""

    def __init__(self, parts: Iterable[Any]):
        self._length = 0
        self.extend(parts)

    def _checked(self, place: int, part: Any) -> Any:
        raise NotImplementedError

    def append(self, part: Any) -> Self:
        """Add a part at the end; returns the module."""
        setattr(self, str(self._length), self._checked(self._length, part))
        self._length += 1
        return self

    def extend(self, parts: Iterable[Any]) -> Self:
        """Add parts at the end; returns the module."""
        for part in parts:
            self.append(part)
        return self

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        places = range(self._length)[index]
        if isinstance(places, int):
            return getattr(self, str(places))
        made = object.__new__(type(self))
        _Numbered.__init__(made, [getattr(self, str(i)) for i in places])
        return made

    def __setitem__(self, index: int, part: Any) -> None:
        place = range(self._length)[index]
        setattr(self, str(place), self._checked(place, part))

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, str(i)) for i in range(self._length))


class Sequential(_Numbered):
    """Modules and functions, applied one after another.

    It has the length, the items and the slices of a list, and can be appended to.

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
        super().__init__(steps)

    def _checked(self, place: int, part: Any) -> Any:
        if not callable(part):
            raise TypeError(
                f"Sequential: step {place} must be a Module or a function; got {type(part).__name__}. "
                "Pass the steps one by one: Sequential(a, b)."
            )
        return part

    def forward(self, x: Any) -> Any:
        """The result of the last step."""
        for step in self:
            x = step(x)
        return x


class ModuleList(_Numbered):
    """A list of modules, for a ``forward`` of your own; a plain list as an attribute serves as well.

    Parameters
    ----------
    modules : iterable of Module
        The parts.

    Raises
    ------
    TypeError
        When a part is no Module.

    Examples
    --------
    >>> import xgrad as xg
    >>> layers = xg.nn.ModuleList(xg.nn.Linear(3, 3) for _ in range(2))
    >>> [name for name, _ in layers.append(xg.nn.Linear(3, 1)).named_children()]
    ['0', '1', '2']
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__(modules)

    def _checked(self, place: int, part: Any) -> Any:
        return _module("ModuleList", str(place), part)


class ModuleDict(Module):
    """Modules by name, for a ``forward`` of your own; a plain dict as an attribute serves as well.

    Parameters
    ----------
    modules : mapping of str to Module
        The parts.

    Raises
    ------
    TypeError
        When a part is no Module.

    Examples
    --------
    >>> import xgrad as xg
    >>> heads = xg.nn.ModuleDict({"mean": xg.nn.Linear(3, 1), "spread": xg.nn.Linear(3, 1)})
    >>> [name for name, _ in heads.named_parameters()]
    ['mean.weight', 'mean.bias', 'spread.weight', 'spread.bias']
    >>> heads["mean"]
    Linear(3, 1): 4 parameters
    """

    def __init__(self, modules: Mapping[str, Module] | None = None):
        self._names: tuple[str, ...] = ()
        for name, module in (modules or {}).items():
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        if name not in self._names:
            raise KeyError(name)
        return vars(self)[name]

    def __setitem__(self, name: str, module: Module) -> None:
        vars(self)[name] = _module("ModuleDict", name, module)
        if name not in self._names:
            self._names += (name,)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._names

    def values(self) -> list[Module]:
        """The modules."""
        return [self[name] for name in self._names]

    def items(self) -> list[tuple[str, Module]]:
        """The names with the modules."""
        return [(name, self[name]) for name in self._names]


def _module(container: str, name: str, part: Any) -> Module:
    if not isinstance(part, Module):
        raise TypeError(
            f"{container}: {name} must be a Module; got {type(part).__name__}. Functions have no parameters: keep them "
            "in a plain list or dict."
        )
    return part
