"""Layers with all their options: values, gradients and buffers are PyTorch's, with the same weights."""

import copy

import numpy as np
import pytest

import xgrad as xg
from xgrad import nn
from xgrad.testing import gradcheck

TIGHT = {"rtol": 1e-10, "atol": 1e-10}
F = nn.functional


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def randomise(layer, rng):
    """Parameters and running values that are not the ones layers start with."""
    for p in layer.parameters():
        nn.init.uniform_(p, 0.5, 1.5, generator=rng)
    for b in layer.buffers():
        if xg.isdtype(b.dtype, "real floating"):
            nn.init.uniform_(b, 0.5, 1.5, generator=rng)
    return layer


def same_state(layer, peer):
    ours, theirs = layer.state_dict(), peer.state_dict()
    assert {n: v.shape for n, v in ours.items()} == {n: tuple(v.shape) for n, v in theirs.items()}
    for name, value in ours.items():
        np.testing.assert_allclose(value.numpy(), theirs[name].numpy(), **TIGHT, err_msg=name)


def same_as_pytorch(torch, layer, peer, inputs, rng):
    """One pass with the same weights: result, gradients of inputs and parameters, and buffers after it."""
    peer.load_state_dict({name: torch.tensor(value.numpy()) for name, value in layer.state_dict().items()})
    mine = [xg.Tensor(v, requires_grad=v.dtype.kind == "f") for v in inputs]
    theirs = [torch.tensor(v, requires_grad=v.dtype.kind == "f") for v in inputs]
    y, z = layer(*mine), peer(*theirs)
    peer.zero_grad()
    ct = rng.standard_normal(y.shape)
    y.backward(ct)
    z.backward(torch.tensor(ct))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), **TIGHT)
    for x, t in zip(mine, theirs, strict=True):
        if x.requires_grad:
            np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), **TIGHT)
    peers = dict(peer.named_parameters())
    for name, p in layer.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), peers[name].grad.numpy(), **TIGHT, err_msg=name)
    same_state(layer, peer)


# Bilinear and Embedding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(5,), (2, 4), ()])
def test_bilinear_is_pytorchs(batch, bias, rng, torch):
    layer = nn.Bilinear(3, 4, 2, bias=bias, dtype="float64", generator=rng)
    peer = torch.nn.Bilinear(3, 4, 2, bias=bias, dtype=torch.float64)
    same_as_pytorch(torch, layer, peer, [rng.standard_normal((*batch, n)) for n in (3, 4)], rng)


def test_bilinear_checks_its_inputs_and_starts_as_in_pytorch():
    layer = nn.Bilinear(16, 3, 50, generator=0)
    for p in (layer.weight, layer.bias):
        assert 0.2 < float(xg.max(xg.abs(p))) <= 0.25
    assert repr(nn.Bilinear(2, 3, 1, bias=False)) == "Bilinear(2, 3, 1, bias=False): 6 parameters"
    a, b = np.ones((5, 16), np.float32), np.ones((5, 3), np.float32)
    with pytest.raises(ValueError, match=r"Bilinear: the last axis.*in1_features=16 long; got shape \(5, 3\)"):
        layer(b, a)
    with pytest.raises(ValueError, match=r"Bilinear: the last axis.*in2_features=3 long; got shape \(5, 16\)"):
        layer(a, a)
    with pytest.raises(
        ValueError, match=r"Bilinear: the inputs must agree in all axes but the last; got \(5, 16\) and"
    ):
        layer(a, b[:1])
    with pytest.raises(TypeError, match=r"Bilinear: the second input and the weights.*got float64 and float32"):
        layer(a, b.astype("float64"))


