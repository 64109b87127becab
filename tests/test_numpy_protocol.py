"""NumPy's own functions and operators on Tensors: recorded, or a TypeError that names the function."""

import numpy as np
import pytest

import xgrad as xg


def host(value):
    """A Tensor or raw array of any library as a NumPy array."""
    return xg.asarray(value).detach().numpy()


def close(value, expected):
    found, expected = host(value), np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def leaf(value, device="cpu"):
    return xg.Tensor(np.asarray(value), device=device)


def check(f, *arrays, device="cpu", slopes=True):
    """``f`` of Tensors has the values of ``f`` of ndarrays, and the derivative of ``f`` along a random direction."""
    rng = np.random.default_rng(3)
    leaves = [leaf(a, device) for a in arrays]
    found, expected = f(*leaves), f(*arrays)
    if isinstance(expected, (list, tuple)):
        assert isinstance(found, (list, tuple))
        found, expected = found[-1], expected[-1]
    assert isinstance(found, xg.Tensor)
    assert found.dtype == np.asarray(expected).dtype
    assert found.device == leaves[0].device
    close(found, expected)
    if not slopes:
        assert not found.requires_grad
        return
    ct = rng.standard_normal(np.shape(expected))
    found.backward(xg.asarray(ct))

    def along(step, directions):
        out = f(*(a + step * d for a, d in zip(arrays, directions, strict=True)))
        return np.sum((out[-1] if isinstance(out, (list, tuple)) else out) * ct)

    for i, x in enumerate(leaves):
        directions = [rng.standard_normal(a.shape) if i == j else 0 * a for j, a in enumerate(arrays)]
        h = 1e-3
        coarse = (along(h, directions) - along(-h, directions)) / (2 * h)
        fine = (along(h / 2, directions) - along(-h / 2, directions)) / h
        np.testing.assert_allclose(np.sum(host(x.grad) * directions[i]), (4 * fine - coarse) / 3, rtol=1e-6, atol=1e-8)


# Ufuncs ---------------------------------------------------------------------------------------------------------------

ANY = [
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "exp",
    "expm1",
    "square",
    "negative",
    "positive",
    "absolute",
    "abs",
    "fabs",
    "arctan",
    "arcsinh",
    "conjugate",
    "conj",
    "exp2",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "cbrt",
    "deg2rad",
    "rad2deg",
    "radians",
    "degrees",
]
POSITIVE = ["sqrt", "log", "log2", "log10", "log1p", "reciprocal"]
UNIT = ["arcsin", "arccos", "arctanh", "asin", "acos", "atanh"]
GREATER = ["arccosh", "acosh"]
FLAT = ["floor", "ceil", "trunc", "rint"]
UNARY = dict.fromkeys(ANY, (-1.7, 1.7)) | dict.fromkeys(POSITIVE, (0.3, 2.0))
UNARY |= dict.fromkeys(UNIT, (-0.9, 0.9)) | dict.fromkeys(GREATER, (1.1, 3.0))
UNARY |= dict.fromkeys(["atan", "asinh"], (-1.7, 1.7)) | {"tan": (-1.3, 1.3)}  # differences mean nothing at its poles


@pytest.mark.parametrize("name", [n for n in UNARY if hasattr(np, n)])
def test_unary_ufunc(device, rng, name):
    a = rng.uniform(*UNARY[name], (2, 3))
    check(getattr(np, name), a, device=device, slopes=name not in FLAT)


@pytest.mark.parametrize("name", ["isnan", "isfinite", "isinf", "signbit"])
def test_unary_predicate(device, name):
    check(getattr(np, name), np.array([1.0, -0.0, np.nan, np.inf]), device=device, slopes=False)


BINARY = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "true_divide",
    "power",
    "pow",
    "float_power",
    "maximum",
    "minimum",
    "hypot",
    "arctan2",
    "atan2",
    "logaddexp",
    "remainder",
    "mod",
]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(("left", "right"), [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 3))])
def test_binary_ufunc(device, rng, name, left, right):
    f = getattr(np, name)
    a, b = rng.uniform(0.5, 2.0, left), rng.uniform(0.5, 2.0, right)
    check(f, a, b, device=device)
    check(lambda x: f(x, b), a, device=device)  # an ndarray on the right
    check(lambda y: f(a, y), b, device=device)  # and on the left


def test_copysign(device, rng):
    check(lambda x: np.copysign(x, -1.5), rng.standard_normal((2, 3)), device=device)
    check(lambda x: np.copysign(x, np.array([1.0, -1.0, 2.0])), rng.standard_normal((2, 3)), device=device)


