"""The border between a transform and its caller: what comes in is watched, what goes out is in the caller's terms."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from ..arguments import settle, strip
from ..errors import kind
from ..pytree import Structure, contains, flatten
from ..registry import functions
from ..reverse import UNCOMMITTED, cotangent_dtype, state
from ..tensor import Tensor, constant, leaf


def named_as(f: Any) -> Callable[[Any], Any]:
    """Decorator: the name, documentation and signature of ``f``, but none of its attributes."""
    return functools.wraps(f, updated=())


class _Missing:
    def __repr__(self) -> str:
        return "<function>"


MISSING: Any = _Missing()  # no function yet: the transform is used as a decorator with arguments


def require_callable(function: str, f: Any) -> None:
    """TypeError unless ``f`` can be called."""
    if not callable(f):
        raise TypeError(f"{function}: the first argument must be a function; got {kind(f)}. Give f itself, not f(x).")


def any_tensor(leaves: Sequence[Any]) -> bool:
    """Whether a Tensor is among the leaves; then results are Tensors."""
    return any(type(v) is Tensor for v in leaves)


def all_raw(primals: Sequence[Any], *others: Any) -> bool:
    """Whether no Tensor is among the leaves ``primals`` nor in other trees; then results are raw."""
    return not any_tensor(primals) and not any(contains(Tensor, tree) for tree in others)


def as_kind(value: Any, raw: bool) -> Any:
    """A result in the caller's terms: raw where the arguments were raw, unless something outside watches it."""
    return value.value if raw and type(value) is Tensor and not value.requires_grad else value


def inside(function: str, primal: Any, path: str) -> Any:
    """What a level will watch of an argument: its raw array, or the Tensor itself where a lower level watches it."""
    if type(primal) is not Tensor:
        try:
            primal = functions.asarray(primal)
        except TypeError:
            raise TypeError(
                f"{function}: {path} must be an array or a number; got {kind(primal)}. "
                "Close over what is not differentiated, or pass it by keyword."
            ) from None
    if primal.dtype.kind not in "iufc":
        raise TypeError(f"{function}: {path} must be of numbers; got {kind(primal)}. Only numbers have gradients.")
    return _unwatched(primal)


def _unwatched(primal: Tensor) -> Any:
    """What is inside a Tensor if nothing records here what is done with it, else the Tensor."""
    node = primal.node
    if node is None or node.level < 0:
        return primal.value
    return strip(primal) if node.level <= state.blocked else primal


def watch(primal: Any, level: int) -> Tensor:
    """``primal`` as a leaf at ``level``; ``inside`` says what is wrong where that fails."""
    value = _unwatched(primal if type(primal) is Tensor else functions.asarray(primal))
    return constant(value, leaf(value, level))


def outside(value: Any, level: int) -> Any:
    """A result without this transform's level."""
    if type(value) is Tensor and value.node is not None and value.node.level == level:
        return value.value if type(value.value) is Tensor else constant(value.value)
    return value


def direction(function: str, tangent: Any, value: Any, path: str) -> Any:
    """A tangent for ``value``: of its shape, its dtype and its device; raw unless something watches it."""
    given = functions.asarray(tangent)
    like = value if type(value) is Tensor else constant(value)
    if given.shape != like.shape:
        raise ValueError(
            f"{function}: a tangent must have the shape of its primal; got {given.shape} for {like.shape} at {path}."
        )
    if given.dtype.kind == "c" and like.dtype.kind != "c":
        raise TypeError(
            f"{function}: the tangent of a real primal must be real; got {given.dtype} for {like.dtype} at {path}."
        )
    if given.dtype != cotangent_dtype(like.dtype):
        given = functions.astype(given, cotangent_dtype(like.dtype))
    if given.requires_grad:
        return given
    if type(value) is Tensor:
        return given if given.node is not UNCOMMITTED or given.device == like.device else given.to(like.device)
    return settle(function, ("primal", "tangent"), [value, given.value], [False, given.node is UNCOMMITTED], ())[1][1]


def split_aux(function: str, result: Any, has_aux: bool) -> tuple[Any, Any]:
    """What a function returned, as ``(value, aux)``."""
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(f"{function}: with has_aux=True the function must return (value, aux); got {kind(result)}.")
    return result


def outputs(function: str, value: Any) -> tuple[list[Tensor], Structure]:
    """The leaves of a result, as Tensors, and its structure."""
    leaves, structure = flatten(value)
    return [v if type(v) is Tensor else _array(function, v) for v in leaves], structure


def _array(function: str, value: Any) -> Tensor:
    try:
        return functions.asarray(value)
    except TypeError:
        raise TypeError(
            f"{function}: the function must return arrays or numbers; got {kind(value)}. "
            "Return other things beside the value, with has_aux=True."
        ) from None


def placed(values: Sequence[Any], places: Sequence[int], new: Sequence[Any]) -> list[Any]:
    """``values`` with the ``new`` ones at their places."""
    every = list(values)
    for place, value in zip(places, new, strict=True):
        every[place] = value
    return every


class Arguments:
    """The positional arguments of a call that are differentiated, and how to call with others in their places."""

    def __init__(self, function: str, argnums: Any):
        self.function = function
        self.single = not isinstance(argnums, tuple | list)
        self.argnums = argnums
        try:
            self.numbers = tuple(map(operator.index, (argnums,) if self.single else argnums))
        except TypeError:
            raise TypeError(f"{function}: argnums must be an int or several; got {argnums!r}.") from None

    def places(self, args: Sequence[Any]) -> list[int]:
        """The differentiated positions among ``args``, none twice."""
        for n in self.numbers:
            if not -len(args) <= n < len(args):
                raise ValueError(
                    f"{self.function}: argnums names no positional argument; got {n} for {len(args)} of them. "
                    "Pass what is differentiated by position."
                )
        places = [n % len(args) for n in self.numbers]
        if len(set(places)) < len(places):
            raise ValueError(f"{self.function}: argnums names an argument twice; got {self.argnums}. Name each once.")
        return places

    def bind(self, f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, list[Any], list]:
        """A function of the differentiated arguments only, those arguments, and all others."""
        places = self.places(args)
        rest = [*(a for i, a in enumerate(args) if i not in places), *kwargs.values()]
        return (lambda *chosen: f(*placed(args, places, chosen), **kwargs)), [args[p] for p in places], rest
