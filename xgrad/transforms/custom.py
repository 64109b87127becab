"""Functions with a derivative of their own: custom_vjp, custom_jvp and stop_gradient."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

from ..arguments import strip
from ..core import finish
from ..errors import GraphError, kind
from ..forward import Dual, as_tensor, dual
from ..pytree import Structure, flatten, tree_map
from ..registry import functions
from ..reverse import Results, cotangent_dtype, state
from ..tensor import Tensor, constant, gradient
from .border import outputs, require_callable
from .pullbacks import Pulled

P = ParamSpec("P")
R = TypeVar("R")


def stop_gradient(tree: R, /) -> R:
    """The same values as constants: no derivative of any order flows through.

    Parameters
    ----------
    tree : array or tree of arrays
        What to hold fixed.

    Returns
    -------
    array or tree of arrays
        Detached Tensors; what is no Tensor comes back as it is.

    Examples
    --------
    >>> import xgrad as xg
    >>> float(xg.grad(lambda x: x * xg.stop_gradient(x))(3.0))
    3.0
    """
    return tree_map(lambda v: v.detach() if type(v) is Tensor else v, tree)


class _Custom(Generic[P, R]):
    """A function whose calls are recorded whole; subclasses say by which rule."""

    transform = ""
    linear = multilinear = diagonal = singular = adds = False
    arrays, results, bundle = None, tuple, tuple
    selects = True  # a rule of the user may make exact zeros

    def __init__(self, f: Callable[P, R], /):
        require_callable(self.transform, f)
        self.function: Callable[..., Any] = f
        self.rule: Callable[..., Any] | None = None
        self.name = getattr(f, "__name__", type(f).__name__)
        self.names = tuple(inspect.signature(f).parameters)
        functools.update_wrapper(self, f, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The value of the function."""
        leaves, structure = flatten(args)
        if any(_level(v) >= 0 for v in flatten(kwargs)[0]):
            raise TypeError(
                f"{self.name}: a {self.transform} function takes what is differentiated by position; got a tracked "
                "Tensor by keyword. Pass it by position, or detach() it."
            )
        out = self._evaluate(leaves, structure, kwargs)
        if state.debug is not None:
            state.debug.custom(self, leaves, out)
        return out

    def _evaluate(self, leaves: list[Any], structure: Structure, kwargs: dict[str, Any]) -> Any:
        level = max((_level(v) for v in leaves), default=-1)
        if level < 0:
            return self.function(*structure(leaves), **kwargs)
        if self.rule is None:
            raise NotImplementedError(
                f"{self.name}: this {self.transform} function has no rule yet. Define one with @{self.name}."
                f"{self.transform.removeprefix('custom_')}."
            )
        inner = [_inside(v, level) for v in leaves]
        outs, built = outputs(self.transform, self._evaluate(inner, structure, kwargs))
        if {_level(v) for v in outs} - {_level(v) for v in inner} - {-1}:
            raise GraphError(
                f"{self.name}: the function closes over a tracked Tensor, whose gradient its rule cannot give. "
                "Pass it as an argument, or detach() it."
            )
        watched = [i for i, v in enumerate(leaves) if _level(v) == level]
        made = self._derived(_Call(self, inner, structure, watched, outs, built, kwargs), leaves)
        return built([m if o.dtype.kind in "fc" else o for m, o in zip(made, outs, strict=True)])

    def _derived(self, call: _Call, leaves: list[Any]) -> Any:
        raise NotImplementedError


def _level(value: Any) -> int:
    if type(value) is not Tensor or value.node is None or value.node.level <= state.blocked:
        return -1
    return value.node.level


def _inside(value: Any, level: int) -> Any:
    if type(value) is not Tensor or not value.requires_grad:
        return value
    if value.node.level == level:
        return value.value if type(value.value) is Tensor else constant(value.value)
    return value if value.node.level > state.blocked else constant(strip(value))


