"""The CUDA kernels without a GPU: compiled by NVRTC where it is installed, and run on the CPU against the formulas."""

import ctypes
import importlib.util
import itertools
import math
import pathlib

import numpy as np
import pytest

import xgrad as xg
from xgrad.backends import cupy_kernels, get
from xgrad.registry import composites

from . import cuda_on_cpu
from .cupy_stand_in import Host, ndarray, stood_in, wrap, xp

__all__ = ["stood_in", "xp"]  # fixtures

needs_compiler = pytest.mark.skipif(cuda_on_cpu.COMPILER is None, reason="no C++ compiler: kernels cannot run here")
LENGTHS = (1, 3, 31, 32, 33, 64, 100, 1000, 1025)
BRAIN = cuda_on_cpu.COMPILED.add(cupy_kernels.source("bfloat16"))  # compiled with the others
TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "float16": 2e-3}


def formula(name, *args, **options):
    """What the formula gives on NumPy, in double precision."""
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in args]
    with np.errstate(all="ignore"):
        return composites[f"special.{name}"](get("numpy"), *wide, **options)


def compared(xp, name, *args, launches=1, **options):
    """Compare a function on the stand-in with its formula, and the number of its launches."""
    Host.launches.clear()
    given = [wrap(a) if isinstance(a, np.ndarray) else a for a in args]
    ours = getattr(xp.special, name)(*given, **options)
    assert len(Host.launches) == launches, Host.launches
    theirs = formula(name, *args, **options)
    pairs = zip(ours, theirs, strict=True) if isinstance(theirs, tuple) else [(ours, theirs)]
    for a, b in pairs:
        assert (a is None) == (b is None)
        if a is None:
            continue
        assert type(a) is ndarray and a.dtype == args[0].dtype
        if a.shape != b.shape:  # summed already
            b = b.reshape(-1, b.shape[-1]).sum(axis=0)
        scale = 1.0 + np.nanmax(np.abs(np.where(np.isinf(b), 0.0, b)))
        tolerance = TOLERANCE[a.dtype.name]
        np.testing.assert_allclose(a._a, b.astype(a.dtype), rtol=tolerance, atol=tolerance * scale, err_msg=name)


# Values ---------------------------------------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("n", LENGTHS)
def test_lines_of_every_length(xp, rng, n, dtype):
    x, ct = (rng.standard_normal((2, 3, n)).astype(dtype) for _ in range(2))
    weight, bias = rng.standard_normal((2, n)).astype(dtype)
    labels = rng.integers(0, n, (2, 3))
    p, log_p = (formula(f, x, axis=-1).astype(dtype) for f in ("softmax", "log_softmax"))
    compared(xp, "softmax", x, axis=-1)
    compared(xp, "softmax_grad", ct, p, 2)
    compared(xp, "log_softmax", x, axis=(2,))
    compared(xp, "log_softmax_grad", ct, log_p, -1)
    compared(xp, "softmax_cross_entropy", x, labels)
    compared(xp, "softmax_cross_entropy", x, labels, mean=True, launches=3)  # CuPy's mean takes two
    compared(
        xp, "softmax_cross_entropy_grad", ct[..., 0], x, labels, None, launches=2 if n > 1 else 1
    )  # a copy of the slice
    compared(xp, "softmax_cross_entropy_grad", ct[0, 0, :1].reshape(()), x, labels, None)
    for w, b in itertools.product((weight, None), (bias, None)):
        compared(xp, "layer_norm", x, w, b, eps=0.01)
        compared(
            xp, "layer_norm_grad", ct, x, w, None if b is None else b.shape, -1, 0.01, launches=1 if w is None else 3
        )


