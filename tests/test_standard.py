"""What the standard asks of a namespace beyond arithmetic: sets, inspection, limits, DLPack, special cases."""

import cmath
import math

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import gradcheck

# Sets -----------------------------------------------------------------------------------------------------------------

VECTORS = {
    "float": np.array([[2.5, -1.0, 2.5], [0.0, -1.0, 7.0]]),
    "signed zeros": np.array([0.0, 1.0, -0.0, 1.0]),
    "integer": np.array([3, 1, 3, 3, 2]),
    "bool": np.array([True, False, True]),
    "complex": np.array([1 + 2j, 1 - 1j, 0 + 2j, 1 + 2j]),
    "empty": np.zeros((0, 2)),
    "0-d": np.array(4.0),
}


@pytest.mark.parametrize("name", VECTORS)
def test_unique_finds_what_numpy_finds(name, device):
    given = VECTORS[name]
    if device == "dask" and name == "complex":
        pytest.skip("Dask warns of a cast of its own")
    found = xg.unique_all(xg.asarray(given, device=device))
    values, indices, inverse, counts = np.unique_all(given)
    assert found._fields == ("values", "indices", "inverse_indices", "counts")
    np.testing.assert_array_equal(found.values.numpy(), values)
    np.testing.assert_array_equal(found.indices.numpy(), indices)
    np.testing.assert_array_equal(found.inverse_indices.numpy(), inverse)
    np.testing.assert_array_equal(found.counts.numpy(), counts)
    assert found.inverse_indices.shape == given.shape and found.values.dtype == given.dtype
    for part, again in zip(xg.unique_counts(given), (values, counts), strict=True):
        np.testing.assert_array_equal(part.numpy(), again)
    np.testing.assert_array_equal(xg.unique_inverse(given).inverse_indices.numpy(), inverse)


def test_nans_are_distinct(device):
    found = xg.unique_counts(xg.asarray([math.nan, 1.0, math.nan], device=device))
    assert found.values.shape == (3,) and found.counts.numpy().tolist() == [1, 1, 1]
    assert int(xg.count_nonzero(xg.isnan(found.values))) == 2


def test_unique_values_flow_from_their_first_occurrence(device):
    x = xg.Tensor([3.0, 1.0, 3.0, 2.0], device=device)
    (xg.unique_values(x) * xg.asarray([1.0, 10.0, 100.0], device=device)).sum().backward()
    assert x.grad.numpy().tolist() == [100.0, 1.0, 0.0, 10.0]
    gradcheck(lambda x: xg.unique_all(x).values, xg.asarray([3.0, 1.0, -2.0], device=device), order=2)
    assert not xg.unique_all(x).counts.requires_grad and not xg.unique_inverse(x).inverse_indices.requires_grad


@pytest.mark.parametrize("count", [0, 5, 40])
@pytest.mark.parametrize("dtype", ["int64", "float64", "complex128", "bool"])
def test_isin(count, dtype, device, rng):
    one = rng.integers(-30, 30, (3, 4)).astype(dtype)
    two = rng.integers(-30, 30, count).astype(dtype)
    for invert in (False, True):
        ours = xg.isin(xg.asarray(one, device=device), xg.asarray(two, device=device), invert=invert)
        np.testing.assert_array_equal(ours.numpy(), np.isin(one, two, invert=invert))
    assert xg.isin(2, xg.asarray([1, 2], device=device)).numpy().tolist() is True
    assert xg.isin(xg.asarray([1, 2], device=device), 2).numpy().tolist() == [False, True]


# Inspection and limits ------------------------------------------------------------------------------------------------


def test_namespace_info():
    info = xg.__array_namespace_info__()
    assert info.capabilities() == {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}
    assert str(info.default_device()) == "cpu" and info.default_device() in info.devices()
    assert info.default_dtypes()["real floating"] == xg.float64
    assert {d.backend for d in info.devices()} >= {"numpy", "strict"}
    assert set(info.dtypes(kind="real floating")) == {"float32", "float64"}
    assert len(info.dtypes()) == 13 and hash(info.dtypes()["bool"])
    assert set(info.dtypes(kind=("bool", "complex floating"))) == {"bool", "complex64", "complex128"}
    with pytest.raises(ValueError, match="unknown kind"):
        info.dtypes(kind="float")
    for device in info.devices():
        for dtype in info.dtypes(device=device).values():
            assert xg.ones(2, dtype=dtype, device=device).dtype == dtype


