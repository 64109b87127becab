"""Finding the cause of a NaN or an infinity: ``debug`` checks every call, every cotangent and every tangent.

Outside of a ``debug`` block nothing is checked and nothing is paid for: the first block that opens swaps checking ways
into the engine (``_WAYS``, and the implementations that the short paths of ``core`` remember), the last one that closes
swaps them out again.  Blocks belong to a thread; a thread without one passes through the swapped ways unchecked.  Only
two places look at ``state.debug`` by themselves, once per pass back and once per composite.

**Who is to blame.**  A call whose result holds a NaN or an infinity that none of its arguments held.  So by the time
that a NaN is seen in an argument, it came from outside: in a leaf, a constant, or from a call before the block.  An
infinity that was given is passed on in peace (masks of -inf live on it); what turns it into NaN is not.  Inside an
installed library a NaN that was given passes too, for such libraries carry it on purpose; if it survives, it is found
at the next line of the user's own.

**What is masked.**  Inside xgrad's own composites, rules and pushes, bad values may be made and masked away again.
There only what comes out counts: a composite keeps its first alarm until its result is known, and while a pullback or a
push of a primitive runs nothing inside it is checked.
"""

from __future__ import annotations

import cmath
import contextlib
import functools
import linecache
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import core
from .backends import namespace_of
from .core import Primitive
from .errors import NonFiniteError
from .forward import Dual
from .pytree import flatten
from .registry import every_function, functions
from .reverse import Node, state, zero_safe
from .tensor import Tensor

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


@functools.cache
def _installed() -> tuple[str, ...]:
    """Where Python's own and installed packages are."""
    import sysconfig

    return tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True)
class Site:
    """The user's line that called a function of xgrad.

    ``through`` is the line of an installed library between the two, ``within`` says in whose pullback the call was
    made.
    """

    file: str
    line: int
    function: str
    through: str = ""
    within: str = ""

    def __str__(self) -> str:
        through = f" (through {self.through})" if self.through else ""
        return f"{self.file}:{self.line}, in {self.function}{through}"

    @property
    def source(self) -> str:
        """The text of the line, where Python can read it."""
        return linecache.getline(self.file, self.line).strip()


def call_site() -> Site | None:
    """The innermost line outside of xgrad that is running in this thread, and outside of installed libraries too."""
    frame: Any = sys._getframe(1)
    library = None
    while frame is not None:
        file, line, name = frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
        if not file.startswith(_HERE) and not file.startswith("<frozen"):
            if not file.startswith(_installed()):
                return Site(file, line, name, f"{library.file}:{library.line}" if library else "")
            library = library or Site(file, line, name)
        frame = frame.f_back
    return library


class debug(contextlib.ContextDecorator):
    """Context or decorator inside which this thread stops at the first NaN or infinity, and names its cause.

    Checked are the results of all functions, the cotangents of the pass back and the tangents of forward mode.  The
    error names the function and the user's line of the forward call, in the pass back too when the call was recorded
    under ``debug``; so do all other errors raised in pullbacks.

    What a selection such as ``where`` masks out later is found as well: move the selection into the argument, or pass
    ``forward=False``.  Infinities among the arguments are passed on; the NaN that comes of them is reported.

    Parameters
    ----------
    nan, inf : bool
        What to look for.
    forward : bool
        Whether results are checked.
    backward : bool
        Whether cotangents and tangents are checked.

    Raises
    ------
    NonFiniteError
        A FloatingPointError, in place of the first result that is not finite.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([4.0, 0.0])
    >>> try:
    ...     with xg.debug():
    ...         xg.sqrt(x).sum().backward()
    ... except FloatingPointError as error:
    ...     print(error)                         # doctest: +ELLIPSIS
    sqrt: the cotangent of x is inf at (1,), 1 of 2 elements, and a finite...
    """

    def __init__(self, *, nan: bool = True, inf: bool = True, forward: bool = True, backward: bool = True):
        self.options = (frozenset(k for k, wanted in (("nan", nan), ("inf", inf)) if wanted), forward, backward)

    def __enter__(self):
        _enter()
        state.debug = Checks(*self.options, state.debug)
        return self

    def __exit__(self, *exc):
        state.debug = state.debug.outer
        _leave()


