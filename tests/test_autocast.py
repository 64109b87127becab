"""Products in 16 bits: what is rounded, how, and what is not."""

import threading

import numpy as np
import pytest

import xgrad as xg
from xgrad.backends import get
from xgrad.registry import composites
from xgrad.testing import gradcheck

PRECISIONS = ("bfloat16", "float16")
LAST_BIT = {"bfloat16": 2.0**-8, "float16": 2.0**-11}  # half the distance of neighbours near 1


def numbers(rng):
    sizes = np.exp(rng.uniform(-40, 40, 20_000))
    special = [0, -0.0, np.inf, -np.inf, np.nan, 65504, 65519.9, 65520, 3e38, -3.4e38, 2**-24, 2**-25, 2**-14 * 1.00001]
    return np.concatenate([rng.standard_normal(20_000) * sizes, special]).astype(np.float32)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_rounding_is_ieees(precision, rng, device):
    x = numbers(rng)
    with np.errstate(all="ignore"):
        if precision == "float16":
            want = x.astype(np.float16).astype(np.float32)
        else:
            want = x.astype(pytest.importorskip("ml_dtypes").bfloat16).astype(np.float32)
        raw = xg.asarray(x, device=device).value
        xp = get(xg.asarray(x, device=device).device.backend)
        for ours in (xp.rounded(raw, precision), composites["rounded"](xp, raw, precision)):
            np.testing.assert_array_equal(xp.to_numpy(ours), want)


def rounded(x, precision):
    return np.asarray(get("numpy").rounded(np.asarray(x, dtype=np.float32), precision), dtype=np.float64)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_matmul_and_its_gradients_multiply_what_is_rounded(precision, device, rng):
    a, b, ct = (rng.standard_normal(s).astype(np.float32) for s in ((5, 7), (7, 3), (5, 3)))
    x, w = xg.Tensor(a, device=device), xg.Tensor(b, device=device)
    with xg.autocast(precision):
        y = x @ w
    y.backward(xg.asarray(ct, device=device))  # outside: what was recorded stays as it was recorded
    a, b, ct = (rounded(v, precision) for v in (a, b, ct))
    for ours, want in ((y.detach(), a @ b), (x.grad, ct @ b.T), (w.grad, a.T @ ct)):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours.numpy(), want, rtol=1e-5, atol=1e-6)
    assert np.abs(y.detach().numpy() - x.detach().numpy().astype(np.float64) @ w.detach().numpy()).max() > 1e-5


CALLS = {
    "linear": (lambda x, w: xg.special.linear(x, w), (4, 6), (3, 6)),
    "folded": (lambda x, w: x @ w, (2, 4, 6), (6, 3)),
    "batches": (lambda x, w: x @ w, (2, 4, 6), (2, 6, 3)),
    "tensordot": (lambda x, w: xg.tensordot(x, w, axes=1), (4, 6), (6, 3)),
    "einsum": (lambda x, w: xg.einsum("bij,jk->bik", x, w), (2, 4, 6), (6, 3)),
    "convolution": (lambda x, w: xg.convolution(x, w, padding=1, stride=2), (2, 4, 6, 5), (3, 4, 3, 2)),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_everything_made_of_products_is_rounded(name, precision, device, rng):
    f, *shapes = CALLS[name]
    x, w = (rng.standard_normal(s).astype(np.float32) for s in shapes)
    whole = [xg.Tensor(v, device=device) for v in (x, w)]
    wide = [xg.Tensor(rounded(v, precision)) for v in (x, w)]
    with xg.autocast(precision):
        y = f(*whole)
    want = f(*wide)
    ct = rng.standard_normal(y.shape).astype(np.float32)
    y.backward(xg.asarray(ct, device=device))
    want.backward(xg.asarray(rounded(ct, precision)))
    for ours, theirs in ((y, want), *((a.grad, b.grad) for a, b in zip(whole, wide, strict=True))):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_other_dtypes_are_left_alone(rng):
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    with xg.autocast():
        np.testing.assert_array_equal((xg.asarray(a) @ xg.asarray(b)).numpy(), a @ b)
        whole = xg.asarray(np.arange(300, 306).reshape(2, 3)) @ xg.asarray(np.arange(3))
        np.testing.assert_array_equal(whole.numpy(), np.arange(300, 306).reshape(2, 3) @ np.arange(3))
        gradcheck(lambda x, w: xg.tanh(x @ w), a, b, order=2)


def test_higher_derivatives_and_transforms(rng):
    """The product of rounded numbers is bilinear, and so a Hessian is again made of products of rounded numbers."""
    x = (rng.integers(-8, 8, (3, 3)) / 8).astype(np.float32)  # exact in both types, as are their few products

    def loss(x):
        return ((x @ x) ** 2).sum()

    for transform in (xg.grad, xg.hessian, lambda f: lambda v: xg.jvp(f, (v,), (np.ones_like(v),))[1]):
        with xg.autocast("float16"):
            inside = transform(loss)(x)
        np.testing.assert_allclose(inside, transform(loss)(x), rtol=2e-2)


def test_contexts_nest_and_belong_to_a_thread():
    x = xg.asarray([[1.0 + 2.0**-10]], dtype="float32")
    one = xg.asarray([[1.0]], dtype="float32")

    def product():
        return float((x @ one)[0, 0])

    seen = []
    with xg.autocast("bfloat16"):
        assert product() == 1.0
        with xg.autocast("float16"):
            assert product() == 1.0 + 2.0**-10
            with xg.autocast(enabled=False):
                assert product() == 1.0 + 2.0**-10
        assert product() == 1.0
        other = threading.Thread(target=lambda: seen.append(product()))
        other.start()
        other.join()
    assert seen == [1.0 + 2.0**-10] and product() == 1.0 + 2.0**-10
    decorated = xg.autocast("bfloat16")(product)
    assert decorated() == 1.0 and product() != 1.0
    with pytest.raises(RuntimeError), xg.autocast("bfloat16"):
        raise RuntimeError
    assert product() != 1.0


def test_a_model_trains(rng):
    model = xg.nn.Sequential(xg.nn.Linear(6, 16, generator=0), xg.nn.relu, xg.nn.Linear(16, 3, generator=1))
    x, labels = rng.standard_normal((64, 6)).astype(np.float32), rng.integers(0, 3, 64)
    optimiser = xg.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        with xg.autocast("bfloat16"):
            loss = xg.nn.cross_entropy(model(x), labels)
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    assert all(p.dtype == np.float32 and p.grad.dtype == np.float32 for p in model.parameters())
    assert losses[-1] < 0.5 * losses[0]


def test_wrong_types_are_refused():
    for wrong in ("float32", "half", 16, None):
        with pytest.raises(ValueError, match="autocast: there is no such 16-bit type"):
            xg.autocast(wrong)
    assert xg.autocast("float16").precision == xg.autocast(np.float16).precision == "float16"
