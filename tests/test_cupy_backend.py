"""The CuPy backend without a GPU: its host code runs on a stand-in for CuPy that refuses to wait for the device.

Forward and backward of every function are so shown to only queue work.  The stand-in takes the arguments that CuPy's
functions take, which is compared with the real CuPy where that can be imported.
"""

import ast
import contextlib
import importlib.util
import inspect
import operator
import pathlib
import sys

import numpy as np
import pytest

import xgrad as xg
from xgrad import backends
from xgrad.backends import cupy as module
from xgrad.constants import DTYPES
from xgrad.errors import DeviceError
from xgrad.pytree import flatten
from xgrad.registry import SPACES, every_function

from .cases import ALL, case_id, prepared
from .cupy_stand_in import (
    FACTORS,
    SIGNATURES,
    SPECIAL,
    TRANSFORMS,
    UFUNCS,
    Host,
    Waited,
    forget,
    ndarray,
    on_gpu,
    read,
    stand_in,
    stood_in,
    words,
    xp,
)

__all__ = ["stood_in", "xp"]  # fixtures

# Every function -------------------------------------------------------------------------------------------------------


def _waits(case):
    name, specs, _ = case
    shaped_by_values = ("compress", "extract", "bincount", "linalg.lstsq")
    return name in shaped_by_values or (name == "repeat" and isinstance(specs[1], str))


def _run(case, device):
    """The results of a case, and the gradients of their sums weighted by fixed numbers."""
    name, specs, metadata = case
    function, arrays = prepared(name, specs, metadata, device)
    leaves = [xg.asarray(a, requires_grad=True) if a.dtype.kind in "fc" else a for a in arrays]
    results = flatten(function(*leaves))[0]
    for i, r in enumerate(results):
        if r.requires_grad:
            weights = np.cos(np.arange(r.size) + i).reshape(r.shape)
            r.backward(xg.asarray(weights, dtype=r.dtype, device=device), zero_grad=False, retain_graph=True)
    return results, [a.grad for a in leaves if a.requires_grad]


