"""What a call does: primitive, composite and apply.

**A call** takes the highest *level* among its arguments (0 is the tape of ``.backward()``; every ``vjp`` or ``grad``
opens a new, higher one), unwraps the Tensors of that level and the unwatched ones, and computes on what is inside.  If
Tensors of a lower level remain, the rest is *lifted* to Tensors, and computing means calling the same primitive one
level down, with ``xp`` the namespace of Tensors: that is all there is to higher derivatives.  If nobody watches, that
is all; else the *rule* of the primitive is asked for pullbacks, and those of the watched arguments go into a new node.
Pullbacks are closures: what a closure names stays alive and nothing else does.

``apply`` is the call in full.  The paths for one array, two arrays, one array with metadata, and several arrays are
shorter ways to the same result where all values are raw arrays of one library that promotes dtypes by itself.

``tensor`` holds what a call makes, ``reverse`` the graph and the pass back over it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np

from .arguments import SCALARS, as_dtype, canonical, localise, settle, smooth, strip
from .backends import namespace_of
from .errors import DeviceError, NotAnArrayError, unfit
from .forward import Dual, advance
from .precision import narrowing
from .registry import PYTHONS, composites, full_name, functions, refused, register, set_operator
from .reverse import UNCOMMITTED, Node, Results, blocks, cotangent_dtype, state
from .tensor import Tensor, constant
from .writing import is_view, link


class Primitive:
    """What the engine knows of one function.

    ``arrays`` counts the leading arguments that are arrays (None for one sequence of them), ``rule`` is the vjp rule.
    ``zero`` says that the derivative vanishes wherever it exists.  ``selects`` marks functions whose pullbacks make
    exact zeros, ``singular`` elementwise ones whose pullbacks may meet an infinity or NaN.  ``floating`` ones compute
    integers in float64, ``promote`` lists the arrays that share a result dtype, ``results`` is the tuple or named-tuple
    type of several results, ``put_back`` (see ``writing``) marks functions whose result is a view, and ``boxed`` ones
    meet no Python numbers among their arrays: they become 0-d arrays.  The pullback of a function that ``adds`` makes
    new memory, or adds to the cotangent that is its second argument.  A backend's version of a function that ``saves``
    returns its result and what the rule gets as ``saved``, so that pullbacks need not compute it again; that is None
    where a library has nothing to save, and where the call was made on Tensors.

    Three traits make forward mode cheaper (see ``forward``): ``diagonal`` functions are elementwise with pullbacks that
    are their own transpose (by default the singular ones), ``linear`` ones are linear in all arrays together,
    ``multilinear`` ones in each array by itself, or in as many as the trait says, the others being added.  Outside of
    ``debug`` nothing checks whether a diagonal pullback keeps shape and dtype: 3 % of a chain of small operations.
    """

    def __init__(
        self,
        function,
        *,
        vjp=None,
        zero=False,
        selects=False,
        singular=False,
        diagonal=None,
        linear=False,
        multilinear=False,
        adds=False,
        floating=False,
        promote=None,
        arrays=None,
        boxed=False,
        saves=False,
        results=None,
    ):
        self.name = full_name(function)
        code = function.__code__  # as inspect.signature has it, in a tenth of the time, for every function at import
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        positional = list(names[: code.co_posonlyargcount])
        sequence = positional == ["arrays"]
        self.arrays = None if sequence else len(positional) if arrays is None else arrays
        self.names = names
        self.positional = len(positional)
        self.optional = not sequence and arrays is not None and arrays > len(positional)  # None may stand for an array
        self.rule = vjp
        self.zero = zero
        self.selects = selects
        self.singular = singular
        self.diagonal = singular if diagonal is None else diagonal
        self.linear = linear
        self.multilinear = multilinear
        self.adds = adds
        self.floating = floating
        self.promote = tuple(range(len(positional))) if promote is None else promote
        self.saves = saves
        self.results = results
        self.alone = not (results or saves)  # whether a backend returns one array and nothing beside it
        self.bundle = getattr(results, "_make", results)  # makes the result of several arrays
        self.put_back: Callable[..., Any] | None = None
        self.call: Callable[..., Any]
        self.short: dict[type, Any] = {}  # array type -> (implementation, backend), where the short path may be taken

    def implementation(self, xp: Any) -> Callable[..., Any]:
        """The backend's function of this name."""
        try:
            return attrgetter(self.name)(xp)
        except AttributeError:
            raise NotImplementedError(f"{self.name}: the array library {xp.name} has no such function.") from None


