"""Convolutions and pooling: values and gradients are PyTorch's, for every number of axes and every option."""

import numpy as np
import pytest

import xgrad as xg
from xgrad import nn
from xgrad.testing import gradcheck

TIGHT = {"rtol": 1e-10, "atol": 1e-10}
EXTENTS = {1: (11,), 2: (9, 8), 3: (5, 6, 7)}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def equal(found, wanted):
    assert found.shape == tuple(wanted.shape)
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), **TIGHT)


def compare(torch, layer, peer, value, rng, device="cpu", **call):
    """Both layers have the same weights, results and gradients."""
    state = layer.state_dict()
    assert list(state) == list(peer.state_dict())
    peer.load_state_dict({name: torch.tensor(v.numpy()) for name, v in state.items()})
    x, t = xg.Tensor(value, device=device), torch.tensor(value, requires_grad=True)
    y, z = layer(x, **call), peer(t, **call)
    equal(y, z)
    ct = rng.standard_normal(y.shape)
    y.backward(xg.asarray(ct, device=device))
    z.backward(torch.tensor(ct))
    for a, b in [(x, t), *zip(layer.parameters(), peer.parameters(), strict=True)]:
        assert a.grad.device == a.device
        equal(a.grad, b.grad)


def ids(case):
    return str(case) if isinstance(case, dict | tuple) else None


# Convolutions ---------------------------------------------------------------------------------------------------------


def convolution(torch, name, options, device="cpu"):
    ours = getattr(nn, name)(4, 6, **options, dtype="float64", device=device, generator=0)
    return ours, getattr(torch.nn, name)(4, 6, **options, dtype=torch.float64)


ANY_AXES = [
    {"kernel_size": 1},
    {"kernel_size": 3, "bias": False},
    {"kernel_size": 2, "stride": 3},
    {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2, "groups": 2},
    {"kernel_size": 4, "padding": "same"},
    {"kernel_size": 2, "padding": "same", "dilation": 3},
    {"kernel_size": 3, "padding": "valid"},
    {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    {"kernel_size": 3, "padding": 2, "padding_mode": "replicate", "stride": 2},
    {"kernel_size": 4, "padding": "same", "padding_mode": "circular"},
]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("options", ANY_AXES, ids=ids)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_convolutions_are_pytorchs(axes, options, rng, torch):
    layer, peer = convolution(torch, f"Conv{axes}d", options)
    compare(torch, layer, peer, rng.standard_normal((3, 4, *EXTENTS[axes])), rng)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": (3, 2), "stride": (1, 2), "padding": (0, 1), "dilation": (2, 1)},
        {"kernel_size": (2, 5), "padding": "same", "dilation": (3, 1)},
        {"kernel_size": (3, 1), "padding": (2, 1), "padding_mode": "circular", "groups": 2},
    ],
    ids=ids,
)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_a_number_for_every_axis(options, rng, torch):
    layer, peer = convolution(torch, "Conv2d", options)
    compare(torch, layer, peer, rng.standard_normal((3, 4, 9, 8)), rng)


ANY_TRANSPOSE = [
    {"kernel_size": 1},
    {"kernel_size": 3, "bias": False},
    {"kernel_size": 2, "stride": 3},
    {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 3, "dilation": 2, "groups": 2},
    {"kernel_size": 2, "padding": 2, "dilation": 3, "output_padding": 2},
]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("options", ANY_TRANSPOSE, ids=ids)
def test_transposes_are_pytorchs(axes, options, rng, torch):
    layer, peer = convolution(torch, f"ConvTranspose{axes}d", options)
    compare(torch, layer, peer, rng.standard_normal((3, 4, *(n - 2 for n in EXTENTS[axes]))), rng)


def test_a_transpose_with_a_number_for_every_axis(rng, torch):
    options = {"kernel_size": (3, 2), "stride": (1, 3), "padding": (2, 0), "output_padding": (0, 2), "dilation": (2, 1)}
    layer, peer = convolution(torch, "ConvTranspose2d", options)
    compare(torch, layer, peer, rng.standard_normal((3, 4, 5, 4)), rng)


