"""NumPy's functions beside the standard: values, dtypes and shapes equal to NumPy's on every device."""

import inspect
import zlib

import numpy as np
import pytest

import xgrad as xg
from xgrad.pytree import flatten
from xgrad.testing import gradcheck

from .cases import case_id, extras
from .cases.domains import array

nan, inf = np.nan, np.inf
I4, I34 = np.array([3, -1, 0, 2]), np.arange(-4, 8).reshape(3, 4)
F34 = np.array([[0.5, -1.5, 2.0, 0.0], [3.5, 1.25, -0.75, 2.5], [-2.0, 0.1, 0.2, 4.0]])
N34 = np.array([[nan, 1.0, -2.0, nan], [3.0, nan, 0.5, nan], [1.5, -1.0, 2.0, nan]])
ODD = np.array([nan, inf, -inf, 0.0, -0.0, 2.5])
B34 = F34 > 0
C3 = np.array([1 + 2j, -3.5j, 2.0 - 1j])
E = np.zeros((0, 3))
SUBNORMAL = np.array([5e-324, 1.0])

# Name, arguments and keywords: integers, booleans, NaN, empty arrays, indices, which cases of derivatives cannot hold.
TABLE = [
    *[(n, (a,), {}) for n in ("transpose", "ravel", "flipud", "fliplr") for a in (I34, B34, E)],
    *[(n, (a,), {}) for n in ("atleast_1d", "atleast_2d", "atleast_3d") for a in (3, [1, 2], I34, E)],
    ("ravel", (I34,), {"order": "F"}),
    ("rot90", (I34, 3), {}),
    ("diag", (I4, -1), {}),
    ("diag", (B34,), {}),
    ("diagflat", ([[1, 2], [3, 4]],), {}),
    ("diagonal", (I34, 1), {}),
    ("trace", (I34,), {}),
    ("trace", (I34.astype(np.int8),), {}),
    ("trace", (F34,), {"dtype": np.float32}),
    ("tri", (3,), {}),
    ("tri", (3, 5, -1), {"dtype": np.int64}),
    *[(n, (4,), k) for n in ("tril_indices", "triu_indices") for k in ({}, {"k": 1}, {"k": -1, "m": 3})],
    ("concatenate", ([I34, F34],), {}),
    ("concatenate", ([I34, B34],), {"axis": None}),
    ("concatenate", ([I34, I34],), {"dtype": np.float32}),
    ("hstack", ([I4, 3, [1.5]],), {}),
    ("vstack", ([I4, I34],), {}),
    ("dstack", ([I4, I4],), {}),
    ("column_stack", ([I4, F34.T],), {}),
    ("split", (np.arange(6), 3), {}),
    ("array_split", (np.arange(7), 3), {}),
    ("array_split", (np.arange(7), np.array([2, 5])), {}),
    ("append", (I4, [[1, 2]]), {}),
    ("append", (I34, F34), {"axis": 1}),
    ("insert", (I4, 1, 9), {}),
    ("insert", (I4, 1, 9.7), {}),
    ("insert", (I4, -1, [8, 9]), {}),
    ("insert", (I34, np.array([1, 1, 3]), 9), {"axis": 1}),
    ("insert", (I34, [0, 2], I34[:2]), {"axis": 0}),
    ("insert", (I4, np.array([True, False, False, True]), 5), {}),
    ("delete", (I34, 1), {"axis": 1}),
    ("delete", (I34, np.array([0, 5, -1])), {}),
    ("delete", (I34, np.array([True, False, True])), {"axis": 0}),
    ("delete", (I34, slice(1, None)), {"axis": 1}),
    *[("pad", (I34, 2), {"mode": m}) for m in ("constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp")],
    *[("pad", (I34, ((2, 1), (0, 3))), {"mode": m}) for m in ("mean", "maximum", "minimum", "median")],
    *[("pad", (I4, (7, 9)), {"mode": m}) for m in ("edge", "reflect", "symmetric", "wrap")],
    ("pad", (I34, ((1,), (2,))), {"constant_values": ((5,), (6,))}),
    ("pad", (F34, {-1: (1, 2)}), {"constant_values": 3}),
    ("pad", (F34, [(1, 2)]), {"mode": "maximum", "stat_length": 2}),
    ("pad", (B34, 1), {}),
    ("pad", (E, ((0, 0), (1, 1))), {"constant_values": 2.0}),
    *[(n, (a,), {}) for n in ("exp2", "cbrt", "deg2rad", "rad2deg", "sinc", "modf", "frexp") for a in (I34, F34 * 3)],
    *[(n, (ODD,), {}) for n in ("exp2", "cbrt", "deg2rad", "sinc", "modf", "frexp", "nan_to_num")],
    ("cbrt", (np.array([8.0, 27.0, 1e-300, 1e300, -64.0]),), {}),
    ("frexp", (np.array([1.0, 0.5, 8.0, 1e-300, 1.7e308]),), {}),
    ("frexp", (SUBNORMAL,), {}),
    ("ldexp", (np.array([0.5, 1.5, -1e-300]), np.array([3, -2, 1500])), {}),
    ("ldexp", (I4, 3), {}),
    ("float_power", (I4, 2), {}),
    ("float_power", (F34.astype(np.float32) ** 2, 1.5), {}),
    ("float_power", (C3, 2), {}),
    ("logaddexp2", (ODD, 1.0), {}),
    ("logaddexp2", (I4, 800), {}),
    ("angle", (C3,), {"deg": True}),
    ("angle", (ODD[3:],), {}),
    ("angle", (I4,), {}),
    ("unwrap", (np.cumsum(F34 * 3, axis=1),), {}),
    ("unwrap", (np.array([0.0, np.pi, 0.0, -np.pi, 2 * np.pi]),), {}),
    ("unwrap", (np.array([0, 3, 7, 1, 2]),), {"period": 4}),
    ("unwrap", (F34 * 9,), {"discont": 5.0, "axis": 0, "period": 3.0}),
    ("heaviside", (ODD, 0.5), {}),
    ("heaviside", (I34, F34), {}),
    *[(n, (ODD[:, None], ODD), {}) for n in ("fmax", "fmin")],
    *[(n, (I34, 1), {}) for n in ("fmax", "fmin")],
    ("fmod", (F34, -0.7), {}),
    ("fmod", (I34, 3), {}),
    ("fmod", (I34, -3), {}),
    ("divmod", (F34, -0.7), {}),
    ("divmod", (I34, 3), {}),
    ("nan_to_num", (ODD,), {"nan": 1.0, "posinf": 2.0, "neginf": -3.0}),
    ("nan_to_num", (ODD.astype(np.float32),), {}),
    ("nan_to_num", (np.array([1 + 2j, complex(inf, nan), complex(0, -inf)]),), {}),
    ("nan_to_num", (I4,), {}),
    ("real_if_close", (np.array([1 + 1e-15j, 2.0]),), {}),
    ("real_if_close", (C3,), {}),
    ("real_if_close", (F34,), {}),
    *[(n, (a,), {}) for n in ("argwhere", "flatnonzero") for a in (I34, B34, F34)],
    ("argwhere", (3,), {}),
    ("argwhere", (0,), {}),
    ("compress", ([True, False], I34), {"axis": 1}),
    ("compress", ([0, 1, 1], I34), {"axis": 0}),
    ("compress", ([True, False, True], I34), {}),
    ("extract", (I34 > 1, F34), {}),
    ("select", ([I34 > 3, I34 < 0], [F34, I34 * 1.5]), {"default": 7}),
    ("select", ([I4 > 1, I4 < 0], [I4, I4 + 10]), {}),
    ("choose", (np.array([2, 0, 1, 1]), [I4, I4 + 10, I4 + 20]), {}),
    ("choose", (np.array([5, -1, 1, 4]), [I4, F34[0], 7]), {"mode": "wrap"}),
    ("choose", (np.array([5, -1, 1, 4]), [I4, F34[0], 7]), {"mode": "clip"}),
    ("apply_along_axis", (lambda v: v.sum(), 0, F34), {}),
    ("apply_along_axis", (lambda v: v[::-1] * 2, 1, I34), {}),
    ("apply_along_axis", (lambda v: v[:, None] * v, 0, np.stack([F34, F34 + 1])), {}),
    *[("isclose", (ODD[:, None], ODD), {"equal_nan": e}) for e in (False, True)],
    ("isclose", (I4, I4 + 1e-9), {}),
    ("isclose", (I4, I4), {}),
    ("isclose", (1.0, 1.1), {"rtol": 0.2}),
    ("allclose", (F34, F34 + 1e-9), {}),
    ("allclose", (N34, N34), {"equal_nan": True}),
    ("array_equal", (I34, I34.T), {}),
    ("array_equal", (N34, N34), {}),
    ("array_equal", (N34, N34), {"equal_nan": True}),
    *[(n, (I34, I34), {}) for n in ("inner", "vdot", "kron")],
    ("outer", (I4, [1, 2]), {}),
    ("inner", (E, E), {}),
    ("cross", ([1, 2, 3], [4, 5, 6]), {}),
    ("convolve", (I4, I4[:2]), {}),
    ("correlate", (I4, [1, 2]), {}),
    *[("correlate", (np.arange(1.0, n), np.arange(2.0, m)), {"mode": "same"}) for n in (3, 4, 5) for m in (4, 5, 6)],
    *[("convolve", (np.arange(1.0, n), np.arange(2.0, m)), {"mode": "same"}) for n in (3, 4, 5) for m in (4, 5, 6)],
    ("polyval", ([1, 2, 3], I4), {}),
    ("vander", (I4,), {}),
    ("vander", (I4, 2), {}),
    ("vander", (I4, 0), {}),
    *[(n, (a,), {}) for n in ("cumsum", "cumprod") for a in (I34, B34, E)],
    ("cumsum", (I34,), {"axis": -1, "dtype": np.float32}),
    ("ptp", (I34,), {"axis": 0}),
    *[
        (n, (a,), k)
        for n in ("nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin")
        for a in (N34, I34, N34.astype(np.float32))
        for k in ({}, {"axis": 1}, {"axis": (0, 1), "keepdims": True}, {"axis": 0})
    ],
    *[
        (n, (N34[:, :3],), {"axis": 0, "where": B34[:, :3]})
        for n in ("nansum", "nanprod", "nanmean", "nanvar", "nanstd")
    ],
    *[(n, (N34,), {"axis": 1, "where": B34, "initial": 0.25}) for n in ("nanmax", "nanmin", "nansum", "nanprod")],
    ("nanvar", (N34,), {"ddof": 1, "axis": 0}),
    ("nanmean", (np.where(N34 == N34, N34 * 2, nan) + 1j,), {}),
    ("average", (I34,), {}),
    ("average", (I34,), {"axis": 1, "weights": [1, 2, 3, 4]}),
    ("average", (F34,), {"axis": 0, "weights": [1.0, 2.0, 3.0], "returned": True, "keepdims": True}),
    ("average", (F34,), {"weights": F34 + 5}),
    ("average", (np.stack([F34, F34]),), {"axis": (2, 0), "weights": np.arange(1.0, 9).reshape(4, 2)}),
    ("cov", (I34,), {}),
    ("cov", (F34,), {"fweights": [1, 2, 3, 1]}),
    ("cov", (F34,), {"aweights": [0.5, 2, 1, 1], "fweights": [1, 2, 3, 1]}),
    ("cov", (F34,), {"aweights": [0.5, 2, 1, 1], "ddof": 0}),
    ("cov", (F34[0], F34[1]), {}),
    ("corrcoef", (I34,), {}),
    ("bincount", ([0, 3, 3, 1],), {}),
    ("bincount", (np.array([0, 3, 3, 1], np.uint8),), {"minlength": 6}),
    ("bincount", ([0, 3, 3, 1],), {"weights": [1, 2, 3, 4]}),
    ("bincount", (np.array([], np.int64),), {}),
    ("histogram", (F34,), {}),
    ("histogram", (F34,), {"bins": 4, "range": (-1, 2), "density": True}),
    ("histogram", (F34,), {"bins": [-2, 0, 0.5, 4], "weights": F34**2}),
    ("histogram", (I34,), {"bins": 5}),
    ("histogram", (np.ones(3),), {"bins": 2}),
    *[("digitize", (F34, b), {"right": r}) for b in ([-1.0, 0.0, 2.0], [2.0, 0.0, -1.0]) for r in (False, True)],
    ("digitize", (I34, [0, 2]), {}),
    *[(n, (a,), k) for n in ("median",) for a in (I34, N34, F34.astype(np.float32)) for k in ({}, {"axis": 0})],
    ("median", (F34,), {"axis": (0, 1), "keepdims": True}),
    *[("quantile", (a, q), {"axis": 1}) for a in (I34, N34, F34) for q in (0.3, [0.0, 0.5, 1.0], np.full((2, 2), 0.4))],
    ("quantile", (F34.astype(np.float32), 0.3), {}),
    ("quantile", (F34.astype(np.float32), [0.3]), {}),
    *[
        ("quantile", (np.arange(n) ** 2 * 1.0, np.linspace(0, 1, 13)), {"method": m})
        for m in extras.METHODS
        for n in (1, 6, 9)
    ],
    ("percentile", (I34, [25, 50]), {"axis": 0, "keepdims": True}),
    ("ediff1d", (I34,), {"to_begin": -9, "to_end": [8, 8]}),
    ("trapezoid", (I34,), {}),
    ("trapezoid", (I34, I4), {}),
    ("gradient", (I34,), {}),
    ("gradient", (F34, 2), {"axis": (0, 1)}),
    ("gradient", (F34, 2.0, [0.0, 1.0, 3.0, 3.5]), {}),
    ("gradient", (F34, np.array([0.0, 1.0, 3.0])), {"axis": 0, "edge_order": 2}),
    ("interp", (F34, [-1, 0, 2], [3.0, 1.0, 5.0]), {}),
    ("interp", (F34, [-1.0, 0.0, 2.0], [3.0, 1.0, 5.0]), {"left": -7, "right": nan}),
    ("interp", (F34, [2.0, 0.5, 1.0], [3.0, 1.0, 5.0]), {"period": 2.5}),
    ("interp", (2.0, [-1.0, 2.0], [3, 1]), {}),
    ("interp", (I4, [1.0], [3.0]), {}),
    ("interp", (ODD, [-1.0, 0.0, 2.0], C3), {}),
]