@pytest.mark.parametrize("case", ALL, ids=case_id)
def test_forward_and_backward_agree_with_numpy_and_never_wait(case, xp):
    with Host.waiting() if _waits(case) else contextlib.nullcontext():
        ours = _run(case, "cuda")
    theirs = _run(case, "cpu")
    for kind, a_list, b_list in zip(("value", "gradient"), ours, theirs, strict=True):
        for a, b in zip(a_list, b_list, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert str(a.device) == "cuda:0"
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
                np.testing.assert_allclose(read(a), b.detach().numpy(), rtol=1e-12, atol=1e-14, err_msg=kind)


def test_zero_functions_never_wait(xp):
    x, y = on_gpu([[1.5, -0.5, 0.0], [0.2, 3.0, -2.0]]), on_gpu([0.5, 0.5, 0.5])
    n = on_gpu([3, 1, 2])
    for name in words("floor ceil trunc round isfinite isinf isnan signbit"):
        np.testing.assert_array_equal(read(getattr(xg, name)(x)), getattr(np, name)(read(x)))
    for name in words("equal not_equal less less_equal greater greater_equal floor_divide nextafter"):
        np.testing.assert_array_equal(read(getattr(xg, name)(x, y)), getattr(np, name)(read(x), read(y)))
        np.testing.assert_array_equal(read(getattr(xg, name)(x, 0.5)), getattr(np, name)(read(x), 0.5))
    for name in words("logical_and logical_or logical_xor"):
        np.testing.assert_array_equal(read(getattr(xg, name)(x > 0, y > 1)), getattr(np, name)(read(x) > 0, False))
    for name in words("bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift"):
        np.testing.assert_array_equal(read(getattr(xg, name)(n, 1)), getattr(np, name)(read(n), 1))
    assert read(xg.bitwise_invert(n)).tolist() == [-4, -2, -3]
    assert read(xg.logical_not(x > 0)).tolist() == [[False, True, True], [False, False, True]]
    assert read(xg.argmax(x, axis=1, keepdims=True)).tolist() == [[0], [1]]
    assert read(xg.argmin(x)).tolist() == 5
    assert read(xg.count_nonzero(x, axis=1, keepdims=True)).tolist() == [[2], [3]]
    assert read(xg.count_nonzero(x)).dtype == np.int64
    assert read(xg.searchsorted(on_gpu([1.0, 2.0]), on_gpu([0.0, 1.0, 3.0]), side="right")).tolist() == [0, 1, 2]
    assert read(xg.argsort(n, descending=True)).tolist() == [0, 2, 1]
    assert read(xg.argsort(on_gpu([1, 1, 0]), descending=True)).tolist() == [0, 1, 2]
    assert read(xg.argsort(on_gpu(np.zeros((0, 3))), axis=1)).shape == (0, 3)
    assert read(xg.sort(on_gpu(np.zeros((2, 0))))).shape == (2, 0)
    assert read(xg.all(x)).tolist() is False and read(xg.any(x, axis=0)).tolist() == [True, True, True]


def test_every_name_that_rules_call_exists(xp):
    called = {name for name, f in every_function().items() if hasattr(f, "op")}
    root = pathlib.Path(xg.__file__).parent
    for path in [*(root / "ops").glob("*.py"), *(root / "linalg").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("xp", "xp.linalg"):
                called.add(ast.unparse(node).removeprefix("xp."))
    called -= {"library", *SPACES, *DTYPES}  # attributes of backends, not functions
    called -= {"ndim", "shape"}  # an argument of interp is called xp
    assert len(called) > 100
    missing = [name for name in sorted(called) if not callable(operator.attrgetter(name)(xp))]
    assert not missing


# A training step ------------------------------------------------------------------------------------------------------


def _step(device, dtype):
    """Loss and gradients of a small classifier with every kind of operation that a training step has."""
    rng = np.random.default_rng(3)
    table, x = rng.normal(size=(7, 4)), rng.integers(0, 7, (5, 3))
    w1, b1, w2 = rng.normal(size=(4, 6)), rng.normal(size=6), rng.normal(size=(6, 3))
    leaves = [xg.Tensor(v, device=device, dtype=dtype) for v in (table, w1, b1, w2)]
    table, w1, b1, w2 = leaves
    target = xg.asarray(rng.integers(0, 3, 5), device=device)
    h = xg.take(table, xg.asarray(x, device=device), axis=0) @ w1 + b1
    h = xg.clip(h, -2.0, 2.0) * xg.sign(h) + xg.maximum(h, 0.0) + xg.where(h > 0.5, h * 2.0, 0.0)
    h = (h - h.mean(axis=-1, keepdims=True)) / (h.std(axis=-1, keepdims=True) + 1e-3)
    logits = h.max(axis=1) @ w2
    shifted = logits - logits.detach().max(axis=-1, keepdims=True)
    log_p = shifted - xg.log(xg.exp(shifted).sum(axis=-1, keepdims=True))
    loss = -xg.take_along_axis(log_p, target[:, None], axis=1).mean()
    loss = loss + 0.5 * (w1**2).sum() + log_p[xg.asarray([0, 1, 1], device=device), target[:3]].sum() * 0.1
    loss.backward()
    with xg.no_grad():
        for leaf in leaves:
            leaf -= 0.1 * leaf.grad
    return loss, leaves


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_a_training_step_never_waits(xp, dtype):
    loss, leaves = _step("cuda", dtype)
    expected, others = _step("cpu", dtype)
    tolerance = {"float64": 1e-12, "float32": 1e-4, "float16": 0.1}[dtype]
    np.testing.assert_allclose(read(loss), expected.detach().numpy(), rtol=tolerance)
    for a, b in zip(leaves, others, strict=True):
        assert a.grad.dtype == a.dtype == dtype
        np.testing.assert_allclose(read(a.detach()), b.detach().numpy(), rtol=tolerance, atol=tolerance)


def test_the_stand_in_notices_waiting(xp):
    x = xg.Tensor([1.0, -2.0], device="cuda")
    for wait in (lambda: bool((x > 0).any()), lambda: float(x.sum()), lambda: x[x > 0], lambda: xg.nonzero(x)):
        with pytest.raises(Waited):
            wait()
    with Host.waiting():
        assert float(x.sum()) == -1.0
        assert read(x[x > 0].detach()).tolist() == [1.0]


def test_higher_derivatives_never_wait(xp):
    def f(x):
        return (xg.tanh(x) * xg.take(x, on_gpu([0, 0, 2]))).sum()

    x = on_gpu([0.3, -0.7, 1.1])
    ours = xg.grad(lambda v: (xg.grad(f)(v) ** 2).sum())(x)

    def g(x):
        return (xg.tanh(x) * xg.take(x, np.array([0, 0, 2]))).sum()

    theirs = xg.grad(lambda v: (xg.grad(g)(v) ** 2).sum())(np.array([0.3, -0.7, 1.1]))
    np.testing.assert_allclose(read(ours), theirs, rtol=1e-12)


# Differences of CuPy that the backend mends ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int32", "float32", "complex64", "complex128"])
def test_scatter_add_in_every_dtype(xp, dtype):
    values = np.array([1, 2, 3, 4], dtype=dtype) * (1 + 2j if "complex" in dtype else 1)
    key = (on_gpu([2, 0, 2, 2]).value, Ellipsis)
    out = xp.scatter_add(on_gpu(values.astype(dtype)).value, key=key, shape=(4,))
    assert out.dtype == dtype
    assert out._a.tolist() == [values[1], 0, values[0] + values[2] + values[3], 0]


def test_scatter_add_sums_half_precision_in_single(xp):
    ones = on_gpu(np.ones(4000, np.float16)).value
    out = xp.scatter_add(ones, key=(on_gpu(np.zeros(4000, np.int64)).value, Ellipsis), shape=(1,))
    assert out._a[0] == 4000  # float16 alone stops at 2048


def test_writes_keep_the_last_of_several_values(xp):
    places, values = np.array([[3, 0], [3, 3]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    x = xg.Tensor(np.arange(5.0), device="cuda")
    v = xg.Tensor(values, device="cuda")
    y = x * 1.0
    y[on_gpu(places)] = v
    assert read(y.detach()).tolist() == [2.0, 1.0, 2.0, 4.0, 4.0]
    (y * on_gpu([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
    assert read(x.grad).tolist() == [0, 2, 3, 0, 5]
    assert read(v.grad).tolist() == [[0, 1], [0, 4]]
    z = on_gpu(np.zeros((2, 3)))
    z[:, on_gpu([0, 2])] = on_gpu([[[5.0, 6.0]]])  # NumPy drops leading axes of length one
    assert read(z).tolist() == [[5, 0, 6], [5, 0, 6]]
    z[on_gpu(np.zeros(0, np.int64))] = on_gpu(np.zeros((0, 3)))
    assert read(z).tolist() == [[5, 0, 6], [5, 0, 6]]


def test_writing_a_number_by_a_mask_does_not_wait(xp):
    y = on_gpu(np.arange(6.0).reshape(2, 3))
    y[y > 2.5] = 0.0
    y[on_gpu([True, False])] = -1.0
    assert read(y).tolist() == [[-1, -1, -1], [0, 0, 0]]
    n = on_gpu([1, 2, 3])
    n[n > 1] = 0.5
    assert n.dtype == np.int64 and read(n).tolist() == [1, 0, 0]
    x = xg.Tensor(np.arange(6.0).reshape(2, 3), device="cuda")
    y = x * 2.0
    y[y > 4.5] = 0.0
    (y * y).sum().backward()
    assert read(x.grad).tolist() == [[0, 8, 16], [0, 0, 0]]


def test_integers_that_point_outside_wrap(xp):
    assert read(on_gpu([1.0, 2.0, 3.0])[on_gpu([4, -1])]).tolist() == [2.0, 3.0]


def test_python_numbers_never_widen(xp):
    half, single = on_gpu(np.ones(2, np.float16)), on_gpu(np.ones(2, np.float32))
    for name in sorted(module._BINARY):
        Host.calls.clear()
        out = getattr(xg, name)(half, 2.0)
        assert out.dtype in (np.float16, np.bool_), name
        assert Host.calls == [(name, ndarray, np.float16)]
    assert xg.where(half > 0, half, 0.0).dtype == np.float16
    assert xg.where(half > 0, 0.0, half).dtype == np.float16
    assert xg.where(half > 0, 1.0, 0.0).dtype == np.float64
    assert xg.where(True, half, 0.0).dtype == np.float16
    assert xg.clip(half, 0.0, None).dtype == np.float16
    assert (single * 1j).dtype == (1j * single).dtype == np.complex64
    assert (on_gpu([1, 2]) * 2.5).dtype == np.float64
    assert xg.special.erf(half).dtype == np.float16


def test_sixteen_bit_brain_floats_are_typed():
    class Brain:  # what ml_dtypes.bfloat16 looks like to NumPy
        itemsize, kind = 2, "V"
        type = staticmethod(lambda v: ("bfloat16", v))

    assert module._scalar(2.0, Brain) == ("bfloat16", 2.0)
    assert module._scalar(2j, Brain) == 2j
    assert module._scalar(2, np.dtype(np.int16)) == 2


def test_products_with_one_matrix_are_folded(xp):
    def product(*shapes):
        Host.calls.clear()
        out = xg.matmul(*(on_gpu(np.ones(s)) for s in shapes))
        return out.shape, Host.calls

    assert product((5, 2, 3), (3, 4)) == ((5, 2, 4), [("matmul", (10, 3), (3, 4))])
    assert product((0, 2, 3), (3, 4)) == ((0, 2, 4), [("matmul", (0, 3), (3, 4))])
    assert product((5, 2, 3), (3,)) == ((5, 2), [("matmul", (10, 3), (3,))])
    assert product((2, 3), (5, 3, 4)) == ((5, 2, 4), [("matmul", (2, 3), (5, 3, 4))])
    with pytest.raises(ValueError):
        product((5, 2, 3), (2, 4))


def test_views_are_known_and_results_own_their_memory(xp):
    x = on_gpu(np.arange(6.0).reshape(2, 3))
    y = x[1]
    y += 10.0
    assert read(x).tolist() == [[0, 1, 2], [13, 14, 15]]
    z = x[on_gpu([0])]
    z += 1.0
    assert read(x)[0].tolist() == [0, 1, 2]
    shared = xp.broadcast_to(on_gpu([1.0]).value, (3,))
    assert xp.own(shared).strides == (8,) and xp.own(z.value) is z.value


def test_creation_takes_a_device(xp):
    made = {
        "zeros": xg.zeros(2, device="cuda"),
        "ones": xg.ones((2, 1), dtype="float32", device="cuda"),
        "empty": xg.empty(2, device="cuda"),
        "full": xg.full((2,), 7, device="cuda"),
        "arange": xg.arange(1, 6, 2, device="cuda"),
        "linspace": xg.linspace(0.0, 1.0, 3, device="cuda:0"),
        "complex": xg.linspace(0.0, 1j, 3, device="cuda:0"),
        "eye": xg.eye(2, device="cuda"),
        "zeros_like": xg.zeros_like(on_gpu([1, 2]), device="cuda"),
        "full_like": xg.full_like(on_gpu([1, 2]), 3, dtype="float32"),
        "ones_like": xg.ones_like(on_gpu([1, 2])),
        "empty_like": xg.empty_like(on_gpu([1, 2])),
    }
    assert {str(t.device) for t in made.values()} == {"cuda:0"}
    assert read(made["full"]).tolist() == [7, 7] and made["full"].dtype == np.int64
    assert read(made["arange"]).tolist() == [1, 3, 5]
    assert read(made["complex"]).tolist() == [0, 0.5j, 1j]
    assert made["full_like"].dtype == np.float32
    tensor = xg.reshape(on_gpu([1.0, 2.0]), (2, 1), copy=True)
    assert tensor.shape == (2, 1)


def test_arrays_cross_between_host_and_device(xp):
    x = xg.Tensor([1.0, 2.0])
    with Host.waiting():
        y = (x.cuda() * 3.0).cpu().sum()
        y.backward()
        assert str(x.grad.device) == "cpu" and x.grad.numpy().tolist() == [3.0, 3.0]
        assert repr(on_gpu([1.0])) == "Tensor([1.], device='cuda:0')"


# Devices and problems -------------------------------------------------------------------------------------------------


def test_devices_go_by_number(xp):
    assert xp.places() == ["cuda:0"] and xp.single
    assert str(backends.parse_device("cuda")) == "cuda:0"
    with pytest.raises(DeviceError, match=r"got 'cuda:1', this machine has 1: cuda:0\. Use one of these, or 'cpu'\."):
        xg.zeros(2, device="cuda:1")
    with pytest.raises(DeviceError, match="has a number"):
        xg.zeros(2, device="cuda:first")


def test_two_devices_are_told_apart(xp, monkeypatch):
    monkeypatch.setattr(Host, "count", 2)
    two = module.CuPy(xp.cupy, xp.cupyx)
    monkeypatch.setitem(backends._BY_NAME, "cupy", two)
    forget(ndarray)
    try:
        x = xg.asarray([1.0, 2.0], device="cuda:1")
        assert not two.single and str(x.device) == "cuda:1" and Host.device == 0
        assert str(xg.zeros_like(x, device="cuda:0").device) == "cuda:0"
        assert str(xg.ones(2, device="cuda:1").device) == "cuda:1"
        assert str(x.to("cuda:0").device) == "cuda:0"
        assert x.to("cuda:1").value is x.value
        for _ in range(2):
            with pytest.raises(DeviceError, match="cuda:1 and cuda:0"):
                x + on_gpu([1.0, 2.0])
        with two.on("cuda:1"):
            assert str(backends.parse_device("cuda")) == "cuda:1"
    finally:
        forget(ndarray)


def _raise(error):
    def function(*args):
        raise error

    return function


def _without_cublas(modules):
    libs = modules["cupy_backends.cuda.libs"]
    del libs.cublas
    libs.__getattr__ = _raise(ImportError("no libcublas"))  # as CuPy says when it has looked everywhere


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.__setitem__("cupy", None), "CuPy is not installed. Run: pip install 'cupy-cuda13x[ctk]'"),
        (lambda m: setattr(m["cupy"], "__version__", "13.6.0"), "CuPy 14 or newer is needed"),
        (
            lambda m: setattr(m["cupy.cuda"].runtime, "getDeviceCount", _raise(RuntimeError("cudaErrorNoDevice: no"))),
            "got cudaErrorNoDevice: no. Install or update the NVIDIA driver",
        ),
        (lambda m: setattr(m["cupy.cuda"].runtime, "getDeviceCount", lambda: 0), "there is no CUDA device"),
        (
            lambda m: setattr(m["cupy.cuda"].nvrtc, "getVersion", _raise(RuntimeError('\nno "libnvrtc.so.13".\nmore'))),
            'a CUDA library is missing; got no "libnvrtc.so.13". Run: pip install',
        ),
        (_without_cublas, "a CUDA library is missing; got no libcublas"),
    ],
    ids=["absent", "old", "no driver", "no device", "no nvrtc", "no cublas"],
)
def test_problems_say_what_to_do(monkeypatch, spoil, words):
    modules = stand_in()
    spoil(modules)
    for name, stood in modules.items():
        monkeypatch.setitem(sys.modules, name, stood)
    monkeypatch.setattr(backends, "_BY_NAME", {"numpy": backends.get("numpy")})
    with pytest.raises(DeviceError) as caught:
        backends.parse_device("cuda")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("device: ")
    assert xg.devices()["cuda"] == str(caught.value)


# The real CuPy --------------------------------------------------------------------------------------------------------

HAVE_CUPY = importlib.util.find_spec("cupy") is not None
needs_cupy = pytest.mark.skipif(not HAVE_CUPY, reason="CuPy is not installed, so the stand-in is not compared with it")


@needs_cupy
def test_the_stand_in_takes_what_cupy_takes():
    import cupy

    for name, text in SIGNATURES.items():
        expected = inspect.signature(eval(f"lambda {text}: None")).parameters.values()
        real = inspect.signature(getattr(cupy, name)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in real] == [(p.name, p.kind, p.default) for p in expected], name
    for name, text in TRANSFORMS.items():
        expected = inspect.signature(eval(f"lambda {text}: None"))
        assert inspect.signature(getattr(cupy.fft, name)) == expected, name
    for name, text in FACTORS.items():
        expected = inspect.signature(eval(f"lambda {text}: None"))
        assert inspect.signature(getattr(cupy.linalg, name)) == expected, name
    for nin, names in UFUNCS.items():
        for name in names:
            function = getattr(cupy, name)
            assert type(function) is type(cupy.add) and function.nin == nin, name
    for name in ("astype", "copy", "reshape", "real", "imag", "T", "strides", "base", "data", "device"):
        assert hasattr(cupy.ndarray, name), name


@needs_cupy
def test_cupy_has_the_rest_of_what_the_backend_uses():
    import cupy
    import cupyx
    from cupyx.scipy import special

    assert list(inspect.signature(cupy.lib.stride_tricks.as_strided).parameters) == ["x", "shape", "strides"]
    for function in (cupyx.scatter_add, cupyx.scatter_max):
        assert list(inspect.signature(function).parameters) == ["a", "slices", "value"]
    assert [name for name in SPECIAL if not hasattr(special, name)] == []
    assert type(special.erf) is type(cupy.add)
    assert cupy.ElementwiseKernel("T x", "T y", "y = x", "copied", preamble="").nin == 1  # compiled at its first call
    assert callable(cupy.RawModule(code="").get_function)
    assert callable(cupy.cuda.nvrtc.getVersion) and callable(cupy.cuda.runtime.getDeviceCount)
    assert "F->F" in cupy.log2.types and "l->l" in cupy.floor.types and "D->D" in cupy.sign.types
    own = module.CuPy.__new__(module.CuPy)
    own.name, own.library, own.cupy, own.cupyx = "cupy", module.Namespace(cupy), cupy, cupyx
    own.kernels = module.Kernels(cupy)
    test_every_name_that_rules_call_exists(own)


GPU_PROBLEM = module.cuda_problem()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # allow_synchronize, which is what is needed here
@pytest.mark.skipif(GPU_PROBLEM is not None, reason=f"no GPU to test on: {GPU_PROBLEM}")
def test_a_training_step_on_the_gpu():
    import cupy
    import cupyx

    _step("cuda", "float32")  # compiles
    cupy.cuda.Device().synchronize()
    with cupyx.allow_synchronize(False):
        loss, leaves = _step("cuda", "float64")
    expected, others = _step("cpu", "float64")
    np.testing.assert_allclose(loss.detach().numpy(), expected.detach().numpy(), rtol=1e-9)
    for a, b in zip(leaves, others, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-8, atol=1e-10)