@pytest.mark.parametrize("size", [(9, 7), (10, 8)])
def test_the_size_of_a_transpose_can_be_given(size, rng, torch):
    layer, peer = convolution(torch, "ConvTranspose2d", {"kernel_size": 3, "stride": 2, "padding": 1})
    compare(torch, layer, peer, rng.standard_normal((3, 4, 5, 4)), rng, output_size=size)
    with pytest.raises(ValueError, match=r"output_size must lie between \(9, 7\) and \(10, 8\); got \(11, 8\)"):
        layer(np.zeros((3, 4, 5, 4)), output_size=(11, 8))


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "ConvTranspose2d"])
def test_convolutions_without_a_batch_and_of_none(name, rng, torch):
    layer, peer = convolution(torch, name, {"kernel_size": 3, "padding": 1})
    extents = EXTENTS[layer.axes]
    compare(torch, layer, peer, rng.standard_normal((4, *extents)), rng)
    peer.zero_grad()
    compare(torch, layer, peer, rng.standard_normal((0, 4, *extents)), rng)


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "ConvTranspose2d"])
def test_convolutions_are_the_same_on_every_device(name, device, rng, torch):
    options = {"kernel_size": 3, "stride": 2, "padding": 1, "groups": 2}
    layer, peer = convolution(torch, name, options, device)
    compare(torch, layer, peer, rng.standard_normal((2, 4, *EXTENTS[layer.axes])), rng, device)


def test_values_by_formula(rng):
    layer = nn.Conv2d(2, 3, (2, 3), stride=(1, 2), padding=(1, 0), dtype="float64", generator=0)
    value = rng.standard_normal((2, 2, 4, 7))
    padded = np.pad(value, ((0, 0), (0, 0), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 3), axis=(2, 3))[:, :, :, ::2]
    wanted = np.einsum("nchwij,ocij->nohw", windows, layer.weight.detach().numpy())
    wanted += layer.bias.detach().numpy()[:, None, None]
    np.testing.assert_allclose(layer(value).detach().numpy(), wanted, **TIGHT)


def test_pooling_by_formula(rng):
    value = rng.standard_normal((2, 3, 5, 8))
    windows = np.lib.stride_tricks.sliding_window_view(value, (2, 3), axis=(2, 3))[:, :, ::2, ::3]
    np.testing.assert_array_equal(nn.MaxPool2d((2, 3))(value).numpy(), windows.max((-2, -1)))
    np.testing.assert_allclose(nn.AvgPool2d((2, 3))(value).numpy(), windows.mean((-2, -1)), **TIGHT)
    wanted = np.stack([value[..., i:j].mean(-1) for i, j in ((0, 3), (2, 6), (5, 8))], axis=-1)
    np.testing.assert_allclose(nn.AdaptiveAvgPool2d((None, 3))(value).numpy(), wanted, **TIGHT)


def test_a_transpose_is_the_transpose(rng):
    options = {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False, "dtype": "float64"}
    there, back = nn.Conv2d(2, 3, **options), nn.ConvTranspose2d(3, 2, **options)
    back.load_state_dict(there.state_dict())
    x, y = rng.standard_normal((1, 2, 7, 9)), rng.standard_normal((1, 3, 4, 5))
    np.testing.assert_allclose(float((there(x) * y).sum()), float((back(y) * x).sum()), **TIGHT)


@pytest.mark.parametrize("name", ["Conv1d", "ConvTranspose1d"])
def test_convolutions_are_differentiable_twice(name, rng):
    layer = getattr(nn, name)(2, 3, 3, stride=2, padding=1, dtype="float64", generator=0)
    gradcheck(lambda x: layer(x) ** 2, rng.standard_normal((1, 2, 6)), order=2)


@pytest.mark.parametrize("name, fan", [("Conv2d", 16 * 9), ("ConvTranspose2d", 8 * 9)])
def test_weights_start_as_in_pytorch(name, fan, rng):
    layer = getattr(nn, name)(32, 16, 3, groups=2, generator=rng)
    for parameter in layer.parameters():
        assert parameter.dtype == xg.float32
        assert 0.7 * fan**-0.5 < float(xg.abs(parameter).max()) <= fan**-0.5
    assert float(xg.abs(layer.weight).max()) > 0.99 * fan**-0.5


