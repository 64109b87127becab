"""Products of float32 matrices in 16 bits on CUDA: one call of cuBLAS, which adds up in float32.

CuPy's own product of 16-bit matrices rounds its result to 16 bits, too; it casts stacks of float16 to float32 and
copies whatever is transposed, and of bfloat16 it has no stacks at all.  cuBLAS is called directly here.  Operands in
bfloat16 are kept as their bits, in uint16, so that nothing needs a dtype of that name.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

# Read by cuBLAS on the host, in the type that it computes in.
_ONE = np.ones((), np.float32)
_ZERO = np.zeros((), np.float32)


def open_cublas() -> Any:
    """CuPy's binding of cuBLAS.

    It is an attribute of its package, which first finds the library wherever pip has put it; to import the module by
    its full name would leave that to the system, which looks elsewhere.
    """
    from cupy_backends.cuda.libs import cublas

    return cublas


class Stack(NamedTuple):
    """Matrices in 16 bits as cuBLAS is told of them.

    Parameters
    ----------
    memory : array, shape (..., rows, columns)
        Elements next to one another.
    flipped : bool
        Whether ``memory`` holds the transposes of the matrices that are meant.
    step : int
        Elements from one matrix to the next; 0 for one matrix that is used again and again.
    """

    memory: Any
    flipped: bool
    step: int


class Products:
    """Matrix products in 16 bits, on the current stream of one installation of CuPy.

    Parameters
    ----------
    cupy : module
        The library.
    kernels : Kernels
        The kernels on it.
    """

    def __init__(self, cupy: Any, kernels: Any):
        self.cupy, self.kernels = cupy, kernels

    @functools.cached_property
    def cublas(self) -> Any:
        """CuPy's binding of the library."""
        return open_cublas()

    def narrowed(self, x: Any, precision: str) -> Any:
        """``x`` in 16 bits, its elements next to one another; what has 16 bits already is copied only to close gaps."""
        if x.dtype.itemsize == 2:
            return self.cupy.ascontiguousarray(x)
        if precision == "float16":
            return x.astype(np.float16, order="C")
        return self.kernels.elementwise("to_bfloat16")(x)

    def matmul(self, x1: Any, x2: Any, precision: str) -> Any:
        """The matrix product in float32 of arrays in float32 or, as ``narrowed`` gives them, in 16 bits."""
        a = x1 if x1.ndim > 1 else x1.reshape((1, -1))
        b = x2 if x2.ndim > 1 else x2.reshape((-1, 1))
        stacks = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        rows = a.shape[-2:-1] if x1.ndim > 1 else ()
        columns = b.shape[-1:] if x2.ndim > 1 else ()
        shape = stacks + rows + columns
        if not (a.size and b.size):
            return self.cupy.zeros(shape, dtype=np.float32)
        if b.ndim == 2 and a.ndim > 2:  # the rows of all matrices are those of a single one
            a, stacks = self.narrowed(a, precision).reshape((-1, a.shape[-1])), ()
        out = self.cupy.empty(shape, dtype=np.float32)
        size = a.shape[-2], b.shape[-1], a.shape[-1]
        self._multiply(self._stack(a, stacks, precision), self._stack(b, stacks, precision), out, size)
        return out

    def _stack(self, x: Any, stacks: tuple[int, ...], precision: str) -> Stack:
        """``x`` in 16 bits; as many matrices as in ``stacks``, or one."""
        single = math.prod(x.shape[:-2]) == 1
        if not single and x.shape[:-2] != stacks:
            x = self.cupy.broadcast_to(x, stacks + x.shape[-2:])
        flipped = abs(x.strides[-2]) < abs(x.strides[-1])  # reading them the other way is reading memory in order
        memory = self.narrowed(self.cupy.matrix_transpose(x) if flipped else x, precision)
        return Stack(memory, flipped, 0 if single else x.shape[-2] * x.shape[-1])

    def _multiply(self, a: Stack, b: Stack, out: Any, size: tuple[int, int, int]) -> None:
        """Queue ``a @ b``.

        cuBLAS takes memory column by column, so what is a matrix here is its transpose there: it computes
        ``out.T = b.T @ a.T``.
        """
        cublas, (m, n, k) = self.cublas, size
        count = out.size // (m * n)
        head = (self.cupy.cuda.device.get_cublas_handle(), int(b.flipped), int(a.flipped), n, m, k)
        one, zero = _ONE.ctypes.data, _ZERO.ctypes.data
        left, right = self._place(b.memory), self._place(a.memory)
        result = (out.data.ptr, self.cupy.cuda.runtime.CUDA_R_32F, n)
        kind = (cublas.CUBLAS_COMPUTE_32F, cublas.CUBLAS_GEMM_DEFAULT)
        if count == 1:
            cublas.gemmEx(*head, one, *left, *right, zero, *result, *kind)
        else:
            cublas.gemmStridedBatchedEx(*head, one, *left, b.step, *right, a.step, zero, *result, m * n, count, *kind)

    def _place(self, memory: Any) -> tuple[int, int, int]:
        """Address, type, and the elements from one column of cuBLAS to the next."""
        runtime = self.cupy.cuda.runtime
        kind = runtime.CUDA_R_16F if memory.dtype == np.float16 else runtime.CUDA_R_16BF
        return memory.data.ptr, kind, memory.shape[-1]


class Narrow:
    """The products that ``autocast`` asks for; a backend with ``products`` inherits it before ``Generic``."""

    products: Products
    matmul: Any
    cross_correlation: Any

    def narrow_matmul(self, x1, x2, /, *, precision):
        """Of float32 arrays, in 16 bits; others are multiplied as they are."""
        inner = x2.shape[max(x2.ndim - 2, 0)] if x1.ndim and x2.ndim else None
        if x1.dtype == x2.dtype == np.float32 and inner is not None and inner == x1.shape[-1]:
            return self.products.matmul(x1, x2, precision)
        return self.matmul(x1, x2)  # which says what is wrong with the shapes

    def narrow_cross_correlation(self, x, w, /, *, precision, **options):
        """Of float32 arrays, whose windows are gathered in 16 bits; others are multiplied as they are."""
        if not x.dtype == w.dtype == np.float32:
            return self.cross_correlation(x, w, **options)
        product = functools.partial(self.products.matmul, precision=precision)
        x, w = (self.products.narrowed(v, precision) for v in (x, w))
        return self.cross_correlation(x, w, **options, product=product)
