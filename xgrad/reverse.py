"""The graph and the pass back over it: Node, reverse, fit and lift.

**A pass** walks the nodes from the newest, by serial number: an argument is always older than its result, so when a
node's turn comes its cotangent is complete.  The nodes that wait are in a heap, and nothing recurses.  Cotangents live
in a dict of the pass, not on nodes.  ``fit`` undoes broadcasting and casts at every edge, so no rule does.  A
cotangent that is a Tensor (a derivative of this pass is wanted) may meet a pullback recorded on raw arrays; ``lift``
then rebuilds the closure with every captured array as a Tensor and the raw namespace as xgrad's, so one set of rules
serves every order, and order 1 pays nothing for it.

**Zeros.**  Selections (``where``, ``clip``, an index ...) send exact zeros to what they did not take.  From there on
rules that may divide by zero are made zero-safe: a cotangent of zero contributes zero, not NaN.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import types
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heappushpop
from typing import Any

import numpy as np

from .arguments import as_dtype, strip
from .axes import summed_axes
from .backends import namespace_of
from .backends.generic import Extension, Generic
from .errors import GraphError
from .face import Face
from .registry import functions

next_serial = itertools.count(1).__next__  # numbers nodes, levels and no_grad blocks in the order they come


class _State(threading.local):
    blocked = -1  # levels up to this one do not record in this thread
    masked = False  # whether cotangents may hold exact zeros that a selection made, for passes inside a pass
    precision: str | None = None  # in which 16-bit type matrices are multiplied, see ``precision``
    debug: Any = None  # the checks of the innermost ``debug`` block that is open in this thread

    def __init__(self):
        self.outer: list[int] = []  # what ``blocked`` was outside the blocks that are open


state = _State()
blocks: list[None] = []  # one for each open ``block`` of any thread: asking the thread takes 40 ns, looking here 5


def block(level: int) -> None:
    """Let this thread record nothing on levels up to ``level``, until it calls ``unblock``."""
    blocks.append(None)
    state.outer.append(state.blocked)
    state.blocked = level


def unblock() -> None:
    """End the last ``block`` of this thread."""
    state.blocked = state.outer.pop()
    blocks.pop()


class no_grad(contextlib.ContextDecorator):
    """Context or decorator inside which this thread records nothing, but for transforms that start inside it.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0])
    >>> with xg.no_grad():
    ...     y = 2 * x
    >>> y.requires_grad
    False
    """

    def __enter__(self):
        block(next_serial())
        return self

    def __exit__(self, *exc):
        unblock()


class Node:
    """One recorded call, or a leaf (no edges); ``edges`` is None once released.  ``grad`` is set where it is kept.

    ``site`` is set where a call was recorded under ``debug``: the user's line.

    ``record(op, edges, out, params)`` makes the Tensor of a call on this node's level.  Here it goes on a new node that
    keeps the edges; a node of forward mode pushes its tangent through them instead.
    """

    __slots__ = ("dtype", "edges", "grad", "level", "op", "serial", "shape", "site")

    grad: Any
    site: Any
    record: Callable[..., Any]  # set beside Tensor, which this layer does not know

    def __init__(self, level: int, edges: Any, op: Any, shape: Any, dtype: Any):
        self.serial = next_serial()
        self.level = level
        self.edges = edges
        self.op = op
        self.shape = shape
        self.dtype = dtype


UNCOMMITTED = Node(-1, (), None, None, None)  # marks a constant that follows the device of what it meets


class Results(tuple):
    """The cotangents of several results, or of several arguments; None where there is none."""

    shape = dtype = None  # so that ``fit`` finds nothing to do

    def __add__(self, other):
        return Results(b if a is None else a if b is None else a + b for a, b in zip(self, other, strict=True))

    @property
    def lifted(self) -> bool:
        """Whether a cotangent in here is a Tensor."""
        return any(isinstance(ct, Face) for ct in self)


def reverse(
    seeds: dict[Node, Any], keep: bool, keep_grads: Callable[[Any], Any] | None = None, since: int = 0
) -> dict[Node, Any]:
    """Pull the cotangents ``seeds`` back to the leaves; returns those of the leaves, raw or Tensors.

    ``keep`` leaves the graph for another pass; ``keep_grads`` makes of a cotangent what is stored on its node.  Nodes
    with a serial number up to ``since`` count as leaves.
    """
    raw = [strip(ct) for ct in seeds.values()]
    xp = namespace_of(raw[0]) if raw else None
    masked = state.masked
    try:
        if xp is None or xp.single:  # no device to choose
            return _walk(dict(seeds), keep, keep_grads, since)
        with xp.around(raw):
            return _walk(dict(seeds), keep, keep_grads, since)
    finally:
        state.masked = masked


class exact_zeros:
    """Context for passes whose cotangents may hold exact zeros, which stay zero whatever derivative they meet."""

    __slots__ = ("before",)

    def __enter__(self):
        self.before, state.masked = state.masked, True

    def __exit__(self, *exc):
        state.masked = self.before


def _walk(cts: dict[Node, Any], keep: bool, keep_grads: Callable[[Any], Any] | None, since: int) -> dict[Node, Any]:
    waiting = [(-node.serial, node) for node in cts if node.edges != ()]
    heapify(waiting)
    node = heappop(waiting)[1] if waiting else None
    owned: set[Node] = set()
    masked, lifted = state.masked, False
    debug = state.debug
    kind: type | None = None
    while node is not None:
        newest: Node | None = None  # of the parents found here: in a chain it is next, without a turn in the heap
        edges = node.edges
        if edges is None:
            raise GraphError(
                "backward: the graph was already released by another pass. "
                "Pass retain_graph=True to the first one, or compute the loss again."
            )
        if not keep:
            node.edges = None
        ct = cts.pop(node)
        if keep_grads and type(ct) is not Results and type(getattr(node, "grad", None)) is not Node:
            node.grad = keep_grads(ct)
        if type(ct) is not kind or kind is Results:
            kind = type(ct)
            lifted = isinstance(ct, Face) or (kind is Results and ct.lifted)
        op, shape, dtype = node.op, node.shape, node.dtype
        if op.selects:
            masked = state.masked = True
        plain = debug is None and not lifted
        trusted, adds = plain and op.diagonal, plain and op.adds
        for parent, pullback, position in edges:
            known = cts.get(parent)
            try:
                if lifted:
                    pullback = lift(pullback)
                elif adds and parent in owned:
                    cts[parent] = pullback(ct, known)
                    continue
                if debug is not None:
                    pullback = debug.pullback(node, pullback, position)
                part = zero_safe(pullback, ct) if masked and op.singular else pullback(ct)
                if not (trusted and parent.shape == shape and parent.dtype is dtype) and (
                    lifted or part.shape != parent.shape or part.dtype is not parent.dtype
                ):
                    part = fit(part, parent)
            except Exception as error:
                error.add_note(_where(node, position, ct, parent))
                raise
            if known is None:
                cts[parent] = part
                if adds:
                    owned.add(parent)
                if parent.op is not None and parent.serial > since:  # no leaf
                    if newest is None:
                        newest = parent
                    elif newest.serial > parent.serial:
                        heappush(waiting, (-parent.serial, parent))
                    else:
                        heappush(waiting, (-newest.serial, newest))
                        newest = parent
            elif lifted:
                cts[parent] = part + known  # the Tensor on the left: some libraries refuse it on the right
                owned.discard(parent)
            elif parent in owned:
                known += part
                cts[parent] = known
            elif isinstance(known, Face):
                cts[parent] = known + part
            else:
                if type(known) is not Results and namespace_of(known).sole(known):
                    known += part
                else:
                    known = known + part
                cts[parent] = known
                owned.add(parent)
        if waiting and (newest is None or -waiting[0][0] > newest.serial):
            node = heappop(waiting)[1] if newest is None else heappushpop(waiting, (-newest.serial, newest))[1]
        else:
            node = newest
    if debug is not None:
        debug.gradients(cts.values())
    return cts


def _where(node: Node, position: int, ct: Any, parent: Node) -> str:
    names = node.op.names
    name = names[position] if 0 <= position < len(names) and node.op.arrays is not None else f"number {position}"
    shape = getattr(ct, "shape", None)
    site = getattr(node, "site", None)
    place = "" if site is None else f", recorded at {site}"
    return (
        f"while pulling back through {node.op.name}, argument {name} of shape {parent.shape}, cotangent {shape}{place}"
    )


def zero_safe(pullback: Callable[[Any], Any], ct: Any) -> Any:
    """The pullback of an elementwise function, but 0 times an infinity or NaN is 0."""
    raw = namespace_of(strip(ct))
    with raw.quiet():
        part = pullback(ct)
    lifted = isinstance(ct, Face)
    xp: Any = functions if lifted else raw
    rate = getattr(part.node, "tangent", None) if lifted else None  # of forward mode
    if raw.surely_finite(strip(part)) and (rate is None or raw.surely_finite(strip(rate))):
        return xp.selected(part) if lifted else part  # so that a pass back through this one starts with zeros too
    finite = xp.isfinite(part) if rate is None else xp.isfinite(part) & xp.isfinite(rate)
    return xp.where((ct == 0) & ~finite, 0.0, part)  # a finite part keeps its own derivatives


def fit(ct: Any, node: Node) -> Any:
    """A cotangent with the shape and dtype of the value it belongs to: broadcasting undone, real part taken, cast."""
    if node.shape is None:
        return ct
    xp: Any = functions if isinstance(ct, Face) else namespace_of(ct)
    have, want = tuple(ct.shape), tuple(node.shape)
    if have != want:
        axes = summed_axes(have, want)
        if axes is None:
            raise ValueError(
                f"fit: the rule made a cotangent of the wrong shape; got {have} for a value of shape {want}. "
                "Its extents must agree or be broadcast from 1."
            )
        ct = xp.sum(ct, axis=axes)
        if len(have) - len(axes) != len(want):  # extents of one that were summed over
            ct = xp.reshape(ct, node.shape)
        if ct.dtype is node.dtype:
            return ct
    dtype, wanted = as_dtype(ct.dtype), cotangent_dtype(node.dtype)
    if dtype.kind == "c" and wanted.kind != "c":
        ct = xp.real(ct)
        dtype = as_dtype(ct.dtype)
    if dtype != wanted:
        ct = xp.astype(ct, wanted if isinstance(ct, Face) else xp.raw_dtype(wanted))
    return ct


def cotangent_dtype(dtype: Any) -> np.dtype:
    """The dtype of gradients for values of ``dtype``: the same, or float64 for integers."""
    dtype = as_dtype(dtype)
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def lift(pullback: Any) -> Any:
    """The same closure with every captured array as a Tensor and the raw namespace as that of Tensors."""
    cells = getattr(pullback, "__closure__", None)
    if not cells:
        return pullback
    lifted = tuple(types.CellType(_lifted(cell.cell_contents)) for cell in cells)
    return types.FunctionType(pullback.__code__, pullback.__globals__, pullback.__name__, pullback.__defaults__, lifted)


def _lifted(content: Any) -> Any:
    if isinstance(content, Generic):
        return functions
    if isinstance(content, Extension):
        return getattr(functions, content.space)
    if type(content) in (tuple, list):
        return type(content)(map(_lifted, content))
    if isinstance(content, types.FunctionType):
        return lift(content)
    if not isinstance(content, Face) and hasattr(content, "shape") and namespace_of(content) is not None:
        return functions.asarray(content)
    return content
