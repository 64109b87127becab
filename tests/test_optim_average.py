"""Moving averages of weights."""

import numpy as np
import pytest

import xgrad as xg
from xgrad import nn, optim


def test_averages_are_pytorchs(rng):
    torch = pytest.importorskip("torch")
    starts = [rng.standard_normal((3, 2)), rng.standard_normal(()), rng.standard_normal(40_000)]
    params = [xg.Tensor(v) for v in starts]
    peers = [torch.tensor(v) for v in starts]
    follow = torch.optim.swa_utils.get_ema_multi_avg_fn(0.8)
    ema = optim.EMA(params, decay=0.8)
    for _ in range(20):
        weights = [rng.standard_normal(v.shape) for v in starts]
        with xg.no_grad():
            for p, w in zip(params, weights, strict=True):
                p[...] = w
        ema.update()
        follow(peers, [torch.tensor(w) for w in weights], 1)
    for mine, peer in zip(ema.averages.values(), peers, strict=True):
        np.testing.assert_allclose(mine.numpy(), peer.numpy(), rtol=1e-12, atol=1e-14)


def test_a_model_is_evaluated_with_its_averages_and_trained_without(device):
    model = nn.Sequential(nn.Linear(3, 2, generator=0), nn.tanh, nn.Linear(2, 1, generator=1)).to(device)
    optimizer, ema = optim.SGD(model.parameters(), lr=0.5), optim.EMA(model, decay=0.5)
    x = xg.asarray(np.ones((4, 3)), device=device, dtype="float32")
    first = {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    (model(x) ** 2).sum().backward()
    optimizer.step()
    ema.update()
    trained = {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    with pytest.raises(KeyError, match="stopped"), ema.applied():  # also after a failure the weights come back
        for name, p in model.named_parameters():
            np.testing.assert_allclose(p.detach().numpy(), (first[name] + trained[name]) / 2, rtol=1e-5, atol=1e-7)
            assert p.is_leaf
        raise KeyError("stopped")
    for name, p in model.named_parameters():
        assert p.detach().numpy().tobytes() == trained[name].tobytes() and p.is_leaf
    assert set(ema.averages) == set(first)
    for average, p in zip(ema.averages.values(), model.parameters(), strict=True):
        assert (average.device, average.dtype) == (p.device, p.dtype)


@pytest.mark.parametrize("read", [lambda t: t, lambda t: t.numpy().copy()])
def test_averages_are_saved_and_restored_exactly(read, rng):
    params = [xg.Tensor(rng.standard_normal((3, 2))), xg.Tensor(rng.standard_normal(4))]
    ema, other = optim.EMA(params, decay=0.9), optim.EMA(params, decay=0.1)
    drifts = rng.standard_normal((6, 1))

    def drift(step):
        with xg.no_grad():
            for p in params:
                p += float(drifts[step, 0])

    for step in range(3):
        drift(step)
        ema.update()
    saved = ema.state_dict()
    saved["averages"] = {name: read(value) for name, value in saved["averages"].items()}
    before = [np.array(v) for v in saved["averages"].values()]
    other.load_state_dict(saved)
    for step in range(3, 6):
        drift(step)
        ema.update()
        other.update()
    for a, b in zip(ema.averages.values(), other.averages.values(), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes()
    assert all((np.array(v) == b).all() for v, b in zip(saved["averages"].values(), before, strict=True))


def test_arguments_are_checked():
    x = xg.Tensor([1.0, 2.0])
    bad = [
        (lambda: optim.EMA(x), TypeError, "EMA: params must be a Module or an iterable of Tensors; got one Tensor"),
        (lambda: optim.EMA([1.0]), TypeError, r"EMA: params\[0\] must be a Tensor; got float"),
        (lambda: optim.EMA([]), ValueError, "EMA: params is empty"),
        (lambda: optim.EMA([x], decay=1.0), ValueError, "EMA: decay must be from 0 to below 1; got 1.0"),
    ]
    for make, error, message in bad:
        with pytest.raises(error, match=message):
            make()
    ema = optim.EMA([x])
    for averages, message in (
        ({"a": x.detach()}, "the averages must be of 0; got a"),
        ({"0": xg.ones(3)}, r"the average of 0 must have shape \(2,\); got \(3,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            ema.load_state_dict({"decay": 0.5, "averages": averages})
        assert (ema.decay, ema.averages["0"].tolist()) == (0.999, [1.0, 2.0])
