"""The examples of the chapter the project starts from: its inputs, and its results where they are right."""

import tracemalloc
from itertools import product

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

import xgrad as xg
from xgrad.testing import gradcheck

SMALL = [[1, 2, 3], [4, 5, 6]]
GRID = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
LADDER = [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]
STEPS = [[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4]]


@pytest.fixture
def make(device):
    """A leaf on the device under test."""
    return lambda value: xg.Tensor(np.array(value), device=device)


@pytest.fixture
def random(make, rng):
    """A leaf of random float64 numbers."""
    return lambda *shape: make(rng.standard_normal(shape))


def host(value):
    """A Tensor or raw array of any library as a NumPy array."""
    return xg.asarray(value).detach().numpy()


def same(value, expected, dtype=None):
    """Equal elements, equal shape, and the dtype when one is given."""
    found, expected = host(value), np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
    assert dtype is None or found.dtype == dtype


def printed(tensor):
    """What is printed for a Tensor, without blanks and the device."""
    return "".join(repr(tensor).split()).split(",device=")[0].rstrip(")") + ")"


# Arithmetic -----------------------------------------------------------------------------------------------------------


def test_addition(make):
    x, y = make(2 * np.ones((3, 4))), make(3 * np.ones((3, 4)))
    z = x + y
    same(z, np.full((3, 4), 5.0))
    assert printed(z) == "Tensor([[5.,5.,5.,5.],[5.,5.,5.,5.],[5.,5.,5.,5.]])"
    z.backward()
    same(x.backwards_grad, np.ones((3, 4)))
    same(y.backwards_grad, np.ones((3, 4)))


def test_elementwise_multiplication_multiplies(make):
    x, y = make(2 * np.ones((3, 4))), make(3 * np.ones((3, 4)))
    z = x * y
    same(z, np.full((3, 4), 6.0))  # the chapter adds, and prints 5
    z.backward()
    same(x.backwards_grad, host(y))
    same(y.backwards_grad, host(x))


def test_multiplication_of_different_operands(make, rng):
    a, b, ct = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    x, y = make(a), make(b)
    z = x * y
    z.backward(xg.asarray(ct))
    same(z, a * b)
    same(x.grad, ct * b)
    same(y.grad, ct * a)


def test_division_has_both_derivatives(make, rng):
    a, b, ct = rng.standard_normal((3, 4)), rng.uniform(1.0, 2.0, (3, 4)), rng.standard_normal((3, 4))
    x, y = make(a), make(b)
    z = x / y
    z.backward(xg.asarray(ct))
    same(z, a / b)
    np.testing.assert_allclose(host(x.grad), ct / b, rtol=1e-14)
    np.testing.assert_allclose(host(y.grad), -ct * a / b**2, rtol=1e-13)
    gradcheck(lambda u, v: u / v, a, b, order=2)


def test_power(make, rng):
    a, b, ct = rng.uniform(0.5, 2.0, (3, 4)), rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    x, y = make(a), make(b)
    z = x**y
    z.backward(xg.asarray(ct))
    np.testing.assert_allclose(host(x.grad), ct * b * a ** (b - 1), rtol=1e-12)
    np.testing.assert_allclose(host(y.grad), ct * a**b * np.log(a), rtol=1e-12)


@pytest.mark.parametrize("exponent", [0, 0.0])
def test_zeroth_power_at_zero_has_derivative_zero(make, exponent):
    x = make([0.0, -2.0, 3.0])
    (x**exponent).backward()
    same(x.grad, np.zeros(3))


def test_zeroth_power_at_zero_with_an_array_as_exponent(make):
    x, n = make([0.0, 1.5, 3.0]), make([0.0, 0.0, 2.0])
    (x**n).backward()
    same(x.grad, [0.0, 0.0, 6.0])


