"""CUDA kernels of xgrad's own: functions of neural networks and a step of Adam, each queued in one launch.

Two kinds.  ``ELEMENTWISE``: bodies of ``cupy.ElementwiseKernel``, in the wider type ``W``.  ``LINES``: C++ on lines of
elements next to one another, compiled once for every dtype that is used: ``T`` is what is stored, ``A`` what is
computed in, which is float for 16-bit floats.

A line is shared by a warp where it is short, so that nothing waits for another warp, else by a block.  Nothing is added
in an order that may change: results are the same at every run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .special_formulas.neural import GELU_CUBE, GELU_SLOPE

# Element by element: (arguments, result, body) -----------------------------------------------------------------------

WIDER = """
template <typename T> struct Wider { typedef float type; };  // 16-bit floats are computed in float
template <> struct Wider<double> { typedef double type; };
"""
_PHI = f"W(0.5) * (1 + erf(v * W({math.sqrt(0.5)!r})))"
_DENSITY = f"exp(W(-0.5) * v * v) * W({1 / math.sqrt(2 * math.pi)!r})"
_TANH = f"tanh(v * (W({GELU_SLOPE!r}) + W({GELU_SLOPE * GELU_CUBE!r}) * v * v))"
_INNER = f"(W({GELU_SLOPE!r}) + W({3 * GELU_SLOPE * GELU_CUBE!r}) * v * v)"
_GATE = "1 / (1 + exp(-v))"
_BRAIN = "x != x ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16"  # to the nearest bfloat16, ties to even

ELEMENTWISE = {
    "to_bfloat16": ("T x", "uint16 y", f"const unsigned bits = __float_as_uint(W(x)); y = {_BRAIN};"),
    "relu": ("T x", "T y", "W v = x; y = v <= 0 ? W(0) : v;"),  # this way round a NaN is kept
    "relu_grad": ("T ct, T x", "T y", "y = W(x) <= 0 ? W(0) : W(ct);"),
    "gelu": ("T x", "T y", f"W v = x; y = v * ({_PHI});"),
    "gelu_grad": ("T ct, T x", "T y", f"W v = x; y = W(ct) * ({_PHI} + v * {_DENSITY});"),
    "gelu_tanh": ("T x", "T y", f"W v = x; y = W(0.5) * v * (1 + {_TANH});"),
    "gelu_tanh_grad": (
        "T ct, T x",
        "T y",
        f"W v = x, t = {_TANH}; y = W(ct) * (W(0.5) * (1 + t) + W(0.5) * v * (1 - t * t) * {_INNER});",
    ),
    "silu": ("T x", "T y", f"W v = x; y = v * ({_GATE});"),
    "silu_grad": ("T ct, T x", "T y", f"W v = x, g = {_GATE}; y = W(ct) * (g + v * g * (1 - g));"),
    "adam_step": (
        "T p, T g, T mean, T square, float64 rate, float64 b1, float64 b2, float64 eps, float64 decay, float64 shrink",
        "T new_p, T new_mean, T new_square",
        """
        const W d = W(g) + W(decay) * W(p);
        const W m = W(b1) * W(mean) + W(1 - b1) * d, s = W(b2) * W(square) + W(1 - b2) * d * d;
        new_p = W(p) - (W(rate) * m / (sqrt(s) + W(eps)) + W(shrink) * W(p));
        new_mean = m, new_square = s;
        """,
    ),
}


def body(operation: str) -> str:
    """The operation with the name of the type that it computes in."""
    return f"typedef typename Wider<T>::type W; {operation}"


# Line by line ---------------------------------------------------------------------------------------------------------

_PLAIN = """
__device__ A read(T x) { return x; }
__device__ T stored(A x) { return x; }
"""
_TYPES = {  # dtype -> T, A, and how one becomes the other; 16-bit floats are bits here, so that no header is needed
    "float32": ("float", "float", _PLAIN),
    "float64": ("double", "double", _PLAIN),
    "float16": (
        "unsigned short",
        "float",
        """
__device__ A read(T x) { A y; asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x)); return y; }
__device__ T stored(A x) { T y; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x)); return y; }
""",
    ),
    "bfloat16": (
        "unsigned short",
        "float",
        f"""
__device__ A read(T x) {{ return __uint_as_float((unsigned)x << 16); }}
__device__ T stored(A x) {{
    const unsigned bits = __float_as_uint(x);
    return {_BRAIN};
}}
""",
    ),
}
DTYPES = tuple(_TYPES)

LINES = """
typedef long long Int;