@pytest.mark.parametrize("padding", [None, 0, 2, -1])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_embedding_is_pytorchs(dtype, padding, rng, torch):
    layer = nn.Embedding(5, 3, padding, dtype="float64", generator=rng)
    peer = torch.nn.Embedding(5, 3, padding, dtype=torch.float64)
    peer.load_state_dict({"weight": torch.tensor(layer.weight.detach().numpy())})
    indices = np.concatenate([rng.integers(0, 5, (2, 4)), [[0, 1, 2, 4]]])
    y, z = layer(xg.asarray(indices, dtype=dtype)), peer(torch.tensor(indices))
    ct = rng.standard_normal(y.shape)
    y.backward(ct)
    z.backward(torch.tensor(ct))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), **TIGHT)
    np.testing.assert_allclose(layer.weight.grad.numpy(), peer.weight.grad.numpy(), **TIGHT)
    if padding is not None:
        assert (layer.weight[padding] == 0).all()
        assert layer.padding_idx == peer.padding_idx
        table = xg.Tensor(layer.weight.detach())
        F.embedding(indices, table, padding).backward(ct)
        np.testing.assert_allclose(table.grad.numpy(), peer.weight.grad.numpy(), **TIGHT)


def test_embedding_starts_standard_normal_and_checks_its_indices():
    layer = nn.Embedding(300, 20, generator=0)
    weight = layer.weight.detach().numpy()
    assert abs(weight.mean()) < 0.05
    assert abs(weight.std() - 1) < 0.05
    for bad, got in ([0, 300], "300"), ([-1, 2], "-1"):
        with pytest.raises(ValueError, match=rf"embedding: an index is out of range; got {got} for 300 rows"):
            layer(bad)
    with pytest.raises(TypeError, match=r"embedding: indices must be integers; got float64"):
        layer([0.5])
    for bad in (5, -6):
        with pytest.raises(ValueError, match="Embedding: padding_idx must be"):
            nn.Embedding(5, 3, bad)
    with pytest.raises(ValueError, match=r"Embedding: embeddings must have the shape \(rows, features\); got \(3,\)"):
        nn.Embedding.from_pretrained(np.ones(3))


def test_embedding_from_a_table(rng):
    table = rng.standard_normal((4, 3))
    layer = nn.Embedding.from_pretrained(table, freeze=False, padding_idx=1)
    np.testing.assert_array_equal(layer([[3, 1]]).detach().numpy(), table[[[3, 1]]])
    layer([3, 1]).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy(), [[0] * 3, [0] * 3, [0] * 3, [1] * 3])
    assert not list(nn.Embedding.from_pretrained(table).parameters())


# Normalisation --------------------------------------------------------------------------------------------------------

BATCH_NORMS = {
    "defaults": {},
    "eps, momentum": {"eps": 0.1, "momentum": 0.3},
    "cumulative": {"momentum": None},
    "no affine": {"affine": False},
    "no tracking": {"track_running_stats": False},
    "nothing": {"affine": False, "track_running_stats": False},
}
BATCH_INPUTS = [("1d", (5, 3)), ("1d", (4, 3, 5)), ("2d", (2, 3, 4, 5)), ("3d", (2, 3, 2, 3, 2))]


@pytest.mark.parametrize("name", BATCH_NORMS)
@pytest.mark.parametrize("kind, shape", BATCH_INPUTS)
def test_batch_norm_is_pytorchs(kind, shape, name, rng, torch):
    options = BATCH_NORMS[name]
    layer = randomise(getattr(nn, f"BatchNorm{kind}")(3, dtype="float64", **options), rng)
    peer = getattr(torch.nn, f"BatchNorm{kind}")(3, dtype=torch.float64, **options)
    for training in (True, True, False):
        x = 2 * rng.standard_normal(shape) + 1
        layer.train(training)
        peer.train(training)
        same_as_pytorch(torch, layer, peer, [x], rng)


@pytest.mark.parametrize("kind, shape", BATCH_INPUTS)
def test_batch_norm_serves_any_number_of_axes(kind, shape, rng):
    layer, general = getattr(nn, f"BatchNorm{kind}")(3, dtype="float64"), nn.BatchNorm(3, dtype="float64")
    x = rng.standard_normal(shape)
    np.testing.assert_array_equal(general(x).detach().numpy(), layer(x).detach().numpy())
    np.testing.assert_array_equal(general.running_var.numpy(), layer.running_var.numpy())


