"""Tensor: an array that remembers how it was made, and the border between users and the graph.

A ``Tensor`` is a raw array of some library and, when a derivative may be asked for, the ``Node`` that made it.  Its
value is itself a Tensor of a lower level where transforms nest.

Inside the engine cotangents are bilinear partners: no rule conjugates but those of ``conj``, ``real``, ``imag`` and
``abs``.  At the border (``.grad``, ``grad(f)``) the gradient of a real function is conjugated, which makes it the
direction of steepest ascent.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np

from .arguments import as_dtype, index_key, settle, strip
from .backends import meet, namespace_of
from .errors import DeviceError, GraphError
from .face import Face
from .methods import Methods
from .numpy_protocol import NumPyProtocol
from .registry import Operators, functions
from .reverse import UNCOMMITTED, Node, cotangent_dtype, next_serial, reverse, state
from .writing import as_written, change_here, write, write_here

_new = object.__new__
_adding = threading.Lock()  # held while a pass adds to the gradients of leaves, which threads may share
_COMPLEX = (np.dtype(np.complex64), np.dtype(np.complex128))


class Tensor(Operators, Methods, Face, NumPyProtocol):
    """An array that remembers how it was made.

    Parameters
    ----------
    value : array, scalar or nested list
        The elements; copied, so later changes to the argument do not reach the Tensor.
    device : str or Device, optional
        Where to put it; by default where an array is, else the default device.
    dtype : dtype, optional
        Type of the elements; by default that of ``value``.
    requires_grad : bool
        Whether this is a leaf that ``backward()`` gives a gradient.  Integer leaves get gradients in float64, bool
        never.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0, 3.0])
    >>> (x**2).sum().backward()
    >>> x.grad
    Tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "leaf", "link", "node", "value", "views")
    __module__ = "xgrad"

    def __init__(self, value: Any, *, device: Any = None, dtype: Any = None, requires_grad: bool = True):
        if type(value) is Tensor and value.requires_grad:
            raise TypeError("Tensor: value is tracked, and a copy would lose its gradient. Use x.detach() or x.copy().")
        made = functions.asarray(value, device=device, dtype=dtype, copy=True)
        self.value = made.value
        self.node = leaf(self.value, 0) if requires_grad else None

    def __init_subclass__(cls):
        raise TypeError("Tensor: cannot be subclassed; the engine knows one class. Hold a Tensor as an attribute.")

    # Gradients ------------------------------------------------------------------------------------------------------

    @property
    def grad(self):
        """The gradient of the last ``backward()``: a Tensor like this one, or None before the first pass."""
        kept = getattr(getattr(self, "leaf", self.node), "grad", None)
        return kept.grad if type(kept) is Node else kept

    @grad.setter
    def grad(self, value):
        if not self.requires_grad:
            raise GraphError("grad: this Tensor is not tracked, so it has no gradient to set. Make it a leaf.")
        getattr(self, "leaf", self.node).grad = value

    def backward(self, grad: Any = None, *, zero_grad: bool = True, retain_graph: bool = False) -> None:
        """Compute the gradient of this Tensor with respect to every leaf it depends on.

        Parameters
        ----------
        grad : array, optional
            The cotangent of this Tensor, of its shape; ones by default.
        zero_grad : bool
            True replaces the gradients of the leaves reached, False adds to them.
        retain_graph : bool
            Keep the graph for another pass, and every intermediate gradient with it.

        Raises
        ------
        GraphError
            When nothing was recorded, or the graph was already released.
        """
        backward(self, grad, zero_grad, retain_graph)

    def retain_grad(self):
        """Keep the gradient of this intermediate result in the next pass; returns the Tensor."""
        if not self.requires_grad:
            raise GraphError("retain_grad: this Tensor is not tracked, so it will have no gradient. Make it a leaf.")
        if self.node.edges != () and type(getattr(self.node, "grad", None)) is not Node:
            probe = Node(self.node.level, (), None, self.node.shape, self.node.dtype)
            probe.grad = None
            self.node.edges = (*self.node.edges, (probe, lambda ct: ct, 0))
            self.node.grad = probe
        return self

    def detach(self):
        """The same values as a constant."""
        return constant(strip(self), UNCOMMITTED if self.node is UNCOMMITTED else None)

    # Elements -------------------------------------------------------------------------------------------------------

    def __getitem__(self, key):
        return functions.getitem(self, key=index_key(key, self.ndim))

    def __setitem__(self, key, value):
        key = index_key(key, self.ndim)
        value = functions.asarray(value) if isinstance(value, list | tuple) else value
        dtype = np.dtype(complex) if isinstance(value, complex) else getattr(value, "dtype", None)
        if dtype in _COMPLEX and self.dtype.kind != "c":
            raise TypeError(
                f"setitem: complex values lose a part; got {dtype} for {self.dtype}. Take xgrad.real first."
            )
        if write_here(self, value, key):
            return
        write(self, functions.setitem(self, value, key=key), state.blocked)

    def set_(self, source: Any):
        """Take the elements of ``source``, without copying them, and return the Tensor; recorded like a write.

        Parameters
        ----------
        source : Tensor
            Of this shape and dtype, on this device.  It and this Tensor share memory until one of them is written to.

        Raises
        ------
        TypeError
            When ``source`` is no Tensor, or has another kind of dtype.
        ValueError
            When the shapes or devices differ.

        Examples
        --------
        >>> import xgrad as xg
        >>> x = xg.Tensor([1.0, 2.0])
        >>> with xg.no_grad():
        ...     x.set_(x * 2)
        Tensor([2., 4.])
        """
        if type(source) is not Tensor:
            raise TypeError(f"set_: source must be a Tensor; got {type(source).__name__}. Use x[...] = values to copy.")
        if not meet(source.device, self.device):
            raise DeviceError(
                f"set_: source is on another device; got {source.device} for {self.device}. Use source.to(x.device)."
            )
        return self._write(source, "set_")

    def _change(self, operator: Any, other: Any) -> bool:
        return state.debug is None and change_here(self, operator, other, state.blocked)

    def _write(self, new, function: str):
        write(self, as_written(self, new, function), state.blocked)
        return self