// The line that this thread works on, unless it is after the last one, and its share of the line's elements.
#define LINE Int(blockIdx.x) * blockDim.y + threadIdx.y
#define EACH(j) for (Int j = threadIdx.x; j < n; j += blockDim.x)

struct Sum { __device__ A operator()(A a, A b) const { return a + b; } };
struct Larger { __device__ A operator()(A a, A b) const { return a < b ? b : a; } };  // b is no result if it is NaN

// What the threads of a line have, combined; every one of them gets it.
template <typename Combine>
__device__ A combined(A value, Combine combine) {
    for (int distance = 16; distance > 0; distance /= 2)
        value = combine(value, __shfl_xor_sync(0xffffffff, value, distance));
    if (blockDim.x == 32) return value;
    __shared__ A warps[32];
    __syncthreads();  // all have read what was here before
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
    __syncthreads();
    value = warps[0];
    for (int i = 1; i < blockDim.x / 32; ++i) value = combine(value, warps[i]);
    return value;
}

// What is taken off the elements of a line before exp: the largest of them.  It is finite, so that an infinity makes no
// NaN of its neighbours.
__device__ A top_of(const T* x, Int n) {
    A top = -LARGEST;
    EACH(j) top = Larger()(top, read(x[j]));
    top = combined(top, Larger());
    return top < LARGEST ? top : LARGEST;
}

// The sum of exp: at least 1, or 0 for nothing but -inf, where 1/2 serves.
__device__ A total_of(const T* x, Int n, A top) {
    A sum = 0;
    EACH(j) sum += exp(read(x[j]) - top);
    sum = combined(sum, Sum());
    return sum < A(0.5) ? A(0.5) : sum;
}

extern "C" __global__ void softmax(const T* x, T* out, Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    x += line * n, out += line * n;
    const A top = top_of(x, n), total = total_of(x, n, top);
    EACH(j) out[j] = stored(exp(read(x[j]) - top) / total);
}

extern "C" __global__ void softmax_grad(const T* ct, const T* out, T* to_x, Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    ct += line * n, out += line * n, to_x += line * n;
    A along = 0;
    EACH(j) along += read(ct[j]) * read(out[j]);
    along = combined(along, Sum());
    EACH(j) to_x[j] = stored(read(out[j]) * (read(ct[j]) - along));
}

extern "C" __global__ void log_softmax(const T* x, T* out, Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    x += line * n, out += line * n;
    const A top = top_of(x, n), log_total = log(total_of(x, n, top));
    EACH(j) out[j] = stored(read(x[j]) - top - log_total);
}

extern "C" __global__ void log_softmax_grad(const T* ct, const T* out, T* to_x, Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    ct += line * n, out += line * n, to_x += line * n;
    A sum = 0;
    EACH(j) sum += read(ct[j]);
    sum = combined(sum, Sum());
    EACH(j) to_x[j] = stored(read(ct[j]) - exp(read(out[j])) * sum);
}

// A label that no class has would have to raise, for which the host would wait: it makes NaN instead.
extern "C" __global__ void softmax_cross_entropy(const T* x, const Int* labels, T* losses, Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    x += line * n;
    const A top = top_of(x, n), total = total_of(x, n, top);
    if (threadIdx.x) return;
    const Int label = labels[line];
    const bool known = 0 <= label && label < n;
    losses[line] = stored(known ? log(total) - (read(x[label]) - top) : A(nan("")));
}

// Cotangents are ``step`` elements apart: 0 where all lines have the same, as after a mean.
extern "C" __global__ void softmax_cross_entropy_grad(
        const T* ct, Int step, const T* x, const Int* labels, T* to_x, Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    x += line * n, to_x += line * n;
    const A top = top_of(x, n), total = total_of(x, n, top);
    const Int label = labels[line];
    const bool known = 0 <= label && label < n;
    const A c = known ? read(ct[line * step]) : A(nan(""));
    EACH(j) to_x[j] = stored(c * (exp(read(x[j]) - top) / total - (j == label)));
}

struct Spread { A mean, scale; };

// The mean of a line, and one over its standard deviation.
__device__ Spread spread_of(const T* x, Int n, A eps) {
    A sum = 0, squares = 0;
    EACH(j) sum += read(x[j]);
    const A mean = combined(sum, Sum()) / n;
    EACH(j) squares += (read(x[j]) - mean) * (read(x[j]) - mean);
    return {mean, 1 / sqrt(combined(squares, Sum()) / n + eps)};
}

