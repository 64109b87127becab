"""The engine: levels, tapes, release, cycles, threads, devices, and derivatives at awkward points."""

import contextlib
import dataclasses
import gc
import threading
import tracemalloc
import weakref
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xgrad as xg
from xgrad.core import primitive
from xgrad.registry import composites
from xgrad.testing import gradcheck


def host(value):
    """A Tensor or raw array of any library as a NumPy array."""
    return xg.asarray(value).detach().numpy()


def close(value, expected, rtol=1e-10):
    found, expected = host(value), np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-12)


def leaf(value, device="cpu", dtype=None):
    return xg.Tensor(np.asarray(value, dtype=dtype), device=device)


@contextlib.contextmanager
def quiet():
    """Without the warnings of a forward pass that is meant to hit a singular point."""
    with np.errstate(all="ignore"):
        yield


# Levels ---------------------------------------------------------------------------------------------------------------

# Functions of x and of ``at``, which makes a constant on the device of x.
CONFUSIONS = {
    "sum": (lambda x, at: x * xg.grad(lambda y: x + y)(at(1.0)), 1.0, 1.0),
    "product": (lambda x, at: x * xg.grad(lambda y: x * y)(at(2.0)), 3.0, 6.0),
    "same point": (lambda x, at: xg.grad(lambda y: y * y * x)(x), 3.0, 12.0),
    "constant of the outer": (lambda x, at: xg.grad(lambda y: x**3)(x), 2.0, 0.0),
    "inner unused": (lambda x, at: x**2 + xg.grad(lambda y: 5.0 * y)(at(7.0)), 3.0, 6.0),
    "inner of outer result": (lambda x, at: xg.grad(lambda y: y**3 * x)(x**2), 1.5, 5 * 3 * 1.5**4),
    "two deep": (lambda x, at: x * xg.grad(lambda y: y * xg.grad(lambda z: x * y * z)(at(1.0)))(at(2.0)), 3.0, 24.0),
    "jvp inside": (lambda x, at: x * xg.jvp(lambda y: x + y, (at(1.0),), (at(1.0),))[1], 1.0, 1.0),
    "vjp inside": (lambda x, at: x * xg.vjp(lambda y: x * y, at(2.0))[1](at(1.0))[0], 3.0, 6.0),
}


def constants(device):
    return lambda value: xg.asarray(value, device=device)


@pytest.mark.parametrize("name", CONFUSIONS)
def test_levels_do_not_mix(device, name):
    f, point, expected = CONFUSIONS[name]
    close(xg.grad(lambda x: f(x, constants(device)))(leaf(point, device)), expected)


@pytest.mark.parametrize("name", CONFUSIONS)
def test_levels_do_not_mix_on_the_tape(device, name):
    f, point, expected = CONFUSIONS[name]
    x = leaf(point, device)
    y = f(x, constants(device))
    if y.requires_grad:
        y.backward()
        close(x.grad, expected)
    else:
        assert expected == 0


@pytest.mark.parametrize("name", CONFUSIONS)
def test_levels_do_not_mix_forward(device, name):
    f, point, expected = CONFUSIONS[name]
    x = leaf(point, device)
    _, rate = xg.jvp(lambda x: f(x, constants(device)), (x,), (xg.ones_like(x),))
    close(rate, expected)


@pytest.mark.parametrize("name", CONFUSIONS)
def test_levels_do_not_mix_with_numbers(name):
    f, point, expected = CONFUSIONS[name]
    close(xg.grad(lambda x: f(x, float))(point), expected)


def test_transform_of_a_number_keeps_the_tape():
    x = leaf(3.0)
    slope = xg.grad(lambda y: x * y)(2.0)
    value, pullback = xg.vjp(lambda y: x * y, 2.0)
    _, rate = xg.jvp(lambda y: x * y, (2.0,), (1.0,))
    for result in (slope, value, pullback(1.0)[0], rate):  # each depends on x: a raw array would lose it
        assert isinstance(result, xg.Tensor)
        assert result.requires_grad


@pytest.mark.parametrize(
    ("f", "third"),
    [
        (lambda x: x**5, lambda x: 60 * x**2),
        (xg.sin, lambda x: -np.cos(x)),
        (xg.exp, np.exp),
        (lambda x: 1 / x, lambda x: -6 / x**4),
        (lambda x: xg.tanh(x), lambda x: -2 * (1 - 3 * np.tanh(x) ** 2) * (1 - np.tanh(x) ** 2)),
        (lambda x: xg.reshape(xg.stack([x, x * x]), (2,)).prod(), lambda x: 6.0),
    ],
)
def test_grad_of_grad_of_grad(device, f, third):
    x = leaf(0.7, device)
    close(xg.grad(xg.grad(xg.grad(f)))(x), third(0.7))


def test_five_derivatives_of_a_raw_number():
    f = xg.sin
    for _ in range(5):
        f = xg.grad(f)
    found = f(0.4)
    assert isinstance(found, np.ndarray)
    close(found, np.cos(0.4))


def test_gradient_on_the_tape_is_differentiated_by_backward(device, rng):
    a = rng.standard_normal((2, 3))
    x = leaf(a, device)
    slope = xg.grad(lambda t: (t**3).sum())(x)
    close(slope, 3 * a**2)
    assert slope.requires_grad
    (slope * x).sum().backward()
    close(x.grad, 9 * a**2)


def test_gradient_penalty_reaches_the_parameters(device, rng):
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    x, w = xg.asarray(a, device=device), leaf(b, device)

    def norm_of_slope(w):
        return (xg.grad(lambda x: xg.tanh(x @ w).sum())(x) ** 2).sum()

    norm_of_slope(w).backward()
    close(w.grad, xg.grad(norm_of_slope)(xg.asarray(b, device=device)))
    gradcheck(norm_of_slope, xg.asarray(b, device=device), order=1)


def test_tape_and_transform_of_different_variables(device, rng):
    a, b = rng.standard_normal(3), rng.standard_normal(3)
    x, w = leaf(a, device), leaf(b, device)
    slope = xg.grad(lambda t: (t * t * w).sum())(x.detach())
    slope.sum().backward()
    close(slope, 2 * a * b)
    close(w.grad, 2 * a)
    assert x.grad is None


def test_backward_inside_a_transform_of_something_else(rng):
    a = rng.standard_normal(3)

    def f(t):
        w = xg.Tensor([1.0, 2.0])
        (w * w).sum().backward()
        return (t * t).sum() * w.grad.detach().sum()

    close(xg.grad(f)(a), 2 * a * 6.0)


