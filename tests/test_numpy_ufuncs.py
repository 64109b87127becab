"""Methods of NumPy's ufuncs on Tensors, and their calls with ``out=``, ``where=``, ``dtype=`` and ``casting=``."""

import functools
import warnings

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import gradcheck

from .conftest import SLOW

A = np.random.default_rng(5).permutation(np.linspace(0.45, 1.75, 24)).reshape(2, 3, 4)
MASK = A < 1.5


def leaf(value, device="cpu"):
    return xg.Tensor(np.asarray(value), device=device)


def check(f, *arrays, device="cpu", slopes=True):
    """``f`` of Tensors has the value and dtype of ``f`` of ndarrays, and right derivatives."""
    leaves = [leaf(a, device) if np.asarray(a).dtype.kind in "fc" else xg.asarray(a, device=device) for a in arrays]
    found, expected = f(*leaves), f(*arrays)
    assert isinstance(found, xg.Tensor)
    assert found.dtype == np.asarray(expected).dtype
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-11, atol=1e-12)
    assert found.requires_grad == slopes
    if slopes:
        forward = device not in SLOW
        gradcheck(f, *(x.detach() for x in leaves), order=1, forward=forward, rtol=1e-5, atol=1e-7)


REDUCIBLE = ["add", "multiply", "maximum", "minimum", "logaddexp", "logaddexp2", "hypot", "fmax", "fmin"]
ONE_AXIS = ["subtract", "divide", "arctan2", "power"]


@pytest.mark.parametrize("axis", [0, -1, None, (0, 2), ()])
@pytest.mark.parametrize("name", REDUCIBLE)
def test_reduce(device, name, axis):
    if device not in SLOW:
        check(lambda x: getattr(np, name).reduce(x, axis=axis), A, device=device)
    check(lambda x: getattr(np, name).reduce(x, axis, keepdims=True), A, device=device)


@pytest.mark.parametrize("name", ONE_AXIS)
def test_reduce_in_order(device, name):
    ufunc = getattr(np, name)

    def reduced(x, axis, **options):
        if isinstance(x, xg.Tensor):
            return ufunc.reduce(x, axis=axis, **options)
        out = functools.reduce(ufunc, np.moveaxis(x, axis, 0))  # NumPy's own loops with AVX-512 do not keep the order
        return np.expand_dims(out, axis) if options else out

    check(lambda x: reduced(x, 0), A, device=device)
    check(lambda x: reduced(x, -1, keepdims=True), A[:, :, :3], device=device)
    with pytest.raises(ValueError, match=rf"{name}.reduce: .*order"):
        getattr(np, name).reduce(leaf(A, device), axis=(0, 1))


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum", "logaddexp", "hypot", "subtract"])
def test_reduce_from_a_start(device, name):
    check(lambda x: getattr(np, name).reduce(x, axis=1, initial=1.1), A, device=device)
    check(lambda x: getattr(np, name).reduce(x[:, :0], axis=1, initial=0.7) + x[:, 0], A, device=device)


@pytest.mark.parametrize("name", ["add", "multiply", "logaddexp", "hypot"])
def test_reduce_masked(device, name):
    check(lambda x: getattr(np, name).reduce(x, axis=1, where=MASK), A, device=device)
    check(lambda x: getattr(np, name).reduce(x, axis=(1, 2), where=MASK, initial=0.3), A, device=device)


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax"])
def test_reduce_masked_without_identity(device, name):
    check(lambda x: getattr(np, name).reduce(x, axis=1, where=MASK, initial=1.0), A, device=device)
    with pytest.raises(ValueError, match=rf"{name}.reduce: .*initial"):
        getattr(np, name).reduce(leaf(A, device), where=MASK)


def test_reduce_of_empty_axes():
    x = leaf(np.ones((2, 0)))
    assert np.add.reduce(x, axis=1).tolist() == [0.0, 0.0]
    assert np.multiply.reduce(x, axis=1).tolist() == [1.0, 1.0]
    assert np.logaddexp.reduce(x, axis=1).tolist() == [-np.inf, -np.inf]
    for ufunc in (np.maximum, np.subtract, np.fmin):
        with pytest.raises(ValueError, match=ufunc.__name__ + "|max"):
            ufunc.reduce(x, axis=1)


