"""Checks that make a gradient trustworthy: derivatives against finite differences, in random directions.

A check draws random cotangents and random directions, never ones: a wrong rule often agrees with ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .pytree import flatten
from .registry import functions
from .tensor import Tensor
from .transforms import jvp, vjp

_STEP = {8: 2e-3, 4: 3e-2}  # by the bytes of a real number: rounding and the error of the difference are then alike
_SHOWN = 24  # more elements than these are abridged in a report


class GradcheckError(AssertionError):
    """A derivative differs from its finite difference, or there is none to compare with."""


def gradcheck(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    forward: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    step: float | None = None,
    directions: int = 1,
    kinks: bool = True,
    seed: int = 0,
) -> None:
    """Compare the derivatives of ``f`` at ``args`` with finite differences.

    For every argument the derivative along a random direction, weighted with a random cotangent, is compared with a
    central difference, improved by Richardson's extrapolation.  Order 2 checks the pullback in the same way, order 3
    the pullback of that.  ``f`` may be any function of arrays, also one with a rule of its own (``custom_vjp``).

    Parameters
    ----------
    f : callable
        A function of arrays, or trees of arrays, that returns an array or a tree of arrays.
    *args : arrays, numbers or trees of them
        Where to check; float64 or complex128.  Integer and boolean leaves are held fixed.
    order : int
        Highest order of derivative to check.
    forward : bool
        Whether ``jvp`` is checked too.
    rtol, atol : float, optional
        The derivative a and the difference b agree when ``|a - b| <= atol + rtol * max(|a|, |b|) + noise``, where
        ``noise`` is the rounding error of the difference: ten times that of the weighted result, over the step.  By
        default 1e-6 and 1e-8.  Single precision is checked only where ``rtol`` is given: 1e-2 is realistic.
    step : float, optional
        Length of the step along a direction whose entries have sizes between one half and one; by default 2e-3, or 3e-2
        in single precision.  Where the two numbers differ, shorter steps are tried before an error is raised.
    directions : int
        How many random directions to check for each argument.
    kinks : bool
        Whether a point where the slopes from both sides differ is an error: there is no derivative to check.
    seed : int
        Seed of the random directions and cotangents.

    Raises
    ------
    GradcheckError
        Naming the mode, the order, the argument, both numbers, the entry that differs most, the inputs and the
        direction; or saying that the function has a kink there, leaves its domain, or does not repeat itself.
    TypeError
        When no argument is floating, or one is of a dtype too coarse for finite differences.
    ValueError
        When ``order`` or ``directions`` is no positive number.

    Examples
    --------
    >>> import numpy as np
    >>> import xgrad as xg
    >>> from xgrad.testing import gradcheck
    >>> gradcheck(lambda x: xg.sin(x) * x, np.array([0.3, 1.2]))
    """
    if not callable(f):
        raise TypeError(f"gradcheck: the first argument must be a function; got {type(f).__name__}. Give f itself.")
    for name, number in (("order", order), ("directions", directions)):
        if number < 1:
            raise ValueError(f"gradcheck: {name} must be at least 1; got {number}.")
    leaves, structure = flatten(args)
    paths = [path.replace("[", "argument ", 1).replace("]", "", 1) for path in structure.paths()]
    primals = [functions.asarray(v) for v in leaves]
    chosen = [i for i, p in enumerate(primals) if p.dtype.kind in "fc"]
    if not chosen:
        raise TypeError("gradcheck: nothing to check; got no argument of floating dtype. Pass floats.")
    single = False
    for i in chosen:
        if primals[i].dtype not in (np.float64, np.complex128):
            single = True
            if rtol is None:
                raise TypeError(
                    f"gradcheck: {paths[i]} must be float64 or complex128; got {primals[i].dtype}. Use astype, or give "
                    "rtol."
                )

    def of_chosen(*values: Any) -> list[Any]:
        every = list(primals)
        for i, value in zip(chosen, values, strict=True):
            every[i] = value
        return [functions.asarray(v) for v in flatten(f(*structure(every)))[0]]

    check = _Check(
        [paths[i] for i in chosen],
        order,
        forward,
        1e-6 if rtol is None else rtol,
        1e-8 if atol is None else atol,
        _STEP[4 if single else 8] if step is None else step,
        directions,
        kinks,
        np.random.default_rng(seed),
        float(np.finfo(np.float32 if single else np.float64).eps),
    )
    with np.errstate(all="ignore"):  # what is not finite is reported
        check.run(of_chosen, [primals[i] for i in chosen], 1)


class _Check:
    def __init__(self, names, last, forward, rtol, atol, step, directions, kinks, random, eps):
        self.names, self.last, self.forward = names, last, forward
        self.rtol, self.atol, self.step, self.directions = rtol, atol, step, directions
        self.kinks, self.random, self.eps = kinks, random, eps

    def run(self, f: Callable[..., list[Any]], primals: list[Tensor], order: int) -> None:
        """Check one order of derivative, then the next."""
        outs, pullback = vjp(f, *primals)
        weights = [self.draw(o) for o in outs]
        cotangents = pullback(weights)
        self.repeats(f, primals, outs)
        for i, (primal, ct) in enumerate(zip(primals, cotangents, strict=True)):
            if ct.shape != primal.shape or ct.dtype != primal.dtype or ct.device != primal.device:
                raise GradcheckError(
                    f"gradcheck: the cotangent of {self.names[i]} must be like it; got {ct.shape}, {ct.dtype}, "
                    f"{ct.device} for {primal.shape}, {primal.dtype}, {primal.device}."
                )
            for _ in range(self.directions):
                line = _Line(f, primals, i, self.draw(primal), weights, outs)
                self.compare("reverse mode", order, line, _inner(ct, line.direction), ct)
                if self.forward:
                    tangents = [line.direction if j == i else functions.zeros_like(p) for j, p in enumerate(primals)]
                    _, rates = jvp(f, primals, tangents)
                    pushed = sum(_inner(w, r) for w, r in zip(weights, rates, strict=True) if _smooth(r))
                    self.compare("forward mode", order, line, pushed, None)
        if order < self.last:
            fixed = [self.draw(o) for o in outs]
            self.run(lambda *xs: list(vjp(f, *xs)[1](fixed)), primals, order + 1)

    def draw(self, like: Tensor) -> Tensor:
        """A random array of the shape, kind and device of ``like``, its entries between one half and one in size."""
        size = self.random.uniform(0.5, 1.0, like.shape) * self.random.choice([-1.0, 1.0], like.shape)
        if like.dtype.kind == "c":
            size = size + 1j * self.random.uniform(0.5, 1.0, like.shape)
        dtype = like.dtype if like.dtype.kind in "fc" else np.dtype(np.float64)
        return functions.asarray(np.asarray(size, dtype=dtype), device=like.device)

    def repeats(self, f: Callable[..., list[Any]], primals: list[Tensor], outs: list[Tensor]) -> None:
        """An error unless the function gives the same result again, but for rounding, which may depend on alignment."""
        for a, b in zip(outs, f(*primals), strict=True):
            a, b = a.detach().numpy(), b.detach().numpy()
            if not np.allclose(a, b, rtol=1e4 * self.eps, atol=1e2 * self.eps, equal_nan=True):
                raise GradcheckError(
                    "gradcheck: the function gives different results for the same arguments, so differences mean "
                    "nothing. Fix the seed of its random numbers."
                )

    def compare(self, mode: str, order: int, line: _Line, exact: float, ct: Tensor | None) -> None:
        """One derivative along one line with its finite difference."""
        where = f"{mode}, order {order}, {self.names[line.i]}"
        if self.kinks:
            self.look_for_kinks(where, line)
        numeric = line.slope(self.step)
        if self.close(exact, numeric, line, self.step):
            return
        near, nearer = line.slope(self.step / 4), line.slope(self.step / 16)  # strong curvature needs shorter steps
        linear = (4 * nearer - near) / 3  # the limit where the error falls with the step only: no second derivative
        if abs(exact - nearer) < abs(exact - numeric) / 8 and any(
            self.close(exact, v, line, self.step / 16) for v in (near, nearer, linear)
        ):
            return
        if not math.isfinite(numeric):
            raise GradcheckError(
                f"gradcheck: {where}: the finite difference is {numeric}: within {self.step:g} of the point the "
                f"function is not finite. Move away from the edge of its domain.{line.report()}"
            )
        entry = "" if ct is None else self.worst(line, ct)
        raise GradcheckError(
            f"gradcheck: {where}: the derivative is {exact:.12g} but the finite difference is {numeric:.12g}."
            f"{entry}{line.report()}"
        )

    def close(self, a: float, b: float, line: _Line, step: float) -> bool:
        """Whether derivative and difference agree, as documented."""
        noise = 10 * self.eps * line.size / step
        return abs(a - b) <= self.atol + self.rtol * max(abs(a), abs(b)) + noise

    def look_for_kinks(self, where: str, line: _Line) -> None:
        """An error where the slopes from both sides differ, and do not come closer with shorter steps."""
        wide, near = line.sides(self.step), line.sides(self.step / 8)
        gap, left = abs(wide[0] - wide[1]), abs(near[0] - near[1])
        floor = 1e-4 * max(map(abs, (*wide, *near))) + 100 * self.eps * line.size / (self.step / 8)
        if min(gap, left) > max(floor, self.atol) and left > gap / 8:  # the gap of a smooth function falls by 64
            raise GradcheckError(
                f"gradcheck: {where}: the function has a kink at or near the point, so there is no derivative to "
                f"check: the slope is {near[1]:.6g} on one side and {near[0]:.6g} on the other. Move the point, or "
                f"pass kinks=False.{line.report()}"
            )

    def worst(self, line: _Line, ct: Tensor) -> str:
        """The entry of an argument whose derivative is farthest from its finite difference, among the first 1,000."""
        primal, worst, text = line.primals[line.i], -1.0, ""
        values = ct.detach().numpy()
        for place in list(np.ndindex(primal.shape))[:1000]:
            for unit, part in ((1.0, "real"), (1j, "imag")) if primal.dtype.kind == "c" else ((1.0, "real"),):
                along = np.zeros(primal.shape, primal.dtype)
                along[place] = unit
                beside = _Line(
                    line.f,
                    line.primals,
                    line.i,
                    functions.asarray(along, device=primal.device),
                    line.weights,
                    line.outs,
                )
                numeric, exact = beside.slope(self.step), float(getattr(values[place], part))
                gap = abs(exact - numeric)
                if not gap <= worst:
                    of = f" ({part}inary part)" if unit == 1j else ""
                    worst, text = gap, f" Entry {place}{of}: derivative {exact:.9g}, difference {numeric:.9g}."
        return text


class _Line:
    """The weighted result of ``f`` along a direction in one argument."""

    def __init__(self, f, primals, i, direction, weights, outs):
        self.f, self.primals, self.i, self.direction, self.weights, self.outs = f, primals, i, direction, weights, outs
        self.known: dict[float, float] = {0.0: self.weighted(outs)}
        pairs = [(w, o) for w, o in zip(weights, outs, strict=True) if _smooth(o)]
        self.size = sum(float(np.sum(np.abs(w.numpy() * o.detach().numpy()))) for w, o in pairs)

    def weighted(self, outs: list[Any]) -> float:
        """The real inner product of results and weights."""
        return sum(_inner(w, o) for w, o in zip(self.weights, outs, strict=True) if _smooth(o))

    def at(self, step: float) -> float:
        """The weighted result after a step."""
        if step not in self.known:
            moved = [p + step * self.direction if j == self.i else p for j, p in enumerate(self.primals)]
            self.known[step] = self.weighted(self.f(*moved))
        return self.known[step]

    def slope(self, h: float) -> float:
        """The central difference for steps h and h / 2, extrapolated (Richardson)."""
        wide, narrow = (self.at(h) - self.at(-h)) / (2 * h), (self.at(h / 2) - self.at(-h / 2)) / h
        return (4 * narrow - wide) / 3

    def sides(self, h: float) -> tuple[float, float]:
        """The slopes to the right and to the left of the point, to second order in h."""
        right = (4 * self.at(h / 2) - self.at(h) - 3 * self.at(0.0)) / h
        left = (3 * self.at(0.0) - 4 * self.at(-h / 2) + self.at(-h)) / h
        return right, left

    def report(self) -> str:
        """The inputs and the direction."""
        with np.printoptions(threshold=_SHOWN, precision=17):
            lines = [f"{'at' if j == 0 else 'and'} {p.detach()!r}" for j, p in enumerate(self.primals)]
            return "\n" + "\n".join([*lines, f"along {self.direction!r}"])


def _smooth(out: Tensor) -> bool:
    return out.dtype.kind in "fc"


def _inner(a: Tensor, b: Tensor) -> float:
    """The real inner product of two arrays."""
    left, right = a.detach().numpy(), b.detach().numpy()
    return float(np.sum(np.real(np.conj(left) * right)))
