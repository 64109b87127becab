"""Forward mode: tangents that travel with the values, by the same rules that pull cotangents back.

A pullback is linear, and the tangent of a result is its transpose, applied to the tangents of the arguments.  A Tensor
at a level of forward mode has a ``Dual`` for its node, and every call on it transposes its own pullbacks at once:

- a *diagonal* pullback (``ct * d``, element by element) is its own transpose, so the tangent is put through it;
- a *linear* function is its own derivative, and is called on the tangents; a *multilinear* one is called once for
  every argument, with the tangent in its place;
- any other pullback is itself pulled back, which needs no more than its own calls recorded for a moment.

So there is one set of rules, and nothing of the past is kept: memory does not grow with the length of a computation.
"""

from __future__ import annotations

from typing import Any

from .arguments import SCALARS, as_dtype, strip
from .backends import namespace_of
from .face import Face
from .registry import functions
from .reverse import Node, Results, cotangent_dtype, fit, lift, next_serial, reverse, zero_safe
from .tensor import Tensor, constant

_new = object.__new__


class Dual(Node):
    """A value on a level of forward mode, by its ``tangent``, which is raw, or a Tensor that other levels watch.

    ``masked`` says that the tangent may hold exact zeros, which a selection made.
    """

    __slots__ = ("masked", "tangent")

    def __init__(self, level: int, op: Any, out: Any, tangent: Any, masked: bool):
        super().__init__(level, None, op, tuple(out.shape), out.dtype)
        self.tangent, self.masked = tangent, masked

    def record(self, op: Any, edges: tuple, out: Any, params: Any = None) -> Tensor:
        """The Tensor of a call that has these edges, with its tangent."""
        node = _new(Dual)
        node.serial = self.serial
        node.level = self.level
        node.edges = None
        node.op = op
        node.shape = out.shape
        node.dtype = out.dtype
        node.masked = op.selects
        tangent = None
        lifted = isinstance(out, Face)
        for parent, _, _ in edges:
            node.masked = node.masked or parent.masked
            lifted = lifted or isinstance(parent.tangent, Face)
        if op.diagonal:
            for parent, pullback, _ in edges:
                part = _through(op, pullback, parent, out, lifted)
                tangent = part if tangent is None else tangent + part
        elif op.linear and op.arrays == 1:
            tangent = _inside(op.call(as_tensor(self.tangent), **(params or {})), lifted)
        else:
            tangent = _transposed([(parent, pullback) for parent, pullback, _ in edges], (out,), lifted)[0]
        if tangent is None:
            return constant(out)
        if lifted or tangent.shape != node.shape or tangent.dtype is not node.dtype:
            tangent = fit(tangent, node)
        node.tangent = tangent
        tensor = _new(Tensor)
        tensor.value = out
        tensor.node = node
        return tensor


def as_tensor(value: Any) -> Tensor:
    """A raw value, which may be a scalar of its library, or a Tensor, as a Tensor."""
    return value if type(value) is Tensor else constant(namespace_of(value).as_array(value))


def _inside(tensor: Tensor, lifted: bool) -> Any:
    """A tangent that a function returned, without the memory of what it is a view of."""
    return constant(tensor.value, tensor.node) if lifted else strip(tensor)


def _through(op: Any, pullback: Any, parent: Dual, out: Any, lifted: bool) -> Any:
    """The tangent of ``parent`` put through a diagonal pullback."""
    tangent = parent.tangent
    if lifted:
        tangent, pullback = as_tensor(tangent), lift(pullback)
    if tangent.shape != out.shape or tangent.dtype is not out.dtype:
        tangent = _like(tangent, out)
    return zero_safe(pullback, tangent) if parent.masked and op.singular else pullback(tangent)


def _like(tangent: Any, out: Any) -> Any:
    """``tangent`` broadcast to the shape of ``out`` and cast to its dtype, but a complex one is not made real."""
    xp: Any = functions if isinstance(tangent, Face) else namespace_of(tangent)
    if tuple(tangent.shape) != tuple(out.shape):
        tangent = xp.broadcast_to(tangent, tuple(out.shape))
    have, want = as_dtype(tangent.dtype), cotangent_dtype(out.dtype)
    if have != want and not (have.kind == "c" and want.kind != "c"):
        tangent = xp.astype(tangent, want if isinstance(tangent, Face) else xp.raw_dtype(want))
    return tangent


