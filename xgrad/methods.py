"""NumPy's methods of an array, as libraries call them: thin names for the functions, with NumPy's argument names.

``where=`` and ``initial=`` of reductions are served; ``out=`` is refused, since it would overwrite an array behind the
graph's back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import kind
from .registry import functions


def _refuse_out(name: str, out: Any) -> None:
    if out is not None:
        raise TypeError(f"{name}: out= is not served; got {kind(out)}. Write y = x.{name}(...), or y[...] = it.")


def _reduced(
    name: str, x: Any, axis: Any, keepdims: bool, out: Any, dtype: Any = None, where: Any = True, **extra: Any
):
    """A reduction of ``x``; only what differs from the defaults is passed on, which keeps the common call short."""
    _refuse_out(name, out)
    options = {key: value for key, value in extra.items() if value is not None}
    if axis is not None:
        options["axis"] = axis
    if keepdims:
        options["keepdims"] = keepdims
    if (where is not True and where is not None) or "initial" in options or (dtype is not None and name in _SMOOTH):
        return functions.masked(x, name, None if where is True else where, dtype=dtype, **options)
    if dtype is not None:
        options["dtype"] = dtype
    return getattr(functions, name)(x, **options)


_SMOOTH = ("mean", "var", "std")  # whose functions take no dtype


def _method(name: str, function: str = "") -> Callable[..., Any]:
    def method(self, *args, out=None, **kwargs):
        _refuse_out(name, out)
        return getattr(functions, function or name)(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"The function ``{function or name}`` with this Tensor as its first argument."
    return method


def _missing(name: str, advice: str) -> property:
    """A name that a Tensor has not: ``hasattr`` says so, and the error says what to do."""

    def absent(self):
        raise AttributeError(f"{name}: a Tensor has no such method. {advice}")

    return property(absent, doc=f"Not served: {advice}")


class Methods:
    """NumPy's methods, each a thin name for the function."""

    __slots__ = ()
    ndim: int
    dtype: np.dtype
    detach: Any
    _write: Any

    # Reductions -----------------------------------------------------------------------------------------------------

    def sum(self, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
        """Sum over ``axis``, of the elements where ``where`` holds, from ``initial`` on."""
        return _reduced("sum", self, axis, keepdims, out, dtype, where, initial=initial)

    def prod(self, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
        """Product over ``axis``, of the elements where ``where`` holds, from ``initial`` on."""
        return _reduced("prod", self, axis, keepdims, out, dtype, where, initial=initial)

    def mean(self, axis=None, dtype=None, out=None, keepdims=False, *, where=True):
        """Arithmetic mean over ``axis``, of the elements where ``where`` holds."""
        return _reduced("mean", self, axis, keepdims, out, dtype, where)

    def max(self, axis=None, out=None, keepdims=False, initial=None, where=True):
        """Largest element over ``axis``, of ``initial`` and those where ``where`` holds."""
        return _reduced("max", self, axis, keepdims, out, None, where, initial=initial)

    def min(self, axis=None, out=None, keepdims=False, initial=None, where=True):
        """Smallest element over ``axis``, of ``initial`` and those where ``where`` holds."""
        return _reduced("min", self, axis, keepdims, out, None, where, initial=initial)

    def any(self, axis=None, out=None, keepdims=False, *, where=True):
        """Whether any element is true, of those where ``where`` holds."""
        return _reduced("any", self, axis, keepdims, out, None, where)

    def all(self, axis=None, out=None, keepdims=False, *, where=True):
        """Whether every element is true, of those where ``where`` holds."""
        return _reduced("all", self, axis, keepdims, out, None, where)

    def var(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, correction=None):
        """Variance over ``axis``; ``ddof`` is NumPy's word for the standard's ``correction``."""
        return _reduced("var", self, axis, keepdims, out, dtype, where, correction=correction or ddof or None)

    def std(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, correction=None):
        """Standard deviation over ``axis``; ``ddof`` is NumPy's word for the standard's ``correction``."""
        return _reduced("std", self, axis, keepdims, out, dtype, where, correction=correction or ddof or None)

    def ptp(self, axis=None, out=None, keepdims=False):
        """Largest less smallest element over ``axis``."""
        return _reduced("ptp", self, axis, keepdims, out)

    def argmax(self, axis=None, out=None, *, keepdims=False):
        """Position of the first maximum along ``axis``, or among all elements."""
        return _reduced("argmax", self, axis, keepdims, out)

    def argmin(self, axis=None, out=None, *, keepdims=False):
        """Position of the first minimum along ``axis``, or among all elements."""
        return _reduced("argmin", self, axis, keepdims, out)

    cumsum = _method("cumsum")
    cumprod = _method("cumprod")
    trace = _method("trace")

    # Elements and shapes --------------------------------------------------------------------------------------------

    clip = _method("clip")
    conj = _method("conj")
    conjugate = _method("conjugate", "conj")
    squeeze = _method("squeeze")
    swapaxes = _method("swapaxes")
    diagonal = _method("diagonal")
    nonzero = _method("nonzero")
    choose = _method("choose")
    dot = _method("dot")
    broadcast_to = _method("broadcast_to")

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        """The elements as another dtype; ``order`` and ``subok`` mean nothing here."""
        if casting != "unsafe" and not np.can_cast(self.dtype, np.dtype(dtype), casting):
            raise TypeError(f"astype: the rule casting={casting!r} forbids {dtype}; got {self.dtype}. Use 'unsafe'.")
        return functions.astype(self, dtype, copy=copy)

    def take(self, indices, axis=None, out=None, mode="raise"):
        """Elements at ``indices`` along ``axis``, or of all elements in one axis."""
        _refuse_out("take", out)
        x: Any = self.ravel() if axis is None else self
        indices = functions.asarray(indices)
        count = x.shape[axis or 0]
        if mode == "wrap":
            indices = functions.remainder(indices, count)
        elif mode == "clip":
            indices = functions.clip(indices, 0, count - 1)
        elif mode != "raise":
            raise ValueError(f"take: mode must be 'raise', 'wrap' or 'clip'; got {mode!r}.")
        return functions.take(x, indices, axis=axis or 0)

    def repeat(self, repeats, axis=None):
        """Each element repeated along ``axis``, or all elements in one axis."""
        return functions.repeat(self, repeats, axis=axis)

    def compress(self, condition, axis=None, out=None):
        """The elements along ``axis`` where the one-dimensional condition holds."""
        _refuse_out("compress", out)
        return functions.compress(condition, self, axis)

    def round(self, decimals=0, out=None):
        """Rounded to ``decimals`` places, halves to even; the derivative is zero."""
        _refuse_out("round", out)
        if not decimals or self.dtype.kind in "iub":
            return functions.round(self)
        return functions.round(self.detach() * 10.0**decimals) / 10.0**decimals

    def reshape(self, *shape, order="C", copy=None):
        """The same elements in another shape: ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
        shape = shape[0] if len(shape) == 1 else shape
        if order in ("C", "A", "K"):
            return functions.reshape(self, shape) if copy is None else functions.reshape(self, shape, copy=copy)
        if order != "F":
            raise ValueError(f"reshape: order must be 'C' or 'F'; got {order!r}.")
        backwards = tuple(shape)[::-1] if isinstance(shape, tuple | list) else shape
        return functions.transpose(functions.reshape(functions.transpose(self), backwards))

    def transpose(self, *axes):
        """Axes permuted, reversed when none are given: ``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return functions.permute_dims(self, axes or tuple(reversed(range(self.ndim))))

    def ravel(self, order="C"):
        """All elements in one axis."""
        return functions.ravel(self, order)

    def flatten(self, order="C"):
        """A copy of all elements in one axis."""
        return functions.copy(functions.ravel(self, order))

    # Sorting and searching ------------------------------------------------------------------------------------------

    def argsort(self, axis=-1, kind=None, order=None, *, descending=False, stable=True):
        """Positions that sort along ``axis``, or all elements for None."""
        x, axis = (self.ravel(), -1) if axis is None else (self, axis)
        return functions.argsort(x, axis=axis, descending=descending, stable=stable is not False)

    def sort(self, axis=-1, kind=None, order=None, *, descending=False, stable=True):
        """Sort in place along ``axis``, as ``ndarray.sort`` does; ``xgrad.sort`` returns a sorted copy."""
        self._write(functions.sort(self, axis=axis, descending=descending, stable=stable is not False), "sort")

    def searchsorted(self, v, side="left", sorter=None):
        """Where to insert each element of ``v`` so that this sorted Tensor stays sorted."""
        return functions.searchsorted(self, functions.asarray(v), side=side, sorter=sorter)

    # Writing --------------------------------------------------------------------------------------------------------

    def fill(self, value):
        """Write ``value`` to every element, recorded."""
        self[...] = value  # type: ignore[index]

    view = _missing("view", "Use astype for other dtypes, or x[...] for the same elements.")
    byteswap = _missing("byteswap", "Gradients of bytes do not exist; use detach().numpy().")
    resize = _missing("resize", "Use reshape, or pad for more elements.")
    setflags = _missing("setflags", "Writes are recorded and never change what a gradient needs.")
    partition = _missing("partition", "Use sort.")