def test_jvp_of_grad_is_a_hessian_vector_product(device, rng):
    a, v, m = rng.standard_normal(3), rng.standard_normal(3), rng.standard_normal((3, 3))
    mm = xg.asarray(m, device=device)

    def f(x):
        return x @ mm @ x + (x**4).sum()

    slope, product = xg.jvp(xg.grad(f), (leaf(a, device).detach(),), (xg.asarray(v, device=device),))
    close(slope, (m + m.T) @ a + 4 * a**3)
    close(product, (m + m.T) @ v + 12 * a**2 * v)


def test_grad_of_jvp(device, rng):
    a, v = rng.standard_normal(3), rng.standard_normal(3)
    vv = xg.asarray(v, device=device)
    f = xg.grad(lambda x: xg.jvp(lambda y: (y**3).sum(), (x,), (vv,))[1])
    close(f(xg.asarray(a, device=device)), 6 * a * v)


def test_jvp_of_vjp_and_vjp_of_jvp(rng):
    a, ct, v = (rng.standard_normal((2, 3)) for _ in range(3))
    pulled = xg.jvp(lambda x: xg.vjp(xg.sin, x)[1](ct)[0], (a,), (v,))[1]
    close(pulled, -np.sin(a) * ct * v)
    pushed = xg.vjp(lambda x: xg.jvp(xg.sin, (x,), (v,))[1], a)[1](ct)[0]
    close(pushed, -np.sin(a) * ct * v)


# Transforms -----------------------------------------------------------------------------------------------------------

Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class Model:
    weight: object
    bias: object


@pytest.mark.parametrize(
    ("tree", "first", "second"),
    [
        (lambda a, b: {"w": a, "b": b}, lambda t: t["w"], lambda t: t["b"]),
        (lambda a, b: [a, (b, None)], lambda t: t[0], lambda t: t[1][0]),
        (lambda a, b: Pair(a, {"x": b}), lambda t: t.left, lambda t: t.right["x"]),
        (lambda a, b: Model([a], b), lambda t: t.weight[0], lambda t: t.bias),
    ],
)
def test_trees(device, rng, tree, first, second):
    a, b, ct = rng.standard_normal((2, 3)), rng.standard_normal(3), rng.standard_normal((2, 3))
    args = tree(xg.asarray(a, device=device), xg.asarray(b, device=device))

    def f(t):
        return {"product": first(t) * second(t), "total": (first(t) ** 2).sum()}

    value, pullback = xg.vjp(f, args)
    close(value["product"], a * b)
    (found,) = pullback({"product": xg.asarray(ct, device=device), "total": xg.asarray(3.0, device=device)})
    assert type(found) is type(args)
    close(first(found), ct * b + 6 * a)
    close(second(found), (ct * a).sum(axis=0))
    slope = xg.grad(lambda t: f(t)["total"])(args)
    close(first(slope), 2 * a)
    close(second(slope), np.zeros(3))


def test_pullback_may_be_called_again(rng):
    a, b = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    _, pullback = xg.vjp(lambda x, y: x * y, a, b)
    for _ in range(3):
        ct = rng.standard_normal((2, 3))
        left, right = pullback(ct)
        close(left, ct * b)
        close(right, ct * a)


def test_pullback_of_the_identity_and_of_a_constant(rng):
    a, ct = rng.standard_normal(3), rng.standard_normal(3)
    close(xg.vjp(lambda x: x, a)[1](ct)[0], ct)
    close(xg.vjp(lambda x: np.ones(3), a)[1](ct)[0], np.zeros(3))
    close(xg.vjp(lambda x: (x, x * 2, x), a)[1]((ct, ct, ct))[0], 4 * ct)


@pytest.mark.parametrize(("argnums", "chosen"), [(0, 0), (1, 1), (-1, 2), (-3, 0)])
def test_argnums(rng, argnums, chosen):
    args = [rng.standard_normal(3) for _ in range(3)]
    slopes = [args[1] * np.exp(args[2]), args[0] * np.exp(args[2]), args[0] * args[1] * np.exp(args[2])]
    found = xg.grad(lambda x, y, z: (x * y * xg.exp(z)).sum(), argnums=argnums)(*args)
    close(found, slopes[chosen])


def test_several_argnums_in_their_order(rng):
    a, b = rng.standard_normal(3), rng.standard_normal(3)
    found = xg.grad(lambda x, y: (x * y * y).sum(), argnums=(1, 0))(a, b)
    assert isinstance(found, tuple)
    close(found[0], 2 * a * b)
    close(found[1], b * b)


def test_keywords_and_other_arguments_pass_through(rng):
    a = rng.standard_normal(3)

    def f(x, mode, *, scale):
        assert mode == "sum"
        return scale * (x * x).sum()

    close(xg.grad(f)(a, "sum", scale=3.0), 6 * a)


def test_has_aux(rng):
    a = rng.standard_normal(3)

    def f(x):
        return (x**2).sum(), {"double": 2 * x, "name": "f", "list": [x.sum(), None]}

    slope, aux = xg.grad(f, has_aux=True)(a)
    close(slope, 2 * a)
    close(aux["double"], 2 * a)
    assert aux["name"] == "f"
    (value, more), again = xg.value_and_grad(f, has_aux=True)(a)
    close(value, (a**2).sum())
    close(again, 2 * a)
    close(more["list"][0], a.sum())
    result, pullback, third = xg.vjp(f, a, has_aux=True)
    close(pullback(2.0)[0], 4 * a)
    close(result, (a**2).sum())
    close(third["double"], 2 * a)


def test_aux_of_a_transform_is_not_tracked_by_it(rng):
    a = rng.standard_normal(3)
    _, aux = xg.grad(lambda x: (x.sum(), x * 2), has_aux=True)(xg.asarray(a))
    assert not aux.requires_grad
    assert float(aux[0]) == 2 * a[0]
    x = leaf(a)
    _, aux = xg.grad(lambda t: (t.sum(), t * 3), has_aux=True)(x)
    aux.sum().backward()  # still on the tape
    close(x.grad, np.full(3, 3.0))


def test_kinds_are_kept(device, rng):
    a = rng.standard_normal(3)
    tensor = xg.asarray(a, device=device)
    found = xg.grad(lambda x: (x**2).sum())(tensor)
    assert isinstance(found, xg.Tensor)
    assert found.device == tensor.device
    raw = tensor.value
    found = xg.grad(lambda x: (x**2).sum())(raw)
    assert type(found) is type(raw)
    close(found, 2 * a)


# no_grad --------------------------------------------------------------------------------------------------------------


def test_no_grad_records_nothing():
    x = leaf([1.0, 2.0])
    with xg.no_grad():
        y = 2 * x
        with xg.no_grad():
            assert not (y + x).requires_grad
        assert not (x * x).requires_grad
    assert not y.requires_grad
    assert (2 * x).requires_grad


def test_no_grad_ends_with_an_exception():
    x = leaf(1.0)
    with contextlib.suppress(KeyError), xg.no_grad():
        raise KeyError
    assert (2 * x).requires_grad