@pytest.mark.parametrize(
    "name", ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "floor_divide"]
)
def test_binary_ufunc_without_gradient(device, rng, name):
    a, b = rng.integers(1, 4, (2, 3)) * 1.0, rng.integers(1, 4, 3) * 1.0
    check(getattr(np, name), a, b, device=device, slopes=False)
    check(lambda x: getattr(np, name)(a[0], x), b, device=device, slopes=False)


@pytest.mark.parametrize(
    "name", ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "logical_and", "logical_or"]
)
def test_integer_ufunc(name):
    a, b = np.array([1, 2, 6]), np.array([3, 1, 2])
    if name.startswith("logical"):
        a, b = a > 1, b > 1
    found = getattr(np, name)(xg.asarray(a), b)
    assert isinstance(found, xg.Tensor)
    close(found, getattr(np, name)(a, b))


# Operators with ndarrays and NumPy scalars ----------------------------------------------------------------------------

OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "%": lambda a, b: a % b,
    "@": lambda a, b: a @ b,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_with_ndarray(device, rng, name):
    f = OPERATORS[name]
    a, b = rng.uniform(0.5, 2.0, (2, 3)), rng.uniform(0.5, 2.0, (3, 4) if name == "@" else 3)
    check(lambda x: f(x, b), a, device=device)
    check(lambda y: f(a, y), b, device=device)


@pytest.mark.parametrize("name", ["+", "-", "*", "/", "**"])
@pytest.mark.parametrize("scalar", [np.float64(2.5), np.float32(2.5), np.int64(3), np.array(2.5), 2.5, 3])
def test_operator_with_scalar(device, rng, name, scalar):
    f = OPERATORS[name]
    a = rng.uniform(0.5, 2.0, (2, 3))
    check(lambda x: f(x, scalar), a, device=device)
    check(lambda x: f(scalar, x), a, device=device)


@pytest.mark.parametrize("scalar", [np.float64(2.5), np.int64(3), 2.5, 3])
def test_numpy_scalars_do_not_widen(device, scalar):
    x = xg.Tensor(np.ones((2, 3), dtype=np.float32), device=device)
    for y in (
        scalar * x,
        x * scalar,
        np.multiply(scalar, x),
        np.add(x, scalar),
        scalar - x,
        x / scalar,
        np.maximum(x, scalar),
    ):
        assert y.dtype == np.float32
        y.backward()
        assert x.grad.dtype == np.float32


def test_comparison_with_ndarray(rng):
    a, b = rng.standard_normal(5), rng.standard_normal(5)
    x = leaf(a)
    for found, expected in [(b < x, b < a), (x >= b, a >= b), (b == x, b == a), (np.float64(0) < x, a > 0)]:
        assert isinstance(found, xg.Tensor)
        close(found, expected)


def test_ndarray_in_place_with_a_tracked_tensor_raises():
    a, x = np.ones(3), leaf(np.ones(3))
    with pytest.raises(TypeError, match=r"(add|__array__|numpy).*(out|detach)"):
        a += x
    assert a.tolist() == [1.0, 1.0, 1.0]


# Functions ------------------------------------------------------------------------------------------------------------

