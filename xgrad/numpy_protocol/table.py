"""The table from NumPy's functions to ours, and what its pages share.

A page defines an adapter under NumPy's name with NumPy's own signature, so Python itself binds the arguments; a
function of ours that already has NumPy's meaning is entered by name with ``same``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np

from ..registry import functions

xp: Any = functions  # adapters are written as rules are: in terms of xp
_NoValue = np._NoValue
_ARRAYS = frozenset(("where", "weights", "fweights", "aweights", "values", "to_end", "to_begin"))  # wherever they are
NEVER = 1 << 30  # the place of an argument that a function does not have

handlers: dict[Any, tuple[Callable[..., Any], int]] = {}  # NumPy's function -> the adapter, the place of its out=


def unsupported(name: str, why: str = "it has no counterpart in xgrad", library: str = "numpy") -> TypeError:
    """The error for what cannot be recorded."""
    return TypeError(f"{library}.{name}: not supported on a Tensor, {why}. Use x.detach().numpy() for a constant.")


def name_of(func: Any) -> str:
    """NumPy's name of a function below ``numpy``: ``sum``, ``linalg.inv``."""
    module = getattr(func, "__module__", None) or "numpy"
    return ".".join([*module.split(".")[1:2], func.__name__])


def numpys(name: str) -> Any:
    """NumPy's function of a dotted name, or None in a version of NumPy that lacks it."""
    try:
        return attrgetter(name)(np)
    except AttributeError:
        return None


def enter(name: str, handler: Callable[..., Any], out: int = NEVER) -> None:
    """Put a handler into the table, where this version of NumPy has the function."""
    func = numpys(name)
    if func is not None:
        handlers[func] = handler, out


def implements(*names: str) -> Callable[..., Any]:
    """Decorator: an adapter with NumPy's signature for NumPy's functions of these names.

    Its ``out`` is there to keep the places of what follows: results are written where the call is dispatched.
    """

    def decorate(function):
        parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
        for name in names:
            enter(name, function, parameters.index("out") if "out" in parameters else NEVER)
        return function

    return decorate


def same(arrays: int | None, names: str) -> None:
    """Enter functions of ours that mean what NumPy's mean, as ``name`` or ``numpy_name:our_name``.

    The first ``arrays`` arguments are arrays; None stands for one sequence of them.
    """
    for entry in names.split():
        theirs, _, ours = entry.partition(":")
        enter(theirs, Same(theirs, ours or theirs, arrays))


class Same:
    """A function of ours called with NumPy's arguments: places and keywords as NumPy names them.

    Parameters
    ----------
    theirs, ours : str
        The names below ``numpy`` and in the registry.
    arrays : int or None
        How many leading arguments are arrays, None for one sequence of arrays.
    """

    def __init__(self, theirs: str, ours: str, arrays: int | None):
        self.theirs, self.ours, self.arrays = theirs, ours, arrays
        self.function: Any = None

    def find(self) -> None:
        """Read both signatures, once."""
        function = attrgetter(self.ours)(functions)
        theirs = inspect.signature(numpys(self.theirs)).parameters.values()
        self.names = tuple(p.name for p in theirs)
        self.defaults = {p.name: p.default for p in theirs}
        self.variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in theirs)
        own = inspect.signature(function).parameters.values()
        self.placed = max(self.arrays or 1, sum(p.kind is inspect.Parameter.POSITIONAL_ONLY for p in own))
        self.known = frozenset(p.name for p in own)
        self.open = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in own)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Bind, drop what is NumPy's default and unknown to ours, and call."""
        if self.function is None:
            self.find()
        if self.variadic:
            return self.function(*map(tensor, args), **kwargs)
        given = dict(zip(self.names, args, strict=False))
        twice = given.keys() & kwargs.keys()
        if twice or len(args) > len(self.names):
            raise TypeError(f"{self.theirs}: got {', '.join(twice) or len(args)} too often. Give each argument once.")
        given |= kwargs
        out = given.pop("out", None)
        placed = [given.pop(name) for name in self.names[: self.placed] if name in given]
        if self.arrays is None:
            placed[0] = [tensor(a) for a in placed[0]]
        else:
            placed[: self.arrays] = [a if a is None else tensor(a) for a in placed[: self.arrays]]
        for name, value in list(given.items()):
            if name not in self.known and not self.open:
                del given[name]
                if value is not self.defaults.get(name, _NoValue) and value is not _NoValue:
                    raise unsupported(self.theirs, f"with {name}=")
            elif name in _ARRAYS and value is not None and value is not _NoValue:
                given[name] = tensor(value)
        result = self.function(*placed, **given)
        return result if out is None else deliver(self.theirs, result, out)


def is_tensor(value: Any) -> bool:
    """Whether ``value`` is a Tensor."""
    return hasattr(value, "node")


def tensor(value: Any) -> Any:
    """An array-like as a Tensor: Tensors as they are, lists that hold Tensors joined and so recorded."""
    if hasattr(value, "node"):
        return value
    if isinstance(value, list | tuple) and holds_tensor(value):
        return xp.stack([tensor(v) for v in value])
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("numpy: a Tensor has no mask, so a masked array cannot be joined with it. Fill it first.")
    return xp.asarray(value)


def holds_tensor(value: Any) -> bool:
    """Whether nested lists hold a Tensor somewhere."""
    return any(map(holds_tensor, value)) if isinstance(value, list | tuple) else hasattr(value, "node")


def operand(value: Any) -> Any:
    """An array-like as an operand: as ``tensor``, but a number stays a number and takes the dtype of the others."""
    return tensor(value) if isinstance(value, list | tuple | np.ndarray) else value


def host(value: Any) -> Any:
    """Integers that say where or how, never a value that has a gradient, as NumPy data."""
    if isinstance(value, list | tuple) and holds_tensor(value):
        return [host(v) for v in value]
    return value.detach().numpy() if hasattr(value, "node") else value


def deliver(name: str, result: Any, out: Any) -> Any:
    """Write a result where ``out=`` says; an ndarray cannot hold its gradient."""
    if isinstance(out, tuple) and len(out) == 1:
        (out,) = out
    if not hasattr(out, "node"):
        raise unsupported(name, "an ndarray given as out= cannot hold its gradient")
    return out._write(tensor(result), name)


def only(name: str, **given: tuple[Any, tuple[Any, ...]]) -> None:
    """Refuse arguments that ask for what is not there: ``order=(order, ("C",))``."""
    for argument, (value, allowed) in given.items():
        if not any(value is a or (isinstance(value, str) and value == a) for a in allowed):
            raise unsupported(name, f"with {argument}={value!r}")
