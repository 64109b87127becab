"""Schedules: the learning rates, and momenta, of PyTorch's at every time."""

import numpy as np
import pytest

import xgrad as xg
from xgrad import optim

CASES = [
    ("LambdaLR", {"lr_lambda": lambda t: 0.9**t + 0.1}),
    ("LambdaLR", {"lr_lambda": [lambda t: 0.9**t, lambda t: 1 / (t + 1)]}),
    ("StepLR", {"step_size": 4, "gamma": 0.3}),
    ("MultiStepLR", {"milestones": [9, 3, 5, 5], "gamma": 0.4}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 7}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.7, "total_iters": 9}),
    ("LinearLR", {}),
    ("ExponentialLR", {"gamma": 0.83}),
    ("PolynomialLR", {"total_iters": 11, "power": 1.7}),
    ("CosineAnnealingLR", {"T_max": 9, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 3, "eta_min": 0.02}),
    ("OneCycleLR", {"max_lr": 2.0, "total_steps": 30}),
    ("OneCycleLR", {"max_lr": [2.0, 3.0], "epochs": 5, "steps_per_epoch": 6, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 1.5, "total_steps": 30, "three_phase": True, "pct_start": 0.4, "base_momentum": 0.7}),
    ("OneCycleLR", {"max_lr": 1.5, "total_steps": 30, "div_factor": 7, "final_div_factor": 30, "max_momentum": 0.8}),
    ("OneCycleLR", {"max_lr": 1.5, "total_steps": 30, "cycle_momentum": False}),
]


def pair(name="SGD", **options):
    """The same optimiser of two groups, ours and PyTorch's."""
    torch = pytest.importorskip("torch")

    def made(library, tensor):
        groups = [{"params": [tensor([1.0])]}, {"params": [tensor([2.0])], "lr": 0.5}]
        return getattr(library, name)(groups, lr=0.1, **options)

    return made(optim, xg.Tensor), made(torch.optim, lambda v: torch.tensor(v, requires_grad=True))


def momentum_of(group):
    return group["betas"][0] if "betas" in group else group["momentum"]


def follow(mine, peer, optimisers, steps=29):
    ours, theirs = optimisers
    for _ in range(steps):
        for a, b in zip(ours.param_groups, theirs.param_groups, strict=True):
            np.testing.assert_allclose(a["lr"], b["lr"], rtol=1e-9, atol=1e-15)
            assert type(a["lr"]) is float
            np.testing.assert_allclose(momentum_of(a), momentum_of(b), rtol=1e-12)
        np.testing.assert_allclose(mine.get_last_lr(), peer.get_last_lr(), rtol=1e-9, atol=1e-15)
        ours.step()
        theirs.step()
        mine.step()
        peer.step()


@pytest.mark.parametrize("kind, options", [("SGD", {"momentum": 0.9}), ("Adam", {})])
@pytest.mark.parametrize("name, arguments", CASES)
def test_schedules_are_pytorchs(name, arguments, kind, options):
    pair_of = pair(kind, **options)
    torch = pytest.importorskip("torch")
    schedules = [
        getattr(space, name)(o, **arguments)
        for space, o in zip((optim, torch.optim.lr_scheduler), pair_of, strict=True)
    ]
    follow(*schedules, pair_of)


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("second", [("CosineAnnealingLR", {"T_max": 8}), ("ExponentialLR", {"gamma": 0.8})])
def test_a_warm_up_and_what_follows_are_pytorchs(second):
    torch = pytest.importorskip("torch")
    pair_of = pair("SGD", momentum=0.9)
    schedules = []
    for space, o in zip((optim, torch.optim.lr_scheduler), pair_of, strict=True):
        parts = [
            space.LinearLR(o, start_factor=0.1, total_iters=5),
            getattr(space, second[0])(o, **second[1]),
            space.ConstantLR(o, factor=0.01, total_iters=100),
        ]
        schedules.append(space.SequentialLR(o, parts, milestones=[5, 13]))
    follow(*schedules, pair_of, steps=20)
    assert schedules[0].rate(1, 5) == 0.5


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"mode": "max", "patience": 0, "factor": 0.5, "threshold": 0.1},
        {"threshold_mode": "abs", "threshold": 0.3, "patience": 2, "cooldown": 2},
        {"mode": "max", "threshold_mode": "abs", "patience": 1, "min_lr": [0.01, 0.2], "factor": 0.3},
        {"patience": 0, "factor": 0.5, "eps": 0.02},
    ],
)
def test_plateaus_are_pytorchs(options, rng):
    torch = pytest.importorskip("torch")
    ours, theirs = pair()
    mine = optim.ReduceLROnPlateau(ours, **options)
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    metrics = np.exp(-np.arange(40) / 10) + 0.2 * rng.random(40)
    falls = 0
    for metric in metrics:
        before = mine.get_last_lr()
        mine.step(xg.asarray(metric))
        peer.step(metric)
        assert mine.get_last_lr() == [g["lr"] for g in theirs.param_groups]
        assert mine.num_bad_epochs == peer.num_bad_epochs
        falls += mine.get_last_lr() != before
    assert falls > 1


def test_after_the_cycle_nothing_changes():
    optimizer = optim.SGD([xg.Tensor(1.0)], momentum=0.9)
    schedule = optim.OneCycleLR(optimizer, 1.0, total_steps=4)
    for _ in range(3):
        schedule.step()
    last = dict(optimizer.param_groups[0])
    schedule.step()
    assert optimizer.param_groups[0] == last
    assert last["lr"] == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("pct_start, top", [(0.0, 0), (0.25, 0), (1.0, 3)])
