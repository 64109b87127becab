"""Derivatives where a cotangent is exactly zero, memory of results, and other finds of a reading by a stranger."""

import threading

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import GradcheckError, gradcheck


def second(f, x):
    return float(xg.grad(xg.grad(f))(x))


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: (xg.sqrt(x) - 2) ** 2, 4.0, 0.125),
        (lambda x: (xg.nn.relu(x * x) - 4) ** 2, 2.0, 32.0),
        (lambda x: (xg.exp(xg.reshape(x, (1,)))[0] - 1) ** 2, 0.0, 2.0),
        (lambda x: (xg.maximum(xg.tanh(x), -1.0)) ** 2, 0.0, 2.0),
        (lambda x: (xg.clip(x / 3, -1.0, 1.0)) ** 2, 0.0, 2 / 9),
    ],
)
def test_second_derivative_at_a_perfect_fit(f, x, expected, device):
    assert second(f, xg.asarray(x, device=device)) == pytest.approx(expected, rel=1e-12)


def test_hessian_vector_product_at_zero_residual(rng):
    x, w = rng.standard_normal((5, 3)), rng.standard_normal(3)
    y = np.tanh(x @ w)[1:]

    def loss(w):
        return xg.sum((xg.tanh(x @ w)[1:] - y) ** 2)

    v = rng.standard_normal(3)
    product = xg.grad(lambda w: xg.sum(xg.grad(loss)(w) * v))(w)
    jacobian = (x * (1 - np.tanh(x @ w) ** 2)[:, None])[1:]
    np.testing.assert_allclose(product, 2 * jacobian.T @ (jacobian @ v), rtol=1e-10)


@pytest.mark.parametrize("kind", ["var", "std"])
@pytest.mark.parametrize("place", ["cpu", "torch:cpu"])
def test_spread_of_complex_numbers(kind, place, rng):
    if place == "torch:cpu":
        pytest.importorskip("torch")
    z = xg.asarray(rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4)), device=place)
    gradcheck(lambda x: getattr(xg, kind)(x, axis=0), z)


def test_gradients_share_no_memory():
    a, b = np.ones(3), np.full(3, 2.0)
    ga, gb = xg.grad(lambda a, b: ((a + b) * np.arange(3.0)).sum(), (0, 1))(a, b)
    ga *= 2
    np.testing.assert_array_equal(gb, np.arange(3.0))
    g = xg.grad(lambda x: x.sum())(np.ones(3))
    g *= 2
    np.testing.assert_array_equal(g, 2 * np.ones(3))
    ct = np.ones(3)
    _, pullback = xg.vjp(lambda x: x + 1, np.ones(3))
    pullback(ct)[0][:] = 7
    np.testing.assert_array_equal(ct, np.ones(3))
    x, z = xg.Tensor(np.ones(3)), xg.Tensor(np.ones((3, 1)))
    (x.reshape(3, 1) + z).backward()
    x.grad.value[:] = 5
    np.testing.assert_array_equal(z.grad.value, np.ones((3, 1)))


def test_condition_that_is_no_boolean():
    assert float(xg.where(xg.asarray([1 << 40]), xg.asarray([1.1]), 0)[0]) == 1.1
    assert float(xg.where(xg.asarray([0.5]), xg.asarray([1.1]), 0)[0]) == 1.1


def test_a_view_of_a_parameter_outlives_an_update(device):
    w = xg.Tensor(np.arange(6.0).reshape(2, 3), device=device)
    transposed = w.T
    with xg.no_grad():
        w -= 0.5
    np.testing.assert_array_equal(transposed.detach().numpy(), (np.arange(6.0).reshape(2, 3) - 0.5).T)
    transposed.sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), np.ones((2, 3)))


