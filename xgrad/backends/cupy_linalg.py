"""Linear algebra on CuPy, which never waits and, as in CuPy, answers a singular matrix with infinities or NaN."""

from __future__ import annotations

import numpy as np

from ..registry import composites
from .extension import Extension


class Linalg(Extension):
    """``cupy.linalg``, with the standard's arguments, and through its singular values where it would wait."""

    def cholesky(self, x, /, *, upper=False):
        """The triangular factor; CuPy reads the lower triangle and returns the lower factor."""
        if upper:
            return self.adjoint(self.library.cholesky(self.adjoint(x)))
        return self.library.cholesky(x)

    def solve(self, x1, x2, /):
        """The solution of linear systems; CuPy does not broadcast leading axes, NumPy's do."""
        if x2.ndim == 1:
            return self.solve(x1, x2[:, None])[..., 0]
        stack = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
        broadcast = self.xp.cupy.broadcast_to
        return self.library.solve(*(broadcast(x, stack + x.shape[-2:]) for x in (x1, x2)))

    def svdvals(self, x, /):
        """Singular values alone."""
        return self.library.svd(x, compute_uv=False)

    def pinv(self, x, /, *, rtol=None):
        """The pseudo-inverse; CuPy's own waits for the device."""
        return composites["linalg.pinv"](self.xp, x, rtol=rtol)

    def eigvals(self, x, /):
        """Complex eigenvalues of square matrices."""
        return self._complex(self.library.eigvals(x))

    def eig(self, x, /):
        """Complex eigenvalues and eigenvectors of square matrices."""
        return tuple(map(self._complex, self.library.eig(x)))

    def _complex(self, x):
        return x.astype(np.result_type(x.dtype, np.complex64), copy=False)
