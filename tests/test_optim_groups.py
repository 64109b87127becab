"""Parameter groups, flat lists, saved state, and steps that a flag on the device cancels."""

import numpy as np
import pytest

import xgrad as xg
from xgrad import optim
from xgrad.optim.flat import Flat, flat_lists

EVERY = {
    "SGD": [{}, {"momentum": 0.9, "dampening": 0.2}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}],
    "Adam": [{"weight_decay": 0.1}, {"amsgrad": True}],
    "AdamW": [{}],
    "RMSprop": [{"momentum": 0.8, "centered": True}],
    "Adagrad": [{"lr_decay": 0.1, "initial_accumulator_value": 0.1}],
    "Lion": [{"weight_decay": 0.1}],
}
CASES = [(name, options) for name, several in EVERY.items() for options in several]
SHAPES = [(3, 2), (4,), (), (2, 1, 3)]


def model(rng, device="cpu", dtype="float64"):
    return [xg.Tensor(rng.standard_normal(shape), device=device, dtype=dtype) for shape in SHAPES]


def backward(params, step):
    """Gradients that change with the step; the second parameter has none in every third."""
    for i, p in enumerate(params):
        p.grad = None
        if i != 1 or step % 3:
            (xg.sin(p * (1.0 + i) + 0.1 * step) ** 2).sum().backward()


def values(params):
    return [p.detach().numpy().copy() for p in params]


def same(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(values(a), values(b), strict=True))