def test_one_no_grad_serves_many_threads():
    block, inside, leave, seen = xg.no_grad(), threading.Event(), threading.Event(), []

    def other():
        with block:
            inside.set()
            leave.wait()
        seen.append((xg.Tensor([1.0]) * 2).requires_grad)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    with block:
        leave.set()
        thread.join()
        assert not (xg.Tensor([1.0]) * 2).requires_grad
    assert seen == [True] and (xg.Tensor([1.0]) * 2).requires_grad


def test_numpy_methods_mean_what_numpy_means(rng):
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 4, 5))
    x = xg.Tensor(a)
    np.testing.assert_allclose(x.dot(b).detach().numpy(), a.dot(b))
    np.testing.assert_allclose(x.dot(3.0).detach().numpy(), a * 3)
    y = xg.Tensor(a) * 1
    flat = y.flatten()
    flat += 1
    np.testing.assert_array_equal(y.detach().numpy(), a)


def test_repeats_of_every_length():
    x = xg.asarray([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(xg.repeat(x, np.array([2])).numpy(), np.repeat(x.numpy(), 2))
    np.testing.assert_array_equal(xg.repeat(x, [1, 0, 2]).numpy(), [1.0, 3.0, 3.0])
    with pytest.raises(ValueError, match="repeat: repeats"):
        xg.repeat(x, np.array([1, 2]))


def test_infinite_cotangent_of_a_maximum():
    x = xg.Tensor([-1.0, 0.0, -2.0])
    with np.errstate(divide="ignore"):  # the derivative of sqrt at 0 is infinite
        xg.sqrt(xg.max(x)).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, np.inf, 0.0])


def test_a_number_that_an_integer_cannot_hold_has_no_gradient():
    z, v = xg.zeros(3, dtype=xg.int64), xg.Tensor(2.5)
    z[0] = v
    assert int(z[0]) == 2 and not z.requires_grad


def test_what_was_written_into_an_uncommitted_array_commits_it():
    z = xg.zeros(3)
    z[0] = xg.ones((), device="strict")
    with pytest.raises(ValueError, match="different devices"):
        z + xg.Tensor([1.0, 2.0, 3.0], device="cpu")


def test_retained_gradients_are_those_of_the_last_pass():
    x = xg.Tensor([2.0])
    y = (x * 3).retain_grad()
    (y * y).backward(retain_graph=True)
    (y * 100).backward()
    assert y.grad.tolist() == [100.0]


def test_cotangents_take_the_dtype_of_their_result():
    x = np.ones(3, np.float32)
    (ct,) = xg.vjp(lambda x: x * 1, x)[1](np.ones(3))
    assert ct.dtype == np.float32


def test_product_without_columns():
    x = xg.Tensor(np.ones((2, 3, 4)))
    (x @ xg.Tensor(np.ones((4, 0)))).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((2, 3, 4)))


def test_gradcheck_with_nothing_to_check():
    with pytest.raises(TypeError, match="nothing to check"):
        gradcheck(lambda x: x * 2, 3)
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: xg.floor(x) + x.detach(), 0.5)


def test_an_argument_given_twice():
    with pytest.raises(TypeError, match=r"sum: axis is given by place and by name"):
        xg.sum(xg.asarray([[1.0]]), 0, axis=1)


def test_a_write_through_thousands_of_nested_views():
    x = xg.Tensor(np.zeros(3)) * 1
    y = x
    for _ in range(3000):
        y = y[:]
    y += 1
    np.testing.assert_array_equal(x.detach().numpy(), np.ones(3))


def test_searching_with_a_sorter(device):
    values, order = xg.asarray([3.0, 1.0, 2.0], device=device), xg.asarray([1, 2, 0], device=device)
    found = xg.searchsorted(values, xg.asarray([1.5, 2.5], device=device), sorter=order)
    assert found.tolist() == [1, 2]


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_angle_of_any_scale(scale):
    dy, dx = xg.grad(xg.atan2, (0, 1))(np.array(scale), np.array(scale))
    assert float(dy) == pytest.approx(0.5 / scale) and float(dx) == pytest.approx(-0.5 / scale)