def test_reduce_of_predicates(device):
    for name in ("logical_and", "logical_or", "logical_xor"):
        check(lambda x, name=name: getattr(np, name).reduce(x, axis=1), MASK, device=device, slopes=False)
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        check(lambda x, name=name: getattr(np, name).reduce(x), np.array([7, 5, 12]), device=device, slopes=False)
    check(lambda x: np.logical_and.reduce(x, axis=(0, 1), where=A > 1.0), MASK, device=device, slopes=False)


def test_reduce_in_a_dtype(device):
    check(lambda x: np.add.reduce(x, axis=1, dtype=np.float64), np.arange(6).reshape(2, 3), device=device, slopes=False)
    x = xg.Tensor(A.astype(np.float32), device=device)
    assert np.multiply.reduce(x, dtype=np.float64).dtype == np.float64


def test_logaddexp_reduce_at_infinities():
    a = np.array([[-np.inf, -np.inf], [-np.inf, 0.5], [800.0, 801.0], [np.inf, 1.0]])
    x = leaf(a)
    y = np.logaddexp.reduce(x, axis=1)
    np.testing.assert_allclose(y.detach().numpy(), np.logaddexp.reduce(a, axis=1), rtol=1e-14)
    y[1:3].sum().backward()
    soft = 1 / (1 + np.exp(1.0))
    np.testing.assert_allclose(x.grad.numpy(), [[0, 0], [0, 1], [soft, 1 - soft], [0, 0]], atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum", "subtract", "logaddexp", "divide", "power"])
def test_accumulate(device, name, axis):
    check(lambda x: getattr(np, name).accumulate(x, axis=axis), A, device=device)


def test_accumulate_nothing():
    assert np.maximum.accumulate(leaf(np.ones((0, 2)))).shape == (0, 2)
    assert np.add.accumulate(xg.Tensor(np.ones(3, dtype=np.float32)), dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "subtract"])
def test_reduceat(device, name):
    check(lambda x: getattr(np, name).reduceat(x, [0, 3, 1, 2], axis=-1), A, device=device)
    check(lambda x: getattr(np, name).reduceat(x, np.array([1, 0])), A, device=device)


def test_reduceat_out_of_range():
    with pytest.raises(IndexError, match=r"reduceat: .*got 9 for 2"):
        np.add.reduceat(leaf(A), [0, 9])


@pytest.mark.parametrize("name", ["add", "multiply", "subtract", "divide", "power", "maximum", "hypot", "logaddexp"])
def test_outer(device, name):
    check(lambda x, y: getattr(np, name).outer(x, y), A[0], np.array([0.37, 0.7, 1.03, 1.37, 1.9]), device=device)
    check(lambda x: getattr(np, name).outer([0.4, 2.0], x), A[0, 0], device=device)
    check(lambda x: getattr(np, name).outer(x, 1.25), A[0, 0], device=device)


def test_outer_of_predicates(device):
    check(lambda x, y: np.less.outer(x, y), A[0], A[1, 0], device=device, slopes=False)


WRITES = {
    "add": lambda x, v: np.add.at(x, [0, 1, 0, 0], v),
    "add at a tuple": lambda x, v: np.add.at(x, ([0, 1, 1, 0], [2, 0, 0, 2]), v),
    "add at a slice": lambda x, v: np.add.at(x, (slice(None), 1), v[:3]),
    "add at a mask": lambda x, v: np.add.at(x, np.array([True, False, True]), v[0]),
    "subtract": lambda x, v: np.subtract.at(x, [2, 2, -1, 0], v),
    "multiply": lambda x, v: np.multiply.at(x, [0, 1, 0, 0], v),
    "divide": lambda x, v: np.divide.at(x, ([1, 1], [0, 0]), v[1:3]),
    "maximum": lambda x, v: np.maximum.at(x, ([0, 1, 0], 2), v[:3]),
    "power": lambda x, v: np.power.at(x, ([0, 0], [1, 1]), v[1]),
    "negative": lambda x, v: np.negative.at(x, [0, 0, 1]),
    "exp": lambda x, v: np.exp.at(x, ([0, 0, 1], [0, 0, 1])),
    "nothing": lambda x, v: np.multiply.at(x, np.zeros(0, dtype=int), 2.0),
}


@pytest.mark.parametrize("name", WRITES)
def test_at(device, name):
    def f(x, v):
        x = x * 1.0
        column = v[:, None] if name in ("add", "subtract", "multiply") else v
        assert WRITES[name](x, column) is None
        return x + 0 * np.sum(v)

    check(f, A[0, :, :3], np.array([1.2, -0.7, 0.4, 1.9]), device=device)


