"""Products of cuBLAS on the CPU, which read and write memory by address as the library documents it: by columns."""

import ctypes
import types

import numpy as np

HALF, BRAIN, SINGLE = 2, 14, 0  # CUDA_R_16F, CUDA_R_16BF, CUDA_R_32F
STORED = {HALF: np.dtype(np.float16), BRAIN: np.dtype(np.uint16), SINGLE: np.dtype(np.float32)}


def _matrices(address, kind, shape, leading, step, count):
    """A view of memory: ``count`` matrices, the elements of a column next to one another."""
    rows, columns = shape
    dtype = STORED[kind]
    assert leading >= max(1, rows) and step >= 0
    size = (count - 1) * step + (columns - 1) * leading + rows
    flat = np.frombuffer((ctypes.c_char * (size * dtype.itemsize)).from_address(address), dtype)
    strides = (step * dtype.itemsize, dtype.itemsize, leading * dtype.itemsize)
    return np.lib.stride_tricks.as_strided(flat, (count, rows, columns), strides)


def _operand(address, kind, transposed, shape, leading, step, count):
    stored = _matrices(address, kind, shape[::-1] if transposed else shape, leading, step, count)
    wide = (stored.astype(np.uint32) << 16).view(np.float32) if kind == BRAIN else stored.astype(np.float32)
    return wide.swapaxes(1, 2) if transposed else wide


def _multiply(op_a, op_b, m, n, k, alpha, a, b, beta, c, count, compute, algo):
    assert {op_a, op_b} <= {0, 1} and min(m, n, k, count) > 0
    assert (compute, algo) == (68, -1)  # CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT
    scales = [ctypes.c_float.from_address(address).value for address in (alpha, beta)]
    assert scales == [1.0, 0.0]
    assert a[1] == b[1] and a[1] != SINGLE and c[1] == SINGLE
    left = _operand(a[0], a[1], op_a, (m, k), *a[2:], count)
    right = _operand(b[0], b[1], op_b, (k, n), *b[2:], count)
    out = _matrices(c[0], c[1], (m, n), *c[2:], count)
    assert c[3] >= m * n or count == 1  # results do not overlap
    with np.errstate(all="ignore"):
        out[...] = left @ right


def module(launches):
    """A module with the signatures of CuPy 14.2's; the names of what is called are added to ``launches``."""
    cublas = types.ModuleType("cupy_backends.cuda.libs.cublas")
    cublas.CUBLAS_COMPUTE_32F, cublas.CUBLAS_GEMM_DEFAULT = 68, -1
    cublas.calls = []  # the name of a function and its arguments by name

    # fmt: off
    def gemmEx(handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype, ldb, beta, C, Ctype, ldc,
               computeType, algo, /):
        launches.append("gemmEx")
        cublas.calls.append(("gemmEx", {**locals()}))
        _multiply(transa, transb, m, n, k, alpha, (A, Atype, lda, 0), (B, Btype, ldb, 0), beta, (C, Ctype, ldc, 0), 1,
                  computeType, algo)

    def gemmStridedBatchedEx(handle, transa, transb, m, n, k, alpha, A, Atype, lda, strideA, B, Btype, ldb, strideB,
                             beta, C, Ctype, ldc, strideC, batchCount, computeType, algo, /):
        launches.append("gemmStridedBatchedEx")
        cublas.calls.append(("gemmStridedBatchedEx", {**locals()}))
        _multiply(transa, transb, m, n, k, alpha, (A, Atype, lda, strideA), (B, Btype, ldb, strideB), beta,
                  (C, Ctype, ldc, strideC), batchCount, computeType, algo)
    # fmt: on

    cublas.gemmEx, cublas.gemmStridedBatchedEx = gemmEx, gemmStridedBatchedEx
    return cublas
