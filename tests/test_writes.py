"""Writing: ``x[i] = v``, ``x += y`` and views, recorded, and never changing what a pullback has kept."""

import operator
import time
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import xgrad as xg
from xgrad.testing import gradcheck

I = np.array  # noqa: E741  # an index array, spelled short for the table below


def host(value):
    """A Tensor or raw array of any library as a NumPy array."""
    return xg.asarray(value).detach().numpy()


def close(value, expected):
    found, expected = host(value), np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def leaf(value, device="cpu"):
    return xg.Tensor(np.asarray(value), device=device)


def normal(rng, shape):
    """Random numbers, an ndarray for shape () too."""
    return np.array(rng.standard_normal(shape))


# Keys -----------------------------------------------------------------------------------------------------------------

# Shape of the array, and the key: every element selected at most once.
KEYS = {
    "int": ((4, 3), 1),
    "negative int": ((4, 3), -1),
    "numpy int": ((4, 3), np.int64(2)),
    "two ints": ((4, 3), (1, -2)),
    "slice": ((5, 3), slice(1, 4)),
    "step": ((5, 3), slice(None, None, 2)),
    "negative step": ((5, 3), slice(None, None, -1)),
    "negative step from the middle": ((6, 2), slice(4, 0, -2)),
    "empty slice": ((5, 3), slice(3, 3)),
    "slice past the end": ((5, 3), slice(2, 99)),
    "column": ((5, 3), (slice(None), 1)),
    "ellipsis": ((2, 3, 4), (..., 1)),
    "only ellipsis": ((2, 3), ...),
    "all": ((2, 3), slice(None)),
    "empty tuple": ((2, 3), ()),
    "new axis": ((2, 3), (None, slice(None), 1)),
    "new axis inside": ((2, 3), (1, None, slice(None, None, 2))),
    "0-d": ((), ()),
    "0-d ellipsis": ((), ...),
    "list": ((4, 3), [0, 2]),
    "int array": ((4, 3), I([3, 0, 1])),
    "negative int array": ((4, 3), I([-1, 1])),
    "matrix of ints": ((6, 2), I([[0, 5], [3, 2]])),
    "empty int array": ((4, 3), I([], dtype=int)),
    "two int arrays": ((4, 3), (I([0, 1, 3]), I([2, 0, 1]))),
    "broadcast int arrays": ((4, 3), (I([[0], [3]]), I([1, 2]))),
    "int array and slice": ((4, 3, 2), (slice(1, None), I([2, 0]))),
    "int array, slice, int": ((4, 3, 2), (I([2, 0]), slice(None, None, 2), 1)),
    "separated int arrays": ((4, 3, 2), (I([2, 0, 1]), slice(None), I([1, 0, 1]))),
    "int array after new axis": ((4, 3), (None, I([2, 0]), slice(1))),
    "int array with ellipsis": ((2, 3, 4), (..., I([3, 1]))),
    "mask": ((2, 3), I([[True, False, True], [False, False, True]])),
    "mask of rows": ((4, 3), I([True, False, True, False])),
    "mask of rows, and column": ((4, 3), (I([True, False, True, False]), 1)),
    "mask of columns": ((4, 3), (slice(1, 3), I([True, False, True]))),
    "mask and int array": ((4, 3), (I([True, False, True, False]), I([2, 0]))),
    "mask of nothing": ((2, 3), np.zeros((2, 3), dtype=bool)),
    "mask of everything": ((2, 3), np.ones((2, 3), dtype=bool)),
    "true": ((4, 3), True),
    "false": ((4, 3), False),
    "true of 0-d": ((), True),
    "0-d mask": ((4, 3), I(False)),
    "true and slice": ((4, 3), (True, slice(1, 3))),
    "list of lists": ((4, 3), [[0, 2], [3, 1]]),
    "list of truths": ((4, 3), [True, False, True, False]),
    "empty list": ((4, 3), []),
    "two lists": ((4, 3), ([0, 2], [1, 0])),
    "narrow ints": ((4, 3), I([3, 1], dtype=np.uint8)),
    "int array and negative step": ((4, 3), (I([2, 0]), slice(None, None, -1))),
    "int array, new axis, int array": ((4, 3), (I([2, 0]), None, I([1, 2]))),
    "ints around a slice": ((4, 3, 2), (1, slice(None, None, -2), I([1, 0]))),
    "matrix of ints after a slice": ((2, 6), (slice(None), I([[0, 5], [3, 2]]))),
    "mask with ellipsis": ((2, 3, 4), (..., I([True, False, True, False]))),
    "mask of rows, new axis": ((4, 3), (I([True, False, True, False]), None, slice(1, 3))),
    "mask of two axes, slice": ((2, 3, 4), (I([[True, False, True], [False, False, True]]), slice(1, 3))),
    "slice, mask of two axes": ((4, 2, 3), (slice(None, None, 2), I([[True, False, True], [False, False, True]]))),
    "int, mask": ((2, 3, 4), (1, I([True, False, True]), slice(None, None, -1))),
}

