"""Every function on every device: value, vjp at orders 1 and 2, jvp, and the shape, dtype and device of cotangents."""

import numpy as np
import pytest

import xgrad as xg
from xgrad.pytree import flatten
from xgrad.registry import every_function
from xgrad.testing import gradcheck

from .cases import ALL, CASES, case_id, prepared


@pytest.mark.parametrize("case", ALL, ids=case_id)
def test_derivatives(case, device, record_property):
    name, specs, metadata = case
    record_property("derivative", (name, device, 2))  # for tests/coverage_table.py
    function, arrays = prepared(name, specs, metadata, device)
    gradcheck(function, *arrays, order=2)


@pytest.mark.parametrize("case", ALL, ids=case_id)
def test_values_are_numpys(case, device):
    name, specs, metadata = case
    function, arrays = prepared(name, specs, metadata, device)
    reference, plain = prepared(name, specs, metadata, "cpu")
    ours = [v.numpy() for v in flatten(function(*arrays))[0]]
    theirs = [np.asarray(v.value) for v in flatten(reference(*plain))[0]]
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", ALL, ids=case_id)
def test_dtypes_stay_single(case, device):
    name, specs, metadata = case
    if metadata.get("dtype"):
        pytest.skip("the case asks for a dtype")
    function, arrays = prepared(name, specs, metadata, device)
    narrow = {np.dtype(np.float64): np.float32, np.dtype(np.complex128): np.complex64}
    arrays = [xg.astype(a, narrow.get(a.dtype, a.dtype)) for a in arrays]
    leaves = [xg.asarray(a, requires_grad=True) if a.dtype.kind in "fc" else a for a in arrays]
    results = [r for r in flatten(function(*leaves))[0] if r.requires_grad]
    for r in results:
        assert r.dtype in (np.float32, np.complex64)
        r.backward(xg.ones_like(r), zero_grad=False, retain_graph=True)
    for a in leaves:
        if a.requires_grad and results and name != "copysign":  # whose second argument gives only its sign
            assert a.grad.dtype == a.dtype and a.grad.shape == a.shape and a.grad.device == a.device


def test_every_differentiable_function_has_a_case():
    primitives = {n for n, f in every_function().items() if hasattr(f, "op") and not f.op.zero}
    tested_elsewhere = {"getitem", "setitem", "scatter_add", "to_device", "copy", "cast", "special.adam_step"}
    assert primitives - tested_elsewhere == (primitives & CASES.keys()) - tested_elsewhere
    assert CASES.keys() <= set(every_function())


def test_zero_functions_record_nothing(device):
    zero = [n for n, f in every_function().items() if hasattr(f, "op") and f.op.zero and f.op.arrays == 1]
    x = xg.Tensor([1.5, -0.5], device=device)
    for name in set(zero) & {"floor", "ceil", "trunc", "round", "isnan", "isinf", "isfinite", "argmax", "argsort"}:
        assert not getattr(xg, name)(x).requires_grad, name
    assert len(zero) > 10


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex128"])
def test_where_with_a_zero_selects_exactly(dtype, device, rng):
    """NumPy's backend selects by bits: whatever was there, infinities, NaN and signed zeros, comes through or not."""
    odd = [3.0] * 4 if dtype == "int64" else [np.inf, np.nan, -np.inf, -0.0]
    values = np.array([[1.5, -0.0, odd[0]], [odd[1], odd[2], 0.0], [-2.0, 7.0, odd[3]]]).astype(dtype)
    mask = rng.random(values.shape) < 0.5
    for array in (values, values.T, values[:, ::-1], np.broadcast_to(values[0], (3, 3))):
        x, m = xg.asarray(np.array(array), device=device), xg.asarray(mask, device=device)
        for ours, numpys in (
            (xg.where(m, x, 0), np.where(mask, array, 0)),
            (xg.where(m, 0, x), np.where(mask, 0, array)),
            (xg.where(m, x, xg.ones_like(x[0])), np.where(mask, array, np.ones_like(array[0]))),
        ):
            np.testing.assert_array_equal(ours.numpy(), numpys)
            assert ours.dtype == numpys.dtype
