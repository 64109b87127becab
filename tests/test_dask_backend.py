"""Dask: nothing computes until somebody asks, blocks stay blocks, and what is unknown is said to be."""

import numpy as np
import pytest

import xgrad as xg
from xgrad.backends import Device, parse_device
from xgrad.pytree import flatten

from .cases import CASES, case_id, prepared

dask = pytest.importorskip("dask", reason="Dask is not installed")
da = pytest.importorskip("dask.array", reason="Dask's arrays are not installed")


def close(found, expected):
    found = found.value if isinstance(found, xg.Tensor) else found
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-11, atol=1e-12)


def lazy(a, chunks=2):
    return da.from_array(np.asarray(a), chunks=chunks)


@pytest.fixture
def idle():
    """A scheduler that refuses, and so finds whatever computes too early."""

    def refuse(graph, keys, **options):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=refuse):
        yield


ROWS = np.array([2, 0, 2, 1])
MASK = np.array([[True, False, True, False], [False, False, True, True], [True, True, False, False]])


def written(x):
    y = x * x
    y[1:, ::2] = y[0, 0]
    y[ROWS] *= 2.0
    y[MASK] = 0.5
    y[x > 0.9] = 0.0
    view = y[::-1]
    view += x
    return y


FUNCTIONS = {
    "elementwise": lambda x: xg.sin(x) * xg.exp(-x * x) / (1.0 + xg.abs(x)) + x**3 - xg.tanh(x),
    "where": lambda x: xg.where(x > 0.2, xg.sqrt(xg.abs(x)), 0.0),
    "slices": lambda x: x[1:, ::-1] ** 2 * x[0, None, ::-1],
    "integers": lambda x: x[ROWS] * x[:, [0, 0, 3, 1]][ROWS],
    "several integer arrays": lambda x: x[ROWS, [0, 3, 3, 1]] ** 3,
    "an index that is not computed": lambda x: x[xg.argsort(x[:, 0])] * x,
    "static mask": lambda x: x[MASK] ** 2,
    "sort": lambda x: xg.sort(x, axis=0, descending=True) * x,
    "take": lambda x: xg.take(x, xg.argmax(x, axis=1), axis=1) ** 2,
    "take_along_axis": lambda x: xg.take_along_axis(x, xg.argsort(x, axis=1), axis=1) * x,
    "matmul": lambda x: (x @ x.T) @ x,
    "reductions": lambda x: x.max(axis=0) * x.mean(axis=0) + x.std(axis=0) + x.prod(axis=0) + x.min(),
    "cumulative": lambda x: xg.cumulative_sum(x, axis=0) * xg.cumulative_prod(x, axis=1),
    "shapes": lambda x: xg.concat([x.T.reshape(2, 6), xg.stack([x[0], x[1]])], axis=1) ** 2,
    "broadcasting": lambda x: x * x[:, :1] + x[0] - xg.ones(4),
    "writes": written,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_computes_until_asked(rng, name):
    f = FUNCTIONS[name]
    a = rng.uniform(0.3, 1.6, (3, 4)) * rng.choice([-1.0, 1.0], (3, 4))
    ct, direction = rng.standard_normal(f(xg.asarray(a)).shape), rng.standard_normal((3, 4))

    def loss(x):
        return (f(x) ** 2 * ct).sum()

    def curved(x):
        return (xg.grad(loss)(x) * direction).sum()

    def refuse(graph, keys, **options):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=refuse):
        x = xg.Tensor(lazy(a))
        value = loss(x)
        value.backward()
        second = xg.grad(curved)(x.detach())
        texts = repr(x), repr(value), repr(x.grad), str(second)
    assert all("not computed" in text for text in texts)
    close(value, loss(xg.asarray(a)).value)
    close(x.grad, xg.grad(loss)(a))
    close(second, xg.grad(curved)(a))


def test_the_refusing_scheduler_would_notice(idle):
    x = xg.asarray(lazy(np.ones(3)))
    for ask in (x.numpy, x.tolist, lambda: float(x.sum()), lambda: bool(x[0] > 0), lambda: np.asarray(x)):
        with pytest.raises(AssertionError, match="something was computed"):
            ask()


def test_blocks_stay_blocks(rng):
    a = rng.standard_normal((8, 6))
    x = xg.Tensor(lazy(a, (4, 3)))
    y = xg.sort(x[2:] * 2.0, axis=1)
    table = xg.take(x, np.array([0, 5, 5]), axis=1)
    (xg.tanh(x).sum() + (y * y).sum() + table.sum()).backward()
    assert y.value.chunks[0] == (2, 4)  # only the axis that is sorted is in one block
    assert xg.grad(lambda x: (xg.sin(x) * x).sum())(lazy(a, (4, 3))).chunks == ((4, 4), (3, 3))
    taken = xg.grad(lambda x: (xg.take(x, np.array([0, 5, 5]), axis=1) ** 2).sum())(lazy(a, (4, 3)))
    assert taken.chunks == ((4, 4), (6,))