def test_at_needs_a_tensor_to_write_to():
    a = np.ones(3)
    with pytest.raises(TypeError, match=r"add\.at.*ndarray"):
        np.add.at(a, [0], leaf([1.0]))
    assert a.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("method", ["reduce", "accumulate", "reduceat", "outer", "at"])
def test_methods_of_other_ufuncs_name_themselves(method):
    x = leaf(np.eye(2))
    arguments = {"reduceat": ([0],), "outer": (x,), "at": ([0], x, x)}.get(method, ())
    for ufunc in (np.sin, np.matmul) if method != "at" else (np.matmul,):
        with pytest.raises(TypeError, match=rf"numpy\.{ufunc.__name__}\.{method}: .*detach"):
            getattr(np.ufunc, method)
            x.__array_ufunc__(ufunc, method, x, *arguments)


def test_methods_write_to_out(device):
    x, sums, outer = leaf(A[0], device), xg.zeros(4), xg.zeros((3, 4, 2))
    assert np.add.reduce(x, out=sums) is sums
    assert np.multiply.outer(x, [1.0, 2.0], out=outer) is outer
    (sums.sum() + outer.sum()).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.full((3, 4), 4.0))
    np.add.accumulate(x, out=x)
    np.testing.assert_allclose(x.detach().numpy(), np.add.accumulate(A[0]))
    with pytest.raises(TypeError, match=r"add.reduce: .*out="):
        np.add.reduce(x, out=np.zeros(4))


# Calls with more arguments --------------------------------------------------------------------------------------------


def test_where_with_out(device):
    def f(x, y):
        out = y * 1.0
        assert np.log(x, out=out, where=A[0] > 1.0) is out
        return out

    check(f, A[0], A[1], device=device)


def test_where_leaves_out_what_is_not_computed():
    x = leaf([4.0, 0.0, -1.0])
    out = xg.zeros(3)
    np.divide(1.0, np.sqrt(x, out=xg.ones(3), where=[True, False, False]), out=out, where=x > 0)
    out.sum().backward()
    assert out.tolist() == [0.5, 0.0, 0.0]
    assert x.grad.tolist() == [-0.0625, 0.0, 0.0]


def test_where_without_out_is_refused():
    with pytest.raises(TypeError, match=r"numpy\.add: .*where= but without out="):
        np.add(leaf([1.0]), 1.0, where=[True])


def test_two_results_into_two_tensors(device):
    x, whole, rest = leaf([7.5, -2.25], device), xg.zeros(2), xg.zeros(2)
    found = np.divmod(x, 2.0, out=(whole, rest))
    assert found[0] is whole and found[1] is rest
    assert (whole.tolist(), rest.tolist()) == ([3.0, -2.0], [1.5, 1.75])
    rest.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    fresh = xg.zeros(2)
    _, kept = np.modf(x, out=(None, fresh))
    assert kept is fresh and fresh.tolist() == [7.0, -2.0]


def test_dtype_and_casting(device):
    x = xg.Tensor(np.array([1.5, 2.5], dtype=np.float32), device=device)
    assert np.sin(x, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(
        np.sin(x, dtype=np.float64).detach().numpy(), np.sin(x.detach().numpy(), dtype=np.float64)
    )  # computed in it, not cast to it
    assert np.less(x, 2.0, dtype=bool).dtype == np.bool_
    assert np.multiply(x, 2.0, order="C", subok=False).dtype == np.float32
    with pytest.raises(TypeError, match=r"add: cannot cast .*float32.*int64"):
        np.add(x, x, dtype=np.int64)
    with pytest.raises(TypeError, match=r"add: cannot cast .*safe"):
        np.add(leaf([1.0]), 1.0, dtype=np.float32, casting="safe")
    out = xg.zeros(2, dtype=np.int64)
    with pytest.raises(TypeError, match=r"add: cannot cast the result"):
        np.add(x, x, out=out)
    np.add(x.detach(), 1.0, out=out, casting="unsafe")
    assert out.tolist() == [2, 3]


@pytest.mark.parametrize("keyword", ["signature", "axes", "keepdims", "axis"])
def test_other_keywords_name_themselves(keyword):
    x = leaf(np.eye(2))
    value = {"signature": "dd->d", "axes": [(0, 1), (0, 1), (0, 1)], "keepdims": False, "axis": 0}[keyword]
    with pytest.raises(TypeError, match=rf"numpy\.matmul: .*{keyword}="):
        x.__array_ufunc__(np.matmul, "__call__", x, x, **{keyword: value})


def test_array_likes_as_operands(device):
    check(lambda x: np.add([1.0, 2.0, 3.0, 4.0], x), A[0], device=device)
    check(lambda x: np.multiply([x[0, 0], 2.0, x[1, 1], 3.0], x), A[0], device=device)
    check(lambda x: np.arctan2(((1.0,), (2.0,), (3.0,)), x), A[0], device=device)
    with pytest.raises(TypeError, match="add: x2"):
        np.add(leaf([1.0]), object())


# Subclasses of ndarray ------------------------------------------------------------------------------------------------


@pytest.fixture
def matrix():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix([[1.0, 2.0], [3.0, 4.0]])


def test_a_matrix_is_never_multiplied_elementwise(matrix):
    x = leaf([[1.0, -1.0], [2.0, 0.5]])
    for product, expected in (
        (lambda: x * matrix, x @ np.asarray(matrix)),
        (lambda: matrix * x, np.asarray(matrix) @ x),
    ):
        try:
            found = product()
        except TypeError:
            continue
        assert found.requires_grad
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy())
    for f in (np.add, np.multiply):
        with pytest.raises(TypeError, match=f"{f.__name__}: x2 must be an array or a number; got matrix"):
            f(x, matrix)


