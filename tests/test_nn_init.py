"""Initialisers: their scales are PyTorch's, what they draw has the shape it should, on every device."""

import math

import numpy as np
import pytest

import xgrad as xg
from xgrad import nn
from xgrad.nn import init

DRAWN = {  # the standard deviation and the largest size for a weight (40, 30, 2, 2), of 120 inputs and 160 outputs
    "uniform_": (lambda t, g: init.uniform_(t, -1, 3, generator=g), 4 / math.sqrt(12), 3),
    "normal_": (lambda t, g: init.normal_(t, 0, 0.5, generator=g), 0.5, None),
    "xavier_uniform_": (lambda t, g: init.xavier_uniform_(t, 2.0, generator=g), 2 * math.sqrt(2 / 280), "uniform"),
    "xavier_normal_": (lambda t, g: init.xavier_normal_(t, generator=g), math.sqrt(2 / 280), None),
    "kaiming_uniform_": (lambda t, g: init.kaiming_uniform_(t, generator=g), math.sqrt(2 / 120), "uniform"),
    "kaiming_uniform_ out": (
        lambda t, g: init.kaiming_uniform_(t, 0.5, "fan_out", generator=g),
        math.sqrt(2 / 1.25 / 160),
        "uniform",
    ),
    "kaiming_normal_": (lambda t, g: init.kaiming_normal_(t, nonlinearity="tanh", generator=g), 5 / 3 / 120**0.5, None),
}


def weight(**options):
    return xg.Tensor(np.zeros((40, 30, 2, 2)), **options)


@pytest.mark.parametrize("name", DRAWN)
def test_draws_have_their_scale(name, device):
    fill, std, bound = DRAWN[name]
    w = weight(device=device, dtype="float32")
    assert fill(w, 1) is w
    assert (w.is_leaf, w.dtype, w.device) == (True, "float32", xg.Tensor(0.0, device=device).device)
    value = w.detach().numpy()
    assert value.std() == pytest.approx(std, rel=0.04)
    if bound:
        largest = std * math.sqrt(3) if bound == "uniform" else bound
        assert 0.98 * largest < np.abs(value).max() <= largest
    else:
        assert np.abs(value).max() > 2.5 * std
    if name != "uniform_":
        assert abs(value.mean()) < 0.1 * std


def test_truncated_normal_stays_within_its_bounds():
    value = init.trunc_normal_(weight(), 1.0, 2.0, 0.0, 3.0, generator=0).detach().numpy()
    assert (value.min() >= 0, value.max() <= 3) == (True, True)
    assert value.min() < 0.02
    assert value.max() > 2.98
    full = init.trunc_normal_(weight(), std=0.02, generator=0).detach().numpy()
    assert full.std() == pytest.approx(0.02, rel=0.04)


def test_draws_come_from_the_generator():
    for shared in (np.random.default_rng(3), xg.random.default_rng(3)):
        first, second = (init.normal_(weight(), generator=shared) for _ in range(2))
        assert (first == init.normal_(weight(), generator=3)).all()
        assert (first != second).any()
    assert (init.uniform_(weight()) != init.uniform_(weight())).any()


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (4, 4), (4, 3, 2, 2)])
def test_orthogonal_rows_or_columns(shape, device):
    w = init.orthogonal_(xg.Tensor(np.zeros(shape), device=device), gain=1.5, generator=0)
    flat = w.detach().numpy().reshape(shape[0], -1)
    gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(gram, 2.25 * np.eye(min(flat.shape)), atol=1e-12)


def test_orthogonal_matrices_have_both_signs():
    signs = {
        math.copysign(1, float(init.orthogonal_(xg.Tensor(np.zeros((2, 2))), generator=i)[0, 0])) for i in range(9)
    }
    assert signs == {1.0, -1.0}


def test_fixed_values():
    w = weight()
    assert (init.constant_(w, 2.5) == 2.5).all()
    assert (init.ones_(w) == 1).all()
    assert (init.zeros_(w) == 0).all()
    assert init.eye_(xg.Tensor(np.zeros((2, 3)))).tolist() == [[1, 0, 0], [0, 1, 0]]
    buffer = xg.zeros(3)
    assert init.ones_(buffer).tolist() == [1.0] * 3


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "conv_transpose1d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
)
def test_gains_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    for param in (None, 0.3) if name == "leaky_relu" else (None,):
        assert init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


def test_a_model_is_filled_by_apply():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 2)))
    model.apply(lambda m: init.zeros_(m.bias) if isinstance(m, nn.Linear) else None)
    assert [bool((v == 0).all()) for v in model.state_dict().values()] == [False, True, False, True]


def test_initialisers_check_their_arguments():
    vector, w = xg.Tensor([1.0, 2.0]), weight()
    for fill in (
        init.xavier_uniform_,
        init.xavier_normal_,
        init.kaiming_uniform_,
        init.kaiming_normal_,
        init.orthogonal_,
    ):
        with pytest.raises(ValueError, match=rf"{fill.__name__}: a weight must have the shape.*; got \(2,\)"):
            fill(vector)
    with pytest.raises(ValueError, match="kaiming_normal_: unknown mode; got 'fan'"):
        init.kaiming_normal_(w, mode="fan")
    with pytest.raises(ValueError, match="calculate_gain: unknown nonlinearity; got 'swish'"):
        init.kaiming_uniform_(w, nonlinearity="swish")
    with pytest.raises(ValueError, match=r"eye_: the Tensor must be a matrix; got shape \(2,\)"):
        init.eye_(vector)
    for bad in (2 * vector, np.zeros(3)):
        with pytest.raises(TypeError, match=r"constant_: a parameter is needed"):
            init.constant_(bad, 1)