def test_repr_of_convolutions():
    assert repr(nn.Conv1d(2, 4, 3)) == "Conv1d(2, 4, kernel_size=(3,)): 28 parameters"
    layer = nn.Conv2d(2, 4, 3, padding="same", dilation=2, groups=2, bias=False, padding_mode="circular")
    words = "kernel_size=(3, 3), padding='same', dilation=(2, 2), groups=2, bias=False, padding_mode='circular'"
    assert repr(layer) == f"Conv2d(2, 4, {words}): 36 parameters"
    layer = nn.ConvTranspose2d(2, 4, 3, 2, padding=(1, 0), output_padding=1)
    words = "kernel_size=(3, 3), stride=(2, 2), padding=(1, 0), output_padding=(1, 1)"
    assert repr(layer) == f"ConvTranspose2d(2, 4, {words}): 76 parameters"


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, r"Conv2d: .*multiples of groups; got 3, 4 and 2"),
        (
            lambda: nn.Conv2d(3, 4, (3, 3, 3)),
            ValueError,
            r"Conv2d: kernel_size must be an int or 2 of them; got \(3, 3",
        ),
        (lambda: nn.Conv2d(3, 4, 0), ValueError, r"Conv2d: kernel_size must be at least 1; got 0"),
        (lambda: nn.Conv2d(3, 4, 3, stride=1.5), TypeError, r"Conv2d: stride must be an int; got 1\.5"),
        (lambda: nn.Conv2d(3, 4, 3, padding=-1), ValueError, r"Conv2d: padding must be at least 0; got -1"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), ValueError, r"Conv2d: unknown padding; got 'full'. Use 'same'"),
        (
            lambda: nn.Conv2d(3, 4, 3, 2, padding="same"),
            ValueError,
            r"Conv2d: padding='same' needs stride=1; got \(2, 2",
        ),
        (lambda: nn.Conv1d(3, 4, 3, padding_mode="edge"), ValueError, r"Conv1d: unknown padding_mode; got 'edge'"),
        (lambda: nn.Conv1d(3, 4, 3, dtype="int8"), TypeError, r"Conv1d: dtype must be real floating; got int8"),
        (
            lambda: nn.ConvTranspose1d(3, 4, 3, 2, output_padding=2),
            ValueError,
            r"output_padding must be below the stri",
        ),
        (lambda: nn.Conv2d(3, 4, 3)(np.zeros((2, 3, 5, 5))), TypeError, r"Conv2d: the input and the weights have diff"),
        (
            lambda: nn.Conv2d(3, 4, 3)(np.zeros((2, 4, 5, 5), "f4")),
            ValueError,
            r"Conv2d: the input must have the shape \(batch, 3, height, width\) or \(3, height, width\); got \(2, 4, 5",
        ),
        (lambda: nn.Conv1d(3, 4, 3)(np.zeros((2, 3, 5, 5), "f4")), ValueError, r"Conv1d: .*\(batch, 3, width\)"),
        (lambda: nn.Conv1d(3, 4, 3)(np.zeros((2, 3, 2), "f4")), ValueError, r"convolution: the window must"),
    ],
)
def test_convolutions_check_their_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


# Pooling --------------------------------------------------------------------------------------------------------------

WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 4, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
]
DILATED = [
    {"kernel_size": 2, "dilation": 3, "stride": 1},
    {"kernel_size": 3, "dilation": 2, "padding": 1, "stride": 2, "ceil_mode": True},
]
AVERAGED = [
    {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    {"kernel_size": 3, "stride": 4, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True, "count_include_pad": False},
]
POOLS = [
    *[("MaxPool", options) for options in WINDOWS + DILATED],
    *[("AvgPool", options) for options in WINDOWS + AVERAGED],
]


def pool(torch, name, options):
    return getattr(nn, name)(**options), getattr(torch.nn, name)(**options)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind, options", POOLS, ids=ids)
def test_pooling_is_pytorchs(kind, options, axes, rng, torch):
    compare(torch, *pool(torch, f"{kind}{axes}d", options), rng.standard_normal((2, 3, *EXTENTS[axes])), rng)


@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool"])
def test_pooling_with_a_number_for_every_axis(kind, rng, torch):
    options = {"kernel_size": (2, 3), "stride": (3, 1), "padding": (1, 0)}
    compare(torch, *pool(torch, f"{kind}2d", options), rng.standard_normal((2, 3, 9, 8)), rng)
    options |= {"ceil_mode": True} | ({"dilation": (1, 2)} if kind == "MaxPool" else {"divisor_override": 5})
    compare(torch, *pool(torch, f"{kind}2d", options), rng.standard_normal((2, 3, 9, 8)), rng)


@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool"])
def test_large_windows(kind, rng, torch):
    value = rng.standard_normal((2, 3, 70))
    for options in ({"kernel_size": 16}, {"kernel_size": 20, "stride": 3, "padding": 7, "ceil_mode": True}):
        compare(torch, *pool(torch, f"{kind}1d", options), value, rng)
    if kind == "MaxPool":
        compare(torch, *pool(torch, "MaxPool1d", {"kernel_size": 17, "stride": 2, "dilation": 3}), value, rng)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_adaptive_means_are_pytorchs(axes, size, rng, torch):
    name = f"AdaptiveAvgPool{axes}d"
    ours, theirs = getattr(nn, name)(size), getattr(torch.nn, name)(size)
    compare(torch, ours, theirs, rng.standard_normal((2, 3, *EXTENTS[axes])), rng)


@pytest.mark.parametrize("size", [(2, None), (None, 3), (9, 4)])
def test_adaptive_means_with_a_number_for_every_axis(size, rng, torch):
    layers = nn.AdaptiveAvgPool2d(size), torch.nn.AdaptiveAvgPool2d(size)
    compare(torch, *layers, rng.standard_normal((2, 3, 9, 8)), rng)


def test_adaptive_means_of_no_size_are_the_input(rng):
    x = rng.standard_normal((2, 3, 11))
    np.testing.assert_array_equal(nn.AdaptiveAvgPool1d(None)(x).numpy(), x)


def some_pools():
    return [nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.AdaptiveAvgPool2d(3)]


@pytest.mark.parametrize("layer", some_pools(), ids=lambda layer: type(layer).__name__)
def test_pooling_is_the_same_on_every_device(layer, device, rng):
    value = rng.standard_normal((2, 3, 8, 7))
    x, y = xg.Tensor(value, device=device), xg.Tensor(value)
    out, expected = layer(x), layer(y)
    ct = rng.standard_normal(out.shape)
    out.backward(xg.asarray(ct, device=device))
    expected.backward(ct)
    assert out.device == x.device == x.grad.device
    equal(out, expected)
    equal(x.grad, y.grad)


@pytest.mark.parametrize("layer", some_pools(), ids=lambda layer: type(layer).__name__)
def test_pooling_takes_single_samples_empty_batches_and_float32(layer, rng):
    value = rng.standard_normal((3, 8, 7)).astype("float32")
    alone = layer(value)
    np.testing.assert_array_equal(alone.numpy(), layer(value[None])[0].numpy())
    assert alone.dtype == xg.float32
    assert layer(np.zeros((0, 3, 8, 7))).shape == (0, *alone.shape)


@pytest.mark.parametrize("layer", some_pools(), ids=lambda layer: type(layer).__name__)
def test_pooling_is_differentiable_by_transforms(layer, rng):
    gradcheck(lambda x: layer(x) ** 2, rng.standard_normal((1, 2, 5, 4)), order=2)


@pytest.mark.parametrize("window", [2, 16])
def test_a_maximum_in_two_places_is_shared(window):
    x = xg.Tensor([[3.0, 3.0] + 14 * [0.0]])
    nn.MaxPool1d(window)(x)[:, 0].sum().backward()
    assert x.grad.tolist() == [[0.5, 0.5] + 14 * [0.0]]


def test_any_number_of_places_share_a_maximum_equally(device):
    x = xg.Tensor([[[1.0, 1.0, 5.0], [1.0, 0.0, 5.0], [2.0, 2.0, 5.0]]], device=device)
    nn.MaxPool2d(2, stride=1)(x).backward(xg.asarray([[[6.0, 20.0], [8.0, 40.0]]], device=device))
    np.testing.assert_allclose(x.grad.numpy(), [[[2, 2, 10], [2, 0, 30], [4, 4, 20]]])


def test_a_nan_takes_the_cotangent_of_its_windows(device):
    x = xg.Tensor([[1.0, xg.nan, 3.0, 2.0, -xg.inf, -xg.inf, xg.nan, xg.nan]], device=device)
    nn.MaxPool1d(2)(x).backward(xg.asarray([[1.0, 2.0, 4.0, 8.0]], device=device))
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 1, 2, 0, 2, 2, 4, 4]])


