"""``autocast``: products of matrices in 16 bits, everything else as it was.

Inside the context, ``matmul``, ``linear``, ``convolution`` and what is made of them round their float32 arguments to a
16-bit type and add up the products in float32, in the call and in its pullbacks alike, which is what the matrix units
of a GPU do.  The results, and so parameters, activations and gradients, stay float32: no cast ever meets a user, a
library without 16-bit types computes the same numbers, and second derivatives are those of the same function.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from .registry import full_name, functions
from .reverse import state

PRECISIONS = ("bfloat16", "float16")


class autocast(contextlib.ContextDecorator):
    """Context or decorator inside which this thread multiplies float32 matrices in 16 bits.

    Parameters
    ----------
    dtype : {"bfloat16", "float16"}
        ``"bfloat16"`` has the range of float32 and 8 significant bits; ``"float16"`` has 11, but nothing above 65504 or
        below 6e-8: train with ``xgrad.optim.GradScaler`` then.
    enabled : bool
        False restores full precision inside another ``autocast``.

    Raises
    ------
    ValueError
        When ``dtype`` is neither of the two.

    Notes
    -----
    Arguments of other dtypes are left alone, and so is what was recorded outside.  Unlike in PyTorch the results are
    float32: activations take the memory they took, and no loss, norm or sum needs a list of exceptions.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.asarray([[1.0, 1.0009765625]], dtype="float32")  # 1 + 2**-10
    >>> with xg.autocast("bfloat16"):
    ...     y = x @ xg.asarray([[0.0], [1.0]], dtype="float32")
    >>> y
    Tensor([[1.]], dtype=float32)
    """

    def __init__(self, dtype: str = "bfloat16", *, enabled: bool = True):
        name = str(getattr(dtype, "__name__", dtype)).rpartition(".")[2]
        if name not in PRECISIONS:
            raise ValueError(f"autocast: there is no such 16-bit type; got {dtype!r}. Use 'bfloat16' or 'float16'.")
        self.precision = name if enabled else None
        self.outside: list[str | None] = []

    def __enter__(self):
        self.outside.append(state.precision)
        state.precision = self.precision
        return self

    def __exit__(self, *exc):
        state.precision = self.outside.pop()


def narrowing(path: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which inside ``autocast`` is the one of its page called ``narrow_...``."""
    space, _, name = full_name(function).rpartition(".")

    def call(*args, **params):
        precision = state.precision
        if precision is None:
            return path(*args, **params)
        page = getattr(functions, space) if space else functions
        return getattr(page, f"narrow_{name}")(*args, precision=precision, **params)

    return call
