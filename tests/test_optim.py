"""Optimisers: the trajectories of PyTorch's, in place, and clear about bad input, on every device."""

import numpy as np
import pytest

import xgrad as xg
from xgrad import optim

SGD = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "nesterov": True},
    {"weight_decay": 0.1},
    {"momentum": 0.8, "weight_decay": 0.05, "nesterov": True},
    {"momentum": 0.8, "dampening": 0.3, "maximize": True},
]
ADAM = [{}, {"betas": (0.7, 0.9), "eps": 1e-3, "maximize": True}, {"weight_decay": 0.1, "amsgrad": True}]
ADAMW = [
    {"maximize": True},
    {"betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True},
    {"weight_decay": 0.0},
]
RMSPROP = [
    {},
    {"alpha": 0.7, "eps": 1e-3, "weight_decay": 0.1},
    {"momentum": 0.8},
    {"centered": True, "momentum": 0.5, "alpha": 0.8, "maximize": True},
]
ADAGRAD = [
    {},
    {"lr_decay": 0.1, "weight_decay": 0.1},
    {"initial_accumulator_value": 0.5, "eps": 1e-3, "maximize": True},
]
OPTIONS = {"SGD": SGD, "Adam": ADAM, "AdamW": ADAMW, "RMSprop": RMSPROP, "Adagrad": ADAGRAD}
CASES = [(name, options) for name, several in OPTIONS.items() for options in several]


@pytest.mark.parametrize("name, options", CASES)
def test_trajectories_are_pytorchs(name, options, rng):
    torch = pytest.importorskip("torch")
    starts = [rng.standard_normal((3, 2)), rng.standard_normal(4), rng.standard_normal(())]
    matrix = rng.standard_normal((5, 3))
    ours = [xg.Tensor(v) for v in starts]
    theirs = [torch.tensor(v, requires_grad=True) for v in starts]
    a, b = xg.asarray(matrix), torch.tensor(matrix)
    mine = getattr(optim, name)(ours, lr=0.03, **options)
    peer = getattr(torch.optim, name)(theirs, lr=0.03, **options)
    for step in range(100):
        mine.zero_grad()
        peer.zero_grad()
        for library, data, (p, q, r) in ((xg, a, ours), (torch, b, theirs)):
            loss = (library.tanh(data @ p) ** 2).sum() + library.exp(0.3 * r)
            if step % 3:  # q has no gradient now and then, and must then be left alone
                loss = loss + ((q**2 - 1) ** 2).sum()
            (-loss if options.get("maximize") else loss).backward()
        mine.step()
        peer.step()
        if step in (0, 1, 2, 9, 99):
            for x, t in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(x.detach().numpy(), t.detach().numpy(), rtol=1e-10, atol=1e-10)
    assert all((x.detach().numpy() != start).all() for x, start in zip(ours, starts, strict=True))


@pytest.mark.parametrize("name, options", CASES)
def test_trajectories_are_the_same_on_every_device(name, options, device, rng):
    starts = [rng.standard_normal((3, 2)), rng.standard_normal(4), rng.standard_normal(())]
    here, there = [xg.Tensor(v) for v in starts], [xg.Tensor(v, device=device) for v in starts]
    for params in (here, there):
        optimiser = getattr(optim, name)(params, lr=0.03, **options)
        for step in range(5):
            optimiser.zero_grad()
            sum((xg.sin(p) ** 2).sum() for i, p in enumerate(params) if i or step % 2).backward()
            optimiser.step()
    for p, q, start in zip(here, there, starts, strict=True):
        np.testing.assert_allclose(q.detach().numpy(), p.detach().numpy(), rtol=1e-12)
        assert (p.detach().numpy() != start).all()


def test_sgd_by_hand(device):
    x = xg.Tensor([1.0, -2.0], device=device)
    optimiser = optim.SGD([x], lr=0.5, momentum=0.5)
    for expected in ([0.0, -3.0], [-1.5, -4.5]):  # the gradient of sum(2 x) is 2: steps of 1, then of 1.5
        (2 * x).sum().backward()
        optimiser.step()
        assert x.detach().tolist() == expected


def test_adam_starts_with_steps_of_the_learning_rate(device):
    x = xg.Tensor([1.0, -2.0, 3.0], device=device)
    (x * xg.asarray([1e-3, -5.0, 1e4], device=device)).sum().backward()
    optim.Adam([x], lr=0.1).step()
    np.testing.assert_allclose(x.detach().numpy(), [0.9, -1.9, 2.9], rtol=1e-4)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_lion_by_hand(device, decay):
    x = xg.Tensor([1.0, -2.0], device=device)
    optimiser = optim.Lion([x], lr=0.1, betas=(0.9, 0.99), weight_decay=decay)
    value, mean = np.array([1.0, -2.0]), np.zeros(2)
    for step in range(5):
        factor = np.array([1.0, 3.0]) * (-1) ** (step // 2)
        (xg.asarray(factor, device=device) * x**2).sum().backward()
        optimiser.step()
        slope = 2 * factor * value
        value = value * (1 - 0.1 * decay) - 0.1 * np.sign(0.9 * mean + 0.1 * slope)
        mean = 0.99 * mean + 0.01 * slope
        np.testing.assert_allclose(x.detach().numpy(), value, rtol=1e-14)


@pytest.mark.parametrize("name, options", [*CASES, ("Lion", {}), ("Lion", {"weight_decay": 0.1})])
def test_parameters_keep_identity_dtype_and_device(name, options, device):
    x = xg.Tensor([1.0, 2.0], device=device, dtype="float32")
    place, unread = x.device, x.detach()
    optimiser = getattr(optim, name)([x], lr=0.1, **options)
    for _ in range(3):
        (x**2).sum().backward()
        optimiser.step()
    assert (x.dtype, x.device, x.requires_grad, x.prevs) == (xg.float32, place, True, ())
    assert all(v.dtype == xg.float32 for s in optimiser.state for v in s.values() if isinstance(v, xg.Tensor))
    assert not any(v.requires_grad for s in optimiser.state for v in s.values() if isinstance(v, xg.Tensor))
    assert unread.tolist() == [1.0, 2.0]
    assert x.tolist() != [1.0, 2.0]


def test_a_graph_recorded_before_the_step_has_its_old_values(device):
    x = xg.Tensor([3.0, 5.0], device=device)
    y = (x**2).sum()
    x.sum().backward()
    optim.SGD([x], lr=1.0).step()
    y.backward()
    assert x.grad.tolist() == [6.0, 10.0]
    assert x.tolist() == [2.0, 4.0]


def test_the_memory_of_an_optimiser_is_its_own(device):
    x = xg.Tensor([1.0, 2.0], device=device)
    optimiser = optim.SGD([x], lr=1.0, momentum=1.0)
    x.sum().backward()
    optimiser.step()
    x.grad *= 0.0  # what became of the gradient afterwards must not reach the velocity
    x.grad[...] = 0.0
    optimiser.step()
    assert x.tolist() == [-1.0, 0.0]


def test_zero_grad_drops_gradients_and_a_step_then_does_nothing(device):
    x = xg.Tensor([1.0, 2.0], device=device)
    optimiser = optim.Adam([x])
    x.sum().backward()
    assert x.grad is not None
    optimiser.zero_grad()
    assert x.grad is None
    optimiser.step()
    assert x.tolist() == [1.0, 2.0]
    assert optimiser.state == [{}]


def test_the_learning_rate_may_change(device):
    x = xg.Tensor(1.0, device=device)
    optimiser = optim.SGD([x], lr=0.5)
    for lr in (0.5, 0.25, 0.0):
        optimiser.lr = lr
        x.backward()
        optimiser.step()
    assert float(x) == 0.25


def test_gradient_descent_of_a_complex_parameter(device):
    z = xg.Tensor([3 + 4j], device=device)
    optimiser = optim.SGD([z], lr=0.25)
    (abs(z) ** 2).sum().backward()
    optimiser.step()
    np.testing.assert_allclose(z.detach().numpy(), [1.5 + 2j], rtol=1e-12)


def test_parameters_are_checked(device):
    x = xg.Tensor([1.0, 2.0], device=device)
    used = 2 * x
    used.sum().backward()
    bad = [
        (x, TypeError, r"params must be an iterable of Tensors; got one Tensor"),
        (1.0, TypeError, r"params must be an iterable of Tensors; got one float"),
        ([], ValueError, r"params is empty"),
        ([x, np.ones(2)], TypeError, r"params\[1\] must be a Tensor; got ndarray"),
        ([x.detach()], ValueError, r"params\[0\] must be a leaf with requires_grad; got a constant"),
        ([used], ValueError, r"params\[0\] must be a leaf with requires_grad; got a recorded result of shape \(2,\)"),
        ([x, x], ValueError, r"names a Tensor twice"),
        ([xg.Tensor([1, 2], device=device)], TypeError, r"params\[0\] must be real floating.*got int64"),
    ]
    for params, error, message in bad:
        for make in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.Lion):
            with pytest.raises(error, match=f"{make.__name__}: .*{message}|{message}"):
                make(params, lr=0.1)
    with pytest.raises(TypeError, match=r"Adam: params\[0\] must be real floating; got complex128"):
        optim.Adam([xg.Tensor([1j], device=device)])


def test_numbers_are_checked():
    x = xg.Tensor([1.0])
    bad = [
        (lambda: optim.SGD([x], lr=-0.1), r"SGD: lr must be at least 0; got -0.1"),
        (lambda: optim.SGD([x], lr=float("nan")), r"SGD: lr must be at least 0; got nan"),
        (lambda: optim.SGD([x], lr=0.1, momentum=-1), r"SGD: momentum must be at least 0"),
        (lambda: optim.SGD([x], lr=0.1, nesterov=True), r"SGD: nesterov .*got momentum=0"),
        (lambda: optim.SGD([x], momentum=0.9, nesterov=True, dampening=0.1), r"SGD: nesterov .*got dampening=0.1"),
        (lambda: optim.Adam([x], weight_decay=-1), r"Adam: weight_decay must be at least 0"),
        (lambda: optim.Adam([x], eps=-1), r"Adam: eps must be at least 0"),
        (lambda: optim.AdamW([x], eps=-1), r"AdamW: eps must be at least 0"),
        (lambda: optim.RMSprop([x], alpha=1.0), r"RMSprop: alpha must be from 0 to below 1; got 1.0"),
        (lambda: optim.RMSprop([x], momentum=-1), r"RMSprop: momentum must be at least 0"),
        (lambda: optim.Adagrad([x], lr_decay=-1), r"Adagrad: lr_decay must be at least 0"),
        (lambda: optim.Adagrad([x], initial_accumulator_value=-1), r"Adagrad: initial_accumulator_value must be at"),
        (lambda: optim.Lion([x], betas=(0.9,)), r"Lion: betas must be two numbers from 0 to below 1; got \(0.9,\)"),
        (
            lambda: optim.Adam([x], betas=(0.9, 1.0)),
            r"Adam: betas must be two numbers from 0 to below 1; got \(0.9, 1.0\)",
        ),
    ]
    for make, message in bad:
        with pytest.raises(ValueError, match=message):
            make()


@pytest.mark.parametrize("max_norm, ord", [(0.5, 2.0), (100.0, 2.0), (0.3, 1.0), (0.2, np.inf), (0.0, 2.0)])
def test_clipping_by_the_norm_is_pytorchs(max_norm, ord, device, rng):
    torch = pytest.importorskip("torch")
    starts = [rng.standard_normal((3, 2)), rng.standard_normal(4), rng.standard_normal(())]
    ours = [xg.Tensor(v, device=device) for v in starts]
    theirs = [torch.tensor(v, requires_grad=True) for v in starts]
    unreached = xg.Tensor([1.0], device=device)
    sum((p**3).sum() for p in ours).backward()
    sum((p**3).sum() for p in theirs).backward()
    norm = optim.clip_grad_norm([*ours, unreached], max_norm, ord)
    peer = torch.nn.utils.clip_grad_norm_(theirs, max_norm, ord)
    np.testing.assert_allclose(float(norm), peer.item(), rtol=1e-12)
    for p, t in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=1e-12, atol=1e-300)
    assert unreached.grad is None
    assert float(optim.clip_grad_norm([unreached], 1.0)) == 0.0