def test_an_infinite_cotangent_makes_no_nan_beside_it():
    x = xg.Tensor([[1.0, 2.0, 3.0, 3.0]])
    nn.MaxPool1d(2)(x).backward(xg.asarray([[xg.inf, -xg.inf]]))
    np.testing.assert_array_equal(x.grad.numpy(), [[0, np.inf, -np.inf, -np.inf]])


def test_a_maximum_keeps_nan_and_the_padding_is_below_all(rng):
    x = xg.asarray([[[-5.0, xg.nan, -7.0, -xg.inf]]])
    np.testing.assert_array_equal(nn.MaxPool1d(2)(x).numpy(), [[[np.nan, -7.0]]])
    np.testing.assert_array_equal(nn.MaxPool1d(2, padding=1)(x).numpy(), [[[-5.0, np.nan, -np.inf]]])


def test_repr_of_pooling():
    assert repr(nn.MaxPool1d(2)) == "MaxPool1d(kernel_size=(2,))"
    words = "kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), ceil_mode=True"
    assert nn.MaxPool2d(3, 2, 1, 2, ceil_mode=True).describe() == words
    words = "kernel_size=(3,), padding=(1,), ceil_mode=True, count_include_pad=False, divisor_override=2"
    assert nn.AvgPool1d(3, None, 1, True, False, 2).describe() == words
    assert nn.AdaptiveAvgPool3d((1, None, 2)).describe() == "output_size=(1, None, 2)"


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: nn.MaxPool2d(3, padding=2), ValueError, r"MaxPool2d: padding must be at most half.*got \(2, 2\)"),
        (lambda: nn.MaxPool2d((3, 3, 3)), ValueError, r"MaxPool2d: kernel_size must be an int or 2 of them"),
        (lambda: nn.MaxPool1d(0), ValueError, r"MaxPool1d: kernel_size must be at least 1; got 0"),
        (lambda: nn.AvgPool1d(2, divisor_override=0), ValueError, r"AvgPool1d: divisor_override must be at least 1"),
        (lambda: nn.AdaptiveAvgPool2d(0), ValueError, r"AdaptiveAvgPool2d: output_size must be at least 1; got 0"),
        (lambda: nn.AdaptiveAvgPool2d("2"), TypeError, r"AdaptiveAvgPool2d: output_size must be an int; got '2'"),
        (lambda: nn.MaxPool2d(2)(np.zeros((5, 5))), ValueError, r"MaxPool2d: .*\(batch, channels, height, width\)"),
        (lambda: nn.MaxPool2d(2)(np.zeros((1, 5, 5), int)), TypeError, r"MaxPool2d: the input must be real floating"),
        (
            lambda: nn.AvgPool2d(6)(np.zeros((1, 5, 5))),
            ValueError,
            r"AvgPool2d: the window must fit.*\(6, 6\) elements",
        ),
        (lambda: nn.AdaptiveAvgPool1d(2)(np.zeros(5)), ValueError, r"AdaptiveAvgPool1d: .*or \(channels, width\); got"),
    ],
)
def test_pooling_checks_its_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d"])
def test_gradients_by_transform_are_those_of_backward(name, rng):
    layer = getattr(nn, name)(2, 3, 3, stride=2, dtype="float64", generator=0)
    x = xg.asarray(rng.standard_normal((2, 2, 6, 5)))
    gradients = xg.grad(lambda layer: (layer(x) ** 2).sum())(layer)
    (layer(x) ** 2).sum().backward()
    for found, parameter in zip(gradients.parameters(), layer.parameters(), strict=True):
        equal(found, parameter.grad)


def test_training_never_reads_from_the_device(device, monkeypatch):
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.MaxPool2d(2), nn.ConvTranspose2d(4, 2, 2, stride=2), *some_pools()]
    model = nn.Sequential(*layers).to(device)
    x = xg.ones((2, 2, 16, 16), dtype="float32", device=device)

    def forbidden(*args, **kwargs):
        raise AssertionError("a value was read from the device")

    for name in ("__bool__", "__float__", "__int__", "__index__", "item", "numpy", "tolist", "_number", "__array__"):
        monkeypatch.setattr(xg.Tensor, name, forbidden)
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