def test_one_compute_serves_value_and_gradients(rng):
    a, w = rng.standard_normal((40, 3)), rng.standard_normal(3)
    reads = []

    def block(a, block_info=None):
        reads.append(1)
        return a

    data = da.from_array(a, chunks=(10, 3)).map_blocks(block, dtype=a.dtype, meta=np.empty((0, 0)))
    value, (slope, data_slope) = xg.value_and_grad(lambda w, x: (xg.tanh(x @ w) ** 2).sum(), argnums=(0, 1))(
        lazy(w, 3), data
    )
    reads.clear()
    found = dask.compute(value, slope, data_slope)
    assert len(reads) == 4  # each block once, for forward and backward
    expected = xg.value_and_grad(lambda w, x: (xg.tanh(x @ w) ** 2).sum(), argnums=(0, 1))(w, a)
    close(found[0], expected[0])
    close(found[1], expected[1][0])
    close(found[2], expected[1][1])


# What is unknown ------------------------------------------------------------------------------------------------------


def test_a_lazy_mask_is_refused_where_its_length_is_wanted(idle):
    x = xg.Tensor(lazy([1.0, -2.0, 3.0]))
    with pytest.raises(NotImplementedError, match=r"a lazy mask selects an unknown number .* Use xgrad.where"):
        x[x > 0]
    y = x * 1.0
    with pytest.raises(NotImplementedError, match=r"x\[mask.numpy\(\)\]"):
        y[x > 0] += 1.0


def test_a_computed_mask_and_where_serve_instead(rng):
    a = rng.standard_normal(5)
    x = xg.Tensor(lazy(a))
    mask = (x > 0).numpy()
    (x[mask] ** 2).sum().backward()
    close(x.grad, np.where(a > 0, 2 * a, 0.0))
    (xg.where(x > 0, x, 0.0) ** 2).sum().backward()
    close(x.grad, np.where(a > 0, 2 * a, 0.0))


def test_an_array_of_unknown_length_is_explained(rng):
    raw = lazy(rng.standard_normal(6))
    x = xg.Tensor(raw[raw > 0])
    close((x * 2.0).detach().value.compute(), 2 * np.asarray(raw)[np.asarray(raw) > 0])
    with pytest.raises(ValueError, match=r"unknown number of elements.*compute_chunk_sizes"):
        (x * x).sum().backward()
    with pytest.raises(ValueError, match=r"unknown number of elements.*compute_chunk_sizes"):
        x[1:]
    known = xg.Tensor(raw[raw > 0].compute_chunk_sizes())
    (known * known).sum().backward()
    close(known.grad, 2 * np.asarray(raw)[np.asarray(raw) > 0])


# Memory and names -----------------------------------------------------------------------------------------------------


def test_a_write_leaves_the_callers_array_alone(rng):
    a = rng.standard_normal((3, 4))
    raw = lazy(a)
    t = xg.asarray(raw)
    t[0] = 9.0
    t += 1.0
    close(raw, a)
    leaf = xg.Tensor(raw)
    raw[0, 0] = 100.0  # Dask changes what the name stands for
    close(leaf.detach(), a)


def test_gradients_do_not_share_what_a_write_changes(rng):
    x, y = xg.Tensor(lazy(rng.standard_normal(3))), xg.Tensor(lazy(rng.standard_normal(3)))
    (x + y).sum().backward()
    x.grad.value[0] = 5.0
    close(x.grad, [5.0, 1.0, 1.0])
    close(y.grad, [1.0, 1.0, 1.0])


def test_the_device_has_one_name():
    assert parse_device("dask") == Device("dask", "dask") and str(parse_device("dask")) == "dask"
    assert xg.devices()["dask"] is None
    t = xg.asarray(np.arange(6.0), device="dask")
    assert isinstance(t.value, da.Array) and (t + np.ones(6)).device == parse_device("dask")
    assert t.to("cpu").device == parse_device("cpu")
    close(xg.zeros((2, 3), device="dask").value, np.zeros((2, 3)))


def test_other_objects_of_dask_are_no_arrays():
    with pytest.raises(TypeError):
        xg.sin(dask.delayed(np.ones)(3))


BY_MASK = ("compress", "extract")  # whose lazy masks leave an unknown number of elements


@pytest.mark.parametrize("case", [(n, *cases[0]) for n, cases in CASES.items() if n not in BY_MASK], ids=case_id)
def test_values_do_not_depend_on_the_blocks(case):
    """Blocks of one element in every axis: what works along an axis must not work block by block."""
    function, arrays = prepared(*case, "dask")
    reference, plain = prepared(*case, "cpu")
    blocks = [xg.asarray(a.value.rechunk((1,) * a.ndim)) for a in arrays]
    for ours, theirs in zip(flatten(function(*blocks))[0], flatten(reference(*plain))[0], strict=True):
        close(ours, theirs.value)