# The same place more than once.
DUPLICATES = {
    "twice": ((3,), I([0, 0, 1])),
    "rows": ((4, 3), I([1, 3, 1, 1])),
    "pairs": ((4, 3), (I([0, 1, 0]), I([2, 0, 2]))),
    "same place by negative index": ((4,), I([-1, 3, 0])),
    "with slice": ((2, 4), (slice(None), I([3, 3, 0]))),
}
EVERY = KEYS | DUPLICATES


@pytest.mark.parametrize("name", EVERY)
def test_read(device, rng, name):
    shape, key = EVERY[name]
    a = normal(rng, shape)
    ct = normal(rng, a[key].shape)
    x = leaf(a, device)
    y = x[key]
    close(y, a[key])
    y.backward(xg.asarray(ct))
    expected = np.zeros(shape)
    np.add.at(expected, key, ct)
    close(x.grad, expected)


@pytest.mark.parametrize("name", KEYS)
def test_write(device, rng, name):
    shape, key = KEYS[name]
    a, ct = normal(rng, shape), normal(rng, shape)
    b = normal(rng, a[key].shape)
    x, v = leaf(a, device), leaf(b, device)
    y = x * 2.0
    y[key] = v * 3.0
    expected = np.array(a * 2.0)
    expected[key] = b * 3.0
    close(y, expected)
    y.backward(xg.asarray(ct))
    kept = np.array(2.0 * ct)
    kept[key] = 0.0
    close(x.grad, kept)
    close(v.grad, 3.0 * ct[key])


@pytest.mark.parametrize("name", KEYS)
def test_added_in_place(device, rng, name):
    shape, key = KEYS[name]
    a, ct = normal(rng, shape), normal(rng, shape)
    b = normal(rng, a[key].shape)
    x, v = leaf(a, device), leaf(b, device)
    y = xg.sin(x)
    y[key] += v * y[key]
    expected = np.array(np.sin(a))
    expected[key] += b * expected[key]
    close(y, expected)
    y.backward(xg.asarray(ct))
    slope = np.array(ct * np.cos(a))
    slope[key] *= 1 + b
    close(x.grad, slope)
    close(v.grad, np.array(ct * np.sin(a))[key])


@pytest.mark.parametrize("name", KEYS)
def test_second_order(device, rng, name):
    shape, key = KEYS[name]
    a = normal(rng, shape)
    b = normal(rng, a[key].shape)

    def f(x, v):
        y = x * x
        y[key] = v * v * y[key]
        return y

    gradcheck(f, xg.asarray(a, device=device), xg.asarray(b, device=device), order=2)


@pytest.mark.parametrize("name", DUPLICATES)
def test_of_two_values_for_one_place_the_last_stays(device, rng, name):
    shape, key = DUPLICATES[name]
    a, ct = normal(rng, shape), normal(rng, shape)
    b = normal(rng, a[key].shape)
    x, v = leaf(a, device), leaf(b, device)
    y = x * 1.0
    y[key] = v
    expected = a.copy()
    expected[key] = b
    close(y, expected)
    y.backward(xg.asarray(ct))
    winner = np.full(shape, -1)
    winner[key] = np.arange(b.size).reshape(b.shape)
    slope = np.zeros(b.size)
    slope[winner[winner >= 0]] = ct[winner >= 0]
    close(v.grad, slope.reshape(b.shape))
    close(x.grad, np.where(winner >= 0, 0.0, ct))


VALUES = {
    "scalar": ((4, 3), slice(1, 3), ()),
    "row": ((4, 3), slice(1, 3), (3,)),
    "column": ((4, 3), slice(1, 3), (2, 1)),
    "leading ones": ((4, 3), slice(1, 3), (1, 1, 2, 3)),
    "into a column": ((4, 3), (slice(None), 2), (1,)),
    "by mask": ((2, 3), I([[True, False, True], [False, False, True]]), ()),
    "by mask, one": ((2, 3), I([[True, False, True], [False, False, True]]), (1,)),
    "by index array": ((4, 3), I([3, 0]), (3,)),
    "duplicates": ((4, 3), I([1, 1, 2]), (3,)),
    "duplicates of a scalar": ((4, 3), I([1, 1, 2]), ()),
}


@pytest.mark.parametrize("name", VALUES)
def test_value_is_broadcast(device, rng, name):
    shape, key, value_shape = VALUES[name]
    a, b, ct = normal(rng, shape), normal(rng, value_shape), normal(rng, shape)
    x, v = leaf(a, device), leaf(b, device)
    y = x * 1.0
    y[key] = v
    expected = a.copy()
    expected[key] = b
    close(y, expected)
    y.backward(xg.asarray(ct))
    touched = np.zeros(shape, dtype=bool)
    touched[key] = True
    close(x.grad, np.where(touched, 0.0, ct))
    # Row by row, what each element of v became: the derivative of the written array in every element of v.
    slope = np.zeros(b.shape)
    for place in np.ndindex(b.shape):
        unit = np.zeros(b.shape)
        unit[place] = 1.0
        moved = np.zeros(shape)
        moved[key] = unit
        slope[place] = (moved * ct).sum()
    close(v.grad, slope)


