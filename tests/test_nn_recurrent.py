"""Recurrent layers: values and gradients are PyTorch's, for every option, and the loop is linear in the steps."""

import numpy as np
import pytest

import xgrad as xg
from xgrad import nn
from xgrad.testing import gradcheck

TIGHT = {"rtol": 1e-10, "atol": 1e-10}
KINDS = {"RNN": 1, "LSTM": 4, "GRU": 3}
OPTIONS = [
    {},
    {"num_layers": 3},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
    {"num_layers": 2, "bias": False},
]
CASES = [
    *[(kind, options) for kind in KINDS for options in OPTIONS],
    ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    ("LSTM", {"proj_size": 2}),
    ("LSTM", {"proj_size": 3, "num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False}),
]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def name_of(case):
    return " ".join([case[0], *map(str, case[1].items())]) if isinstance(case, tuple) else None


def build(kind, options, device="cpu", seed=0):
    return getattr(nn, kind)(3, 5, **options, dtype="float64", device=device, generator=seed)


def states_for(layer, kind, batch, rng):
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = [layer.proj_size or 5, 5] if kind == "LSTM" else [5]
    return [rng.standard_normal((count, *batch, size)) for size in sizes]


def flat(result):
    """The output and the states of a layer, in one list."""
    output, states = result
    return [output, *(states if isinstance(states, tuple) else [states])]


def packed(states):
    return tuple(states) if len(states) > 1 else states[0]


def pulled(results, cts, convert):
    """The gradient of a random combination of all results reaches every leaf by one pass."""
    total = 0
    for result, ct in zip(results, cts, strict=True):
        total = total + (result * convert(ct)).sum()
    total.backward()


def compare(torch, kind, options, x_shape, batch, with_states, rng, device="cpu"):
    layer = build(kind, options, device)
    peer = getattr(torch.nn, kind)(3, 5, **options, dtype=torch.float64)
    state = layer.state_dict()
    assert list(state) == list(peer.state_dict())
    peer.load_state_dict({name: torch.tensor(value.numpy()) for name, value in state.items()})

    value, first = rng.standard_normal(x_shape), states_for(layer, kind, batch, rng)
    x, t = xg.Tensor(value, device=device), torch.tensor(value, requires_grad=True)
    ours, theirs = [xg.Tensor(s, device=device) for s in first], [torch.tensor(s, requires_grad=True) for s in first]
    found = flat(layer(x, packed(ours)) if with_states else layer(x))
    wanted = flat(peer(t, packed(theirs)) if with_states else peer(t))
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == tuple(b.shape)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), **TIGHT)

    cts = [rng.standard_normal(a.shape) for a in found]
    pulled(found, cts, lambda ct: xg.asarray(ct, device=device))
    pulled(wanted, cts, torch.tensor)
    pairs = [(x, t), *zip(layer.parameters(), peer.parameters(), strict=True)]
    for a, b in pairs + (list(zip(ours, theirs, strict=True)) if with_states else []):
        assert a.grad.device == a.device
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), **TIGHT)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_values_and_gradients_are_pytorchs(case, rng, torch):
    kind, options = case
    x_shape = (4, 6, 3) if options.get("batch_first") else (6, 4, 3)
    compare(torch, kind, options, x_shape, (4,), True, rng)
    compare(torch, kind, options, x_shape, (4,), False, rng)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(i, h, c):
    write, keep, new, read = np.split(i + h, 4, axis=-1)
    c = sigmoid(keep) * c + sigmoid(write) * np.tanh(new)
    return sigmoid(read) * np.tanh(c), c


def gru_step(i, h, state):
    (i_r, i_z, i_n), (h_r, h_z, h_n) = np.split(i, 3, axis=-1), np.split(h, 3, axis=-1)
    z = sigmoid(i_z + h_z)
    return (1 - z) * np.tanh(i_n + sigmoid(i_r + h_r) * h_n) + z * state


