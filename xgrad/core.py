"""The engine: Tensor, Node, primitive, composite, fit and the reverse pass.

A ``Tensor`` is a raw array of some library and, when a derivative may be asked for, the ``Node`` that made it.  A node
holds one *edge* per watched argument: the argument's node, a *pullback* (the function that takes the cotangent of the
result to the cotangent of that argument) and the argument's position.  Pullbacks are closures made by the *rule* of a
primitive; what a closure names stays alive and nothing else does.

**A call** takes the highest *level* among its arguments (0 is the tape of ``.backward()``; every ``vjp`` or ``grad``
opens a new, higher one), unwraps the Tensors of that level and the unwatched ones, and computes on what is inside.  If
Tensors of a lower level remain, the rest is *lifted* to Tensors, and computing means calling the same primitive one
level down, with ``xp`` the namespace of Tensors: that is all there is to higher derivatives.  If nobody watches, that
is all; else the rule is asked, and the pullbacks of the watched arguments go into a new node.

The pass back over the graph, ``fit`` and ``lift`` are in ``reverse``.

Cotangents are bilinear partners: no rule conjugates but those of ``conj``, ``real``, ``imag`` and ``abs``.  At the
public border (``.grad``, ``grad(f)``) the gradient of a real function is conjugated, which makes it the direction of
steepest ascent.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from .arguments import SCALARS, as_dtype, canonical, index_key, localise, settle, smooth, strip
from .backends import namespace_of
from .errors import DeviceError, GraphError, unfit
from .face import Face
from .numpy_protocol import NumPyProtocol
from .registry import Methods, Operators, composites, functions, register
from .reverse import UNCOMMITTED, Node, Results, cotangent_dtype, next_serial, reverse, state
from .writing import as_written, link, write, write_here

_new = object.__new__


class Tensor(Operators, Methods, Face, NumPyProtocol):
    """An array that remembers how it was made.

    Parameters
    ----------
    value : array, scalar or nested list
        The elements; copied, so later changes to the argument do not reach the Tensor.
    device : str or Device, optional
        Where to put it; by default where an array is, else the default device.
    dtype : dtype, optional
        Type of the elements; by default that of ``value``.
    requires_grad : bool
        Whether this is a leaf that ``backward()`` gives a gradient.  Integer leaves get gradients in float64, bool
        never.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0, 3.0])
    >>> (x**2).sum().backward()
    >>> x.grad
    Tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "leaf", "link", "node", "value", "views")
    __module__ = "xgrad"

    def __init__(self, value: Any, *, device: Any = None, dtype: Any = None, requires_grad: bool = True):
        if type(value) is Tensor and value.requires_grad:
            raise TypeError("Tensor: value is tracked, and a copy would lose its gradient. Use x.detach() or x.copy().")
        made = functions.asarray(value, device=device, dtype=dtype, copy=True)
        self.value = made.value
        self.node = leaf(self.value, 0) if requires_grad else None

    def __init_subclass__(cls):
        raise TypeError("Tensor: cannot be subclassed; the engine knows one class. Hold a Tensor as an attribute.")

    # Gradients ------------------------------------------------------------------------------------------------------

    @property
    def grad(self):
        """The gradient of the last ``backward()``: a Tensor like this one, or None before the first pass."""
        kept = getattr(getattr(self, "leaf", self.node), "grad", None)
        return kept.grad if type(kept) is Node else kept

    @grad.setter
    def grad(self, value):
        if not self.requires_grad:
            raise GraphError("grad: this Tensor is not tracked, so it has no gradient to set. Make it a leaf.")
        getattr(self, "leaf", self.node).grad = value

    def backward(self, grad: Any = None, *, zero_grad: bool = True, retain_graph: bool = False) -> None:
        """Compute the gradient of this Tensor with respect to every leaf it depends on.

        Parameters
        ----------
        grad : array, optional
            The cotangent of this Tensor, of its shape; ones by default.
        zero_grad : bool
            True replaces the gradients of the leaves reached, False adds to them.
        retain_graph : bool
            Keep the graph for another pass, and every intermediate gradient with it.

        Raises
        ------
        GraphError
            When nothing was recorded, or the graph was already released.
        """
        backward(self, grad, zero_grad, retain_graph)

    def retain_grad(self):
        """Keep the gradient of this intermediate result in the next pass; returns the Tensor."""
        if self.requires_grad and self.node.edges != () and not hasattr(self.node, "grad"):
            probe = Node(self.node.level, (), None, self.node.shape, self.node.dtype)
            probe.serial = -probe.serial  # older than anything, so that it stays a leaf of the pass
            probe.grad = None
            self.node.edges = (*self.node.edges, (probe, lambda ct: ct, 0))
            self.node.grad = probe
        return self

    def detach(self):
        """The same values as a constant."""
        return constant(strip(self))

    # Elements -------------------------------------------------------------------------------------------------------

    def __getitem__(self, key):
        return functions.getitem(self, key=index_key(key, self.ndim))

    def __setitem__(self, key, value):
        key = index_key(key, self.ndim)
        value = np.asarray(value) if isinstance(value, list | tuple) else value
        if write_here(self, value, key):
            return
        write(self, functions.setitem(self, value, key=key), state.blocked)

    def _write(self, new, function: str):
        write(self, as_written(self, new, function), state.blocked)
        return self