@pytest.mark.parametrize("value", [7, 7.5, np.float64(7.5), np.array(7.5), [1.0, 2.0, 3.0], np.arange(3), True])
def test_constants_are_written(device, rng, value):
    a, ct = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    x = leaf(a, device)
    y = x * 1.0
    y[2] = value
    a[2] = value
    close(y, a)
    y.backward(xg.asarray(ct))
    ct[2] = 0.0
    close(x.grad, ct)


def test_keys_of_tensors(device, rng):
    a = rng.standard_normal((4, 3))
    x = leaf(a, device)
    rows = xg.asarray(np.array([2, 0]), device=device)
    mask = x > 0
    y = x * 1.0
    y[rows] = 5.0
    y[mask] = y[mask] * 2.0
    expected = a.copy()
    expected[[2, 0]] = 5.0
    expected[a > 0] *= 2.0
    close(y, expected)
    zero = xg.argmax(x[:, 0])
    y[zero, 1] = 9.0
    expected[np.argmax(a[:, 0]), 1] = 9.0
    close(y, expected)
    y.sum().backward()
    slope = np.where(a > 0, 2.0, 1.0)
    slope[[2, 0]] = 0.0
    slope[np.argmax(a[:, 0]), 1] = 0.0
    close(x.grad, slope)


@pytest.mark.parametrize("home", ["cpu", "same"])
@pytest.mark.parametrize("tracked", [False, True])
def test_integers_in_a_tensor_of_any_device(device, rng, home, tracked):
    a, ct = rng.standard_normal((4, 3)), rng.standard_normal((3, 3))
    rows = xg.Tensor(np.array([2, 0, 2]), device=device if home == "same" else "cpu", requires_grad=tracked)
    x = leaf(a, device)
    y = x[rows]
    close(y, a[[2, 0, 2]])
    y.backward(xg.asarray(ct))
    expected = np.zeros((4, 3))
    np.add.at(expected, [2, 0, 2], ct)
    close(x.grad, expected)
    z = x * 1.0
    z[rows, 1] = 7.0
    z[rows[:2]] += 1.0
    expected = a.copy()
    expected[[2, 0], 1] = 7.0
    expected[[2, 0]] += 1.0
    close(z, expected)


@pytest.mark.parametrize("home", ["cpu", "same"])
def test_a_mask_in_a_tensor_of_any_device(device, rng, home):
    a, b = rng.standard_normal((4, 3)), rng.standard_normal(())
    mask = xg.asarray(a > 0, device=device if home == "same" else "cpu")
    x, v = leaf(a, device), leaf(b, device)
    y = x * 1.0
    y[mask] = v
    close(y, np.where(a > 0, b, a))
    (y * y).sum().backward()
    close(x.grad, np.where(a > 0, 0.0, 2 * a))
    close(v.grad, 2 * b * (a > 0).sum())


@pytest.mark.parametrize("key", [4, (slice(None), -4), I([0, 4]), (I([1, -5]), 0), (0, I([[3]])), np.ones(3, bool)])
def test_an_index_out_of_range_is_an_error(device, rng, key):
    x = leaf(rng.standard_normal((4, 3)), device)
    with pytest.raises(IndexError):
        x[key].detach().numpy()  # a library that waits with its work says so then
    with pytest.raises(IndexError):
        y = x * 1.0
        y[key] = 0.0
        y.detach().numpy()


