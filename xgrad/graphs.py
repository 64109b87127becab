"""What was recorded, as text and as a picture: ``inspect`` walks the graph behind a Tensor and changes nothing.

Nodes hold no values, only shapes; the numbers in a picture are those of the Tensors that are still alive.
"""

from __future__ import annotations

import functools
import gc
import math
import types
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from .arguments import as_dtype, strip
from .backends import namespace_of
from .errors import kind
from .forward import Dual
from .registry import functions
from .reverse import Node
from .tensor import Tensor

_SMALL = 9  # elements of an array whose numbers are shown


def inspect(tensor: Tensor, /, *, limit: int = 40, **names: Tensor) -> Graph:
    """The graph that was recorded behind a Tensor, to be printed or drawn.

    Parameters
    ----------
    tensor : Tensor
        The result, such as a loss.
    limit : int
        Of longer graphs, only so many calls are shown.
    **names : Tensor
        Names for Tensors in the graph: ``inspect(loss, w=w, b=b)``.

    Returns
    -------
    Graph
        Its ``str`` is a table: one line per recorded call with the shape and dtype of the result, the bytes that its
        pullbacks keep alive, and the user's line where it was recorded under ``debug``.  ``svg()`` and ``dot()`` draw
        it, and a notebook shows the drawing.

    Raises
    ------
    TypeError
        When the argument is no Tensor.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0])
    >>> print(xg.inspect((x * xg.sin(x)).sum(), x=x))
    call              of              result         dtype      keeps
    %1 = sin          x               (2,)           float64     16 B
    %2 = multiply     x, %1           (2,)           float64     16 B
    %3 = sum          %2              ()             float64      0 B
    3 calls on 1 leaf; their pullbacks keep 32 B alive.
    """
    for name, value in {"the argument": tensor, **names}.items():
        if type(value) is not Tensor:
            raise TypeError(f"inspect: {name} must be a Tensor; got {kind(value)}.")
    return Graph(tensor, names, limit)


class Call:
    """One recorded call: the nodes of its results, what it was called on, and the bytes it keeps alive."""

    def __init__(self, nodes: list[Node], edges: list[tuple[Node, Any, int]]):
        self.nodes, self.edges = nodes, edges
        self.op: Any = nodes[0].op
        self.site: Any = getattr(nodes[0], "site", None)
        self.released = nodes[0].edges is None
        self.bytes = 0

    def argument(self, position: int) -> str:
        """The name of the argument in this place."""
        names = self.op.names
        if self.op.arrays is None or not 0 <= position < len(names):
            return str(position) if position >= 0 else ""
        return names[position]