def outputs(tree):
    return flatten(tree)[0]


def same(ours, numpys, name):
    if isinstance(numpys, bool | np.bool_) and isinstance(ours, bool):
        assert ours is bool(numpys)
        return
    ours, numpys = outputs(ours), outputs(numpys)
    assert len(ours) == len(numpys)
    for a, b in zip(ours, numpys, strict=True):
        b = np.asarray(b)
        known = all(n == n for n in a.shape)  # Dask knows the shape of a selection only when it is computed
        assert (a if known else a.numpy()).shape == b.shape, (name, a.shape, b.shape)
        assert a.dtype == b.dtype, (name, a.dtype, b.dtype)
        tolerance = 1e-6 if b.dtype in (np.float32, np.complex64) else 1e-13
        np.testing.assert_allclose(a.numpy(), b, rtol=tolerance, atol=tolerance)


def on(device, value):
    if isinstance(value, np.ndarray):
        return xg.asarray(value, device=device)
    if isinstance(value, list) and any(isinstance(v, np.ndarray) for v in value):
        return [on(device, v) for v in value]
    return value


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[2]}".replace(" ", ""))
def test_values(row, device):
    name, args, kwargs = row
    if device == "jax:cpu" and args and args[0] is SUBNORMAL:
        pytest.skip("XLA takes subnormal numbers for zero")
    if name == "argwhere" and device == "dask" and isinstance(args[0], np.ndarray):
        with pytest.raises(ValueError, match="a lazy mask left an unknown number of elements"):
            xg.argwhere(on(device, args[0]))
        return
    ours = getattr(xg, name)(*(on(device, a) for a in args), **{k: on(device, v) for k, v in kwargs.items()})
    if name == "array_split" or name == "split":
        assert isinstance(ours, list)
    same(ours, getattr(np, name)(*args, **kwargs), name)


