"""The table of functions by name, and the mixin that spells every operator once.

Operators, NumPy's protocols and lifted rules find a function here by its name, so the class, the functions and the
rules need not import one another.  ``functions`` is itself a namespace: it is the ``xp`` that a rule meets when it runs
on Tensors.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from typing import Any

from .constants import DTYPES
from .errors import NotAnArrayError

SPACES = ("linalg", "fft", "special")  # sub-namespaces: the page ``xgrad.linalg`` defines the functions of the first


class Functions:
    """Every registered function as an attribute: the array namespace of Tensors, or a sub-namespace of it."""

    def __init__(self, name: str):
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.__dict__.get('__name__')} has no function {name!r}.")


functions = Functions("xgrad")
vars(functions).update(DTYPES)
for _space in SPACES:
    setattr(functions, _space, Functions(f"xgrad.{_space}"))
table = vars(functions)  # the same, for the operators: a look-up in a dict is the fastest
composites: dict[str, Callable[..., Any]] = {}  # name -> formula(xp, ...), for array libraries that lack the function


def full_name(function: Callable[..., Any]) -> str:
    """The name of a function within xgrad, by the page that defines it: ``sum``, ``linalg.inv``."""
    space = [part for part in function.__module__.split(".")[1:2] if part in SPACES]
    return ".".join([*space, function.__name__])


def register(function: Callable[..., Any]) -> None:
    """Enter a public function under its own name, in the namespace of its page."""
    space, _, name = full_name(function).rpartition(".")
    setattr(getattr(functions, space) if space else functions, name, function)


def formula(name: str) -> Callable[..., Any]:
    """Decorator: ``f(xp, ...)`` computes the function of this full name on libraries that lack it."""

    def enter(function):
        composites[name] = function
        return function

    return enter


def every_function() -> dict[str, Callable[..., Any]]:
    """All registered functions by full name, the sub-namespaces included."""
    found = {n: f for n, f in vars(functions).items() if callable(f)}
    for space in SPACES:
        found |= {f"{space}.{n}": f for n, f in vars(getattr(functions, space)).items() if callable(f)}
    return found


PYTHONS = {"add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv"}  # functions and Python's operators


def refused(name: str, other: Any, error: NotAnArrayError) -> Any:
    """What the operator of the function called ``name`` answers to an operand that is no array."""
    # Python's own containers would try an operator of theirs next and fail with a message about something else.
    if isinstance(other, list | tuple | str | dict | set) and name not in ("equal", "not_equal"):
        raise error
    return NotImplemented


def _binary(name: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The operator, its reflection and its in-place form, for the function called ``name``."""

    def operator(self, other):
        try:
            return table[name](self, other)
        except NotAnArrayError as error:
            return refused(name, other, error)

    def reflected(self, other):
        try:
            return table[name](other, self)
        except NotAnArrayError as error:
            return refused(name, other, error)

    own = getattr(operators, f"i{PYTHONS[name]}") if name in PYTHONS else None

    def inplace(self, other):
        if own is not None and self._change(own, other):
            return self
        try:
            return self._write(table[name](self, other), name)
        except NotAnArrayError as error:
            return refused(name, other, error)

    return operator, reflected, inplace


def set_operator(name: str, operator: Callable[..., Any]) -> None:
    """Bind one of ``PYTHONS`` to a function of its own: one call less, a hundredth of a chain of small operations."""
    setattr(Operators, f"__{PYTHONS[name]}__", operator)


def _unary(name: str) -> Callable[..., Any]:
    return lambda self: getattr(functions, name)(self)


class Operators:
    """Python's operators, each bound once to the function that computes it."""

    __slots__ = ()

    __add__, __radd__, __iadd__ = _binary("add")
    __sub__, __rsub__, __isub__ = _binary("subtract")
    __mul__, __rmul__, __imul__ = _binary("multiply")
    __truediv__, __rtruediv__, __itruediv__ = _binary("divide")
    __floordiv__, __rfloordiv__, __ifloordiv__ = _binary("floor_divide")
    __mod__, __rmod__, __imod__ = _binary("remainder")
    __pow__, __rpow__, __ipow__ = _binary("pow")
    __matmul__, __rmatmul__, __imatmul__ = _binary("matmul")
    __and__, __rand__, __iand__ = _binary("bitwise_and")
    __or__, __ror__, __ior__ = _binary("bitwise_or")
    __xor__, __rxor__, __ixor__ = _binary("bitwise_xor")
    __lshift__, __rlshift__, __ilshift__ = _binary("bitwise_left_shift")
    __rshift__, __rrshift__, __irshift__ = _binary("bitwise_right_shift")

    __lt__ = _binary("less")[0]
    __le__ = _binary("less_equal")[0]
    __gt__ = _binary("greater")[0]
    __ge__ = _binary("greater_equal")[0]
    __eq__ = _binary("equal")[0]  # elementwise, as the array API standard has it
    __ne__ = _binary("not_equal")[0]

    __neg__ = _unary("negative")
    __pos__ = _unary("positive")
    __abs__ = _unary("abs")
    __invert__ = _unary("bitwise_invert")

    __hash__ = object.__hash__  # identity: elementwise equality cannot serve a dict