def leaf(value: Any, level: int) -> Node:
    """A new leaf of the graph at ``level`` for ``value``; a boolean or text value cannot have one."""
    dtype = value.dtype
    if as_dtype(dtype).kind not in "iufc":
        raise TypeError(f"requires_grad: only numbers have gradients; got dtype {dtype}. Pass requires_grad=False.")
    node = Node(level, (), None, tuple(value.shape), dtype)
    node.grad = None
    return node


def constant(value: Any, node: Node | None = None) -> Tensor:
    """A Tensor that nobody watches; with UNCOMMITTED as its node it follows the device of what it meets."""
    tensor = _new(Tensor)
    tensor.value = value
    tensor.node = node
    return tensor


# Calls ----------------------------------------------------------------------------------------------------------------


class Primitive:
    """What the engine knows of one function.

    ``arrays`` counts the leading arguments that are arrays (None for one sequence of them), ``rule`` is the vjp rule.
    ``zero`` says that the derivative vanishes wherever it exists.  ``selects`` marks functions whose pullbacks make exact
    zeros, ``singular`` elementwise ones whose pullbacks may divide by zero.  ``promote`` lists the arrays that share a
    result dtype, ``put_back`` (see ``writing``) marks functions whose result is a view.
    """

    def __init__(
        self, function, *, vjp=None, zero=False, selects=False, singular=False, promote=None, arrays=None, results=False
    ):
        self.name = function.__name__
        signature = inspect.signature(function)
        kinds = [(p.name, p.kind) for p in signature.parameters.values()]
        positional = [name for name, k in kinds if k is inspect.Parameter.POSITIONAL_ONLY]
        sequence = positional == ["arrays"]
        self.arrays = None if sequence else len(positional) if arrays is None else arrays
        self.names = tuple(name for name, _ in kinds)
        self.positional = len(positional)
        self.rule = vjp
        self.zero = zero
        self.selects = selects
        self.singular = singular
        self.flags = selects or singular
        self.promote = tuple(range(len(positional))) if promote is None else promote
        self.results = results
        self.put_back: Callable[..., Any] | None = None
        self.call: Callable[..., Any]
        self.short: dict[type, Any] = {}  # array type -> (implementation, backend), where the short path may be taken

    def implementation(self, xp: Any) -> Callable[..., Any]:
        """The backend's function of this name."""
        try:
            return getattr(xp, self.name)
        except AttributeError:
            raise NotImplementedError(f"{self.name}: the array library {xp.name} has no such function.") from None