def primitive(function=None, *, narrows=False, **traits):
    """Make a function that the backend computes and its rule differentiates; the body holds only the docstring.

    The rule ``vjp(xp, out, *arrays, **metadata)`` returns one pullback per array, None for an argument that is never
    differentiated, or a single joint pullback that returns all cotangents.  ``@name.vjp`` sets it below the function,
    ``@name.view`` says how a write to the result is put back into the first argument.  What ``narrows`` is computed in
    16 bits inside ``autocast``.
    """
    if function is None:
        return lambda f: primitive(f, narrows=narrows, **traits)
    op = Primitive(function, **traits)
    plain = op.arrays == len(op.names) and op.alone  # from arrays to one array: the shortest paths serve
    path = _unary(op) if plain and op.arrays == 1 else _binary(op, apply) if plain and op.arrays == 2 else _nary(op)
    if op.name in PYTHONS:
        set_operator(op.name, _binary(op, _apply_or_refuse))
    path = _boxing(path) if traits.get("boxed") else path
    path = narrowing(path, function) if narrows else path
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


def composite(formula=None, *, boxed=False):
    """Make a function from a formula ``f(xp, x, ...)`` in terms of other functions; it needs no rule of its own.

    Where it is ``boxed``, Python numbers given by position reach the formula as 0-d arrays.
    """
    if formula is None:
        return lambda f: composite(f, boxed=boxed)
    parameters = list(inspect.signature(formula).parameters.values())[1:]
    name = full_name(formula)

    def call(*args, **kwargs):
        if state.debug is not None:
            return state.debug.composite(name, formula, args, kwargs)
        return formula(functions, *args, **kwargs)

    public: Any = functools.update_wrapper(_boxing(call) if boxed else call, formula)
    del public.__wrapped__
    public.__signature__ = inspect.Signature(parameters)
    register(public)
    composites[name] = formula
    return public


def _boxing(path):
    """The path with Python numbers as 0-d arrays of the dtype that they have beside the others."""

    def call(*args, **params):
        if any(type(a) in SCALARS for a in args):
            dtypes = [
                a if type(a) in SCALARS else as_dtype(a.dtype)
                for a in args
                if hasattr(a, "dtype") or type(a) in SCALARS
            ]
            dtype = cotangent_dtype(np.result_type(*dtypes))
            args = tuple(functions.asarray(a, dtype=dtype) if type(a) in SCALARS else a for a in args)
        return path(*args, **params)

    return call


def _unary(op: Primitive):
    short = op.short

    def call(x, /):
        if type(x) is Tensor:
            value, node = x.value, x.node
            kind = type(value)
            entry = short.get(kind)
            if entry is not None:
                if op.put_back is not None:
                    return _one(op, x, {})
                function, xp = entry
                try:
                    out = function(value)
                except (ValueError, TypeError) as error:
                    raise unfit(op.name, error, (value,), {}) from None
                if type(out) is not kind:
                    out = xp.as_array(out)
                if node is None or node.level < 0 or (blocks and node.level <= state.blocked) or op.zero:
                    return constant(out, node if node is UNCOMMITTED else None)
                if op.rule is not None:
                    return node.record(op, ((node, op.rule(xp, out, value), 0),), out)
        return apply(op, (x,), {})

    return call


def _apply_or_refuse(op: Primitive, arrays: tuple, params: dict[str, Any]) -> Any:
    """``apply`` for Python's operators."""
    try:
        return apply(op, arrays, params)
    except NotAnArrayError as error:
        return refused(op.name, arrays[1], error)


