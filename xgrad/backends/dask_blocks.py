"""``linalg``, ``fft`` and ``special`` of Dask's arrays: NumPy's, on blocks that hold the axes they work along whole."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .extension import OWN, Extension

# Axes of arguments and results, as NumPy's generalised functions have them; p, q and k depend on the arguments.
_CORES = {
    "cholesky": "(i,i)->(i,i)",
    "cofactor": "(i,i)->(i,i)",
    "det": "(i,i)->()",
    "eig": "(i,i)->(i),(i,i)",
    "eigh": "(i,i)->(i),(i,i)",
    "eigvals": "(i,i)->(i)",
    "eigvalsh": "(i,i)->(i)",
    "inv": "(i,i)->(i,i)",
    "pinv": "(i,j)->(j,i)",
    "qr": "(i,j)->(i,p),(p,j)",
    "slogdet": "(i,i)->(),()",
    "svd": "(i,j)->(i,p),(k),(q,j)",
    "svdvals": "(i,j)->(k)",
}


class Linalg(Extension):
    """``numpy.linalg`` on every block of a stack, each matrix in one block."""

    def __getattr__(self, name: str) -> Any:
        if name not in _CORES:
            return super().__getattr__(name)
        function = getattr(self.xp.blocks.linalg, name)

        def call(x, /, **options):
            return self._stacked(function, _CORES[name], (x,), options)

        setattr(self, name, call)
        return call

    def pinv(self, x, /, *, rtol=None):
        """The pseudo-inverse, with one tolerance or one for each matrix."""
        pinv = self.xp.blocks.linalg.pinv
        if getattr(rtol, "ndim", 0):
            return self._stacked(lambda x, rtol: pinv(x, rtol=rtol), "(i,j),()->(j,i)", (x, rtol), {})
        return self._stacked(pinv, _CORES["pinv"], (x,), {"rtol": rtol})

    def solve(self, x1, x2, /):
        """The solution of linear systems, for one vector or for the columns of matrices."""
        cores = "(i,i),(i)->(i)" if x2.ndim == 1 else "(i,i),(i,k)->(i,k)"
        return self._stacked(self.xp.blocks.linalg.solve, cores, (x1, x2), {})

    def _stacked(self, function: Any, cores: str, arrays: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if any(0 in a.shape for a in arrays):  # nothing to compute, and nothing that Dask could cut in blocks
            found = function(*(np.zeros(a.shape, a.dtype) for a in arrays), **options)
            place = self.xp.from_numpy
            return place(found, "dask") if hasattr(found, "shape") else tuple(place(part, "dask") for part in found)
        axes, results = cores.split("->")
        rows, cols = arrays[0].shape[-2:]
        if "i,i" in axes and rows != cols:
            raise ValueError("matrices must be square")
        least = min(rows, cols)
        whole = options.get("full_matrices", "q" in results) or options.get("mode") == "complete"
        sizes = {"p": rows if whole else least, "q": cols if whole else least, "k": least}
        small = [
            (np.eye(2) if "," in core else np.ones(2 if core else ())).astype(a.dtype)
            for core, a in zip(re.findall(r"\((.*?)\)", axes), arrays, strict=True)
        ]
        like = function(*small, **options)
        return self.xp.da.apply_gufunc(
            function,
            cores,
            *arrays,
            meta=like if hasattr(like, "dtype") else tuple(like),
            output_sizes={n: size for n, size in sizes.items() if n in results and n not in axes},
            allow_rechunk=True,
            **options,
        )


class Fourier(Extension):
    """``numpy.fft``, with the axes that are transformed in one block."""

    def _along(self, name: str, x: Any, axes: tuple[int, ...], options: dict[str, Any]) -> Any:
        function = getattr(self.xp.blocks.fft, name)
        axes = tuple(a % x.ndim for a in axes)
        like = function(np.ones([n if i in axes else 1 for i, n in enumerate(x.shape)], x.dtype), **options)
        chunks = tuple((like.shape[i],) if i in axes else c for i, c in enumerate(x.chunks))
        meta = np.empty((0,) * x.ndim, like.dtype)
        return x.rechunk(dict.fromkeys(axes, -1)).map_blocks(function, chunks=chunks, meta=meta, **options)

    def c2c(self, x, /, *, s, axes, norm, forward):
        """Complex transform."""
        return self._along("c2c", x, axes, {"s": s, "axes": axes, "norm": norm, "forward": forward})

    def r2c(self, x, /, *, s, axes, norm, forward):
        """Half spectrum of real values."""
        return self._along("r2c", x, axes, {"s": s, "axes": axes, "norm": norm, "forward": forward})

    def c2r(self, x, /, *, s, axes, norm, forward):
        """Real values of a half spectrum."""
        return self._along("c2r", x, axes, {"s": s, "axes": axes, "norm": norm, "forward": forward})

    def r2r(self, x, /, *, sine, type, axis):
        """Orthonormal cosine or sine transform."""
        return self._along("r2r", x, (axis,), {"sine": sine, "type": type, "axis": axis})


class Special(Extension):
    """SciPy's special functions where it is installed, else xgrad's formulas, on every block."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "library" not in self.__dict__:
            raise AttributeError(name)
        if f"{self.space}.{name}" in OWN:
            return super().__getattr__(name)  # across the blocks
        function = getattr(self.xp.blocks.special, name)

        def call(*args, **options):
            return self.xp.da.core.elemwise(function, *args, **options)

        setattr(self, name, call)
        return call
