"""NumPy's own functions on Tensors: ``np.sin(t)``, ``np.sum(t, axis=0)``, ``ndarray * t``.

NumPy hands the call over, and the function of the same meaning is called here, so it is recorded.  What has no
counterpart raises TypeError with its name; nothing is converted silently.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from .registry import functions

# NumPy's names where they differ from the standard's.
_NAMES = {
    "absolute": "abs",
    "fabs": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "amax": "max",
    "amin": "min",
    "concatenate": "concat",
    "conjugate": "conj",
    "cumprod": "cumulative_prod",
    "cumsum": "cumulative_sum",
    "dot": "dot",
    "float_power": "pow",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "mod": "remainder",
    "power": "pow",
    "right_shift": "bitwise_right_shift",
    "rint": "round",
    "true_divide": "divide",
    "transpose": "permute_dims",
    "around": "round",
}
_KEYWORDS = {"ddof": "correction", "reps": "repetitions", "newshape": "shape", "a_min": "min", "a_max": "max"}
_REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}
_INSPECTIONS: dict[str, Any] = {  # what they answer holds no values, so no gradient can be lost
    "shape": lambda a: a.shape,
    "ndim": lambda a: a.ndim,
    "size": lambda a, axis=None: a.size if axis is None else a.shape[axis],
    "iscomplexobj": lambda x: x.dtype.kind == "c",
    "isrealobj": lambda x: x.dtype.kind != "c",
}
_SIGNATURES: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {}


def _unsupported(name: str, why: str = "it has no counterpart in xgrad") -> TypeError:
    return TypeError(f"numpy.{name}: not supported on a Tensor, {why}. Use x.detach().numpy() for a constant.")


def _parameters(name: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The positional names of a function of ours, and all its names."""
    if name not in _SIGNATURES:
        parameters = inspect.signature(getattr(functions, name)).parameters.values()
        positional = tuple(p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_ONLY)
        _SIGNATURES[name] = positional, frozenset(p.name for p in parameters)
    return _SIGNATURES[name]


class NumPyProtocol:
    """``__array_ufunc__`` and ``__array_function__`` of a Tensor."""

    __slots__ = ()
    __array_priority__ = 1000.0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        name = _NAMES.get(ufunc.__name__, ufunc.__name__)
        kwargs = {k: v for k, v in kwargs.items() if not _is_default(k, v)}
        if method == "reduce" and ufunc.__name__ in _REDUCTIONS:
            name = _REDUCTIONS[ufunc.__name__]
            kwargs.setdefault("axis", 0)  # ufunc.reduce goes over the first axis unless told
        elif method != "__call__" or not hasattr(functions, name) or kwargs.keys() - {"dtype"}:
            extra = "" if method == "__call__" else f".{method}"
            why = f"with {', '.join(kwargs)}=" if kwargs else "it has no counterpart in xgrad"
            raise _unsupported(ufunc.__name__ + extra, why)
        dtype = kwargs.pop("dtype", None) if method == "__call__" else None
        result = getattr(functions, name)(*inputs, **kwargs)
        if dtype is not None:
            result = functions.astype(result, dtype)
        if out is None:
            return result
        (target,) = out
        if not isinstance(target, NumPyProtocol):
            raise _unsupported(ufunc.__name__, "an ndarray given as out= cannot hold its gradient")
        return target._write(result, ufunc.__name__)  # type: ignore[attr-defined]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        plain = func.__name__
        name = _NAMES.get(plain, plain)
        if plain in _INSPECTIONS:
            return _INSPECTIONS[plain](*args, **kwargs)
        if not hasattr(functions, name):
            raise _unsupported(plain)
        bound = inspect.signature(func).bind(*args, **kwargs).arguments
        given = {k: v for k, v in bound.items() if k not in ("kwargs", "args") and not _is_default(k, v)} | bound.get(
            "kwargs", {}
        )
        positional, known = _parameters(name)
        arguments = bound.get("args", ()) or [given.pop(k) for k in list(given)[: len(positional)]]
        named = {_KEYWORDS.get(k, k): v for k, v in given.items()}
        if name == "permute_dims":
            named["axes"] = named.get("axes") or tuple(reversed(range(arguments[0].ndim)))
        strange = named.keys() - known
        if strange:
            raise _unsupported(plain, f"with {', '.join(sorted(strange))}=")
        return getattr(functions, name)(*arguments, **named)


def _is_default(name: str, value: Any) -> bool:
    """Whether a keyword says only what NumPy assumes anyway."""
    if name in ("out", "dtype", "axis", "axes", "initial", "where", "casting", "order", "subok", "keepdims"):
        unset = {"where": True, "casting": "same_kind", "order": "K", "subok": True}.get(name)
        return value is unset or value is np._NoValue
    return value is np._NoValue