extern "C" __global__ void layer_norm(
        const T* x, const T* weight, const T* bias, T* out, double eps, Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    x += line * n, out += line * n;
    const Spread s = spread_of(x, n, eps);
    EACH(j) {
        A y = (read(x[j]) - s.mean) * s.scale;
        if (weight) y *= read(weight[j]);
        if (bias) y += read(bias[j]);
        out[j] = stored(y);
    }
}

// The cotangent of x; the mean and scale of every line are kept for that of weight.
extern "C" __global__ void layer_norm_grad(
        const T* ct, const T* x, const T* weight, T* to_x, Spread* spreads, double eps, Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    ct += line * n, x += line * n, to_x += line * n;
    const Spread s = spread_of(x, n, eps);
    A sum = 0, along = 0;
    EACH(j) {
        const A inner = weight ? read(ct[j]) * read(weight[j]) : read(ct[j]);
        sum += inner;
        along += inner * (read(x[j]) - s.mean) * s.scale;
    }
    const A mean = combined(sum, Sum()) / n;
    along = combined(along, Sum()) / n;
    EACH(j) {
        const A inner = weight ? read(ct[j]) * read(weight[j]) : read(ct[j]);
        to_x[j] = stored(s.scale * (inner - mean - (read(x[j]) - s.mean) * s.scale * along));
    }
    if (spreads && threadIdx.x == 0) spreads[line] = s;
}

// The cotangent of weight, a sum over lines, in two stages.  First 8 threads to a column add the lines of one part, and
// one of them adds these 8 sums: gridDim.y by n of them.
extern "C" __global__ void layer_norm_parts(
        const T* ct, const T* x, const Spread* spreads, A* parts, Int lines, Int n) {
    const Int column = Int(blockIdx.x) * 32 + threadIdx.x;
    A sum = 0;
    for (Int line = Int(blockIdx.y) * 8 + threadIdx.y; line < lines && column < n; line += Int(gridDim.y) * 8) {
        const Int at = line * n + column;
        sum += read(ct[at]) * (read(x[at]) - spreads[line].mean) * spreads[line].scale;
    }
    __shared__ A found[8][32];
    found[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || column >= n) return;
    for (int i = 1; i < 8; ++i) sum += found[i][threadIdx.x];
    parts[blockIdx.y * n + column] = sum;
}

// Then one thread to a column adds the parts.
extern "C" __global__ void layer_norm_columns(const A* parts, T* to_weight, Int count, Int n) {
    const Int column = Int(blockIdx.x) * blockDim.x + threadIdx.x;
    if (column >= n) return;
    A sum = 0;
    for (Int i = 0; i < count; ++i) sum += parts[i * n + column];
    to_weight[column] = stored(sum);
}

// The elements of a channel are a line in pieces: ``size`` of them in every sample, whose elements follow one another.
#define AT(j) ((j) / size * size * lines + (j) % size)

extern "C" __global__ void batch_norm(
        const T* x, const T* weight, const T* bias, T* out, T* means, T* variances, Int size, double eps,
        Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    x += line * size, out += line * size;
    A sum = 0, squares = 0;
    EACH(j) sum += read(x[AT(j)]);
    const A mean = combined(sum, Sum()) / n;
    EACH(j) {
        const A centred = read(x[AT(j)]) - mean;
        squares += centred * centred;
    }
    const A variance = combined(squares, Sum()) / n;
    const A factor = (weight ? read(weight[line]) : A(1)) / sqrt(variance + A(eps));
    const A offset = bias ? read(bias[line]) : A(0);
    EACH(j) out[AT(j)] = stored((read(x[AT(j)]) - mean) * factor + offset);
    if (threadIdx.x == 0) means[line] = stored(mean), variances[line] = stored(variance);
}

extern "C" __global__ void batch_norm_grad(
        const T* ct, const T* x, const T* weight, const T* means, const T* variances, T* to_x, T* to_weight, T* to_bias,
        Int size, double eps, Int lines, Int n) {
    const Int line = LINE;
    if (line >= lines) return;
    ct += line * size, x += line * size, to_x += line * size;
    const A mean = read(means[line]), scale = 1 / sqrt(read(variances[line]) + A(eps));
    A sum = 0, along = 0;
    EACH(j) {
        const A c = read(ct[AT(j)]);
        sum += c;
        along += c * (read(x[AT(j)]) - mean);
    }
    sum = combined(sum, Sum());
    along = combined(along, Sum()) * scale;
    const A factor = (weight ? read(weight[line]) : A(1)) * scale;
    EACH(j) {
        const A normal = (read(x[AT(j)]) - mean) * scale;
        to_x[AT(j)] = stored(factor * (read(ct[AT(j)]) - sum / n - normal * along / n));
    }
    if (threadIdx.x == 0) to_weight[line] = stored(along), to_bias[line] = stored(sum);
}