SPREADS = {
    "random": lambda r, n, m: r.integers(-n, n, m),
    "one place": lambda r, n, m: np.full(m, 7),
    "every place once": lambda r, n, m: r.permutation(n)[:m],
    "a few places": lambda r, n, m: r.integers(0, 5, m),
    "skewed": lambda r, n, m: np.minimum(r.zipf(1.5, m) - 1, n - 1),
    "a matrix": lambda r, n, m: r.integers(0, n, (4, m // 4)),
}
TABLES = {
    "wide rows": lambda i: ((500, 40), (i,)),
    "narrow rows": lambda i: ((500, 3), (i,)),
    "numbers": lambda i: ((500,), (i,)),
    "columns": lambda i: ((40, 500), (slice(None), i)),
    "in the middle": lambda i: ((6, 500, 7), (slice(None), i, slice(None))),
    "pairs": lambda i: ((500, 500, 33), (i, i[::-1])),
    "pairs of numbers": lambda i: ((500, 500), (i, i[::-1])),
    "after an int": lambda i: ((3, 500, 8), (1, i)),
    "with a slice": lambda i: ((500, 40), (i, slice(3, None, 2))),
}


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_many_rows_are_added(rng, spread, table, dtype):
    """NumPy's backend adds large index arrays in ways of its own."""
    shape, key = TABLES[table](SPREADS[spread](rng, 500, 400))
    x = xg.Tensor(np.zeros(shape, dtype=dtype))
    y = x[key]
    ct = rng.standard_normal(y.shape).astype(dtype)
    y.backward(xg.asarray(ct))
    exact, usual = np.zeros(shape), np.zeros(shape, dtype=dtype)
    np.add.at(exact, key, ct.astype(np.float64))
    np.add.at(usual, key, ct)
    found = x.grad.numpy()
    assert found.dtype == dtype
    if dtype == np.float64:
        np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-12)
    else:
        assert np.abs(found - exact).max() <= 1.5 * np.abs(usual - exact).max() + 1e-7


def test_adding_many_rows_takes_less_than_half_the_time_of_add_at(rng):
    table = rng.standard_normal((10_000, 256)).astype(np.float32)
    rows = rng.integers(0, 10_000, 4096)
    ct = rng.standard_normal((4096, 256)).astype(np.float32)

    def by_hand():
        out = np.zeros_like(table)
        np.add.at(out, rows, ct)
        return table[rows], out

    def ours():
        y, pullback = xg.vjp(lambda t: t[rows], table)
        return y, pullback(ct)[0]

    np.testing.assert_allclose(ours()[1], by_hand()[1], rtol=1e-5, atol=1e-6)
    ratios = []
    for _ in range(15):
        start = time.perf_counter()
        by_hand()
        middle = time.perf_counter()
        ours()
        ratios.append((time.perf_counter() - middle) / (middle - start))
    assert np.median(ratios) < 0.5, ratios


@st.composite
def arrays_and_keys(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    kind = draw(st.sampled_from(["basic", "integer", "mask", "mixed"]))
    if kind == "basic":
        key = draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    elif kind == "mask":
        key = draw(hnp.arrays(bool, shape[: draw(st.integers(1, len(shape)))]))
    elif 0 in shape:
        key = ...
    elif kind == "integer":
        key = draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)))
    else:
        axis = draw(st.integers(0, len(shape) - 1))
        parts = [draw(st.sampled_from([slice(None), slice(None, None, -1), slice(0, 2), 0, -1])) for _ in shape]
        parts[axis] = np.array(draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=4)))
        key = tuple(parts)
    return shape, key


@settings(max_examples=150, deadline=None)
@given(arrays_and_keys(), st.integers(0, 2**20), st.sampled_from(["cpu", "strict"]))
def test_random_keys(case, seed, device):
    shape, key = case
    rng = np.random.default_rng(seed)
    a, ct = rng.standard_normal(shape), rng.standard_normal(shape)
    part = a[key]
    b, read_ct = rng.standard_normal(part.shape), rng.standard_normal(part.shape)

    x = leaf(a, device)
    y = x[key]
    close(y, part)
    y.backward(xg.asarray(read_ct))
    expected = np.zeros(shape)
    np.add.at(expected, key, read_ct)
    close(x.grad, expected)

    x, v = leaf(a, device), leaf(b, device)
    y = x * 2.0
    y[key] = v
    expected = a * 2.0
    expected[key] = b
    close(y, expected)
    y.backward(xg.asarray(ct))
    winner = np.full(shape, -1)
    winner[key] = np.arange(b.size).reshape(b.shape)
    close(x.grad, np.where(winner >= 0, 0.0, 2.0 * ct))
    slope = np.zeros(b.size)
    slope[winner[winner >= 0]] = ct[winner >= 0]
    close(v.grad, slope.reshape(b.shape))


# Arithmetic in place --------------------------------------------------------------------------------------------------

INPLACE = {
    "+=": (lambda x, y: x.__iadd__(y), lambda a, b: a + b),
    "-=": (lambda x, y: x.__isub__(y), lambda a, b: a - b),
    "*=": (lambda x, y: x.__imul__(y), lambda a, b: a * b),
    "/=": (lambda x, y: x.__itruediv__(y), lambda a, b: a / b),
    "**=": (lambda x, y: x.__ipow__(y), lambda a, b: a**b),
    "%=": (lambda x, y: x.__imod__(y), lambda a, b: a % b),
}


@pytest.mark.parametrize("name", INPLACE)
@pytest.mark.parametrize("shape", [(2, 3), (3,), (), (2, 1)])
def test_in_place_arithmetic(device, rng, name, shape):
    write, plain = INPLACE[name]
    a, b, ct = rng.uniform(1.0, 2.0, (2, 3)), rng.uniform(0.3, 0.9, shape), rng.standard_normal((2, 3))
    x, y = leaf(a, device), leaf(b, device)
    z = xg.exp(x)
    same = z
    z = write(z, y)
    assert z is same
    close(z, plain(np.exp(a), b))
    z.backward(xg.asarray(ct))
    xx, yy = leaf(a, device), leaf(b, device)
    plain(xg.exp(xx), yy).backward(xg.asarray(ct))
    close(x.grad, host(xx.grad))
    close(y.grad, host(yy.grad))