def test_batch_norm_in_a_transform_is_that_of_backward(device, rng):
    model = nn.Sequential(nn.Linear(3, 4, dtype="float64", generator=0), nn.BatchNorm1d(4, dtype="float64"), nn.relu)
    other, x = copy.deepcopy(model).to(device), rng.standard_normal((6, 3))
    weights = rng.standard_normal((6, 4))
    (model(x) * weights).sum().backward()
    with xg.no_grad():
        found = xg.grad(lambda m, x: (m(x) * xg.asarray(weights, device=device)).sum())(
            other, xg.asarray(x, device=device)
        )
    for (name, g), p in zip(found.named_parameters(), model.parameters(), strict=True):
        np.testing.assert_allclose(g.numpy(), p.grad.numpy(), **TIGHT, err_msg=name)
    assert not any(b.requires_grad for b in other.buffers())
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(other.state_dict()[name].numpy(), value.numpy(), **TIGHT, err_msg=name)
    assert int(other[1].num_batches_tracked) == 1


def test_batch_norm_keeps_plain_values_whatever_watches_the_batch(rng):
    layer, plain = nn.BatchNorm1d(3, dtype="float64"), nn.BatchNorm1d(3, dtype="float64")
    x = rng.standard_normal((5, 3))
    xg.jvp(lambda x: xg.grad(lambda m, x: (m(x) ** 3).sum(), argnums=1)(layer, x), (xg.Tensor(x),), (np.ones((5, 3)),))
    plain(x)
    for (name, kept), expected in zip(layer.named_buffers(), plain.buffers(), strict=True):
        assert not isinstance(kept.value, xg.Tensor), name
        np.testing.assert_allclose(kept.numpy(), expected.numpy(), **TIGHT)


def test_batch_norm_is_differentiable_twice(rng):
    layer = randomise(nn.BatchNorm1d(2, dtype="float64"), rng)
    gradcheck(layer, rng.standard_normal((5, 2)), order=2)


def test_batch_norm_checks_its_inputs():
    layer = nn.BatchNorm2d(3)
    x = np.ones((2, 3, 4, 4), np.float32)
    with pytest.raises(
        ValueError, match=r"BatchNorm2d: the input must have 4 axes, and num_features=3 on.*\(2, 3, 4\)"
    ):
        layer(x[..., 0])
    with pytest.raises(ValueError, match=r"BatchNorm2d: the input must have 4 axes.*got shape \(2, 2, 4, 4\)"):
        layer(x[:, :2])
    with pytest.raises(ValueError, match=r"BatchNorm: the input must have two or more axes"):
        nn.BatchNorm(3)(x[0, :, 0, 0])
    with pytest.raises(TypeError, match=r"BatchNorm2d: the input and the weights.*got float64 and float32"):
        layer(x.astype("float64"))
    with pytest.raises(TypeError, match="BatchNorm1d: x must be real floating; got int64"):
        nn.BatchNorm1d(3, affine=False, track_running_stats=False)(np.ones((2, 3), int))
    with pytest.raises(ValueError, match=r"batch_norm: the variance needs more than one value per channel; got shape"):
        nn.BatchNorm1d(3)(np.ones((1, 3), np.float32))
    assert nn.BatchNorm1d(3).eval()(np.ones((1, 3), np.float32)).shape == (1, 3)
    with pytest.raises(ValueError, match="batch_norm: there are no running values"):
        F.batch_norm(x, None, None)
    with pytest.raises(ValueError, match=r"batch_norm: x must have the shape"):
        F.batch_norm(x[0, 0, 0], None, None, training=True)


@pytest.mark.parametrize("shape", [(4,), (3, 4)])
@pytest.mark.parametrize("options", [{}, {"eps": 0.1}, {"bias": False}, {"elementwise_affine": False}])
def test_layer_norm_is_pytorchs(options, shape, rng, torch):
    layer = randomise(nn.LayerNorm(shape, dtype="float64", **options), rng)
    peer = torch.nn.LayerNorm(shape, dtype=torch.float64, **options)
    same_as_pytorch(torch, layer, peer, [rng.standard_normal((2, 3, 4))], rng)


@pytest.mark.parametrize("shape", [(4,), (3, 4)])
@pytest.mark.parametrize("options", [{}, {"eps": 0.1}, {"elementwise_affine": False}])
def test_rms_norm_is_pytorchs(options, shape, rng, torch):
    layer = randomise(nn.RMSNorm(shape, dtype="float64", **options), rng)
    peer = torch.nn.RMSNorm(shape, dtype=torch.float64, **options)
    same_as_pytorch(torch, layer, peer, [rng.standard_normal((2, 3, 4))], rng)


