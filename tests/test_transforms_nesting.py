"""Transforms inside transforms, in any order, and on an outer tape: answers known beforehand."""

import itertools
import math
import threading

import numpy as np
import pytest

import xgrad as xg

A = np.array([0.3, -0.7, 1.1])
V = np.array([0.8, 0.6, -1.4])

# Every way to differentiate a function of one number, as a function of one number.
DERIVATIVES = {
    "grad": lambda f: xg.grad(f),
    "value_and_grad": lambda f: lambda x: xg.value_and_grad(f)(x)[1],
    "vjp": lambda f: lambda x: xg.vjp(f, x)[1](xg.ones_like(xg.asarray(x)))[0],
    "jvp": lambda f: lambda x: xg.jvp(f, (x,), (xg.ones_like(xg.asarray(x)),))[1],
    "linearize": lambda f: lambda x: xg.linearize(f, x)[1](xg.ones_like(xg.asarray(x))),
    "jacobian reverse": lambda f: xg.jacobian(f, mode="reverse"),
    "jacobian forward": lambda f: xg.jacobian(f, mode="forward"),
    "elementwise_grad": lambda f: xg.elementwise_grad(f),
    "grad of checkpoint": lambda f: xg.grad(xg.checkpoint(f)),
    "jvp of checkpoint": lambda f: lambda x: xg.jvp(xg.checkpoint(f), (x,), (xg.ones_like(xg.asarray(x)),))[1],
}
PAIRS = list(itertools.product(DERIVATIVES, repeat=2))
SHORT = {"grad", "jvp", "vjp"}
TRIPLES = [t for t in itertools.product(DERIVATIVES, repeat=3) if "grad of checkpoint" in t or set(t) <= SHORT]


@pytest.mark.parametrize("outer, inner", PAIRS)
def test_second_derivatives(outer, inner):
    f = lambda x: xg.sin(x) * xg.exp(2 * x)
    second = DERIVATIVES[outer](DERIVATIVES[inner](f))(0.4)
    expected = math.exp(0.8) * (3 * math.sin(0.4) + 4 * math.cos(0.4))
    np.testing.assert_allclose(float(second), expected, rtol=1e-12)


@pytest.mark.parametrize("names", TRIPLES)
def test_third_derivatives(names):
    f = lambda x: x**5
    for name in names:
        f = DERIVATIVES[name](f)
    np.testing.assert_allclose(float(f(2.0)), 240.0, rtol=1e-12)


@pytest.mark.parametrize("outer, inner", PAIRS)
def test_no_perturbation_is_confused(outer, inner):
    """d/dx of x * (d/dy of x + y) is 1; d/dx of x * (d/dy of x * y at x) is 2x."""
    d, e = DERIVATIVES[outer], DERIVATIVES[inner]
    assert float(d(lambda x: x * e(lambda y: x + y)(1.0))(1.0)) == 1.0
    assert float(d(lambda x: x * e(lambda y: x * y)(x))(3.0)) == 6.0
    assert float(d(lambda x: e(lambda y: x * x)(1.0) + x)(3.0)) == 1.0
    assert float(d(lambda x: e(lambda y: y * e(lambda z: x * y * z)(y))(x))(2.0)) == 8.0  # d/dx of 2x * x


@pytest.mark.parametrize("name", DERIVATIVES)
def test_inside_an_outer_tape(name, device):
    """The derivative of a leaf's function is recorded, and backward() differentiates it once more."""
    x = xg.Tensor(0.4, device=device)
    y = DERIVATIVES[name](lambda t: xg.sin(t) * x)(x)
    y.backward()
    np.testing.assert_allclose(float(x.grad), math.cos(0.4) - 0.4 * math.sin(0.4), rtol=1e-12)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_tape_inside_no_grad_outside(name):
    with xg.no_grad():
        np.testing.assert_allclose(float(DERIVATIVES[name](xg.sin)(0.4)), math.cos(0.4), rtol=1e-12)


def test_grad_three_times():
    assert float(xg.grad(xg.grad(xg.grad(lambda x: x**4)))(2.0)) == 48.0


