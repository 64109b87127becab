"""Matrices of derivatives: Jacobians, Hessians, and products with Hessians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, ParamSpec, overload

import numpy as np

from ..pytree import flatten, tree_map
from ..registry import functions
from ..reverse import cotangent_dtype, exact_zeros
from ..tensor import Tensor
from .border import MISSING, Arguments, all_raw, any_tensor, as_kind, inside, named_as, require_callable
from .pullbacks import Pulled, require_scalar, value_and_gradient
from .pushforwards import Linear, moving, pushed

P = ParamSpec("P")
Mode = Literal["reverse", "forward"]


@overload
def jacobian(
    f: Callable[P, Any],
    /,
    argnums: int | Sequence[int] = 0,
    *,
    mode: Mode | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]: ...
@overload
def jacobian(
    *,
    argnums: int | Sequence[int] = 0,
    mode: Mode | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[[Callable[P, Any]], Callable[P, Any]]: ...
def jacobian(
    f: Any = MISSING,
    /,
    argnums: int | Sequence[int] = 0,
    *,
    mode: Mode | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """A function that returns the Jacobian of ``f``: every derivative of an element of the result by one of ``x``.

    ``f`` runs once.  Reverse mode then takes one pass per element of the result, forward mode one per element of the
    arguments.  Zeros are exact: an infinite derivative elsewhere does not turn them into NaN.

    Parameters
    ----------
    f : callable
        A function of arrays or trees of arrays.  Without it the result is a decorator.
    argnums : int or sequence of int
        Which positional arguments to differentiate.
    mode : {"reverse", "forward"}, optional
        By default the one that takes fewer passes.
    has_aux : bool
        ``f`` returns ``(value, aux)``, and the result is ``(jacobian, aux)``.
    holomorphic : bool
        Promise that ``f`` is complex differentiable, which a complex result of a complex argument needs.

    Returns
    -------
    callable
        For one array in and one out an array of shape ``value.shape + x.shape``.  A tree of results gives that tree of
        blocks, a tree of arguments (or a sequence of ``argnums``) a tree of blocks within each.  For a real result of
        a complex argument each row is a gradient, as ``grad`` gives it.

    Raises
    ------
    TypeError
        When a complex result of a complex argument is not declared holomorphic, or the result is not floating.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> xg.jacobian(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])
    """
    return _jacobian("jacobian", f, argnums, mode, has_aux, holomorphic)


def _jacobian(function: str, f: Any, argnums: Any, mode: Any, has_aux: bool, holomorphic: bool) -> Any:
    chosen = Arguments(function, argnums)
    if mode not in (None, "reverse", "forward"):
        raise ValueError(f"{function}: mode must be 'reverse', 'forward' or None; got {mode!r}.")
    if f is MISSING:
        return lambda g: _jacobian(function, g, argnums, mode, has_aux, holomorphic)
    require_callable(function, f)

    @named_as(f)
    def matrix(*args: Any, **kwargs: Any) -> Any:
        of_chosen, primals, rest = chosen.bind(f, args, kwargs)
        pulled = Pulled(function, of_chosen, primals, has_aux=has_aux)
        raw = all_raw(pulled.primals, *rest)
        _check_dtypes(pulled, holomorphic)
        height, width = sum(v.size for v in pulled.outs), sum(w.size for w in pulled.watched)
        forward = mode == "forward" or (mode is None and width < height)
        with exact_zeros():
            blocks = _columns(pulled) if forward else _rows(pulled)
        shaped = [
            [functions.reshape(b, (*v.shape, *w.shape)) for b, w in zip(row, pulled.watched, strict=True)]
            for v, row in zip(pulled.outs, blocks, strict=True)
        ]
        rows = [pulled.arguments([as_kind(b, raw) for b in row]) for row in shaped]
        result = pulled.structure([row[0] if chosen.single else row for row in rows])
        return (result, tree_map(lambda v: as_kind(v, raw), pulled.aux)) if has_aux else result

    return matrix


def _check_dtypes(pulled: Pulled, holomorphic: bool) -> None:
    for out in pulled.outs:
        if out.dtype.kind not in "fc":
            raise TypeError(
                f"{pulled.function}: the function must return floating numbers; got {out.dtype}. Convert with astype."
            )
        if out.dtype.kind == "c" and not holomorphic and any(w.dtype.kind == "c" for w in pulled.watched):
            raise TypeError(
                f"{pulled.function}: a complex result of a complex argument has a Jacobian only where the function is "
                "holomorphic; got neither. Pass holomorphic=True, or split into xgrad.real and xgrad.imag."
            )


def _unit(like: Tensor, i: int, scale: Any = 1.0) -> Tensor:
    values = np.zeros(like.size, cotangent_dtype(like.dtype))
    values[i] = scale
    return functions.asarray(values.reshape(like.shape), device=like.device)


def _stacked(rows: list[Tensor], like: Tensor, width: int, dtype: Any) -> Tensor:
    if not rows:
        return functions.zeros((0, width), dtype=dtype, device=like.device)
    return functions.stack([functions.reshape(r, (-1,)) for r in rows])


def _rows(pulled: Pulled) -> list[list[Tensor]]:
    """Per result and argument the block of derivatives, a row per element of the result, by pulling back units."""
    nothing = [functions.zeros_like(v, dtype=cotangent_dtype(v.dtype)) for v in pulled.outs]
    blocks = []
    for k, out in enumerate(pulled.outs):
        rows: list[list[Tensor]] = [[] for _ in pulled.watched]

        def pull(i: int, scale: Any, k: int = k, out: Tensor = out) -> list[Tensor]:
            return pulled.pull([*nothing[:k], _unit(out, i, scale), *nothing[k + 1 :]], True)

        for i in range(out.size):
            parts = pull(i, 1.0)
            if out.dtype.kind == "c":
                turned = pull(i, 1j) if any(w.dtype.kind != "c" for w in pulled.watched) else parts
                parts = [
                    functions.conj(p) if w.dtype.kind == "c" else p + 1j * q
                    for p, q, w in zip(parts, turned, pulled.watched, strict=True)
                ]
            for row, part in zip(rows, parts, strict=True):
                row.append(part)
        blocks.append(
            [
                _stacked(row, out, w.size, np.result_type(cotangent_dtype(w.dtype), out.dtype))
                for row, w in zip(rows, pulled.watched, strict=True)
            ]
        )
    return blocks


def _columns(pulled: Pulled) -> list[list[Tensor]]:
    """The same blocks, a column per element of the arguments, by pushing units."""
    linear = Linear(pulled)
    nothing = [functions.zeros_like(w, dtype=cotangent_dtype(w.dtype)).detach() for w in pulled.watched]
    blocks: list[list[Tensor]] = [[] for _ in pulled.outs]
    for k, w in enumerate(pulled.watched):

        def push(i: int, scale: Any, k: int = k, w: Tensor = w) -> list[Tensor]:
            return linear.push([*nothing[:k], _unit(w, i, scale), *nothing[k + 1 :]])

        columns: list[list[Tensor]] = [[] for _ in pulled.outs]
        for i in range(w.size):
            parts = push(i, 1.0)
            if w.dtype.kind == "c":  # of a real result both halves of the gradient
                turned = push(i, 1j) if any(v.dtype.kind != "c" for v in pulled.outs) else parts
                parts = [
                    p if v.dtype.kind == "c" else p + 1j * q for p, q, v in zip(parts, turned, pulled.outs, strict=True)
                ]
            for column, part in zip(columns, parts, strict=True):
                column.append(part)
        for block, column, out in zip(blocks, columns, pulled.outs, strict=True):
            dtype = np.result_type(cotangent_dtype(w.dtype), out.dtype)
            block.append(functions.matrix_transpose(_stacked(column, out, out.size, dtype)))
    return blocks


@overload
def hessian(
    f: Callable[P, Any],
    /,
    argnums: int | Sequence[int] = 0,
    *,
    mode: Mode | None = None,
    has_aux: bool = False,
) -> Callable[P, Any]: ...
@overload
def hessian(
    *,
    argnums: int | Sequence[int] = 0,
    mode: Mode | None = None,
    has_aux: bool = False,
) -> Callable[[Callable[P, Any]], Callable[P, Any]]: ...
def hessian(
    f: Any = MISSING,
    /,
    argnums: int | Sequence[int] = 0,
    *,
    mode: Mode | None = None,
    has_aux: bool = False,
) -> Any:
    """A function that returns the Hessian of ``f``, a real scalar: the Jacobian of its gradient.

    Parameters
    ----------
    f : callable
        A function that returns a real scalar, of real arguments.  Without it the result is a decorator.
    argnums, mode, has_aux
        As for ``jacobian``.

    Returns
    -------
    callable
        For one array ``x`` an array of shape ``x.shape + x.shape``; for trees a tree of blocks within a tree.

    Raises
    ------
    TypeError, ValueError
        When the result of ``f`` is no real scalar, or an argument is complex.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> xg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    if f is MISSING:
        return lambda g: hessian(g, argnums, mode=mode, has_aux=has_aux)
    require_callable("hessian", f)
    slope = value_and_gradient("hessian", f, argnums, has_aux)

    @named_as(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, part = slope(*args, **kwargs)
        return (part, value[1]) if has_aux else part

    return _jacobian("hessian", gradient, argnums, mode, has_aux, False)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, ...]:
    """The Hessian of ``f``, a real scalar, times ``tangents``, without the matrix: the gradient of a jvp.

    Parameters
    ----------
    f : callable
        A function of arrays or trees of arrays that returns a real scalar.
    primals, tangents : sequence
        The arguments and what the Hessian is multiplied with, of equal structure and shapes.

    Returns
    -------
    tuple
        One product per argument, of its structure, shapes and dtypes.

    Raises
    ------
    TypeError, ValueError
        When the result is no real scalar, or primals and tangents differ in structure or shape.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> xg.hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (array([  6., 120.]),)
    """
    _, given, structure = moving("hvp", f, primals, tangents)

    def rate(*leaves: Any) -> Any:
        outs, rates, built, _ = pushed("hvp", f, structure, [inside("hvp", v, "an argument") for v in leaves], given)
        require_scalar("hvp", built, outs)
        return rates[0]

    leaves = flatten(tuple(primals))[0]
    pulled = Pulled("hvp", rate, leaves)
    raw = not any_tensor([*leaves, *flatten(tuple(tangents))[0]])
    return structure([as_kind(g, raw) for g in pulled.pull([None], False)])