def _binary(op: Primitive, otherwise: Callable[..., Any]):
    short, multilinear = op.short, op.multilinear

    def call(x1, x2, /):
        entry: Any = None
        n1: Any = None
        n2: Any = None
        if type(x1) is Tensor:
            v1, n1 = x1.value, x1.node
            kind = type(v1)
            if type(x2) is Tensor:
                v2, n2 = x2.value, x2.node
                if type(v2) is kind:
                    entry = short.get(kind)
            elif type(x2) in SCALARS:
                v2 = x2
                entry = short.get(kind)
        elif type(x1) in SCALARS and type(x2) is Tensor:
            v1, v2, n2 = x1, x2.value, x2.node
            kind = type(v2)
            entry = short.get(kind)
        if entry is None:
            return otherwise(op, (x1, x2), {})
        l1 = -2 if n1 is None else n1.level
        l2 = -2 if n2 is None else n2.level
        if l1 == l2 or l2 < 0:
            level, node = l1, n1
        elif l1 < 0:
            level, node = l2, n2
        else:
            return otherwise(op, (x1, x2), {})
        if multilinear and type(node) is Dual:
            return otherwise(op, (x1, x2), {})
        function, xp = entry
        try:
            out = function(v1, v2)
        except (ValueError, TypeError) as error:
            raise unfit(op.name, error, (v1, v2), {}) from None
        if type(out) is not kind:
            out = xp.as_array(out)
        if level < 0 or (blocks and level <= state.blocked) or op.zero:
            free = (n1 is UNCOMMITTED or type(x1) in SCALARS) and (n2 is UNCOMMITTED or type(x2) in SCALARS)
            return constant(out, UNCOMMITTED if free else None)
        if op.rule is None:
            return otherwise(op, (x1, x2), {})
        made = op.rule(xp, out, v1, v2)
        if type(made) is not tuple:  # one joint pullback
            watched = [i for i, own in enumerate((l1, l2)) if own == level]
            return finish(op, made, (x1, x2), (v1, v2), watched, out, {})
        p1, p2 = made
        if l1 != level or p1 is None:
            return constant(out) if l2 != level or p2 is None else node.record(op, ((n2, p2, 1),), out)
        if l2 != level or p2 is None:
            return node.record(op, ((n1, p1, 0),), out)
        return node.record(op, ((n1, p1, 0), (n2, p2, 1)), out)

    return call


def _nary(op: Primitive):
    count, names, short = op.arrays, op.names, op.short
    metadata = names[1:] if count is None else names[count:]
    known = frozenset(metadata)

    def call(*args, **params):
        if count is None:
            arrays, rest = tuple(args[0]) if args else (), args[1:]
            if not arrays:
                raise ValueError(f"{op.name}: at least one array is needed; got none.")
        else:
            arrays, rest = args[:count], args[count:]
            if len(args) < count:  # clip(x, min=0): arrays given by keyword
                if len(args) < op.positional:
                    raise TypeError(f"{op.name}: missing argument {names[len(args)]}.")
                arrays += tuple(params.pop(name, None) for name in names[len(args) : count])
        if rest:
            twice = params.keys() & set(metadata[: len(rest)])
            if twice:
                raise TypeError(f"{op.name}: {', '.join(twice)} is given by place and by name; got both. Give one.")
            params.update(zip(metadata, rest, strict=False))
        if params or rest:
            if len(rest) > len(metadata) or not known.issuperset(params):
                got = ", ".join(map(repr, params.keys() - known)) or f"{len(args)} arguments"
                raise TypeError(f"{op.name}: unknown arguments; got {got}. It takes {', '.join(names)}.")
            params = canonical(op.name, params)
        if count == 1 and type(arrays[0]) is Tensor and type(arrays[0].value) in short and op.alone:
            return _one(op, arrays[0], params)
        return _several(op, arrays, params)

    return call