def test_matrix_multiplication(make):
    x = make([[1, 1, 1], [2, 2, 2]])
    y = make([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
    z = x @ y
    same(z, [[15, 18, 21, 24], [30, 36, 42, 48]])
    assert printed(z) == "Tensor([[15,18,21,24],[30,36,42,48]])"
    z.backward()
    same(z.backwards_grad, np.ones((2, 4)))
    same(x.backwards_grad, host(z.backwards_grad) @ host(y).T)
    same(y.backwards_grad, host(x).T @ host(z.backwards_grad))


def test_batched_matrix_multiplication(make, rng):
    a, b = rng.standard_normal((5, 2, 3)), rng.standard_normal((5, 3, 4))
    ct = rng.standard_normal((5, 2, 4))
    x, y = make(a), make(b)
    z = x @ y
    z.backward(xg.asarray(ct))
    np.testing.assert_allclose(host(z), a @ b, rtol=1e-13)
    np.testing.assert_allclose(host(x.grad), ct @ b.swapaxes(1, 2), rtol=1e-12)
    np.testing.assert_allclose(host(y.grad), a.swapaxes(1, 2) @ ct, rtol=1e-12)


@pytest.mark.parametrize(("left", "right"), [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((6, 1, 2, 3), (5, 3, 4))])
def test_matrix_multiplication_of_every_rank(rng, left, right):
    gradcheck(lambda x, y: x @ y, rng.standard_normal(left), rng.standard_normal(right), order=2)


# Transposition and reshaping ------------------------------------------------------------------------------------------


def test_transposition(make):
    x = make(SMALL)
    y = x.T
    same(y, [[1, 4], [2, 5], [3, 6]])
    assert printed(y) == "Tensor([[1,4],[2,5],[3,6]])"
    y.backward()
    same(x.backwards_grad, np.ones((2, 3)))


def test_transposed_cotangent(make, rng):
    x, ct = make(SMALL), rng.standard_normal((3, 2))
    x.T.backward(xg.asarray(ct))
    same(x.grad, ct.T)


def test_ravel_and_linear_indices(make):
    x = make(GRID)
    flat = x.ravel()
    same(flat, np.arange(12))
    n, m = x.shape
    assert (n, m) == (3, 4)
    for i, j in product(range(n), range(m)):
        assert x[i, j].item() == flat[i * m + j].item()
    for i in range(n * m):
        assert flat[i].item() == x[i // m, i % m].item()
    assert x[0, 0].item() == 0


def test_reshaping(make):
    x = make([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
    y = x.reshape(6, 2)
    same(y, [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]])
    assert printed(y) == "Tensor([[1,2],[3,4],[5,6],[7,8],[9,10],[11,12]])"
    y.backward()
    same(y.backwards_grad, np.ones((6, 2)))
    same(x.backwards_grad, np.ones((3, 4)))


def test_reshaped_cotangent(make, rng):
    x, ct = make(GRID), rng.standard_normal((6, 2))
    x.reshape((6, 2)).backward(xg.asarray(ct))
    same(x.grad, ct.reshape(3, 4))


def test_reshaping_to_another_size_is_an_error(make):
    with pytest.raises(ValueError, match=r"reshape: .*\(5, 2\).*\(3, 4\)"):
        make(GRID).reshape(5, 2)


# Broadcasting ---------------------------------------------------------------------------------------------------------


def test_column_added_to_a_matrix(make):
    x, y = make([[1, 1, 1], [2, 2, 2]]), make([[1], [2]])
    z = x + y
    same(z, [[2, 2, 2], [4, 4, 4]])
    z.backward()
    same(y.backwards_grad, [[3], [3]])  # the chapter first prints a gradient of the shape of z
    same(x.backwards_grad, np.ones((2, 3)))


def test_row_added_to_a_matrix(make):
    x, y = make(STEPS), make([0, 1, 2])
    z = x + y
    same(z, [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]])
    z.backward()
    same(y.grad, [5, 5, 5])
    same(y.broadcast_to(x.shape), [[0, 1, 2]] * 5)


def test_row_and_column_examples(make):
    x, z = make(STEPS), make([0, 1, 2, 3, 4]).reshape(-1, 1)
    same(z, [[0], [1], [2], [3], [4]])
    same(x + z, [[0, 0, 0], [2, 2, 2], [4, 4, 4], [6, 6, 6], [8, 8, 8]])
    same(z.broadcast_to(x.shape), STEPS)
    with pytest.raises(ValueError, match="add"):
        x + make([0, 1, 2, 3, 4])


def test_column_plus_row(make):
    a, b = make(np.arange(3).reshape(3, 1)), make(np.arange(4).reshape(1, 4))
    c = a + b
    same(c, LADDER)
    assert printed(c) == "Tensor([[0,1,2,3],[1,2,3,4],[2,3,4,5]])"
    c.backward()
    same(a.backwards_grad, [[4], [4], [4]])  # the chapter prints it right only once it broadcasts by itself
    same(b.backwards_grad, [[3, 3, 3, 3]])


def test_broadcast_to(make):
    a, b = make(np.arange(3).reshape(3, 1)), make(np.arange(4).reshape(1, 4))
    x, y = a.broadcast_to((3, 4)), b.broadcast_to((3, 4))
    same(x, [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2]])
    same(y, [[0, 1, 2, 3]] * 3)
    x.backward()
    y.backward()
    for t, expected in [(x, np.ones((3, 4))), (y, np.ones((3, 4))), (a, [[4]] * 3), (b, [[3, 3, 3, 3]])]:
        same(t.backwards_grad, expected)


def test_broadcast_by_hand_equals_automatic(make):
    a, b = make(np.arange(3).reshape(3, 1)), make(np.arange(4).reshape(1, 4))
    by_hand = a.broadcast_to((3, 4)) + b.broadcast_to((3, 4))
    assert (by_hand == a + b).all()
    by_hand.backward()
    same(a.backwards_grad, [[4], [4], [4]])
    same(b.backwards_grad, [[3, 3, 3, 3]])


def test_common_shape_of_padded_shapes(make):
    x, y = make(np.ones((3, 4))), make(np.ones((2, 1, 4)))
    assert xg.broadcast_shapes((3, 4), (2, 1, 4)) == (2, 3, 4)
    first, second = xg.broadcast_arrays(x, y)
    same(first, np.ones((2, 3, 4)))
    assert second.shape == (2, 3, 4)


OPERATIONS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("left", "right"), [((5, 3), (3,)), ((3, 4), (2, 1, 4)), ((4, 1), (1, 3)), ((), (2, 3))])
def test_shapes_are_padded_before_they_are_compared(rng, name, left, right):
    a, b = rng.uniform(0.5, 2.0, left), rng.uniform(0.5, 2.0, right)
    f = OPERATIONS[name]
    same(f(xg.Tensor(a), xg.Tensor(b)), f(a, b))
    gradcheck(f, a, b)


@pytest.mark.parametrize(("left", "right"), [((3, 4), (3,)), ((2, 3), (3, 2)), ((2, 3, 4), (2, 4))])
def test_shapes_that_do_not_fit_raise(make, left, right):
    with pytest.raises(ValueError):  # the chapter returns the exception, or finds a wrong common shape
        make(np.ones(left)) + make(np.ones(right))


# Reductions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 30),
        ({"axis": 0}, [3, 6, 9, 12]),
        ({"axis": 1}, [6, 10, 14]),
        ({"axis": 1, "keepdims": True}, [[6], [10], [14]]),
        ({"axis": 0, "keepdims": True}, [[3, 6, 9, 12]]),
    ],
)
def test_sum(make, arguments, expected):
    x = make(LADDER)
    s = x.sum(**arguments)
    same(s, expected)
    s.backward()
    same(x.backwards_grad, np.ones((3, 4)))