def test_data_types_are_numpys():
    assert xg.float32 == np.dtype("float32") and xg.bool == np.dtype(bool)
    assert xg.ones(2, dtype=xg.complex64).dtype == xg.complex64
    assert xg.result_type(xg.float32, xg.int8) == xg.float32
    assert not xg.can_cast(xg.complex64, xg.float64) and xg.can_cast(xg.float32, xg.complex64)


@pytest.mark.parametrize("dtype", [xg.float32, xg.float64, xg.complex64, xg.complex128, "float32", np.dtype("f8")])
def test_finfo(dtype, device):
    for given in (dtype, xg.ones(1, dtype=dtype, device=device)):
        found, expected = xg.finfo(given), np.finfo(dtype)
        for name in ("eps", "max", "min", "smallest_normal"):
            assert type(getattr(found, name)) is float and getattr(found, name) == float(getattr(expected, name))
        assert type(found.bits) is int and found.dtype == expected.dtype
    with pytest.raises(ValueError, match="finfo: type must be a floating-point dtype"):
        xg.finfo(xg.int8)


@pytest.mark.parametrize("dtype", [xg.int8, xg.uint64, "int32"])
def test_iinfo(dtype, device):
    for given in (dtype, xg.ones(1, dtype="int8", device=device) if dtype == xg.int8 else dtype):
        found, expected = xg.iinfo(given), np.iinfo(dtype)
        assert (found.bits, found.max, found.min, found.dtype) == (expected.bits, expected.max, expected.min, dtype)
    with pytest.raises(ValueError, match="iinfo: type must be an integer dtype"):
        xg.iinfo(xg.float32)


# DLPack ---------------------------------------------------------------------------------------------------------------