CASES = [(name, specs, metadata) for name, rows in extras.CASES.items() for specs, metadata in rows]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_values_of_the_cases(case, device):
    name, specs, metadata = case
    rng = np.random.default_rng(zlib.crc32(str(case).encode()))
    arrays = [
        array(s, rng)
        if isinstance(s, str)
        else [array(v, rng) for v in s]
        if isinstance(s, list) and s and isinstance(s[0], str)
        else s
        for s in specs
    ]
    if name == "atleast_1d" and len(arrays) == 1:
        arrays = [arrays[0]]
    same(getattr(xg, name)(*(on(device, a) for a in arrays), **metadata), getattr(np, name)(*arrays, **metadata), name)


def test_every_function_is_compared():
    pages = (
        "rearranging",
        "joining",
        "padding",
        "elementary",
        "choosing",
        "products",
        "averages",
        "quantiles",
        "calculus",
    )
    defined = {
        n for n, f in vars(xg).items() if inspect.isfunction(f) and f.__module__ in {f"xgrad.ops.{p}" for p in pages}
    }
    compared = {row[0] for row in TABLE} | extras.CASES.keys()
    assert defined - compared == {"i0"}  # with the special functions
    assert len(defined) > 90
    assert {n: inspect.signature(getattr(xg, n)) for n in defined if not hasattr(np, n)} == {}