def test_mean(make):
    x = make(LADDER)
    m = x.mean() if x.dtype.kind == "f" else x.astype(float).mean()
    same(m, 2.5)
    m.backward()
    np.testing.assert_allclose(host(x.grad), np.full((3, 4), 1 / 12), rtol=1e-15)


def test_sum_of_the_middle_axis_must_be_kept_to_broadcast(random, rng):
    x = random(3, 4, 5)
    s = x.sum(axis=1)
    assert s.shape == (3, 5)
    with pytest.raises(ValueError, match="broadcast"):
        s.broadcast_to((3, 4, 5))
    kept = x.sum(axis=1, keepdims=True)
    assert kept.shape == (3, 1, 5)
    assert kept.broadcast_to((3, 4, 5)).shape == (3, 4, 5)
    ct = rng.standard_normal((3, 5))
    s.backward(xg.asarray(ct))
    same(x.grad, np.broadcast_to(ct[:, None], (3, 4, 5)))


def test_sum_over_many_axes_keeps_the_others(make):
    x = make(np.ones((3, 4, 5, 6, 7, 8, 9), dtype=np.float32))
    assert x.sum(axis=(1, 3, 4, 6), keepdims=True).shape == (3, 1, 5, 1, 1, 8, 1)


@pytest.mark.parametrize("shape", [(3, 3), (3, 3, 3), (3, 4, 3)])
def test_axes_are_matched_by_position_not_by_size(make, rng, shape):
    for axis in range(len(shape)):
        x = make(rng.standard_normal(shape))
        s = x.sum(axis=axis)
        ct = rng.standard_normal(s.shape)
        s.backward(xg.asarray(ct))
        same(x.grad, np.broadcast_to(np.expand_dims(ct, axis), shape))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0), (2, 0, 3)])