@needs_compiler
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("shape", [(2, 1), (7, 40), (5, 3, 33), (2, 3, 4, 5), (1, 2, 1100), (1100, 2)])
def test_channels_of_every_shape(xp, rng, shape, dtype):
    x, ct = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    weight, bias = rng.standard_normal((2, shape[1])).astype(dtype)
    _, mean, variance = (np.asarray(v).astype(dtype) for v in formula("batch_norm", x))
    for w, b in itertools.product((weight, None), (bias, None)):
        compared(xp, "batch_norm", x, w, b, eps=0.01)
        compared(xp, "batch_norm_grad", ct, None, None, x, w, mean, variance, 0.01)


@needs_compiler
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("n", [3, 40, 1030])
def test_lines_with_infinities(xp, name, n):
    x = np.linspace(-1.0, 1.0, n) * np.ones((6, 1))
    x[0, 0] = x[1, :] = -math.inf
    x[2, 1] = x[3, n - 1] = math.inf
    x[4, 2] = math.nan
    x[5] = np.where(np.arange(n) % 2, -1e308, 1e308)
    compared(xp, name, x, axis=-1)
    labels = np.full(6, 1)
    compared(xp, "softmax_cross_entropy", x[[0, 1, 3, 4, 5]], labels[1:])
    compared(xp, "softmax_cross_entropy_grad", np.ones(6), x, labels, None)


@needs_compiler
@pytest.mark.parametrize("kind", ["int64", "int8", "uint64"])
def test_a_label_that_no_class_has_gives_nan(xp, kind):
    x, labels = np.zeros((4, 3)), np.array([2, 3, -1 if kind != "uint64" else 2**63 + 1, 0], kind)
    Host.launches.clear()
    losses, _ = xp.special.softmax_cross_entropy(wrap(x), wrap(labels))
    np.testing.assert_allclose(losses._a, [math.log(3), math.nan, math.nan, math.log(3)])
    to_x = xp.special.softmax_cross_entropy_grad(wrap(np.ones(4)), wrap(x), wrap(labels), None)
    assert np.isnan(to_x._a).all(axis=1).tolist() == [False, True, True, False]
    assert len(Host.launches) == (2 if kind == "int64" else 4)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_element_by_element(xp, rng, dtype):
    special = np.array([0.0, -0.0, 30.0, -30.0, 200.0, -200.0, math.nan], dtype)
    x = np.concatenate([3 * rng.standard_normal(58).astype(dtype), special]).reshape(5, 13)
    ct = rng.standard_normal(x.shape).astype(dtype)
    for name in ("relu", "silu"):
        compared(xp, name, x)
        compared(xp, f"{name}_grad", ct, x)
        compared(xp, f"{name}_grad", ct.T, x.T)
    for approximate in ("none", "tanh"):
        compared(xp, "gelu", x, approximate=approximate)
        compared(xp, "gelu_grad", ct, x, approximate)


@needs_compiler
def test_brain_floats_are_rounded_to_the_nearest(xp, rng):
    """Their kernels work on bits, so that NumPy needs no dtype for them."""
    x = rng.standard_normal((4, 40)).astype(np.float32)
    x.view(np.uint32)[...] &= 0xFFFF0000  # what bfloat16 can hold
    x[3, 0] = math.nan
    out, single = np.empty(x.shape, np.uint16), np.empty_like(x)
    cuda_on_cpu.launch(BRAIN, "softmax", (1,), (32, 4), ((x.view(np.uint32) >> 16).astype(np.uint16), out, 4, 40))
    cuda_on_cpu.launch(xp.kernels.module("float32").unit, "softmax", (1,), (32, 4), (x, single, 4, 40))
    expected = single[:3].view(np.uint32).astype(np.float64)  # within a binade bits count the value up
    np.testing.assert_array_equal(out[:3], np.round(expected / 2**16))
    assert np.isnan((out[3].astype(np.uint32) << 16).view(np.float32)).all()


@needs_compiler
def test_relu_hides_no_nan_and_lets_none_through(xp):
    x = wrap(np.array([-math.inf, -1.0, 0.0, 2.0, math.inf, math.nan]))
    y = xp.special.relu(x)
    np.testing.assert_array_equal(y._a, [0, 0, 0, 2, math.inf, math.nan])
    ct = wrap(np.array([math.nan, math.inf, math.nan, 3.0, 4.0, 5.0]))
    np.testing.assert_array_equal(xp.special.relu_grad(ct, y)._a, [0, 0, 0, 3, 4, 5])