# Derivatives that a case cannot hold ----------------------------------------------------------------------------------


def test_derivatives_of_several_arguments(device, rng):
    def put(*shape):
        return xg.asarray(rng.uniform(0.5, 1.5, shape), device=device)

    numbers = xg.asarray(np.array([[0, 2, 1], [1, 1, 0]]), device=device)
    checks = [
        (lambda a, b: xg.float_power(a, b), put(3, 4), put(4)),
        (lambda a, b: xg.heaviside(a - a.detach(), b), put(3), put(2, 3)),
        (lambda *cs: xg.choose(numbers, cs), put(3), put(2, 1), put()),
        (lambda a, b, c: xg.select([numbers > 1, numbers > 0], [a, b], c), put(2, 3), put(3), put()),
        (lambda x, a: xg.pad(x, ((1, 2), (0, 1)), constant_values=a), put(2, 3), put()),
        (lambda x, a: xg.pad(x, 1, constant_values=a), put(2, 3), put(2, 2)),
        (lambda x, a: xg.pad(x, 2, mode="linear_ramp", end_values=a), put(2, 3), put()),
        (lambda x, w: xg.average(x, axis=1, weights=w, returned=True), put(2, 3), put(3)),
        (lambda x, w: xg.cov(x, aweights=w), put(2, 4), put(4)),
        (lambda x, w: xg.histogram(x, bins=3, weights=w), put(6), put(6)),
        (lambda x, w: xg.histogram(x, bins=[0.0, 1.0, 2.0], weights=w, density=True)[0], put(6), put(6)),
        (lambda x, y: xg.append(x, y), put(2, 2), put(3)),
        (lambda x: xg.apply_along_axis(lambda v: xg.cumsum(v * v), 1, x), put(2, 3)),
        (lambda x: xg.insert(x, [1, 2], x[:2] * 2), put(3)),
        (lambda x, h: xg.gradient(x, h), put(4), put()),
    ]
    for function, *arrays in checks:
        gradcheck(function, *arrays, order=2)