@pytest.mark.parametrize("kind", KINDS)
def test_values_by_formula(kind, rng):
    layer, x = build(kind, {}), rng.standard_normal((6, 4, 3))
    weights = {name: value.numpy() for name, value in layer.state_dict().items()}
    h = c = np.zeros((4, 5))
    for now in x:
        i = now @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
        product = h @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]
        if kind == "RNN":
            h = np.tanh(i + product)
        elif kind == "LSTM":
            h, c = lstm_step(i, product, c)
        else:
            h = gru_step(i, product, h)
    found = flat(layer(x))
    np.testing.assert_allclose(found[0][-1].detach().numpy(), h, **TIGHT)
    np.testing.assert_allclose(found[1][0].detach().numpy(), h, **TIGHT)
    if kind == "LSTM":
        np.testing.assert_allclose(found[2][0].detach().numpy(), c, **TIGHT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_sequence_without_a_batch(kind, batch_first, rng, torch):
    options = {"num_layers": 2, "bidirectional": True, "batch_first": batch_first}
    compare(torch, kind, options, (6, 3), (), True, rng)
    compare(torch, kind, options, (6, 3), (), False, rng)


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_and_an_empty_batch(kind, rng, torch):
    compare(torch, kind, {"bidirectional": True}, (1, 2, 3), (2,), True, rng)
    compare(torch, kind, {"bidirectional": True}, (2, 0, 3), (0,), True, rng)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_on_every_device(kind, device, rng, torch):
    compare(torch, kind, {"num_layers": 2, "bidirectional": True}, (3, 2, 3), (2,), False, rng, device)
    compare(torch, kind, {}, (3, 2, 3), (2,), True, rng, device)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_by_transforms(kind, rng):
    layer = build(kind, {"bidirectional": True})
    gradcheck(lambda x: layer(x)[0], rng.standard_normal((3, 2, 3)), order=2)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_by_transform_are_those_of_backward(kind, rng):
    layer = build(kind, {"num_layers": 2})
    x = xg.asarray(rng.standard_normal((4, 2, 3)))
    gradients = xg.grad(lambda layer: (layer(x)[0] ** 2).sum())(layer)
    (layer(x)[0] ** 2).sum().backward()
    for found, parameter in zip(gradients.parameters(), layer.parameters(), strict=True):
        np.testing.assert_allclose(found.detach().numpy(), parameter.grad.numpy(), **TIGHT)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays(kind):
    layer = getattr(nn, kind)(3, 5, num_layers=2, dropout=0.5)
    x = xg.Tensor(np.ones((4, 2, 3)), dtype="float32")
    results = flat(layer(x))
    results[0].sum().backward()
    for array in [*results, x.grad, *(p.grad for p in layer.parameters())]:
        assert array.dtype == xg.float32


def test_parameters_start_as_in_pytorch(rng):
    layer = nn.LSTM(30, 25, num_layers=2, generator=rng)
    for parameter in layer.parameters():
        assert parameter.dtype == xg.float32
        value = parameter.detach().numpy()
        assert 0.18 < np.abs(value).max() <= 0.2
        assert abs(value.mean()) < 0.05


# Dropout --------------------------------------------------------------------------------------------------------------


def test_dropout_is_between_the_layers_in_training_only(rng):
    x = rng.standard_normal((4, 2, 3))
    plain, dropping = build("GRU", {"num_layers": 2}), build("GRU", {"num_layers": 2, "dropout": 1.0})
    dropping.load_state_dict(plain.state_dict())
    expected, found = plain(x), dropping(x)
    np.testing.assert_array_equal(found[1][0].detach().numpy(), expected[1][0].detach().numpy())  # the first layer
    assert not np.allclose(found[0].detach().numpy(), expected[0].detach().numpy())
    np.testing.assert_array_equal(found[0].detach().numpy(), flat(dropping(x + 1))[0].detach().numpy())
    np.testing.assert_array_equal(dropping.eval()(x)[0].detach().numpy(), expected[0].detach().numpy())
    alone = build("GRU", {"dropout": 1.0})  # the outputs of the last layer are never dropped
    assert float(xg.abs(alone(x)[0]).max()) > 0


def test_dropout_follows_the_generator(rng):
    x = rng.standard_normal((4, 2, 3))
    a, b = (build("RNN", {"num_layers": 2, "dropout": 0.5}, seed=3) for _ in range(2))
    first, second = a(x)[0], a(x)[0]
    np.testing.assert_array_equal(first.detach().numpy(), b(x)[0].detach().numpy())
    assert not np.array_equal(first.detach().numpy(), second.detach().numpy())


# What a step costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_pass_back_writes_is_linear_in_the_steps(kind, monkeypatch):
    layer = build(kind, {})
    xp = xg.backends.namespace_of(layer.weight_ih_l0.value)
    scatter_add, written = xp.scatter_add, []

    def counted(x, key, shape):
        written.append(int(np.prod(shape)))
        return scatter_add(x, key=key, shape=shape)

    monkeypatch.setattr(xp, "scatter_add", counted)

    def elements(steps):
        written.clear()
        layer(xg.Tensor(np.ones((steps, 2, 3))))[0].sum().backward()
        return sum(written)

    assert elements(40) <= 4.1 * elements(10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pass_never_reads_from_the_device(kind, device, monkeypatch):
    layer = build(kind, {"num_layers": 2, "dropout": 0.5, "bidirectional": True}, device)
    x = xg.Tensor(np.ones((3, 2, 3)), device=device)

    def forbidden(*args, **kwargs):
        raise AssertionError("a value was read from the device")

    for name in ("__bool__", "__float__", "__int__", "__index__", "item", "numpy", "tolist", "_number", "__array__"):
        monkeypatch.setattr(xg.Tensor, name, forbidden)
    layer(x)[0].sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


# How it looks, and errors ---------------------------------------------------------------------------------------------


def test_repr():
    assert repr(nn.RNN(3, 5)) == "RNN(3, 5): 50 parameters"
    layer = nn.RNN(3, 5, num_layers=2, nonlinearity="relu", bias=False, dropout=0.5, bidirectional=True)
    options = "num_layers=2, nonlinearity='relu', bias=False, dropout=0.5, bidirectional=True"
    assert repr(layer) == f"RNN(3, 5, {options}): 230 parameters"
    assert repr(nn.LSTM(3, 5, proj_size=2)).startswith("LSTM(3, 5, proj_size=2)")


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: nn.GRU(3.0, 5), TypeError, r"GRU: input_size must be an int; got 3\.0"),
        (lambda: nn.GRU(3, 0), ValueError, r"GRU: hidden_size must be at least 1; got 0"),
        (lambda: nn.LSTM(3, 5, num_layers=0), ValueError, r"LSTM: num_layers must be at least 1"),
        (lambda: nn.RNN(3, 5, dropout=1.5), ValueError, r"RNN: dropout must lie between 0 and 1; got 1\.5"),
        (lambda: nn.RNN(3, 5, dropout="a"), TypeError, r"RNN: dropout must be a number; got 'a'"),
        (lambda: nn.RNN(3, 5, nonlinearity="gelu"), ValueError, r"RNN: unknown nonlinearity; got 'gelu'. Use 'tanh'"),
        (lambda: nn.RNN(3, 5, dtype="int64"), TypeError, r"RNN: dtype must be real floating; got int64"),
        (lambda: nn.LSTM(3, 5, proj_size=5), ValueError, r"LSTM: proj_size must be below hidden_size=5; got 5"),
    ],
)
def test_arguments_are_checked(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "shape, hx, error, message",
    [
        ((4, 2, 2), None, ValueError, r"LSTM: the input must have the shape \(time, batch, 3\).*got \(4, 2, 2\)"),
        ((3,), None, ValueError, r"LSTM: the input must have the shape"),
        ((0, 2, 3), None, ValueError, r"LSTM: the sequence must have a step at least; got shape \(0, 2, 3\)"),
        ((4, 2, 3), np.zeros((1, 2, 5)), TypeError, r"LSTM: hx must be a pair of arrays \(h, c\); got ndarray"),
        ((4, 2, 3), (np.zeros((1, 2, 5)),), TypeError, r"LSTM: hx must be a pair"),
        ((4, 2, 3), [np.zeros((1, 2, 5)), np.zeros((2, 5))], ValueError, r"the shape \(1, 2, 5\); got \(2, 5\)"),
        ((4, 3), [np.zeros((1, 2, 5))] * 2, ValueError, r"must have the shape \(1, 5\); got \(1, 2, 5\)"),
        ((4, 2, 3), [np.zeros((1, 2, 5), "f4")] * 2, TypeError, r"LSTM: hx and the weights have different dtypes"),
    ],
)
def test_inputs_are_checked(shape, hx, error, message):
    with pytest.raises(error, match=message):
        build("LSTM", {})(np.zeros(shape), hx)


def test_an_input_of_another_dtype_says_what_to_do():
    with pytest.raises(TypeError, match=r"GRU: the input and the weights have .* float32 and float64.*astype"):
        build("GRU", {})(np.zeros((2, 2, 3), "float32"))