def _one(op: Primitive, x: Tensor, params: dict[str, Any]) -> Tensor:
    """The short path for one array and metadata."""
    value, node = x.value, x.node
    function, xp = op.short[type(value)]
    local = localise(xp, params, value) if params else params
    try:
        out = function(value, **local)
    except (ValueError, IndexError, TypeError) as error:
        raise unfit(op.name, error, (value,), local) from None
    if type(out) is not type(value):
        out = xp.as_array(out)
    if node is None or node.level < 0 or (blocks and node.level <= state.blocked) or op.zero:
        result = constant(out, node if node is UNCOMMITTED else None)
    elif op.rule is None:
        return apply(op, (x,), params)
    else:
        pullback = op.rule(xp, out, value, **local)
        pullback = pullback if callable(pullback) else pullback[0]
        result = constant(out) if pullback is None else node.record(op, ((node, pullback, 0),), out, params)
    if op.put_back is not None and is_view(op.name, xp, out, value, params):
        link(result, x, op, params)
    return result


def _several(op: Primitive, arrays: tuple, params: dict[str, Any]) -> Any:
    """The short path for several arrays of one type, watched on one level, with Python numbers and None among them."""
    kind: Any = None
    level, free, values, watched = -1, True, [], []
    for i, a in enumerate(arrays):
        value = a
        if type(a) is Tensor:
            value, node = a.value, a.node
            if type(value) is not kind:
                if kind is not None or type(value) not in op.short:
                    return apply(op, arrays, params)
                kind, like = type(value), value
            if node is None:
                free = False
            elif node is not UNCOMMITTED:
                free = False
                if level >= 0 and node.level != level:
                    return apply(op, arrays, params)
                level = node.level
                watched.append(i)
        elif type(a) not in SCALARS and not (a is None and op.optional):
            return apply(op, arrays, params)
        values.append(value)
    if kind is None or op.put_back is not None:
        return apply(op, arrays, params)
    function, xp = op.short[kind]
    local = localise(xp, params, like) if params else params
    try:
        out = function(values, **local) if op.arrays is None else function(*values, **local)
    except (ValueError, IndexError, TypeError) as error:
        raise unfit(op.name, error, values, local) from None
    if op.saves:
        out, saved = out
        local = {**local, "saved": saved}
    if op.results or type(out) is not kind:
        out = op.bundle(map(xp.as_array, out)) if op.results else xp.as_array(out)
    if level < 0 or (blocks and level <= state.blocked) or op.zero:
        mark = UNCOMMITTED if free else None
        return op.bundle(constant(v, mark) for v in out) if op.results else constant(out, mark)
    if op.rule is None:
        return apply(op, arrays, params)
    return finish(op, op.rule(xp, out, *values, **local), arrays, values, watched, out, params)