def primitive(function=None, **traits):
    """Make a function that the backend computes and its rule differentiates; the body holds only the docstring.

    The rule ``vjp(xp, out, *arrays, **metadata)`` returns one pullback per array, None for an argument that is never
    differentiated, or a single joint pullback that returns all cotangents.  ``@name.vjp`` sets it below the function,
    ``@name.view`` says how a write to the result is put back into the first argument.
    """
    if function is None:
        return lambda f: primitive(f, **traits)
    op = Primitive(function, **traits)
    plain = op.arrays == len(op.names)  # arrays only, so the short paths serve
    path = _unary(op) if plain and op.arrays == 1 else _binary(op) if plain and op.arrays == 2 else _nary(op)
    call: Any = functools.update_wrapper(path, function)
    op.call, call.op = call, op

    def vjp_setter(rule):
        op.rule = rule
        return rule

    def view_setter(put_back):
        op.put_back = put_back
        return put_back

    call.vjp, call.view = vjp_setter, view_setter
    register(call)
    return call


def composite(formula):
    """Make a function from a formula ``f(xp, x, ...)`` in terms of other functions; it needs no rule of its own."""
    signature = inspect.signature(formula)
    parameters = list(signature.parameters.values())[1:]

    def call(*args, **kwargs):
        return formula(functions, *args, **kwargs)

    public: Any = functools.update_wrapper(call, formula)
    del public.__wrapped__
    public.__signature__ = signature.replace(parameters=parameters)
    register(public)
    composites[formula.__name__] = formula
    return public


def _unary(op: Primitive):
    short = op.short

    def call(x, /):
        if type(x) is Tensor:
            value, node = x.value, x.node
            entry = short.get(type(value))
            if entry is not None:
                function, xp = entry
                out = function(value)
                if type(out) is not type(value):
                    out = xp.as_array(out)
                if node is None or node.level <= state.blocked or op.zero:
                    return constant(out, node if node is UNCOMMITTED else None)
                if op.rule is not None:
                    return _record(op, node.level, ((node, op.rule(xp, out, value), 0),), out)
        return apply(op, (x,), {})

    return call


def _binary(op: Primitive):
    short = op.short

    def call(x1, x2, /):
        n1 = n2 = None
        v1, v2 = x1, x2
        if type(x1) is Tensor:
            v1, n1 = x1.value, x1.node
        elif type(x1) not in SCALARS:
            return apply(op, (x1, x2), {})
        if type(x2) is Tensor:
            v2, n2 = x2.value, x2.node
            if type(v1) is not type(v2) and type(v1) not in SCALARS:
                return apply(op, (x1, x2), {})
            entry = short.get(type(v2))
        elif type(x2) in SCALARS:
            entry = short.get(type(v1))
        else:
            return apply(op, (x1, x2), {})
        l1 = -2 if n1 is None else n1.level
        l2 = -2 if n2 is None else n2.level
        if entry is None or (l1 != l2 and l1 >= 0 and l2 >= 0):
            return apply(op, (x1, x2), {})
        function, xp = entry
        try:
            out = function(v1, v2)
        except ValueError as error:
            raise unfit(op.name, error, (v1, v2), {}) from None
        if type(out) is not xp.array_type:
            out = xp.as_array(out)
        level = l1 if l1 > l2 else l2
        if level <= state.blocked or op.zero:
            free = (n1 is UNCOMMITTED or type(x1) in SCALARS) and (n2 is UNCOMMITTED or type(x2) in SCALARS)
            return constant(out, UNCOMMITTED if free else None)
        if op.rule is None:
            return apply(op, (x1, x2), {})
        p1, p2 = op.rule(xp, out, v1, v2)
        if l1 != level or p1 is None:
            if l2 != level or p2 is None:
                return constant(out)
            return _record(op, level, ((n2, p2, 1),), out)
        if l2 != level or p2 is None:
            return _record(op, level, ((n1, p1, 0),), out)
        return _record(op, level, ((n1, p1, 0), (n2, p2, 1)), out)

    return call


