"""Functions of neural networks: a backend's own versions against the formulas, special values, wrong arguments."""

import math

import numpy as np
import pytest

import xgrad as xg
from xgrad.backends import get, numpy_blocks
from xgrad.registry import composites

DTYPES = (np.float32, np.float64)


def calls(rng, dtype):
    """Every function that NumPy has a version of its own for, with arguments."""

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    x, ct, weight, bias = normal(3, 41, 5), normal(3, 41, 5), normal(5), normal(5)
    labels = rng.integers(0, 5, (3, 41))
    p = composites["special.softmax"](get("numpy"), x, axis=-1)
    yield "softmax", (x,), {"axis": -1}
    yield "softmax", (x,), {"axis": 1}
    yield "softmax", (x[0, 0],), {"axis": None}
    yield "softmax", (x.transpose(2, 0, 1),), {"axis": 2}
    yield "softmax_grad", (ct, p, -1), {}
    yield "softmax_grad", (ct, p, (0, 2)), {}
    for kind in (np.int64, np.uint8, np.int8, np.uint64):
        yield "softmax_cross_entropy", (x, labels.astype(kind)), {}
        yield "softmax_cross_entropy", (x, labels.astype(kind)), {"mean": True}
        _, saved = get("numpy").special.softmax_cross_entropy(x, labels.astype(kind))
        for c in (ct[..., 0], ct[0, 0, 0]):
            yield "softmax_cross_entropy_grad", (c, x, labels.astype(kind), saved), {}
    yield "relu", (x,), {}
    yield "relu_grad", (ct, np.maximum(x, 0)), {}
    yield "silu", (x,), {}
    yield "silu_grad", (ct, x), {}
    for approximate in ("none", "tanh"):
        yield "gelu", (x,), {"approximate": approximate}
        yield "gelu_grad", (ct, x, approximate), {}
    for b in (bias, None):
        yield "linear", (x, normal(7, 5), normal(7) if b is not None else None), {}
        for w in (weight, None):
            yield "layer_norm", (x, w, b), {"eps": 0.01}
            yield "layer_norm", (x, w, b), {"axis": (2,)}
            yield "layer_norm_grad", (ct, x, w, None if b is None else b.shape, -1, 0.01), {}
    yield "layer_norm_grad", (ct, x, weight, x.shape, -1, 0.01), {}  # a bias for every element
    vectors = normal(37), normal(37), normal(37), normal(37) ** 2
    for extra in ({}, {"decay": 0.1}, {"shrink": 0.01}):
        yield "adam_step", vectors, {"rate": 0.1, "b1": 0.9, "b2": 0.99, "eps": 1e-3, **extra}
    yield "layer_norm", (x,), {"axis": (1, 2)}
    yield "layer_norm", (x, normal(41, 1), normal(1, 41, 1)), {"axis": (0, 2), "eps": 0.01}
    yield "layer_norm_grad", (ct, x, normal(41, 1), (41, 1), (0, 2), 0.01), {}
    yield "layer_norm", (x, normal(3, 41, 5)), {}


def in_layouts(a):
    """The same array with its axes in several orders in memory."""
    for order in ((*range(a.ndim),), (1, *range(2, a.ndim), 0), (*range(a.ndim)[::-1],)):
        yield np.ascontiguousarray(a.transpose(order)).transpose(np.argsort(order))


