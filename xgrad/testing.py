"""Checks that make a gradient trustworthy: derivatives against finite differences, in random directions.

A check draws random cotangents and random directions, never ones: a wrong rule often agrees with ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .pytree import flatten
from .registry import functions
from .tensor import Tensor
from .transforms import jvp, vjp


class GradcheckError(AssertionError):
    """A derivative differs from its finite difference."""


def gradcheck(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    forward: bool = True,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
) -> None:
    """Compare the derivatives of ``f`` at ``args`` with finite differences.

    For every argument the derivative along a random direction, weighted with a random cotangent, is compared with a
    central difference, improved by Richardson's extrapolation.  Order 2 checks the pullback in the same way.

    Parameters
    ----------
    f : callable
        A function of arrays that returns an array or a tree of arrays.
    *args : arrays or numbers
        Where to check; float64 or complex128.  Integer and boolean arguments are held fixed.
    order : int
        Highest order of derivative to check.
    forward : bool
        Whether ``jvp`` is checked against ``vjp`` too.
    rtol, atol : float
        The two numbers a (derivative) and b (difference) agree when ``|a - b| <= atol + rtol * max(|a|, |b|)``.
    seed : int
        Seed of the random directions and cotangents.

    Raises
    ------
    GradcheckError
        Naming the order, the argument, both numbers, the inputs and the entry that differs most.
    TypeError
        When an argument is of a dtype too coarse for finite differences.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> from xgrad.testing import gradcheck
    >>> gradcheck(lambda x: xg.sin(x) * x, np.array([0.3, 1.2]))
    """
    random = np.random.default_rng(seed)
    primals = [functions.asarray(a) for a in args]
    chosen = [i for i, p in enumerate(primals) if p.dtype.kind in "fc"]
    if not chosen:
        raise TypeError("gradcheck: nothing to check; got no argument of floating dtype. Pass floats.")
    for i in chosen:
        if primals[i].dtype not in (np.float64, np.complex128):
            raise TypeError(
                f"gradcheck: argument {i} must be float64 or complex128; got {primals[i].dtype}. Use astype."
            )

    def of_chosen(*values: Any) -> list[Any]:
        every = list(primals)
        for i, value in zip(chosen, values, strict=True):
            every[i] = value
        return [functions.asarray(v) for v in flatten(f(*every))[0]]

    _check(of_chosen, [primals[i] for i in chosen], chosen, 1, order, forward, rtol, atol, random)


def _draw(random: np.random.Generator, like: Tensor) -> Tensor:
    """A random array of the shape, kind and device of ``like``, its entries between one half and one in size."""
    size = random.uniform(0.5, 1.0, like.shape) * random.choice([-1.0, 1.0], like.shape)
    if like.dtype.kind == "c":
        size = size + 1j * random.uniform(0.5, 1.0, like.shape)
    dtype = like.dtype if like.dtype.kind in "fc" else np.dtype(np.float64)
    return functions.asarray(np.asarray(size, dtype=dtype), device=like.device)


def _inner(a: Tensor, b: Tensor) -> float:
    """The real inner product of two arrays."""
    left, right = a.detach().numpy(), b.detach().numpy()
    return float(np.sum(np.real(np.conj(left) * right)))


def _difference(f: Callable[..., list[Any]], primals: list[Tensor], i: int, v: Tensor, weights: list[Tensor]) -> float:
    """The derivative of the weighted results along ``v`` in argument ``i``."""

    def at(step: float) -> float:
        moved = [p + step * v if j == i else p for j, p in enumerate(primals)]
        outs = f(*moved)
        return sum(_inner(w, o) for w, o in zip(weights, outs, strict=True) if o.dtype.kind in "fc")

    def central(step: float) -> float:
        return (at(step) - at(-step)) / (2 * step)

    step = 2e-3
    return (4 * central(step / 2) - central(step)) / 3


def _check(f, primals, names, order, last, forward, rtol, atol, random) -> None:
    outs, pullback = vjp(f, *primals)
    weights = [_draw(random, o) for o in outs]
    cotangents = pullback(weights)
    for i, (primal, ct) in enumerate(zip(primals, cotangents, strict=True)):
        if ct.shape != primal.shape or ct.dtype != primal.dtype or ct.device != primal.device:
            raise GradcheckError(
                f"gradcheck: the cotangent of argument {names[i]} must be like it; got {ct.shape}, {ct.dtype}, "
                f"{ct.device} for {primal.shape}, {primal.dtype}, {primal.device}."
            )
        direction = _draw(random, primal)
        numeric = _difference(f, primals, i, direction, weights)
        exact = _inner(ct, direction)
        where = f"order {order}, argument {names[i]}"
        if not _close(exact, numeric, rtol, atol):
            entry = _worst(f, primals, i, ct, weights)
            raise GradcheckError(_report("reverse mode", where, exact, numeric, primal, direction, entry))
        if forward:
            tangents = [direction if j == i else functions.zeros_like(p) for j, p in enumerate(primals)]
            _, rates = jvp(f, primals, tangents)
            pushed = sum(_inner(w, r) for w, r in zip(weights, rates, strict=True) if r.dtype.kind in "fc")
            if not _close(pushed, numeric, rtol, atol):
                raise GradcheckError(_report("forward mode", where, pushed, numeric, primal, direction, ""))
    if order < last:
        fixed = [_draw(random, o) for o in outs]
        _check(lambda *xs: list(vjp(f, *xs)[1](fixed)), primals, names, order + 1, last, forward, rtol, atol, random)


def _close(a: float, b: float, rtol: float, atol: float) -> bool:
    return abs(a - b) <= atol + rtol * max(abs(a), abs(b))


def _worst(f, primals, i, ct, weights) -> str:
    """The entry of an argument whose derivative is farthest from its finite difference."""
    primal, worst = primals[i], (-1.0, "")
    for place in np.ndindex(primal.shape):
        unit = np.zeros(primal.shape, primal.dtype)
        unit[place] = 1.0
        numeric = _difference(f, primals, i, functions.asarray(unit, device=primal.device), weights)
        exact = float(np.real(ct.detach().numpy()[place]))
        gap = abs(exact - numeric)
        if not gap <= worst[0]:
            worst = (gap, f" Entry {place}: derivative {exact:.9g}, difference {numeric:.9g}.")
        if sum(place) > 1000:
            break
    return worst[1]


def _report(mode: str, where: str, exact: float, numeric: float, primal: Tensor, direction: Tensor, entry: str) -> str:
    return (
        f"gradcheck: {mode}, {where}: the derivative is {exact:.12g} but the finite difference is {numeric:.12g}."
        f"{entry}\nat {primal!r}\nalong {direction!r}"
    )