class Graph:
    """What ``inspect`` found; ``calls`` from the oldest to the newest, and the ``leaves`` they depend on."""

    def __init__(self, tensor: Tensor, names: dict[str, Tensor], limit: int):
        self.tensor, self.limit = tensor, max(2, limit)
        root = tensor.node if tensor.requires_grad and type(tensor.node) is not Dual else None
        self.calls, self.leaves = _calls(root)
        self.bytes = 0
        seen: set[Any] = set()
        for call in self.calls:
            call.bytes = sum(_held(call, seen))
            self.bytes += call.bytes
        self.names: dict[Node, str] = {n: f"leaf{i}" for i, n in enumerate(self.leaves, 1)}
        count = 0
        for call in self.calls:
            for node in call.nodes:
                count += 1
                self.names[node] = f"%{count}"
        for name, value in names.items():
            if value.node in self.names:
                self.names[value.node] = name

    def _shown(self) -> tuple[list[Call], int, list[Call]]:
        """The calls to show: the oldest, how many are left out, the newest."""
        left_out = len(self.calls) - self.limit
        if left_out <= 0:
            return self.calls, 0, []
        head = self.limit // 2
        return self.calls[:head], left_out, self.calls[len(self.calls) - (self.limit - head) :]

    # As text --------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Graph of {len(self.calls)} calls on {len(self.leaves)} leaves, {self.bytes} bytes kept>"

    def __str__(self) -> str:
        if type(self.tensor.node) is Dual:
            return "nothing recorded: forward mode keeps no graph."
        if not self.calls:
            return "nothing recorded: a leaf." if self.leaves else "nothing recorded: a constant."
        head, left_out, tail = self._shown()
        located = any(c.site is not None for c in (*head, *tail))
        rows: list[tuple[str, ...]] = [("call", "of", "result", "dtype", "keeps", "line" if located else "")]
        rows += [self._row(c) for c in head]
        gap = len(rows)
        rows += [self._row(c) for c in tail]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        widths = [max(w, least) for w, least in zip(widths, (16, 14, 13, 7, 7, 0), strict=True)]
        lines = [_aligned(row, widths) for row in rows]
        if left_out:
            ops = Counter(c.op.name for c in self.calls[len(head) : len(head) + left_out])
            common = ", ".join(f"{n} {name}" for name, n in ops.most_common(5)) + (", ..." if len(ops) > 5 else "")
            kept = sum(c.bytes for c in self.calls[len(head) : len(head) + left_out])
            lines.insert(gap, f"... {left_out:,} more calls ({common}), which keep {_amount(kept)}")
        total = f"{_count(len(self.calls), 'call')} on {_count(len(self.leaves), 'leaf', 'leaves')}"
        released = sum(c.released for c in self.calls)
        gone = f" {_count(released, 'call')} released by a pass: what lies behind is gone." if released else ""
        return "\n".join([*lines, f"{total}; their pullbacks keep {_amount(self.bytes)} alive.{gone}"])

    def _row(self, call: Call) -> tuple[str, ...]:
        made = ", ".join(self.names[n] for n in call.nodes)
        of = "(released)" if call.released else ", ".join(self.names[p] for p, _, _ in call.edges)
        shapes = ", ".join(str(tuple(n.shape)) for n in call.nodes)
        dtype = _dtype(call.nodes[0])
        site = call.site
        line = "" if site is None else f"{site.file}:{site.line}{' (pullback)' if site.within else ''}"
        return f"{made} = {call.op.name}", of, shapes, dtype, _amount(call.bytes), line

    # As a picture ---------------------------------------------------------------------------------------------------

    def dot(self) -> str:
        """The picture in the DOT language of Graphviz: boxes for values, edges labelled with function and argument."""
        head, left_out, tail = self._shown()
        drawn = [*head, *tail]
        inner = {n for c in drawn for n in c.nodes}
        leaves = dict.fromkeys(p for c in drawn for p, _, _ in c.edges if p.op is None) or dict.fromkeys(self.leaves)
        values = _values({*inner, *leaves})
        lines = ["digraph xgrad {", '  rankdir="LR";', '  node [shape="box", fontname="monospace", fontsize="10"];']
        lines += ['  edge [fontname="monospace", fontsize="9"];']
        for node in (*leaves, *sorted(inner, key=lambda n: n.serial)):
            style = ', style="filled", fillcolor="#dfeaf7"' if node in leaves else ""
            lines.append(f"  {_id(node)} [label={_quoted(self._label(node, values))}{style}];")
        if left_out:
            lines.append(f'  more [label="{left_out:,} more calls", style="dashed"];')
        for call in drawn:
            for parent, _, position in call.edges:
                text = call.op.name + (f": {call.argument(position)}" if len(call.edges) > 1 else "")
                source = _id(parent) if parent in inner or parent in leaves else "more"
                lines += [f"  {source} -> {_id(node)} [label={_quoted(text)}];" for node in call.nodes]
            if call.released:
                gone = f"released{call.nodes[0].serial}"
                lines.append(f'  {gone} [label="released", style="dashed"];')
                lines.append(f"  {gone} -> {_id(call.nodes[0])} [label={_quoted(call.op.name)}];")
        if left_out:
            older = {n for c in head for n in c.nodes}
            used = {p for c in drawn for p, _, _ in c.edges}
            lines += [f"  {_id(n)} -> more;" for n in older if n not in used]
        return "\n".join([*lines, "}"]) + "\n"

    def _label(self, node: Node, values: dict[Node, Any]) -> str:
        parts = [f"{self.names[node]} {tuple(node.shape)} {_dtype(node)}"]
        if node in values and (numbers := _numbers(values[node])):
            parts.append(numbers)
        gradient = getattr(node, "grad", None)
        gradient = gradient.grad if type(gradient) is Node else gradient  # kept by retain_grad
        if gradient is not None:
            parts.append(f"grad {_numbers(gradient) or tuple(gradient.shape)}")
        return "\n".join(parts)

    def svg(self) -> str:
        """The picture as SVG text, drawn by Graphviz: the ``graphviz`` package and its program ``dot``.

        Raises
        ------
        ImportError
            When the package is not installed.
        RuntimeError
            When the package finds no ``dot``, which is installed apart from Python.
        """
        try:
            import graphviz
        except ImportError:
            raise ImportError(
                "svg: needs the package graphviz. pip install 'xgrad[inspect]', or draw the text of dot() elsewhere."
            ) from None
        try:
            return graphviz.Source(self.dot()).pipe(format="svg", encoding="utf-8")
        except graphviz.ExecutableNotFound:
            raise RuntimeError(
                "svg: the program dot was not found. Install Graphviz itself (apt install graphviz, "
                "brew install graphviz), or draw the text of dot() elsewhere."
            ) from None

    def _repr_html_(self) -> str:
        """The picture in a notebook, or the table where it cannot be drawn."""
        try:
            picture = self.svg()
        except (ImportError, RuntimeError):
            import html  # ten milliseconds that few need

            return f"<pre>{html.escape(str(self))}</pre>"
        return picture[picture.index("<svg") :]