def _nary(op: Primitive):
    count, names = op.arrays, op.names

    def call(*args, **params):
        if count is None:
            arrays, rest = tuple(args[0]), args[1:]
            metadata = names[1:]
        else:
            named = names[len(args) : count]  # clip(x, min=0): arrays given by keyword
            arrays, rest, metadata = args[:count], args[count:], names[count:]
            if named:
                if not op.positional <= len(args):
                    raise TypeError(f"{op.name}: missing argument {named[0]}.")
                arrays += tuple(params.pop(name, None) for name in named)
        if rest:
            params.update(zip(metadata, rest, strict=False))
        return apply(op, arrays, canonical(params))

    return call


def _record(op: Primitive, level: int, edges: tuple, out: Any) -> Tensor:
    node = _new(Node)
    node.serial = next_serial()
    node.level = level
    node.edges = edges
    node.op = op
    node.shape = out.shape
    node.dtype = out.dtype
    tensor = _new(Tensor)
    tensor.value = out
    tensor.node = node
    return tensor


def apply(op: Primitive, arrays: tuple, params: dict[str, Any]) -> Any:
    """The call in full: any number of arrays, of any kind, at any levels.  ``params`` are canonical."""
    blocked = state.blocked
    level = -1
    arrays = tuple(a.item() if isinstance(a, np.generic) else a for a in arrays)
    for a in arrays:
        if type(a) is Tensor and a.node is not None and a.node.level > level and a.node.level > blocked:
            level = a.node.level
    inner = [_inside(a, level, blocked) for a in arrays]
    lifted = any(type(v) is Tensor for v in inner)
    xp: Any = functions
    local = params
    if lifted:
        inner = [v if type(v) in SCALARS or type(v) is Tensor or v is None else constant(v) for v in inner]
        out = op.call(inner, **params) if op.arrays is None else op.call(*inner, **params)
    else:
        names = op.names[: op.arrays] if op.arrays is not None else tuple(f"arrays[{i}]" for i in range(len(arrays)))
        loose = [type(a) is np.ndarray or (type(a) is Tensor and a.node is UNCOMMITTED) for a in arrays]
        promote = op.promote if op.arrays is not None else tuple(range(len(arrays)))
        xp, inner = settle(op.name, names, inner, loose, promote)
        local = localise(xp, params, next(v for v in inner if hasattr(v, "shape"))) if params else params
        function = op.implementation(xp)
        try:
            out = function(inner, **local) if op.arrays is None else function(*inner, **local)
        except (ValueError, IndexError, RuntimeError) as error:
            library_failed = isinstance(error, RuntimeError) and type(error) is not RuntimeError  # out of memory, CUDA
            if library_failed or isinstance(error, DeviceError):
                raise
            raise unfit(op.name, error, inner, local) from None
        out = tuple(map(xp.as_array, out)) if op.results else xp.as_array(out)
        if xp.promotes and len(arrays) <= 2 and op.arrays == len(op.names):
            op.short[xp.array_type] = (function, xp)
    watched = [i for i, a in enumerate(arrays) if type(a) is Tensor and a.node is not None and a.node.level == level]
    if level < 0 or not watched or op.zero:
        free = not lifted and all(loose[i] or type(a) in SCALARS or a is None for i, a in enumerate(arrays))
        mark = UNCOMMITTED if free else None
        result: Any = tuple(_wrapped(v, mark) for v in out) if op.results else _wrapped(out, mark)
    else:
        if op.rule is None:
            raise NotImplementedError(
                f"{op.name}: no vjp rule yet. Write one with @{op.name}.vjp, or detach() the argument."
            )
        primals = inner if lifted or xp.promotes else smooth(xp, inner, op.promote)
        edges = _edges(op, op.rule(xp, out, *primals, **local), arrays, watched, level)
        result = _split(op, level, edges, out) if op.results else _record(op, level, edges, out)
    if op.put_back is not None and type(arrays[0]) is Tensor:
        whole = strip(arrays[0])
        for i, view in enumerate(result if op.results else (result,)):
            if namespace_of(whole).is_view(strip(view), whole):
                link(view, arrays[0], op, {**params, "result": i} if op.results else params)
    return result