def test_a_derivative_by_the_direction():
    """A tangent may itself be differentiated: d/dv of f'(x) v is f'(x)."""
    rate = lambda v: xg.jvp(xg.sin, (A,), (v,))[1].sum()
    np.testing.assert_allclose(xg.grad(rate)(V), np.cos(A))
    np.testing.assert_allclose(xg.jvp(rate, (V,), (A,))[1], np.sum(np.cos(A) * A))
    by_cotangent = lambda ct: xg.vjp(xg.sin, A)[1](ct)[0].sum()
    np.testing.assert_allclose(xg.grad(by_cotangent)(V), np.cos(A))


def test_gradient_penalty():
    """The Hessian of |grad h|^2 with h = sum(x^3): 9 sum x^4 has the Hessian 108 x^2 on its diagonal."""
    penalty = lambda x: (xg.grad(lambda y: (y**3).sum())(x) ** 2).sum()
    np.testing.assert_allclose(xg.grad(penalty)(A), 36 * A**3)
    for mode in ("reverse", "forward"):
        np.testing.assert_allclose(xg.hessian(penalty, mode=mode)(A), np.diag(108 * A**2), atol=1e-12)
    np.testing.assert_allclose(xg.hvp(penalty, (A,), (V,))[0], 108 * A**2 * V)


def test_a_gradient_penalty_trains_a_leaf():
    w = xg.Tensor(A)
    slope = xg.grad(lambda x: (xg.sin(x * w)).sum())(xg.asarray(V))
    (slope**2).sum().backward()
    by_hand = 2 * A * np.cos(A * V) ** 2 - 2 * A**2 * V * np.cos(A * V) * np.sin(A * V)
    np.testing.assert_allclose(w.grad.numpy(), by_hand)


def test_maml_inner_steps():
    """An inner step w' = w - r (w - a) on (w - a)^2 / 2: the outer loss (w' - b)^2 / 2 has slope (1 - r) (w' - b)."""

    def adapted(w, a, steps, r=0.1):
        for _ in range(steps):
            w = w - r * xg.grad(lambda v: ((v - a) ** 2).sum() / 2)(w)
        return w

    a, b = A, V
    for steps in (1, 3):
        outer = lambda w, n=steps: ((adapted(w, a, n) - b) ** 2).sum() / 2
        shrunk = 0.9**steps
        moved = a + shrunk * (A * 2 - a)
        np.testing.assert_allclose(xg.grad(outer)(A * 2), shrunk * (moved - b))
        np.testing.assert_allclose(xg.hessian(outer)(A * 2), shrunk**2 * np.eye(3), atol=1e-12)
        np.testing.assert_allclose(xg.jvp(xg.grad(outer), (A * 2,), (V,))[1], shrunk**2 * V)


def test_the_inner_rate_is_learnt():
    """d/dr of the loss after two inner steps, against a difference of high order."""

    def loss(r):
        w = xg.asarray(A)
        for _ in range(2):
            w = w - r * xg.grad(lambda v: (xg.sin(v) ** 2).sum())(w)
        return (w**2).sum()

    h = 1e-3
    numeric = (8 * (loss(0.1 + h) - loss(0.1 - h)) - (loss(0.1 + 2 * h) - loss(0.1 - 2 * h))) / (12 * h)
    np.testing.assert_allclose(float(xg.grad(loss)(0.1)), float(numeric), rtol=1e-9)


@xg.custom_vjp
def root(a):
    """The solution x of x^3 + x = a, element by element, by Newton's method on plain arrays."""
    x = a.detach().numpy() if isinstance(a, xg.Tensor) else np.asarray(a)
    y = np.zeros_like(x)
    for _ in range(60):
        y = y - (y**3 + y - x) / (3 * y**2 + 1)
    return y


@root.vjp
def root_vjp(x, a):
    return lambda ct: (ct / (3 * x**2 + 1),)


def test_implicit_differentiation():
    """Of x^3 + x = a: x' = 1 / (3 x^2 + 1), x'' = -6 x x'^3, x''' = -6 x'^4 + 108 x^2 x'^5."""
    x = root(np.array(2.0))
    np.testing.assert_allclose(x, 1.0)
    slope = 1 / 4
    assert float(xg.grad(root)(2.0)) == slope
    np.testing.assert_allclose(float(xg.grad(xg.grad(root))(2.0)), -6 * slope**3)
    np.testing.assert_allclose(float(xg.grad(xg.grad(xg.grad(root)))(2.0)), -6 * slope**4 + 108 * slope**5)
    for outer, inner in PAIRS:
        np.testing.assert_allclose(float(DERIVATIVES[outer](DERIVATIVES[inner](root))(2.0)), -6 * slope**3)