def test_a_cycle_may_have_an_empty_phase(pct_start, top):
    optimizer = optim.SGD([xg.Tensor(1.0)], momentum=0.9)
    schedule = optim.OneCycleLR(optimizer, 1.0, total_steps=4, pct_start=pct_start)
    rates = [schedule.rate(0, t) for t in range(4)]
    assert rates.index(max(rates)) == top and rates[3] == pytest.approx(1.0 if top else 1 / 25 / 1e4)


@pytest.mark.parametrize("name, arguments", [c for c in CASES if c[0] in ("CosineAnnealingLR", "OneCycleLR", "StepLR")])
def test_a_schedule_goes_on_where_it_stood(name, arguments):
    def made():
        optimizer = optim.SGD([{"params": [xg.Tensor(1.0)]}, {"params": [xg.Tensor(2.0)]}], lr=0.3, momentum=0.9)
        return optimizer, getattr(optim, name)(optimizer, **arguments)

    whole, schedule = made()
    for _ in range(7):
        schedule.step()
    saved = whole.state_dict(), schedule.state_dict()
    again, resumed = made()
    again.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    assert resumed.get_last_lr() == schedule.get_last_lr()
    late = getattr(optim, name)(again, **arguments, last_epoch=6)  # the other way to go on
    assert late.get_last_lr() == schedule.get_last_lr()
    for _ in range(5):
        schedule.step()
        resumed.step()
        assert resumed.get_last_lr() == schedule.get_last_lr()
        options = [[{k: v for k, v in g.items() if k != "params"} for g in o.param_groups] for o in (whole, again)]
        assert options[0] == options[1]


def test_a_plateau_goes_on_where_it_stood():
    metrics = [1.0, 0.9, 0.95, 0.9, 0.9, 0.91, 0.9, 0.9]
    optimizer = optim.SGD([xg.Tensor(1.0)], lr=1.0)
    schedule = optim.ReduceLROnPlateau(optimizer, patience=2, cooldown=1)
    for m in metrics[:4]:
        schedule.step(m)
    again = optim.SGD([xg.Tensor(1.0)], lr=1.0)
    resumed = optim.ReduceLROnPlateau(again, patience=2, cooldown=1)
    again.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    for m in metrics[4:]:
        schedule.step(m)
        resumed.step(m)
        assert again.lr == optimizer.lr
    assert optimizer.lr == 0.1


def test_arguments_are_checked():
    optimizer = optim.SGD([xg.Tensor(1.0)], lr=0.1)
    other = optim.SGD([xg.Tensor(1.0)], lr=0.1)
    step = optim.StepLR(optimizer, 2)
    plateau = optim.ReduceLROnPlateau(optimizer)
    bad = [
        (lambda: optim.StepLR(1.0, 2), TypeError, "StepLR: optimizer must be an Optimizer; got float"),
        (lambda: optim.ReduceLROnPlateau(1.0), TypeError, "ReduceLROnPlateau: optimizer must be an Optimizer"),
        (lambda: optim.StepLR(optimizer, 0), ValueError, "StepLR: step_size must be above 0; got 0"),
        (lambda: optim.LinearLR(optimizer, total_iters=0), ValueError, "LinearLR: total_iters must be above 0"),
        (lambda: optim.PolynomialLR(optimizer, 0), ValueError, "PolynomialLR: total_iters must be above 0"),
        (lambda: optim.CosineAnnealingLR(optimizer, 0), ValueError, "CosineAnnealingLR: T_max must be above 0"),
        (lambda: optim.CosineAnnealingWarmRestarts(optimizer, 0), ValueError, "Restarts: T_0 must be above 0"),
        (lambda: optim.CosineAnnealingWarmRestarts(optimizer, 1, 0), ValueError, "Restarts: T_mult must be above 0"),
        (
            lambda: optim.LambdaLR(optimizer, [abs, abs]),
            ValueError,
            "lr_lambda must have one entry per group, 1; got 2",
        ),
        (lambda: optim.StepLR(other, 2, last_epoch=3), ValueError, r"got last_epoch=3 and no 'initial_lr' in group 0"),
        (lambda: optim.OneCycleLR(optimizer, 1.0), ValueError, "OneCycleLR: the number of steps is not given"),
        (lambda: optim.OneCycleLR(optimizer, 1.0, 9), ValueError, "cycle_momentum needs momentum or betas; got SGD"),
        (lambda: optim.OneCycleLR(optimizer, 1.0, 0), ValueError, "OneCycleLR: total_steps must be above 0"),
        (lambda: optim.OneCycleLR(optimizer, 1.0, 9, pct_start=2), ValueError, "pct_start must be from 0 to 1; got 2"),
        (lambda: optim.OneCycleLR(optimizer, 1.0, 9, anneal_strategy="x"), ValueError, "unknown anneal_strategy; got"),
        (lambda: optim.SequentialLR(optimizer, [step, plateau], [1]), TypeError, r"schedulers\[1\] .*got ReduceLROn"),
        (lambda: optim.SequentialLR(other, [step], []), ValueError, r"schedulers\[0\] is another optimiser's"),
        (lambda: optim.SequentialLR(optimizer, [step, step], []), ValueError, "got 0 for 2 schedules"),
        (
            lambda: optim.ReduceLROnPlateau(optimizer, factor=1.0),
            ValueError,
            "factor must be from 0 to below 1; got 1.0",
        ),
        (lambda: optim.ReduceLROnPlateau(optimizer, mode="up"), ValueError, "unknown mode; got 'up'"),
        (lambda: optim.ReduceLROnPlateau(optimizer, threshold_mode="x"), ValueError, "unknown threshold_mode; got 'x'"),
        (lambda: optim.LRScheduler(optimizer), NotImplementedError, "LRScheduler: rate is not written"),
    ]
    for make, error, message in bad:
        with pytest.raises(error, match=message):
            make()
