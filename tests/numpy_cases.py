"""Calls of NumPy's functions for the tests of the NumPy protocol, by NumPy's name.

Each call gets arrays: ndarrays give the expected value, Tensors what is tested.  ``slopes=False`` marks results that
have no derivative (positions, predicates, whole numbers).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

RNG = np.random.default_rng(7)
A = RNG.permutation(np.linspace(0.45, 1.75, 12)).reshape(3, 4)  # all different, none at a kink
B = RNG.permutation(np.linspace(0.35, 1.95, 12)).reshape(4, 3)
C = RNG.permutation(np.linspace(-1.35, 1.95, 12)).reshape(3, 4)
T = RNG.permutation(np.linspace(-1.1, 1.3, 24)).reshape(2, 3, 4)
V, W = A[0], B[0]
S = np.array([[2.0, 0.3, -0.2], [0.1, 1.7, 0.4], [0.5, -0.3, 2.3]])
SPD = S @ S.T
Z = C + 1j * A
MASK = A > 1.0
HOLES = np.where(np.arange(12).reshape(3, 4) % 5 == 2, np.nan, C)
INTEGERS = np.array([[3, 1, 2], [1, 0, 3]])


class Call(NamedTuple):
    f: Callable[..., Any]
    arrays: tuple
    slopes: bool


CALLS: dict[str, list[Call]] = {}


def call(names, f, *arrays, slopes=True):
    """Enter a call; ``f(function)(*arrays)`` when several names share it."""
    for name in names.split():
        CALLS.setdefault(name, []).append(Call(f, arrays, slopes))


def each(names, *arrays, slopes=True, **keywords):
    """Enter ``np.<name>(*arrays, **keywords)`` for several names."""
    for name in names.split():
        function = np
        for part in name.split("."):
            function = getattr(function, part, None)
        if function is not None:
            call(name, lambda *xs, function=function: function(*xs, **keywords), *arrays, slopes=slopes)


# Ufuncs ---------------------------------------------------------------------------------------------------------------

each("sin cos tan sinh cosh tanh exp expm1 square negative positive absolute abs fabs arctan atan arcsinh asinh", C)
each("conjugate conj exp2 cbrt deg2rad rad2deg radians degrees", C)
each("sqrt log log2 log10 log1p reciprocal", A)
each("arcsin arccos arctanh asin acos atanh", C / 2)
each("arccosh acosh", A + 1)
each("sin exp sqrt conj abs square", Z)
each("sign", C)  # recorded with a slope of zero: that of a complex sign is not
each("floor ceil trunc rint spacing isnan isfinite isinf signbit", C, slopes=False)
each("logical_not", MASK, slopes=False)
each("add subtract multiply divide true_divide maximum minimum hypot arctan2 atan2 logaddexp logaddexp2", C, A)
each("fmax fmin fmod remainder mod heaviside", C, A)
each("power pow float_power", A, C)
each("copysign", C, -A[0])
each(
    "less less_equal greater greater_equal equal not_equal floor_divide",
    C,
    A,
    slopes=False,
)
each("logical_and logical_or logical_xor", MASK, T[0] > 0, slopes=False)
each("nextafter", C, A, slopes=False)
each("bitwise_and bitwise_or bitwise_xor left_shift right_shift bitwise_left_shift bitwise_right_shift",
     INTEGERS, INTEGERS[:1], slopes=False)  # fmt: skip
each("invert bitwise_not bitwise_invert", INTEGERS, slopes=False)
each("divmod", C, A)
each("modf", C)
each("frexp", C)
call("ldexp", lambda x: np.ldexp(x, np.array([2, -1, 0, 5])), C)
each("matmul", A, B)
each("vecdot", A, C)
each("vecdot", Z, A)
each("vecdot", A, C, axis=0)
each("matvec", A, V)
each("vecmat", W, A)

# Reductions -----------------------------------------------------------------------------------------------------------

for _name in ("sum", "prod", "mean", "max", "amax", "min", "amin", "var", "std", "ptp"):
    each(_name, A)
    each(_name, T, axis=1)
    each(_name, T, axis=(0, -1), keepdims=True)
each("max min amax amin sum prod", A, axis=1, initial=1.1)
each("max min amax amin", A, axis=1, initial=1.0, where=MASK)
each("sum prod", A, axis=0, where=MASK)
each("mean", A, axis=0, where=T[0] < 0.9)
each("var std", T, axis=1, ddof=1)
each("var std", T, axis=(0, 1), where=T < 1.0)
call("var std", lambda x: np.var(x, axis=1, correction=1, keepdims=True), T)
call("var", lambda x: np.var(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)), A)
call("std", lambda x: np.std(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)), A)
each("sum mean prod", A.astype(np.float32), dtype=np.float64)
each("all any", MASK, axis=1, slopes=False)
each("all any", A, slopes=False)
each("all any", MASK, where=MASK[0], slopes=False)
each("argmax argmin", T, axis=1, keepdims=True, slopes=False)
each("argmax argmin", A, slopes=False)
each("count_nonzero", MASK, axis=0, slopes=False)
each("cumsum cumprod", A)
each("cumsum cumprod cumulative_sum cumulative_prod", T, axis=1)
each("cumulative_sum cumulative_prod", T, axis=-1, include_initial=True)
each("nansum nanprod nanmean nanvar nanstd nanmax nanmin nanmedian", HOLES)
each("nansum nanprod nanmean nanvar nanstd nanmax nanmin nanmedian", HOLES, axis=1)
each("nanvar nanstd", HOLES, axis=0, ddof=1, keepdims=True)
each("nancumsum nancumprod", HOLES, axis=1)
each("nanargmax nanargmin", HOLES, axis=1, slopes=False)
call("nanquantile", lambda x: np.nanquantile(x, [0.2, 0.7], axis=1), HOLES)
call("nanpercentile", lambda x: np.nanpercentile(x, 30, axis=0, keepdims=True), HOLES)
each("median", A)
each("median", T, axis=(0, 2), keepdims=True)
call("quantile", lambda x: np.quantile(x, [0.1, 0.55], axis=1), A)
call("percentile", lambda x: np.percentile(x, 40, axis=0, method="lower"), A)
call("average", lambda x: np.average(x, axis=1), A)
call("average", lambda x, w: np.average(x, axis=0, weights=w, returned=True), A, C**2 + 0.1)
each("cov corrcoef", C)
call("cov", lambda x, y: np.cov(x, y, ddof=0), C, T[0])
call("corrcoef", lambda x, y: np.corrcoef(x, y, rowvar=False), C, A)

# Arrangement ----------------------------------------------------------------------------------------------------------

call("reshape", lambda x: np.reshape(x, (2, -1)), A)
call("reshape", lambda x: np.reshape(x, (2, 3, 2), order="F"), A)
call("reshape", lambda x: np.reshape(a := x, shape=12) + a[0, 0], A)
each("ravel", A)
each("ravel", A, order="F")
each("transpose permute_dims", T)
each("transpose permute_dims", T, axes=(1, 2, 0))
each("matrix_transpose linalg.matrix_transpose", T)
call("swapaxes", lambda x: np.swapaxes(x, 0, -1), T)
call("moveaxis", lambda x: np.moveaxis(x, [0, 1], [-1, 0]), T)
call("rollaxis", lambda x: np.rollaxis(x, 2), T)
call("rollaxis", lambda x: np.rollaxis(x, 0, 3), T)
call("expand_dims", lambda x: np.expand_dims(x, (0, 2)), A)
call("squeeze", lambda x: np.squeeze(x[None, :, None]), A)
call("squeeze", lambda x: np.squeeze(x[None, :, None], axis=0), A)
call("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)), A)
call("broadcast_arrays", lambda x: np.broadcast_arrays(x, x[:, :1], 2 * x[0]), A)
call("broadcast_arrays", lambda x: np.broadcast_arrays(np.ones((2, 1, 1)), 3.0, x)[2], A)
each("atleast_1d atleast_2d atleast_3d", np.array(1.5))
each("atleast_1d atleast_2d atleast_3d", V)
each("atleast_1d atleast_2d atleast_3d", A, V)
call("concatenate", lambda x, y: np.concatenate([x, np.ones((1, 4)), y]), A, C)
call("concatenate", lambda x, y: np.concatenate((x, [5.0, 6.0], y), axis=None), A, C)
call("concat", lambda x, y: np.concat([x, y], axis=1), A, C)
call("stack", lambda x: np.stack([x, C, 2 * x], axis=-1), A)
call("stack", lambda x: np.stack([x[0, 0], 1.0, x[1, 1]]), A)
call("vstack", lambda x: np.vstack([x, V, x[0]]), A)
call("hstack", lambda x: np.hstack([x, C]), A)
call("hstack", lambda x: np.hstack([x[0], 1.0, x[1, 1]]), A)
call("dstack", lambda x: np.dstack([x, C]), A)
call("dstack", lambda x: np.dstack([x[0], V]), A)
call("column_stack", lambda x: np.column_stack([x, x[:, 0], np.ones(3)]), A)
call("block", lambda x: np.block([[x, np.ones((3, 2))], [np.zeros((1, 4)), x[:1, :2]]]), A)
call("block", lambda x: np.block([x[0], 3.0]), A)
call("append", lambda x: np.append(x, [1.0, 2.0]), A)
call("append", lambda x: np.append(C, x, axis=0), A)
call("delete", lambda x: np.delete(x, 1, axis=1), A)
call("delete", lambda x: np.delete(x, [0, -1, 5]), A)
call("delete", lambda x: np.delete(x, slice(0, 3, 2), axis=0), A)
call("delete", lambda x: np.delete(x, np.array([True, False, True]), axis=0), A)
call("insert", lambda x: np.insert(x, 1, 9.0, axis=1), A)
call("insert", lambda x, v: np.insert(x, 1, v, axis=0), A, V)
call("insert", lambda x, v: np.insert(x, [0, 2, 2], v[:3]), A, V)
call("insert", lambda x: np.insert(x, [1], [7.0, 8.0]), V)
call("insert", lambda v: np.insert(A, -1, v, axis=-1), V[:3])
call("split", lambda x: np.split(x, 2, axis=1), A)
call("split", lambda x: np.split(x, [1, 3]), V)
call("array_split", lambda x: np.array_split(x, 3, axis=1), A)
call("hsplit", lambda x: np.hsplit(x, 2), A)
call("vsplit", lambda x: np.vsplit(x, [1]), A)
call("dsplit", lambda x: np.dsplit(x, 2), T)
call("unstack", lambda x: np.unstack(x, axis=1), A)
call("repeat", lambda x: np.repeat(x, 2), A)
call("repeat", lambda x: np.repeat(x, [1, 0, 2], axis=0), A)
call("tile", lambda x: np.tile(x, (2, 1, 2)), A)
call("resize", lambda x: np.resize(x, (2, 8)), A)
call("flip", lambda x: np.flip(x, (0, 1)), T)
each("flip flipud fliplr", A)
for _k in range(4):
    each("rot90", A, k=_k)
call("rot90", lambda x: np.rot90(x, 1, (1, 2)), T)
call("roll", lambda x: np.roll(x, 2), A)
call("roll", lambda x: np.roll(x, (1, 2), axis=(0, 1)), A)
call("trim_zeros", lambda x: np.trim_zeros(np.concatenate([np.zeros(2), x, [0.0]])), V)
call("pad", lambda x: np.pad(x, ((1, 0), (2, 1))), A)
call("pad", lambda x: np.pad(x, 1, mode="reflect"), A)
call("pad", lambda x: np.pad(x, (1, 2), "constant", constant_values=3.0), V)
each("diag diagflat", V)
each("diag diagonal trace", A)
call("diag", lambda x: np.diag(x, -1), A)
call("diagonal", lambda x: np.diagonal(x, 1, axis1=0, axis2=2), T)
call("trace", lambda x: np.trace(x, offset=1, axis1=1, axis2=2), T)
call("linalg.diagonal", lambda x: np.linalg.diagonal(x, offset=1), T)
call("linalg.trace", lambda x: np.linalg.trace(x, offset=-1), T)
each("vander", V)
call("vander", lambda x: np.vander(x, 3, increasing=True), V)
each("tril triu", T)
call("tril", lambda x: np.tril(x, -1), A)
call("triu", lambda x: np.triu(x, 1), V)

# Creation -------------------------------------------------------------------------------------------------------------

each("zeros_like ones_like", A, slopes=False)
call("zeros_like", lambda x: np.zeros_like(x, dtype=np.float32, shape=(2, 2)), A, slopes=False)
call("ones_like", lambda x: np.ones_like(x, shape=5), A, slopes=False)
call("empty_like", lambda x: np.empty_like(x, dtype=np.int32).dtype == np.int32, A, slopes=False)
call("full_like", lambda x: np.full_like(x, 2.5), A, slopes=False)
call("full_like", lambda x: np.full_like(x, x[0]), A)
call("full_like", lambda x: np.full_like(x, [1.0, 2.0, 3.0, 4.0], shape=(2, 4)), A, slopes=False)
call("linspace", lambda x: np.linspace(0, x, 5), V)
call("linspace", lambda x, y: np.linspace(x, y, 4, endpoint=False, axis=-1, retstep=True), A, C)
call("linspace", lambda x: np.linspace(x[0], 3.0, 1), V)
call("logspace", lambda x: np.logspace(0.0, x, 5, base=3.0), V)
call("geomspace", lambda x, y: np.geomspace(x, y, 4), A, A[:, :1] + 1)
call("geomspace", lambda x: np.geomspace(-x, -2.0, 3, axis=1), V)
call("meshgrid", lambda x, y: np.meshgrid(x, y, indexing="ij"), V, W)
call("meshgrid", lambda x, y: np.meshgrid(x, y, sparse=True), V, W)
call("astype", lambda x: np.astype(x, np.float64, copy=False), A)
each("copy", A)

# Choosing -------------------------------------------------------------------------------------------------------------

call("where", lambda x: np.where(x > 1.0, x, 0.0), A)
call("where", lambda x, y: np.where([True, False, True, False], x, y), A, C)
call("where", lambda x: np.where(MASK, 1.0, x), A)
call("where", lambda x: np.where(x > 1.0), A, slopes=False)
call("select", lambda x: np.select([x > 1.5, x > 1.0], [x**2, 3 * x], default=-1.0), A)
call("choose", lambda x, y: np.choose(np.array([0, 1, 1, 0]), [x, y]), A, C)
call("choose", lambda x: np.choose(np.array([0, 5, -1, 1]), [x, 2.0], mode="wrap"), A)
call("piecewise", lambda x: np.piecewise(x, [x < 0, x > 1], [lambda v: v**2, 3.0, np.sin]), C)
call("extract", lambda x: np.extract(MASK, x), C)
call("compress", lambda x: np.compress([True, False, True], x, axis=0), A)
call("compress", lambda x: np.compress([False, True, True], x), A)
call("take", lambda x: np.take(x, [5, 0, 5]), A)
call("take", lambda x: np.take(x, [[2, -1], [0, 2]], axis=1), A)
call("take", lambda x: np.take(x, 1, axis=-1), A)
call("take", lambda x: np.take(x, [7, -2], axis=1, mode="wrap"), A)
call("take", lambda x: np.take(x, [7, -2], axis=0, mode="clip"), A)
call("take_along_axis", lambda x: np.take_along_axis(x, np.argsort(A, axis=0), axis=0), A)
call("take_along_axis", lambda x: np.take_along_axis(x, np.array([3, 0]), axis=None), A)
each("sort", A)
each("sort", A, axis=None)
each("sort", T, axis=1, kind="stable")
call("sort_complex", lambda x: np.sort_complex(x), Z[0])
each("argsort", T, axis=0, slopes=False)
each("argsort", A, axis=None, slopes=False)
call("partition", lambda x: np.partition(x, 1, axis=0)[1], A)
call("argpartition", lambda x: np.argpartition(x, 0)[:, 0], A, slopes=False)
call("lexsort", lambda x: np.lexsort((x[0], np.array([1, 0, 1, 0]))), A, slopes=False)
call("searchsorted", lambda x: np.searchsorted([0.5, 1.0, 1.5], x, side="right"), A, slopes=False)
call("digitize", lambda x: np.digitize(x, [0.5, 1.0, 1.5], right=True), A, slopes=False)
call("bincount", lambda w: np.bincount([0, 2, 2, 1], weights=w, minlength=5), V)
call("bincount", lambda x: np.bincount(x), INTEGERS[0], slopes=False)
call("histogram", lambda x: np.histogram(x, bins=[0.4, 1.0, 1.5, 2.0]), A, slopes=False)
call("histogram", lambda w: np.histogram(A, bins=[0.4, 1.0, 1.5, 2.0], weights=w)[0], C)
each("nonzero argwhere flatnonzero", MASK, slopes=False)
call("isin", lambda x: np.isin(x, [1, 2]), INTEGERS, slopes=False)
each("unique", INTEGERS, slopes=False)
call("unique_values", lambda x: np.sort(np.unique_values(x)), INTEGERS, slopes=False)  # in no order
each("unique_counts unique_inverse unique_all", INTEGERS, slopes=False)
each("unique", INTEGERS, return_index=True, return_inverse=True, return_counts=True, slopes=False)
call("unique", lambda x: np.unique(np.concatenate([x, x])), V)
each("intersect1d union1d setdiff1d setxor1d", INTEGERS[0], INTEGERS[1], slopes=False)

# Elementwise and numerics ---------------------------------------------------------------------------------------------

call("clip", lambda x: np.clip(x, 0.8, 1.4), A)
call("clip", lambda x: np.clip(x, a_min=None, a_max=[0.5, 1.0, 1.5, 2.0]), A)
call("clip", lambda x, y: np.clip(C, min=x - 1, max=y + 1), A, B[:3, :1])
each("round around", C * 10, decimals=1, slopes=False)
each("fix", C, slopes=False)
each("real imag angle", Z)
each("real", A)
each("imag", A, slopes=False)
each("angle", Z, deg=True)
call("real_if_close", lambda x: np.real_if_close(x), Z)
call("real_if_close", lambda x: np.real_if_close(x + 0j), A)
each("sinc", C)
each("i0", C)
call("nan_to_num", lambda x: np.nan_to_num(x, nan=2.0), HOLES)
each("unwrap", C * 9)
each("diff", T)
each("diff", A, n=2, axis=0)
call("diff", lambda x: np.diff(x, prepend=0.0, append=x[:, :1]), A)
call("ediff1d", lambda x: np.ediff1d(x, to_begin=0.0, to_end=[1.0, 2.0]), A)
each("gradient", V)
call("gradient", lambda x: np.gradient(x, 0.5, axis=1), A)
call("gradient", lambda x: np.gradient(x, np.array([0.0, 0.4, 1.0]), 2.0), A)
each("trapezoid", A)
call("trapezoid", lambda y, x: np.trapezoid(y, x, axis=0), A, np.array([0.0, 0.7, 1.5]))
call("interp", lambda x: np.interp(x, [0.0, 1.0, 2.0], [3.0, -1.0, 5.0]), A)
call("interp", lambda x, f: np.interp([0.5, 1.2, 3.0], x, f), np.array([0.0, 1.0, 2.0]), np.array([3.0, -1.0, 5.0]))
for _mode in ("full", "same", "valid"):
    each("convolve correlate", V, W, mode=_mode)
call("polyval", lambda p, x: np.polyval(p, x), V, C)
call("apply_along_axis", lambda x: np.apply_along_axis(lambda v: np.cumsum(v * v[0]), 1, x), T)
call("apply_along_axis", lambda x: np.apply_along_axis(np.outer, 0, x, V[:2]), A)
call("apply_over_axes", lambda x: np.apply_over_axes(np.sum, x, [0, 2]), T)

# Products and linear algebra ------------------------------------------------------------------------------------------

each("dot inner", V, C[1])
each("dot", A, B)
each("dot", T, B)
call("dot", lambda x: np.dot(x, 3.0), A)
each("inner", A, T[0])
each("vdot", A, C)
each("vdot", Z, A * 1j)
each("outer", A, W)
each("linalg.outer", V, W)
each("kron", A, S)
each("kron", V, A)
each("cross", A[:, :3], S)
call("cross", lambda x, y: np.cross(x, y, axis=0), A, C)
call("linalg.cross", lambda x, y: np.linalg.cross(x, y, axis=0), A, C)
each("tensordot linalg.tensordot", A, B, axes=1)
call("tensordot", lambda x, y: np.tensordot(x, y, ([1, 2], [0, 1])), T, A)
each("linalg.matmul", A, B)
each("linalg.vecdot", A, C)
call("einsum", lambda x, y: np.einsum("ij,jk->ki", x, y), A, B)
call("einsum", lambda x, y: np.einsum("bij,jk,b", x, y, [1.0, 2.0]), T, B)
call("einsum", lambda x: np.einsum("ii->i", x), S)
call("einsum", lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), A, B)
each("linalg.det linalg.inv linalg.slogdet linalg.cond", S)
each("linalg.svdvals", A)
each("linalg.pinv", A)
each("linalg.pinv", S, rcond=0.6)
call("linalg.lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=0.6)[0], S, W)
each("linalg.pinv", A, rtol=None)
each("linalg.pinv", A, rcond=1e-8)
each("linalg.solve", S, A)
call("linalg.solve", lambda a, b: np.linalg.solve(a, b), S, W)
call("linalg.cholesky", lambda x: np.linalg.cholesky(x @ x.T), S)
call("linalg.cholesky", lambda x: np.linalg.cholesky(x @ x.T, upper=True), S)
call("linalg.svd", lambda x: np.linalg.svd(x, compute_uv=False), A)
call("linalg.svd", lambda x: (r := np.linalg.svd(x, full_matrices=False))[0] * r[1] @ r[2], A)
call("linalg.eigh", lambda x: (r := np.linalg.eigh(x @ x.T))[1] * np.exp(r[0]) @ r[1].T, S)
call("linalg.eigh", lambda x: np.linalg.eigh(x @ x.T, "U").eigenvalues, S)
call("linalg.eigvalsh", lambda x: np.linalg.eigvalsh(x @ x.T), S)
call("linalg.eigvalsh", lambda x: np.linalg.eigvalsh(x + x.T, UPLO="U"), S)
call("linalg.eigvals", lambda x: np.sum(np.linalg.eigvals(x) ** 3), S)
call("linalg.eig", lambda x: np.sum(np.linalg.eig(x)[0] ** 3), S)
call("linalg.qr", lambda x: np.abs(np.linalg.qr(x).R), S)
call("linalg.qr", lambda x: np.abs(np.linalg.qr(x, mode="r")), S)
call("linalg.matrix_power", lambda x: np.linalg.matrix_power(x, 3), S)
call("linalg.matrix_power", lambda x: np.linalg.matrix_power(x, -2), S)
each("linalg.matrix_rank", A, slopes=False)
each("linalg.matrix_rank", A, tol=0.5, slopes=False)
each("linalg.norm", A)
each("linalg.norm", V, ord=3)
each("linalg.norm", A, axis=1, keepdims=True)
for _ord in ("nuc", 2, -2, 1, np.inf):
    each("linalg.norm", A, ord=_ord)
each("linalg.vector_norm", T, axis=(0, 1), ord=1)
each("linalg.matrix_norm", T, ord=np.inf)
call("linalg.multi_dot", lambda x, y: np.linalg.multi_dot([x, y, S, W]), A, B)
call("linalg.lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=None)[:2], B, V)
call("linalg.lstsq", lambda a, b: (r := np.linalg.lstsq(a, b))[0] * r[3] + int(r[2]), A, S)
call("linalg.lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=1e-3)[0], A, V[:3])
call("linalg.tensorinv", lambda x: np.linalg.tensorinv(np.reshape(x, (3, 3, 1)), ind=1), S)
call("linalg.tensorsolve", lambda a, b: np.linalg.tensorsolve(a, b), S, W)
call("linalg.tensorsolve", lambda a, b: np.linalg.tensorsolve(a[:, None], b, axes=(0,)), S, W[None])
for _p in (-2, 1, "fro"):
    each("linalg.cond", S, p=_p)

# Fourier --------------------------------------------------------------------------------------------------------------

each("fft.fft fft.ifft fft.rfft fft.ihfft", A)
each("fft.fft fft.ifft fft.irfft fft.hfft", Z, n=5, axis=0, norm="ortho")
each("fft.fftn fft.ifftn fft.rfftn fft.fft2 fft.ifft2 fft.rfft2", T)
each("fft.irfftn fft.irfft2", T + 1j * T[::-1], norm="forward")
each("fft.fftn", Z, s=(4, 3), axes=(1, 0))
each("fft.fftshift fft.ifftshift", T, axes=(0, 1))

# Inspection -----------------------------------------------------------------------------------------------------------

each("shape ndim size iscomplexobj isrealobj common_type", A, slopes=False)
call("size", lambda x: np.size(x, 1), A, slopes=False)
call("result_type", lambda x: np.result_type(x, np.float32, 1.0), A, slopes=False)
call("can_cast", lambda x: np.can_cast(x.dtype, np.float32), A, slopes=False)
each("min_scalar_type", np.array(3), slopes=False)
call("may_share_memory", lambda x: (np.may_share_memory(x, x[1:]), np.may_share_memory(x, x + 1)), A, slopes=False)
call("shares_memory", lambda x: np.shares_memory(x, x + 1), A, slopes=False)
each("isclose allclose array_equal array_equiv", A, A, slopes=False)
each("isclose allclose", A, A + 1e-6, rtol=1e-5, slopes=False)
each("isclose allclose array_equal", HOLES, HOLES, equal_nan=True, slopes=False)
each("array_equal array_equiv", A, A[:2], slopes=False)
each("isposinf isneginf", np.array([np.inf, -np.inf, np.nan, 1.0]), slopes=False)
each("iscomplex isreal", Z, slopes=False)
each("iscomplex isreal", A, slopes=False)
each("array_str array2string", A, slopes=False)
call("array_repr", lambda x: np.array_repr(x).startswith(("Tensor", "array")), A, slopes=False)
call("ix_", lambda x: np.ix_(x, x > 1), INTEGERS[0], slopes=False)
call("unravel_index", lambda x: np.unravel_index(np.argmax(x), x.shape), A, slopes=False)
call("ravel_multi_index", lambda x: np.ravel_multi_index((x, x), (4, 5)), INTEGERS[0], slopes=False)
each("diag_indices_from tril_indices_from triu_indices_from", S, slopes=False)

# Writes: the array that was written is the result --------------------------------------------------------------------


def written(write):
    """The write as a function: of a copy of its first argument, which it returns."""

    def f(x, *rest):
        x = x * 1.0
        write(x, *rest)
        return x

    return f


call("copyto", written(lambda x, y: np.copyto(x, y, where=MASK)), A, C)
call("copyto", written(lambda x: np.copyto(x[1:], 7.0)), A)
call("put", written(lambda x, v: np.put(x, [1, -2, 1], v[:3])), A, V)
call("put", written(lambda x, v: np.put(x, [1, 30, 5], v[:2], mode="clip")), A, V)
call("put_along_axis", written(lambda x, v: np.put_along_axis(x, np.array([[1], [0], [3]]), v, axis=1)), A, A[:, :1])
call("place", written(lambda x, v: np.place(x, MASK, v[:2])), A, V)
call("putmask", written(lambda x, v: np.putmask(x, MASK, v[:3])), A, V)
call("fill_diagonal", written(lambda x, v: np.fill_diagonal(x, v[0])), A, V)
call("fill_diagonal", written(lambda x, v: np.fill_diagonal(x, v, wrap=True)), np.ones((5, 2)), V[:2])
