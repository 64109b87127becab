"""What must not break: threads, interruptions, depth, memory, copies, and other processes."""

import contextlib
import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest

import xgrad as xg
from xgrad import backends, nn, optim
from xgrad.errors import GraphError
from xgrad.registry import every_function
from xgrad.reverse import state

CPU_DEVICES = [name for name in ("cpu", "strict", "torch:cpu") if name in xg.devices() or f"{name}:cpu" in xg.devices()]


def host(x):
    return x.detach().to("cpu").numpy()


def nothing_left_behind():
    """No block, no level and no half-open context; recording works."""
    assert state.blocked == -1 and state.outer == []
    x = xg.Tensor([1.0, 2.0])
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def together(count, work):
    """Run ``work(i)`` in threads that start at one moment; returns their results, exceptions among them."""
    results, start = [None] * count, threading.Barrier(count)

    def run(i):
        start.wait(10)
        try:
            results[i] = work(i)
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


@pytest.fixture
def busy_threads():
    """Threads change at every few bytecodes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


# Threads --------------------------------------------------------------------------------------------------------------


def chain(x, n):
    for _ in range(n):
        x = xg.sin(x) * 1.01
    return x.sum()


def test_one_graph_from_many_threads_is_right_or_an_error(busy_threads):
    expected = xg.grad(lambda v: chain(v, 100))(np.full(3, 0.5))
    finished = 0
    for _ in range(20):
        x = xg.Tensor(np.full(3, 0.5))
        loss = chain(x, 100)
        outcomes = together(4, lambda i, loss=loss: loss.backward())
        for outcome in outcomes:
            assert outcome is None or (type(outcome) is GraphError and "retain_graph=True" in str(outcome))
        if None in outcomes:
            finished += 1
            np.testing.assert_array_equal(host(x.grad), expected)
        else:
            assert x.grad is None
    assert finished


def test_a_kept_graph_serves_many_threads(busy_threads):
    expected = xg.grad(lambda v: chain(v, 100))(np.full(3, 0.5))
    x = xg.Tensor(np.full(3, 0.5))
    loss = chain(x, 100)
    assert together(8, lambda i: loss.backward(retain_graph=True)) == [None] * 8
    np.testing.assert_array_equal(host(x.grad), expected)


def test_threads_lose_no_gradient_of_a_shared_leaf(busy_threads):
    x = xg.Tensor(np.zeros(2000))

    def work(i):
        for _ in range(50):
            (x * float(i + 1)).sum().backward(zero_grad=False)

    assert together(8, work) == [None] * 8
    assert set(host(x.grad)) == {50.0 * sum(range(1, 9))}


def test_one_pullback_from_many_threads(busy_threads, rng):
    a = rng.standard_normal(5)
    _, pullback = xg.vjp(lambda x: xg.sin(x) * xg.exp(x), a)
    expected = np.cos(a) * np.exp(a) + np.sin(a) * np.exp(a)
    for i, result in enumerate(together(8, lambda i: pullback(np.full(5, i + 1.0)))):
        np.testing.assert_allclose(result[0], (i + 1) * expected, rtol=1e-12)


def test_levels_of_threads_do_not_mix(busy_threads):
    def confused(k):
        return float(xg.grad(lambda x: x * xg.grad(lambda y: x * y * k)(1.0))(float(k)))

    def work(i):
        return [confused(k) for k in range(i, i + 30)]

    for i, result in enumerate(together(6, work)):
        assert result == [2.0 * k * k for k in range(i, i + 30)]


def test_threads_that_load_a_backend_get_the_same_one(monkeypatch, busy_threads):
    from xgrad.backends import strict

    load = strict.load

    def slowly():
        time.sleep(0.05)
        return load()

    monkeypatch.setattr(strict, "load", slowly)
    monkeypatch.delitem(backends._BY_NAME, "strict", raising=False)
    found = together(8, lambda i: backends.get("strict"))
    assert len(set(map(id, found))) == 1 and found[0].name == "strict"


# Exceptions -----------------------------------------------------------------------------------------------------------


class Stop(BaseException):
    """Not an Exception, as KeyboardInterrupt is not."""


ERRORS = [KeyError, KeyboardInterrupt, MemoryError, RecursionError, GeneratorExit, Stop]


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_in_a_function_leaves_nothing_behind(error):
    def failing(x):
        y = xg.sin(x)
        with xg.no_grad():
            z = y * 2.0
            xg.grad(lambda t: inner(t * z))(y)
        return y

    def inner(t):
        with xg.no_grad():
            raise error

    x = xg.Tensor([1.0, 2.0])
    for transform in (
        lambda: xg.grad(failing)(x),
        lambda: xg.grad(lambda t: xg.grad(failing)(t).sum())(np.ones(2)),
        lambda: xg.value_and_grad(failing)(x),
        lambda: xg.vjp(failing, x),
        lambda: xg.jvp(failing, (x,), (x,)),
        lambda: xg.no_grad()(inner)(x),
    ):
        with pytest.raises(error):
            transform()
        nothing_left_behind()
    assert x.grad is None


def stopping(monkeypatch, error, after=0):
    """From now on the pullback of sin raises, at its call number ``after``."""
    calls = iter(range(10**9))
    rule = xg.sin.op.rule

    def planted(xp, out, x):
        pullback = rule(xp, out, x)

        def stops(ct):
            if next(calls) >= after:
                raise error
            return pullback(ct)

        return stops

    monkeypatch.setattr(xg.sin.op, "rule", planted)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_in_a_pullback_leaves_the_gradients_as_they_were(error, monkeypatch):
    x, w = xg.Tensor([1.0, 2.0]), xg.Tensor([3.0, 4.0])
    (x * w).sum().backward()
    with monkeypatch.context() as patch:
        stopping(patch, error, after=2)
        loss = (xg.sin(xg.sin(xg.sin(x) * w)) * w).sum()
        with pytest.raises(error):
            loss.backward()
    assert x.grad.tolist() == [3.0, 4.0] and w.grad.tolist() == [1.0, 2.0]
    with pytest.raises(GraphError, match="already released"):
        loss.backward()
    nothing_left_behind()


@pytest.mark.parametrize("error", ERRORS)
def test_after_an_error_a_kept_graph_goes_back_again(error, monkeypatch):
    x = xg.Tensor([1.0, 2.0])
    fails = [True]
    rule = xg.sin.op.rule

    def planted(xp, out, v):
        pullback = rule(xp, out, v)

        def once(ct):
            if fails:
                fails.pop()
                raise error
            return pullback(ct)

        return once

    monkeypatch.setattr(xg.sin.op, "rule", planted)
    loss = (xg.exp(xg.sin(x)) + x).sum()
    with pytest.raises(error):
        loss.backward(retain_graph=True)
    assert x.grad is None
    loss.backward()
    np.testing.assert_allclose(host(x.grad), np.exp(np.sin([1.0, 2.0])) * np.cos([1.0, 2.0]) + 1.0, rtol=1e-14)


def test_an_error_in_a_pullback_of_a_transform_leaves_nothing_behind(monkeypatch):
    with monkeypatch.context() as patch:
        stopping(patch, KeyboardInterrupt)
        for call in (
            lambda: xg.grad(lambda t: xg.sin(t).sum())(np.ones(2)),
            lambda: xg.jvp(xg.sin, (np.ones(2),), (np.ones(2),)),
            lambda: xg.grad(lambda t: xg.grad(lambda u: xg.sin(u).sum())(t).sum())(np.ones(2)),
        ):
            with pytest.raises(KeyboardInterrupt):
                call()
            nothing_left_behind()


def test_a_step_that_fails_leaves_the_optimiser_usable():
    a, b = xg.Tensor([1.0, 2.0]), xg.Tensor([1.0, 2.0])
    optimiser = optim.SGD([a, b], lr=0.5)
    ((a + b) ** 2).sum().backward()
    b.grad = xg.ones(3)  # of the wrong shape
    with pytest.raises(ValueError, match="subtract"):
        optimiser.step()
    nothing_left_behind()
    ((a + b) ** 2).sum().backward()
    optimiser.step()
    assert a.is_leaf and b.is_leaf


@pytest.mark.parametrize("tracked", [True, False])
def test_a_write_that_fails_changes_nothing(tracked, device):
    x = xg.Tensor([1.0, 2.0, 3.0], device=device, requires_grad=tracked)
    y = x * 1.0
    view = y[1:]
    for write in (
        lambda: y.__setitem__(slice(None), np.ones(2)),
        lambda: y.__setitem__(5, 1.0),
        lambda: view.__iadd__(xg.ones(7, device=device)),
        lambda: y.__imul__(1j),
    ):
        with pytest.raises((ValueError, IndexError, TypeError)):
            write()
        assert host(y).tolist() == [1.0, 2.0, 3.0] and host(view).tolist() == [2.0, 3.0]
    if tracked:
        (y.sum() + view.sum()).backward()
        assert host(x.grad).tolist() == [1.0, 2.0, 2.0]


# Depth and width ------------------------------------------------------------------------------------------------------


def test_a_million_nodes():
    x = xg.Tensor(np.ones(2))
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [1.0, 1.0]
    watch = weakref.ref(y)
    del y  # a whole graph is freed at once
    assert watch() is None


def power(x, n):
    y = x
    for _ in range(n):
        y = y * x
    return y


def test_a_hundred_thousand_nodes_at_second_order():
    n = 100_000
    assert float(xg.grad(xg.grad(lambda x: power(x, n)))(1.0)) == (n + 1) * n


def test_a_graph_of_the_second_order_is_freed_unused():
    x = xg.Tensor(1.0)
    slope = xg.grad(lambda x: power(x, 20_000))(x)
    assert float(slope) == 20_001 and slope.requires_grad
    del slope


def test_deep_chains_of_joint_and_several_results():
    x = xg.Tensor([1.0, 2.0])
    y = x
    for _ in range(5_000):
        a, b = xg.unstack(y)
        y = xg.stack([b, a])
    (y * xg.asarray([1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 10.0]
    z = xg.stack(xg.unstack(x * 1.0))
    for _ in range(5_000):
        z = xg.stack(xg.unstack(z))
    del z  # freed without a pass


def test_a_kept_deep_graph_is_freed():
    x = xg.Tensor(np.ones(2))
    y = x
    for _ in range(100_000):
        y = y * 1.0
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [1.0, 1.0]
    del y


def test_ten_thousand_uses_of_one_leaf():
    x = xg.Tensor([1.0, 2.0])
    xg.concat([x * float(i % 3) for i in range(10_000)]).sum().backward()
    assert x.grad.tolist() == [9_999.0, 9_999.0]


def test_sixty_doublings_in_every_transform():
    def f(x):
        for _ in range(60):
            x = x + x
        return x

    assert float(xg.grad(f)(1.0)) == 2.0**60
    assert float(xg.jvp(f, (np.array(1.0),), (np.array(3.0),))[1]) == 3 * 2.0**60
    assert float(xg.grad(xg.grad(lambda x: f(x) * x))(1.0)) == 2 * 2.0**60


# Memory ---------------------------------------------------------------------------------------------------------------


def training(w):
    view = w[1:]
    h = xg.tanh(xg.asarray(np.ones((4, 3))) @ w) + view.sum()
    h[0] = h[1] * 2.0
    loss = (h * h).mean()
    loss.backward(retain_graph=True)
    loss.backward()
    with xg.no_grad():
        w -= 0.01 * w.grad


def second_order(w):
    xg.grad(lambda v: (xg.grad(lambda u: (u**3).sum())(v) ** 2).sum())(w)


def failing_forward(w):
    with contextlib.suppress(KeyError):
        xg.grad(lambda v: {}[xg.exp(v).shape])(w)
    with contextlib.suppress(ValueError):
        xg.exp(w) + xg.ones(17)
    with contextlib.suppress(ValueError):
        w[0] = xg.ones(17)


def failing_backward(w):
    loss = xg.exp(w * 1.0).sum()
    loss.backward()
    with contextlib.suppress(GraphError):
        loss.backward()
    with contextlib.suppress(ValueError):
        xg.exp(w).backward(np.ones(17))


def failing_pullback(w):
    y = xg.exp(w) * w
    with contextlib.suppress(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        stopping(patch, KeyboardInterrupt)
        xg.sin(y).sum().backward()


def generators(w):
    rng = xg.random.default_rng(0)
    rng.normal(w, 2.0).sum().backward()
    rng.spawn(2)


@pytest.mark.parametrize(
    "step", [training, second_order, failing_forward, failing_backward, failing_pullback, generators]
)
def test_memory_returns_to_where_it_was(step):
    """With the collector off: nothing waits in a cycle, and no table grows with every step.

    Caches of Python and NumPy fill up in some rounds; a leak grows in every one.
    """
    w, used = xg.Tensor(np.full((3, 2), 0.5)), []
    gc.disable()
    try:
        tracemalloc.start()
        for _ in range(6):
            for _ in range(100):
                step(w)
            waiting = gc.collect()  # also empties Python's lists of free tuples, which count as memory in use
            used.append(tracemalloc.get_traced_memory()[0])
        assert waiting == 0
    finally:
        tracemalloc.stop()
        gc.enable()
    assert np.diff(used).min() < 100 * 24, used  # one float per step would be more


# Copies ---------------------------------------------------------------------------------------------------------------

COPIES = {
    "pickle": lambda v: pickle.loads(pickle.dumps(v)),
    "oldest pickle": lambda v: pickle.loads(pickle.dumps(v, protocol=2)),
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(params=COPIES)
def copied(request):
    return COPIES[request.param]


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float32", "float64", "complex64"])
def test_tensors_are_copied_whole(copied, dtype, device):
    for shape in ((), (0, 2), (2, 3)):
        for tracked in (True, False) if dtype != "bool" else (False,):
            x = xg.Tensor(np.ones(shape), dtype=dtype, device=device, requires_grad=tracked)
            y = copied(x)
            assert type(y) is xg.Tensor and y is not x and host(y).tolist() == host(x).tolist()
            assert (y.dtype, y.shape, y.device) == (x.dtype, x.shape, x.device)
            assert (y.requires_grad, y.is_leaf, y.grad) == (tracked, tracked, None)


def test_copies_share_no_memory(copied, device):
    for tracked in (True, False):
        x = xg.Tensor([1.0, 2.0, 3.0], device=device, requires_grad=tracked)
        y = copied(x)
        with xg.no_grad():
            y[0] = 9.0
        assert host(x).tolist() == [1.0, 2.0, 3.0] and host(y).tolist() == [9.0, 2.0, 3.0]
    view = copied(xg.asarray([1.0, 2.0, 3.0], device=device)[1:])
    view += 1.0
    assert host(view).tolist() == [3.0, 4.0]


def test_uncommitted_arrays_stay_uncommitted(copied, device):
    there = xg.ones(3, device=device)
    x = copied(xg.ones(3, dtype="float32"))
    assert x.dtype == xg.float32 and (x + there).device == there.device
    fixed = copied(xg.ones(3, device="cpu"))
    if there.device != fixed.device:
        with pytest.raises(ValueError, match="different devices"):
            fixed + there


def test_shared_tensors_stay_shared(copied):
    x = xg.Tensor([1.0])
    a, parts = copied([x, {"again": (x,)}])
    assert parts["again"][0] is a is not x


def test_recorded_results_cannot_be_copied_out(copied):
    y = xg.Tensor([1.0]) * 2.0
    with pytest.raises(TypeError, match=r"detach\(\)"):
        copied(y)


def test_a_shallow_copy_is_recorded(device):
    x = xg.Tensor([1.0, 2.0], device=device)
    copy.copy(x).sum().backward()
    assert host(x.grad).tolist() == [1.0, 1.0]


def test_functions_and_devices_are_pickled_by_name():
    for name, function in every_function().items():
        if hasattr(xg, name):
            assert pickle.loads(pickle.dumps(function)) is function, name
    for device in ("cpu", "strict"):
        assert pickle.loads(pickle.dumps(backends.parse_device(device))) == backends.parse_device(device)
    assert pickle.loads(pickle.dumps(xg.float32)) is xg.float32


class Tied(nn.Module):
    """Two names for one layer, a constant, and parts in a list and a dict."""

    def __init__(self, generator):
        self.first = nn.Linear(3, 3, generator=generator)
        self.again = self.first
        self.scale = xg.asarray(2.0)
        self.parts = [nn.Sequential(nn.Linear(3, 2, generator=generator), nn.relu), {"bias": xg.Tensor([0.5, 0.25])}]

    def forward(self, x):
        h = self.again(xg.tanh(self.first(x))) * xg.astype(self.scale, x.dtype)
        return self.parts[0](h) + xg.astype(self.parts[1]["bias"], x.dtype)


OPTIMISERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=0.1),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_training_goes_on_in_a_copy_bit_for_bit(name, copied, device):
    rng = xg.random.default_rng(0, device=device)
    model = Tied(rng).to(device)
    optimiser = OPTIMISERS[name](model.parameters())

    def train(model, optimiser, rng):
        for _ in range(3):
            loss = (model(rng.normal(size=(4, 3), dtype="float32")) ** 2).mean()
            loss.backward()
            optimiser.step()
        return [host(p).tobytes() for p in model.parameters()]

    train(model, optimiser, rng)
    twin, its_optimiser, its_rng = copied((model.eval(), optimiser, rng))
    assert twin.training is False and twin.first is twin.again is not model.first
    assert [id(p) for p in twin.parameters()] == [id(p) for p in its_optimiser.params]
    assert str(twin) == str(model)
    before = [host(p).tobytes() for p in twin.parameters()]
    after = train(model, optimiser, rng)
    assert [host(p).tobytes() for p in twin.parameters()] == before != after
    assert train(twin, its_optimiser, its_rng) == after


# Processes ------------------------------------------------------------------------------------------------------------


def gradient_in_child(job):
    """What a child process computes: a Tensor goes in and Tensors come out."""
    x, device = job
    (slope,) = xg.vjp(lambda v: xg.sin(v) * v, x.detach())[1](xg.ones(3, device=device))
    leaf = xg.Tensor(x.detach())
    (leaf**3).sum().backward()
    return slope, leaf.grad, xg.random.default_rng(0, device=device).random(2)


def children(method):
    """Gradients on every CPU device in processes made by ``method``, after this process has computed on all of them."""
    values = np.array([0.5, 1.0, 2.0])
    here = [gradient_in_child((xg.Tensor(values, device=d), d)) for d in CPU_DEVICES]
    block = threading.Event()
    busy = [threading.Thread(target=keep_busy, args=(block,)) for _ in range(3)]
    for t in busy if method == "fork" else ():
        t.start()
    try:
        with multiprocessing.get_context(method).Pool(2) as pool:
            there = pool.map(gradient_in_child, [(xg.Tensor(values, device=d), d) for d in CPU_DEVICES * 4], 1)
    finally:
        block.set()
    for i, results in enumerate(there):
        for a, b in zip(results, here[i % len(here)], strict=True):
            assert a.device == b.device and host(a).tolist() == host(b).tolist()
            assert not a.requires_grad


def keep_busy(block):
    """Differentiate without a pause, so that a fork finds this thread anywhere in the engine."""
    x = xg.Tensor(np.ones(4))
    while not block.is_set():
        chain(x, 5).backward(zero_grad=False)


@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_other_processes(method):
    code = (
        "import warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # Python warns of every fork of a process with threads\n"
        "from tests.test_robustness import children\n"
        f"if __name__ == '__main__':\n    children({method!r})\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    environment = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
