"""Attention and the encoder layer: values and gradients are PyTorch's, for every mask and option."""

import numpy as np
import pytest

import xgrad as xg
from xgrad import nn
from xgrad.testing import gradcheck

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def equal(found, wanted):
    assert found.shape == tuple(wanted.shape)
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), **TIGHT)


def peer_of(layer, peer, torch):
    """PyTorch's layer with the weights of ours."""
    state = layer.state_dict()
    assert list(state) == list(peer.state_dict())
    peer.load_state_dict({name: torch.tensor(value.numpy()) for name, value in state.items()})
    return peer


def leaves(arrays, torch, device="cpu"):
    ours = [xg.Tensor(a, device=device) for a in arrays]
    return ours, [torch.tensor(a, requires_grad=True) for a in arrays]


def some_mask(kind, shape, rng):
    """A mask that leaves every query its first key; in bool, True where a query sees a key."""
    if kind == "bool":
        mask = rng.random(shape) < 0.5
        mask[..., 0] = True
        return mask
    mask = rng.standard_normal(shape)
    return np.where(rng.random(shape) < 0.3, -np.inf, mask) if kind == "float with -inf" else mask


# The function ---------------------------------------------------------------------------------------------------------

MASKS = [
    (None, ()),
    ("bool", (4, 5)),
    ("bool", (2, 1, 4, 5)),
    ("float", (4, 5)),
    ("float", (2, 3, 4, 5)),
    ("float with -inf", (3, 4, 5)),
]


@pytest.mark.parametrize("kind, shape", MASKS)
@pytest.mark.parametrize("scale", [None, 0.3])
def test_the_function_is_pytorchs(kind, shape, scale, rng, torch):
    arrays = [rng.standard_normal((2, 3, n, f)) for n, f in ((4, 6), (5, 6), (5, 7))]
    mask = None if kind is None else some_mask(kind, shape, rng)
    ct = rng.standard_normal((2, 3, 4, 7))
    ours, theirs = leaves(arrays, torch)
    y = nn.scaled_dot_product_attention(*ours, attn_mask=mask, scale=scale)
    peer = torch.nn.functional.scaled_dot_product_attention
    z = peer(*theirs, attn_mask=None if mask is None else torch.tensor(mask), scale=scale)
    y.backward(ct)
    z.backward(torch.tensor(ct))
    equal(y, z)
    for a, b in zip(ours, theirs, strict=True):
        equal(a.grad, b.grad)


def test_values_by_formula(rng):
    q, k, v = (rng.standard_normal((2, n, f)) for n, f in ((4, 6), (5, 6), (5, 7)))
    mask = some_mask("bool", (4, 5), rng)
    e = np.exp(0.3 * q @ np.swapaxes(k, 1, 2)) * mask
    found = nn.scaled_dot_product_attention(q, k, v, mask, scale=0.3)
    np.testing.assert_allclose(found.numpy(), e / e.sum(-1, keepdims=True) @ v, **TIGHT)


@pytest.mark.parametrize("queries, keys", [(4, 4), (3, 5), (5, 3), (1, 4)])
def test_causal_attention_is_pytorchs(queries, keys, device, rng, torch):
    arrays = [rng.standard_normal((2, n, f)) for n, f in ((queries, 6), (keys, 6), (keys, 7))]
    ours, theirs = leaves(arrays, torch, device)
    y = nn.scaled_dot_product_attention(*ours, is_causal=True)
    z = torch.nn.functional.scaled_dot_product_attention(*theirs, is_causal=True)
    ct = rng.standard_normal(y.shape)
    y.backward(xg.asarray(ct, device=device))
    z.backward(torch.tensor(ct))
    equal(y, z)
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad.device == a.device
        equal(a.grad, b.grad)


def test_a_mask_and_the_causal_one_hold_together(rng):
    q, k, v = (rng.standard_normal((4, 3)) for _ in range(3))
    mask = some_mask("bool", (4, 4), rng)
    found = nn.scaled_dot_product_attention(q, k, v, mask, is_causal=True)
    equal(found, nn.scaled_dot_product_attention(q, k, v, mask & np.tri(4, dtype=bool)))