@pytest.mark.parametrize("period", [None, 2.3])
def test_interp_is_differentiable_in_places_knots_and_values(period, device, rng):
    x = xg.asarray(np.array([[-0.7, 0.1, 0.6], [1.4, 2.0, 0.9]]), device=device)
    knots = xg.asarray(np.array([-0.5, 0.3, 1.1, 1.7]), device=device)
    values = xg.asarray(rng.normal(size=4), device=device)
    gradcheck(lambda *a: xg.interp(*a, period=period), x, knots, values, order=2)
    edges = xg.asarray(np.array(0.3), device=device)
    gradcheck(lambda a: xg.interp(x, knots, values, left=a, right=2 * a), edges, order=1)


def test_a_quantile_is_differentiable_in_its_share(device):
    x = xg.asarray(np.array([3.0, 1.0, 2.5, 7.0]), device=device)
    q = xg.asarray(np.array([[0.2, 0.45], [0.8, 0.9]]), device=device)
    gradcheck(lambda x, q: xg.quantile(x, q), x, q, order=2)
    gradcheck(lambda x: xg.percentile(x, [25.0, 60.0]), x, order=1)


def test_ties_of_a_median_route_each_gradient_once(device):
    x = xg.Tensor([1.0, 2.0, 2.0, 2.0, 5.0], device=device)
    xg.median(x).backward()
    assert x.grad.numpy().sum() == 1.0 and set(x.grad.numpy()) == {0.0, 1.0}


def test_nan_has_no_gradient_where_it_is_ignored(device):
    for name in ("nansum", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nanprod"):
        x = xg.Tensor([1.0, np.nan, 2.0, 4.0], device=device)
        getattr(xg, name)(x).backward()
        assert np.isfinite(x.grad.numpy()).all() and x.grad.numpy()[1] == 0.0, name
    x = xg.Tensor([1.0, np.nan, -np.inf, 4.0], device=device)
    (xg.nan_to_num(x) / 4).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.25, 0.0, 0.0, 0.25])


