"""The sub-namespaces of an array library, ``linalg``, ``fft`` and ``special``, as rules see them."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..registry import composites


class Extension:
    """A sub-namespace of an array library; a backend's differences are methods of a subclass.

    A name that is not defined here is looked up in the library's module, then among xgrad's composites.

    Parameters
    ----------
    xp : Generic
        The backend.
    space : str
        ``"linalg"``, ``"fft"`` or ``"special"``.
    """

    def __init__(self, xp: Any, space: str):
        self.xp, self.space = xp, space
        self.library = self.module()

    def module(self) -> Any:
        """The library's own module of this kind, or None."""
        return getattr(self.xp.library, self.space, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "library" not in self.__dict__:
            raise AttributeError(name)
        full = f"{self.space}.{name}"
        function = getattr(self.library, name, None)
        if function is None:
            if full not in composites:
                raise AttributeError(f"{full}: the array library {self.xp.name} has no such function.")
            function = partial(composites[full], self.xp)
        setattr(self, name, function)  # found once
        return function
