"""Losses with all their arguments: values, gradients and reductions are PyTorch's, mistakes are told apart."""

import numpy as np
import pytest

import xgrad as xg
from xgrad import nn
from xgrad.testing import gradcheck

TIGHT = {"rtol": 1e-10, "atol": 1e-10}
REDUCTIONS = ["mean", "sum", "none"]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def same_as_pytorch(torch, ours, theirs, values, rng, fixed=(), device="cpu", **options):
    """Compare a loss and its gradients in all of ``values``; ``fixed`` arrays are constants."""
    mine = [xg.Tensor(v, device=device) for v in values]
    peers = [torch.tensor(v, requires_grad=True) for v in values]
    theirs_options = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    mine_options = {k: xg.asarray(v, device=device) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    y = ours(*mine, *(xg.asarray(v, device=device) for v in fixed), **mine_options)
    z = theirs(*peers, *map(torch.tensor, fixed), **theirs_options)
    ct = rng.standard_normal(y.shape)
    y.backward(ct)
    z.backward(torch.tensor(ct))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), **TIGHT)
    for x, t in zip(mine, peers, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), **TIGHT)


# Classes --------------------------------------------------------------------------------------------------------------

SHAPES = [(7, 4), (3, 4, 5), (2, 4, 3, 2), (4,)]
OPTIONS = {
    "plain": {},
    "weight": {"weight": True},
    "ignore": {"ignore_index": 2},
    "negative ignore": {"ignore_index": -100},
    "weight and ignore": {"weight": True, "ignore_index": 2},
    "smoothing": {"label_smoothing": 0.2},
    "smoothing, weight": {"label_smoothing": 0.2, "weight": True},
    "all": {"label_smoothing": 0.2, "weight": True, "ignore_index": -1},
}


def labels(rng, shape, ignore_index):
    """Classes of four, some of which are ignored."""
    targets = np.asarray(rng.integers(0, 4, shape[:1] + shape[2:] if len(shape) > 1 else ()))
    if ignore_index is not None and targets.ndim:
        targets[(np.arange(targets.size) % 3 == 0).reshape(targets.shape)] = ignore_index
    targets[(1,) * targets.ndim] = 3  # one that counts
    return targets


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", OPTIONS)
def test_cross_entropy_and_nll_are_pytorchs(name, reduction, shape, rng, torch):
    options = OPTIONS[name] | {"reduction": reduction}
    options |= {"weight": rng.uniform(0.5, 2.0, 4)} if "weight" in options else {}
    value, targets = 3 * rng.standard_normal(shape), labels(rng, shape, options.get("ignore_index"))
    F = torch.nn.functional
    same_as_pytorch(torch, nn.cross_entropy, F.cross_entropy, [value], rng, [targets], **options)
    options.pop("label_smoothing", None)
    same_as_pytorch(torch, nn.nll_loss, F.nll_loss, [value], rng, [targets], **options)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_with_probabilities_is_pytorchs(weighted, smoothing, reduction, shape, rng, torch):
    wanted = rng.uniform(0.1, 1.0, shape)
    values = [rng.standard_normal(shape), wanted / wanted.sum(min(1, len(shape) - 1), keepdims=True)]
    options = {"weight": rng.uniform(0.5, 2.0, 4)} if weighted else {}
    options |= {"reduction": reduction, "label_smoothing": smoothing}
    F = torch.nn.functional
    same_as_pytorch(torch, nn.cross_entropy, F.cross_entropy, values, rng, **options)


def test_cross_entropy_is_the_same_on_every_device(device, rng, torch):
    value, targets = rng.standard_normal((3, 4, 5)), labels(rng, (3, 4, 5), -100)
    options = {"weight": rng.uniform(0.5, 2.0, 4), "ignore_index": -100, "label_smoothing": 0.1}
    F = torch.nn.functional
    same_as_pytorch(torch, nn.cross_entropy, F.cross_entropy, [value], rng, [targets], device=device, **options)
    values = [value, rng.uniform(0, 1, (3, 4, 5))]
    same_as_pytorch(torch, nn.cross_entropy, F.cross_entropy, values, rng, device=device)


@pytest.mark.parametrize("axis", [0, -1, 2])
def test_the_classes_may_be_on_any_axis(axis, rng):
    value = rng.standard_normal((4, 5, 6))
    targets = rng.integers(0, value.shape[axis], np.delete(value.shape, axis))
    moved = np.moveaxis(value, axis, 1)
    for loss in (nn.cross_entropy, nn.nll_loss):
        x, y = xg.Tensor(value), xg.Tensor(moved)
        found, expected = loss(x, targets, axis=axis), loss(y, targets)
        found.backward()
        expected.backward()
        assert float(found) == pytest.approx(float(expected), rel=1e-12)
        np.testing.assert_allclose(np.moveaxis(x.grad.numpy(), axis, 1), y.grad.numpy(), **TIGHT)


