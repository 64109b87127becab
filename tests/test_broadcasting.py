"""Broadcasting and reductions over shapes of every kind, drawn by hypothesis, against formulas in plain NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import xgrad as xg

PAIRS = hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=4, min_side=0, max_side=4)
TRIPLES = hnp.mutually_broadcastable_shapes(num_shapes=3, min_dims=0, max_dims=3, min_side=0, max_side=4)


def summed_to(ct, shape):
    """``ct`` summed over everything that broadcasting repeated; written for the test, axis by axis."""
    while ct.ndim > len(shape):
        ct = ct.sum(axis=0)
    for axis, n in enumerate(shape):
        if n == 1 and ct.shape[axis] != 1:
            ct = ct.sum(axis=axis, keepdims=True)
    return ct


def drawn(shape, seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)


def gradients(f, arrays, device, seed):
    leaves = [xg.Tensor(a, device=device) for a in arrays]
    out = f(*leaves)
    ct = drawn(out.shape, seed + 99)
    out.backward(ct)
    for a, x in zip(arrays, leaves, strict=True):
        assert x.grad.shape == a.shape and x.grad.dtype == a.dtype
    return out.numpy() if not out.requires_grad else out.detach().numpy(), ct, [x.grad.numpy() for x in leaves]


BINARY = {
    "add": (np.add, lambda ct, a, b: (ct, ct)),
    "subtract": (np.subtract, lambda ct, a, b: (ct, -ct)),
    "multiply": (np.multiply, lambda ct, a, b: (ct * b, ct * a)),
    "divide": (np.divide, lambda ct, a, b: (ct / b, -ct * a / b**2)),
    "maximum": (np.maximum, lambda ct, a, b: (ct * (a > b), ct * (a < b))),
    "atan2": (np.arctan2, lambda ct, a, b: (ct * b / (a**2 + b**2), -ct * a / (a**2 + b**2))),
}


@pytest.mark.parametrize("name", BINARY)
@settings(max_examples=40, deadline=None)
@given(shapes=PAIRS, seed=st.integers(0, 1000))
def test_binary(name, device, shapes, seed):
    a, b = (drawn(s, seed + i) for i, s in enumerate(shapes.input_shapes))
    reference, rule = BINARY[name]
    out, ct, found = gradients(getattr(xg, name), (a, b), device, seed)
    np.testing.assert_allclose(out, reference(a, b), rtol=1e-14)
    for grad, operand, exact in zip(found, (a, b), rule(ct, a, b), strict=True):
        np.testing.assert_allclose(grad, summed_to(exact, operand.shape), rtol=1e-11, atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(shapes=TRIPLES, seed=st.integers(0, 1000))
def test_where(device, shapes, seed):
    m, a, b = (drawn(s, seed + i) for i, s in enumerate(shapes.input_shapes))
    mask = xg.asarray(m > 0, device=device)
    out, ct, found = gradients(lambda x, y: xg.where(mask, x, y), (a, b), device, seed)
    np.testing.assert_array_equal(out, np.where(m > 0, a, b))
    for grad, operand, exact in zip(found, (a, b), (ct * (m > 0), ct * ~(m > 0)), strict=True):
        np.testing.assert_allclose(grad, summed_to(exact, operand.shape), rtol=1e-12, atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(
    shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4), data=st.data(), seed=st.integers(0, 1000)
)
def test_sum_over_any_axes(device, shape, data, seed):
    axes = data.draw(st.sets(st.integers(-len(shape), len(shape) - 1)))
    axes = tuple({a % len(shape): a for a in axes}.values())
    keepdims = data.draw(st.booleans())
    a = drawn(shape, seed)
    out, ct, (grad,) = gradients(lambda x: xg.sum(x, axis=axes, keepdims=keepdims), (a,), device, seed)
    np.testing.assert_allclose(out, a.sum(axis=axes, keepdims=keepdims), rtol=1e-12, atol=1e-12)
    kept = tuple(1 if i in {x % len(shape) for x in axes} else n for i, n in enumerate(shape))
    np.testing.assert_allclose(grad, np.broadcast_to(ct.reshape(kept), shape), rtol=1e-14)


@settings(max_examples=40, deadline=None)
@given(
    shapes=hnp.mutually_broadcastable_shapes(signature="(n,k),(k,m)->(n,m)", max_dims=2, max_side=4),
    seed=st.integers(0, 1000),
)
def test_matmul_batches(device, shapes, seed):
    a, b = (drawn(s, seed + i) for i, s in enumerate(shapes.input_shapes))
    out, ct, found = gradients(xg.matmul, (a, b), device, seed)
    np.testing.assert_allclose(out, a @ b, rtol=1e-12, atol=1e-13)
    exact = ct @ np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2) @ ct
    for grad, operand, full in zip(found, (a, b), exact, strict=True):
        np.testing.assert_allclose(grad, summed_to(full, operand.shape), rtol=1e-11, atol=1e-12)
