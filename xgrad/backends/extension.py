"""The sub-namespaces of an array library, ``linalg``, ``fft`` and ``special``, as rules see them."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..registry import composites

_LINES = ["softmax", "softmax_grad", "log_softmax", "log_softmax_grad", "softmax_cross_entropy"]
_LINES += ["softmax_cross_entropy_grad", "layer_norm", "layer_norm_grad", "batch_norm", "batch_norm_grad", "linear"]
_LINES += ["max_pool", "max_pool_grad"]
OWN = frozenset(f"special.{name}" for name in _LINES)  # xgrad's own on every library, and not element by element


class Extension:
    """A sub-namespace of an array library; a backend's differences are methods of a subclass.

    A name that is not defined here is looked up in the library's module, unless it is among the ``coarse`` ones or
    those that are xgrad's own everywhere, then among xgrad's composites.

    Parameters
    ----------
    xp : Generic
        The backend.
    space : str
        ``"linalg"``, ``"fft"`` or ``"special"``.
    """

    coarse: ClassVar[frozenset[str]] = frozenset()  # what the library has, but not to the precision of its dtype

    def __init__(self, xp: Any, space: str):
        self.xp, self.space = xp, space
        self.library = self.module()

    def module(self) -> Any:
        """The library's own module of this kind, or None."""
        return getattr(self.xp.library, self.space, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "library" not in self.__dict__:
            raise AttributeError(name)
        full = f"{self.space}.{name}"
        function = None if name in self.coarse or full in OWN else getattr(self.library, name, None)
        if function is None:
            if full not in composites:
                raise AttributeError(f"{full}: the array library {self.xp.name} has no such function.")
            function = partial(composites[full], self.xp)
        setattr(self, name, function)  # found once
        return function


class Fourier(Extension):
    """``fft`` of PyTorch and CuPy, with NumPy's answers to no elements and to spectra that are not symmetric."""

    def __getattr__(self, name: str) -> Any:
        transform, xp = super().__getattr__(name), self.xp
        if name not in ("fft", "ifft", "fftn", "ifftn", "rfft", "rfftn", "irfft"):
            return transform

        def call(x, /, **options):
            if 0 in x.shape:  # MKL refuses a batch of nothing
                like = getattr(np.fft, name)(np.empty(x.shape, xp.numpy_dtype(x.dtype)), **options)
                return xp.zeros(like.shape, dtype=xp.raw_dtype(like.dtype), device=x.device)
            if name == "irfft" and xp.device_of(x).startswith("cuda") and xp.isdtype(x.dtype, "complex floating"):
                x = real_ends(xp.copy(x), options["n"], options["axis"])
            return transform(x, **options)

        setattr(self, name, call)
        return call


def real_ends(spectrum: Any, n: int, axis: int) -> Any:
    """A half spectrum of ``n`` real values, written without the imaginary parts of bins 0 and n/2.

    They count for nothing, but cuFFT reads them at some lengths.
    """
    parts = spectrum.imag
    for end in (0,) if n % 2 else (0, n // 2):
        parts[(slice(None),) * axis + (slice(end, end + 1),)] = 0.0
    return spectrum