# Groups ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_groups_are_pytorchs(name, rng):
    torch = pytest.importorskip("torch")
    starts = [rng.standard_normal(shape) for shape in SHAPES]

    def run(library, tensors):
        groups = [{"params": tensors[:2], "lr": 0.01, "weight_decay": 0.1}, {"params": tensors[2]}]
        optimizer = getattr(library.optim, name)(groups, lr=0.05)
        optimizer.add_param_group({"params": tensors[3:], "lr": 0.02})
        for step in range(100):
            optimizer.zero_grad()
            loss = sum((library.cos((i + 1.0) * t) ** 2).sum() for i, t in enumerate(tensors) if i or step % 4)
            loss.backward()
            optimizer.step()
        return [t.detach().numpy() for t in tensors]

    ours = run(xg, [xg.Tensor(v) for v in starts])
    theirs = run(torch, [torch.tensor(v, requires_grad=True) for v in starts])
    for a, b, start in zip(ours, theirs, starts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        assert np.abs(a - start).max() > 1e-3


def test_the_learning_rate_of_all_groups():
    a, b = xg.Tensor(1.0), xg.Tensor(2.0)
    optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    with pytest.raises(ValueError, match=r"SGD: the groups have different learning rates; got \[0.1, 0.5\]"):
        _ = optimizer.lr
    optimizer.lr = 0.25
    assert [g["lr"] for g in optimizer.param_groups] == [0.25, 0.25]
    assert optimizer.lr == 0.25
    with pytest.raises(ValueError, match="SGD: lr must be at least 0; got -1"):
        optimizer.lr = -1
    assert optimizer.params[0] is a and optimizer.params[1] is b


def test_groups_are_checked():
    x, y = xg.Tensor(1.0), xg.Tensor(2.0)
    optimizer = optim.SGD([x], lr=0.1)
    bad = [
        ({"params": [x]}, ValueError, "SGD: params names a Tensor twice; got 2 of them"),
        ({"params": []}, ValueError, "SGD: params is empty"),
        ({"params": [1.0]}, TypeError, r"SGD: params\[0\] must be a Tensor; got float"),
        ({"params": [y], "rate": 1}, TypeError, "SGD: a group has an unknown option; got rate. It takes lr, momentum"),
        ({"params": [y], "lr": -1}, ValueError, "SGD: lr must be at least 0; got -1"),
        ({"params": [y], "nesterov": True}, ValueError, "SGD: nesterov looks ahead"),
        ({"lr": 0.1}, TypeError, 'SGD: a group must be a dict with "params"; got'),
        ([y], TypeError, 'SGD: a group must be a dict with "params"; got'),
    ]
    for group, error, message in bad:
        with pytest.raises(error, match=message):
            optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == 1
    with pytest.raises(TypeError, match="SGD: params must be an iterable of Tensors; got one dict"):
        optim.SGD({"params": [x]})
    with pytest.raises(TypeError, match='SGD: a group must be a dict with "params"'):
        optim.SGD([{"params": [x]}, y])
    with pytest.raises(NotImplementedError, match="Optimizer: update is not written"):
        x.backward()
        optim.Optimizer([x], {"lr": 0.1}).step()


def test_an_option_may_be_switched_on_between_steps():
    x = xg.Tensor([1.0, 2.0])
    optimizer = optim.SGD([x], lr=0.5)
    x.sum().backward()
    optimizer.step()
    optimizer.param_groups[0]["momentum"] = 0.5
    for _ in range(2):
        optimizer.step()
    assert x.tolist() == [1 - 0.5 - 0.5 - 0.75, 2 - 0.5 - 0.5 - 0.75]


def test_a_closure_computes_the_loss_first():
    x = xg.Tensor([3.0])

    def closure():
        loss = (x**2).sum()
        loss.backward()
        return loss

    assert float(optim.SGD([x], lr=0.5).step(closure)) == 9.0
    assert x.tolist() == [0.0]


# Flat lists -----------------------------------------------------------------------------------------------------------


def test_what_belongs_together():
    big = 1 << 15
    tensors = [xg.zeros(3), xg.zeros(3, dtype="float32"), xg.zeros((2, 2)), xg.zeros(big), xg.zeros(big)]
    assert flat_lists(tensors) == [[0, 2], [1], [3], [4]]
    assert flat_lists(tensors[:3], key=lambda i: i) == [[0], [1], [2]]


def test_joining_and_splitting(device, rng):
    tensors = [xg.asarray(rng.standard_normal(shape), device=device) for shape in SHAPES]
    for some in (tensors, tensors[:1], tensors[2:3]):
        flat = Flat(some)
        vector = flat.join(some)
        assert vector.shape == (sum(t.size for t in some),)
        for part, t in zip(flat.split(vector), some, strict=True):
            assert part.shape == t.shape
            np.testing.assert_array_equal(part.numpy(), t.numpy())


@pytest.mark.parametrize("name, options", CASES)
def test_parameters_together_are_parameters_one_by_one(name, options, rng):
    """Lists of changing membership and several dtypes: each parameter as if it had an optimiser of its own."""
    together = [*model(rng), *model(rng, dtype="float32"), xg.Tensor(rng.standard_normal((260, 127)))]
    alone = [xg.Tensor(p.detach()) for p in together]
    one = getattr(optim, name)(together, lr=0.01, **options)
    many = [getattr(optim, name)([p], lr=0.01, **options) for p in alone]
    for step in range(7):
        backward(together, step)
        backward(alone, step)
        one.step()
        for optimizer in many:
            optimizer.step()
    assert same(together, alone)
    assert sum(len(flats) for flats in one._flats) == 4  # float64 without its second, that, float32, and the large one


def test_a_step_takes_as_many_calls_for_fifty_parameters_as_for_two(monkeypatch):
    """All but what gives every parameter its part."""

    def calls(count):
        params = [xg.Tensor([1.0, 2.0]) for _ in range(count)]
        optimizer = optim.RMSprop(params)
        for p in params:
            p.grad = xg.asarray([0.5, 1.0])
        optimizer.step()
        made = []
        for function in (xg.multiply, xg.add, xg.divide, xg.sqrt):
            short = function.op.short
            computed, xp = short[np.ndarray]
            counted = lambda *a, f=computed: made.append(f) or f(*a)
            monkeypatch.setitem(short, np.ndarray, (counted, xp))
        optimizer.step()
        monkeypatch.undo()
        return len(made)

    assert calls(2) == calls(50) > 5


def test_a_gradient_of_another_shape_changes_nothing():
    a, b = xg.Tensor([1.0, 2.0]), xg.Tensor([3.0])
    optimizer = optim.Adam([a, b])
    a.grad, b.grad = xg.ones(1), xg.ones(2)
    message = r"Adam.step: a gradient to subtract must have the shape of its parameter; got \(1,\) for \(2,\)"
    with pytest.raises(ValueError, match=message):
        optimizer.step()
    assert (a.tolist(), b.tolist(), optimizer.state) == ([1.0, 2.0], [3.0], [{}, {}])


# Saving and loading ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("from_host", [False, True])
@pytest.mark.parametrize("name, options", CASES)
def test_a_resumed_run_is_an_uninterrupted_one_bit_for_bit(name, options, from_host, rng):
    dtype = "float32" if from_host else "float64"
    whole = model(rng, dtype=dtype)

    def made(params, lr):
        return getattr(optim, name)([{"params": params[:3]}, {"params": params[3:], "lr": 0.02}], lr=lr, **options)

    optimizer = made(whole, 0.01)
    for step in range(5):
        backward(whole, step)
        optimizer.step()
    saved = optimizer.state_dict()
    halfway = values(whole)
    if from_host:  # as files give it: arrays, and keys and tuples as JSON has them
        saved["state"] = {
            str(i): {k: v if k == "step" else v.numpy().copy() for k, v in s.items()} for i, s in saved["state"].items()
        }
        for group in saved["param_groups"]:
            group |= {k: list(v) for k, v in group.items() if isinstance(v, tuple)}
    for step in range(5, 10):
        backward(whole, step)
        optimizer.step()
    again = [xg.Tensor(v) for v in halfway]
    resumed = made(again, 0.5)
    resumed.load_state_dict(saved)  # was not changed by the steps since
    for step in range(5, 10):
        backward(again, step)
        resumed.step()
    assert same(whole, again)
    for a, b in zip(optimizer.state, resumed.state, strict=True):
        assert a.keys() == b.keys()
        assert all(v == b[k] if k == "step" else v.numpy().tobytes() == b[k].numpy().tobytes() for k, v in a.items())


def test_the_state_is_of_parameters(device):
    a, b, unreached = xg.Tensor([[1.0, 2.0]], device=device), xg.Tensor(3.0, device=device), xg.Tensor(4.0)
    optimizer = optim.Adam([a, b, unreached], lr=0.1)
    (a.sum() + b).backward()
    optimizer.step()
    saved = optimizer.state_dict()
    assert set(saved["state"]) == {0, 1}
    assert set(saved["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert saved["state"][0]["exp_avg"].shape == (1, 2) and saved["state"][1]["exp_avg"].shape == ()
    assert saved["state"][0]["exp_avg"].device == a.device
    assert saved["param_groups"][0]["params"] == [0, 1, 2]
    assert optimizer.state[2] == {}


@pytest.mark.parametrize("name, options", [c for c in CASES if c[0] != "Lion"])
def test_pytorchs_state_can_be_loaded(name, options, rng):
    torch = pytest.importorskip("torch")
    params = model(rng)
    peers = [torch.tensor(p.detach().numpy(), requires_grad=True) for p in params]
    peer = getattr(torch.optim, name)(peers, lr=0.01, **options)

    def step_peer():
        sum((torch.sin(p) ** 2).sum() for p in peers).backward()
        peer.step()
        peer.zero_grad()

    for _ in range(3):
        step_peer()
    saved = peer.state_dict()
    saved["state"] = {
        i: {k: v.numpy() if hasattr(v, "numpy") else v for k, v in s.items() if v is not None}
        for i, s in saved["state"].items()
    }
    optimizer = getattr(optim, name)(params, lr=0.5, **options)
    optimizer.load_state_dict(saved)
    with xg.no_grad():
        for p, q in zip(params, peers, strict=True):
            p[...] = q.detach().numpy()
    for _ in range(3):
        sum((xg.sin(p) ** 2).sum() for p in params).backward()
        optimizer.step()
        step_peer()
    for p, q in zip(params, peers, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-10)


def test_a_state_that_does_not_fit_changes_nothing(rng):
    def trained(make, params, **options):
        optimizer = make(params, lr=0.3, **options)
        backward(params, 1)
        optimizer.step()
        return optimizer

    optimizer = trained(optim.Adam, model(rng))
    before = optimizer.state
    bad = [
        (trained(optim.Adam, model(rng)[:2]), r"the groups must have \[4\] parameters; got \[2\]"),
        (trained(optim.SGD, model(rng), momentum=0.9), "of parameter 0 must be exp_avg, exp_avg_sq; got momentum_buf"),
        (trained(optim.Adam, model(rng)[::-1]), r"exp_avg of parameter 0 must have shape \(3, 2\); got \(2, 1, 3\)"),
    ]
    for other, message in bad:
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(other.state_dict())
        assert optimizer.lr == 0.3
        assert all((a["exp_avg"] == b["exp_avg"]).all() for a, b in zip(before, optimizer.state, strict=True))
    wrong = optimizer.state_dict()
    wrong["param_groups"][0]["betas"] = (0.9, 1.0)
    with pytest.raises(ValueError, match="Adam: betas must be two numbers from 0 to below 1"):
        optimizer.load_state_dict(wrong)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)


# Steps that the device cancels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, options", CASES)
def test_a_cancelled_step_never_was(name, options, device, rng):
    params = model(rng, device)
    twins = [xg.Tensor(p.detach()) for p in params]
    optimizer, plain = (getattr(optim, name)(ps, lr=0.01, **options) for ps in (params, twins))
    scale = xg.asarray(8.0, device=device)
    for step, bad in enumerate([True, False, False, True, False, True, False]):
        backward(params, step)
        for p in params:
            if p.grad is not None:
                p.grad *= 8.0
        if bad:
            before = values(params)
            params[0].grad[0, 1] = np.inf
            params[3].grad[...] = np.nan
        optimizer.step(found_inf=xg.asarray(bad, device=device), grad_scale=scale)
        if bad:
            assert all(a.tobytes() == b.tobytes() for a, b in zip(values(params), before, strict=True))
        else:
            backward(twins, step)
            plain.step()
    for p, twin in zip(params, twins, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), twin.detach().numpy(), rtol=1e-12)
    for mine, theirs in zip(optimizer.state, plain.state, strict=True):
        assert {k: int(v) for k, v in mine.items() if k == "step"} == {k: v for k, v in theirs.items() if k == "step"}


def test_corrections_on_the_device_are_exact_in_single_precision():
    x = xg.Tensor([1.0, -2.0], dtype="float32")
    x.grad = xg.asarray([1e-3, 5.0], dtype="float32")
    optim.Adam([x], lr=0.1).step(found_inf=xg.asarray(False))
    np.testing.assert_allclose(x.detach().numpy(), [0.9, -2.1], rtol=1e-5)  # 1 - 0.999 would be wrong by 6e-5
    assert x.dtype == xg.float32


def test_a_run_with_cancelled_steps_is_resumed_bit_for_bit(rng):
    def go_on(params, optimizer, steps):
        for step in steps:
            backward(params, step)
            optimizer.step(found_inf=xg.asarray(step == 2))

    whole = model(rng, dtype="float32")
    optimizer = optim.Adam(whole, lr=0.01)
    go_on(whole, optimizer, range(4))
    again, saved = [xg.Tensor(p.detach()) for p in whole], optimizer.state_dict()
    assert isinstance(saved["state"][0]["step"], xg.Tensor) and int(saved["state"][0]["step"]) == 3
    resumed = optim.Adam(again)
    resumed.load_state_dict(saved)
    assert len(resumed._flats[0]) == 2  # equal counts are together again
    go_on(whole, optimizer, range(4, 8))
    go_on(again, resumed, range(4, 8))
    assert same(whole, again)


def test_a_step_reads_nothing_from_the_device(device, rng, monkeypatch):
    every = []
    for name, options in CASES:
        params = model(rng, device)
        every.append((params, getattr(optim, name)(params, lr=0.01, **options)))
    average = optim.EMA(every[0][0])
    flag, scale = xg.asarray(False, device=device), xg.asarray(2.0, device=device)

    def forbidden(*args, **kwargs):
        raise AssertionError("a value was read from the device")

    for name in ("__bool__", "__float__", "__int__", "__index__", "item", "numpy", "tolist", "_number", "__array__"):
        monkeypatch.setattr(xg.Tensor, name, forbidden)
    for params, optimizer in every:
        for step in range(3):
            backward(params, step)
            optimizer.step()
            optimizer.step(found_inf=flag, grad_scale=scale)
    average.update()


def test_flags_are_checked():
    x = xg.Tensor(1.0)
    x.backward()
    optimizer = optim.SGD([x])
    with pytest.raises(TypeError, match=r"SGD\.step: found_inf must be a 0-d Tensor; got bool"):
        optimizer.step(found_inf=True)
    with pytest.raises(TypeError, match=r"SGD\.step: grad_scale must be a 0-d Tensor; got float"):
        optimizer.step(grad_scale=2.0)