def leaf(value: Any, level: int) -> Node:
    """A new leaf of the graph at ``level`` for ``value``; a boolean or text value cannot have one."""
    dtype = value.dtype
    if (getattr(dtype, "kind", None) or as_dtype(dtype).kind) not in "iufc":
        raise TypeError(f"requires_grad: only numbers have gradients; got dtype {dtype}. Pass requires_grad=False.")
    node = Node(level, (), None, tuple(value.shape), dtype)
    node.grad = None
    return node


def constant(value: Any, node: Node | None = None) -> Tensor:
    """A Tensor that nobody watches; with UNCOMMITTED as its node it follows the device of what it meets."""
    tensor = _new(Tensor)
    tensor.value = value
    tensor.node = node
    return tensor


def _record(parent: Node, op: Any, edges: tuple, out: Any, params: Any = None) -> Tensor:
    node = _new(Node)
    node.serial = next_serial()
    node.level = parent.level
    node.edges = edges
    node.op = op
    node.shape = out.shape
    node.dtype = out.dtype
    tensor = _new(Tensor)
    tensor.value = out
    tensor.node = node
    return tensor


Node.record = _record


def seed(tensor: Tensor, ct: Any, function: str) -> Any:
    """The cotangent ``ct`` for ``tensor``, checked and conjugated at the border; ones when it is None."""
    value = tensor.value
    if ct is None:
        dtype = cotangent_dtype(value.dtype)
        if type(value) is Tensor:
            return functions.ones_like(value, dtype=dtype)
        xp = namespace_of(value)
        return xp.ones_like(value, dtype=xp.raw_dtype(dtype))
    ct = functions.asarray(ct)
    if ct.shape != tensor.shape:
        raise ValueError(
            f"{function}: the cotangent must have the shape of the result; got {ct.shape} for {tensor.shape}."
        )
    if ct.dtype.kind == "c":
        ct = functions.conj(ct)
    if ct.dtype != cotangent_dtype(tensor.dtype):
        ct = functions.astype(ct, cotangent_dtype(tensor.dtype))
    if ct.node is not UNCOMMITTED and not meet(ct.device, tensor.device):
        raise DeviceError(
            f"{function}: the result and its cotangent are on different devices; got {tensor.device} and {ct.device}. "
            "Move one with x.to(device)."
        )
    if type(value) is Tensor or ct.requires_grad:
        return ct
    return settle(function, ("result", "cotangent"), [value, ct.value], [False, ct.node is UNCOMMITTED], ())[1][1]


def gradient(ct: Any) -> Tensor:
    """A cotangent at the public border: conjugated when complex, as a Tensor; see ``owned`` for its memory."""
    if type(ct) is Tensor:
        return functions.conj(ct) if ct.dtype.kind == "c" else ct
    tensor = constant(namespace_of(ct).as_array(ct))
    kind = getattr(ct.dtype, "kind", None) or as_dtype(ct.dtype).kind
    return functions.conj(tensor) if kind == "c" else tensor


def backward(tensor: Tensor, grad: Any, zero_grad: bool, retain_graph: bool) -> None:
    """What ``Tensor.backward`` does: one pass on the bottom level, its results stored on the leaves."""
    if not tensor.requires_grad:
        raise GraphError(
            "backward: nothing was recorded for this Tensor; no Tensor with requires_grad=True went into it. "
            "Make a leaf with xgrad.Tensor(...), outside no_grad()."
        )
    if tensor.node.level != 0:
        raise GraphError("backward: this Tensor is watched by grad or vjp. Use xgrad.grad inside, or return the loss.")
    root = tensor.node
    start = seed(tensor, grad, "backward")
    cts = reverse({root: start}, retain_graph, gradient if retain_graph else None)
    if root.edges != () and type(getattr(root, "grad", None)) is not Node:
        root.grad = gradient(start)
    for node, ct in zip(cts, owned(cts.values(), [start]), strict=True):
        if zero_grad:
            node.grad = gradient(ct)
        else:
            with _adding:
                node.grad = gradient(ct) if node.grad is None else node.grad + gradient(ct)


def _after_fork() -> None:
    global _adding
    _adding = threading.Lock()  # the thread that may have held it is not in this process


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def owned(cts: Any, seeds: Any) -> list[Any]:
    """Cotangents in memory of their own, which neither the seeds nor one another share, and that may be written."""
    taken = {namespace_of(ct).memory(ct) for ct in seeds if type(ct) is not Tensor}
    return [ct if ct is None or type(ct) is Tensor else namespace_of(ct).apart(ct, taken) for ct in cts]