def test_matmul_in_place(rng):
    a, b = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    x, y = leaf(a), leaf(b)
    z = x * 1.0
    z @= y
    close(z, a @ b)
    z.sum().backward()
    close(y.grad, a.T @ np.ones((3, 3)))


def test_in_place_keeps_dtype(device):
    x = xg.Tensor(np.ones(3, dtype=np.float32), device=device)
    y = x * 2
    y += xg.asarray(np.ones(3), device=device)
    assert y.dtype == np.float32
    y[0] = np.float64(3.0)
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_integer_array_takes_truncated_values(device):
    n = xg.asarray([1, 2, 3], device=device)
    n[0] = 7
    n += 1
    assert n.dtype == np.int64
    close(n, [8, 3, 4])


# Views ----------------------------------------------------------------------------------------------------------------

# How to make a view, with NumPy and with Tensors alike.
VIEWS = {
    "slice": lambda x: x[1:],
    "negative step": lambda x: x[::-2],
    "row": lambda x: x[1],
    "column": lambda x: x[:, 2],
    "new axis": lambda x: x[None, :, 1:],
    "ellipsis": lambda x: x[..., 0],
    "everything": lambda x: x[...],
    "transpose": lambda x: x.T,
    "mT": lambda x: x.mT if hasattr(x, "mT") else np.swapaxes(x, -1, -2),
    "reshape": lambda x: x.reshape(6, 2),
    "reshape -1": lambda x: x.reshape(-1),
    "chain of slices": lambda x: x[1:][:, ::2][0],
    "slice of transpose": lambda x: x.T[1:3],
    "reshape of slice": lambda x: x[1:].reshape(4, 2),
    "transpose of reshape": lambda x: x.reshape(2, 6).T[::2],
    "reshape of reshape": lambda x: x.reshape(12).reshape(2, 2, 3)[1],
    "transpose method": lambda x: x.transpose(1, 0),
    "row by row": lambda x: list(x)[2],
}
FLIPS = {
    "flip": (lambda x: xg.flip(x, axis=0), lambda x: np.flip(x, 0)),
    "flip both": (lambda x: xg.flip(x), lambda x: np.flip(x)),
    "permute": (lambda x: xg.permute_dims(x, (1, 0)), lambda x: np.transpose(x)),
    "moveaxis": (lambda x: xg.moveaxis(x, 0, 1), lambda x: np.moveaxis(x, 0, 1)),
    "expand_dims": (lambda x: xg.expand_dims(x, axis=1), lambda x: np.expand_dims(x, 1)),
    "squeeze": (lambda x: xg.squeeze(xg.expand_dims(x, axis=1), axis=1), lambda x: x[:, None][:, 0]),
    "flip of slice": (lambda x: xg.flip(x[1:], axis=1)[0], lambda x: np.flip(x[1:], 1)[0]),
    "matrix_transpose": (xg.matrix_transpose, lambda x: x.T),
}
BOTH = {name: (v, v) for name, v in VIEWS.items()} | FLIPS


@pytest.mark.parametrize("name", BOTH)
def test_write_to_view_reaches_its_base(device, rng, name):
    view_of, numpy_view_of = BOTH[name]
    a, ct = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    expected = np.array(a) * 2.0
    part = numpy_view_of(expected)
    b = rng.standard_normal(part.shape)
    part += b
    part[...] = part * part

    x, v = leaf(a, device), leaf(b, device)
    base = x * 2.0
    view = view_of(base)
    view += v
    view[...] = view * view
    close(base, expected)
    close(view, part)
    base.backward(xg.asarray(ct))

    def formula(x, v):  # the same without views: positions by an index of the elements
        index = numpy_view_of(np.arange(12).reshape(3, 4))
        flat = xg.reshape(x * 2.0, (12,))
        moved = (xg.take(flat, index.reshape(-1)) + xg.reshape(v, (-1,))) ** 2
        spread = np.zeros((12, index.size))
        spread[index.reshape(-1), np.arange(index.size)] = 1.0
        rest = np.ones(12)
        rest[index.reshape(-1)] = 0.0
        return xg.reshape(flat * rest + xg.asarray(spread) @ moved, (3, 4))

    slopes = xg.vjp(formula, a, b)[1](ct)
    close(x.grad, slopes[0])
    close(v.grad, slopes[1])


@pytest.mark.parametrize("name", BOTH)
def test_write_to_base_is_seen_by_view(device, rng, name):
    view_of, numpy_view_of = BOTH[name]
    a = rng.standard_normal((3, 4))
    expected = a * 2.0
    part = numpy_view_of(expected)
    x = leaf(a, device)
    base = x * 2.0
    view = view_of(base)
    base[1:, ::2] = 5.0
    base *= 3.0
    expected[1:, ::2] = 5.0
    expected *= 3.0
    close(view, part)
    view.sum().backward()
    slope = np.zeros((3, 4))
    numpy_view_of(slope)[...] = 6.0
    slope[1:, ::2] = 0.0
    close(x.grad, slope)


