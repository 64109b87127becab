"""Checkpoints: a part of a computation that keeps nothing, and is computed again when its gradient is asked for."""

from __future__ import annotations

import types
from collections.abc import Callable
from operator import itemgetter
from typing import Any, ParamSpec, TypeVar

from ..backends import namespace_of
from ..errors import GraphError
from ..forward import Dual
from ..pytree import flatten
from ..registry import functions
from ..reverse import Node, Results, block, cotangent_dtype, next_serial, reverse, state, unblock
from ..tensor import Tensor, constant
from .border import named_as, require_callable

P = ParamSpec("P")
R = TypeVar("R")


def _traits(selects: bool) -> Any:
    traits = {"selects": selects, "singular": False, "diagonal": False, "adds": False}
    return types.SimpleNamespace(name="checkpoint", names=(), arrays=None, **traits)


_OPS = {selects: _traits(selects) for selects in (False, True)}


def checkpoint(f: Callable[P, R], /) -> Callable[P, R]:
    """``f`` without the memory of its intermediate results: they are computed again in the pass back.

    With a checkpoint around every k-th part of a long computation, the memory is that of k boundaries and one part
    instead of all of it, and the time that of one more evaluation.  Works under every transform and with ``backward``.
    Tensors that ``f`` closes over, such as the parameters of a module, receive their gradients too.

    Parameters
    ----------
    f : callable
        A function of arrays, trees of arrays and anything else.  It must repeat itself: the same operations for the
        same arguments, random numbers from a generator made inside, no writes to its arguments.

    Returns
    -------
    callable
        The same function of the same arguments.

    Raises
    ------
    ValueError
        When ``f`` writes to an argument.
    GraphError
        In the pass back, when ``f`` did not repeat itself.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> @xg.checkpoint
    ... def block(x):
    ...     return xg.sin(xg.exp(x))
    >>> float(xg.grad(block)(0.0).round(6))
    0.540302
    """
    require_callable("checkpoint", f)

    @named_as(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return _Segment(f, args, kwargs).first()

    return call


class _Segment:
    """One call of a checkpointed function, which can be run again."""

    def __init__(self, f: Callable[..., Any], args: Any, kwargs: Any):
        self.f = f
        self.leaves, self.structure = flatten((args, kwargs))
        self.blocked = state.blocked

    def run(self) -> tuple[int, list[Any], Any]:
        """Call the function on fresh names of its arguments: when that began, leaves and structure of the result."""
        names = [constant(v.value, v.node) if type(v) is Tensor else v for v in self.leaves]
        start = next_serial()
        args, kwargs = self.structure(names)
        outs, structure = flatten(self.f(*args, **kwargs))
        for name, leaf in zip(names, self.leaves, strict=True):
            if type(leaf) is Tensor and (name.value is not leaf.value or name.node is not leaf.node):
                raise ValueError("checkpoint: the function must not write to its arguments; got a write. Copy first.")
        return start, outs, structure

    def first(self) -> Any:
        """The result, its graph cut down to what lies outside of the function."""
        start, outs, structure = self.run()
        cut: dict[Node, Node] = {}
        found = _recorded(outs, start)
        for level in {node.level for node in found}:
            nodes = [n for n in found if n.level == level]
            boundary, selects = _boundary(nodes, start)
            op = _OPS[selects]
            parts = Node(level, tuple((b, itemgetter(i), i) for i, b in enumerate(boundary)), op, None, None)
            whole = Node(level, ((parts, _Pullback(self, level, boundary), -1),), op, None, None)
            for i, node in enumerate(nodes):
                cut[node] = Node(level, ((whole, _placed(i, len(nodes)), -1),), op, node.shape, node.dtype)
        return structure([_renewed(v, cut) for v in outs])


def _placed(i: int, count: int) -> Callable[[Any], Results]:
    return lambda ct: Results(ct if j == i else None for j in range(count))


def _recorded(outs: list[Any], start: int) -> list[Node]:
    """The nodes in the results of a call, of every level, that were recorded since ``start``."""
    found: dict[Node, None] = {}
    waiting = list(reversed(outs))
    while waiting:
        out = waiting.pop()
        if type(out) is not Tensor:
            continue
        node = out.node
        waiting.append(out.value)
        if type(node) is Dual:
            waiting.append(node.tangent)
        elif node is not None and node.level >= 0 and node.serial > start and node.op is not None:
            found[node] = None
    return list(found)


def _renewed(out: Any, cut: dict[Node, Node]) -> Any:
    """A result on the nodes that replace its own."""
    if type(out) is not Tensor:
        return out
    value, node = _renewed(out.value, cut), out.node
    if type(node) is Dual:
        tangent = _renewed(node.tangent, cut)
        if tangent is not node.tangent:
            node = Dual(node.level, node.op, out.value, tangent, node.masked)
    else:
        node = cut.get(node, node)
    return out if value is out.value and node is out.node else constant(value, node)


def _boundary(nodes: list[Node], start: int) -> tuple[list[Node], bool]:
    """The older nodes that these depend on, and whether something on the way makes exact zeros."""
    boundary: dict[Node, None] = {}
    waiting, seen, selects = list(nodes), set(nodes), False
    while waiting:
        node = waiting.pop()
        selects = selects or node.op.selects
        for parent, _, _ in node.edges or ():
            if parent.serial <= start:
                boundary[parent] = None
            elif parent not in seen and parent.op is not None:
                seen.add(parent)
                waiting.append(parent)
    return list(boundary), selects


class _Pullback:
    """From the cotangents of one level of a result to those of what it depends on, by computing it again."""

    def __init__(self, segment: _Segment, level: int, boundary: list[Node]):
        self.segment, self.level, self.boundary = segment, level, boundary

    def __call__(self, cts: Results) -> Results:
        block(self.segment.blocked)
        try:
            start, outs, _ = self.segment.run()
        finally:
            unblock()
        nodes = [n for n in _recorded(outs, start) if n.level == self.level]
        if len(nodes) != len(cts):
            raise GraphError(_UNLIKE)
        found = reverse({n: ct for n, ct in zip(nodes, cts, strict=True) if ct is not None}, False, since=start)
        if any(n.serial <= start and n not in self.boundary for n in found):
            raise GraphError(_UNLIKE)
        like = next(ct for ct in cts if ct is not None)
        return Results(_zeros(b, like) if found.get(b) is None else found[b] for b in self.boundary)


_UNLIKE = "checkpoint: the function did not repeat itself in the pass back. Make random numbers and branches the same."


def _zeros(node: Node, like: Any) -> Any:
    zeros = functions.zeros(node.shape, dtype=cotangent_dtype(node.dtype), device=_device(like))
    return zeros if type(like) is Tensor else zeros.value


def _device(like: Any) -> Any:
    return like.device if type(like) is Tensor else namespace_of(like).device(like)