@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 4), (2, 3, 41, 7), (1, 3, 2, 2), (4, 1, 2), (2, 300)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", [16, 200, 1 << 17])
def test_batch_norm_in_every_layout(shape, dtype, block, rng, monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", block)
    xp, ours = get("numpy"), get("numpy").special
    x, ct = rng.standard_normal((2, *shape)).astype(dtype)
    weight, bias, to_mean, to_variance = rng.standard_normal((4, shape[1])).astype(dtype)
    tolerance = {"rtol": 2e-4 if dtype == np.float32 else 1e-11, "atol": 1e-5}
    usual, more = (None, None), (to_mean, to_variance)
    for w, b, others in ((weight, bias, usual), (None, None, more), (weight, None, usual)):
        made = composites["special.batch_norm"](xp, x, w, b, eps=0.1)
        grads = composites["special.batch_norm_grad"](xp, ct, *others, x, w, *made[1:], 0.1)
        for placed in in_layouts(x):
            out = ours.batch_norm(placed, w, b, eps=0.1)
            for cts in in_layouts(ct):
                back = ours.batch_norm_grad(cts, *others, placed, w, *made[1:], 0.1)
                for a, e in zip((*out, *back), (*made, *grads), strict=True):
                    assert a.dtype == dtype and a.shape == e.shape
                    np.testing.assert_allclose(a, e, **tolerance)


@pytest.mark.parametrize("shape", [(32, 2, 64, 64), (4096, 3), (64, 4, 2, 8)])
def test_batch_norm_far_from_zero_keeps_its_digits(shape, rng):
    x = (100 + rng.standard_normal(shape)).astype(np.float32)
    exact = composites["special.batch_norm"](get("numpy"), x.astype(np.float64))
    for placed in in_layouts(x):
        for ours, right in zip(get("numpy").special.batch_norm(placed), exact, strict=True):
            np.testing.assert_allclose(ours, right, rtol=1e-4, atol=1e-4)  # float32 has 1e-5 left of the deviations


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", [16, 200, 1 << 17])
def test_numpys_versions_are_the_formulas(dtype, block, rng, monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", block)
    xp = get("numpy")
    for name, args, options in calls(rng, dtype):
        before = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        ours = getattr(xp.special, name)(*args, **options)
        formula = composites[f"special.{name}"](xp, *args, **options)
        if name == "softmax_cross_entropy":  # and what is saved
            ours, formula = ours[0], formula[0]
        for a, b in zip(before, args, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"{name} changed an argument")
        for a, b in zip(*((v if isinstance(v, tuple) else (v,)) for v in (ours, formula)), strict=True):
            if b is None:
                assert a is None
                continue
            if name == "layer_norm_grad" and a.shape != b.shape:  # summed on the way
                lost = tuple(i for i, n in enumerate((1,) * (b.ndim - a.ndim) + a.shape) if n == 1)
                b = b.sum(axis=lost).reshape(a.shape)
            assert a.dtype == dtype and a.shape == b.shape, name
            np.testing.assert_allclose(a, b, rtol=2e-4 if dtype == np.float32 else 1e-11, atol=1e-5, err_msg=name)


def test_lines_of_infinities(device):
    lines = np.array([[-math.inf, 0.0, 1.0], [-math.inf] * 3, [math.inf, 0.0, 1.0], [math.nan, 0.0, 1.0]])
    with np.errstate(invalid="ignore"):
        out = xg.special.softmax(xg.asarray(lines, device=device), axis=-1).numpy()
    e = math.exp(1.0)
    np.testing.assert_allclose(out[0], [0.0, 1 / (1 + e), e / (1 + e)])
    np.testing.assert_array_equal(out[1], 0.0)
    np.testing.assert_array_equal(out[2], [math.nan, 0.0, 0.0])
    assert np.isnan(out[3]).all()
    losses = xg.special.softmax_cross_entropy(xg.asarray(lines[:2], device=device), xg.asarray([1, 1], device=device))
    np.testing.assert_allclose(losses.numpy(), [math.log(1 + e), math.inf])


def test_a_label_out_of_range_is_refused():
    x = xg.Tensor(np.zeros((2, 3)))
    for label in (3, -1):
        for kind in (np.int64, np.int8):
            with pytest.raises(IndexError, match="labels must be from 0 to 2"):
                xg.special.softmax_cross_entropy(x, xg.asarray(np.array([0, label], dtype=kind)))


def test_relu_at_the_edge(device):
    x = xg.Tensor(np.array([-math.inf, -1.0, 0.0, 2.0, math.inf, math.nan]), device=device)
    y = xg.special.relu(x)
    np.testing.assert_array_equal(y.detach().numpy(), [0, 0, 0, 2, math.inf, math.nan])
    y.backward(xg.asarray([math.nan, math.inf, math.nan, 3.0, 4.0, 5.0], device=device))
    np.testing.assert_array_equal(x.grad.numpy(), [0, 0, 0, 3, 4, 5])  # what is masked out gets 0, not NaN
    whole = xg.special.relu(xg.asarray([-2, 3], device=device))
    assert whole.dtype == np.int64 and whole.numpy().tolist() == [0, 3]


@pytest.mark.parametrize("dtype", DTYPES)
def test_expit_of_many_numbers_is_exact(dtype):
    x = np.concatenate([np.linspace(-120, 120, 5000), [-math.inf, -800.0, 800.0, math.inf, math.nan]]).astype(dtype)
    with np.errstate(all="raise", under="ignore"):
        ours = get("numpy").special.expit(x)
    wide = np.exp(np.minimum(x.astype(np.longdouble), 0)) / (1 + np.exp(-np.abs(x.astype(np.longdouble))))
    np.testing.assert_allclose(ours, wide, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logaddexp_of_many_numbers_is_numpys(dtype, rng):
    x, y = (5 * rng.standard_normal((2, 3000))).astype(dtype)
    largest = np.finfo(dtype).max
    x[:6] = math.inf, -math.inf, math.nan, largest, -largest, 0.0
    y[:6] = math.inf, -math.inf, 0.0, -largest, -largest, -math.inf
    for a, b in ((x, y), (0.0, x), (y, 0.0), (x, np.full(1, -math.inf, dtype)), (x[:, None], y[:2])):
        with np.errstate(all="raise", under="ignore"):
            ours = get("numpy").logaddexp(a, b)
        with np.errstate(all="ignore"):
            theirs = np.logaddexp(a, b)
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)


def test_gelu_and_silu_at_large_arguments(device):
    x = xg.asarray([-200.0, 200.0], device=device)
    for y in (xg.special.gelu(x), xg.special.gelu(x, approximate="tanh"), xg.special.silu(x)):
        np.testing.assert_allclose(y.numpy(), [0.0, 200.0], atol=1e-80)


def test_shapes_that_do_not_fit_are_refused(device):
    x = xg.ones((4, 3), device=device)
    with pytest.raises(ValueError, match=r"x must have the shape \(batch, channels, ...\); got \(4,\)"):
        xg.special.batch_norm(xg.ones(4, device=device))
    with pytest.raises(ValueError, match=r"a window of 5 elements does not fit into axis 0; got \(4, 3\)"):
        xg.special.max_pool(x, window=(5,), axes=(0,), stride=(1,), dilation=(1,))
    with pytest.raises(ValueError, match="window, axes, stride and dilation must have one number"):
        xg.special.max_pool(x, window=(2, 2), axes=(0,), stride=(1,), dilation=(1,))