def test_single_precision_stays_single(rng):
    x = xg.Tensor(rng.standard_normal((3, 4)), dtype="float32")
    t = xg.asarray(rng.uniform(0, 1, (3, 4)), dtype="float32")
    options = {"weight": [1.0, 2.0, 3.0, 4.0], "ignore_index": 1, "label_smoothing": 0.1}
    p, logs = nn.sigmoid(x), nn.log_softmax(x)
    losses = [
        nn.cross_entropy(x, [0, 1, 2], **options),
        nn.cross_entropy(x, t, label_smoothing=0.1),
        nn.nll_loss(logs, [0, 1, 2], [1.0, 2.0, 3.0, 4.0]),
        nn.mse_loss(x, t),
        nn.l1_loss(x, t),
        nn.huber_loss(x, t, delta=0.5),
        nn.binary_cross_entropy(p, t, weight=[1.0, 2.0, 3.0, 4.0]),
        nn.binary_cross_entropy_with_logits(x, t, pos_weight=[1.0, 2.0, 3.0, 4.0]),
        nn.kl_div(logs, t),
        nn.kl_div(logs, t, log_target=True),
        nn.cosine_similarity(x, t).sum(),
        nn.cosine_embedding_loss(x, t, [1, -1, 1], margin=0.1),
    ]
    for loss in losses:
        loss.backward(retain_graph=True)
        assert (loss.dtype, x.grad.dtype) == ("float32", "float32")


def test_losses_of_classes_check_their_arguments(rng):
    x = rng.standard_normal((3, 4))
    with pytest.raises(
        ValueError, match=r"cross_entropy: weight must be one number per class, of shape \(4,\); got \(3"
    ):
        nn.cross_entropy(x, [0, 1, 2], weight=[1.0, 2.0, 3.0])
    with pytest.raises(
        TypeError, match=r"cross_entropy: weight must have the dtype of what.*; got float32 and float64"
    ):
        nn.cross_entropy(x, [0, 1, 2], weight=np.ones(4, np.float32))
    with pytest.raises(ValueError, match=r"cross_entropy: label_smoothing must lie between 0 and 1; got 1.5"):
        nn.cross_entropy(x, [0, 1, 2], label_smoothing=1.5)
    with pytest.raises(ValueError, match=r"cross_entropy: ignore_index is for targets that are integers; got float64"):
        nn.cross_entropy(x, x, ignore_index=1)
    with pytest.raises(TypeError, match=r"cross_entropy: logits and targets have different dtypes"):
        nn.cross_entropy(x, x.astype("float32"))
    with pytest.raises(ValueError, match=r"cross_entropy: logits and targets must have one shape"):
        nn.cross_entropy(x, x[:2])
    with pytest.raises(ValueError, match=r"nll_loss: a target is out of range; got -100 for 4 classes"):
        nn.nll_loss(x, [0, -100, 1])
    with pytest.raises(ValueError, match=r"nll_loss: a target is out of range; got 5 for 4 classes"):
        nn.nll_loss(x, [0, -100, 5], ignore_index=-100)
    with pytest.raises(ValueError, match=r"cross_entropy: unknown reduction; got 'avg'"):
        nn.cross_entropy(x, [0, 1, 2], weight=np.ones(4), reduction="avg")
    for loss in (nn.cross_entropy, nn.nll_loss):
        with pytest.raises(ValueError, match=r"the mean over no samples is undefined"):
            loss(x[:0], np.zeros(0, int), weight=np.ones(4))


def test_what_is_ignored_costs_nothing_whatever_its_scores():
    x = xg.Tensor([[0.0, 1.0], [-np.inf, -np.inf], [-np.inf, 0.0]])
    loss = nn.cross_entropy(x, [0, 9, 9], ignore_index=9, label_smoothing=0.1)
    loss.backward()
    assert np.isfinite(float(loss))
    assert (x.grad[1:] == 0).all()


# Numbers, probabilities, directions -----------------------------------------------------------------------------------


def between(rng, shape):
    return rng.uniform(0.05, 0.95, shape)


