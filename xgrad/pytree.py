"""Trees: nested tuples, lists, dicts, named tuples and dataclasses of arrays, taken apart and put together again.

None is a tree without leaves.  Dict entries come in the order of their insertion, and trees are matched by key.  Fields
of a dataclass with ``metadata={"static": True}`` belong to the structure, not to the leaves.  A class that is to be a
container is made one with ``register``, or by a method ``__tree__()`` that its subclasses inherit: it returns a dict of
the children by name, and a function that makes a like instance from such a dict.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any


class Structure:
    """What is left of a tree without its leaves; calling it with a list of leaves builds a tree.

    Parameters
    ----------
    type : type or None
        The container; None for a leaf.
    keys : tuple
        How each child is reached: an index, a key or the name of a field.
    children : list of Structure
        One per key.
    join : callable
        Makes the container from its children.
    """

    __slots__ = ("children", "join", "keys", "type")

    def __init__(self, type: Any, keys: tuple[Any, ...], children: list[Structure], join: Any):
        self.type, self.keys, self.children, self.join = type, keys, children, join

    @property
    def count(self) -> int:
        """How many leaves there are."""
        return 1 if self.type is None else sum(child.count for child in self.children)

    def __call__(self, leaves: Any) -> Any:
        """The tree with these leaves."""
        return self._build(iter(leaves))

    def _build(self, leaves: Iterator[Any]) -> Any:
        if self.type is None:
            return next(leaves)
        return self.join([next(leaves) if c is _LEAF else c._build(leaves) for c in self.children])

    def paths(self, root: str = "") -> list[str]:
        """Where each leaf is, as Python writes it: ``[0]['w']``, ``.bias``."""
        if self.type is None:
            return [root]
        steps = [root + _step(self.type, key) for key in self.keys]
        return [path for step, child in zip(steps, self.children, strict=True) for path in child.paths(step)]

    def leaves_of(self, tree: Any, name: str = "the tree") -> list[Any]:
        """The leaves of another tree of this structure, matched by key; ValueError says where they differ."""
        leaves: list[Any] = []
        self._collect(tree, leaves, name)
        return leaves

    def _collect(self, tree: Any, leaves: list[Any], path: str) -> None:
        if self.type is None:
            leaves.append(tree)
            return
        children, keys, _ = _parts(tree)
        same = self.type is type(tree) or (self.type in (list, tuple) and type(tree) in (list, tuple))
        if not same or len(keys) != len(self.keys) or (keys != self.keys and set(keys) != set(self.keys)):
            want, got = _words(self.type, self.keys), _words(type(tree), keys)
            raise ValueError(f"{path} must be {want}; got {got}. Give trees of equal structure.")
        found = dict(zip(keys, children, strict=True))
        for key, child in zip(self.keys, self.children, strict=True):
            child._collect(found[key], leaves, path + _step(self.type, key))


_LEAF = Structure(None, (), [], None)
_leaf_types: set[type] = set()  # types met as leaves
_registered: dict[type, tuple[Callable[[Any], Any], Callable[..., Any]]] = {}
_static_fields: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {}


def register(type: type, apart: Callable[[Any], Any], together: Callable[..., Any]) -> None:
    """Make a class a container of trees.

    Parameters
    ----------
    type : type
        The class; its subclasses are not meant.
    apart : callable
        Takes an instance to a dict of its children by name.
    together : callable
        Makes an instance from the children, given by name.

    Examples
    --------
    >>> from xgrad import pytree
    >>> class Interval:
    ...     def __init__(self, low, high):
    ...         self.low, self.high = low, high
    >>> pytree.register(Interval, vars, Interval)
    >>> pytree.flatten(Interval(1.0, 2.0))[0]
    [1.0, 2.0]
    """
    _registered[type] = (apart, together)
    _leaf_types.discard(type)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of a tree in order, and its structure, which builds the same tree from other leaves.

    Examples
    --------
    >>> from xgrad.pytree import flatten
    >>> leaves, build = flatten({"w": 1.0, "b": [2.0, 3.0]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> build([10 * v for v in leaves])
    {'w': 10.0, 'b': [20.0, 30.0]}
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def contains(kind: type, tree: Any) -> bool:
    """Whether a leaf of the tree is exactly of type ``kind``; quicker than ``flatten``."""
    found = type(tree)
    if found is kind or found in _leaf_types:
        return found is kind
    for child in tree if found is list or found is tuple else _parts(tree)[0]:  # noqa: SIM110 - any() takes twice as long
        if contains(kind, child):
            return True
    return False


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    kind = type(tree)
    if kind in _leaf_types:
        leaves.append(tree)
        return _LEAF
    if kind is list or kind is tuple:
        structures = []
        for child in tree:
            if type(child) in _leaf_types:  # without a call of its own: half the time of a flat list
                leaves.append(child)
                structures.append(_LEAF)
            else:
                structures.append(_flatten(child, leaves))
        return Structure(kind, tuple(range(len(tree))), structures, kind)
    children, keys, join = _parts(tree)
    if join is None:
        _leaf_types.add(kind)
        leaves.append(tree)
        return _LEAF
    return Structure(kind, keys, [_flatten(child, leaves) for child in children], join)


def _parts(tree: Any) -> tuple[list[Any], tuple[Any, ...], Callable[[list[Any]], Any] | None]:
    """The children of a container, their keys, and what makes it from children; no such function for a leaf."""
    kind = type(tree)
    if isinstance(tree, dict):
        keys = tuple(tree)
        if kind is dict:
            return list(tree.values()), keys, lambda made: dict(zip(keys, made, strict=True))
        empty = copy.copy(tree)  # a defaultdict keeps its factory
        empty.clear()
        return list(tree.values()), keys, lambda made: _filled(empty, keys, made)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return list(tree), tree._fields, kind._make
    if isinstance(tree, list | tuple):
        return list(tree), tuple(range(len(tree))), kind
    if tree is None:
        return [], (), lambda made: None
    if kind in _registered:
        apart, together = _registered[kind]
        named = dict(apart(tree))
        keys = tuple(named)
        return list(named.values()), keys, lambda made: together(**dict(zip(keys, made, strict=True)))
    if hasattr(kind, "__tree__"):
        named, join = tree.__tree__()
        keys = tuple(named)
        return list(named.values()), keys, lambda made: join(dict(zip(keys, made, strict=True)))
    if hasattr(kind, "__dataclass_fields__"):
        names, static = _fields(kind)
        kept = {name: getattr(tree, name) for name in static}
        values = [getattr(tree, name) for name in names]
        return values, names, lambda made: kind(**dict(zip(names, made, strict=True)), **kept)
    return [], (), None


def _fields(kind: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a dataclass's fields that hold trees, and of its static ones."""
    if kind not in _static_fields:
        fields = [f for f in dataclasses.fields(kind) if f.init]
        static = tuple(f.name for f in fields if f.metadata.get("static"))
        _static_fields[kind] = tuple(f.name for f in fields if f.name not in static), static
    return _static_fields[kind]


