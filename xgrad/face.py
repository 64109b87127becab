"""What a Tensor shows of the array inside: attributes, devices, and the ways out to numbers and other libraries.

Nothing leaves silently: what would lose a gradient raises and says ``detach()``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arguments import strip
from .backends import Device, device_of, namespace_of, parse_device
from .errors import GraphError, kind
from .registry import functions


class Face:
    """Attributes and conversions, in terms of ``value``, ``requires_grad`` and the functions."""

    __slots__ = ()
    value: Any
    node: Any
    grad: Any
    detach: Any

    # What it is -----------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents of the axes."""
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.value.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.value.shape)

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements, a NumPy dtype on every backend."""
        value = self.value
        return value.dtype if isinstance(value, Face) else namespace_of(value).numpy_dtype(value.dtype)

    @property
    def nbytes(self) -> int:
        """Memory of the elements in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def device(self) -> Device:
        """Where the array lives."""
        return device_of(strip(self))

    def _raw(self, function: str) -> Any:
        if self.requires_grad:
            raise TypeError(
                f"{function}: this Tensor is tracked, and its gradient would be lost. Use x.detach() first."
            )
        return strip(self)

    @property
    def T(self):
        """The matrix transpose of two axes; all axes reversed, as in NumPy, for other numbers of axes."""
        return functions.permute_dims(self, axes=tuple(reversed(range(self.ndim))))

    @property
    def mT(self):
        """The last two axes exchanged."""
        return functions.matrix_transpose(self)

    @property
    def real(self):
        """The real part."""
        return functions.real(self)

    @property
    def imag(self):
        """The imaginary part."""
        return functions.imag(self)

    def __array_namespace__(self, *, api_version: str | None = None):
        """The xgrad namespace, as the array API standard asks."""
        import xgrad  # the one late import: the protocol wants the finished public module

        return xgrad

    # Gradients ------------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this Tensor are recorded."""
        return self.node is not None and self.node.level >= 0

    @property
    def is_leaf(self) -> bool:
        """Whether this Tensor was made with ``requires_grad=True`` and not computed from others."""
        return self.requires_grad and self.node.op is None

    @property
    def backwards_grad(self):
        """The chapter's name for the gradient: a raw array, zeros before the first pass."""
        if self.grad is not None:
            return self.grad.value
        return functions.zeros_like(self.detach(), dtype=self.dtype if self.dtype.kind in "fc" else np.float64).value

    @property
    def prevs(self):
        """The chapter's name for the edges: ``(node, pullback, position)`` per tracked argument, none for a leaf."""
        return self.node.edges or () if self.requires_grad else ()

    def gradient_update(self, lr: float) -> None:
        """One step of gradient descent: the value minus ``lr`` times the gradient, unrecorded."""
        if self.grad is None:
            raise GraphError("gradient_update: there is no gradient yet. Call backward() on the loss first.")
        self.value = (self.detach() - lr * self.grad.detach()).value

    # Elements -------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len: a 0-d Tensor has no length.")
        return self.shape[0]

    def __iter__(self):
        return iter(functions.unstack(self)) if self.ndim else iter(range(len(self)))

    def __contains__(self, value) -> bool:
        return bool((self == value).any())

    # Leaving xgrad --------------------------------------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The elements as a NumPy array; an error on a tracked Tensor, whose gradient would be lost."""
        raw = self._raw("numpy")
        return namespace_of(raw).to_numpy(raw)

    def to(self, device: Any):
        """The Tensor on another device, recorded."""
        return functions.asarray(self, device=parse_device(device))

    def to_device(self, device: Any, /, *, stream: Any = None):
        """The Tensor on another device, recorded (the standard's name for ``to``)."""
        return functions.asarray(self, device=parse_device(device))

    def cpu(self):
        """The Tensor as a NumPy array inside."""
        return self.to("cpu")

    def cuda(self):
        """The Tensor as a CuPy array on the current GPU inside."""
        return self.to("cuda")

    def copy(self):
        """A recorded copy with memory of its own."""
        return functions.copy(self)

    def item(self, *place):
        """The only element as a Python number, or the one at ``place``: a flat position or one index per axis."""
        if not place:
            return self._number("item").item()
        index = place[0] if len(place) == 1 and isinstance(place[0], tuple) else place
        return (self[tuple(index)] if len(index) == self.ndim else functions.ravel(self)[index[0]]).item()  # type: ignore[index]

    def tolist(self):
        """The elements as nested lists of Python numbers."""
        return self.detach().numpy().tolist()

    def _number(self, function: str) -> np.ndarray:
        if self.size != 1:
            raise TypeError(f"{function}: only a Tensor of one element is a number; got shape {self.shape}.")
        if self.requires_grad and self.node.level > 0 and self.dtype.kind in "fc":
            raise TypeError(
                f"{function}: inside grad or vjp a number would lose its gradient. Keep the Tensor: np.exp(x) serves "
                "for math.exp(x), and an array made by np.zeros(shape, like=x) for one that x is written into."
            )
        return self.detach().numpy().reshape(())

    def __float__(self) -> float:
        return float(self._number("float"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __int__(self) -> int:
        return int(self.detach()._number("int"))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"bool: the truth of {self.size} elements is ambiguous. Use x.any() or x.all().")
        return bool(self.detach()._number("bool"))

    def __index__(self) -> int:
        if self.ndim or self.dtype.kind not in "iu":
            raise TypeError(f"index: only a 0-d integer Tensor is an index; got {kind(self)}.")
        return int(self)

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise TypeError(
                "asarray: a tracked Tensor would lose its gradient as a NumPy array. Join Tensors with np.stack, let "
                "SciPy see them with SCIPY_ARRAY_API=1 in the environment, or use x.detach() for a constant."
            )
        array = np.asarray(self.numpy(), dtype=dtype)
        return array.copy() if copy else array

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        given = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return self._raw("__dlpack__").__dlpack__(**{k: v for k, v in given.items() if v is not None})

    def __dlpack_device__(self):
        return strip(self).__dlpack_device__()

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        if self.requires_grad and self.node.edges != ():
            raise TypeError(
                "deepcopy: a recorded Tensor cannot be copied out of its graph. Use x.detach() or x.copy()."
            )
        return type(self)(self.detach()) if self.requires_grad else self.copy()  # type: ignore[call-arg]

    def __reduce__(self):
        if self.requires_grad and self.node.edges != ():
            raise TypeError("pickle: a recorded Tensor cannot leave its graph. Use x.detach().")
        array = self.detach()
        if not self.requires_grad and self.node is not None:  # uncommitted, on whatever the default device is then
            return functions.asarray, (array.numpy(),)
        return _unpickle, (type(self), array.numpy(), str(self.device), self.requires_grad)

    def __repr__(self) -> str:
        raw = strip(self)
        text = namespace_of(raw).preview(raw)
        default = self.dtype in (np.float64, np.int64, np.bool_, np.complex128)
        extra = "" if default else f", dtype={self.dtype}"
        extra += "" if str(self.device) == "cpu" else f", device={str(self.device)!r}"
        return f"Tensor({text}{extra})"


def _unpickle(cls, array, device, requires_grad):
    return cls(array, device=device, requires_grad=requires_grad)