PAIRS = {  # ours, theirs, the two arrays, options
    "mse": ("mse_loss", "mse_loss", "normal", {}),
    "l1": ("l1_loss", "l1_loss", "normal", {}),
    "huber": ("huber_loss", "huber_loss", "normal", {}),
    "huber delta": ("huber_loss", "huber_loss", "normal", {"delta": 0.3}),
    "bce": ("binary_cross_entropy", "binary_cross_entropy", "between", {}),
    "bce weight": ("binary_cross_entropy", "binary_cross_entropy", "between", {"weight": (2, 3)}),
    "bce broadcast": ("binary_cross_entropy", "binary_cross_entropy", "between", {"weight": (3,)}),
    "logits": ("binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits", "mixed", {}),
    "logits weight": (
        "binary_cross_entropy_with_logits",
        "binary_cross_entropy_with_logits",
        "mixed",
        {"weight": (3,)},
    ),
    "logits all": (
        "binary_cross_entropy_with_logits",
        "binary_cross_entropy_with_logits",
        "mixed",
        {"weight": (2, 3), "pos_weight": (3,)},
    ),
    "kl": ("kl_div", "kl_div", "mixed", {}),
    "kl log": ("kl_div", "kl_div", "normal", {"log_target": True}),
}


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")  # PyTorch, of kl_div's mean
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_losses_of_pairs_are_pytorchs(name, reduction, rng, torch):
    ours, theirs, kind, options = PAIRS[name]
    makers = {"normal": (rng.standard_normal,) * 2, "between": (lambda s: between(rng, s),) * 2}
    makers["mixed"] = (rng.standard_normal, lambda s: between(rng, s))
    values = [make((2, 3)) for make in makers[kind]]
    options = {k: rng.uniform(0.5, 2, v) if isinstance(v, tuple) else v for k, v in options.items()}
    peer = getattr(torch.nn.functional, theirs)
    same_as_pytorch(torch, getattr(nn, ours), peer, values, rng, **options, reduction=reduction)


@pytest.mark.parametrize("name", PAIRS)
def test_losses_of_pairs_are_the_same_on_every_device(name, device, rng):
    ours, _, _, options = PAIRS[name]
    a, b = between(rng, (2, 3)), between(rng, (2, 3))
    options = {k: rng.uniform(0.5, 2, v) if isinstance(v, tuple) else v for k, v in options.items()}
    loss = getattr(nn, ours)
    x, y = xg.Tensor(a, device=device), xg.Tensor(a)
    here, there = loss(x, xg.asarray(b, device=device), **options), loss(y, b, **options)
    here.backward()
    there.backward()
    assert here.device == x.device
    assert float(here) == pytest.approx(float(there), rel=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), **TIGHT)
    gradcheck(lambda v: loss(v, xg.asarray(b, device=device), **options), x.detach())


@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div_by_batch_is_pytorchs(log_target, rng, torch):
    values = [rng.standard_normal((4, 3)), between(rng, (4, 3))]
    same_as_pytorch(
        torch, nn.kl_div, torch.nn.functional.kl_div, values, rng, reduction="batchmean", log_target=log_target
    )


def test_kl_div_of_nothing_expected_is_nothing():
    loss = nn.kl_div(xg.asarray([-1.0, -np.inf]), xg.asarray([1.0, 0.5]), reduction="none")
    assert loss.tolist() == [1.0, np.inf]
    assert nn.kl_div(xg.asarray([-3.0]), xg.asarray([0.0])).tolist() == 0.0


def test_binary_cross_entropy_at_certainty(torch):
    p, t = [0.0, 0.0, 1.0, 1.0, 1e-60], [0.0, 1.0, 0.0, 1.0, 1.0]
    x = xg.Tensor(p)
    loss = nn.binary_cross_entropy(x, xg.asarray(t), reduction="none")
    expected = torch.nn.functional.binary_cross_entropy(*map(torch.tensor, (p, t)), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), expected.numpy(), rtol=1e-6)
    loss.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_binary_cross_entropy_of_huge_logits(device):
    x = xg.Tensor([-1e4, 1e4, -1e4, 1e4], device=device)
    loss = nn.binary_cross_entropy_with_logits(x, [0.0, 1.0, 1.0, 0.0], reduction="none")
    loss.sum().backward()
    assert loss.detach().tolist() == [0.0, 0.0, 1e4, 1e4]
    assert x.grad.tolist() == [0.0, 0.0, -1.0, 1.0]


@pytest.mark.parametrize("axis", [1, 0, -1])
def test_cosine_similarity_is_pytorchs(axis, rng, torch):
    values = [rng.standard_normal((3, 4, 2)), rng.standard_normal((3, 4, 2))]

    def theirs(a, b):
        return torch.nn.functional.cosine_similarity(a, b, dim=axis)

    same_as_pytorch(torch, lambda a, b: nn.cosine_similarity(a, b, axis), theirs, values, rng)


