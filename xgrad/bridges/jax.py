"""JAX: ``jax.custom_vjp`` around xgrad's functions, ``jax.vjp`` inside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..registry import functions
from ..tensor import Tensor, constant
from ..transforms.border import named_as, placed
from ..transforms.pullbacks import vjp
from .calls import Call
from .imported import Library, Raw


class Jax(Library):
    """Reverse mode of JAX, whose complex cotangents are the conjugates of xgrad's."""

    def vjp(self, f: Callable[..., Raw], arrays: Raw, moving: Sequence[int]) -> tuple[Raw, Callable[[Raw], Raw]]:
        """The results of ``f``, and the pullback from cotangents of all of them to those of ``arrays[moving]``."""

        def of_moving(*chosen: Any) -> tuple[Raw, Raw]:
            outs = f(*placed(arrays, moving, chosen))
            return [o for o in outs if _smooth(o)], outs

        _, pullback, outs = jax.vjp(of_moving, *(arrays[i] for i in moving), has_aux=True)

        def pull(cts: Raw) -> Raw:
            given = [jnp.conj(ct).astype(o.dtype) for ct, o in zip(cts, outs, strict=True) if _smooth(o)]
            return [jnp.conj(g) for g in pullback(given)]

        return outs, pull

    def array(self, value: Any) -> Any:
        """A JAX array."""
        return jnp.asarray(value)


LIBRARY = Jax("jax")


def _smooth(array: Any) -> bool:
    return bool(jnp.issubdtype(array.dtype, jnp.inexact))


def _wrapped(array: Any) -> Tensor:
    return constant(jnp.asarray(array))  # JAX hands NumPy arrays on as they came


def exported(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` as a function of JAX arrays."""

    @named_as(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        this = Call("to_jax", f, args, kwargs, _is_array, functions.asarray)
        moving = [i for i, v in enumerate(this.arrays) if _smooth(v)]

        def value(*arrays: Any) -> list[Any]:
            return [o.value for o in this(*map(_wrapped, arrays))]

        def forward(*arrays: Any) -> tuple[list[Any], Any]:
            return value(*arrays), arrays

        def backward(arrays: Sequence[Any], cts: list[Any]) -> tuple[Any, ...]:
            wrapped = [_wrapped(v) for v in arrays]

            def of_moving(*chosen: Tensor) -> list[Tensor]:
                return [o for o in this(*placed(wrapped, moving, chosen)) if o.dtype.kind in "fc"]

            given = [_wrapped(jnp.conj(ct)) for ct in cts if ct.dtype != jax.dtypes.float0]
            found = vjp(of_moving, *(wrapped[i] for i in moving))[1](given)
            return tuple(placed([None] * len(arrays), moving, [jnp.conj(g.value) for g in found]))

        recorded = jax.custom_vjp(value)
        recorded.defvjp(forward, backward)
        outs = recorded(*this.arrays)
        return this.build(outs)

    return call


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray | np.generic)