@pytest.mark.parametrize("name", BOTH)
def test_views_at_second_order(device, rng, name):
    view_of, numpy_view_of = BOTH[name]
    b = rng.standard_normal(numpy_view_of(np.zeros((3, 4))).shape)

    def f(x, v):
        y = x * x
        view = view_of(y)
        view *= v
        y[0] = y[0] * y[1]
        return view * view

    gradcheck(f, *(xg.asarray(t, device=device) for t in (rng.standard_normal((3, 4)), b)), order=2)


def test_two_views_see_each_other(device, rng):
    a, b = rng.standard_normal(6), rng.standard_normal(4)
    x, v = leaf(a, device), leaf(b, device)
    base = x * 1.0
    left, right = base[:4], base[2:]
    left *= v
    right += 1.0
    expected = a.copy()
    expected[:4] *= b
    expected[2:] += 1.0
    close(base, expected)
    close(left, expected[:4])
    close(right, expected[2:])
    (left.sum() + 10.0 * right.sum()).backward()
    weight = np.array([1.0, 1.0, 11.0, 11.0, 10.0, 10.0])
    factor = np.concatenate([b, [1.0, 1.0]])
    close(x.grad, weight * factor)
    close(v.grad, weight[:4] * a[:4])


def test_long_chain_of_views(device, rng):
    def write(base):
        view = base[1:]
        deeper = view.reshape(15, 6).T
        deepest = deeper[::-1][2:4]
        deepest *= 3.0
        view[0, 0, 0] = 7.0
        deepest[0, 0] += 1.0
        return deepest

    a = rng.standard_normal((4, 5, 6))
    x = leaf(a, device)
    base, expected = x * 1.0, a.copy()
    close(write(base), write(expected))
    close(base, expected)
    base.sum().backward()
    slope, plus = a + 1.0, a.copy()
    write(slope), write(plus)
    close(x.grad, slope - plus)  # the writes are linear in a


@pytest.mark.parametrize(
    "copying",
    [
        lambda x: x[[0, 1]],
        lambda x: x[x > -99.0],
        lambda x: x + 0.0,
        lambda x: x.copy(),
        lambda x: x.astype("float64"),
        lambda x: xg.concat([x]),
        lambda x: xg.roll(x, 1),
        lambda x: xg.take(x, np.array([0, 1])),
        lambda x: x.detach().copy(),
    ],
)
def test_copies_are_not_views(device, rng, copying):
    a = rng.standard_normal(3)
    base = leaf(a, device) * 1.0
    copied = copying(base)
    copied += 100.0
    close(base, a)
    base[0] = -5.0
    assert host(copied).min() > 50.0


def test_view_outlives_its_base(device, rng):
    a = rng.standard_normal(5)
    x = leaf(a, device)
    view = (x * 2.0)[1:3]
    view += 1.0
    view.sum().backward()
    close(view, a[1:3] * 2.0 + 1.0)
    close(x.grad, [0.0, 2.0, 2.0, 0.0, 0.0])


def test_base_holds_its_views_weakly():
    base = leaf(np.ones(5)) * 1.0
    watch = weakref.ref(base[1:])
    assert watch() is None
    for i in range(1000):
        base[i % 5]
    assert len(base.views) < 100


def test_detached_shares_nothing_with_a_write(device):
    x = leaf([1.0, 2.0], device)
    y = x * 1.0
    constant = y.detach()
    y[0] = 9.0
    close(constant, [1.0, 2.0])


# Leaves, constants and no_grad ----------------------------------------------------------------------------------------


def test_write_into_a_leaf_is_recorded(device, rng):
    a, b = rng.standard_normal(3), rng.standard_normal(())
    x, v = leaf(a, device), leaf(b, device)
    x[1] = v * 2.0
    (x * x).sum().backward()
    close(v.grad, 8 * b)
    close(x.grad, [2 * a[0], 0.0, 2 * a[2]])  # of the values it was made with


def test_leaf_in_place_arithmetic(device, rng):
    a = rng.standard_normal(3)
    x = leaf(a, device)
    x *= 3.0
    (x * x).sum().backward()
    close(x.grad, 18 * a)


def test_view_of_a_leaf_reaches_it(device, rng):
    a = rng.standard_normal(4)
    x = leaf(a, device)
    view = x[1:3]
    view *= 2.0
    close(x, a * [1, 2, 2, 1])
    x.sum().backward()
    close(x.grad, [1.0, 2.0, 2.0, 1.0])


def test_argument_of_a_leaf_is_not_touched():
    a = np.ones(3)
    x = xg.Tensor(a)
    x[0] = 5.0
    x += 1.0
    assert a.tolist() == [1.0, 1.0, 1.0]


