"""``linalg``, ``fft`` and ``special`` of Dask's arrays: NumPy's, on blocks that hold the axes they work along whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from .extension import Extension

# Axes of arguments and results, as NumPy's generalised functions have them; p, q and k depend on the arguments.
_CORES = {
    "cholesky": "(i,j)->(i,j)",
    "cofactor": "(i,j)->(i,j)",
    "det": "(i,j)->()",
    "eig": "(i,j)->(i),(i,j)",
    "eigh": "(i,j)->(i),(i,j)",
    "eigvals": "(i,j)->(i)",
    "eigvalsh": "(i,j)->(i)",
    "inv": "(i,j)->(i,j)",
    "pinv": "(i,j)->(j,i)",
    "qr": "(i,j)->(i,p),(p,j)",
    "slogdet": "(i,j)->(),()",
    "svd": "(i,j)->(i,p),(k),(q,j)",
    "svdvals": "(i,j)->(k)",
}


class Linalg(Extension):
    """``numpy.linalg`` on every block of a stack, each matrix in one block."""

    def __getattr__(self, name: str) -> Any:
        if name not in _CORES:
            return super().__getattr__(name)

        def call(x, /, **options):
            return self._stacked(name, _CORES[name], (x,), options)

        setattr(self, name, call)
        return call

    def solve(self, x1, x2, /):
        """The solution of linear systems, for one vector or for the columns of matrices."""
        return self._stacked("solve", "(i,j),(j)->(i)" if x2.ndim == 1 else "(i,j),(j,k)->(i,k)", (x1, x2), {})

    def _stacked(self, name: str, cores: str, arrays: tuple[Any, ...], options: dict[str, Any]) -> Any:
        function = getattr(self.xp.blocks.linalg, name)
        if any(0 in a.shape for a in arrays):  # nothing to compute, and nothing that Dask could cut in blocks
            found = function(*(np.zeros(a.shape, a.dtype) for a in arrays), **options)
            place = self.xp.from_numpy
            return place(found, "dask") if hasattr(found, "shape") else tuple(place(part, "dask") for part in found)
        rows, cols = arrays[0].shape[-2:]
        whole = options.get("full_matrices", name == "svd") or options.get("mode") == "complete"
        least = min(rows, cols)
        sizes = {"p": rows if whole else least, "q": cols if whole else least, "k": least}
        small = [np.ones((2,) * min(a.ndim, 2), a.dtype) + np.eye(2, dtype=a.dtype) for a in arrays]
        like = function(*small, **options)
        several = cores.count("(", cores.index("->")) > 1
        return self.xp.da.apply_gufunc(
            function,
            cores,
            *arrays,
            output_dtypes=[part.dtype for part in like] if several else like.dtype,
            output_sizes={n: size for n, size in sizes.items() if n in cores[cores.index("->") :] and len(arrays) == 1},
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
        function = getattr(self.xp.blocks.special, name)

        def call(*args, **options):
            return self.xp.da.core.elemwise(function, *args, **options)

        setattr(self, name, call)
        return call