def test_implicit_differentiation_of_a_fixed_point():
    """x = tanh(W x + b): the pullback solves (I - D W)^T u = D ct by iteration, and is compared with unrolling."""

    def step(w, b, x):
        return xg.tanh(w @ x + b)

    def iterate(w, b):
        x = b * 0
        for _ in range(200):
            x = step(w, b, x)
        return x

    solve = xg.custom_vjp(iterate)

    @solve.vjp
    def solve_vjp(x, w, b):
        _, through = xg.vjp(lambda x: step(w, b, x), x)

        def pullback(ct):
            u = ct
            for _ in range(200):
                u = ct + through(u)[0]
            return xg.vjp(lambda w, b: step(w, b, x), w, b)[1](u)

        return pullback

    w = 0.3 * np.array([[0.2, -1.0, 0.5], [0.7, 0.1, -0.4], [-0.6, 0.9, 0.3]])
    loss = lambda f: lambda w, b: (f(w, b) * V).sum()
    for ours, unrolled in zip(
        xg.grad(loss(solve), argnums=(0, 1))(w, A), xg.grad(loss(iterate), argnums=(0, 1))(w, A), strict=True
    ):
        np.testing.assert_allclose(ours, unrolled, rtol=1e-10)
    np.testing.assert_allclose(
        xg.hvp(lambda b: loss(solve)(w, b), (A,), (V,))[0],
        xg.hvp(lambda b: loss(iterate)(w, b), (A,), (V,))[0],
        rtol=1e-9,
    )


@pytest.mark.parametrize("watched", [w for w in itertools.product((True, False), repeat=3) if any(w)])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_cotangents_of_which_some_are_watched(watched, order, device, rng):
    """Those of an argument are added up in every order of raw arrays and Tensors."""
    parts = [lambda x: x[:] * 2.0, lambda x: x * x, lambda x: x[...] + 1.0]  # slices add to a cotangent in place
    slopes = [np.full(3, 2.0), 2 * A, np.ones(3)]
    cts = rng.standard_normal((3, 3))
    x = xg.asarray(A, device=device)
    _, pull = xg.vjp(lambda x: [parts[i](x) for i in order], x)

    def total(t):
        given = [t[i] if watched[i] else xg.asarray(cts[i], device=device) for i in order]
        return (pull(given)[0] ** 2).sum()

    slope = sum(c * s for c, s in zip(cts, slopes, strict=True))
    expected = [2 * slope * s if w else np.zeros(3) for s, w in zip(slopes, watched, strict=True)]
    found = xg.grad(total)(xg.asarray(cts, device=device))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_levels_of_two_threads_do_not_mix():
    found = {}

    def work(k):
        for _ in range(50):
            found[k] = float(xg.grad(lambda x: xg.jvp(lambda y: x * y**k, (x,), (1.0,))[1])(2.0))

    threads = [threading.Thread(target=work, args=(k,)) for k in (2, 3, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {k: k * k * 2.0 ** (k - 1) for k in (2, 3, 4)}


def test_an_exception_leaves_no_state_behind():
    def broken(x):
        xg.sin(x)
        raise RuntimeError("stop")

    for transform in (xg.grad, xg.jacobian, lambda f: lambda x: xg.jvp(f, (x,), (x,)), xg.checkpoint):
        with pytest.raises(RuntimeError, match="stop"):
            transform(broken)(A)
    bad = xg.custom_vjp(xg.sin)
    bad.vjp(lambda out, x: lambda ct: 1 / 0)
    with pytest.raises(ZeroDivisionError), np.errstate(all="ignore"):
        xg.jacobian(lambda x: bad(xg.where(x > 0, x, 0.0)))(A)
    assert not xg.reverse.state.masked and xg.reverse.state.blocked == -1 and not xg.reverse.blocks
    np.testing.assert_allclose(xg.grad(lambda x: xg.sin(x).sum())(A), np.cos(A))