def _filled(empty: Any, keys: tuple[Any, ...], values: list[Any]) -> Any:
    made = copy.copy(empty)
    made.update(zip(keys, values, strict=True))
    return made


def _step(kind: Any, key: Any) -> str:
    indexed = issubclass(kind, dict | list | tuple) and not hasattr(kind, "_fields")
    return f"[{key!r}]" if indexed else f".{key}"


def _words(kind: Any, keys: tuple[Any, ...]) -> str:
    name = "None" if kind is type(None) else f"a {kind.__name__}"
    if not keys:
        return name
    if isinstance(keys[0], int) and not issubclass(kind, dict):
        return f"{name} of {len(keys)}"
    return f"{name} with {', '.join(map(repr, keys))}"


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """``function`` of every leaf, with the matching leaves of other trees of the same structure.

    Examples
    --------
    >>> from xgrad.pytree import tree_map
    >>> tree_map(lambda w, g: w - 0.1 * g, {"a": 1.0, "b": (2.0,)}, {"b": (10.0,), "a": 0.0})
    {'a': 1.0, 'b': (1.0,)}
    """
    leaves, structure = flatten(tree)
    rest = [structure.leaves_of(other, "tree_map: a tree") for other in others]
    return structure([function(*group) for group in zip(leaves, *rest, strict=True)])