class _Call:
    """What a rule needs of one call: the function, its arguments and results one level down."""

    def __init__(
        self,
        custom: _Custom,
        inner: list[Any],
        structure: Structure,
        watched: list[int],
        outs: list[Tensor],
        built: Structure,
        kwargs: dict[str, Any],
    ):
        self.custom, self.inner, self.structure, self.watched = custom, inner, structure, watched
        self.outs, self.built, self.kwargs = outs, built, kwargs

    @property
    def raw_outs(self) -> tuple[Any, ...]:
        """The results as the engine records them."""
        return tuple(o if o.requires_grad else o.value for o in self.outs)

    def cotangents(self, cts: Any) -> tuple[list[Tensor], bool]:
        """Those of the results at the public border, and whether they were raw."""
        given = cts if isinstance(cts, Results) else (cts,)
        raw = not any(type(ct) is Tensor for ct in given)
        whole = [
            functions.zeros_like(o, dtype=cotangent_dtype(o.dtype)).detach() if ct is None else gradient(ct)
            for ct, o in zip(given, self.outs, strict=True)
        ]
        return whole, raw

    def returned(self, parts: list[Tensor], raw: bool) -> Any:
        """One cotangent per argument leaf, in the engine's terms."""
        parts = [functions.conj(p) if p.dtype.kind == "c" else p for p in parts]
        bare = [p.value if raw and not p.requires_grad else p for p in parts]
        return Results(bare) if len(bare) > 1 else bare[0]


class custom_vjp(_Custom[P, R]):
    """A function whose pullback is given, not derived: ``@f.vjp`` below it sets the rule.

    The rule ``f_vjp(out, *args, **kwargs)`` gets the result and the arguments and returns the pullback, which takes a
    cotangent of the result to a tuple with one cotangent per positional argument, None where there is none.  Cotangents
    are those of ``vjp``.  Written in terms of xgrad's functions, it serves every order and forward mode too.

    Parameters
    ----------
    f : callable
        A function of arrays, trees of arrays and anything else; it need not be differentiable.  What is differentiated
        comes by position, other things by position or keyword.

    Raises
    ------
    TypeError
        When the pullback returns no tuple, or a tracked Tensor comes by keyword.
    ValueError
        When a cotangent has not the structure or shape of its argument.
    GraphError
        When ``f`` closes over a tracked Tensor.

    Examples
    --------
    The root of ``x = cos(a * x)``, by iteration, with the derivative by the implicit function theorem:

    >>> import xgrad as xg
    >>> @xg.custom_vjp
    ... def root(a):
    ...     x = a * 0
    ...     for _ in range(100):
    ...         x = xg.cos(a * x)
    ...     return x
    >>> @root.vjp
    ... def root_vjp(x, a):
    ...     return lambda ct: (-ct * x * xg.sin(a * x) / (1 + a * xg.sin(a * x)),)
    >>> float(xg.grad(root)(0.5).round(6))
    -0.321771
    """

    transform = "custom_vjp"

    def vjp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule; returns it."""
        require_callable(f"{self.name}.vjp", rule)
        self.rule = rule
        return rule

    def _derived(self, call: _Call, leaves: list[Any]) -> Any:
        return finish(self, _Pullback(call), leaves, call.inner, call.watched, call.raw_outs, {})


class _Pullback:
    """The pullback of a rule, checked, in the engine's terms."""

    def __init__(self, call: _Call):
        self.call = call
        rule: Any = call.custom.rule
        self.pullback = rule(call.built(call.outs), *call.structure(call.inner), **call.kwargs)
        if not callable(self.pullback):
            raise TypeError(
                f"{call.custom.name}: the rule must return a pullback, a function of the cotangent; got "
                f"{kind(self.pullback)}."
            )

    def __call__(self, cts: Any) -> Any:
        call = self.call
        whole, raw = call.cotangents(cts)
        name = f"{call.custom.name}: the pullback"
        parts = self.pullback(call.built(whole))
        count = len(call.structure.children)
        if not isinstance(parts, tuple) or len(parts) != count:
            got = f"a tuple of {len(parts)}" if isinstance(parts, tuple) else kind(parts)
            raise TypeError(f"{name} must return a tuple, one cotangent per argument ({count}); got {got}.")
        found: list[Any] = []
        for i, (part, child) in enumerate(zip(parts, call.structure.children, strict=True)):
            found += [None] * child.count if part is None else child.leaves_of(part, f"{name}, argument {i}")
        return call.returned([self._checked(p, i, name) for i, p in enumerate(found)], raw)

    def _checked(self, part: Any, i: int, name: str) -> Tensor:
        value = self.call.inner[i]
        if i not in self.call.watched:
            return functions.asarray(0.0)  # goes nowhere
        if part is None:
            return functions.zeros_like(value, dtype=cotangent_dtype(value.dtype)).detach()
        given = functions.asarray(part)
        if given.shape != value.shape:
            path = self.call.structure.paths()[i]
            raise ValueError(
                f"{name} must give cotangents of the shapes of the arguments; got {given.shape} for {value.shape} at "
                f"argument {path}."
            )
        return given