def test_no_grad_decorates():
    x = leaf([1.0, 2.0])

    @xg.no_grad()
    def double(v):
        """Twice."""
        return 2 * v

    assert double.__name__ == "double"
    assert not double(x).requires_grad
    assert not double(double(x)).requires_grad
    assert (2 * x).requires_grad


def test_one_no_grad_nests_in_itself():
    x, off = leaf(1.0), xg.no_grad()
    with off:
        with off:
            pass
        assert not (2 * x).requires_grad
    assert (2 * x).requires_grad


def test_transforms_started_inside_no_grad_record(device):
    x = leaf(3.0, device)
    with xg.no_grad():
        slope = xg.grad(lambda t: t * t * x)(x)
        second = xg.grad(xg.grad(lambda t: t**3))(x)
    close(slope, 18.0)
    close(second, 18.0)
    assert not slope.requires_grad


def test_no_grad_inside_a_transform_blocks_it():
    def f(x):
        with xg.no_grad():
            scale = x * x
        return scale * x

    close(xg.grad(f)(3.0), 9.0)


def test_no_grad_inside_the_outer_of_two_transforms():
    def outer(x):
        with xg.no_grad():
            inner = xg.grad(lambda y: y**3 * x)(x)  # 3 x**3, without a derivative
        return inner * x

    close(xg.grad(outer)(2.0), 24.0)


def test_no_grad_belongs_to_its_thread():
    x, inside, done, seen = leaf(1.0), threading.Event(), threading.Event(), []

    def other():
        inside.wait(10)
        seen.append((2 * x).requires_grad)
        with xg.no_grad():
            seen.append((2 * x).requires_grad)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with xg.no_grad():
        inside.set()
        assert done.wait(10)
        seen.append((2 * x).requires_grad)
    thread.join()
    assert seen == [True, False, False]


# The pass -------------------------------------------------------------------------------------------------------------


def test_zero_grad_false_adds(device, rng):
    a, b, c = (rng.standard_normal((2, 3)) for _ in range(3))
    x = leaf(a, device)
    (x * xg.asarray(b)).backward()
    (x * xg.asarray(c)).backward(zero_grad=False)
    close(x.grad, b + c)
    (x * xg.asarray(c)).backward()
    close(x.grad, c)


def test_zero_grad_leaves_other_leaves_alone():
    x, y = leaf(2.0), leaf(3.0)
    (x * y).backward()
    (5 * x).backward()
    close(x.grad, 5.0)
    close(y.grad, 2.0)


def test_retain_graph_keeps_graph_and_intermediate_gradients(device, rng):
    a = rng.standard_normal(3)
    x = leaf(a, device)
    y = xg.sin(x)
    z = (y * y).sum()
    z.backward(retain_graph=True)
    close(y.grad, 2 * np.sin(a))
    close(z.grad, 1.0)
    first = host(x.grad).copy()
    z.backward()
    close(x.grad, first)
    with pytest.raises(RuntimeError, match="released"):
        z.backward()


def test_retain_grad_keeps_one(device, rng):
    a = rng.standard_normal(3)
    x = leaf(a, device)
    u = xg.sin(x)
    v = (u * u).retain_grad()
    assert v.retain_grad() is v
    (3 * v + u).sum().backward()
    close(v.grad, np.full(3, 3.0))
    assert u.grad is None
    close(x.grad, (6 * np.sin(a) + 1) * np.cos(a))


def test_intermediate_results_keep_no_gradient():
    x = leaf([1.0, 2.0])
    y = x * x
    y.sum().backward()
    assert y.grad is None
    assert x.grad is not None


def test_gradients_own_their_memory(rng):
    a, ct = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    x, y, z = leaf(a), leaf(a), leaf(np.ones(3))
    (x + y + z).backward(ct)
    arrays = [ct, x.grad.value, y.grad.value, z.grad.value]
    for i, left in enumerate(arrays):
        assert left.flags.writeable
        assert not any(np.shares_memory(left, right) for right in arrays[i + 1 :])


def test_gradient_of_a_sum_is_writeable_and_its_own():
    x = leaf(np.ones((2, 3)))
    x.sum().backward()
    x.grad[0, 0] = 5.0
    close(x.grad, [[5, 1, 1], [1, 1, 1]])


def test_gradients_are_constants():
    x = leaf([1.0, 2.0])
    (x**3).sum().backward()
    assert not x.grad.requires_grad


def test_tracked_cotangent_makes_tracked_gradients(device, rng):
    a, b = rng.standard_normal(3), rng.standard_normal(3)
    x, v = leaf(a, device), leaf(b, device)
    xg.sin(x).backward(v)
    close(x.grad, b * np.cos(a))
    x.grad.sum().backward()
    close(v.grad, np.cos(a))


def test_leaf_itself_goes_backward():
    x = leaf([1.0, 2.0])
    x.backward([3.0, 4.0])
    close(x.grad, [3.0, 4.0])


def test_sixty_doublings(device):
    x = leaf([1.0, 3.0], device)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    close(x.grad, [2.0**60] * 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(-2, 2)), min_size=1, max_size=25))
def test_fan_out_adds_up(steps):
    """Random graphs of linear steps, their coefficients carried along by hand."""
    x, y = leaf([1.0, -2.0]), leaf([0.5, 3.0])
    nodes = [(x, np.array([1, 0])), (y, np.array([0, 1]))]
    for i, j, k in steps:
        (a, ca), (b, cb) = nodes[i % len(nodes)], nodes[j % len(nodes)]
        nodes.append((a + k * b if k else a - b, ca + k * cb if k else ca - cb))
    last, coefficients = nodes[-1]
    ct = np.array([1.0, 10.0])
    last.backward(ct)
    for variable, c in zip((x, y), coefficients, strict=True):
        close(np.zeros(2) if variable.grad is None else variable.grad, c * ct)


def test_long_chain_goes_back_and_is_freed():
    x = leaf(np.ones(2))
    y = x
    for _ in range(200_000):
        y = y + 1.0
    y.backward()
    close(x.grad, [1.0, 1.0])
    del y


def test_long_chain_is_freed_without_a_pass():
    x = leaf(np.ones(2))
    y = x
    for _ in range(200_000):
        y = y * 1.0
    watch = weakref.ref(y.value)
    del y
    assert watch() is None


def test_long_chain_at_second_order():
    def f(x):
        y = x
        for _ in range(5_000):
            y = y + x * x
        return y

    close(xg.grad(xg.grad(f))(2.0), 10_000.0)


def test_long_chain_of_writes():
    x = leaf(np.ones(3))
    y = x * 1.0
    for _ in range(5_000):
        y[0] = y[0] + 1.0
    y.sum().backward()
    close(x.grad, np.ones(3))


# Release and cycles ---------------------------------------------------------------------------------------------------


