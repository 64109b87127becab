"""Writes: ``x[i] = v``, ``x += y``, and views that share their elements.

A Tensor is a name for a value and the node that made it, so a write computes a new value and rebinds the name; what
a pullback has kept never changes.  A view remembers its base and the function that made it.  A write to a view is put
back into its base (recorded like any other call), and every write pushes fresh values to the views that are still
alive.  Reading therefore costs nothing.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from .arguments import SCALARS
from .axes import is_basic
from .backends import namespace_of
from .registry import functions


def is_view(function: str, xp: Any, result: Any, array: Any, params: dict[str, Any]) -> bool:
    """Whether the raw ``result`` of a function is what NumPy makes a view of ``array``, on every library.

    An index selects a view unless it holds arrays, or ints only (NumPy gives a scalar); a reshape may have to copy.
    """
    if function == "getitem":
        return is_basic(params["key"]) and result.ndim > 0
    return function != "reshape" or xp.is_view(result, array)


def link(view: Any, base: Any, op: Any, params: dict[str, Any]) -> None:
    """Remember that ``view`` is ``op`` of ``base``, on both sides; the base holds the view weakly."""
    view.link = (base, op, params)
    views = getattr(base, "views", None)
    if views is None:
        views = base.views = []
    views.append(weakref.ref(view))
    if len(views) >= 16 and len(views) & (len(views) - 1) == 0:  # now and then, so that the cost stays constant
        views[:] = [v for v in views if v() is not None]


def as_written(target: Any, new: Any, function: str) -> Any:
    """``new`` with the shape and dtype of ``target``, which it is about to replace; errors where it cannot be."""
    if new.shape != target.shape:
        raise ValueError(
            f"{function}: an in-place result must keep the shape; got {new.shape} for {target.shape}. "
            "Write x = x + y for a new array."
        )
    if new.dtype != target.dtype:
        if not np.can_cast(new.dtype, target.dtype, "same_kind"):
            raise TypeError(
                f"{function}: an in-place result must keep the kind of dtype; got {new.dtype} for {target.dtype}. "
                "Write x = x + y for a new array."
            )
        new = functions.astype(new, target.dtype)
    return new


def write_here(target: Any, value: Any, key: tuple[Any, ...]) -> bool:
    """Write a constant into the memory of an untracked Tensor if nothing else can see it; whether that was done."""
    if target.requires_grad or getattr(target, "views", None) or getattr(target, "link", None):
        return False
    xp = namespace_of(target.value)
    if not xp.alone(target) or any(hasattr(k, "node") for k in key):
        return False
    inner = getattr(value, "value", value)
    if type(inner) not in SCALARS and type(inner) is not type(target.value):
        return False
    if getattr(value, "requires_grad", False):
        return False
    try:
        target.value[key] = inner
    except (ValueError, IndexError):
        return False  # the recorded way says what is wrong
    return True


def change_here(target: Any, operator: Any, other: Any, blocked: int) -> bool:
    """Compute ``target += other`` in the memory of an unwatched Tensor if nothing else can see it; whether it was done.

    Inside no_grad this takes half of the time where arrays are larger than a cache: no new memory is touched.
    """
    if getattr(target.node, "level", -1) > blocked or getattr(other, "requires_grad", False):
        return False
    if getattr(target, "views", None) or getattr(target, "link", None):
        return False
    inner = getattr(other, "value", other)
    if type(inner) is not type(target.value) and type(inner) not in SCALARS:
        return False
    if not namespace_of(target.value).alone(target):
        return False
    try:
        operator(target.value, inner)
    except (TypeError, ValueError):
        return False  # the recorded way says what is wrong
    return True


def write(target: Any, new: Any, blocked: int) -> None:
    """Give ``target`` the value and node of ``new``, reaching its base and every living view of it."""
    while getattr(target, "link", None) is not None:
        base, op, params = target.link
        new, target = op.put_back(functions, base, new, **params), base
    node = target.node
    target.value = new.value
    unseen = 0 <= getattr(node, "level", -1) <= blocked  # inside no_grad a tracked name keeps its node
    if new.node is not None or not unseen:
        if node is not None and node.edges == () and node.level >= 0 and not hasattr(target, "leaf"):
            target.leaf = node  # its .grad stays that of the values it was made with
        target.node = new.node
    _refresh(target, blocked)


def _refresh(base: Any, blocked: int) -> None:
    """Recompute every living view of ``base``, and the views of those."""
    stale = [base]
    while stale:
        base = stale.pop()
        living = [v for v in (ref() for ref in getattr(base, "views", ())) if v is not None]
        for view in living:
            _, op, params = view.link
            fresh = op.call(base, **params)
            view.value = fresh.value
            if view.node is None or fresh.node is not None or view.node.level > blocked:
                view.node = fresh.node
        if living:
            base.views = [weakref.ref(v) for v in living]
        stale += living