MATRIX = {
    "sum": lambda x: np.sum(x),
    "sum axis": lambda x: np.sum(x, axis=0),
    "sum positional axis": lambda x: np.sum(x, 1),
    "sum keepdims": lambda x: np.sum(x, axis=-1, keepdims=True),
    "sum two axes": lambda x: np.sum(x, axis=(0, 1)),
    "mean": lambda x: np.mean(x),
    "mean axis": lambda x: np.mean(x, 1, keepdims=True),
    "prod": lambda x: np.prod(x, axis=1),
    "max": lambda x: np.max(x, axis=0),
    "amax": lambda x: np.amax(x),
    "min": lambda x: np.min(x, axis=1, keepdims=True),
    "amin": lambda x: np.amin(x, axis=0),
    "var": lambda x: np.var(x),
    "var ddof": lambda x: np.var(x, axis=0, ddof=1),
    "std": lambda x: np.std(x, axis=1),
    "std ddof": lambda x: np.std(x, ddof=1, keepdims=True),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "cumsum flat": lambda x: np.cumsum(x),
    "cumprod": lambda x: np.cumprod(x, axis=0),
    "cumprod flat": lambda x: np.cumprod(x),
    "cumulative_sum": lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    "reshape": lambda x: np.reshape(x, (2, 6)),
    "reshape -1": lambda x: np.reshape(x, -1),
    "ravel": lambda x: np.ravel(x),
    "transpose": lambda x: np.transpose(x),
    "transpose axes": lambda x: np.transpose(x, (1, 0)),
    "permute_dims": lambda x: np.permute_dims(x, (1, 0)),
    "matrix_transpose": lambda x: np.matrix_transpose(x),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, np.ones((2, 1, 1)))[0],
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "expand_dims axes": lambda x: np.expand_dims(x, axis=(0, -1)),
    "squeeze": lambda x: np.squeeze(x[None], axis=0),
    "squeeze all": lambda x: np.squeeze(x[None, :, None]),
    "concatenate": lambda x: np.concatenate([x, 2 * x], axis=1),
    "concatenate flat": lambda x: np.concatenate((x, x), axis=None),
    "concat": lambda x: np.concat([x, x[:1]]),
    "stack": lambda x: np.stack([x, 2 * x], axis=-1),
    "unstack": lambda x: np.unstack(x, axis=1),
    "flip": lambda x: np.flip(x, axis=1),
    "flip all": lambda x: np.flip(x),
    "roll": lambda x: np.roll(x, 1, axis=0),
    "roll flat": lambda x: np.roll(x, -2),
    "roll axes": lambda x: np.roll(x, (1, 2), axis=(0, 1)),
    "repeat": lambda x: np.repeat(x, 2, axis=1),
    "repeat flat": lambda x: np.repeat(x, 3),
    "repeat each": lambda x: np.repeat(x, np.array([1, 0, 2]), axis=0),
    "tile": lambda x: np.tile(x, (2, 1)),
    "tile number": lambda x: np.tile(x, 2),
    "clip": lambda x: np.clip(x, 0.8, 1.4),
    "clip low": lambda x: np.clip(x, 0.8, None),
    "clip keywords": lambda x: np.clip(x, a_min=None, a_max=1.4),
    "clip standard keywords": lambda x: np.clip(x, min=0.8, max=1.4),
    "where": lambda x: np.where(x > 1.0, x, -x),
    "where number": lambda x: np.where(x > 1.0, x, 0.0),
    "where ndarray": lambda x: np.where(np.eye(3, 4) > 0, x, 2.0 * x),
    "take": lambda x: np.take(x, np.array([2, 0, 2]), axis=1),
    "take flat": lambda x: np.take(x, np.array([[5, 0], [5, 1]])),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[2], [0], [1]]), axis=1),
    "sort": lambda x: np.sort(x, axis=0),
    "sort last": lambda x: np.sort(x),
    "sort flat": lambda x: np.sort(x, axis=None),
    "diff": lambda x: np.diff(x, axis=0),
    "diff twice": lambda x: np.diff(x, 2),
    "tril": lambda x: np.tril(x),
    "triu": lambda x: np.triu(x, 1),
    "real": lambda x: np.real(x),
    "astype": lambda x: np.astype(x, np.float64) * x,
    "copy": lambda x: np.copy(x),
    "tensordot self": lambda x: np.tensordot(x, x, axes=2),
    "meshgrid": lambda x: np.meshgrid(x[0], x[1, :2])[0],
}


@pytest.mark.parametrize("name", MATRIX)
def test_function_of_a_matrix(device, rng, name):
    f, a = MATRIX[name], rng.permutation(np.linspace(0.45, 1.75, 12)).reshape(3, 4)
    check(f, a, device=device)


TWO = {
    "matmul": (np.matmul, (2, 3), (3, 4)),
    "matmul batched": (np.matmul, (5, 2, 3), (3, 4)),
    "matmul vector": (np.matmul, (2, 3), (3,)),
    "dot": (np.dot, (2, 3), (3, 4)),
    "dot vectors": (np.dot, (3,), (3,)),
    "dot scalar": (np.dot, (), (3,)),
    "dot of 3-d": (np.dot, (2, 3, 4), (5, 4, 2)),
    "tensordot": (lambda x, y: np.tensordot(x, y, axes=1), (2, 3), (3, 4)),
    "tensordot pairs": (lambda x, y: np.tensordot(x, y, axes=([0, 2], [1, 0])), (2, 3, 4), (4, 2, 5)),
    "vecdot": (np.vecdot, (2, 3), (3,)),
    "vecdot axis": (lambda x, y: np.vecdot(x, y, axis=0), (3, 2), (3, 2)),
    "concatenate": (lambda x, y: np.concatenate([x, y]), (2, 3), (4, 3)),
    "stack": (lambda x, y: np.stack((x, y), axis=1), (2, 3), (2, 3)),
    "where": (lambda x, y: np.where(np.array([True, False, True]), x, y), (2, 3), (3,)),
    "clip by arrays": (lambda x, y: np.clip(x, y, 10.0), (2, 3), (3,)),
}