def test_cosine_similarity_of_short_vectors(torch):
    a, b = [[1e-10, 0.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 2.0]]
    found = nn.cosine_similarity(xg.asarray(a), xg.asarray(b))
    expected = torch.nn.functional.cosine_similarity(*(torch.tensor(v, dtype=torch.float64) for v in (a, b)))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), **TIGHT)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0.0, -0.5, 0.4])
def test_cosine_embedding_loss_is_pytorchs(margin, reduction, rng, torch):
    values, targets = [rng.standard_normal((6, 3)), rng.standard_normal((6, 3))], np.array([1, -1, 0, -1, -1, 1])
    F, options = torch.nn.functional, {"margin": margin, "reduction": reduction}
    same_as_pytorch(torch, nn.cosine_embedding_loss, F.cosine_embedding_loss, values, rng, [targets], **options)
    single = [v[1] for v in values]
    same_as_pytorch(torch, nn.cosine_embedding_loss, F.cosine_embedding_loss, single, rng, [np.array(-1)], **options)


def test_losses_of_pairs_check_their_arguments():
    a, b = np.ones((2, 3)), np.ones((2, 1))
    for loss in (nn.l1_loss, nn.huber_loss, nn.binary_cross_entropy, nn.binary_cross_entropy_with_logits, nn.kl_div):
        with pytest.raises(ValueError, match=rf"{loss.__name__}: .* must have one shape; got \(2, 3\) and \(2, 1\)"):
            loss(a, b)
        with pytest.raises(TypeError, match=rf"{loss.__name__}: .* have different dtypes; got float64 and float32"):
            loss(a, a.astype("float32"))
        with pytest.raises(ValueError, match=f"{loss.__name__}: unknown reduction; got 'max'"):
            loss(a, a, reduction="max")
        with pytest.raises(ValueError, match=f"{loss.__name__}: the mean over no samples"):
            loss(a[:0], a[:0])
    with pytest.raises(ValueError, match="kl_div: the mean over no samples"):
        nn.kl_div(a[:0], a[:0], reduction="batchmean")
    with pytest.raises(ValueError, match="huber_loss: delta must be above 0; got 0"):
        nn.huber_loss(a, a, delta=0)
    with pytest.raises(ValueError, match=r"cosine_embedding_loss: the vectors must be .*; got \(2, 3\) and \(3,\)"):
        nn.cosine_embedding_loss(a, a, [1, 1, 1])
    with pytest.raises(TypeError, match="cosine_similarity: x2 must be real floating; got int64"):
        nn.cosine_similarity(a, [[1, 2, 3]])


# As modules -----------------------------------------------------------------------------------------------------------


def test_losses_may_be_modules(rng):
    a, b, targets = between(rng, (4, 3)), between(rng, (4, 3)), [0, 2, 1, 1]
    weight = xg.Tensor([1.0, 2.0, 3.0])
    pairs = [
        (nn.MSELoss("sum")(a, b), nn.mse_loss(a, b, "sum")),
        (nn.L1Loss()(a, b), nn.l1_loss(a, b)),
        (nn.HuberLoss(delta=0.1)(a, b), nn.huber_loss(a, b, delta=0.1)),
        (nn.CrossEntropyLoss(weight)(a, targets), nn.cross_entropy(a, targets, weight)),
        (nn.NLLLoss(ignore_index=1)(a, targets), nn.nll_loss(a, targets, ignore_index=1)),
        (nn.BCELoss()(a, b), nn.binary_cross_entropy(a, b)),
        (nn.BCEWithLogitsLoss(pos_weight=weight)(a, b), nn.binary_cross_entropy_with_logits(a, b, pos_weight=weight)),
        (nn.KLDivLoss(reduction="batchmean")(a, b), nn.kl_div(a, b, reduction="batchmean")),
        (nn.CosineSimilarity(axis=0)(a, b), nn.cosine_similarity(a, b, 0)),
        (nn.CosineEmbeddingLoss(0.1)(a, b, [1, -1, 1, -1]), nn.cosine_embedding_loss(a, b, [1, -1, 1, -1], 0.1)),
    ]
    for found, expected in pairs:
        np.testing.assert_array_equal(found.detach().numpy(), expected.detach().numpy())


def test_the_weights_of_a_loss_are_a_buffer():
    loss = nn.CrossEntropyLoss(xg.Tensor([1.0, 2.0]), reduction="sum")
    assert ([*loss.parameters()], [*loss.state_dict()]) == ([], ["weight"])
    assert loss.to("float32").weight.dtype == "float32"
    assert repr(loss) == "CrossEntropyLoss(weight=..., reduction='sum')"
