"""Transforms: functions that take a function and return one that computes its derivative.

Arguments and results are arrays or trees of them (``pytree``).  They keep their kind: raw arrays of a library in, raw
arrays of that library out; Tensors in, Tensors out; Python numbers in, 0-d NumPy arrays out.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import kind
from .pytree import flatten, tree_map
from .registry import functions
from .reverse import cotangent_dtype, next_serial, reverse
from .tensor import Tensor, constant, gradient, leaf, owned, seed


def vjp(f: Callable[..., Any], /, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of ``f`` and its pullback, which takes a cotangent of the value to one of every primal.

    Parameters
    ----------
    f : callable
        A function of arrays or trees of arrays.
    *primals
        Its arguments, all of them differentiated.
    has_aux : bool
        ``f`` returns ``(value, aux)`` and only the value is differentiated.

    Returns
    -------
    tuple
        ``(value, pullback)``, and ``aux`` as a third when ``has_aux``.  ``pullback(ct)`` returns a tuple with one
        cotangent per primal, of its shape and dtype.  It may be called any number of times.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> value, pullback = xg.vjp(lambda x: x**2, np.array([1.0, 2.0, 3.0]))
    >>> pullback(np.array([1.0, 0.0, 1.0]))
    (array([2., 0., 6.]),)
    """
    value, pull, aux = _vjp("vjp", f, primals, has_aux)
    leaves, build = flatten(value)
    raw = not _any_tensor(primals)

    def pullback(ct: Any) -> tuple[Any, ...]:
        given, _ = flatten(ct)
        if len(given) != len(leaves):
            raise ValueError(f"vjp: the cotangent must have {len(leaves)} leaves like the value; got {len(given)}.")
        outer = raw and not _any_tensor(given)
        return tuple(tree_map(lambda g: _as_kind(g, outer), part) for part in pull(given, True))

    value = build([_as_kind(v, raw) for v in leaves])
    return (value, pullback, aux) if has_aux else (value, pullback)


