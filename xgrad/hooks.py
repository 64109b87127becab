"""Other libraries taught, on request, to hand Tensors over: what no protocol reaches by itself."""

from __future__ import annotations

import functools
import inspect
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
