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
_UFUNC_DEFAULTS = {"where": True, "casting": "same_kind", "order": "K", "subok": True, "dtype": None, "keepdims": False}
_FLATTENING = frozenset(("cumulative_sum", "cumulative_prod", "take", "sort", "argsort"))
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
        kwargs = {k: v for k, v in kwargs.items() if k == "axis" or v is not _UFUNC_DEFAULTS.get(k, np._NoValue)}
        dtype = kwargs.pop("dtype", None) if method == "__call__" else None
        if method == "reduce" and ufunc.__name__ in _REDUCTIONS:
            name = _REDUCTIONS[ufunc.__name__]
            kwargs.setdefault("axis", 0)  # ufunc.reduce goes over the first axis unless told
        elif method != "__call__" or not hasattr(functions, name):
            raise _unsupported(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}")
        strange = kwargs.keys() - _parameters(name)[1]
        if strange:
            raise _unsupported(ufunc.__name__, f"with {', '.join(sorted(strange))}=")
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
        signature = inspect.signature(func)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments: list[Any] = []
        named: dict[str, Any] = {}
        positional, known = _parameters(name)
        for parameter in signature.parameters.values():
            value = bound.arguments[parameter.name]
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                arguments += value
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                named |= value
            elif len(arguments) < len(positional):
                arguments.append(value)
            elif value is not parameter.default and value is not np._NoValue:
                named[_KEYWORDS.get(parameter.name, parameter.name)] = value
        if name in _FLATTENING and bound.arguments.get("axis") is None:
            arguments[0] = functions.reshape(functions.asarray(arguments[0]), (-1,))
            named["axis"] = 0
        if name == "permute_dims":
            named["axes"] = named.get("axes") or tuple(reversed(range(arguments[0].ndim)))
        if name == "round":
            return arguments[0].round(**named)
        strange = named.keys() - known
        if strange:
            raise _unsupported(plain, f"with {', '.join(sorted(strange))}=")
        return getattr(functions, name)(*arguments, **named)
