"""LBFGS: the trajectories of PyTorch's, with and without a line search."""

import numpy as np
import pytest

import xgrad as xg
from xgrad import optim
from xgrad.optim.wolfe import Point, strong_wolfe


def problem(library, tensors, data):
    """Two parameters, and a loss with a curved valley."""
    a, b = tensors

    def loss():
        r = data @ a
        rosenbrock = ((1 - b[:-1]) ** 2 + 100 * (b[1:] - b[:-1] ** 2) ** 2).sum()
        return (library.log(1 + library.exp(r)) - 0.3 * r).sum() + 0.05 * (a**2).sum() + rosenbrock

    return loss


def closure_of(optimizer, loss):
    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return closure


@pytest.mark.parametrize(
    "options",
    [
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 4},
        {"line_search_fn": "strong_wolfe", "lr": 0.2, "max_eval": 7},
        {"lr": 0.002, "max_iter": 5},
        {"lr": 0.001, "history_size": 2, "max_iter": 3, "max_eval": 2},
        {"line_search_fn": "strong_wolfe", "max_iter": 200, "tolerance_grad": 1e-2},
        {"line_search_fn": "strong_wolfe", "max_iter": 200, "tolerance_change": 1e-1},
    ],
)
def test_trajectories_are_pytorchs(options, rng):
    torch = pytest.importorskip("torch")
    starts = [rng.standard_normal((3, 2)), 0.5 * rng.standard_normal(4)]
    matrix = rng.standard_normal((7, 3))
    ours, theirs = [xg.Tensor(v) for v in starts], [torch.tensor(v, requires_grad=True) for v in starts]
    mine, peer = optim.LBFGS(ours, **options), torch.optim.LBFGS(theirs, **options)
    steps = [
        closure_of(mine, problem(xg, ours, xg.asarray(matrix))),
        closure_of(peer, problem(torch, theirs, torch.tensor(matrix))),
    ]
    for number in range(4):
        np.testing.assert_allclose(float(mine.step(steps[0])), peer.step(steps[1]).item(), rtol=1e-7)
        if number == 0:  # later, near the minimum, rounding decides how long a search looks for something better
            state = next(iter(peer.state.values()))
            assert [mine.state[0][k] for k in ("n_iter", "func_evals")] == [state[k] for k in ("n_iter", "func_evals")]
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_it_finds_the_minimum(device, rng):
    x = xg.Tensor([-1.2, 1.0, 0.3], device=device)
    optimizer = optim.LBFGS([x], max_iter=100, line_search_fn="strong_wolfe")
    unreached = xg.Tensor(3.0, device=device)
    both = optim.LBFGS([unreached, x], max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()

    optimizer.step(closure_of(optimizer, loss))
    np.testing.assert_allclose(x.detach().numpy(), 1.0, atol=1e-4)
    calls = optimizer.state[0]["func_evals"]
    optimizer.step(closure_of(optimizer, loss))
    assert optimizer.state[0]["func_evals"] - calls <= 3  # there already
    with xg.no_grad():
        x[...] = xg.asarray([0.5, 0.5, 0.5], device=device)
    both.step(closure_of(both, loss))
    np.testing.assert_allclose(x.detach().numpy(), 1.0, atol=1e-4)
    assert float(unreached) == 3.0 and x.is_leaf


@pytest.mark.parametrize("options", [{"line_search_fn": "strong_wolfe", "max_iter": 3}, {"lr": 0.002, "max_iter": 3}])
def test_a_resumed_run_is_an_uninterrupted_one_bit_for_bit(options, rng):
    matrix = xg.asarray(rng.standard_normal((7, 3)))
    whole = [xg.Tensor(rng.standard_normal((3, 2))), xg.Tensor(rng.standard_normal(4))]
    optimizer = optim.LBFGS(whole, **options)
    closure = closure_of(optimizer, problem(xg, whole, matrix))
    for _ in range(3):
        optimizer.step(closure)
    again, saved = [xg.Tensor(p.detach()) for p in whole], optimizer.state_dict()
    resumed = optim.LBFGS(again, lr=0.5)
    for _ in range(3):
        optimizer.step(closure)
    resumed.load_state_dict(saved)
    for _ in range(3):
        resumed.step(closure_of(resumed, problem(xg, again, matrix)))
    for p, q in zip(whole, again, strict=True):
        assert p.detach().numpy().tobytes() == q.detach().numpy().tobytes()


def line(f, slope):
    return lambda t: Point(t, f(t), None, slope(t))


@pytest.mark.parametrize(
    "f, slope",
    [
        (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
        (lambda t: -np.tanh(t) + 0.1 * t, lambda t: np.tanh(t) ** 2 - 0.9),
        (lambda t: np.cos(3 * t) - t, lambda t: -3 * np.sin(3 * t) - 1),
        (lambda t: np.exp(4 * t) - 60 * t, lambda t: 4 * np.exp(4 * t) - 60),
    ],
)
@pytest.mark.parametrize("first", [0.01, 1.0, 40.0])
def test_the_line_search_ends_where_the_conditions_hold(f, slope, first):
    start = Point(0.0, f(0.0), None, slope(0.0))
    end, calls = strong_wolfe(line(f, slope), start, min(first, 40.0), 1.0, 1e-12)
    assert end.value <= start.value + 1e-4 * end.t * start.slope
    assert abs(end.slope) <= 0.9 * abs(start.slope)
    assert 1 <= calls <= 26


def test_the_line_search_gives_up_without_a_minimum():
    end, calls = strong_wolfe(line(lambda t: -t, lambda t: -1.0), Point(0.0, 0.0, None, -1.0), 1.0, 1.0, 1e-12)
    assert calls == 26 and end.value < 0


def test_the_line_search_comes_back_from_where_the_loss_is_infinite():
    f = line(lambda t: (t - 3) ** 2 if t < 5 else np.inf, lambda t: 2 * (t - 3) if t < 5 else np.nan)
    end, _ = strong_wolfe(f, f(0.0), 40.0, 1.0, 1e-12)
    assert 0.3 <= end.t <= 5.7 and abs(end.slope) <= 0.9 * 6


def test_arguments_are_checked():
    x, y = xg.Tensor([1.0, 2.0]), xg.Tensor([1.0], dtype="float32")
    bad = [
        (lambda: optim.LBFGS([x], line_search_fn="armijo"), ValueError, "LBFGS: unknown line_search_fn; got 'armijo'"),
        (lambda: optim.LBFGS([x], max_iter=0), ValueError, "LBFGS: max_iter must be above 0; got 0"),
        (lambda: optim.LBFGS([x], history_size=0), ValueError, "LBFGS: history_size must be above 0; got 0"),
        (lambda: optim.LBFGS([x, y]), ValueError, "LBFGS: params must have one dtype and device; got"),
        (lambda: optim.LBFGS([{"params": [x]}, {"params": [y]}]), ValueError, "LBFGS: there can be one group only"),
        (lambda: optim.LBFGS([x]).step(), TypeError, "LBFGS.step: a closure is needed"),
        (lambda: optim.LBFGS([x]).step(abs, grad_scale=x), TypeError, "found_inf and grad_scale are not served"),
    ]
    for make, error, message in bad:
        with pytest.raises(error, match=message):
            make()
    optimizer = optim.LBFGS([x])
    optimizer.step(closure_of(optimizer, lambda: (x**4).sum()))
    with pytest.raises(ValueError, match=r"d must have one element per element of the parameters, 3; got shape \(2,\)"):
        optim.LBFGS([xg.Tensor([1.0, 2.0, 3.0])]).load_state_dict(optimizer.state_dict())
    saved = optimizer.state_dict()
    saved["state"][0]["exp_avg"] = 1.0
    with pytest.raises(ValueError, match="what is remembered must be that of LBFGS; got exp_avg"):
        optimizer.load_state_dict(saved)
