"""JAX: ``jax.custom_vjp`` around xgrad's functions, ``jax.vjp`` inside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..pytree import Structure, flatten
from ..tensor import Tensor, constant
from ..transforms.border import named_as, outputs
from ..transforms.pullbacks import vjp
from .imported import Library, Raw


class Jax(Library):
    """Reverse mode of JAX, whose complex cotangents are the conjugates of xgrad's."""

    def vjp(self, f: Callable[..., Raw], arrays: Raw, moving: Sequence[int]) -> tuple[Raw, Callable[[Raw], Raw]]:
        """The results of ``f``, and the pullback from cotangents of all of them to those of ``arrays[moving]``."""

        def of_moving(*chosen: Any) -> tuple[Raw, Raw]:
            every = list(arrays)
            for i, value in zip(moving, chosen, strict=True):
                every[i] = value
            outs = [jnp.asarray(o) for o in f(*every)]
            return [o for o in outs if _smooth(o)], outs

        _, pullback, outs = jax.vjp(of_moving, *(arrays[i] for i in moving), has_aux=True)

        def pull(cts: Raw) -> Raw:
            given = [jnp.conj(ct).astype(o.dtype) for ct, o in zip(cts, outs, strict=True) if _smooth(o)]
            return [jnp.conj(g) for g in pullback(given)]

        return outs, pull


LIBRARY = Jax("jax")


def _smooth(array: Any) -> bool:
    return bool(jnp.issubdtype(array.dtype, jnp.inexact))


def _wrapped(array: Any) -> Tensor:
    return constant(jnp.asarray(array))  # JAX hands NumPy arrays on as they came


def exported(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` as a function of JAX arrays."""

    @named_as(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        leaves = [jnp.asarray(v) if isinstance(v, np.ndarray | np.generic) else v for v in leaves]
        places = [i for i, v in enumerate(leaves) if isinstance(v, jax.Array)]
        arrays = [leaves[i] for i in places]
        moving = [i for i, v in enumerate(arrays) if _smooth(v)]
        built: list[Structure] = []

        def of_arrays(every: Sequence[Any]) -> list[Tensor]:
            filled = list(leaves)
            for place, value in zip(places, every, strict=True):
                filled[place] = value
            called, named = structure(filled)
            outs, shape = outputs("to_jax", f(*called, **named))
            built[:] = [shape]
            return outs

        def value(*every: Any) -> list[Any]:
            return [o.value for o in of_arrays([_wrapped(v) for v in every])]

        def forward(*every: Any) -> tuple[list[Any], Any]:
            return value(*every), every

        def backward(every: Sequence[Any], cts: list[Any]) -> tuple[Any, ...]:
            wrapped = [_wrapped(v) for v in every]

            def of_moving(*chosen: Tensor) -> list[Tensor]:
                for i, v in zip(moving, chosen, strict=True):
                    wrapped[i] = v
                return [o for o in of_arrays(wrapped) if o.dtype.kind in "fc"]

            given = [_wrapped(jnp.conj(ct)) for ct in cts if ct.dtype != jax.dtypes.float0]
            found = vjp(of_moving, *(wrapped[i] for i in moving))[1](given)
            parts = {i: jnp.conj(g.value) for i, g in zip(moving, found, strict=True)}
            return tuple(parts.get(i) for i in range(len(every)))

        recorded = jax.custom_vjp(value)
        recorded.defvjp(forward, backward)
        outs = recorded(*arrays)
        return built[0](outs)

    return call