@pytest.mark.parametrize("name", TWO)
def test_function_of_two_arrays(device, rng, name):
    f, left, right = TWO[name]
    a, b = rng.standard_normal(left), rng.standard_normal(right)
    check(f, a, b, device=device)
    check(lambda x: f(x, b), a, device=device)
    check(lambda y: f(a, y), b, device=device)


PREDICATES = {
    "argmax": lambda x: np.argmax(x, axis=1),
    "argmin": lambda x: np.argmin(x),
    "argsort": lambda x: np.argsort(x, axis=0),
    "any": lambda x: np.any(x > 1.0, axis=0),
    "all": lambda x: np.all(x > 1.0),
    "count_nonzero": lambda x: np.count_nonzero(x > 1.0, axis=1),
    "nonzero": lambda x: np.nonzero(x > 1.0),
    "searchsorted": lambda x: np.searchsorted(np.sort(x[0]), x[1]),
    "zeros_like": lambda x: np.zeros_like(x),
    "ones_like": lambda x: np.ones_like(x),
    "full_like": lambda x: np.full_like(x, 2.5),
}


@pytest.mark.parametrize("name", PREDICATES)
def test_function_without_gradient(device, rng, name):
    check(PREDICATES[name], rng.permutation(np.linspace(0.45, 1.75, 12)).reshape(3, 4), device=device, slopes=False)


@pytest.mark.parametrize("decimals", [0, 1, 2, -1])
def test_round(rng, decimals):
    a = rng.uniform(-20, 20, 5)
    close(np.round(leaf(a), decimals), np.round(a, decimals))
    close(np.round(leaf(a)), np.round(a))


@pytest.mark.parametrize("attribute", [np.shape, np.ndim, np.size])
def test_attributes_by_function(device, attribute):
    assert attribute(leaf(np.ones((2, 3)), device)) == attribute(np.ones((2, 3)))


def test_result_type():
    assert np.result_type(leaf([1.0]).dtype, np.float32) == np.float64
    assert np.iscomplexobj(leaf([1j])) and not np.iscomplexobj(leaf([1.0]))


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: np.einsum_path("i,i", x, x), "numpy.einsum_path"),
        (lambda x: np.einsum("i,i", x, x, dtype=np.float32), "einsum.*dtype="),
        (lambda x: np.median(x, overwrite_input=True), "median.*overwrite_input="),
        (lambda x: np.sort(x, order="name"), "sort.*order="),
        (lambda x: np.reshape(x, (3, 1), order="A"), "reshape.*order="),
        (lambda x: np.copy(x, order="F"), "copy.*order="),
        (lambda x: np.unique(x, axis=0), "unique.*axis="),
        (lambda x: np.nanquantile(x, 0.5, method="lower"), "nanquantile.*method="),
        (lambda x: np.take(x, [0], mode="wild"), "take.*mode="),
        (lambda x: np.shares_memory(x, x[1:]), "shares_memory"),
        (lambda x: np.clip(x, 0, 1, dtype=np.float32), "clip.*dtype="),
        (lambda x: np.save("/dev/null", x), "numpy.save"),
        (lambda x: np.roots(x), "numpy.roots"),
        (lambda x: np.bitwise_count(x), "numpy.bitwise_count"),
        (lambda x: np.gcd.reduce(x), "numpy.gcd"),
    ],
)
def test_what_is_refused_says_what(device, call, words):
    with pytest.raises(TypeError, match=f"{words}.*detach"):
        call(leaf([1.0, 2.0, 3.0], device))


def test_arguments_are_bound_as_numpy_binds_them():
    x = leaf(np.eye(2))
    close(np.median(a=x, axis=0), [0.5, 0.5])
    close(np.percentile(x, q=50, axis=1), [0.5, 0.5])
    for call in (lambda: np.median(x, 0, axis=0), lambda: np.sum(x, 0, axis=0), lambda: np.cov(x, nonsense=1)):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda x, out: np.sum(x, axis=0, out=out),
        lambda x, out: np.sum(x, 0, None, out),
        lambda x, out: np.median(x, axis=0, out=out),
        lambda x, out: np.median(x, 0, out),
        lambda x, out: np.clip(x[0], 0.1, 0.2, out),
        lambda x, out: np.concatenate([x[0, :1], x[1, :2]], 0, out),
        lambda x, out: np.cumsum(x[0], out=out),
        lambda x, out: np.dot(np.ones(2), x, out),
        lambda x, out: np.compress([True, False], x[:, None], 0, out[None, None])[0, 0],
    ],
)
def test_out_of_a_function_wherever_it_stands(device, rng, call):
    a = rng.standard_normal((2, 3))
    x, target = leaf(a, device), xg.zeros(3)
    expected = call(a, np.zeros(3))
    result = call(x, target)
    close(result, expected)
    assert result.requires_grad
    with pytest.raises(TypeError, match="out="):
        call(x, np.zeros(3))