class custom_jvp(_Custom[P, R]):
    """A function whose tangents are given, not derived: ``@f.jvp`` below it sets the rule.

    The rule ``f_jvp(out, primals, tangents, **kwargs)`` gets the result, the tuple of arguments and the tuple of their
    tangents, and returns the tangent of the result, linear in the tangents.  Reverse mode is derived from it by
    transposition.

    Parameters
    ----------
    f : callable
        As for ``custom_vjp``.

    Raises
    ------
    ValueError
        When the tangent has not the structure or shape of the result.
    TypeError, GraphError
        As for ``custom_vjp``.

    Examples
    --------
    >>> import xgrad as xg
    >>> @xg.custom_jvp
    ... def log1pexp(x):
    ...     return xg.log1p(xg.exp(x))
    >>> @log1pexp.jvp
    ... def log1pexp_jvp(out, primals, tangents):
    ...     return tangents[0] / (1 + xg.exp(-primals[0]))
    >>> float(xg.grad(log1pexp)(100.0))
    1.0
    """

    transform = "custom_jvp"

    def jvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule; returns it."""
        require_callable(f"{self.name}.jvp", rule)
        self.rule = rule
        return rule

    def _derived(self, call: _Call, leaves: list[Any]) -> Any:
        node = leaves[call.watched[0]].node
        if type(node) is not Dual:
            return finish(self, _Transposed(call), leaves, call.inner, call.watched, call.raw_outs, {})
        moving = [leaves[i].node for i in call.watched]
        rates = _rates(call, [as_tensor(n.tangent) for n in moving])
        masked = any(n.masked for n in moving) or self.selects
        bare = [r if r.requires_grad or o.requires_grad else r.value for r, o in zip(rates, call.outs, strict=True)]
        return [dual(node.level, self, v, t, masked) for v, t in zip(call.raw_outs, bare, strict=True)]


def _rates(call: _Call, moving: Sequence[Tensor]) -> list[Tensor]:
    """What the rule gives for the tangents of the watched leaves, checked."""
    known = dict(zip(call.watched, moving, strict=True))
    tangents = [
        known[i] if i in known else functions.zeros_like(v).detach() if hasattr(v, "shape") else 0.0
        for i, v in enumerate(call.inner)
    ]
    rule: Any = call.custom.rule
    name = f"{call.custom.name}: the tangent"
    rate = rule(call.built(call.outs), call.structure(call.inner), call.structure(tangents), **call.kwargs)
    found = [functions.asarray(r) for r in call.built.leaves_of(rate, name)]
    for r, o in zip(found, call.outs, strict=True):
        if r.shape != o.shape:
            raise ValueError(f"{name} must have the shape of the result; got {r.shape} for {o.shape}.")
    return found


class _Transposed:
    """The pullback of a rule for tangents: the rule is linear in them, and pulled back."""

    def __init__(self, call: _Call):
        self.call = call

    def __call__(self, cts: Any) -> Any:
        call = self.call
        whole, raw = call.cotangents(cts)
        primals = [call.inner[i] for i in call.watched]
        ones = [functions.ones_like(p, dtype=cotangent_dtype(p.dtype)).detach() for p in primals]
        pulled = Pulled(call.custom.name, lambda *moving: _rates(call, moving), ones)
        parts = dict(zip(call.watched, pulled.pull(whole, False), strict=True))
        nothing = functions.asarray(0.0)
        return call.returned([parts.get(i, nothing) for i in range(len(call.inner))], raw)