class Speaker:
    """An object of no library that lends NumPy memory by DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_from_dlpack_shares_memory():
    memory = np.array([1.0, 2.0])
    for lent in (memory, Speaker(memory), xg.asarray(memory)):
        tensor = xg.from_dlpack(lent)
        memory[0] += 1
        assert float(tensor[0]) == memory[0]
    copied = xg.from_dlpack(memory, copy=True)
    memory[1] = 9.0
    assert float(copied[1]) == 2.0
    np.testing.assert_array_equal(np.from_dlpack(xg.asarray(memory)), memory)


def test_from_dlpack_moves_to_a_device(device):
    tensor = xg.from_dlpack(np.array([1.0, 2.0]), device=device)
    assert tensor.device == xg.zeros(1, device=device).device and tensor.numpy().tolist() == [1.0, 2.0]
    assert xg.from_dlpack(tensor).device == tensor.device


def test_from_dlpack_refuses():
    with pytest.raises(TypeError, match=r"from_dlpack: this Tensor is tracked.*detach"):
        xg.from_dlpack(xg.Tensor([1.0]))
    with pytest.raises(TypeError, match="from_dlpack: x must have a __dlpack__ method; got list"):
        xg.from_dlpack([1.0])
    with pytest.raises(TypeError, match="tracked"):
        np.from_dlpack(xg.Tensor([1.0]))


# Special cases that array libraries miss ------------------------------------------------------------------------------

INF, NAN = math.inf, math.nan


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_floor_divide_with_infinities(device):
    a = [INF, INF, -INF, -INF, 3.0, -3.0, 3.0, -0.0, INF, 7.0, -7.0, 1e-200, -0.0, -0.0]
    b = [2.0, -2.0, 2.0, -2.0, -INF, INF, INF, INF, INF, 2.0, 2.0, -1e200, 2.0, -2.0]
    expected = [INF, -INF, -INF, INF, -0.0, -0.0, 0.0, -0.0, NAN, 3.0, -4.0, -1.0, -0.0, 0.0]
    out = xg.asarray(a, device=device) // xg.asarray(b, device=device)
    np.testing.assert_array_equal(out.numpy(), expected)
    finite = [i for i, v in enumerate(expected) if v == v]
    np.testing.assert_array_equal(np.signbit(out.numpy()[finite]), np.signbit(np.array(expected)[finite]))
    assert float(xg.asarray(INF, device=device) // 2) == INF
    np.testing.assert_array_equal((3.0 // xg.asarray([-INF, 2.0], device=device)).numpy(), [-0.0, 1.0])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_complex_expm1_and_tanh_at_infinity(device):
    def of(function, value):
        return complex(function(xg.asarray([value], dtype="complex128", device=device))[0])

    assert of(xg.expm1, complex(INF, 0.0)) == complex(INF, 0.0)
    if device != "jax:cpu":  # whose complex exponential is NaN there
        assert of(xg.expm1, complex(-INF, INF)) == -1 == of(xg.expm1, complex(-INF, NAN))
        assert abs(of(xg.expm1, complex(INF, NAN)).real) == INF
    assert str(of(xg.expm1, complex(-0.0, 0.0))) == "0j"
    assert abs(of(xg.expm1, 1e-9 + 1e-9j) - (1e-9 + 1e-9j)) < 2e-18
    for z, limit in (
        (complex(INF, 2.0), 1 + 0j),
        (complex(INF, -2.0), complex(1, -0.0)),
        (complex(-INF, 3.0), -1 + 0j),
    ):
        out = of(xg.tanh, z)
        assert out == limit and math.copysign(1, out.imag) == math.copysign(1, z.imag)
    assert cmath.isclose(of(xg.tanh, 0.3 + 0.4j), cmath.tanh(0.3 + 0.4j), rel_tol=1e-14)


def test_diff_takes_ends(device):
    x = xg.asarray([[1.0, 4.0, 9.0]], device=device)
    ends = xg.zeros((1, 1), device=device)
    assert xg.diff(x, prepend=ends, append=ends + 1).numpy().tolist() == [[1.0, 3.0, 5.0, -8.0]]
    gradcheck(lambda x, a: xg.diff(x, axis=1, n=2, append=a), x, ends, order=2)


def test_the_sign_of_a_complex_zero(device):
    assert complex(xg.sign(xg.asarray(complex(0.0, -0.0), device=device))) == 0
    out = xg.sign(xg.asarray([0j, 3 + 4j, complex(-0.0, 0.0)], device=device))
    np.testing.assert_allclose(out.numpy(), [0, 0.6 + 0.8j, 0], atol=1e-15)


def test_a_zero_remainder_has_the_sign_of_the_divisor(device):
    x, y = (
        xg.asarray([-0.0, 0.0, 4.0, -4.0, 5.0], device=device),
        xg.asarray([2.0, -2.0, -2.0, 2.0, -3.0], device=device),
    )
    np.testing.assert_array_equal(np.signbit((x % y).numpy()), [False, True, True, False, True])
    np.testing.assert_array_equal((x % 2).numpy(), [0.0, 0.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_unsigned_totals_stay_unsigned(dtype, device):
    x = xg.asarray(np.array([[1, 2], [3, 100]], dtype), device=device)
    for function in (xg.sum, xg.prod, xg.cumulative_sum, xg.cumulative_prod):
        out = function(x, axis=1)
        assert out.dtype == xg.uint64
        np.testing.assert_array_equal(out.numpy(), function(x.numpy().astype(np.int64), axis=1).numpy())
        assert function(x, axis=1, dtype=dtype).dtype == dtype
    np.testing.assert_array_equal((x // xg.full_like(x, 2)).numpy(), x.numpy() // 2)
    assert (x // xg.full_like(x, 2)).dtype == dtype


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
def test_large_integers_stay_exact(dtype, device):
    """Lists that mix ints beyond int64 with others are floats to NumPy."""
    top = int(xg.iinfo(dtype).max)
    for data in (top, [top, 5], [[top - 1], [0]], (top, True)):
        for x in (
            xg.asarray(data, dtype=dtype, device=device),
            xg.asarray(xg.asarray(data, dtype=dtype), device=device),
        ):
            assert x.dtype == dtype
            np.testing.assert_array_equal(x.numpy(), np.asarray(data, dtype=dtype))
    filled = xg.full((2,), top, dtype=dtype, device=device)
    assert filled.numpy().tolist() == [top, top]
    if (device, dtype) != ("torch:cpu", "uint64"):  # PyTorch takes such a number in no index assignment
        filled[1] = top - 1
        assert filled.numpy().tolist() == [top, top - 1]