# out= -----------------------------------------------------------------------------------------------------------------


def test_out_into_a_tensor_is_recorded(device, rng):
    a, b = rng.standard_normal(3), rng.standard_normal(3)
    x, y = leaf(a, device), leaf(b, device)
    target = xg.zeros(3)
    view = target[1:]
    result = np.multiply(x, y, out=target)
    assert result is target
    close(target, a * b)
    close(view, (a * b)[1:])
    target.sum().backward()
    close(x.grad, b)
    close(y.grad, a)


def test_out_into_an_argument(rng):
    a = rng.standard_normal(3)
    x = leaf(a)
    y = x * 1.0
    np.exp(y, out=y)
    np.add(y, 1.0, out=(y,))
    close(y, np.exp(a) + 1)
    y.sum().backward()
    close(x.grad, np.exp(a))


@pytest.mark.parametrize("function", [np.add, np.multiply, np.matmul])
def test_out_of_an_ndarray_raises(function):
    x, target = leaf(np.ones((2, 2))), np.zeros((2, 2))
    with pytest.raises(TypeError, match=rf"{function.__name__}.*out="):
        function(x, x, out=target)
    assert not target.any()


def test_out_of_a_wrong_shape():
    x, target = leaf(np.ones(3)), xg.zeros((2, 3))
    with pytest.raises(ValueError, match=r"multiply: .*shape.*\(3,\).*\(2, 3\)"):
        np.multiply(x, 2.0, out=target)


def test_dtype_keyword(device):
    x = xg.Tensor(np.ones(3, dtype=np.float32), device=device)
    y = np.add(x, 1.0, dtype=np.float64)
    assert y.dtype == np.float64
    z = np.sum(x, dtype=np.float64)
    assert z.dtype == np.float64
    (y.sum() + z).backward()
    assert x.grad.dtype == np.float32
    close(x.grad, [2.0, 2.0, 2.0])


# Nothing is converted silently ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.array,
        lambda x: np.asarray(x, dtype=object),
        np.ascontiguousarray,
        lambda x: np.array([x, x]),
        lambda x: np.array([x[0], x[1]]),
        lambda x: np.zeros(3).__setitem__(slice(None), x),
        np.from_dlpack,
        lambda x: np.frombuffer(x),
        lambda x: memoryview(x),
        lambda x: np.random.default_rng(0).choice(x),
    ],
)
def test_tracked_tensors_are_not_converted(convert):
    x = leaf([1.0, 2.0, 3.0])
    try:
        result = convert(x)
    except (TypeError, ValueError, BufferError) as error:
        assert "detach" in str(error) or "bytes-like" in str(error)
    else:
        pytest.fail(f"converted silently to {result!r}")


@pytest.mark.parametrize("convert", [np.asarray, np.array, np.ascontiguousarray, np.from_dlpack])
def test_constants_are_converted_freely(convert):
    found = convert(leaf([1.0, 2.0]).detach())
    assert type(found) is np.ndarray
    assert found.tolist() == [1.0, 2.0]


def test_conversion_inside_a_transform_raises():
    with pytest.raises(TypeError, match="detach"):
        xg.grad(lambda x: np.asarray(x).sum())(np.ones(3))


def test_numpy_code_is_differentiated(device, rng):
    a, m = rng.standard_normal(4), rng.standard_normal((3, 4))

    def f(x):
        h = np.tanh(m @ x) * np.float64(2)
        h = np.where(h > 0, h, np.exp(h) - 1)
        return np.sum(np.square(np.concatenate([h, x[1:3]]))) / np.sqrt(1 + np.dot(x, x))

    slope = xg.grad(f)(xg.asarray(a, device=device))
    h = 1e-6
    numeric = [(f(a + h * e) - f(a - h * e)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(host(slope), numeric, rtol=1e-7, atol=1e-8)
    second = xg.grad(lambda x: xg.grad(f)(x)[0])(xg.asarray(a, device=device))
    mixed = [host(xg.grad(f)(a + h * e) - xg.grad(f)(a - h * e))[0] / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(host(second), mixed, rtol=1e-6, atol=1e-7)