def test_a_mask_is_never_dropped():
    x, masked = leaf([1.0, 2.0]), np.ma.masked_array([3.0, 4.0], mask=[False, True])
    for f in (
        lambda: x + masked,
        lambda: masked + x,
        lambda: masked * x,
        lambda: np.add(x, masked),
        lambda: np.concatenate([x, masked]),
        lambda: np.where([True, False], x, masked),
        lambda: np.dot(masked, x),
        lambda: np.ma.sum(x),
    ):
        with pytest.raises(TypeError, match=r"MaskedArray|mask|detach"):
            f()


def test_other_subclasses_are_arrays(tmp_path):
    stored = np.memmap(tmp_path / "data", dtype=float, mode="w+", shape=3)
    stored[:] = [1.0, 2.0, 3.0]
    x = leaf([1.0, 1.0, 2.0])
    y = np.sum(stored * x + np.multiply(x, stored))
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


# Levels and devices ---------------------------------------------------------------------------------------------------


def test_nested_transforms():
    def f(x):
        return np.sum(np.logaddexp.reduce(np.multiply.outer(x, x), axis=0) * np.cumsum(x))

    gradcheck(f, A[0, 0], order=2)

    def inner(x, y):
        return np.sum(np.sin(x * y))

    mixed = xg.grad(lambda x: np.sum(xg.grad(inner, 1)(x, np.array([2.0, 3.0]))))(np.array([0.4, 0.5]))
    p, y = np.array([0.4, 0.5]), np.array([2.0, 3.0])
    np.testing.assert_allclose(xg.asarray(mixed).numpy(), np.cos(p * y) - p * y * np.sin(p * y), rtol=1e-12)


def test_perturbations_do_not_mix():
    assert float(xg.grad(lambda x: np.multiply(x, xg.grad(lambda y: np.add(x, y))(1.0)))(1.0)) == 1.0


def test_uncommitted_arrays_follow(device):
    x = leaf(A[0], device)
    made = [
        np.concatenate([xg.zeros((1, 4)), x]),
        np.where(A[0] > 1.0, x, xg.ones(())),
        np.add(xg.ones(4), x),
        np.stack([x[0], [1.0, 2.0, 3.0, 4.0], A[1, 0]]),
        np.linspace(np.zeros(4), x[0], 3),
        np.interp(A[0], [0.0, 1.0, 2.0], np.stack([x[0, 0], x[0, 1], x[0, 2]])),
    ]
    for y in made:
        assert y.device == x.device
        assert y.requires_grad
    assert np.add(xg.ones(2), [1.0, 2.0]).tolist() == [2.0, 3.0]


def test_two_devices_are_an_error():
    with pytest.raises(ValueError, match=r"concat: .*different devices; got cpu and torch:cpu|strict:cpu"):
        np.concatenate([leaf([1.0]), leaf([1.0], "strict")])


def test_full_like_of_an_ndarray_cannot_hold_a_tensor():
    with pytest.raises(TypeError, match=r"copyto: .*ndarray.*detach"):
        np.full_like(np.ones(3), leaf(2.0))
