"""Forward mode: jvp, and linearize, which runs a function once and pushes many tangents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import kind
from ..forward import Dual, as_tensor
from ..pytree import Structure, flatten, tree_map
from ..registry import functions
from ..reverse import cotangent_dtype, next_serial
from ..tensor import Tensor, constant, owned
from .border import any_tensor, as_kind, direction, inside, outputs, outside, require_callable, split_aux
from .pullbacks import Pulled


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False
) -> tuple[Any, ...]:
    """The value of ``f`` and its derivative in the direction of ``tangents``, in one pass and without a graph.

    The tangents travel with the values: memory does not grow with the length of the computation.

    Parameters
    ----------
    f : callable
        A function of arrays or trees of arrays.
    primals, tangents : sequence
        The arguments and their directions, of equal structure and shapes.
    has_aux : bool
        ``f`` returns ``(value, aux)`` and only the value is differentiated.

    Returns
    -------
    tuple
        The value and its tangent, of the same structure, and ``aux`` as a third when ``has_aux``.

    Raises
    ------
    ValueError
        When primals and tangents differ in structure or shape.
    TypeError
        When the tangent of a real primal is complex, or a primal is no number.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> xg.jvp(lambda x: x**2, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (array([1., 4.]), array([ 2., 40.]))
    """
    values, given, structure = moving("jvp", f, primals, tangents)
    outs, rates, built, aux = pushed("jvp", f, structure, values, given, has_aux)
    raw = not any_tensor([*flatten(tuple(primals))[0], *flatten(tuple(tangents))[0]])
    rates = [as_tensor(r) for r in owned_rates(rates, given)]
    value, rate = built([as_kind(v, raw) for v in outs]), built([as_kind(r, raw) for r in rates])
    return (value, rate, tree_map(lambda v: as_kind(v, raw), aux)) if has_aux else (value, rate)


def owned_rates(rates: list[Any], given: list[Any]) -> list[Any]:
    """Tangents in memory of their own."""
    bare = [r.value if type(r) is Tensor and not r.requires_grad and type(r.value) is not Tensor else r for r in rates]
    return owned(bare, given)


def moving(function: str, f: Any, primals: Any, tangents: Any) -> tuple[list[Any], list[Any], Structure]:
    """The leaves of primals and of tangents, checked against each other, and their structure."""
    require_callable(function, f)
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise TypeError(
                f"{function}: {name} must be a tuple, one entry per argument; got {kind(given)}. Write (x,)."
            )
    if len(primals) != len(tangents):
        raise ValueError(
            f"{function}: one tangent per primal; got {len(primals)} primals and {len(tangents)} tangents."
        )
    leaves, structure = flatten(tuple(primals))
    paths = [f"argument {path}" for path in structure.paths()]
    directions = structure.leaves_of(tuple(tangents), f"{function}: tangents")
    values = [inside(function, p, path) for p, path in zip(leaves, paths, strict=True)]
    given = [direction(function, t, v, path) for t, v, path in zip(directions, values, paths, strict=True)]
    return values, given, structure


def pushed(
    function: str, f: Any, structure: Structure, values: list[Any], tangents: list[Any], has_aux: bool = False
) -> tuple[list[Tensor], list[Any], Structure, Any]:
    """The leaves of the value of ``f``, those of its tangent, their structure, and aux."""
    level = next_serial()
    watched = [constant(v, Dual(level, None, v, t, False)) for v, t in zip(values, tangents, strict=True)]
    value, aux = split_aux(function, f(*structure(watched)), has_aux)
    traced, built = outputs(function, value)
    outs = [outside(v, level) for v in traced]
    rates = [
        v.node.tangent
        if v.node is not None and v.node.level == level
        else functions.zeros_like(o, dtype=cotangent_dtype(o.dtype))
        for v, o in zip(traced, outs, strict=True)
    ]
    return outs, rates, built, tree_map(lambda v: outside(v, level), aux) if has_aux else None


def linearize(f: Callable[..., Any], /, *primals: Any, has_aux: bool = False, **kwargs: Any) -> tuple[Any, ...]:
    """The value of ``f`` and the linear function that pushes tangents through it, for many tangents at one point.

    ``f`` runs once; the pullback of the call is recorded and pulled back, so that every push costs no more than the
    linear part.  Use ``jvp`` for a single tangent: it keeps no graph.

    Parameters
    ----------
    f : callable
        A function of arrays or trees of arrays.
    *primals
        Its positional arguments.
    has_aux : bool
        ``f`` returns ``(value, aux)`` and only the value is differentiated.
    **kwargs
        Passed on to ``f``, not differentiated.

    Returns
    -------
    tuple
        ``(value, push)``, and ``aux`` as a third when ``has_aux``.  ``push(*tangents)`` takes one tangent per primal
        and returns the tangent of the value.

    Raises
    ------
    ValueError
        When tangents and primals differ in structure or shape.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> value, push = xg.linearize(lambda x: x**2, np.array([1.0, 2.0]))
    >>> push(np.array([1.0, 0.0])), push(np.array([0.0, 1.0]))
    (array([2., 0.]), array([0., 4.]))
    """
    require_callable("linearize", f)
    pulled = Pulled("linearize", (lambda *p: f(*p, **kwargs)) if kwargs else f, primals, has_aux)
    linear = Linear(pulled)
    raw = not any_tensor(pulled.primals)
    paths = [f"argument {path}" for path in pulled.arguments.paths()]
    values = [w.value for w in pulled.watched]

    def push(*tangents: Any) -> Any:
        given = pulled.arguments.leaves_of(tangents, "linearize: tangents")
        outer = raw and not any_tensor(given)
        checked = [direction("linearize", t, v, path) for t, v, path in zip(given, values, paths, strict=True)]
        return pulled.structure([as_kind(r, outer) for r in linear.push(checked)])

    value = pulled.result(raw)
    if not has_aux:
        return value, push
    return value, push, tree_map(lambda v: as_kind(v, raw), pulled.aux)


class Linear:
    """The pullback of a call, recorded once on generic cotangents, so that it can be pulled back again and again."""

    def __init__(self, pulled: Pulled):
        cts = [functions.full_like(v, 1.0, dtype=cotangent_dtype(v.dtype)).detach() + _ripple(v) for v in pulled.outs]
        self.back = Pulled(pulled.function, lambda *cts: pulled.pull(cts, True), cts)

    def push(self, tangents: Sequence[Any]) -> list[Tensor]:
        """The tangents of the results for one tangent per leaf of the arguments."""
        return self.back.pull(tangents, True)


def _ripple(like: Tensor) -> Tensor:
    """Numbers between 0 and 1 without a pattern that a computation would cancel."""
    steps = functions.arange(1, like.size + 1, device=like.device)
    noise = functions.reshape(functions.remainder(steps * 0.6180339887498949, 1.0), like.shape)
    return functions.astype(noise, cotangent_dtype(like.dtype))
