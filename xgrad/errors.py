"""Message helpers and exceptions.

Every message is one sentence: *function: what is wrong; got the fact. Do this.*  Exceptions subclass TypeError or
ValueError, so callers that know only Python's own classes catch them.
"""

from __future__ import annotations

from typing import Any


class NotAnArrayError(TypeError):
    """An operand is no array and no number; operators turn it into ``NotImplemented``."""


class DeviceError(ValueError):
    """A device does not exist, is not usable here, or differs from another operand's."""


class GraphError(RuntimeError):
    """The recorded graph cannot serve: it was released, or there is none."""


def kind(value: Any) -> str:
    """A short description of any value for a message: its type, with shape and dtype where it has them."""
    name = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{name} of shape {tuple(shape)} and dtype {getattr(value, 'dtype', 'unknown')}"
    return name


def not_an_array(function: str, argument: str, value: Any) -> NotAnArrayError:
    """The error for an operand that no backend knows."""
    return NotAnArrayError(
        f"{function}: {argument} must be an array or a number; got {kind(value)}. Convert it with xgrad.asarray."
    )