def test_clipping_by_value(device, rng):
    x = xg.Tensor(rng.standard_normal((3, 4)), device=device, dtype="float32")
    xg.sum(x**3).backward()
    before = x.grad.numpy().copy()
    optim.clip_grad_value([x, xg.Tensor([1.0], device=device)], 0.5)
    np.testing.assert_array_equal(x.grad.numpy(), np.clip(before, np.float32(-0.5), np.float32(0.5)))
    assert x.grad.dtype == xg.float32


def test_clipping_never_reads_from_the_device(device, rng, monkeypatch):
    x = xg.Tensor(rng.standard_normal((3, 4)), device=device)
    xg.sum(x**3).backward()

    def forbidden(*args, **kwargs):
        raise AssertionError("a value was read from the device")

    for name in ("__bool__", "__float__", "__int__", "__index__", "item", "numpy", "tolist", "_number", "__array__"):
        monkeypatch.setattr(xg.Tensor, name, forbidden)
    optim.clip_grad_norm([x], 0.5)
    optim.clip_grad_value([x], 0.5)


def test_bounds_of_clipping_are_checked():
    x = xg.Tensor([1.0])
    with pytest.raises(ValueError, match="clip_grad_norm: max_norm must be at least 0; got -1"):
        optim.clip_grad_norm([x], -1)
    x.grad = xg.asarray([np.nan])
    with pytest.raises(FloatingPointError, match="clip_grad_norm: the norm of the gradients is not finite; got nan"):
        optim.clip_grad_norm(x, 1.0, error_if_nonfinite=True)
    x.grad = xg.asarray([3.0])
    assert float(optim.clip_grad_norm(x, 1.0, error_if_nonfinite=True)) == 3.0
    with pytest.raises(ValueError, match="clip_grad_value: clip_value must be at least 0; got -1"):
        optim.clip_grad_value([x], -1)
