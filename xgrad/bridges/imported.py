"""Functions of another autograd library in xgrad: what is the same for every library."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..backends import Device, namespace_of, parse_device, share
from ..registry import functions
from ..reverse import UNCOMMITTED
from ..tensor import Tensor, constant
from ..transforms.border import named_as
from ..transforms.custom import custom_vjp
from .calls import Call

Raw = Sequence[Any]


class Library:
    """Another autograd library: its arrays, and its own reverse mode.

    Parameters
    ----------
    name : str
        Its backend.
    """

    def __init__(self, name: str):
        self.name = name

    def vjp(self, f: Callable[..., Raw], arrays: Raw, moving: Sequence[int]) -> tuple[Raw, Callable[[Raw], Raw]]:
        """The results of ``f``, and the pullback from cotangents of all of them to those of ``arrays[moving]``.

        The pullback can itself be differentiated by the library.  Its cotangents are in xgrad's convention.
        """
        raise NotImplementedError

    def array(self, value: Any) -> Any:
        """An array of the library; TypeError where a value is none."""
        raise NotImplementedError

    def detached(self, array: Any) -> Any:
        """A result without the library's own record of it."""
        return array

    def check(self, array: Any) -> None:
        """TypeError where an argument is watched by the library, whose record would end here."""

    def imported(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """``f`` as a function of Tensors."""

        @named_as(f)
        def call(*args: Any, **kwargs: Any) -> Any:
            this = Call(f"from_{self.name}", f, args, kwargs, _is_array, self.array)
            for array in this.arrays:
                self.check(array)
            outs = self._recorded(this, call.__name__, [functions.asarray(a) for a in this.arrays])
            return this.build(outs)

        return call

    def _recorded(self, f: Callable[..., Raw], name: str, arrays: Sequence[Tensor]) -> list[Tensor]:
        """The results of ``f``, recorded as one call whose pullback is the library's."""
        committed = [a.device for a in arrays if a.node is not UNCOMMITTED]
        home = next(iter(committed or [a.device for a in arrays]), None)
        moving = [i for i, a in enumerate(arrays) if a.requires_grad and a.dtype.kind in "fc"]
        kept: list[Callable[[Raw], Raw]] = []

        def value(*arrays: Tensor) -> list[Tensor]:
            raws = [self._away(a) for a in arrays]
            if not moving:
                return [self._home(o, home) for o in f(*raws)]
            outs, pull = self.vjp(f, raws, moving)
            kept[:] = [pull]
            return [self._home(o, home) for o in outs]

        if not moving:
            return value(*arrays) if committed else [constant(o.value, UNCOMMITTED) for o in value(*arrays)]
        value.__name__ = name
        custom = custom_vjp(value)

        @custom.vjp
        def _(outs: list[Tensor], *arrays: Tensor) -> Callable[[Any], tuple[Any, ...]]:
            def pullback(cts: list[Tensor]) -> tuple[Any, ...]:
                if any(a.requires_grad for a in (*arrays, *cts)):
                    found = self._recorded(self._second(f, len(arrays), moving), f"{name}_vjp", [*arrays, *cts])
                else:
                    found = [self._home(g, home) for g in kept[0]([self._away(ct) for ct in cts])]
                given = dict(zip(moving, found, strict=True))
                return tuple(given.get(i) for i in range(len(arrays)))

            return pullback

        return custom(*arrays)

    def _second(self, f: Callable[..., Raw], count: int, moving: Sequence[int]) -> Callable[..., Raw]:
        """The pullback as a function of arguments and cotangents."""

        def pulled(*arrays: Any) -> Raw:
            return self.vjp(f, arrays[:count], moving)[1](arrays[count:])

        return pulled

    def _away(self, x: Tensor) -> Any:
        here = x.device
        if here.backend == self.name:
            return x.value
        return share(x.value, _place(self.name, here.place if here.backend == "cupy" else "cpu"))

    def _home(self, out: Any, home: Device | None) -> Tensor:
        out = self.detached(out)
        return constant(out if home is None else share(out, home))


def _is_array(value: Any) -> bool:
    return type(value) is Tensor or namespace_of(value) is not None


@functools.cache
def _place(library: str, place: str) -> Device:
    return parse_device(f"{library}:{place}")