def test_write_into_a_constant_starts_recording(device, rng):
    a = rng.standard_normal(3)
    x = leaf(a, device)
    out = xg.zeros((2, 3))
    assert not out.requires_grad
    out[1] = x * x
    assert out.requires_grad
    out.sum().backward()
    close(x.grad, 2 * a)


def test_write_inside_grad_into_untracked_arrays(device, rng):
    a = rng.standard_normal(4)

    def running_product(x):
        out = xg.ones(5)
        for i in range(4):
            out[i + 1] = out[i] * x[i]
        return out[1:].sum()

    x = xg.asarray(a, device=device)
    close(xg.grad(running_product)(x), xg.grad(lambda t: xg.cumulative_prod(t).sum())(x).numpy())
    gradcheck(running_product, x, order=2)


def test_write_inside_grad_reaches_a_closed_over_buffer(rng):
    a = rng.standard_normal(3)
    buffer = xg.zeros(3)

    def f(x):
        buffer[:] = x * x
        return buffer.sum()

    close(xg.grad(f)(a), 2 * a)


def test_write_into_the_argument_of_grad_leaves_the_callers_array_alone(device, rng):
    a = rng.standard_normal(3)
    kept = a.copy()

    def f(x):
        x[0] = x[1] * x[2]
        x += 1.0
        return (x * x).sum()

    tensor = xg.asarray(a, device=device)
    found = xg.grad(f)(tensor)
    m = a[1] * a[2] + 1
    expected = [0.0, 2 * m * a[2] + 2 * (a[1] + 1), 2 * m * a[1] + 2 * (a[2] + 1)]
    close(found, expected)
    close(xg.grad(f)(a), expected)
    close(tensor, kept)
    np.testing.assert_array_equal(a, kept)


def test_write_at_two_levels(rng):
    a = rng.standard_normal(3)

    def outer(x):
        def inner(y):
            z = y * 1.0
            z[0] = x[1] * y[0] ** 2
            z[2] *= x[2]
            return (z * z).sum()

        return (xg.grad(inner)(x) * x).sum()

    def plain(x):
        y = x
        return 4 * x[1] ** 2 * y[0] ** 4 + 2 * x[1] ** 2 + 2 * x[2] ** 2 * y[2] ** 2

    close(outer(xg.asarray(a)), plain(a))
    close(xg.grad(outer)(a), xg.grad(plain)(a))


def test_write_under_no_grad_is_not_recorded(device, rng):
    a = rng.standard_normal(3)
    x = leaf(a, device)
    with xg.no_grad():
        x -= 0.1 * x
        x[0] = 5.0
    expected = a * 0.9
    expected[0] = 5.0
    close(x, expected)
    assert x.requires_grad
    assert len(x.prevs) == 0
    (x * x).sum().backward()
    close(x.grad, 2 * expected)


def test_write_through_a_view_under_no_grad(device):
    x = leaf([1.0, 2.0, 3.0], device)
    with xg.no_grad():
        view = x[1:]
        view *= 10.0
    close(x, [1.0, 20.0, 30.0])
    (x * x).sum().backward()
    close(x.grad, [2.0, 40.0, 60.0])


def test_write_of_tracked_values_under_no_grad_drops_nothing_else(rng):
    a = rng.standard_normal(3)
    x = leaf(a)
    y = x * 2.0
    with xg.no_grad():
        y[0] = x[1]
    y.sum().backward()
    assert host(y)[0] == a[1]


# What pullbacks have kept ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.__setitem__(0, 5.0),
        lambda x: x.__setitem__(slice(None), 0.0),
        lambda x: x.__iadd__(100.0),
        lambda x: x.__imul__(0.0),
        lambda x: x[1:].__imul__(0.0),
        lambda x: x.T.__setitem__(..., 1.0),
        lambda x: x.sort(),
        lambda x: np.multiply(x, 0.0, out=x),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_kept_values_are_never_changed(device, rng, write, recorded):
    a, ct = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    x = leaf(a, device)
    u = xg.sin(x)
    y = u * u + xg.exp(u)  # pullbacks keep u and exp(u)
    if recorded:
        write(u)
        write(x)
    else:
        with xg.no_grad():
            write(u)
            write(x)
    y.backward(xg.asarray(ct))
    s = np.sin(a)
    close(x.grad, ct * (2 * s + np.exp(s)) * np.cos(a))


def test_square_then_write(device):
    x = leaf([3.0, 4.0], device)
    y = x * x
    x[0] = 5.0
    y.sum().backward()
    close(x.grad, [6.0, 8.0])


def test_key_changed_after_the_read(device, rng):
    a = rng.standard_normal(4)
    x = leaf(a, device)
    rows = np.array([0, 2])
    y = x[rows]
    z = x * 1.0
    z[rows] = 0.0
    rows[:] = 3
    (y.sum() + z.sum()).backward()
    close(x.grad, [1.0, 1.0, 1.0, 1.0])