def test_sizes_of_zero(make, shape):
    x, y = make(np.ones(shape)), make(np.ones((1,) * len(shape)))
    ((x * y).sum() + x.T.reshape(-1).sum() + (x + 1.0).sum(axis=0).sum()).backward()
    same(x.grad, np.ones(shape))
    same(y.grad, np.zeros((1,) * len(shape)))


def test_matrix_multiplication_with_size_zero(make):
    x, y = make(np.ones((2, 0))), make(np.ones((0, 3)))
    z = x @ y
    same(z, np.zeros((2, 3)))
    z.backward()
    assert x.grad.shape == (2, 0)
    assert y.grad.shape == (0, 3)


# Mistakes of the chapter's Tensor ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_have_the_dtype_of_their_leaf(device, name, dtype):
    x, y = (xg.Tensor(np.full((2, 3), v, dtype=dtype), device=device) for v in (1.5, 2.5))
    z = OPERATIONS[name](2 * x, y) + np.float64(0.5)
    z.backward()
    assert z.dtype == x.grad.dtype == y.grad.dtype == dtype
    assert host(x.backwards_grad).dtype == host(y.backwards_grad).dtype == dtype


def test_float32_stays_float32(device):
    x = xg.Tensor(np.ones((2, 3), dtype=np.float32), device=device)
    y = (2.0 * x + 1) ** 2 / 3 - np.float64(1.0)
    z = y.mean(axis=0).T.sum()
    assert z.dtype == y.dtype == np.float32
    z.backward()
    assert x.grad.dtype == np.float32


def test_integer_leaves_get_float64_gradients(make):
    x = make(SMALL)
    (x * x).backward()
    same(x.backwards_grad, 2 * np.array(SMALL), dtype=np.float64)


def test_indexing_stays_in_the_graph(make, rng):
    a = rng.standard_normal((3, 4))
    x = make(a)
    (x[0] * x[2, 1:3].sum() + x[:, -1].sum()).backward()
    expected = np.zeros((3, 4))
    expected[0] = a[2, 1:3].sum()
    expected[2, 1:3] += a[0].sum()
    expected[:, -1] += 4
    np.testing.assert_allclose(host(x.grad), expected, rtol=1e-13)


def test_numpy_functions_stay_in_the_graph(make, rng):
    a = rng.standard_normal((3, 4))
    x = make(a)
    y = np.sin(x) * 2.0
    assert isinstance(y, xg.Tensor)
    y.backward()
    np.testing.assert_allclose(host(x.grad), 2 * np.cos(a), rtol=1e-14)


def test_two_thousand_additions(make):
    x = make([1.0, 2.0])
    y = x
    for _ in range(2000):
        y = y + x
    same(y, [2001.0, 4002.0])
    y.backward()
    same(x.grad, [2001.0, 2001.0])