def _inside(a: Any, level: int, blocked: int) -> Any:
    """What a call at ``level`` computes on: the value of a Tensor of that level, of a constant, or of a blocked one."""
    if type(a) is not Tensor:
        return a
    node = a.node
    if node is None or node.level == level:
        return a.value
    return strip(a) if node.level <= blocked else a


def _wrapped(value: Any, mark: Node | None) -> Tensor:
    return value if type(value) is Tensor else constant(value, mark)


def _edges(op: Primitive, pullbacks: Any, arrays: tuple, watched: list[int], level: int) -> tuple:
    """The edges of a new node; shared pullbacks go through a node of their own that splits their results."""
    if callable(pullbacks):
        if len(arrays) == 1:
            return ((arrays[0].node, pullbacks, 0),)
        parts = tuple((arrays[i].node, itemgetter(i), i) for i in watched)
        return ((Node(level, parts, op, None, None), lambda ct: Results(pullbacks(ct)), -1),)
    return tuple((arrays[i].node, pullbacks[i], i) for i in watched if pullbacks[i] is not None)


def _split(op: Primitive, level: int, edges: tuple, out: tuple) -> tuple:
    """One Tensor per result, each with an edge that puts its cotangent in its place."""
    node = Node(level, edges, op, None, None)

    def placed(i):
        return lambda ct: Results(ct if j == i else None for j in range(len(out)))

    return tuple(_record(op, level, ((node, placed(i), -1),), v) for i, v in enumerate(out))


def seed(tensor: Tensor, ct: Any, function: str) -> Any:
    """The cotangent ``ct`` for ``tensor``, checked and conjugated at the border; ones when it is None."""
    value = tensor.value
    if ct is None:
        dtype = cotangent_dtype(tensor.dtype)
        ones = functions.ones_like(constant(value) if type(value) is not Tensor else value, dtype=dtype)
        return ones if type(value) is Tensor else ones.value
    ct = functions.asarray(ct)
    if ct.shape != tensor.shape:
        raise ValueError(
            f"{function}: the cotangent must have the shape of the result; got {ct.shape} for {tensor.shape}."
        )
    if ct.dtype.kind == "c":
        ct = functions.conj(ct)
    if type(value) is Tensor or ct.requires_grad:
        return ct
    return settle(function, ("result", "cotangent"), [value, ct.value], [False, ct.node is UNCOMMITTED], ())[1][1]


def gradient(ct: Any) -> Tensor:
    """A cotangent at the public border: conjugated when complex, in memory of its own, as a Tensor."""
    tensor = ct if type(ct) is Tensor else constant(namespace_of(ct).as_array(ct))
    return functions.conj(tensor) if tensor.dtype.kind == "c" else tensor


def backward(tensor: Tensor, grad: Any, zero_grad: bool, retain_graph: bool) -> None:
    """What ``Tensor.backward`` does: one pass on the bottom level, its results stored on the leaves."""
    if not tensor.requires_grad:
        raise GraphError(
            "backward: nothing was recorded for this Tensor; no Tensor with requires_grad=True went into it. "
            "Make a leaf with xgrad.Tensor(...), outside no_grad()."
        )
    if tensor.node.level != 0:
        raise GraphError("backward: this Tensor is watched by grad or vjp. Use xgrad.grad inside, or return the loss.")
    root = tensor.node
    start = seed(tensor, grad, "backward")
    cts = reverse({root: start}, retain_graph, gradient if retain_graph else None)
    if root.edges != ():
        root.grad = gradient(start)
    taken = {id(start)}
    for node, ct in cts.items():
        raw = ct if id(ct) not in taken else namespace_of(ct).copy(ct)
        new = gradient(namespace_of(raw).own(raw))
        taken.add(id(ct))
        node.grad = new if zero_grad or node.grad is None else constant((node.grad + new).value)
