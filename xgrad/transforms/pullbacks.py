"""Reverse mode: vjp, grad and their kin."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from ..errors import kind
from ..pytree import Structure, flatten, tree_map
from ..registry import functions
from ..reverse import cotangent_dtype, next_serial, reverse
from ..tensor import Tensor, constant, gradient, owned, seed
from .border import (
    MISSING,
    Arguments,
    all_raw,
    any_tensor,
    as_kind,
    inside,
    named_as,
    outputs,
    outside,
    require_callable,
    split_aux,
    watch,
)

P = ParamSpec("P")
R = TypeVar("R")


class Pulled:
    """A call of ``f`` on watched arguments: ``outs`` with their ``structure``, ``aux``, and the pass back.

    Parameters
    ----------
    function : str
        The transform, for messages.
    f : callable
        What is called.
    primals : sequence
        Its arguments, all of them differentiated.
    has_aux : bool
        Whether ``f`` returns ``(value, aux)``.
    """

    def __init__(self, function: str, f: Callable[..., Any], primals: Sequence[Any], has_aux: bool = False):
        require_callable(function, f)
        self.function = function
        self.level = level = next_serial()
        self.primals, self.arguments = flatten(tuple(primals))
        try:
            self.watched = [watch(p, level) for p in self.primals]
        except TypeError:  # the path is worth its time only in a message
            for p, path in zip(self.primals, self.arguments.paths(), strict=True):
                inside(function, p, f"argument {path}")
            raise
        value, aux = split_aux(function, f(*self.arguments(self.watched)), has_aux)
        self.traced, self.structure = outputs(function, value)
        self.outs = [outside(v, level) for v in self.traced]
        self.aux = tree_map(lambda v: outside(v, level), aux) if has_aux else None

    def pull(self, cts: Sequence[Any], keep: bool) -> list[Tensor]:
        """One cotangent per leaf of the arguments for one per leaf of the result; None stands for ones."""
        seeds: dict[Any, Any] = {}
        for out, ct in zip(self.traced, cts, strict=True):
            node = out.node
            if node is not None and node.level == self.level:
                start = seed(out, ct, self.function)
                seeds[node] = start if node not in seeds else seeds[node] + start
        found = reverse(seeds, keep)
        nodes = [getattr(w, "leaf", w.node) for w in self.watched]
        own = dict(zip(found, owned(found.values(), seeds.values()), strict=True))
        return [_cotangent(w, own.get(n)) for w, n in zip(self.watched, nodes, strict=True)]

    def result(self, raw: bool) -> Any:
        """What ``f`` returned, in the caller's terms."""
        return self.structure([as_kind(v, raw) for v in self.outs])


def _cotangent(primal: Tensor, ct: Any) -> Tensor:
    if ct is None:
        inner = primal.value
        like = inner if type(inner) is Tensor else constant(inner)
        return functions.zeros_like(like, dtype=cotangent_dtype(primal.dtype))
    return gradient(ct)


def cotangents_of(function: str, structure: Structure, ct: Any) -> list[Any]:
    """The leaves of a cotangent that must have the structure of a result."""
    leaves = structure.leaves_of(ct, f"{function}: the cotangent")
    if any(v is None for v in leaves):
        raise ValueError(
            f"{function}: the cotangent must be {structure.count} arrays like the value; got None. Pass zeros."
        )
    return leaves


def vjp(f: Callable[..., Any], /, *primals: Any, has_aux: bool = False, **kwargs: Any) -> tuple[Any, ...]:
    """The value of ``f`` and its pullback, which takes a cotangent of the value to one of every primal.

    Parameters
    ----------
    f : callable
        A function of arrays or trees of arrays.
    *primals
        Its positional arguments, all of them differentiated.
    has_aux : bool
        ``f`` returns ``(value, aux)`` and only the value is differentiated.
    **kwargs
        Passed on to ``f``, not differentiated.

    Returns
    -------
    tuple
        ``(value, pullback)``, and ``aux`` as a third when ``has_aux``.  ``pullback(ct)`` returns a tuple with one
        cotangent per primal, of its structure, shapes and dtypes.  It may be called any number of times.

    Raises
    ------
    TypeError
        When ``f`` is no function, or an argument holds what is no number.
    ValueError
        When the cotangent differs from the value in structure or shape.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> value, pullback = xg.vjp(lambda x: x**2, np.array([1.0, 2.0, 3.0]))
    >>> pullback(np.array([1.0, 0.0, 1.0]))
    (array([2., 0., 6.]),)
    """
    require_callable("vjp", f)
    pulled = Pulled("vjp", functools.partial(f, **kwargs) if kwargs else f, primals, has_aux)
    raw = not any_tensor(pulled.primals)

    def pullback(ct: Any) -> tuple[Any, ...]:
        given = cotangents_of("vjp", pulled.structure, ct)
        outer = raw and not any_tensor(given)
        return pulled.arguments([as_kind(g, outer) for g in pulled.pull(given, True)])

    value = pulled.result(raw)
    if not has_aux:
        return value, pullback
    return value, pullback, tree_map(lambda v: as_kind(v, raw), pulled.aux)


def require_scalar(name: str, structure: Structure, outs: Sequence[Tensor]) -> None:
    """TypeError or ValueError unless the result is one real number."""
    if structure.type is not None:
        got = "NoneType" if structure.type is type(None) else structure.type.__name__
        raise TypeError(f"{name}: the function must return one scalar; got {got}. Return an array of shape ().")
    out = outs[0]
    if out.shape:
        raise ValueError(f"{name}: the function must return a scalar; got shape {out.shape}. Sum it, or use jacobian.")
    if out.dtype.kind != "f":
        raise TypeError(
            f"{name}: the function must return a real number; got {out.dtype}. Pass floats, or take xgrad.real."
        )


