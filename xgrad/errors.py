"""Message helpers and exceptions.

Every message is one sentence: *function: what is wrong; got the fact. Do this.*  Exceptions subclass Python's own,
so callers that know only Python's own classes catch them.
"""

from __future__ import annotations

import math
from typing import Any


class NotAnArrayError(TypeError):
    """An operand is no array and no number; operators turn it into ``NotImplemented``."""


class DeviceError(ValueError):
    """A device does not exist, is not usable here, or differs from another operand's."""


class GraphError(RuntimeError):
    """The recorded graph cannot serve: it was released, or there is none."""


class NonFiniteError(FloatingPointError):
    """What ``xgrad.debug`` found: the first NaN or infinity.

    Attributes
    ----------
    function : str
        The function whose result, cotangent or tangent it is.
    filename, lineno : str, int
        The user's line that called it, also when it was found in the pass back; None where that is not known.
    indices : list of tuple
        Where it is, the first few.
    """

    function: str
    filename: str | None = None
    lineno: int | None = None
    indices: list[tuple[int, ...]]


def kind(value: Any) -> str:
    """A short description of any value for a message: its type, with shape and dtype where it has them."""
    name = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{name} of shape {tuple(shape)} and dtype {getattr(value, 'dtype', 'unknown')}"
    return name


def unfit(function: str, error: Exception, arrays: Any, params: dict[str, Any]) -> Exception:
    """The error for operands that a library refused: their shapes, and its own reason where that says more."""
    shapes = [tuple(a.shape) for a in arrays if hasattr(a, "shape")]
    got = " and ".join(map(str, shapes))
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".").removeprefix(f"{function}: ")
    if isinstance(error, IndexError):  # NumPy's AxisError is one
        return IndexError(f"{function}: {reason}; got an array of shape {got}.")
    if isinstance(error, TypeError):
        dtypes = " and ".join(str(getattr(a, "dtype", type(a).__name__)) for a in arrays)
        return TypeError(f"{function}: not defined for these operands ({reason}); got {dtypes}. Convert with astype.")
    if function == "reshape":
        return ValueError(
            f"reshape: shape does not hold {math.prod(shapes[0])} elements; got {params['shape']} for an array of "
            f"shape {got}. "
            "Their products must agree."
        )
    if function == "broadcast_to":
        got = f"{params['shape']} for an array of shape {got}"
    if function == "matmul":
        advice = "The last axis of x1 must equal the last but one of x2 (its only one, for a vector)."
        return ValueError(f"matmul: shapes do not fit together; got {got}. {advice}")
    if any(words in reason for words in ("broadcast", "must match", "expanded size")):
        return ValueError(f"{function}: shapes do not fit together; got {got}. Extents must agree or be 1.")
    return ValueError(f"{function}: {reason}; got {got or 'no array'}. Check the shapes and the arguments.")


def not_an_array(function: str, argument: str, value: Any) -> NotAnArrayError:
    """The error for an operand that no backend knows."""
    return NotAnArrayError(
        f"{function}: {argument} must be an array or a number; got {kind(value)}. Convert it with xgrad.asarray."
    )