def test_key_tensor_changed_after_the_read(device, rng):
    a = rng.standard_normal(4)
    x, rows = leaf(a, device), xg.asarray(np.array([0, 2]), device=device)
    y = x[rows]
    rows[:] = 3
    y.sum().backward()
    close(x.grad, [1.0, 0.0, 1.0, 0.0])


def test_gradient_stored_earlier_is_not_changed_by_a_write():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    first = x.grad
    x.grad[0] = 100.0
    (x * x).sum().backward()
    close(x.grad, [2.0, 4.0])
    close(first, [100.0, 4.0])


def test_swap_of_rows(device, rng):
    a, ct = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    x = leaf(a, device)
    y = x * 2.0
    y[0], y[1] = y[1].copy(), y[0].copy()
    close(y, 2 * a[::-1])
    y.backward(xg.asarray(ct))
    close(x.grad, 2 * ct[::-1])


def test_write_of_an_overlapping_view(device, rng):
    a, ct = rng.standard_normal(5), rng.standard_normal(5)
    x = leaf(a, device)
    y = x * 1.0
    y[1:] = y[:-1]
    close(y, np.concatenate([a[:1], a[:-1]]))
    y.backward(xg.asarray(ct))
    close(x.grad, [ct[0] + ct[1], *ct[2:], 0.0])


def test_set_takes_elements_without_copying_them(device):
    x = xg.Tensor(np.arange(6.0).reshape(2, 3), device=device)
    row = x[1]
    source = xg.asarray(np.full((2, 3), 7.0), device=device) * 1.0
    with xg.no_grad():
        assert x.set_(source) is x
    assert x.value is source.value and x.is_leaf
    np.testing.assert_array_equal(row.detach().numpy(), [7.0, 7.0, 7.0])  # views follow, as at every write
    with xg.no_grad():
        x += 1.0
        np.testing.assert_array_equal(source.numpy(), np.full((2, 3), 7.0))  # a write parts them again
        source *= 0.0
    np.testing.assert_array_equal(x.detach().numpy(), np.full((2, 3), 8.0))
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full((2, 3), 16.0))


def test_set_is_recorded_and_refuses_what_does_not_fit():
    x, y = xg.Tensor(np.ones(3)), xg.Tensor(np.array([1.0, 2.0, 3.0]))
    z = x * 1.0
    z.set_(y * y)
    z.sum().backward()
    np.testing.assert_array_equal(y.grad.numpy(), [2.0, 4.0, 6.0])
    assert x.grad is None
    for wrong, error in ((np.ones(3), TypeError), (y[:2], ValueError), (y.detach() * 1j, TypeError)):
        with pytest.raises(error, match="set_"):
            z.set_(wrong)


OPERATORS = [operator.iadd, operator.isub, operator.imul, operator.itruediv]


@pytest.mark.parametrize("change", OPERATORS)
def test_nothing_that_can_be_seen_changes_in_place(change, device, rng):
    """The memory is used again only where no pullback, no view, no other name and no raw array has part in it."""
    a, b = rng.uniform(1, 2, (2, 3)), rng.uniform(1, 2, (2, 3))
    want = change(a.copy(), b)
    other = xg.asarray(b, device=device)

    def written(x):
        before = np.array(x.detach().numpy())
        y = change(x, other)
        assert y is x
        np.testing.assert_allclose(x.detach().numpy(), change(before, b), rtol=1e-15)

    raw = a.copy()
    written(xg.asarray(raw, device=device))
    np.testing.assert_array_equal(raw, a)
    x = xg.asarray(a, device=device) * 1.0
    kept = x.value
    kept_values = xg.asarray(kept).numpy().copy()
    written(x)
    np.testing.assert_array_equal(xg.asarray(kept).numpy(), kept_values)
    x = xg.Tensor(a, device=device)
    loss = (x * x).sum()
    with xg.no_grad():
        written(x)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * a)
    x = xg.asarray(a, device=device) * 1.0
    row = x[0]
    written(x)
    np.testing.assert_allclose(row.numpy(), want[0], rtol=1e-15)
    seen = xg.Tensor(a, device=device)
    x = xg.asarray(a, device=device) * 1.0
    change(x, seen)  # a tracked operand is recorded
    assert x.requires_grad


def test_memory_that_nothing_else_sees_is_used_again(rng):
    x = xg.asarray(rng.uniform(1, 2, 1000)) * 1.0
    leaf = xg.Tensor(rng.uniform(1, 2, 1000))
    other = xg.asarray(rng.uniform(1, 2, 1000))
    places = [t.value.ctypes.data for t in (x, leaf)]
    with xg.no_grad():
        for change in OPERATORS:
            change(x, other)
            change(leaf, other)
            change(leaf, 2.0)
    assert [t.value.ctypes.data for t in (x, leaf)] == places
    assert leaf.is_leaf