def test_captured_arrays_die_during_the_pass():
    x = leaf(np.full(5, 0.3))
    died = []
    y = x
    watches = []
    for i in range(4):
        y = xg.exp(xg.sin(y))
        watches.append(weakref.ref(y.value, lambda _, i=i: died.append((i, x.grad is None))))
    loss = (y * y).sum()
    del y
    loss.backward()
    assert died == [(3, True), (2, True), (1, True), (0, True)]  # from the newest, before the gradients are stored


def test_forward_keeps_only_what_pullbacks_need():
    x = leaf(np.ones(5))
    y = x + 1.0  # nobody needs its value
    z = (y + 2.0).sum()
    watch = weakref.ref(y.value)
    del y
    assert watch() is None
    z.backward()
    close(x.grad, np.ones(5))


def test_retained_graph_keeps_captured_arrays():
    x = leaf(np.ones(5))
    y = xg.exp(x)
    watch, loss = weakref.ref(y.value), y.sum()
    del y
    loss.backward(retain_graph=True)
    assert watch() is not None
    loss.backward()
    assert watch() is None


@pytest.fixture
def no_collector():
    """Automatic collection off, and nothing to collect at the start."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def train_once(device):
    w = leaf(np.full((3, 2), 0.5), device)
    x = xg.asarray(np.arange(12.0).reshape(4, 3), device=device)
    h = xg.tanh(x @ w)
    h[0] = h[1] * 2.0
    view = h[1:]
    view += 1.0
    loss = xg.where(h > 0, xg.log(xg.abs(h) + 1.0), h * 0.0).mean()
    loss.backward(retain_graph=True)
    loss.backward(zero_grad=False)
    return loss


def test_no_cycles_in_two_hundred_steps(device, no_collector):
    if device == "dask":
        pytest.skip("Dask's own graphs hold cycles")
    train_once(device)
    gc.collect()
    for _ in range(200):
        train_once(device)
    assert gc.collect() == 0


@pytest.mark.parametrize(
    "step",
    [
        lambda a: xg.grad(lambda x: (x**3).sum())(a),
        lambda a: xg.grad(lambda x: (xg.grad(lambda y: (y**3).sum())(x) ** 2).sum())(a),
        lambda a: xg.jvp(lambda x: xg.sin(x) * x, (a,), (a,)),
        lambda a: xg.vjp(lambda x: {"out": xg.concat([x, x[::2]])}, a)[1]({"out": xg.ones(5)}),
    ],
    ids=["grad", "grad of grad", "jvp", "vjp"],
)
def test_no_cycles_in_transforms(no_collector, step):
    a = np.ones(3)
    step(a)
    gc.collect()
    for _ in range(20):
        step(a)
    assert gc.collect() == 0


def test_no_cycles_after_an_error_in_forward(no_collector):
    def failing(x):
        y = xg.exp(x) * x
        raise KeyError(y.shape)

    gc.collect()
    for _ in range(20):
        with contextlib.suppress(KeyError):
            xg.grad(failing)(np.ones(3))
        with contextlib.suppress(ValueError):
            xg.exp(leaf(np.ones(3))) + leaf(np.ones(4))
    assert gc.collect() == 0


def test_no_cycles_after_an_error_in_a_pullback(no_collector, monkeypatch):
    monkeypatch.setattr(xg.sin.op, "rule", lambda xp, out, x: lambda ct: ct / {}["missing"])
    x = leaf(np.ones(3))
    gc.collect()
    for _ in range(20):
        y = xg.exp(x)
        watch, loss = weakref.ref(y.value), xg.sin(y).sum()
        with contextlib.suppress(KeyError):
            loss.backward()
        del y, loss
        assert watch() is None
    assert gc.collect() == 0


def test_failing_pullback_is_named(monkeypatch):
    monkeypatch.setattr(xg.sin.op, "rule", lambda xp, out, x: lambda ct: ct / {}["missing"])
    with pytest.raises(KeyError) as caught:
        xg.sin(leaf(np.ones((3, 2)))).backward()
    (note,) = caught.value.__notes__
    assert "sin" in note
    assert "argument x" in note
    assert "(3, 2)" in note


def test_cotangent_of_a_wrong_shape_fails_at_its_rule(device, monkeypatch):
    def wrong(xp, out, x, **params):
        return lambda ct: xp.reshape(ct, (6,))

    for function in (xg.matrix_transpose, xg.sin):
        monkeypatch.setattr(function.op, "rule", wrong)
        block = xg.debug() if function is xg.sin else contextlib.nullcontext()  # it trusts what is element by element
        with (
            block,
            pytest.raises(
                ValueError, match=r"cotangent of the wrong shape; got \(6,\) for a value of shape \(3, 2\)"
            ) as e,
        ):
            function(leaf(np.ones((3, 2)), device)).backward(xg.ones(function(xg.ones((3, 2))).shape, device=device))
        assert function.op.name in e.value.__notes__[0]


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_backend_saves_reaches_the_rule(count, device, monkeypatch):
    """By every path of a call; a call on Tensors saves nothing."""
    seen = []

    def rule(xp, out, *arrays, power=2, saved=None):
        seen.append(saved)
        return tuple(lambda ct, x=x: ct * (power * x ** (power - 1)) for x in arrays)

    def one(x, /, *, power=2):
        """A sum of powers."""

    def two(x1, x2, /, *, power=2):
        """A sum of powers."""

    function = one if count == 1 else two
    function.__name__ = f"saving_{count}"
    monkeypatch.setitem(
        composites, function.__name__, lambda xp, *arrays, power=2: (sum(x**power for x in arrays), "saved")
    )
    public = primitive(function, saves=True, vjp=rule, arrays=count)
    try:
        x = leaf(np.array([1.0, 2.0]), device)
        for options in ({}, {"power": 3}, {}):  # the first call takes the long path
            seen.clear()
            public(*[x] * count, **options).sum().backward()
            assert seen == ["saved"]
            power = options.get("power", 2)
            close(x.grad, count * power * host(x.detach()) ** (power - 1))
        second = xg.grad(lambda t: xg.grad(lambda u: public(*[u] * count).sum())(t).sum())(x.detach())
        close(second, np.full(2, 2.0 * count))
        assert None in seen
    finally:
        delattr(xg.registry.functions, function.__name__)


# Threads --------------------------------------------------------------------------------------------------------------


def test_threads_differentiate_at_once(rng):
    inputs = [rng.standard_normal(50) for _ in range(8)]
    shared = leaf(rng.standard_normal(50))
    results, start = {}, threading.Barrier(8)

    def work(i):
        start.wait(10)
        for _ in range(20):
            x = leaf(inputs[i])
            y = x
            for _ in range(10):
                y = xg.sin(y) * shared
            second = xg.grad(lambda t: (xg.grad(lambda u: (u**3).sum())(t) ** 2).sum())(inputs[i])
            (slope,) = xg.vjp(lambda t: chain(t, shared.detach()), inputs[i])[1](np.ones(50))
            y.sum().backward()
            results[i] = host(x.grad), second, host(slope)

    def chain(t, s):
        for _ in range(10):
            t = xg.sin(t) * s
        return t

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, a in enumerate(inputs):
        tape, second, slope = results[i]
        close(tape, slope)
        close(second, 36 * a**3)


# Complex numbers ------------------------------------------------------------------------------------------------------

STEEPEST = {
    "abs squared": (lambda z: xg.abs(z) ** 2, 2 * (3 + 4j)),
    "abs": (lambda z: xg.abs(z), (3 + 4j) / 5),
    "real": (lambda z: xg.real(z), 1 + 0j),
    "imag": (lambda z: xg.imag(z), 1j),
    "real of square": (lambda z: xg.real(z * z), np.conj(2 * (3 + 4j))),
    "real of conj": (lambda z: xg.real(xg.conj(z) * (1 + 2j)), 1 + 2j),
    "product": (lambda z: xg.real(z * (1 + 2j)), 1 - 2j),
    "exp": (lambda z: xg.imag(xg.exp(z)), np.conj(-1j * np.exp(3 + 4j))),
    "by parts": (lambda z: z.real**2 * z.imag, 2 * 3 * 4 + 9j),
}


@pytest.mark.parametrize("name", STEEPEST)
def test_complex_gradient_is_steepest_ascent(device, name):
    f, expected = STEEPEST[name]
    z = leaf(3 + 4j, device)
    f(z).backward()
    close(z.grad, expected)
    assert z.grad.dtype == np.complex128
    close(xg.grad(f)(xg.asarray(3 + 4j, device=device)), expected)
    h, numeric = 1e-6, 0
    for unit in (1, 1j):
        step = h * unit
        numeric += unit * (host(f(leaf(3 + 4j + step))) - host(f(leaf(3 + 4j - step)))) / (2 * h)
    np.testing.assert_allclose(numeric, expected, rtol=1e-6)


def test_complex_pullback_conjugates_at_the_border(rng):
    w, z, ct = (rng.standard_normal(3) + 1j * rng.standard_normal(3) for _ in range(3))
    close(xg.vjp(lambda v: w * v, z)[1](ct)[0], np.conj(w) * ct)
    close(xg.jvp(lambda v: w * v, (z,), (ct,))[1], w * ct)


def test_real_leaf_in_complex_code_has_a_real_gradient(device, rng):
    a, w = rng.standard_normal(3), rng.standard_normal(3) + 1j * rng.standard_normal(3)
    x = leaf(a, device)
    (xg.abs(x * xg.asarray(w)) ** 2).sum().backward()
    assert x.grad.dtype == np.float64
    close(x.grad, 2 * a * np.abs(w) ** 2)


def test_complex_second_order(rng):
    z = rng.standard_normal(3) + 1j * rng.standard_normal(3)
    gradcheck(lambda v: xg.real(v**3).sum() + (xg.abs(v) ** 2).sum(), z, order=2)


# Masked-out branches --------------------------------------------------------------------------------------------------


def selected(f):
    """``f`` where x is positive, by ``where``."""
    return lambda x: xg.where(x > 0, f(x), xg.zeros_like(x))


INNER = {
    "sqrt": (xg.sqrt, lambda x: 0.5 * x**-0.5, lambda x: -0.25 * x**-1.5),
    "log": (xg.log, lambda x: 1 / x, lambda x: -1 / x**2),
    "log2": (xg.log2, lambda x: 1 / x / np.log(2), lambda x: -1 / x**2 / np.log(2)),
    "log10": (xg.log10, lambda x: 1 / x / np.log(10), lambda x: -1 / x**2 / np.log(10)),
    "log1p of a pole": (lambda x: xg.log1p(x - 1), lambda x: 1 / x, lambda x: -1 / x**2),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3),
    "xg.reciprocal": (lambda x: xg.reciprocal(x), lambda x: -1 / x**2, lambda x: 2 / x**3),
    "x / x**2": (lambda x: x / x**2, lambda x: -1 / x**2, lambda x: 2 / x**3),
    "power 0.5": (lambda x: x**0.5, lambda x: 0.5 * x**-0.5, lambda x: -0.25 * x**-1.5),
    "power -1.5": (lambda x: x**-1.5, lambda x: -1.5 * x**-2.5, lambda x: 3.75 * x**-3.5),
    "x ** x": (
        lambda x: x**x,
        lambda x: x**x * (np.log(x) + 1),
        lambda x: x**x * ((np.log(x) + 1) ** 2 + 1 / x),
    ),
    "x log x": (lambda x: x * xg.log(x), lambda x: np.log(x) + 1, lambda x: 1 / x),
    "square of log": (
        lambda x: xg.square(xg.log(x)),
        lambda x: 2 * np.log(x) / x,
        lambda x: 2 * (1 - np.log(x)) / x**2,
    ),
    "tanh of log": (
        lambda x: xg.tanh(xg.log(x)),
        lambda x: 4 * x / (x**2 + 1) ** 2,
        lambda x: (4 - 12 * x**2) / (x**2 + 1) ** 3,
    ),
    "exp of reciprocal": (
        lambda x: xg.exp(1 / x),
        lambda x: -np.exp(1 / x) / x**2,
        lambda x: np.exp(1 / x) * (1 / x**4 + 2 / x**3),
    ),
    "sin of reciprocal": (
        lambda x: xg.sin(1 / x),
        lambda x: -np.cos(1 / x) / x**2,
        lambda x: 2 * np.cos(1 / x) / x**3 - np.sin(1 / x) / x**4,
    ),
    "abs of log": (lambda x: xg.abs(xg.log(x)), lambda x: np.sign(np.log(x)) / x, lambda x: -np.sign(np.log(x)) / x**2),
    "acosh": (
        lambda x: xg.acosh(x + 1),
        lambda x: 1 / np.sqrt(x * (x + 2)),
        lambda x: -(x + 1) / (x * (x + 2)) ** 1.5,
    ),
    "hypot of logs": (lambda x: xg.hypot(xg.log(x), xg.log(x)), lambda x: np.sqrt(2) * np.sign(np.log(x)) / x, None),
    "atan2 of logs": (lambda x: xg.atan2(xg.log(x), 1 + 0 * x), lambda x: 1 / x / (1 + np.log(x) ** 2), None),
    "maximum of logs": (lambda x: xg.maximum(xg.log(x), -100.0), lambda x: 1 / x, lambda x: -1 / x**2),
    "clip of log": (lambda x: xg.clip(xg.log(x), -100.0, 100.0), lambda x: 1 / x, lambda x: -1 / x**2),
    "power that bends at 0": (lambda x: x**1.5, lambda x: 1.5 * x**0.5, lambda x: 0.75 * x**-0.5),
    "sum of two": (lambda x: xg.sqrt(x) + xg.log(x) - x, lambda x: 0.5 * x**-0.5 + 1 / x - 1, None),
}


@pytest.mark.parametrize("name", INNER)
def test_masked_out_branches_give_zero(device, name):
    f, first, _ = INNER[name]
    a = np.array([-1.0, 0.0, 4.0, -2.0, 0.7])
    x = leaf(a, device)
    with quiet():
        y = selected(f)(x).sum()
    y.backward()  # and raises no warning
    expected = np.zeros(5)
    expected[a > 0] = first(a[a > 0])
    close(x.grad, expected)


@pytest.mark.parametrize("name", [n for n in INNER if INNER[n][2]])
def test_masked_out_branches_give_zero_at_order_two(device, name):
    f, _, second = INNER[name]
    a = np.array([-1.0, 0.0, 4.0, -2.0, 0.7])
    with quiet():
        found = xg.grad(lambda x: xg.grad(lambda y: selected(f)(y).sum())(x).sum())(xg.asarray(a, device=device))
    expected = np.zeros(5)
    expected[a > 0] = second(a[a > 0])
    close(found, expected)


@pytest.mark.parametrize("select", [lambda x, y: xg.where(x > 0, y, 0.0), lambda x, y: y[1:]])
def test_a_slope_of_zero_may_have_an_infinite_one(device, select):
    def f(x):
        return select(x, x**1.5).sum()  # where 0 is selected out, only the second derivative is not finite

    with quiet():
        found = xg.grad(lambda x: xg.grad(f)(x).sum())(xg.asarray([0.0, 4.0], device=device))
        _, pushed = xg.jvp(xg.grad(f), (xg.asarray([0.0, 4.0], device=device),), (xg.ones(2, device=device),))
        turned = xg.grad(lambda x: xg.jvp(f, (x,), (xg.ones_like(x),))[1])(xg.asarray([0.0, 4.0], device=device))
    for second in (found, pushed, turned):
        close(second, [0.0, 0.375])


def by_mask_index(x):
    return xg.log(x)[x > 0].sum()


def by_index_first(x):
    return xg.log(x[x > 0]).sum()


def by_integer_index(x):
    return xg.log(x)[np.array([2, 4])].sum()


def by_slice(x):
    return xg.log(x)[2::2].sum()


def by_take(x):
    return xg.take(xg.log(x), np.array([2, 4])).sum()


def by_mask_write(x):
    y = xg.log(x)
    y[x <= 0] = 0.0
    return y.sum()


def by_mask_write_of_tensor(x):
    y = xg.log(x)
    y[x <= 0] = x[x <= 0] * 0.0
    return y.sum()


def by_write_into_zeros(x):
    y = xg.zeros_like(x)
    y[x > 0] = xg.log(x)[x > 0]
    return y.sum()


def by_clip(x):
    return xg.clip(xg.log(x * (x > 0) + 0.0), -50.0, None).sum()


def by_where_with_denominator(x):
    return xg.where(x > 0, xg.log(x / xg.where(x == 0, xg.ones_like(x), 1.0)), 0.0).sum()


@pytest.mark.parametrize(
    "f",
    [
        by_mask_index,
        by_index_first,
        by_integer_index,
        by_slice,
        by_take,
        by_mask_write,
        by_mask_write_of_tensor,
        by_write_into_zeros,
        by_clip,
        by_where_with_denominator,
    ],
)
def test_every_selection_masks(device, f):
    a = np.array([-1.0, 0.0, 4.0, -2.0, 0.7])
    x = leaf(a, device)
    with quiet():
        y = f(x)
    y.backward()
    close(x.grad, [0.0, 0.0, 0.25, 0.0, 1 / 0.7])
    if f is not by_clip:
        with quiet():
            second = xg.grad(lambda t: xg.grad(f)(t).sum())(xg.asarray(a, device=device))
        close(second, [0.0, 0.0, -1 / 16, 0.0, -1 / 0.49])


def test_masked_quotient_of_two_arguments(device):
    x, y = leaf([1.0, 2.0, 0.0], device), leaf([0.0, 4.0, 0.0], device)
    with quiet():
        z = xg.where(y == 0, xg.zeros_like(x), x / y)
    z.sum().backward()
    close(x.grad, [0.0, 0.25, 0.0])
    close(y.grad, [0.0, -0.125, 0.0])


def test_masked_power_of_two_arguments(device):
    x, y = leaf([-1.5, 2.0, 0.0], device), leaf([0.5, 3.0, -1.0], device)
    with quiet():
        z = xg.where(x > 0, x**y, xg.zeros_like(x))
    z.sum().backward()
    close(x.grad, [0.0, 12.0, 0.0])
    close(y.grad, [0.0, 8 * np.log(2), 0.0])


def test_overflow_in_a_masked_branch(device):
    x = leaf([1.0, 1000.0], device)
    with quiet():
        y = xg.where(x < 10, xg.exp(x), x)
    y.sum().backward()
    close(x.grad, [np.e, 1.0])


def test_unmasked_singularities_stay(device):
    x = leaf([0.0, 4.0], device)
    y = xg.where(x >= 0, xg.sqrt(x), xg.zeros_like(x))
    with quiet():
        y.sum().backward()
    close(x.grad, [np.inf, 0.25])


# Kinks ----------------------------------------------------------------------------------------------------------------

KINKS = {
    "abs": (xg.abs, [([0.0, -2.0], [0.0, -1.0])]),
    "sign": (xg.sign, [([0.0, -2.0], [0.0, 0.0])]),
    "maximum": (xg.maximum, [([1.0, 2.0, 3.0], [0.5, 0.0, 1.0]), ([1.0, 5.0, 0.0], [0.5, 1.0, 0.0])]),
    "minimum": (xg.minimum, [([1.0, 2.0, 3.0], [0.5, 1.0, 0.0]), ([1.0, 5.0, 0.0], [0.5, 0.0, 1.0])]),
    "maximum with a number": (lambda x: xg.maximum(x, 0.0), [([0.0, -1.0, 1.0], [0.5, 0.0, 1.0])]),
    "max": (lambda x: xg.max(x), [([1.0, 3.0, 3.0], [0.0, 0.5, 0.5])]),
    "min": (lambda x: xg.min(x), [([1.0, 3.0, 1.0, 1.0], [1 / 3, 0.0, 1 / 3, 1 / 3])]),
    "max over axis": (
        lambda x: xg.max(x, axis=1),
        [([[2.0, 2.0, 1.0], [0.0, 3.0, 1.0]], [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])],
    ),
    "max over two axes": (
        lambda x: xg.max(x, axis=(0, 2)),
        [([[[1.0, 1.0], [2.0, 0.0]], [[0.0, 1.0], [1.0, 1.0]]], [[[1 / 3, 1 / 3], [1, 0]], [[0, 1 / 3], [0, 0]]])],
    ),
    "clip at its bounds": (lambda x: xg.clip(x, 0.0, 1.0), [([0.0, 1.0, 0.5, -1.0, 2.0], [1.0, 1.0, 1.0, 0.0, 0.0])]),
    "clip with arrays": (
        xg.clip,
        [([0.0, 1.0, -1.0, 2.0], [1, 1, 0, 0]), ([0.0, 0.0, 0.0, 0.0], [0, 0, 1, 0]), ([1.0, 1, 1, 1], [0, 0, 0, 1])],
    ),
    "std": (lambda x: xg.std(x), [([2.0, 2.0, 2.0], [0.0, 0.0, 0.0])]),
    "std over axis": (
        lambda x: xg.std(x, axis=1),
        [([[2.0, 2.0], [1.0, 3.0]], [[0.0, 0.0], [-0.5, 0.5]])],
    ),
    "hypot": (xg.hypot, [([0.0, 3.0], [0.0, 0.6]), ([0.0, 4.0], [0.0, 0.8])]),
    "atan2": (xg.atan2, [([0.0, 3.0], [0.0, 0.16]), ([0.0, 4.0], [0.0, -0.12])]),
    "x**0": (lambda x: x**0, [([0.0, 2.0], [0.0, 0.0])]),
    "x**0.0": (lambda x: x**0.0, [([0.0, -2.0], [0.0, 0.0])]),
    "x**1": (lambda x: x**1, [([0.0, -2.0], [1.0, 1.0])]),
    "x**2": (lambda x: x**2, [([0.0, -2.0], [0.0, -4.0])]),
    "0**y": (lambda y: 0.0**y, [([2.0, 1.0], [0.0, 0.0])]),
    "x**y": (xg.pow, [([0.0, 0.0, 2.0], [0.0, 0.0, 12.0]), ([0.0, 2.0, 3.0], [0.0, 0.0, 8 * np.log(2)])]),
    "prod of one zero": (lambda x: xg.prod(x), [([2.0, 0.0, 3.0], [0.0, 6.0, 0.0])]),
    "prod of two zeros": (lambda x: xg.prod(x), [([0.0, 0.0, 3.0], [0.0, 0.0, 0.0])]),
    "prod over axis": (
        lambda x: xg.prod(x, axis=0),
        [([[2.0, 0.0], [0.0, 0.0], [5.0, 4.0]], [[0.0, 0.0], [10.0, 0.0], [0.0, 0.0]])],
    ),
    "cumulative_prod": (lambda x: xg.cumulative_prod(x), [([2.0, 0.0, 3.0], [1.0, 8.0, 0.0])]),
    "cumulative_prod of zeros": (lambda x: xg.cumulative_prod(x), [([0.0, 0.0, 3.0], [1.0, 0.0, 0.0])]),
    "cumulative_prod, zero last": (lambda x: xg.cumulative_prod(x), [([2.0, 3.0, 0.0], [4.0, 2.0, 6.0])]),
    "floor": (xg.floor, [([0.0, 1.5], [0.0, 0.0])]),
    "copysign": (lambda x: xg.copysign(x, -1.0), [([2.0, -3.0], [-1.0, 1.0])]),
}


@pytest.mark.parametrize("name", KINKS)
def test_kinks(device, name):
    f, cases = KINKS[name]
    leaves = [leaf(at, device) for at, _ in cases]
    y = f(*leaves)
    if y.requires_grad:
        y.backward()
    for x, (at, expected) in zip(leaves, cases, strict=True):
        close(np.zeros(len(at)) if x.grad is None else x.grad, np.array(expected, dtype=float))


def test_sqrt_at_zero_is_infinite_but_for_a_zero_cotangent(device):
    x = leaf([0.0, 0.0, 4.0], device)
    with quiet():
        xg.sqrt(x).backward(xg.asarray([1.0, 0.0, 1.0]))
    close(x.grad, [np.inf, 0.0, 0.25])


def test_zero_cotangent_at_sqrt_of_zero_raises_no_warning(device):
    x = leaf([0.0, 4.0], device)
    xg.sqrt(x).backward(xg.asarray([0.0, 1.0]))
    close(x.grad, [0.0, 0.25])


def test_complex_abs_and_sign_at_zero(device):
    z = leaf([0j, 3 + 4j], device)
    xg.abs(z).sum().backward()
    close(z.grad, [0j, 0.6 + 0.8j])


def test_nan_takes_the_gradient_of_max(device):
    x = leaf([1.0, np.nan, 3.0], device)
    xg.max(x).backward()
    close(x.grad, [0.0, 1.0, 0.0])


def test_second_derivative_of_prod_with_two_zeros(device):
    x = xg.asarray([0.0, 0.0, 3.0], device=device)
    rows = [host(xg.grad(lambda t, i=i: xg.grad(lambda u: xg.prod(u))(t)[i])(x)) for i in range(3)]
    close(np.array(rows), [[0.0, 3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


# dtypes and devices ---------------------------------------------------------------------------------------------------

SMOOTH = [
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "exp",
    "expm1",
    "log1p",
    "sqrt",
    "square",
    "asin",
    "acos",
    "atan",
    "asinh",
    "atanh",
    "negative",
    "abs",
    "reciprocal",
]


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_dtypes_are_kept(device, name, dtype):
    x = leaf([0.3, 0.5], device, dtype)
    y = getattr(xg, name)(x)
    xg.abs(y).sum().backward()
    assert x.grad.dtype == dtype
    assert y.dtype == dtype or (name == "abs" and y.dtype == np.float32)
    assert (2 * y + np.float64(1.5) - 3).dtype == y.dtype


def test_float32_through_every_scalar(device):
    x = leaf([0.5, 1.5], device, np.float32)
    for y in (x + 1, 1 + x, x * 2.0, np.float64(2) * x, x / np.float64(3), x ** np.int64(2), xg.maximum(x, 0.0)):
        assert y.dtype == np.float32
        y.backward()
        assert x.grad.dtype == np.float32
    for y in (x.sum(), x.mean(), x.std(), x[0], xg.where(x > 1, x, 0.0), xg.clip(x, 0, 1)):
        assert y.dtype == np.float32


def test_mixed_precision_gradients_are_cast_back(device):
    x, y = leaf([1.0, 2.0], device, np.float32), leaf([3.0, 5.0], device, np.float64)
    z = x * y
    assert z.dtype == np.float64
    z.backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64
    close(x.grad, [3.0, 5.0])


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_integer_leaves_get_float64_gradients(device, dtype):
    x = leaf([[1, 2, 3], [4, 5, 6]], device, dtype)
    (x * x * 0.5).sum().backward()
    assert x.grad.dtype == np.float64
    close(x.grad, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def test_integers_are_divided_as_in_numpy(device):
    x = leaf([1, 2, 3], device)
    y = x / 2
    assert y.dtype == np.float64
    y.backward()
    close(x.grad, [0.5, 0.5, 0.5])


def test_rounding_and_integer_casts_cut_the_gradient(device):
    x = leaf([1.2, 2.7], device)
    (x * xg.astype(xg.astype(x, xg.int64), xg.float64) + xg.floor(x)).sum().backward()
    close(x.grad, [1.0, 2.0])


def test_casts_are_recorded(device):
    x = leaf([1.5, 2.5], device, np.float32)
    (xg.astype(x, xg.float64) ** 2).sum().backward()
    assert x.grad.dtype == np.float32
    close(x.grad, [3.0, 5.0])


def test_uncommitted_arrays_follow(device, rng):
    a = rng.standard_normal(3)
    x = leaf(a, device)
    for other in (
        xg.ones(3),
        xg.asarray([1.0, 1.0, 1.0]),
        xg.asarray(np.ones(3)),
        xg.zeros(3) + 1.0,
        xg.exp(xg.zeros(3)),
    ):
        for y in (x * other, other * x, xg.maximum(other * 9, x) * 1.0, xg.concat([other, x])):
            assert y.device == x.device
            assert y.requires_grad
    (x * np.ones(3) + np.ones(3) * x).sum().backward()
    close(x.grad, np.full(3, 2.0))
    assert x.grad.device == x.device
    second = xg.grad(lambda t: xg.grad(lambda u: (np.ones(3) * u**2 * xg.ones(3)).sum())(t).sum())
    close(second(x.detach()), np.full(3, 2.0))


def test_written_into_by_a_committed_value_migrates(device):
    x, z = leaf([1.0, 2.0], device), xg.zeros(3)
    z[1:] = x * 2.0
    assert z.device == x.device
    z.sum().backward()
    close(x.grad, [2.0, 2.0])


def test_uncommitted_stays_uncommitted_among_its_own(device):
    z = xg.zeros(3) + xg.arange(3)
    z = xg.concat([z, xg.sin(z)])[1:4]
    assert (z + leaf(1.0, device)).device == leaf(1.0, device).device


def test_two_committed_devices_raise(device):
    if device == "cpu":
        device = "strict"
    x, y = leaf([1.0], "cpu"), leaf([2.0], device)
    with pytest.raises(
        ValueError, match=r"multiply: x1 and x2 are on different devices; got cpu and .*x\.to\(device\)"
    ):
        x * y
    close(x.to(device) * y, [2.0])


def test_moving_between_devices_is_recorded(device, rng):
    a = rng.standard_normal(3)
    x = leaf(a)
    y = x.to(device) ** 2
    assert y.device == leaf(1.0, device).device
    y.sum().backward()
    assert x.grad.device == x.device
    close(x.grad, 2 * a)
    close(xg.grad(xg.grad(lambda t: t.to(device) ** 3))(2.0), 12.0)


def test_choice_between_two_numbers(device):
    x = leaf([-1.0, 2.0, 3.0], device)
    (xg.where(x > 0, 1.0, 0.5) * x).sum().backward()
    close(x.grad, [0.5, 1.0, 1.0])


def test_results_are_arrays_not_scalars(device):
    x = leaf([[1.0, 2.0], [3.0, 4.0]], device)
    for y in (x.sum(), x.max(), x[0, 1], x.mean(), x[0] @ x[1], xg.prod(x), x.sum() * 2.0, -x.sum(), xg.sqrt(x[1, 1])):
        assert isinstance(y, xg.Tensor)
        assert type(y.value) is type(x.value)
        assert y.shape == ()


def test_the_slices_of_an_array_cost_no_more_than_the_array(rng):
    """One buffer takes the cotangents of all slices; what a pass has given out before is not written to."""
    x = xg.Tensor(rng.standard_normal((60, 2_000)))

    def peak(count):
        y = x * 1.0
        loss = sum(((y[i] * y[i]).sum() for i in range(count)), start=xg.asarray(0.0))
        tracemalloc.start()
        try:
            loss.backward()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    one = min(peak(1) for _ in range(2))
    assert peak(60) < one + 2.5 * x.nbytes
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy())


KEYS = (0, slice(1, None), (Ellipsis, [0, 0, 2]), [True, False, True], (slice(None, None, -1), 1), ([2, 0], [1, 1]))


def test_cotangents_are_added_at_every_kind_of_key(device, rng):
    """Whatever came first: another cotangent of the whole, or of a part; shared or not, kept or not."""
    a = rng.standard_normal((3, 4))
    cts = [rng.standard_normal(np.shape(a[k])) for k in KEYS]
    want = np.zeros((3, 4))
    for k, ct in zip(KEYS, cts, strict=True):
        np.add.at(want, k, ct)
    for whole_first in (False, True):
        for keep in (False, True):
            x = xg.Tensor(a, device=device)
            y = x * 1.0
            parts = [(y[k] * xg.asarray(ct, device=device)).sum() for k, ct in zip(KEYS, cts, strict=True)]
            if whole_first:
                parts.append(y.sum())
            else:
                parts.insert(0, y.sum())
            total = parts[0]
            for p in parts[1:]:
                total = total + p
            total.backward(retain_graph=keep)
            np.testing.assert_allclose(x.grad.numpy(), want + 1.0, rtol=1e-12, atol=1e-14)
            if keep:
                np.testing.assert_allclose(y.grad.numpy(), want + 1.0, rtol=1e-12, atol=1e-14)
                total.backward()
                np.testing.assert_allclose(x.grad.numpy(), want + 1.0, rtol=1e-12, atol=1e-14)


def test_a_cotangent_that_others_hold_is_not_written_to(rng):
    """``add`` hands its cotangent on as it is: to both arguments, to what retain_graph keeps, from the user's seed."""
    seed = xg.asarray(rng.standard_normal(5))
    before = seed.numpy().copy()
    x = xg.Tensor(rng.standard_normal(5))
    y = x + x
    z = y + y * 2.0 + y * 3.0
    z.backward(seed, retain_graph=True)
    np.testing.assert_array_equal(seed.numpy(), before)
    np.testing.assert_allclose(z.grad.numpy(), before)
    np.testing.assert_allclose(y.grad.numpy(), 6 * before)
    np.testing.assert_allclose(x.grad.numpy(), 12 * before)
    a, b = xg.Tensor(rng.standard_normal(5)), xg.Tensor(rng.standard_normal(5))
    (a + b + a).backward(seed)
    np.testing.assert_array_equal(seed.numpy(), before)
    np.testing.assert_allclose(b.grad.numpy(), before)
    np.testing.assert_allclose(a.grad.numpy(), 2 * before)