@pytest.mark.parametrize("shape", [(3, 6), (2, 6, 5), (2, 6, 2, 3)])
@pytest.mark.parametrize("options", [{}, {"eps": 0.1}, {"affine": False}])
def test_group_norm_is_pytorchs(options, shape, rng, torch):
    layer = randomise(nn.GroupNorm(2, 6, dtype="float64", **options), rng)
    peer = torch.nn.GroupNorm(2, 6, dtype=torch.float64, **options)
    same_as_pytorch(torch, layer, peer, [rng.standard_normal(shape)], rng)


def test_norms_check_their_inputs():
    x = np.ones((2, 3, 4), np.float32)
    with pytest.raises(
        ValueError, match=r"layer_norm: the input must end with the extents \(3,\); got shape \(2, 3, 4\)"
    ):
        nn.LayerNorm(3)(x)
    with pytest.raises(ValueError, match=r"rms_norm: the input must end with the extents \(2, 3, 4, 1\)"):
        nn.RMSNorm((2, 3, 4, 1))(x)
    with pytest.raises(TypeError, match=r"LayerNorm: normalized_shape must be an int; got 2.5|layer_norm: .*2.5"):
        nn.LayerNorm(2.5)
    with pytest.raises(ValueError, match=r"GroupNorm: num_groups must divide num_channels; got 4 and 6"):
        nn.GroupNorm(4, 6)
    with pytest.raises(
        ValueError, match=r"GroupNorm: the input must have num_channels=6 on axis 1; got shape \(2, 3, 4\)"
    ):
        nn.GroupNorm(2, 6)(x)
    with pytest.raises(ValueError, match=r"group_norm: x must have the shape .* multiple of 2 groups; got \(2, 3, 4\)"):
        F.group_norm(x, 2)
    for layer in (nn.LayerNorm(4), nn.RMSNorm(4), nn.GroupNorm(1, 3)):
        with pytest.raises(
            TypeError, match=r"the input and the weights have different dtypes; got float64 and float32"
        ):
            layer(x.astype("float64"))


def test_norms_show_what_is_not_as_usual():
    assert repr(nn.LayerNorm((2, 3), bias=False)) == "LayerNorm((2, 3), bias=False): 6 parameters"
    assert repr(nn.RMSNorm(4, elementwise_affine=False)) == "RMSNorm(4, elementwise_affine=False)"
    assert repr(nn.GroupNorm(2, 4, affine=False)) == "GroupNorm(2, 4, affine=False)"
    shown = "BatchNorm1d(4, momentum=None, affine=False, track_running_stats=False)"
    assert repr(nn.BatchNorm1d(4, momentum=None, affine=False, track_running_stats=False)) == shown


# Dropout --------------------------------------------------------------------------------------------------------------


def test_dropout_drops_a_share_and_scales_the_rest(device):
    layer = nn.Dropout(0.25, generator=1)
    x = xg.Tensor(np.full((100, 100), 3.0), device=device, dtype="float32")
    y = layer(x)
    y.backward(xg.ones_like(y))
    values = y.detach().numpy()
    assert (y.dtype, y.device) == (x.dtype, x.device)
    np.testing.assert_allclose(np.unique(values), [0, 4], rtol=1e-6)
    assert abs((values == 0).mean() - 0.25) < 0.02
    np.testing.assert_allclose(x.grad.numpy(), values / 3, rtol=1e-6)
    assert (layer(x) != y).any()
    assert layer.eval()(x) is x


def test_dropout_repeats_with_its_seed():
    x = xg.ones((20, 20))
    first, second, third = (nn.Dropout(0.5, generator=seed)(x) for seed in (1, 1, 2))
    assert (first == second).all()
    assert (first != third).any()
    shared = xg.random.default_rng(1)
    pair = [nn.Dropout(0.5, generator=shared)(x) for _ in range(2)]
    assert (pair[0] == first).all()
    assert (pair[0] != pair[1]).any()
    assert (F.dropout(x) != F.dropout(x)).any()
    assert (F.dropout(x, generator=xg.random.default_rng(1)) == first).all()