def apply(op: Primitive, arrays: tuple, params: dict[str, Any]) -> Any:
    """The call in full: any number of arrays, of any kind, at any levels.  ``params`` are canonical."""
    blocked = state.blocked
    level = -1
    for a in arrays:
        if type(a) is Tensor:
            if a.node is not None and a.node.level > level and a.node.level > blocked:
                level = a.node.level
        elif isinstance(a, np.generic):
            arrays = tuple(v.item() if isinstance(v, np.generic) else v for v in arrays)
    inner = [_inside(a, level, blocked) for a in arrays]
    lifted = any(type(v) is Tensor for v in inner)
    xp: Any = functions
    local = params
    if lifted:
        inner = [
            v
            if type(v) in SCALARS or type(v) is Tensor or v is None
            else constant(v, UNCOMMITTED if _loose(a) else None)
            for v, a in zip(inner, arrays, strict=True)
        ]
        out = op.call(inner, **params) if op.arrays is None else op.call(*inner, **params)
    else:
        kinds = {type(v) for v in inner if type(v) not in SCALARS and not (v is None and op.optional)}
        entry = op.short.get(kinds.pop()) if len(kinds) == 1 else None
        if entry is None:
            many = op.arrays is None
            names = tuple(f"arrays[{i}]" for i in range(len(arrays))) if many else op.names[: op.arrays]
            promote = tuple(range(len(arrays))) if many else op.promote
            xp, inner = settle(op.name, names, inner, [_loose(a) for a in arrays], promote, op.optional)
            if op.floating and not xp.promotes:
                inner = smooth(xp, inner, promote)
        else:
            xp = entry[1]  # one library, one device, and it promotes by itself
        local = localise(xp, params, next(v for v in inner if hasattr(v, "shape"))) if params else params
        function = op.implementation(xp)
        try:
            with xp.around(inner):
                out = function(inner, **local) if op.arrays is None else function(*inner, **local)
        except (ValueError, IndexError, TypeError, RuntimeError) as error:
            library_failed = isinstance(error, RuntimeError) and type(error) is not RuntimeError  # out of memory, CUDA
            if library_failed or isinstance(error, (DeviceError, *xp.passes)):
                raise
            raise unfit(op.name, error, inner, local) from None
        if op.saves:
            out, saved = out
            local = {**local, "saved": saved}
        out = op.bundle(map(xp.as_array, out)) if op.results else xp.as_array(out)
        if xp.promotes and xp.single:
            op.short[xp.array_type] = (function, xp)
    watched = [i for i, a in enumerate(arrays) if type(a) is Tensor and a.node is not None and a.node.level == level]
    if level < 0 or not watched or op.zero:
        free = not lifted and all(_loose(a) or type(a) in SCALARS or a is None for a in arrays)
        mark = UNCOMMITTED if free else None
        result: Any = op.bundle(_wrapped(v, mark) for v in out) if op.results else _wrapped(out, mark)
    else:
        if op.rule is None:
            raise NotImplementedError(
                f"{op.name}: no vjp rule yet. Write one with @{op.name}.vjp, or detach() the argument."
            )
        primals = inner if lifted or xp.promotes else smooth(xp, inner, op.promote)
        result = finish(op, op.rule(xp, out, *primals, **local), arrays, primals, watched, out, params)
    if op.put_back is not None and type(arrays[0]) is Tensor:
        whole = strip(arrays[0])
        if is_view(op.name, namespace_of(whole), strip(result), whole, params):
            link(result, arrays[0], op, params)
    return result


def finish(op: Any, pullbacks: Any, arrays: Any, inner: Any, watched: list[int], out: Any, params: Any) -> Any:
    """The result of a call that something watches: on a node of its own, or with its tangent.

    ``arrays`` are the arguments, ``inner`` what is inside them one level down, ``watched`` the places on the level of
    the call, ``out`` what was computed from ``inner``.
    """
    parent = arrays[watched[0]].node
    if type(parent) is Dual:
        return advance(op, pullbacks, arrays, inner, watched, out, params)
    edges = _edges(op, pullbacks, arrays, watched, parent.level)
    if not edges:
        return op.bundle(_wrapped(v, None) for v in out) if op.results else _wrapped(out, None)
    return _split(op, parent, edges, out) if op.results else parent.record(op, edges, out)


def _loose(a: Any) -> bool:
    """Whether an operand follows the device of the others: NumPy data, and what was made from nothing committed."""
    return type(a) is np.ndarray or (type(a) is Tensor and a.node is UNCOMMITTED)


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
        parts = tuple([(arrays[i].node, itemgetter(i), i) for i in watched])
        return ((Node(level, parts, op, None, None), lambda ct: Results(pullbacks(ct)), -1),)
    return tuple([(arrays[i].node, pullbacks[i], i) for i in watched if pullbacks[i] is not None])


def _split(op: Primitive, parent: Node, edges: tuple, out: tuple) -> tuple:
    """One Tensor per result, each with an edge that puts its cotangent in its place."""
    node = Node(parent.level, edges, op, None, None)

    def placed(i):
        return lambda ct: Results([ct if j == i else None for j in range(len(out))])

    return op.bundle(parent.record(op, ((node, placed(i), -1),), v) for i, v in enumerate(out))