def _callable(function: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(f"{function}: the first argument must be a function; got {kind(f)}. Give f itself, not f(x).")


def _any_tensor(tree: Any) -> bool:
    return any(isinstance(v, Tensor) for v in flatten(tree)[0])


def _as_kind(value: Any, raw: bool) -> Any:
    """A result in the caller's terms: raw where the arguments were raw, unless something outside watches it."""
    return value.value if raw and isinstance(value, Tensor) and not value.requires_grad else value


def _watch(primal: Any, level: int) -> Tensor:
    """``primal`` as a leaf at ``level``."""
    value = primal if isinstance(primal, Tensor) else functions.asarray(primal)
    inner = value if value.requires_grad else value.value
    return constant(inner, leaf(value, level)) if isinstance(inner, Tensor) else constant(inner, leaf(inner, level))


def _vjp(function: str, f: Callable[..., Any], primals: Sequence[Any], has_aux: bool) -> tuple[Any, Any, Any]:
    """The value of ``f`` as a tree of Tensors, ``pull(cts, keep)``, and what else it returned."""
    _callable(function, f)
    level = next_serial()
    watched = [tree_map(lambda p: _watch(p, level), primal) for primal in primals]
    result = f(*watched)
    if has_aux and not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(f"{function}: with has_aux=True the function must return (value, aux); got {kind(result)}.")
    value, aux = result if has_aux else (result, None)
    outs, build = flatten(value)
    traced = [v if isinstance(v, Tensor) else functions.asarray(v) for v in outs]

    def pull(cts: Sequence[Any], keep: bool) -> list[Any]:
        seeds: dict[Any, Any] = {}
        for out, ct in zip(traced, cts, strict=True):
            if out.node is not None and out.node.level == level:
                start = seed(out, ct, function)
                seeds[out.node] = start if out.node not in seeds else seeds[out.node] + start
        found = reverse(seeds, keep)
        found = dict(zip(found, owned(found.values(), seeds.values()), strict=True))
        return [tree_map(lambda w: _cotangent(w, found.get(getattr(w, "leaf", w.node))), primal) for primal in watched]

    return build([_outside(v, level) for v in traced]), pull, tree_map(lambda v: _outside(v, level), aux)


def _outside(value: Any, level: int) -> Any:
    """A result as the caller sees it, without this transform's level."""
    if isinstance(value, Tensor) and value.node is not None and value.node.level == level:
        return value.value if isinstance(value.value, Tensor) else constant(value.value)
    return value


def _cotangent(primal: Tensor, ct: Any) -> Tensor:
    if ct is None:
        dtype = cotangent_dtype(primal.dtype)
        inner = primal.value
        return functions.zeros_like(inner if isinstance(inner, Tensor) else constant(inner), dtype=dtype)
    return gradient(ct)


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False):
    """A function that returns the value of ``f``, a scalar, and its gradient.

    Parameters
    ----------
    f : callable
        A function that returns a real scalar (0-d, or ``(scalar, aux)`` when ``has_aux``).
    argnums : int or sequence of int
        Which positional arguments to differentiate; the gradient is a tuple when a sequence is given.
    has_aux : bool
        Whether ``f`` returns something else besides, which is passed through.

    Returns
    -------
    callable
        ``(value, gradient)``, or ``((value, aux), gradient)``; a gradient has the shape and dtype of its argument.
        For complex arguments it is the direction of steepest ascent.

    Raises
    ------
    ValueError
        When the result is no scalar.
    TypeError
        When the result is not real.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> value, gradient = xg.value_and_grad(lambda x: (x**2).sum())(np.array([1.0, 2.0]))
    >>> gradient
    array([2., 4.])
    """
    _callable("grad", f)
    single = not isinstance(argnums, tuple | list)
    try:
        numbers = tuple(map(operator.index, argnums if isinstance(argnums, tuple | list) else (argnums,)))
    except TypeError:
        raise TypeError(f"grad: argnums must be an int or several; got {argnums!r}.") from None

    @functools.wraps(f)
    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise ValueError(f"grad: argnums names no positional argument; got {n} for {len(args)} of them.")
        places = [n % len(args) for n in numbers]
        if len(set(places)) < len(places):
            raise ValueError(f"grad: argnums names an argument twice; got {argnums}. Name each once.")

        def of_chosen(*chosen: Any) -> Any:
            every = list(args)
            for place, value in zip(places, chosen, strict=True):
                every[place] = value
            return f(*every, **kwargs)

        value, pull, aux = _vjp("grad", of_chosen, [args[p] for p in places], has_aux)
        if not isinstance(value, Tensor):
            raise TypeError(
                f"grad: the function must return one scalar; got {kind(value)}. Return an array of shape ()."
            )
        if value.shape:
            raise ValueError(f"grad: the function must return a scalar; got shape {value.shape}. Sum it, or use vjp.")
        if value.dtype.kind != "f":
            raise TypeError(
                f"grad: the function must return a real number; got {value.dtype}. Pass floats, or take xgrad.real."
            )
        raw = not _any_tensor((args, kwargs))
        parts = tuple(tree_map(lambda g: _as_kind(g, raw), part) for part in pull([None], False))
        value = _as_kind(value, raw)
        aux = tree_map(lambda v: _as_kind(v, raw), aux)
        return ((value, aux) if has_aux else value), (parts[0] if single else parts)

    return gradient_of


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False):
    """A function that returns the gradient of ``f``, a real scalar; see ``value_and_grad``.

    Examples
    --------
    >>> import xgrad as xg
    >>> float(xg.grad(xg.grad(lambda x: x**3))(2.0))
    12.0
    """
    both = value_and_grad(f, argnums, has_aux)

    @functools.wraps(f)
    def gradient_only(*args: Any, **kwargs: Any) -> Any:
        value, gradient_ = both(*args, **kwargs)
        return (gradient_, value[1]) if has_aux else gradient_

    return gradient_only


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of ``f`` and its derivative in the direction of ``tangents``: the pullback, pulled back.

    Parameters
    ----------
    f : callable
        A function of arrays or trees of arrays.
    primals, tangents : sequence
        The arguments and their directions, of equal structure and shapes.

    Returns
    -------
    tuple
        The value and its tangent, of the same structure.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> xg.jvp(lambda x: x**2, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (array([1., 4.]), array([ 2., 40.]))
    """
    _callable("jvp", f)
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise TypeError(f"jvp: {name} must be a tuple, one entry per argument; got {kind(given)}. Write (x,).")
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: one tangent per primal; got {len(primals)} primals and {len(tangents)} tangents.")
    for p, t in zip(flatten(list(primals))[0], flatten(list(tangents))[0], strict=True):
        if np.shape(p) != np.shape(t) and getattr(p, "shape", ()) != getattr(t, "shape", ()):
            raise ValueError(f"jvp: a tangent must have the shape of its primal; got {kind(t)} for {kind(p)}.")
    value, pull, _ = _vjp("jvp", f, primals, False)
    outs, build = flatten(value)
    # The pullback is linear, so it may be pulled back at any cotangent; a generic one has no accidental zeros.
    generic = [functions.full_like(v, 1.0, dtype=cotangent_dtype(v.dtype)) + _ripple(v) for v in outs]
    _, push, _ = _vjp("jvp", lambda *cts: pull(cts, True), generic, False)
    rates = push(flatten(list(tangents))[0], False)
    raw = not _any_tensor((primals, tangents))
    return build([_as_kind(v, raw) for v in outs]), build([_as_kind(r, raw) for r in rates])


def _ripple(like: Tensor) -> Tensor:
    """Numbers between 0 and 1 without a pattern that a computation would cancel."""
    steps = functions.arange(1, like.size + 1, dtype=np.float64, device=like.device)
    noise = functions.reshape(functions.remainder(steps * 0.6180339887498949, 1.0), like.shape)
    return functions.astype(noise, cotangent_dtype(like.dtype))