def test_dropout_goes_on_in_its_sequence_inside_transforms():
    class Thin(nn.Module):
        def __init__(self, seed):
            self.scale, self.dropout = xg.Tensor(np.ones(50)), nn.Dropout(0.5, generator=seed)

        def forward(self):
            return self.dropout(self.scale)

    model, plain = Thin(3), Thin(3)
    masks = [xg.grad(lambda m: m().sum())(model).scale.detach().numpy() for _ in range(2)]
    for mask in masks:
        np.testing.assert_array_equal(mask, plain().detach().numpy())
    assert (masks[0] != masks[1]).any()


def test_dropout_at_its_ends_and_of_bad_probabilities():
    x = xg.ones(5)
    assert (nn.Dropout(1.0)(x) == 0).all()
    assert (nn.Dropout(0.0)(x) == 1).all()
    assert F.dropout(x, training=False).tolist() == [1.0] * 5
    for bad, error in ((1.5, ValueError), (-0.1, ValueError), ("half", TypeError)):
        with pytest.raises(error, match="Dropout: p must"):
            nn.Dropout(bad)
        with pytest.raises(error, match="dropout: p must"):
            F.dropout(x, bad)
    with pytest.raises(TypeError, match="dropout: x must be real floating; got int64"):
        nn.Dropout()(xg.asarray([1]))
    assert repr(nn.Dropout(0.3)) == "Dropout(0.3)"


# Functions and arrangement --------------------------------------------------------------------------------------------


def test_functions_are_the_layers(rng):
    x, w, b = rng.standard_normal((5, 3)), rng.standard_normal((2, 3)), rng.standard_normal(2)
    np.testing.assert_allclose(F.linear(x, w, b).numpy(), x @ w.T + b, **TIGHT)
    np.testing.assert_allclose(F.linear(x, w).numpy(), x @ w.T, **TIGHT)
    table = rng.standard_normal((4, 3))
    np.testing.assert_array_equal(F.embedding([[1, 3]], table).numpy(), table[[[1, 3]]])


@pytest.mark.parametrize("axes, shape", [((), (2, 60)), ((0,), (120,)), ((1, 2), (2, 12, 5)), ((-2,), (2, 3, 20))])
def test_flatten_joins_axes(axes, shape, rng):
    x = rng.standard_normal((2, 3, 4, 5))
    y = nn.Flatten(*axes)(x)
    assert y.shape == shape
    np.testing.assert_array_equal(np.ravel(y.numpy()), np.ravel(x))


def test_flatten_checks_its_axes():
    with pytest.raises(ValueError, match="Flatten: start_axis comes after end_axis; got 2 and 1"):
        nn.Flatten(2, 1)(np.ones((2, 3, 4)))
    with pytest.raises(IndexError):
        nn.Flatten(5)(np.ones((2, 3)))


def test_module_lists_and_dicts_hold_modules():
    a, b, c = nn.Linear(1, 1), nn.Linear(1, 2), nn.Linear(1, 3)
    parts = nn.ModuleList([a, b])
    parts.append(c).extend([a])
    assert (len(parts), [*parts], parts[-1], parts[1:3][0]) == (4, [a, b, c, a], a, b)
    assert isinstance(parts[:2], nn.ModuleList)
    parts[0] = c
    assert [name for name, _ in parts.named_parameters()] == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "3.weight",
        "3.bias",
    ]
    with pytest.raises(TypeError, match=r"ModuleList: 4 must be a Module; got function"):
        parts.append(nn.relu)
    heads = nn.ModuleDict({"a": a})
    heads["b"] = b
    heads["a"] = c
    assert (len(heads), [*heads], heads["a"], "b" in heads, "c" in heads) == (2, ["a", "b"], c, True, False)
    assert (list(heads.keys()), heads.values(), heads.items()) == (["a", "b"], [c, b], [("a", c), ("b", b)])
    assert [name for name, _ in heads.named_parameters()] == ["a.weight", "a.bias", "b.weight", "b.bias"]
    with pytest.raises(TypeError, match=r"ModuleDict: x must be a Module; got int"):
        heads["x"] = 1
    with pytest.raises(KeyError):
        heads["c"]