def _calls(root: Node | None) -> tuple[list[Call], list[Node]]:
    """The calls that a node depends on, from the oldest, and their leaves."""
    found: dict[Node, Call | None] = {}
    waiting = [] if root is None else [root]
    shared: dict[Node, Call] = {}  # the node between the results of one call
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        if node.op is None:
            found[node] = None
            continue
        edges, between = _direct(node)
        call = shared.get(between) if between is not None else None
        if call is None:
            call = Call([node], edges)
            if between is not None:
                shared[between] = call
        else:
            call.nodes.append(node)
        found[node] = call
        waiting += [parent for parent, _, _ in edges]
    for call in shared.values():
        call.nodes.sort(key=lambda n: n.serial)
    calls = {id(c): c for c in found.values() if c is not None}.values()
    leaves = sorted((n for n, c in found.items() if c is None), key=lambda n: n.serial)
    return sorted(calls, key=lambda c: c.nodes[0].serial), leaves


def _direct(node: Node) -> tuple[list[tuple[Node, Any, int]], Node | None]:
    """The edges of a node to values, past those in between that share pullbacks, and the first of these if any."""
    between = None
    edges = []
    waiting = [(node, edge) for edge in reversed(node.edges or ())]
    while waiting:
        _, edge = waiting.pop()
        parent = edge[0]
        if parent.shape is None and parent.op is not None:
            between = between or parent
            waiting += [(parent, inner) for inner in reversed(parent.edges or ())]
        elif parent.op is not None or parent.edges == ():
            edges.append(edge)
    probe = getattr(node, "grad", None)
    return [e for e in edges if e[0] is not probe], between


# What pullbacks keep --------------------------------------------------------------------------------------------------


def _held(call: Call, seen: set[Any]) -> Iterator[int]:
    """The bytes of the arrays that the pullbacks of a call hold, and that were not ``seen``."""
    waiting: list[Any] = []
    nodes = list(call.nodes)
    while nodes:
        node = nodes.pop()
        for parent, pullback, _ in node.edges or ():
            waiting.append(pullback)
            if parent.shape is None and parent.op is not None:
                nodes.append(parent)
    met: set[int] = set()
    while waiting:
        value = waiting.pop()
        if id(value) in met:
            continue
        met.add(id(value))
        if isinstance(value, types.FunctionType):
            waiting += [c.cell_contents for c in value.__closure__ or () if _filled(c)]
        elif isinstance(value, functools.partial):
            waiting += [value.func, *value.args, *value.keywords.values()]
        elif isinstance(value, tuple | list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
        elif hasattr(raw := strip(value), "shape") and hasattr(raw, "dtype"):
            xp = namespace_of(raw)
            marks = set() if xp is None else {id(raw), ("memory", xp.memory(raw))}
            if marks and seen.isdisjoint(marks):
                yield xp.held(raw)
            seen |= marks
        elif type(value).__module__.startswith("xgrad.transforms"):  # the pullbacks of custom rules and checkpoints
            waiting += [v for v in vars(value).values() if v is not functions]


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


# Values and words -----------------------------------------------------------------------------------------------------


def _values(nodes: set[Node]) -> dict[Node, Any]:
    """The values of nodes whose Tensors are alive."""
    alive = (o for o in gc.get_objects() if type(o) is Tensor)
    return {t.node: t for t in alive if getattr(t, "node", None) in nodes}


def _numbers(value: Any) -> str:
    """A small array in three digits; of one that other transforms watch, what is inside."""
    raw = strip(value)
    if not 0 < math.prod(raw.shape) <= _SMALL:
        return ""
    return np.array2string(np.asarray(namespace_of(raw).to_numpy(raw)), precision=3, separator=", ")


def _dtype(node: Node) -> str:
    return str(as_dtype(node.dtype))


def _id(node: Node) -> str:
    return f"n{node.serial}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [c.rjust(w) if i == 4 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
    return "  ".join(cells).rstrip()


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _amount(n: int) -> str:
    size = float(n)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return ""
