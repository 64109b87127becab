"""Products in 16 bits on CuPy, on the stand-in: what cuBLAS is asked for, and that it is the product."""

import inspect
import re

import numpy as np
import pytest

import xgrad as xg
from xgrad.backends import get
from xgrad.backends.cupy_products import open_cublas

from . import cublas_stand_in, cuda_on_cpu
from .cupy_stand_in import Host, on_gpu, read, stood_in, wrap, xp

__all__ = ["stood_in", "xp"]  # fixtures

pytestmark = pytest.mark.skipif(cuda_on_cpu.COMPILER is None, reason="no C++ compiler: kernels cannot run here")
PRECISIONS = ("bfloat16", "float16")
CONVERSION = {"bfloat16": "xgrad_to_bfloat16", "float16": "astype"}


@pytest.fixture
def calls(xp):
    """What cuBLAS was asked for since the test began."""
    xp.products.cublas.calls.clear()
    return xp.products.cublas.calls


def numbers(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def rounded(x, precision):
    return np.asarray(get("numpy").rounded(np.asarray(x, np.float32), precision))


def multiply(xp, x1, x2, precision="bfloat16"):
    """The product on the stand-in, compared with that of rounded arrays; what was launched for it is left to see."""
    a, b = wrap(x1), wrap(x2)
    Host.launches.clear()
    out = xp.narrow_matmul(a, b, precision=precision)
    want = np.matmul(rounded(x1, precision), rounded(x2, precision), dtype=np.float64)
    assert out.dtype == np.float32 and out.shape == want.shape
    np.testing.assert_allclose(out._a, want, rtol=1e-5, atol=1e-5)
    return out


# Rounding -------------------------------------------------------------------------------------------------------------


def test_the_kernel_rounds_as_the_formula_does(xp, rng):
    sizes = np.exp(rng.uniform(-80, 80, 5000))
    special = [0, -0.0, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20]
    x = np.concatenate([rng.standard_normal(5000) * sizes, special]).astype(np.float32)
    with np.errstate(all="ignore"):
        want = rounded(x, "bfloat16")
    bits = xp.products.narrowed(wrap(x), "bfloat16")._a
    assert bits.dtype == np.uint16
    np.testing.assert_array_equal((bits.astype(np.uint32) << 16), want.view(np.uint32))
    nans = np.array([0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32).view(np.float32)
    assert (xp.products.narrowed(wrap(nans), "bfloat16")._a & 0x7FFF > 0x7F80).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_one_launch_rounds_and_closes_gaps(xp, rng, precision):
    x = numbers(rng, 4, 6, 5)[:, ::-2].transpose(2, 0, 1)
    Host.launches.clear()
    bits = xp.products.narrowed(wrap(x), precision)
    assert Host.launches == [CONVERSION[precision]] and bits._a.flags.c_contiguous
    assert xp.products.narrowed(bits, precision) is bits


# What cuBLAS is asked for ---------------------------------------------------------------------------------------------

SHAPES = [
    ((4,), (4,)),
    ((4,), (4, 3)),
    ((5, 4), (4,)),
    ((5, 4), (4, 3)),
    ((1, 4), (4, 1)),
    ((5, 1), (1, 3)),
    ((2, 5, 4), (4, 3)),
    ((2, 3, 5, 4), (4,)),
    ((4,), (2, 4, 3)),
    ((5, 4), (2, 4, 3)),
    ((2, 5, 4), (2, 4, 3)),
    ((1, 5, 4), (2, 4, 3)),
    ((2, 5, 4), (1, 4, 3)),
    ((1, 1, 5, 4), (1, 4, 3)),
    ((6, 2, 5, 4), (6, 2, 4, 3)),
    ((6, 1, 5, 4), (2, 4, 3)),
    ((2, 5, 4), (6, 1, 4, 3)),
    ((0, 4), (4, 3)),
    ((5, 0), (0, 3)),
    ((0, 5, 4), (4, 3)),
    ((2, 5, 4), (2, 4, 0)),
]


def layouts(rng, shape):
    """Arrays of a shape: as it is, transposed, of both with gaps, backwards, and broadcast."""
    yield numbers(rng, *shape)
    if len(shape) < 2:
        yield numbers(rng, *(2 * n for n in shape))[::2]
        return
    *stacks, rows, columns = shape
    yield numbers(rng, *stacks, columns, rows).swapaxes(-1, -2)
    yield numbers(rng, *stacks, 2 * rows, 3 * columns)[..., ::2, ::-3]
    yield np.broadcast_to(numbers(rng, rows, 1), shape)
    if len(shape) > 2:
        yield np.moveaxis(numbers(rng, rows, *stacks, columns), 0, -2)  # heads of attention
        yield numbers(rng, columns, rows, *stacks[::-1]).T.reshape(shape)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_every_layout_of_every_shape(xp, calls, rng, left, right, precision):
    for x1 in layouts(rng, left):
        for x2 in layouts(rng, right):
            calls.clear()
            out = multiply(xp, x1, x2, precision)
            if x1.size and x2.size:
                assert len(calls) == 1 and Host.launches[:-1] == [CONVERSION[precision]] * 2
            else:
                assert not calls and out.size in (0, 15)


def test_transposes_are_flags(xp, calls, rng):
    """cuBLAS reads by columns, so its first operand is our second one."""
    x1, x2 = numbers(rng, 5, 4), numbers(rng, 4, 3)
    flags = {}
    for name, a, b in (("nn", x1, x2), ("tn", np.asfortranarray(x1), x2), ("nt", x1, np.asfortranarray(x2))):
        multiply(xp, a, b)
        flags[name] = tuple(calls[-1][1][key] for key in ("transa", "transb", "m", "n", "k", "lda", "ldb", "ldc"))
    assert flags == {"nn": (0, 0, 3, 5, 4, 3, 4, 3), "tn": (0, 1, 3, 5, 4, 3, 5, 3), "nt": (1, 0, 3, 5, 4, 4, 4, 3)}


def test_a_stack_times_one_matrix_is_one_product(xp, calls, rng):
    multiply(xp, numbers(rng, 2, 3, 5, 4), numbers(rng, 4, 6))
    name, given = calls[-1]
    assert name == "gemmEx" and (given["m"], given["n"], given["k"]) == (6, 30, 4)


def test_one_matrix_for_a_stack_is_not_repeated(xp, calls, rng):
    multiply(xp, numbers(rng, 1, 5, 4), numbers(rng, 7, 4, 6))
    name, given = calls[-1]
    assert name == "gemmStridedBatchedEx" and given["batchCount"] == 7
    assert (given["strideA"], given["strideB"], given["strideC"]) == (24, 0, 30)


def test_other_dtypes_are_multiplied_as_they_are(xp, calls, rng):
    for dtype in (np.float64, np.int64, np.float16, np.complex64):
        x1, x2 = (wrap(numbers(rng, *s).astype(dtype)) for s in ((5, 4), (4, 3)))
        out = xp.narrow_matmul(x1, x2, precision="bfloat16")
        assert out.dtype == dtype
        np.testing.assert_array_equal(out._a, x1._a @ x2._a)
    mixed = xp.narrow_matmul(wrap(numbers(rng, 5, 4)), wrap(np.ones((4, 3))), precision="bfloat16")
    assert mixed.dtype == np.float64 and not calls


@pytest.mark.parametrize("shapes", [((5, 4), (3, 4)), ((4,), (3,)), ((2, 5, 4), (3, 4, 6)), ((), (4,))])
def test_shapes_that_do_not_fit_raise_what_matmul_raises(xp, rng, shapes):
    arrays = [on_gpu(numbers(rng, *s)) for s in shapes]
    with xg.autocast(), pytest.raises(ValueError, match=r"shape|dimension|broadcast"):
        xg.matmul(*arrays)


# Through the engine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shapes", [((5, 4), (4, 3)), ((2, 5, 4), (4, 3)), ((3, 1, 5, 4), (2, 4, 3))])
def test_gradients_are_products_in_16_bits_too(xp, calls, rng, precision, shapes):
    values = [numbers(rng, *s) for s in shapes]
    x, w = (xg.Tensor(v, device="cuda") for v in values)
    a, b = (xg.Tensor(rounded(v, precision)) for v in values)
    with xg.autocast(precision):
        y = x @ w
    want = a @ b
    ct = rounded(numbers(rng, *want.shape), precision)
    y.backward(on_gpu(ct))
    want.backward(xg.asarray(ct))
    for ours, theirs in ((y, want), (x.grad, a.grad), (w.grad, b.grad)):
        np.testing.assert_allclose(read(ours.detach()), theirs.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert len(calls) == 3


CONVOLUTIONS = {
    "gathered": ((2, 4, 9), (6, 4, 3), {"padding": 1, "stride": 2}),
    "scattered": ((2, 6, 9, 8), (3, 6, 3, 2), {}),
    "groups": ((2, 4, 9, 8), (6, 2, 3, 2), {"groups": 2, "dilation": 2}),
    "few places": ((2, 4, 5, 6), (3, 4, 5, 5), {}),
    "few places of groups": ((2, 4, 5, 6), (4, 2, 5, 5), {"groups": 2}),
    "no samples": ((0, 4, 9), (6, 4, 3), {}),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_and_their_gradients(xp, calls, rng, name, precision):
    *shapes, options = CONVOLUTIONS[name]
    values = [numbers(rng, *s) for s in shapes]
    x, w = (xg.Tensor(v, device="cuda") for v in values)
    a, b = (xg.Tensor(rounded(v, precision)) for v in values)
    Host.launches.clear()
    with xg.autocast(precision):
        y = xg.convolution(x, w, **options)
    assert Host.launches.count(CONVERSION[precision]) == 2  # and the windows are gathered from 16 bits
    want = xg.convolution(a, b, **options)
    ct = rounded(numbers(rng, *want.shape), precision)
    y.backward(on_gpu(ct))
    want.backward(xg.asarray(ct))
    for ours, theirs in ((y, want), (x.grad, a.grad), (w.grad, b.grad)):
        np.testing.assert_allclose(read(ours.detach()), theirs.detach().numpy(), rtol=1e-4, atol=1e-4)
    assert len(calls) == (3 if y.size else 0)


def test_nothing_in_16_bits_is_left_outside(xp, calls, rng):
    x, w = on_gpu(numbers(rng, 2, 4, 9)), on_gpu(numbers(rng, 6, 4, 3))
    y = xg.convolution(x, w)
    assert not calls and y.dtype == np.float32
    z = xg.convolution(x.astype(np.float64), w.astype(np.float64))
    with xg.autocast():
        np.testing.assert_array_equal(read(xg.convolution(x.astype(np.float64), w.astype(np.float64))), read(z))
    assert not calls


@pytest.mark.parametrize("precision", PRECISIONS)
def test_products_on_every_device(device, rng, precision):
    """On a GPU this is the test of what cuBLAS does with the arguments."""
    for left, right in SHAPES:
        for x1, x2 in zip(layouts(rng, left), reversed([*layouts(rng, right)]), strict=False):
            a, b = (xg.asarray(np.array(v, order="C"), device=device) for v in (x1, x2))
            if x1.ndim > 1 and x1.strides[-2] < x1.strides[-1]:
                a = xg.matrix_transpose(xg.asarray(np.array(x1.swapaxes(-1, -2), order="C"), device=device))
            with xg.autocast(precision):
                y = a @ b
            want = np.matmul(rounded(x1, precision), rounded(x2, precision), dtype=np.float64)
            np.testing.assert_allclose(y.numpy(), want, rtol=1e-5, atol=1e-5)


def test_cupy_has_what_the_products_call():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    runtime = cupy.cuda.runtime
    kinds = (runtime.CUDA_R_16F, runtime.CUDA_R_16BF, runtime.CUDA_R_32F)
    assert kinds == (cublas_stand_in.HALF, cublas_stand_in.BRAIN, cublas_stand_in.SINGLE)
    assert callable(cupy.cuda.device.get_cublas_handle)
    try:
        theirs = open_cublas()
    except ImportError as error:
        pytest.skip(f"cuBLAS is not installed: {error}")
    ours = cublas_stand_in.module([])
    assert (theirs.CUBLAS_COMPUTE_32F, theirs.CUBLAS_GEMM_DEFAULT) == (
        ours.CUBLAS_COMPUTE_32F,
        ours.CUBLAS_GEMM_DEFAULT,
    )
    for name in ("gemmEx", "gemmStridedBatchedEx"):
        declared = re.findall(r"(\w+)(?:,|\))", getattr(theirs, name).__doc__.splitlines()[0])
        assert declared == list(inspect.signature(getattr(ours, name)).parameters)