def test_a_sequential_may_be_sliced_and_appended_to():
    a, b = nn.Linear(2, 3), nn.Linear(3, 1)
    model = nn.Sequential(a, nn.relu, b)
    assert [*model[:2]] == [a, nn.relu]
    assert isinstance(model[:2], nn.Sequential)
    assert model.append(nn.tanh) is model
    assert len(model) == 4
    model[1] = nn.Identity()
    x = np.ones((2, 2), np.float32)
    np.testing.assert_array_equal(model(x).detach().numpy(), nn.tanh(b(a(x))).detach().numpy())


# Devices --------------------------------------------------------------------------------------------------------------

LAYERS = {
    "Bilinear": (lambda **o: nn.Bilinear(3, 3, 2, generator=0, **o), 2),
    "BatchNorm1d": (lambda **o: nn.BatchNorm1d(3, momentum=None, **o), 1),
    "LayerNorm": (lambda **o: nn.LayerNorm(3, **o), 1),
    "RMSNorm": (lambda **o: nn.RMSNorm(3, **o), 1),
    "GroupNorm": (lambda **o: nn.GroupNorm(1, 3, **o), 1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_the_same_on_every_device_and_keep_float32(name, device, rng):
    make, count = LAYERS[name]
    here, there = make(device=device), make()
    inputs = [rng.standard_normal((5, 3)).astype("float32") for _ in range(count)]
    ys = [layer(*(xg.asarray(x, device=d) for x in inputs)) for layer, d in ((here, device), (there, "cpu"))]
    (ys[0] * ys[0] * ys[0]).sum().backward()
    (ys[1] * ys[1] * ys[1]).sum().backward()
    assert (ys[0].dtype, ys[0].device) == ("float32", here.weight.device)
    np.testing.assert_allclose(ys[0].detach().numpy(), ys[1].detach().numpy(), rtol=1e-5, atol=1e-6)
    for p, q in zip(here.parameters(), there.parameters(), strict=True):
        assert p.grad.dtype == "float32"
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-5)
    for p, q in zip(here.buffers(), there.buffers(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5, atol=1e-6)


def test_embedding_is_the_same_on_every_device(device):
    layer = nn.Embedding(5, 3, 1, generator=0, device=device)
    y = layer(xg.asarray([[1, 2], [4, 2]], device=device))
    y.sum().backward()
    assert y.device == layer.weight.device
    np.testing.assert_array_equal(layer.weight.grad.numpy().sum(1), [0, 0, 6, 0, 3])


def test_a_training_step_with_every_kind_of_layer_never_reads_from_the_device(device, rng, monkeypatch):
    monkeypatch.setattr("xgrad.nn.layers.in_range", lambda *a: None)  # done only where the host holds the integers
    monkeypatch.setattr("xgrad.nn.class_losses.in_range", lambda *a: None)
    steps = [nn.Embedding(7, 6, 0), nn.Flatten(), nn.LayerNorm(12), nn.Linear(12, 8), nn.BatchNorm1d(8, momentum=None)]
    steps += [nn.ELU(), nn.GroupNorm(2, 8), nn.RMSNorm(8), nn.Softplus(), nn.Dropout(0.2), nn.Linear(8, 4)]
    model = nn.Sequential(*steps).to(device)
    x = xg.asarray(rng.integers(0, 7, (5, 2)), device=device)
    y = xg.asarray(rng.integers(0, 4, 5), device=device)

    def forbidden(*args, **kwargs):
        raise AssertionError("a value was read from the device")

    for name in ("__bool__", "__float__", "__int__", "__index__", "item", "numpy", "tolist", "_number", "__array__"):
        monkeypatch.setattr(xg.Tensor, name, forbidden)
    for _ in range(2):
        loss = nn.cross_entropy(model(x), y, weight=[1.0, 2.0, 1.0, 3.0], ignore_index=3, label_smoothing=0.1)
        loss.backward()
    assert all(p.grad is not None for p in model.parameters())