def _transposed(pairs: list[tuple[Any, Any]], outs: tuple, lifted: bool) -> list[Any]:
    """The tangents of ``outs``: every pullback is run on a cotangent that a level watches, and pulled back.

    ``pairs`` holds nodes with their pullbacks, or lists of nodes with a joint one (None for those nothing watches).
    """
    level = next_serial()
    watched = []
    for out in outs:  # ones: a pullback is linear, so any cotangent will do, but zeros may be special to it
        ones = functions.ones_like(as_tensor(out), dtype=cotangent_dtype(as_tensor(out).dtype)).detach()
        watched.append(constant(ones.value, Node(level, (), None, tuple(out.shape), ones.value.dtype)))
    ct = watched[0] if len(outs) == 1 else Results(watched)
    seeds: dict[Any, Any] = {}
    for nodes, pullback in pairs:
        parts = lift(pullback)(ct)
        every = zip(nodes, parts, strict=True) if type(nodes) is list else ((nodes, parts),)
        for node, part in every:
            if node is None or part is None or part.node is None or part.node.level != level:
                continue
            part = fit(part, node)
            tangent = as_tensor(node.tangent) if lifted else node.tangent
            seeds[part.node] = tangent if part.node not in seeds else seeds[part.node] + tangent
    found = reverse(seeds, False)
    return [found.get(w.node) for w in watched]


def advance(op: Any, pullbacks: Any, arrays: Any, inner: Any, watched: list[int], out: Any, params: Any) -> Any:
    """The result of a call on any number of arrays, or its several results, with tangents; see ``core.finish``."""
    nodes: list[Any] = [arrays[i].node if i in watched else None for i in range(len(arrays))]
    parent = arrays[watched[0]].node
    joint = callable(pullbacks)
    if joint and len(arrays) == 1:
        pullbacks, joint = (pullbacks,), False
    if op.results or joint or op.linear or op.multilinear:
        masked = op.selects or any(nodes[i].masked for i in watched)
        outs = tuple(out) if op.results else (out,)
        lifted = any(isinstance(v, Face) for v in (*outs, *(nodes[i].tangent for i in watched)))
        if op.linear:
            tangents = [_linear(op, pullbacks, nodes, inner, params, lifted)]
        elif op.multilinear:
            tangents = [_multilinear(op, pullbacks, nodes, inner, out, params, lifted)]
        else:
            pairs = (
                [(nodes, pullbacks)]
                if joint
                else [(nodes[i], pullbacks[i]) for i in watched if pullbacks[i] is not None]
            )
            tangents = _transposed(pairs, outs, lifted)
        made = [dual(parent.level, op, v, t, masked) for v, t in zip(outs, tangents, strict=True)]
        return op.bundle(made) if op.results else made[0]
    edges = tuple((nodes[i], pullbacks[i], i) for i in watched if pullbacks[i] is not None)
    return parent.record(op, edges, out, params) if edges else as_tensor(out)


def dual(level: int, op: Any, out: Any, tangent: Any, masked: bool) -> Tensor:
    """``out`` on a level of forward mode with its tangent; a constant where there is none."""
    if tangent is None:
        return as_tensor(out)
    node = Dual(level, op, out, tangent, masked)
    node.tangent = fit(tangent, node)
    return constant(out, node)


def _call(op: Any, arrays: list[Any], params: Any, lifted: bool) -> Any:
    return _inside(op.call(arrays, **params) if op.arrays is None else op.call(*arrays, **params), lifted)


def _linear(op: Any, pullbacks: Any, nodes: list[Any], inner: Any, params: Any, lifted: bool) -> Any:
    """The function of the tangents, with zeros for what does not move; what has no derivative stays as it is."""
    moved: list[Any] = []
    for i, (node, value) in enumerate(zip(nodes, inner, strict=True)):
        fixed = not callable(pullbacks) and pullbacks[i] is None
        if node is not None and not fixed:
            moved.append(as_tensor(node.tangent))
        elif fixed or value is None:
            moved.append(value)
        else:
            moved.append(0 if type(value) in SCALARS else functions.zeros_like(as_tensor(value)))
    return _call(op, moved, params, lifted)


def _multilinear(op: Any, pullbacks: Any, nodes: list[Any], inner: Any, out: Any, params: Any, lifted: bool) -> Any:
    """The sum over the arguments that move of the function with the tangent in place of the argument.

    Where it is multilinear in the first arguments only, the others are added to their product: they count alone.
    """
    total = None
    factors = len(nodes) if op.multilinear is True else op.multilinear
    for i, node in enumerate(nodes):
        if node is None or (not callable(pullbacks) and pullbacks[i] is None):
            continue
        if i < factors:
            every = [as_tensor(v) if hasattr(v, "shape") else v for v in inner]
            every[i] = as_tensor(node.tangent)
            every[factors:] = [None] * (len(every) - factors)
            part = _call(op, every, params, lifted)
        else:
            part = _like(as_tensor(node.tangent) if lifted else node.tangent, out)
        total = part if total is None else total + part
    return total
