"""NumPy's ufuncs: the table of their counterparts, and calls with ``out=``, ``where=``, ``dtype=`` and ``casting=``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np

from ..arguments import SCALARS, as_dtype
from ..errors import NotAnArrayError
from ..registry import functions
from .table import deliver, numpys, operand, tensor, unsupported, xp

# NumPy's name, and ours where it differs.
_NAMES = """
    abs:abs absolute:abs acos acosh add arccos:acos arccosh:acosh arcsin:asin arcsinh:asinh arctan:atan arctan2:atan2
    arctanh:atanh asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_not:bitwise_invert
    bitwise_or bitwise_right_shift bitwise_xor cbrt ceil conj conjugate:conj copysign cos cosh deg2rad degrees divide
    divmod equal exp exp2 expm1 float_power floor floor_divide fmax fmin fmod frexp greater greater_equal heaviside
    hypot invert:bitwise_invert isfinite isinf isnan ldexp left_shift:bitwise_left_shift less less_equal log log10 log1p
    log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor matmul maximum minimum mod:remainder modf
    multiply negative nextafter not_equal positive pow power:pow rad2deg radians reciprocal remainder
    right_shift:bitwise_right_shift rint:round sign signbit sin sinh sqrt square subtract tan tanh true_divide:divide
    trunc vecdot
"""
ufuncs: dict[Any, str | Callable[..., Any]] = {}  # ufunc -> the name of ours, or an adapter
calls: dict[Any, Callable[..., Any]] = {}  # ufunc -> the function itself, found at the first call


def _fill() -> None:
    for entry in _NAMES.split():
        theirs, _, ours = entry.partition(":")
        if isinstance(numpys(theirs), np.ufunc):  # a name of the standard may be missing in this version of NumPy
            ufuncs[numpys(theirs)] = ours or theirs


def _counterpart(function: Callable[..., Any]) -> Callable[..., Any]:
    """Enter an adapter under the name of the ufunc it stands for."""
    ufunc = numpys(function.__name__)
    if ufunc is not None:
        ufuncs[ufunc] = function
    return function


def find(ufunc: Any) -> Callable[..., Any]:
    """Our function for a ufunc."""
    if ufunc not in calls:
        entry = ufuncs.get(ufunc) or _special(ufunc)
        calls[ufunc] = attrgetter(entry)(functions) if isinstance(entry, str) else entry
    return calls[ufunc]


def _special(ufunc: Any) -> str:
    """The name of ours for a ufunc of SciPy's, which asks the same protocol; TypeError for any other."""
    name = ufunc.__name__
    if getattr(sys.modules.get("scipy.special"), name, None) is not ufunc:
        raise unsupported(name)
    if not hasattr(functions.special, name):
        raise unsupported(name, library="scipy.special")
    return f"special.{name}"


def call(ufunc: Any, inputs: tuple[Any, ...]) -> Any:
    """A ufunc on array-likes, without further arguments."""
    try:
        return find(ufunc)(*inputs)
    except NotAnArrayError:
        if not any(isinstance(v, list | tuple) for v in inputs):
            raise
    return find(ufunc)(*map(operand, inputs))


def general(
    ufunc: Any,
    *inputs: Any,
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    casting: Any = "same_kind",
    order: str = "K",
    subok: bool = True,
    axis: Any = None,
    **strange: Any,
) -> Any:
    """A call of a ufunc with any of NumPy's arguments; ``order`` and ``subok`` say nothing about a Tensor."""
    name = ufunc.__name__
    if axis is not None and name == "vecdot":
        inputs = tuple(xp.moveaxis(tensor(v), axis, -1) for v in inputs)
    elif axis is not None:
        strange["axis"] = axis
    if strange:
        raise unsupported(name, f"with {', '.join(sorted(strange))}=")
    targets = (None,) * ufunc.nout if out is None else out if isinstance(out, tuple) else (out,)
    for target in targets:
        if target is not None and not hasattr(target, "node"):
            raise unsupported(name, "an ndarray given as out= cannot hold its gradient")
    if where is not True and None in targets:
        raise unsupported(name, "with where= but without out=, which leaves the other elements undefined")
    if dtype is not None:
        inputs = _cast(ufunc, inputs, as_dtype(dtype), casting)
    if where is True:
        results = call(ufunc, inputs)
    else:
        with np.errstate(all="ignore"):  # where the mask says no, NumPy does not compute
            results = call(ufunc, inputs)
    if ufunc.nout == 1:
        return _finish(name, results, targets[0], where, dtype, casting)
    return tuple(_finish(name, r, t, where, None, casting) for r, t in zip(results, targets, strict=True))


def _cast(ufunc: Any, inputs: tuple[Any, ...], dtype: np.dtype, casting: Any) -> tuple[Any, ...]:
    """Inputs in the dtype that ``dtype=`` asks to compute in; that of a predicate says nothing about them."""
    if "d->?" in ufunc.types or "dd->?" in ufunc.types:
        return inputs
    arrays = [v if type(v) in SCALARS else tensor(v) for v in inputs]
    for v in arrays:
        if hasattr(v, "node") and not np.can_cast(v.dtype, dtype, casting):
            raise TypeError(f"{ufunc.__name__}: cannot cast to dtype by the rule {casting!r}; got {v.dtype}, {dtype}.")
    return tuple(xp.astype(v, dtype, copy=False) if hasattr(v, "node") else v for v in arrays)


def _finish(name: str, result: Any, target: Any, where: Any, dtype: Any, casting: Any) -> Any:
    goal = target.dtype if target is not None else None if dtype is None else as_dtype(dtype)
    if goal is not None and result.dtype != goal:
        if not np.can_cast(result.dtype, goal, casting):
            raise TypeError(f"{name}: cannot cast the result by the rule {casting!r}; got {result.dtype} for {goal}.")
        result = xp.astype(result, goal)
    if target is None:
        return result
    return deliver(name, result if where is True else xp.where(tensor(where), result, target), target)


_fill()

# Ufuncs that are a formula in ours ------------------------------------------------------------------------------------


@_counterpart
def fabs(x):
    """Absolute value of real numbers."""
    x = xp.asarray(x)
    if x.dtype.kind == "c":
        raise TypeError(f"fabs: x must be real; got {x.dtype}. Use abs.")
    return xp.abs(x if x.dtype.kind == "f" else xp.astype(x, np.float64))


@_counterpart
def spacing(x):
    """The distance to the next number away from zero; its derivative is zero."""
    x = xp.asarray(x).detach()
    return xp.nextafter(x, xp.where(xp.signbit(x), -xp.full_like(x, np.inf), xp.full_like(x, np.inf))) - x


@_counterpart
def matvec(x1, x2):
    """Matrices times vectors."""
    return xp.matmul(tensor(x1), tensor(x2)[..., None])[..., 0]


@_counterpart
def vecmat(x1, x2):
    """Conjugated vectors times matrices."""
    return xp.matmul(xp.conj(tensor(x1))[..., None, :], tensor(x2))[..., 0, :]
