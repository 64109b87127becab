"""Other libraries taught, on request, to hand Tensors over: what no protocol reaches by itself."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from typing import Any

from .registry import functions
from .tensor import Tensor


class SciPyFFT:
    """A backend of ``scipy.fft`` for calls with a Tensor; all others go on to the next backend.

    ``scipy_fft`` registers it for good.  For a block only, use ``scipy.fft.set_backend``.

    Examples
    --------
    >>> import scipy.fft
    >>> import xgrad as xg
    >>> x = xg.Tensor([1.0, 2.0, 4.0])
    >>> with scipy.fft.set_backend(xg.hooks.SciPyFFT):
    ...     scipy.fft.dct(x).sum().backward()
    """

    __ua_domain__ = "numpy.scipy.fft"

    @staticmethod
    def __ua_function__(method: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The function of the same name here; ``workers`` and ``overwrite_x``, which change no value, mean nothing."""
        name = method.__name__
        if not any(isinstance(a, Tensor) for a in (*args, *kwargs.values())) or not hasattr(functions.fft, name):
            return NotImplemented
        arguments = inspect.signature(method).bind(*args, **kwargs).arguments
        if arguments.pop("plan", None) is not None:
            raise NotImplementedError(f"scipy.fft.{name}: plan= does not serve a Tensor. Leave it out.")
        arguments.pop("workers", None)
        arguments.pop("overwrite_x", None)
        return getattr(functions.fft, name)(arguments.pop("x"), **arguments)


@functools.cache
def scipy_fft() -> None:
    """Let the functions of ``scipy.fft`` take Tensors, and record them: ``fft`` and its kin, ``dct``, ``dst``, ...

    To be called once, by a program rather than by a library; further calls change nothing.

    Examples
    --------
    >>> import scipy.fft
    >>> import xgrad as xg
    >>> xg.hooks.scipy_fft()
    >>> x = xg.Tensor([1.0, 2.0, 4.0])
    >>> scipy.fft.dct(x, norm="ortho").sum().backward()
    """
    import scipy.fft

    scipy.fft.register_backend(SciPyFFT)


@functools.cache
def einops() -> None:
    """Let ``einops.rearrange``, ``reduce``, ``repeat``, ``einsum``, ``pack`` and ``unpack`` take Tensors.

    It is called by itself when einops was imported before xgrad; call it where xgrad comes first.  The functions of
    ``einops.array_api`` need no hook.

    Examples
    --------
    >>> import einops
    >>> import xgrad as xg
    >>> xg.hooks.einops()
    >>> einops.reduce(xg.Tensor([[1.0, 2.0], [3.0, 4.0]]), "i j -> j", "sum")
    Tensor([4., 6.])
    """
    from einops._backends import AbstractBackend  # einops finds backends among the subclasses of this one

    class XGradBackend(AbstractBackend):
        """What einops asks of an array library; what is not here it finds in a Tensor's methods."""

        framework_name = "xgrad"

        def is_appropriate_type(self, tensor):
            return isinstance(tensor, Tensor)

        def arange(self, start, stop):
            return functions.arange(start, stop)

        def from_numpy(self, x):
            return functions.asarray(x)

        def to_numpy(self, x):
            return x.numpy()

        def stack_on_zeroth_dimension(self, tensors):
            return functions.stack(tensors)

        def tile(self, x, repeats):
            return functions.tile(x, repeats)

        def einsum(self, pattern, *x):
            return functions.einsum(pattern, *x)

        def add_axis(self, x, new_position):
            return functions.expand_dims(x, axis=new_position)

        def concat(self, tensors, axis):
            return functions.concat(tensors, axis=axis)

        def is_float_type(self, x):
            return x.dtype.kind in "fc"

    _kept.append(XGradBackend)


@functools.cache
def einx() -> None:
    """Let the functions of ``einx`` take Tensors: its backend for array API namespaces waits for array_api_compat.

    Examples
    --------
    >>> import einx
    >>> import xgrad as xg
    >>> xg.hooks.einx()
    >>> einx.sum("i [j]", xg.Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([3., 7.])
    """
    importlib.import_module("array_api_compat")


_kept: list[type] = []  # einops holds its subclasses weakly, as Python does

if "einops" in sys.modules:
    einops()