@overload
def value_and_grad(
    f: Callable[P, R], /, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[P, tuple[R, Any]]: ...
@overload
def value_and_grad(
    *, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[[Callable[P, R]], Callable[P, tuple[R, Any]]]: ...
def value_and_grad(f: Any = MISSING, /, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any:
    """A function that returns the value of ``f``, a scalar, and its gradient.

    Parameters
    ----------
    f : callable
        A function that returns a real scalar (0-d, or ``(scalar, aux)`` when ``has_aux``).  Without it the result is a
        decorator: ``@value_and_grad(argnums=1)``.
    argnums : int or sequence of int
        Which positional arguments to differentiate, negative ones from the end; the gradient is a tuple when a
        sequence is given.
    has_aux : bool
        Whether ``f`` returns something else besides, which is passed through.

    Returns
    -------
    callable
        ``(value, gradient)``, or ``((value, aux), gradient)``; a gradient has the structure, shapes and dtypes of its
        argument (float64 for integers).  For complex arguments it is the direction of steepest ascent.

    Raises
    ------
    ValueError
        When the result is no scalar, or ``argnums`` names no argument.
    TypeError
        When the result is not real, or a differentiated argument holds what is no number.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> value, gradient = xg.value_and_grad(lambda x: (x**2).sum())(np.array([1.0, 2.0]))
    >>> gradient
    array([2., 4.])
    """
    return value_and_gradient("value_and_grad", f, argnums, has_aux)


def value_and_gradient(function: str, f: Any, argnums: Any, has_aux: bool) -> Any:
    """``value_and_grad`` under the name of the transform that uses it."""
    chosen = Arguments(function, argnums)
    if f is MISSING:
        return lambda g: value_and_gradient(function, g, argnums, has_aux)
    require_callable(function, f)

    @named_as(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        of_chosen, primals, rest = chosen.bind(f, args, kwargs)
        pulled = Pulled(function, of_chosen, primals, has_aux)
        require_scalar(function, pulled.structure, pulled.outs)
        raw = all_raw(pulled.primals, *rest)
        parts = pulled.arguments([as_kind(g, raw) for g in pulled.pull([None], False)])
        value = as_kind(pulled.outs[0], raw)
        if has_aux:
            value = value, tree_map(lambda v: as_kind(v, raw), pulled.aux)
        return value, (parts[0] if chosen.single else parts)

    return both


@overload
def grad(f: Callable[P, Any], /, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[P, Any]: ...
@overload
def grad(
    *, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[[Callable[P, Any]], Callable[P, Any]]: ...
def grad(f: Any = MISSING, /, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any:
    """A function that returns the gradient of ``f``, a real scalar; its parameters are those of ``value_and_grad``.

    Returns
    -------
    callable
        The gradient, or ``(gradient, aux)`` when ``has_aux``.

    Examples
    --------
    >>> import xgrad as xg
    >>> float(xg.grad(xg.grad(lambda x: x**3))(2.0))
    12.0

    As a decorator, bare or with arguments:

    >>> @xg.grad(argnums=1)
    ... def rate(speed, time):
    ...     return speed * time**2
    >>> float(rate(3.0, 2.0))
    12.0
    """
    if f is MISSING:
        return lambda g: grad(g, argnums, has_aux)
    both = value_and_gradient("grad", f, argnums, has_aux)

    @named_as(f)
    def gradient_only(*args: Any, **kwargs: Any) -> Any:
        value, slope = both(*args, **kwargs)
        return (slope, value[1]) if has_aux else slope

    return gradient_only


@overload
def elementwise_grad(f: Callable[P, Any], /, argnums: int | Sequence[int] = 0) -> Callable[P, Any]: ...
@overload
def elementwise_grad(*, argnums: int | Sequence[int] = 0) -> Callable[[Callable[P, Any]], Callable[P, Any]]: ...
def elementwise_grad(f: Any = MISSING, /, argnums: int | Sequence[int] = 0) -> Any:
    """A function that returns the derivative of every element of ``f(x)`` by the same element of ``x``.

    It is the gradient of the sum of ``f``, so an ``f`` whose elements depend on several elements of ``x`` gives the
    sums of the columns of its Jacobian.

    Parameters
    ----------
    f : callable
        An elementwise function of real arrays.
    argnums : int or sequence of int
        Which positional arguments to differentiate.

    Returns
    -------
    callable
        The derivatives, of the shape and dtype of the argument.

    Raises
    ------
    TypeError
        When ``f`` returns anything but one real array.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> xg.elementwise_grad(xg.sin)(np.array([0.0, np.pi]))
    array([ 1., -1.])
    """
    chosen = Arguments("elementwise_grad", argnums)
    if f is MISSING:
        return lambda g: elementwise_grad(g, argnums)
    require_callable("elementwise_grad", f)

    @named_as(f)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        of_chosen, primals, rest = chosen.bind(f, args, kwargs)
        pulled = Pulled("elementwise_grad", of_chosen, primals)
        out = pulled.outs[0] if pulled.structure.type is None else None
        if out is None or out.dtype.kind != "f":
            got = kind(pulled.result(True))
            raise TypeError(f"elementwise_grad: the function must return one real array; got {got}. Use jacobian.")
        raw = all_raw(pulled.primals, *rest)
        parts = pulled.arguments([as_kind(g, raw) for g in pulled.pull([None], False)])
        return parts[0] if chosen.single else parts

    return derivative
