"""One call that crosses: its arrays apart from the trees that hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import kind
from ..pytree import Structure, flatten
from ..transforms.border import placed


class Call:
    """``f(*args, **kwargs)`` as a function from ``arrays`` to a list; ``build`` makes of it what ``f`` returned.

    Parameters
    ----------
    bridge : str
        For messages.
    f : callable
        What is called.
    args, kwargs : tuple, dict
        Trees of arrays and anything else.
    is_array : callable
        Which leaves of the arguments are arrays.
    as_array : callable
        Makes an array of a leaf of the result, or raises TypeError.
    """

    def __init__(
        self,
        bridge: str,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        is_array: Callable[[Any], bool],
        as_array: Callable[[Any], Any],
    ):
        self.bridge, self.f, self.as_array = bridge, f, as_array
        self.leaves, self.arguments = flatten((args, kwargs))
        self.places = [i for i, v in enumerate(self.leaves) if is_array(v)]
        self.arrays = [self.leaves[i] for i in self.places]
        self.build: Structure

    def __call__(self, *arrays: Any) -> list[Any]:
        """The leaves of the result where ``arrays`` stand for those of the call."""
        args, kwargs = self.arguments(placed(self.leaves, self.places, arrays))
        outs, self.build = flatten(self.f(*args, **kwargs))
        return [self._array(v) for v in outs]

    def _array(self, value: Any) -> Any:
        try:
            return self.as_array(value)
        except TypeError:
            raise TypeError(
                f"{self.bridge}: the function must return arrays, numbers, or trees of them; got {kind(value)}. "
                "Leave other things out of what crosses."
            ) from None
