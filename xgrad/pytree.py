"""Nested tuples, lists, dicts, named tuples and dataclasses of arrays, taken apart and put together again."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves of a tree in order, and a function that builds the same tree from other leaves.

    Dict entries come in the order of their insertion.  None is a tree without leaves.

    Examples
    --------
    >>> from xgrad.pytree import flatten
    >>> leaves, build = flatten({"w": 1.0, "b": [2.0, 3.0]})
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> build([10 * v for v in leaves])
    {'w': 10.0, 'b': [20.0, 30.0]}
    """
    children, join = _children(tree)
    if join is None:
        return ([], lambda leaves: None) if tree is None else ([tree], lambda leaves: leaves[0])
    parts = [flatten(child) for child in children]
    counts = [len(leaves) for leaves, _ in parts]

    def build(leaves: list[Any]) -> Any:
        made, start = [], 0
        for (_, rebuild), count in zip(parts, counts, strict=True):
            made.append(rebuild(leaves[start : start + count]))
            start += count
        return join(made)

    return [leaf for leaves, _ in parts for leaf in leaves], build


def _children(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any] | None]:
    if isinstance(tree, dict):
        return list(tree.values()), lambda made: _filled(tree, made)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return list(tree), lambda made: type(tree)(*made)
    if isinstance(tree, tuple | list):
        return list(tree), type(tree)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = [f.name for f in dataclasses.fields(tree) if f.init]
        values = [getattr(tree, n) for n in names]
        return values, lambda made: dataclasses.replace(tree, **dict(zip(names, made, strict=True)))
    return [], None


def _filled(tree: dict[Any, Any], values: list[Any]) -> dict[Any, Any]:
    made = copy.copy(tree)  # a defaultdict keeps its factory
    made.update(zip(tree, values, strict=True))
    return made


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """``function`` of every leaf, with the matching leaves of other trees of the same structure."""
    leaves, build = flatten(tree)
    rest = [flatten(other)[0] for other in others]
    for other in rest:
        if len(other) != len(leaves):
            raise ValueError(f"tree_map: the trees differ in structure; got {len(leaves)} and {len(other)} leaves.")
    return build([function(*group) for group in zip(leaves, *rest, strict=True)])