def test_no_gradient_is_held_before_the_pass():
    array = np.ones(1_000_000)
    tracemalloc.start()
    x = xg.Tensor(array)
    leaf, _ = tracemalloc.get_traced_memory()
    y = x + 1.0
    both, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert leaf < 1.1 * array.nbytes
    assert both < 2.1 * array.nbytes
    assert x.grad is None
    assert y.grad is None
    assert not x.backwards_grad.any()


def test_zero_grad_and_accumulation(make):
    x = make([1.0, 2.0])
    (3 * x).backward()
    (5 * x).backward()
    same(x.backwards_grad, [5.0, 5.0])
    (7 * x).backward(zero_grad=False)
    same(x.backwards_grad, [12.0, 12.0])


def test_gradient_update(make, rng):
    a, ct = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    x = make(a)
    (x * xg.asarray(ct)).backward()
    x.gradient_update(0.1)
    np.testing.assert_allclose(host(x.value), a - 0.1 * ct, rtol=1e-15)
    (x * x).backward()
    np.testing.assert_allclose(host(x.grad), 2 * (a - 0.1 * ct), rtol=1e-14)


def test_prevs(make):
    x, y = make([1.0]), make([2.0])
    assert len((x * y).prevs) == 2
    assert len(x.T.prevs) == 1
    assert len(x.prevs) == 0


# Training and finite differences --------------------------------------------------------------------------------------


def test_finite_differences(random):
    def f(x):
        return xg.tanh(3 * x - 2)

    x, h = random(3, 4), 1e-6
    f(x).backward()
    difference = (f(x + h) - f(x - h)) / (2 * h)
    np.testing.assert_allclose(host(x.backwards_grad), host(difference), atol=1e-8)
    gradcheck(f, host(x), order=2)


def test_finite_differences_catch_a_wrong_gradient(rng):
    def cut(x):
        return 3 * x + xg.Tensor(x.detach(), requires_grad=False)

    with pytest.raises(AssertionError):
        gradcheck(cut, rng.standard_normal((3, 4)))


def test_gradients_of_multivariate_linear_regression(make, rng):
    data, truth, start = rng.standard_normal((6, 3)), rng.standard_normal((6, 2)), rng.standard_normal((3, 2))
    x, y, a = make(data), make(truth), make(start)
    loss = ((y - x @ a) ** 2).sum() / 6
    loss.backward()
    residual = truth - data @ start
    np.testing.assert_allclose(host(loss), np.sum(residual**2) / 6, rtol=1e-13)
    np.testing.assert_allclose(host(a.grad), -2 / 6 * data.T @ residual, rtol=1e-12)
    np.testing.assert_allclose(host(x.grad), -2 / 6 * residual @ start.T, rtol=1e-12)
    np.testing.assert_allclose(host(y.grad), 2 / 6 * residual, rtol=1e-12)


def test_linear_regression_on_diabetes_reaches_the_closed_form():
    data, target = load_diabetes(return_X_y=True)
    # Two truths, so that the parameters are a matrix: progression, and the logarithm of it; both standardised.
    truth = np.stack([target, np.log(target)], axis=1)
    truth = (truth - truth.mean(axis=0)) / truth.std(axis=0)
    closed, *_ = np.linalg.lstsq(data, truth, rcond=None)
    n = len(data)
    x, y = xg.asarray(data), xg.asarray(truth)
    a = xg.Tensor(np.zeros((data.shape[1], 2)))
    rate = n / (2 * np.linalg.norm(data, 2) ** 2)
    for _ in range(6000):
        loss = ((y - x @ a) ** 2).sum() / n
        loss.backward()
        a.gradient_update(rate)
    np.testing.assert_allclose(a.value, closed, rtol=1e-3)
    a = xg.Tensor(closed)
    (((y - x @ a) ** 2).sum() / n).backward()
    np.testing.assert_allclose(a.grad.value, 0, atol=1e-12)