def test_a_float_mask_has_a_gradient(rng, torch):
    arrays = [rng.standard_normal(s) for s in ((2, 4, 3), (2, 5, 3), (2, 5, 3), (4, 5))]
    ours, theirs = leaves(arrays, torch)
    nn.scaled_dot_product_attention(*ours).sum(axis=-1).std().backward()
    torch.nn.functional.scaled_dot_product_attention(*theirs).sum(-1).std(correction=0).backward()
    equal(ours[3].grad, theirs[3].grad)


def test_a_query_without_keys_gives_zeros_and_no_gradient(device, rng):
    q, k, v = (xg.Tensor(rng.standard_normal((3, 4)), device=device) for _ in range(3))
    mask = xg.asarray([[True, False, True], [False] * 3, [True] * 3], device=device)
    y = nn.scaled_dot_product_attention(q, k, v, mask)
    y.backward(xg.asarray(rng.standard_normal((3, 4)), device=device))
    assert not y[1].detach().numpy().any() and y[0].detach().numpy().all()
    assert not q.grad[1].numpy().any() and q.grad[0].numpy().all()
    assert all(np.isfinite(x.grad.numpy()).all() for x in (q, k, v))


def test_dropout_of_weights(rng):
    q, k, v = (rng.standard_normal((2, n, 3)) for n in (400, 5, 5))
    v = np.ones_like(v)
    plain = nn.scaled_dot_product_attention(q, k, v)
    drops = [nn.scaled_dot_product_attention(q, k, v, dropout_p=0.5, generator=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(drops[0].numpy(), drops[1].numpy())
    assert not np.array_equal(drops[0].numpy(), drops[2].numpy())
    np.testing.assert_allclose(drops[0].numpy().mean(), plain.numpy().mean(), rtol=0.1)  # what is kept is scaled up
    assert not nn.scaled_dot_product_attention(q, k, v, dropout_p=1.0).numpy().any()


def test_the_function_is_differentiable_twice(rng):
    q, k, v = (rng.standard_normal((n, 3)) for n in (3, 4, 4))
    mask = some_mask("bool", (3, 4), rng)
    gradcheck(lambda q, k, v: nn.scaled_dot_product_attention(q, k, v, mask), q, k, v, order=2)


@pytest.mark.parametrize(
    "arrays, options, error, message",
    [
        (((3, 4), (5, 4), (6, 2)), {}, ValueError, r"q, k and v must have the shapes.*got \(3, 4\), \(5, 4\) and \(6"),
        (((3, 4), (5, 3), (5, 2)), {}, ValueError, r"q, k and v must have the shapes"),
        (((4,), (5, 4), (5, 2)), {}, ValueError, r"q, k and v must have the shapes"),
        (
            ((3, 4), (5, 4), (5, 2)),
            {"attn_mask": np.ones((3, 5), int)},
            TypeError,
            r"attn_mask must be of bool or float",
        ),
        (((3, 4), (5, 4), (5, 2)), {"attn_mask": np.ones((3, 5), "f4")}, TypeError, r"attn_mask.*got float32"),
        (((3, 4), (5, 4), (5, 2)), {"dropout_p": -0.5}, ValueError, r"dropout_p must lie between 0 and 1; got -0.5"),
    ],
)
def test_arguments_of_the_function_are_checked(arrays, options, error, message):
    with pytest.raises(error, match="scaled_dot_product_attention: " + message):
        nn.scaled_dot_product_attention(*map(np.zeros, arrays), **options)


def test_dtypes_of_the_function_are_not_mixed():
    q = np.zeros((3, 4))
    with pytest.raises(TypeError, match=r"one real floating dtype; got float64, float32 and float64"):
        nn.scaled_dot_product_attention(q, q.astype("float32"), q)
    with pytest.raises(TypeError, match=r"one real floating dtype; got int64"):
        nn.scaled_dot_product_attention(*[q.astype("int64")] * 3)
    q = q.astype("float32")
    assert nn.scaled_dot_product_attention(q, q, q, is_causal=True, dropout_p=0.5).dtype == xg.float32


# MultiheadAttention ---------------------------------------------------------------------------------------------------

OPTIONS = [
    {},
    {"batch_first": True},
    {"bias": False},
    {"kdim": 5},
    {"kdim": 5, "vdim": 3, "batch_first": True},
    {"vdim": 3, "bias": False},
]
MASKED = [  # the mask of attention, that of the padding
    (None, None),
    ("bool", None),
    ("float", None),
    (None, "bool"),
    (None, "float"),
    ("bool", "bool"),
    ("float with -inf", "float"),
]
N, L, S, E, H = 3, 4, 5, 8, 2


def build(device="cpu", **options):
    layer = nn.MultiheadAttention(E, H, **options, dtype="float64", device=device, generator=0)
    for bias in (layer.in_proj_bias, layer.out_proj.bias):
        if bias is not None:  # zeros would hide mistakes
            with xg.no_grad():
                bias[...] = xg.asarray(np.random.default_rng(1).standard_normal(bias.shape), device=device)
    return layer


def inputs(layer, rng, batched=True):
    order = (lambda n: (N, n)) if layer.batch_first else (lambda n: (n, N))
    sizes = ((L, E), (S, layer.kdim), (S, layer.vdim))
    return [rng.standard_normal((*(order(n) if batched else (n,)), f)) for n, f in sizes]


def hidden(mask):
    """In this layer True hides a key."""
    return ~mask if mask is not None and mask.dtype == bool else mask


def compare(torch, layer, peer, arrays, masks, rng, device="cpu", **call):
    peer = peer_of(layer, peer, torch)
    ours, theirs = leaves(arrays, torch, device)
    found = layer(*ours, **{n: m if m is None else xg.asarray(m, device=device) for n, m in masks.items()}, **call)
    wanted = peer(*theirs, **{n: m if m is None else torch.tensor(m) for n, m in masks.items()}, **call)
    total, sums = 0, 0
    for a, b in zip(found, wanted, strict=True):
        if a is None:
            assert b is None
            continue
        equal(a, b)
        ct = rng.standard_normal(a.shape)
        total, sums = total + (a * xg.asarray(ct, device=device)).sum(), sums + (b * torch.tensor(ct)).sum()
    total.backward()
    sums.backward()
    for a, b in [*zip(ours, theirs, strict=True), *zip(layer.parameters(), peer.parameters(), strict=True)]:
        assert a.grad.device == a.device
        equal(a.grad, b.grad)


def multihead(torch, options):
    return torch.nn.MultiheadAttention(E, H, **options, dtype=torch.float64)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("need, average", [(True, True), (True, False), (False, True)])
def test_options_are_pytorchs(options, need, average, rng, torch):
    layer = build(**options)
    masks = {"attn_mask": hidden(some_mask("bool", (L, S), rng))}
    call = {"need_weights": need, "average_attn_weights": average}
    compare(torch, layer, multihead(torch, options), inputs(layer, rng), masks, rng, **call)


@pytest.mark.parametrize("attention, padding", MASKED)
@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.filterwarnings("ignore:Support for mismatched")
def test_masks_are_pytorchs(attention, padding, per_head, rng, torch):
    layer = build(batch_first=True)
    shape = (N * H, L, S) if per_head else (L, S)
    masks = {
        "attn_mask": None if attention is None else hidden(some_mask(attention, shape, rng)),
        "key_padding_mask": None if padding is None else hidden(some_mask(padding, (N, S), rng)),
    }
    compare(torch, layer, multihead(torch, {"batch_first": True}), inputs(layer, rng), masks, rng)


@pytest.mark.parametrize("options", [{}, {"batch_first": True, "kdim": 5}], ids=str)
@pytest.mark.filterwarnings("ignore:Support for mismatched")
def test_inputs_without_a_batch(options, rng, torch):
    layer = build(**options)
    masks = {"attn_mask": some_mask("float", (L, S), rng), "key_padding_mask": hidden(some_mask("bool", (S,), rng))}
    arrays = inputs(layer, rng, batched=False)
    compare(torch, layer, multihead(torch, options), arrays, masks, rng)
    compare(torch, layer, multihead(torch, options), arrays, {}, rng, average_attn_weights=False)


def test_the_same_on_every_device(device, rng, torch):
    layer = build(device, kdim=5)
    masks = {
        "attn_mask": hidden(some_mask("bool", (L, S), rng)),
        "key_padding_mask": hidden(some_mask("bool", (N, S), rng)),
    }
    compare(torch, layer, multihead(torch, {"kdim": 5}), inputs(layer, rng), masks, rng, device)


def test_heads_by_formula(rng):
    layer = build(batch_first=True)
    weights = {name: value.numpy() for name, value in layer.state_dict().items()}
    x = rng.standard_normal((N, L, E))
    q, k, v = np.split(x @ weights["in_proj_weight"].T + weights["in_proj_bias"], 3, axis=-1)
    parts = [slice(i * E // H, (i + 1) * E // H) for i in range(H)]
    heads = [nn.scaled_dot_product_attention(q[..., p], k[..., p], v[..., p]).numpy() for p in parts]
    wanted = np.concatenate(heads, axis=-1) @ weights["out_proj.weight"].T + weights["out_proj.bias"]
    np.testing.assert_allclose(layer(x, x, x)[0].detach().numpy(), wanted, **TIGHT)


def test_self_attention_adds_up_its_three_gradients(rng, torch):
    layer = build()
    peer = peer_of(layer, multihead(torch, {}), torch)
    (x,), (t,) = leaves([rng.standard_normal((L, N, E))], torch)
    ct = rng.standard_normal((L, N, E))
    layer(x, x, x)[0].backward(ct)
    peer(t, t, t)[0].backward(torch.tensor(ct))
    equal(x.grad, t.grad)


@pytest.mark.parametrize("need", [True, False])
def test_causal_layers_need_no_mask(need, rng, torch):
    layer = build(batch_first=True)
    peer = peer_of(layer, multihead(torch, {"batch_first": True}), torch)
    value = rng.standard_normal((N, L, E))
    (x,), (t,) = leaves([value], torch)
    hide = torch.triu(torch.ones(L, L, dtype=torch.bool), 1)
    wanted = peer(t, t, t, need_weights=need, attn_mask=hide, is_causal=True)
    equal(layer(x, x, x, need_weights=need, is_causal=True)[0], wanted[0])
    equal(layer(x, x, x, need_weights=need, attn_mask=hide.numpy(), is_causal=True)[0], wanted[0])


def test_a_sample_of_padding_alone_is_finite(rng):
    layer = build(batch_first=True)
    x = xg.Tensor(rng.standard_normal((N, L, E)))
    padding = np.zeros((N, L), bool)
    padding[1] = True
    y, weights = layer(x, x, x, key_padding_mask=padding)
    y.sum().backward()
    assert not weights[1].detach().numpy().any()
    equal(y[1, 0], layer.out_proj.bias)
    assert np.isfinite(x.grad.numpy()).all()


def test_dropout_in_training_only(rng):
    plain, dropping = build(), build(dropout=1.0)
    x = rng.standard_normal((L, N, E))
    y, weights = dropping(x, x, x)
    assert not weights.detach().numpy().any()
    np.testing.assert_array_equal(y.detach().numpy(), np.broadcast_to(dropping.out_proj.bias.detach().numpy(), y.shape))
    equal(dropping.eval()(x, x, x)[0], plain(x, x, x)[0])


def test_parameters_start_as_in_pytorch():
    layer = nn.MultiheadAttention(32, 4, generator=0)
    bound = (6 / 128) ** 0.5
    assert 0.98 * bound < float(xg.abs(layer.in_proj_weight).max()) <= bound
    bound = 32**-0.5
    assert 0.98 * bound < float(xg.abs(layer.out_proj.weight).max()) <= bound
    assert not layer.in_proj_bias.detach().numpy().any() and not layer.out_proj.bias.detach().numpy().any()
    assert {p.dtype for p in layer.parameters()} == {np.dtype("float32")}
    assert len(list(layer.parameters())) == 4


SHOWN = [
    "",
    ", batch_first=True",
    ", bias=False",
    ", kdim=5",
    ", kdim=5, vdim=3, batch_first=True",
    ", vdim=3, bias=False",
]


@pytest.mark.parametrize("options, shown", list(zip(OPTIONS, SHOWN, strict=True)), ids=str)
def test_repr_of_attention(options, shown):
    assert repr(build(**options)).startswith(f"MultiheadAttention(8, 2{shown}): ")


def test_attention_never_reads_from_the_device(device, monkeypatch):
    layer = build(device, dropout=0.5)
    x = xg.Tensor(np.ones((L, N, E)), device=device)
    padding = xg.zeros((N, L), dtype="bool", device=device)

    def forbidden(*args, **kwargs):
        raise AssertionError("a value was read from the device")

    for name in ("__bool__", "__float__", "__int__", "__index__", "item", "numpy", "tolist", "_number", "__array__"):
        monkeypatch.setattr(xg.Tensor, name, forbidden)
    layer(x, x, x, key_padding_mask=padding, is_causal=True)[0].sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_gradients_by_transform_are_those_of_backward(rng):
    layer = nn.TransformerEncoderLayer(E, H, 16, dropout=0.0, dtype="float64", generator=0)
    x = xg.asarray(rng.standard_normal((L, N, E)))
    gradients = xg.grad(lambda layer: (layer(x) ** 3).sum())(layer)
    (layer(x) ** 3).sum().backward()
    for found, parameter in zip(gradients.parameters(), layer.parameters(), strict=True):
        equal(found, parameter.grad)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: nn.MultiheadAttention(8, 3), ValueError, r"embed_dim must be a multiple of num_heads; got 8 and 3"),
        (lambda: nn.MultiheadAttention(8.0, 2), TypeError, r"embed_dim must be an int; got 8\.0"),
        (lambda: nn.MultiheadAttention(8, 0), ValueError, r"num_heads must be at least 1; got 0"),
        (lambda: nn.MultiheadAttention(8, 2, kdim=0), ValueError, r"kdim must be at least 1; got 0"),
        (lambda: nn.MultiheadAttention(8, 2, dropout=2), ValueError, r"dropout must lie between 0 and 1; got 2"),
        (lambda: nn.MultiheadAttention(8, 2, dtype="int32"), TypeError, r"dtype must be real floating; got int32"),
    ],
)
def test_arguments_are_checked(make, error, message):
    with pytest.raises(error, match="MultiheadAttention: " + message):
        make()


@pytest.mark.parametrize(
    "shapes, masks, error, message",
    [
        (
            ((L, N, 7), (S, N, E), (S, N, E)),
            {},
            ValueError,
            r"query must have the shape \(sequence, batch, 8\).*\(4, 3, 7",
        ),
        (((L, N, E), (S, E), (S, E)), {}, ValueError, r"key must have the shape"),
        (((L, N, E), (S, N, E), (L, N, E)), {}, ValueError, r"a value for every key.*key \(5, 3, 8\) and value \(4, 3"),
        (((L, 1, E), (S, N, E), (S, N, E)), {}, ValueError, r"one batch; got query \(4, 1, 8\)"),
        (
            ((L, N, E), (S, N, E), (S, N, E)),
            {"attn_mask": np.zeros((S, L), bool)},
            ValueError,
            r"attn_mask must have the shape \(4, 5\) or \(6, 4, 5\); got \(5, 4\)",
        ),
        (
            ((L, N, E), (S, N, E), (S, N, E)),
            {"key_padding_mask": np.zeros((S, N), bool)},
            ValueError,
            r"key_padding_mask must have the shape \(3, 5\); got \(5, 3\)",
        ),
        (
            ((L, N, E), (S, N, E), (S, N, E)),
            {"key_padding_mask": np.zeros((N, S), int)},
            TypeError,
            r"key_padding_mask must be of bool or float64; got int64",
        ),
    ],
)
def test_inputs_are_checked(shapes, masks, error, message):
    with pytest.raises(error, match="MultiheadAttention: .*" + message):
        build()(*map(np.zeros, shapes), **masks)
    with pytest.raises(TypeError, match="MultiheadAttention: value and the weights have different dtypes"):
        build()(np.zeros((L, N, E)), np.zeros((S, N, E)), np.zeros((S, N, E), "float32"))


# TransformerEncoderLayer ----------------------------------------------------------------------------------------------

ENCODERS = [
    {},
    {"norm_first": True},
    {"activation": "gelu", "batch_first": True},
    {"bias": False, "layer_norm_eps": 0.1, "norm_first": True, "batch_first": True},
]


def encoder(torch, options, rng, device="cpu", dropout=0.0):
    """Our layer and PyTorch's, with random weights: those that start as ones and zeros would hide mistakes."""
    layer = nn.TransformerEncoderLayer(E, H, 16, dropout, **options, dtype="float64", device=device, generator=0)
    with xg.no_grad():
        for parameter in layer.parameters():
            parameter[...] = xg.asarray(rng.standard_normal(parameter.shape), device=device)
    peer = torch.nn.TransformerEncoderLayer(E, H, 16, dropout, **options, dtype=torch.float64)
    return layer, peer_of(layer, peer, torch)


def compare_encoders(torch, layer, peer, value, masks, rng, device="cpu", **call):
    (x,), (t,) = leaves([value], torch, device)
    y = layer(x, **{n: xg.asarray(m, device=device) for n, m in masks.items()}, **call)
    z = peer(t, **{n: torch.tensor(m) for n, m in masks.items()}, **call)
    equal(y, z)
    ct = rng.standard_normal(y.shape)
    y.backward(xg.asarray(ct, device=device))
    z.backward(torch.tensor(ct))
    for a, b in [(x, t), *zip(layer.parameters(), peer.parameters(), strict=True)]:
        equal(a.grad, b.grad)


def masks_for(rng):
    attention = hidden(some_mask("bool", (L, L), rng))
    return {"src_mask": attention, "src_key_padding_mask": hidden(some_mask("bool", (N, L), rng))}


@pytest.mark.parametrize("options", ENCODERS, ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_encoder_layers_are_pytorchs(options, masked, rng, torch):
    layer, peer = encoder(torch, options, rng)
    value = rng.standard_normal((N, L, E) if options.get("batch_first") else (L, N, E))
    compare_encoders(torch, layer, peer, value, masks_for(rng) if masked else {}, rng)


def test_an_encoder_layer_takes_a_function_and_no_batch(rng, torch):
    layer, peer = encoder(torch, {}, rng)
    layer.activation, peer.activation = nn.silu, torch.nn.functional.silu
    compare_encoders(torch, layer, peer, rng.standard_normal((L, E)), {}, rng)
    assert nn.TransformerEncoderLayer(E, H, 16, activation=nn.silu).activation is nn.silu


def test_encoder_layers_are_the_same_on_every_device(device, rng, torch):
    layer, peer = encoder(torch, {"norm_first": True}, rng, device)
    compare_encoders(torch, layer, peer, rng.standard_normal((L, N, E)), masks_for(rng), rng, device)


def test_a_causal_encoder_layer_sees_no_later_position(rng, torch):
    layer, peer = encoder(torch, {"batch_first": True}, rng)
    value = rng.standard_normal((N, L, E))
    hide = torch.nn.Transformer.generate_square_subsequent_mask(L, dtype=torch.float64)
    equal(layer(value, is_causal=True), peer(torch.tensor(value), src_mask=hide, is_causal=True))
    changed = value.copy()
    changed[:, 2:] += 1.0
    equal(layer(changed, is_causal=True)[:, :2], layer(value, is_causal=True)[:, :2])


def test_dropout_of_encoder_layers(rng, torch):
    layer, _ = encoder(torch, {"norm_first": True}, rng, dropout=1.0)
    x = rng.standard_normal((L, N, E))
    np.testing.assert_array_equal(layer(x).detach().numpy(), x)  # nothing is added
    plain, peer = encoder(torch, {}, rng, dropout=0.3)
    equal(plain.eval()(x), peer.eval()(torch.tensor(x)))
    first, second = plain.train()(x), plain(x)
    assert not np.array_equal(first.detach().numpy(), second.detach().numpy())


@pytest.mark.parametrize("kind", ["MultiheadAttention", "TransformerEncoderLayer"])
def test_a_seed_repeats_the_run(kind, rng):
    options = {"dropout": 0.5} | ({"dim_feedforward": 16} if kind == "TransformerEncoderLayer" else {})
    x = xg.asarray(rng.standard_normal((L, N, E)), dtype="float32")

    def run():
        layer = getattr(nn, kind)(E, H, **options, generator=5)
        return (layer(x, x, x)[0] if kind == "MultiheadAttention" else layer(x)).detach().numpy()

    np.testing.assert_array_equal(run(), run())


def test_repr_of_encoder_layers():
    lines = repr(nn.TransformerEncoderLayer(E, H, 16, norm_first=True)).splitlines()
    assert lines[0] == "TransformerEncoderLayer(norm_first=True): 600 parameters"
    assert lines[1] == "  self_attn: MultiheadAttention(8, 2, dropout=0.1): 288 parameters"


def test_encoder_layers_check_their_arguments():
    with pytest.raises(
        ValueError, match=r"TransformerEncoderLayer: unknown activation; got 'tanh'. Use 'relu', 'gelu'"
    ):
        nn.TransformerEncoderLayer(E, H, activation="tanh")
    with pytest.raises(ValueError, match=r"embed_dim must be a multiple of num_heads"):
        nn.TransformerEncoderLayer(9, 2)