class Checks:
    """What one open ``debug`` block of one thread checks."""

    def __init__(self, wanted: frozenset[str], forward: bool, backward: bool, outer: Checks | None):
        self.wanted, self.forward, self.backward, self.outer = wanted, forward, backward, outer
        self.quiet = 0  # pullbacks and pushes of primitives that are running
        self.site: Site | None = None  # the line of the forward call whose pullback is running
        self.inside: str | None = None  # the outermost composite that is running
        self.pending: dict[str, NonFiniteError] = {}  # its first alarms by kind

    # Results --------------------------------------------------------------------------------------------------------

    def call(self, op: Primitive, function: Callable[..., Any], xp: Any, args: Any, params: Any) -> Any:
        """The raw result of a primitive, checked."""
        if self.quiet or not self.forward:
            return function(*args, **params)
        with xp.quiet():  # the library's own warning would say less
            out = function(*args, **params)
        arrays = args[0] if op.arrays is None else args
        result = out[0] if op.saves else out
        self._judge(op.name, "result", "argument", _named(op, arrays) | params, result, self.site or call_site())
        return out

    def composite(self, name: str, formula: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The result of a composite; what was masked inside is forgotten."""
        if self.inside is not None or self.quiet:
            return formula(functions, *args, **kwargs)
        self.inside = name
        try:
            out = formula(functions, *args, **kwargs)
            pending = self.pending
        except Exception as error:
            for alarm in self.pending.values():
                error.add_note(str(alarm))
            raise
        finally:
            self.inside, self.pending = None, {}
        if pending:
            kinds = self._kinds(out)
            if "inf" in kinds and "inf" in self._kinds((args, kwargs)):
                kinds.discard("inf")
            for kind, alarm in pending.items():
                if kind in kinds:
                    raise alarm
        return out

    def custom(self, op: Any, arguments: list[Any], out: Any) -> None:
        """Check what a function with a rule of the user's own returned, and its tangents."""
        if self.quiet:
            return
        leaves = flatten(out)[0]
        rates = [v.node.tangent for v in leaves if type(v) is Tensor and type(v.node) is Dual]
        found = (leaves if self.forward else []) + (rates if self.backward else [])
        given = {f"argument {i}": a for i, a in enumerate(arguments)}
        self._judge(op.name, "result", "argument", given, found, call_site())

    # Derivatives ----------------------------------------------------------------------------------------------------

    def pullback(self, node: Node, pullback: Callable[[Any], Any], position: int) -> Callable[[Any], Any]:
        """``pullback``, an edge of ``node``, with what comes in and out of it checked."""
        op: Any = node.op
        names = op.names
        argument = names[position] if 0 <= position < len(names) and op.arrays is not None else "its arguments"

        def checked(ct: Any) -> Any:
            site = getattr(node, "site", None)
            silent = self.quiet or not self.backward
            if not silent and (kind := _first(self._kinds(ct))):
                text, indices = _places(ct, kind)
                raise _error(
                    op.name,
                    f"the cotangent of its result {text}, before the pullback. It was given so, or its parts "
                    "overflowed where they were added up.",
                    indices,
                    site,
                )
            with self._within(op, site, ct):
                part = zero_safe(pullback, ct) if op.singular and state.masked else pullback(ct)
            if not silent:
                self._judge(op.name, f"cotangent of {argument}", "cotangent", {"cotangent": ct}, part, site)
            return part

        return checked

    def gradients(self, cts: Any) -> None:
        """Check what a pass leaves at the leaves: finite cotangents may have overflowed where they were added."""
        if self.quiet or not self.backward:
            return
        for ct in cts:
            if kind := _first(self._kinds(ct)):
                text, indices = _places(ct, kind)
                raise _error(
                    "backward",
                    f"the gradient of a leaf of shape {tuple(ct.shape)} {text}, and no pullback made it: its parts "
                    "overflowed where they were added up, or it was given so.",
                    indices,
                    None,
                )

    def push(self, op: Any, tangents: list[Any], make: Callable[[], Any]) -> Any:
        """What ``make`` makes, Tensors of forward mode, with their tangents checked."""
        with self._within(op, None, tangents):
            made = make()
        if not self.quiet and self.backward:
            outs = made if isinstance(made, tuple) else (made,)
            rates = [v.node.tangent for v in outs if type(v.node) is Dual]
            given = {f"tangent {i}": t for i, t in enumerate(tangents)}
            self._judge(op.name, "tangent", "tangent", given, rates, call_site())
        return made

    @contextlib.contextmanager
    def _within(self, op: Any, site: Site | None, given: Any) -> Iterator[None]:
        """While a pullback or push of ``op`` runs on what is ``given``: only inside the user's own ones is checked."""
        if not isinstance(op, Primitive):
            yield
            return
        before = self.site
        self.quiet += 1
        if site is not None:
            self.site = replace(site, within=op.name)
        raw = next(raw for raw in _raws(given) if raw is not None)
        try:
            with namespace_of(raw).quiet():
                yield
        finally:
            self.quiet -= 1
            self.site = before

    # Judgement ------------------------------------------------------------------------------------------------------

    def _kinds(self, value: Any) -> set[str]:
        """Which of "nan" and "inf" are wanted and occur in a value or its tangents."""
        return {kind for raw in _raws(value) for kind in _kinds(raw)} & self.wanted

    def _judge(
        self, function: str, what: str, kind_of: str, given: dict[str, Any], out: Any, site: Site | None
    ) -> None:
        """Raise when ``out`` holds a NaN or an infinity that nothing ``given`` held, or a NaN that something did."""
        kinds = self._kinds(out)
        if not kinds:
            return
        known = {name: {k for raw in _raws(v) for k in _kinds(raw)} for name, v in given.items()}
        tainted = [name for name, found in known.items() if "nan" in found]
        infinite = any("inf" in found for found in known.values())
        if "nan" not in kinds and (tainted or infinite):
            return
        if tainted and site is not None and site.through:
            return
        kind = _first(kinds)
        inside = f" (inside {self.inside})" if self.inside else ""
        if kind == "nan" and tainted:
            text, indices = _places(given[tainted[0]], kind)
            text = (
                f"{tainted[0]} {text}, before the call, and so is the {what}. It came from outside: from a leaf, a "
                "constant, or a call before debug"
            )
        else:
            text, indices = _places(out, kind)
            text = f"the {what} {text}, and {'an infinite' if infinite else 'a finite'} {kind_of} went in"
        arrays = [(name, raw) for name, v in given.items() for raw in _raws(v) if hasattr(raw, "dtype")]
        forms = ", ".join(f"{name} {tuple(raw.shape)} {raw.dtype}" for name, raw in arrays)
        text = f"{text}; got {forms or 'numbers'}."
        if site is None:
            text += " The call was recorded outside of debug, so its line is not known."
        error = _error(function + inside, text, indices, site)
        if self.inside is not None and kind_of != "cotangent":
            self.pending.setdefault(kind, error)
        else:
            raise error


def _first(kinds: set[str]) -> str:
    return max(kinds, default="")  # "nan" before "inf"


def _error(function: str, text: str, indices: list[tuple[int, ...]], site: Site | None) -> NonFiniteError:
    text = f"{function}: {text}"
    if site is not None:
        within = f"in the pullback of {site.within}, " if site.within else ""
        text += f"\n  {within}called at {site}" + (f"\n    {site.source}" if site.source else "")
    error = NonFiniteError(text)
    error.function, error.indices = function.partition(" ")[0], indices
    if site is not None:
        error.filename, error.lineno = site.file, site.line
    return error


def _named(op: Primitive, arrays: Any) -> dict[str, Any]:
    names = [f"arrays[{i}]" for i in range(len(arrays))] if op.arrays is None else op.names
    return dict(zip(names, arrays, strict=False))


def _raws(value: Any) -> Iterator[Any]:
    """The raw arrays and numbers in a value: of all levels, tangents, tuples, lists and dicts."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if type(value) is Tensor:
            waiting.append(value.value)
            if type(value.node) is Dual:
                waiting.append(value.node.tangent)
        elif isinstance(value, tuple | list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            waiting += reversed(value.values())
        else:
            yield value


def _kinds(raw: Any) -> set[str]:
    if isinstance(raw, float | complex):
        return {"nan"} if cmath.isnan(raw) else {"inf"} if cmath.isinf(raw) else set()
    xp = namespace_of(raw) if hasattr(raw, "shape") and hasattr(raw, "dtype") else None
    if xp is None or not xp.isdtype(raw.dtype, ("real floating", "complex floating")):
        return set()
    with xp.quiet():  # a lazy library computes only now
        if bool(xp.all(xp.isfinite(raw))):
            return set()
        return {kind for kind, test in (("nan", xp.isnan), ("inf", xp.isinf)) if bool(xp.any(test(raw)))}


def _places(value: Any, kind: str) -> tuple[str, list[tuple[int, ...]]]:
    """Where the first NaN or infinities in a value are, as words and as indices."""
    raw = next(raw for raw in _raws(value) if kind in _kinds(raw))
    xp = namespace_of(raw)
    with contextlib.nullcontext() if xp is None else xp.quiet():
        host = np.asarray(raw if xp is None else xp.to_numpy(raw))
    found = np.argwhere(np.isnan(host) if kind == "nan" else np.isinf(host))
    indices = [tuple(map(int, index)) for index in found[:3]]
    shown = " and ".join(dict.fromkeys(str(host[index]) for index in indices))
    if not host.ndim:
        return f"is {shown}", indices
    more = ", ..." if len(found) > len(indices) else ""
    return f"is {shown} at {', '.join(map(str, indices))}{more}, {len(found)} of {host.size} elements", indices


# The ways through the engine that check ------------------------------------------------------------------------------


def _guarded(op: Primitive, function: Any, xp: Any) -> Any:
    def guarded(*args, **params):
        debug = state.debug
        return function(*args, **params) if debug is None else debug.call(op, function, xp, args, params)

    guarded.unguarded = function  # type: ignore[attr-defined]
    return guarded


def _implementation(self: Primitive, xp: Any) -> Any:
    return _guarded(self, _plain["implementation"](self, xp), xp)


def _recorded(parent: Node, op: Any, edges: Any, out: Any, params: Any = None) -> Tensor:
    tensor = _plain["record"](parent, op, edges, out, params)
    if state.debug is not None:
        site = state.debug.site or call_site()
        nodes = [tensor.node]
        while nodes:  # this one, and those in between that share a pullback
            node = nodes.pop()
            node.site = site
            nodes += [p for p, _, _ in node.edges or () if p.shape is None]
    return tensor


def _pushed(parent: Dual, op: Any, edges: Any, out: Any, params: Any = None) -> Tensor:
    def make():
        return _plain["push"](parent, op, edges, out, params)

    return make() if state.debug is None else state.debug.push(op, [p.tangent for p, _, _ in edges], make)


def _advanced(op: Any, pullbacks: Any, arrays: Any, inner: Any, watched: Any, out: Any, params: Any) -> Any:
    def make():
        return _plain["advance"](op, pullbacks, arrays, inner, watched, out, params)

    return make() if state.debug is None else state.debug.push(op, [arrays[i].node.tangent for i in watched], make)


_WAYS: dict[str, tuple[Any, str, Any]] = {
    "implementation": (Primitive, "implementation", _implementation),
    "record": (Node, "record", _recorded),
    "push": (Dual, "record", _pushed),
    "advance": (core, "advance", _advanced),
}
_plain = {name: getattr(owner, attribute) for name, (owner, attribute, _) in _WAYS.items()}
_swapping = threading.Lock()
_open = 0  # blocks, of all threads


def _enter() -> None:
    global _open
    with _swapping:
        _open += 1
        if _open == 1:
            for owner, attribute, checking in _WAYS.values():
                setattr(owner, attribute, checking)
        _swap_short(lambda op, f, xp: f if hasattr(f, "unguarded") else _guarded(op, f, xp))


def _leave() -> None:
    global _open
    with _swapping:
        _open -= 1
        if not _open:
            for name, (owner, attribute, _) in _WAYS.items():
                setattr(owner, attribute, _plain[name])
            _swap_short(lambda op, f, xp: getattr(f, "unguarded", f))


def _swap_short(change: Callable[[Primitive, Any, Any], Any]) -> None:
    for public in every_function().values():
        op = getattr(public, "op", None)
        if op is not None:
            op.short.update({kind: (change(op, f, xp), xp) for kind, (f, xp) in list(op.short.items())})