// Arrays one after the other: one row of blocks to each of them.
struct Pieces { const T* start[PIECES]; Int end[PIECES]; };
extern "C" __global__ void join(const Pieces pieces, T* out) {
    const Int begin = blockIdx.y ? pieces.end[blockIdx.y - 1] : 0, count = pieces.end[blockIdx.y] - begin;
    for (Int i = Int(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += Int(gridDim.x) * blockDim.x)
        out[begin + i] = pieces.start[blockIdx.y][i];
}
"""

_PIECES = 32  # arrays that one launch joins
_BLOCKS = 1024  # the most blocks for one of them: enough to keep any GPU busy
_TABLE = np.dtype([("start", np.int64, _PIECES), ("end", np.int64, _PIECES)])


def accumulator(dtype: np.dtype) -> np.dtype:
    """What sums of this dtype are computed in."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def source(name: str) -> str:
    """The kernels on lines for the dtype of this name."""
    stored, computed, conversions = _TYPES[name]
    largest = float(np.finfo(np.float64 if computed == "double" else np.float32).max)
    head = f"typedef {stored} T;\ntypedef {computed} A;\n#define LARGEST A({largest!r})\n"
    head += f"#define PIECES {_PIECES}\n"
    return head + conversions + LINES


class Kernels:
    """The kernels on one installation of CuPy, each compiled at its first use and called on the current stream.

    Parameters
    ----------
    cupy : module
        The library.
    """

    warp, warps = 32, 4  # threads to a short line, and how many such lines share a block
    block = 256  # threads to a long line
    short = 1024  # elements of the longest line that a warp has alone

    def __init__(self, cupy: Any):
        self.cupy = cupy
        self._modules: dict[str, Any] = {}
        self._found: dict[Any, Any] = {}

    def elementwise(self, name: str) -> Any:
        """The function of arrays called ``name`` in ``ELEMENTWISE``."""
        kernel = self._found.get(name)
        if kernel is None:
            inputs, outputs, operation = ELEMENTWISE[name]
            kernel = self.cupy.ElementwiseKernel(inputs, outputs, body(operation), f"xgrad_{name}", preamble=WIDER)
            self._found[name] = kernel
        return kernel

    def module(self, name: str) -> Any:
        """The kernels on lines for the dtype of this name."""
        module = self._modules.get(name)
        if module is None:
            module = self._modules[name] = self.cupy.RawModule(code=source(name))
        return module

    def launch(self, name: str, dtype: np.dtype, grid: tuple[int, ...], block: tuple[int, ...], args: Any) -> None:
        """Queue a kernel of ``LINES``."""
        kernel = self._found.get((name, dtype))
        if kernel is None:
            kernel = self._found[name, dtype] = self.module(dtype.name).get_function(name)
        kernel(grid, block, args)

    def on_lines(self, name: str, dtype: np.dtype, lines: int, n: int, *args: Any) -> None:
        """Queue a kernel whose threads share lines of ``n`` elements."""
        block = (self.warp, self.warps) if n <= self.short else (self.block, 1)
        self.launch(name, dtype, (-(-lines // block[1]),), block, (*args, lines, n))

    def join(self, arrays: Sequence[Any]) -> Any:
        """One vector of arrays of one dtype, in few launches: CuPy's own way takes one for every array."""
        dtype = arrays[0].dtype
        pieces = [self.cupy.ascontiguousarray(a) for a in arrays if a.size]
        out = self.cupy.empty((sum(a.size for a in pieces),), dtype=dtype)
        begin = 0
        for i in range(0, len(pieces), _PIECES):
            some = pieces[i : i + _PIECES]
            ends = list(itertools.accumulate(a.size for a in some))
            table = np.zeros((), _TABLE)  # passed by value
            table["start"][: len(some)] = [a.data.ptr for a in some]
            table["end"][: len(some)] = ends
            longest = max(a.size for a in some)
            grid = (min(-(-longest // self.block), _BLOCKS), len(some))
            self.launch("join", dtype, grid, (self.block,), (table, out[begin:] if begin else out))
            begin += ends[-1]
        return out