def test_deviation_of_equal_elements_beside_nan_has_derivative_zero(device):
    x = xg.Tensor([2.0, np.nan, 2.0], device=device)
    xg.nanstd(x).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.0, 0.0])


def test_sinc_at_zero_has_right_derivatives_of_every_order(device):
    f = xg.sinc
    expected = [1.0, 0.0, -(np.pi**2) / 3, 0.0, np.pi**4 / 5]
    for value in expected[: 4 if device == "dask" else 5]:  # the fourth is too long a program for it
        np.testing.assert_allclose(f(xg.asarray(np.array(0.0), device=device)).item(), value, rtol=1e-12, atol=1e-12)
        f = xg.grad(f)


def test_the_gradient_of_unwrap_is_one(device):
    x = xg.Tensor([0.0, 3.0, 7.0, -2.0], device=device)
    xg.unwrap(x)[3].backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.0, 0.0, 1.0])


def test_fmax_shares_a_tie_and_gives_nothing_to_nan(device):
    a, b = xg.Tensor([1.0, np.nan, 3.0], device=device), xg.Tensor([1.0, 2.0, np.nan], device=device)
    xg.fmax(a, b).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), [0.5, 0.0, 1.0])
    np.testing.assert_array_equal(b.grad.numpy(), [0.5, 1.0, 0.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: xg.pad(F34, 1, mode="odd"), NotImplementedError, "pad: there is no such mode; got 'odd'"),
        (
            lambda: xg.pad(F34, 1, mode="reflect", reflect_type="odd"),
            NotImplementedError,
            "reflect_type must be 'even'",
        ),
        (lambda: xg.pad(F34, -1), ValueError, "pad_width must not be negative"),
        (lambda: xg.pad(F34, [(1, 1)] * 3), ValueError, "a number, a pair, or one pair per axis"),
        (lambda: xg.pad(F34, 1, end_values=3), ValueError, "unknown options for mode 'constant'; got end_values"),
        (lambda: xg.pad(E, 1, mode="edge"), ValueError, "padded with constants only; got axis 0"),
        (lambda: xg.split(I4, 3), ValueError, "split: 4 elements do not make 3 parts"),
        (lambda: xg.vsplit(I4, 2), ValueError, "vsplit: ary must have 2 axes"),
        (lambda: xg.delete(I4, 4), IndexError, "delete: index 4 is out of range for 4 elements"),
        (lambda: xg.insert(I4, 5, 0), IndexError, "insert: index 5 is out of range for 4 elements"),
        (lambda: xg.delete(I4, [True, False]), ValueError, "one entry per element; got 2 for 4"),
        (lambda: xg.choose([0, 3], [I4[:2], I4[:2]]), ValueError, "numbers from 0 to 1"),
        (lambda: xg.select([I4 > 0], []), ValueError, "one choice per condition"),
        (lambda: xg.cross([1, 2], [3, 4]), ValueError, "three elements; got 2 and 2"),
        (lambda: xg.bincount([-1, 2]), ValueError, "must not be negative; got -1"),
        (lambda: xg.bincount([1.0]), ValueError, "a vector of integers"),
        (lambda: xg.quantile(F34, 1.2), ValueError, "q must lie between 0 and 1"),
        (lambda: xg.quantile(F34, 0.2, method="no"), ValueError, "there is no method 'no'"),
        (lambda: xg.quantile(C3, 0.2), TypeError, "real numbers; got complex128"),
        (lambda: xg.histogram(F34, bins="auto"), NotImplementedError, "got 'auto'"),
        (lambda: xg.gradient(F34, 1.0, 2.0, 3.0), TypeError, "one spacing per axis is needed; got 3 for 2"),
        (lambda: xg.interp(F34, [0.0, 1.0], [1.0]), ValueError, "vectors of one length"),
        (lambda: xg.diagonal(I4), ValueError, "two axes or more; got 1"),
        (lambda: xg.diagonal(I34, axis1=1, axis2=-1), ValueError, "axis1 and axis2 must differ"),
        (lambda: xg.ldexp(F34, 1.5), TypeError, "x2 must hold integers"),
        (lambda: xg.average(F34, weights=[1, 2]), ValueError, "without an axis weights must have the shape of a"),
        (lambda: xg.apply_along_axis(lambda v: v, 1, E), ValueError, "no slice to apply to"),
    ],
)
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