@needs_compiler
def test_sums_over_lines_do_not_depend_on_chance(xp, rng):
    """Many lines, so that the sums have several parts: the order of additions is fixed."""
    x, ct = (rng.standard_normal((200, 33)).astype(np.float32) for _ in range(2))
    weight = rng.standard_normal(33).astype(np.float32)
    compared(xp, "layer_norm_grad", ct, x, weight, None, -1, 1e-5, launches=3)
    first, second = (
        xp.special.layer_norm_grad(wrap(ct), wrap(x), wrap(weight), None, -1, 1e-5)[1]._a for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("n", [33, 1025, 3000])
def test_long_lines_on_every_device(device, n, rng):
    """The table of cases has short lines only; on a GPU this is the test of the kernels for long ones."""
    x, ct, (weight, bias) = (rng.standard_normal((lines, n)) for lines in (70, 70, 2))
    labels, costs = rng.integers(0, n, 70), rng.standard_normal(70)

    def check(function, arrays, ct, *expected):
        leaves = [xg.Tensor(a, device=device) for a in arrays]
        out = function(*leaves)
        out.backward(xg.asarray(ct, device=device))
        for found, values in zip((out.detach(), *(leaf.grad for leaf in leaves)), expected, strict=True):
            np.testing.assert_allclose(found.numpy(), values, rtol=1e-9, atol=1e-10)

    y = formula("softmax", x, axis=-1)
    check(lambda v: xg.special.softmax(v, axis=-1), [x], ct, y, formula("softmax_grad", ct, y, -1))
    y = formula("log_softmax", x, axis=-1)
    check(lambda v: xg.special.log_softmax(v, axis=-1), [x], ct, y, formula("log_softmax_grad", ct, y, -1))
    given = xg.asarray(labels, device=device)
    (y, _), to_x = (
        formula("softmax_cross_entropy", x, labels),
        formula("softmax_cross_entropy_grad", costs, x, labels, None),
    )
    check(lambda v: xg.special.softmax_cross_entropy(v, given), [x], costs, y, to_x)
    y = formula("layer_norm", x, weight, bias)
    to_x, *rest = formula("layer_norm_grad", ct, x, weight, weight.shape, -1, 1e-5)
    check(xg.special.layer_norm, [x, weight, bias], ct, y, to_x, *(v.sum(axis=0) for v in rest))


# What the kernels leave to the formulas -------------------------------------------------------------------------------


@needs_compiler
def test_other_axes_dtypes_and_shapes_go_by_the_formulas(xp, rng):
    x, ct = rng.standard_normal((2, 4, 5))
    kernels = {f"xgrad_{name}" for name in cupy_kernels.ELEMENTWISE} | {"softmax", "log_softmax"}
    kernels |= {"layer_norm", "layer_norm_grad", "batch_norm", "batch_norm_grad"}

    def check(name, *args, **options):
        Host.launches.clear()
        given = [wrap(a) if isinstance(a, np.ndarray) else a for a in args]
        ours, theirs = getattr(xp.special, name)(*given, **options), formula(name, *args, **options)
        assert not kernels & set(Host.launches), Host.launches
        for a, b in zip(*((v if isinstance(v, tuple) else (v,)) for v in (ours, theirs)), strict=True):
            tolerance = 1e-2 if args[0].dtype == np.float16 else 1e-12
            assert (a is None and b is None) or a.dtype == args[0].dtype
            if a is not None:
                np.testing.assert_allclose(a._a, b, rtol=tolerance, atol=tolerance)

    check("softmax", x, axis=0)
    check("softmax", x.astype(np.float16), axis=0)
    check("softmax_grad", ct, x, (0, 1))
    check("log_softmax", x, axis=None)
    check("log_softmax_grad", ct, x, 0)
    check("softmax", x[:0], axis=-1)
    check("relu", np.array([-2, 3]))
    check("layer_norm", x, ct)
    check("layer_norm_grad", ct, x, ct, ct.shape, 0, 0.1)
    check("layer_norm_grad", ct, x, None, None, -1, np.asarray(0.1))  # a number that the device alone knows
    check("batch_norm", x, ct[0, :1])  # one weight for all channels
    mean, variance = x.mean(axis=0), x.var(axis=0)
    check("batch_norm_grad", ct, mean, variance, x, None, mean, variance, 0.1)
    check("layer_norm_grad", ct.astype(np.float16), x.astype(np.float16), None, x.shape, 0, 0.1)


@needs_compiler
def test_operands_with_gaps_are_copied_once(xp, rng):
    x = np.array(rng.standard_normal((5, 4, 6)))
    for strided in (x.transpose(1, 0, 2), x[:, ::2], x[..., ::-1]):
        compared(xp, "softmax", strided, axis=-1, launches=2)


def test_linear_is_one_product_and_a_sum_in_place(xp, rng):
    x, weight, bias = (wrap(rng.standard_normal(s)) for s in ((2, 4, 3), (5, 3), (5,)))
    Host.launches.clear()
    out = xp.special.linear(x, weight, bias)
    assert Host.launches == ["matmul", "add"] and Host.calls[0] == ("matmul", (8, 3), (3, 5))
    np.testing.assert_allclose(out._a, x._a @ weight._a.T + bias._a)
    wide = xp.special.linear(wrap(np.ones((1, 3))), weight, wrap(np.zeros((4, 5))))  # more than the product has
    assert wide.shape == (4, 5)
    single = xp.special.linear(*(wrap(a._a.astype(np.float32)) for a in (x, weight)), bias)
    assert single.dtype == np.float64


# Launches -------------------------------------------------------------------------------------------------------------


def _network(device):
    """Parameters of two layers, samples and their labels."""
    rng = np.random.default_rng(5)
    shapes = ((16, 8), (16,), (4, 16), (4,))
    params = [xg.Tensor(0.3 * rng.standard_normal(s), device=device, dtype="float32") for s in shapes]
    x = xg.asarray(rng.standard_normal((32, 8)).astype(np.float32), device=device)
    return params, x, xg.asarray(rng.integers(0, 4, 32), device=device)


def _backward(params, x, labels):
    hidden = xg.special.relu(xg.special.linear(x, params[0], params[1]))
    xg.special.softmax_cross_entropy(xg.special.linear(hidden, params[2], params[3]), labels).mean().backward()


@needs_compiler
def test_a_training_step_of_a_small_network_has_at_most_20_launches(xp):
    networks = {}
    for device in ("cuda", "cpu"):
        params, x, labels = networks[device] = _network(device)
        optimizer = xg.optim.Adam(params, lr=0.01)
        for step in range(3):
            Host.launches.clear()
            _backward(params, x, labels)
            optimizer.step()
            assert step == 0 or len(Host.launches) <= 20, Host.launches  # the first one makes the running means
    params, expected = (networks[device][0] for device in ("cuda", "cpu"))
    for a, b in zip(params, expected, strict=True):
        np.testing.assert_allclose(a.value._a, b.detach().numpy(), rtol=1e-4, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_a_step_of_adam(xp, rng, dtype):
    p, g, mean = rng.standard_normal((3, 50)).astype(dtype)
    square = rng.random(50).astype(dtype)
    numbers = {"rate": 0.02, "b1": 0.9, "b2": 0.99, "eps": 1e-3}
    for rest in ({}, {"decay": 0.1}, {"shrink": 0.01}):
        compared(xp, "adam_step", p, g, mean, square, **numbers, **rest)
    rate = wrap(np.asarray(0.02, dtype))  # known to the device alone
    ours = xp.special.adam_step(*map(wrap, (p, g, mean, square)), **{**numbers, "rate": rate})
    for a, b in zip(ours, formula("adam_step", p, g, mean, square, **numbers), strict=True):
        np.testing.assert_allclose(a._a, b.astype(dtype), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@needs_compiler
def test_arrays_become_one_vector_in_one_launch(xp, rng):
    arrays = [rng.standard_normal(s).astype(np.float32) for s in ((3, 4), (), (0, 2), (5000,), (2, 2))]

    def check(arrays, launches):
        Host.launches.clear()
        given = [wrap(a) for a in arrays]
        out = xp.concat(given, axis=None)
        assert len(Host.launches) == launches, Host.launches
        np.testing.assert_array_equal(out._a, np.concatenate([a.reshape(-1) for a in arrays]))

    check(arrays, 1)
    check([arrays[0].T, arrays[1]], 2)  # a copy of what has gaps
    check(arrays * 15, 2)  # 60 pieces
    check([arrays[2], arrays[2]], 0)
    check([np.arange(3), np.arange(2)], 2)  # CuPy's own way


@needs_compiler
def test_lines_are_shared_as_their_length_suggests(xp, monkeypatch):
    seen = []
    kernels = xp.special.kernels
    monkeypatch.setattr(kernels, "launch", lambda name, dtype, grid, block, args: seen.append((grid, block)))
    for lines, n in ((1, 5), (9, 1024), (9, 1025)):
        kernels.on_lines("softmax", np.dtype("float32"), lines, n)
    assert seen == [((1,), (32, 4)), ((3,), (32, 4)), ((9,), (256, 1))]


# NVRTC ----------------------------------------------------------------------------------------------------------------


def _nvrtc():
    """NVIDIA's run-time compiler, which needs no GPU, or None."""
    spec = importlib.util.find_spec("nvidia")
    folders = [pathlib.Path(p) for p in spec.submodule_search_locations or []] if spec else []
    found = [p for folder in folders for p in folder.rglob("libnvrtc.so.*")]
    return ctypes.CDLL(str(found[0])) if found else None


NVRTC = _nvrtc()
needs_nvrtc = pytest.mark.skipif(NVRTC is None, reason="NVRTC is not installed: pip install nvidia-cuda-nvrtc")


def _nvrtc_log(code, architecture):
    """Compile; the compiler's words, empty when there is nothing to say."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert NVRTC.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None) == 0
    options = [f"--gpu-architecture={architecture}".encode(), b"-std=c++17"]
    status = NVRTC.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    NVRTC.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    NVRTC.nvrtcGetProgramLog(program, log)
    NVRTC.nvrtcDestroyProgram(ctypes.byref(program))
    return log.value.decode() if log.value or not status else f"status {status}"


@needs_nvrtc
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("dtype", cupy_kernels.DTYPES)
def test_nvrtc_compiles_the_kernels_on_lines(dtype, architecture):
    assert _nvrtc_log(cupy_kernels.source(dtype), architecture) == ""


@needs_nvrtc
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_nvrtc_compiles_the_elementwise_kernels(architecture):
    units = [
        cuda_on_cpu.elementwise_source(inputs, outputs, cupy_kernels.body(operation), name, "")
        for name, (inputs, outputs, operation) in cupy_kernels.ELEMENTWISE.items()
    ]
    half = "struct float16 { float x; __device__ float16(float); __device__ operator float() const { return x; } };"
    half += "\n__device__ float16::float16(float y) : x(y) {}"
    assert _nvrtc_log("\n".join([half, cupy_kernels.WIDER, *units]), architecture) == ""
    assert "undefined" in _nvrtc_log(units[0] + "oops x;", architecture)


def test_cupy_takes_the_kernels():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    kernels = cupy_kernels.Kernels(cupy)
    for name, (inputs, _, _) in cupy_kernels.ELEMENTWISE.items():
        assert kernels.elementwise(name).nin == len(inputs.split(","))
    assert kernels.module("float32") is kernels.module("float32")  # compiled at the first launch
