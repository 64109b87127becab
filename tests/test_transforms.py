"""The functional face: arguments, kinds, trees, decorators, messages."""

import dataclasses
import inspect
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest

import xgrad as xg
from xgrad import pytree

A = np.array([0.3, -0.7, 1.1])
B = np.array([0.8, 0.6, -1.4])
Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass(frozen=True)
class Layer:
    weight: object
    bias: object
    name: str = dataclasses.field(default="layer", metadata={"static": True})


def f(x, y):
    return (xg.sin(x) * y**2).sum()


FX, FY = np.cos(A) * B**2, 2 * np.sin(A) * B


# Arguments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argnums, expected",
    [(0, FX), (1, FY), (-1, FY), (-2, FX), ((0, 1), (FX, FY)), ((1, 0), (FY, FX)), ([-1], (FY,)), ((), ())],
)
def test_argnums(argnums, expected):
    for found in (xg.grad(f, argnums)(A, B), xg.value_and_grad(f, argnums)(A, B)[1]):
        assert type(found) is type(expected)
        for a, b in zip(pytree.flatten(found)[0], pytree.flatten(expected)[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)


def test_aux_is_passed_through_in_the_callers_terms():
    def g(x):
        return (x**2).sum(), {"double": 2 * x, "name": "g", "none": None, "inner": (x[0],)}

    (value, aux), slope = xg.value_and_grad(g, has_aux=True)(A)
    assert type(value) is type(slope) is type(aux["double"]) is type(aux["inner"][0]) is np.ndarray
    assert aux["name"] == "g" and aux["none"] is None
    np.testing.assert_allclose(aux["double"], 2 * A)
    np.testing.assert_allclose(slope, 2 * A)
    slope, aux = xg.grad(g, has_aux=True)(xg.asarray(A))
    assert isinstance(slope, xg.Tensor) and isinstance(aux["double"], xg.Tensor) and not aux["double"].requires_grad
    assert xg.vjp(g, A, has_aux=True)[2]["name"] == xg.linearize(g, A, has_aux=True)[2]["name"] == "g"
    assert xg.jvp(g, (A,), (A,), has_aux=True)[2]["name"] == xg.jacobian(g, has_aux=True)(A)[1]["name"] == "g"
    np.testing.assert_allclose(xg.hessian(g, has_aux=True)(A)[0], 2 * np.eye(3))


def test_keyword_arguments_are_passed_through():
    def g(x, *, power, scale=1.0):
        return scale * (x**power).sum()

    np.testing.assert_allclose(xg.grad(g)(A, power=3, scale=2.0), 6 * A**2)
    np.testing.assert_allclose(xg.vjp(g, A, power=2)[1](1.0)[0], 2 * A)
    np.testing.assert_allclose(xg.hessian(g)(A, power=2), 2 * np.eye(3))
    np.testing.assert_allclose(xg.linearize(g, A, power=2)[1](B), 2 * A @ B)
    np.testing.assert_allclose(xg.elementwise_grad(lambda x, *, k: x**k)(A, k=3), 3 * A**2)


def test_default_arguments_stay_defaults():
    np.testing.assert_allclose(xg.grad(lambda x, y=3.0: (x * y).sum())(A), [3.0, 3.0, 3.0])


# Kinds ----------------------------------------------------------------------------------------------------------------

EVERY = {
    "grad": lambda f, x: xg.grad(lambda x: f(x).sum())(x),
    "value_and_grad": lambda f, x: xg.value_and_grad(lambda x: f(x).sum())(x),
    "vjp": lambda f, x: (xg.vjp(f, x)[0], xg.vjp(f, x)[1](x)),
    "jvp": lambda f, x: xg.jvp(f, (x,), (x,)),
    "linearize": lambda f, x: (xg.linearize(f, x)[0], xg.linearize(f, x)[1](x)),
    "jacobian": lambda f, x: (xg.jacobian(f, mode="reverse")(x), xg.jacobian(f, mode="forward")(x)),
    "hessian": lambda f, x: xg.hessian(lambda x: f(x).sum())(x),
    "hvp": lambda f, x: xg.hvp(lambda x: f(x).sum(), (x,), (x,)),
    "elementwise_grad": lambda f, x: xg.elementwise_grad(f)(x),
    "checkpoint": lambda f, x: xg.grad(lambda x: xg.checkpoint(f)(x).sum())(x),
}


def kinds(dtype):
    yield np.ndarray, np.array([0.3, 0.9]).astype(dtype)
    yield xg.Tensor, xg.asarray(np.array([0.3, 0.9]).astype(dtype))
    torch = pytest.importorskip("torch")
    yield torch.Tensor, torch.asarray([0.3, 0.9], dtype=getattr(torch, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EVERY)
def test_results_are_of_the_kind_of_the_arguments(name, dtype):
    for kind, x in kinds(dtype):
        for out in pytree.flatten(EVERY[name](lambda x: xg.sin(x) * 2, x))[0]:
            assert type(out) is kind and str(out.dtype).endswith(dtype)
            assert kind is not xg.Tensor or not out.requires_grad


@pytest.mark.parametrize("name", EVERY)
def test_python_numbers_give_arrays_of_no_axes(name):
    for out in pytree.flatten(EVERY[name](lambda x: xg.asarray(x * x), 3.0))[0]:
        assert type(out) is np.ndarray and out.shape == ()


def test_a_tensor_anywhere_makes_tensors():
    assert isinstance(xg.grad(f)(A, xg.asarray(B)), xg.Tensor)
    assert isinstance(xg.grad(lambda x, *, y: f(x, y))(A, y=xg.asarray(B)), xg.Tensor)
    assert isinstance(xg.jvp(xg.sin, (A,), (xg.asarray(B),))[1], xg.Tensor)


def test_results_have_memory_of_their_own():
    t = B.copy()
    _, rate = xg.jvp(lambda x: (x + 1, x), (A,), (t,))
    for r in rate:
        r[:] = 0
    np.testing.assert_array_equal(t, B)
    _, push = xg.linearize(lambda x: x + 0, A)
    push(t)[:] = 0
    np.testing.assert_array_equal(t, B)
    ct = B.copy()
    xg.vjp(lambda x: x + 1, A)[1](ct)[0][:] = 0
    np.testing.assert_array_equal(ct, B)


def test_integers_get_float64_gradients():
    found = xg.grad(lambda x: (x * 1.5).sum())(np.array([1, 2]))
    assert found.dtype == np.float64 and found.tolist() == [1.5, 1.5]
    assert xg.jvp(lambda x: x * 1.5, (np.array([1, 2]),), (np.array([1.0, 2.0]),))[1].tolist() == [1.5, 3.0]


# Trees ----------------------------------------------------------------------------------------------------------------

TREES = {
    "list": [A, B],
    "tuple in list": [(A,), [B, 2.0]],
    "dict": {"a": A, "b": {"c": B}},
    "ordered": OrderedDict(a=A, b=B),
    "defaultdict": defaultdict(list, a=A, b=[B]),
    "named tuple": Pair(A, {"x": B}),
    "dataclass": Layer(A, (B,), "first"),
    "none": {"a": A, "b": None},
    "integer keys": {2: A, 1: B},
}


def energy(tree):
    return sum(((v * v * v).sum() for v in pytree.flatten(tree)[0]), xg.asarray(0.0))


@pytest.mark.parametrize("name", TREES)
def test_trees_come_back_as_they_were(name):
    tree = TREES[name]
    leaves, structure = pytree.flatten(tree)
    slope = xg.grad(energy)(tree)
    found, same = pytree.flatten(slope)
    assert type(slope) is type(tree) and same.paths() == structure.paths()
    for g, v in zip(found, leaves, strict=True):
        np.testing.assert_allclose(g, 3 * np.asarray(v) ** 2)
    _, rate = xg.jvp(energy, (tree,), (tree,))
    np.testing.assert_allclose(rate, sum(3 * np.sum(np.asarray(v) ** 3) for v in leaves))
    (product,) = xg.hvp(energy, (tree,), (tree,))
    for g, v in zip(pytree.flatten(product)[0], leaves, strict=True):
        np.testing.assert_allclose(g, 6 * np.asarray(v) ** 2)
    same_tree, push = xg.linearize(lambda t: pytree.tree_map(lambda v: v * v, t), tree)
    assert type(same_tree) is type(push(tree)) is type(tree)
    if name == "defaultdict":
        assert slope.default_factory is list
    if name == "dataclass":
        assert slope.name == "first"


def test_trees_are_matched_by_key():
    x, t = {"a": 2.0, "b": 3.0}, {"b": 10.0, "a": 1.0}
    assert float(xg.jvp(lambda p: p["a"] ** 2 + p["b"], (x,), (t,))[1]) == 14.0
    _, pullback = xg.vjp(lambda p: {"u": 2 * p["a"], "v": 3 * p["b"]}, x)
    assert {k: float(v) for k, v in pullback({"v": 1.0, "u": 10.0})[0].items()} == {"a": 20.0, "b": 3.0}


def test_registered_classes_are_trees():
    class Box:
        def __init__(self, inside):
            self.inside = inside

    pytree.register(Box, vars, Box)
    slope = xg.grad(lambda b: (b.inside["x"] ** 2).sum())(Box({"x": A}))
    assert type(slope) is Box
    np.testing.assert_allclose(slope.inside["x"], 2 * A)


def test_paths_and_structures():
    assert pytree.flatten([{"w": 1, "b": (2,)}, Pair(3, Layer(4, 5))])[1].paths() == [
        "[0]['w']", "[0]['b'][0]", "[1].left", "[1].right.weight", "[1].right.bias",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"\['a'\]\[0\] must be a dict with 'x'; got a dict with 'y'"):
        pytree.flatten({"a": [{"x": 1}]})[1].leaves_of({"a": [{"y": 1}]}, "")
    with pytest.raises(ValueError, match="must be a list of 2; got a list of 3"):
        pytree.tree_map(lambda a, b: a, [1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="must be None; got"):
        pytree.tree_map(lambda a, b: a, [1, None], [1, 2])


# Matrices -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["reverse", "forward", None])
def test_jacobians(mode, device, rng):
    m = rng.standard_normal((2, 3, 4))
    x = xg.asarray(rng.standard_normal((4, 2)), device=device)
    w = xg.asarray(m, device=device)
    found = xg.jacobian(lambda x: xg.matmul(w, x) * x[0, 1], mode=mode)(x)
    assert found.shape == (2, 3, 2, 4, 2) and found.device == x.device
    xs = x.numpy()
    expected = np.einsum("bij,kl->bikjl", m, np.eye(2)) * xs[0, 1]
    expected[..., 0, 1] += m @ xs
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_jacobians_of_trees_are_trees_of_blocks(mode):
    out = xg.jacobian(lambda p, y: {"u": p["a"] * y, "v": [p["b"] ** 2]}, argnums=(0, 1), mode=mode)(
        {"a": A, "b": 2.0}, B
    )
    np.testing.assert_allclose(out["u"][0]["a"], np.diag(B))
    np.testing.assert_allclose(out["u"][0]["b"], np.zeros(3))
    np.testing.assert_allclose(out["u"][1], np.diag(A))
    np.testing.assert_allclose(out["v"][0][0]["b"], 4.0)
    assert out["v"][0][0]["a"].shape == (3,)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_complex_jacobians(mode):
    z = A + 1j * B
    holomorphic = xg.jacobian(lambda z: xg.exp(z) * z[0], mode=mode, holomorphic=True)(z)
    expected = np.diag(np.exp(z) * z[0])
    expected[:, 0] += np.exp(z)
    np.testing.assert_allclose(holomorphic, expected)
    from_real = xg.jacobian(lambda x: xg.exp(1j * x), mode=mode)(A)
    np.testing.assert_allclose(from_real, np.diag(1j * np.exp(1j * A)))
    g = lambda z: xg.real(z[0] * z[1]) + xg.abs(z[2]) ** 2
    np.testing.assert_allclose(xg.jacobian(lambda z: xg.stack([g(z)]), mode=mode)(z)[0], xg.grad(g)(z))
    with pytest.raises(TypeError, match=r"jacobian: .*holomorphic=True"):
        xg.jacobian(xg.conj, mode=mode)(z)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_zeros_of_a_jacobian_are_exact(mode):
    with np.errstate(all="ignore"):
        found = xg.jacobian(lambda x: xg.log(x) * xg.sqrt(x), mode=mode)(np.array([4.0, 1.0, 0.0]))
        assert np.array_equal(found[:2, 2], [0, 0]) and np.array_equal(found[2, :2], [0, 0])
    np.testing.assert_allclose(np.diag(found)[:2], [(1 + np.log(4) / 2) / 2, 1.0])


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_empty_jacobians(mode):
    assert xg.jacobian(lambda x: x * 2, mode=mode)(np.zeros((0, 2))).shape == (0, 2, 0, 2)
    assert xg.jacobian(lambda x: xg.sum(x), mode=mode)(np.zeros((0,))).shape == (0,)
    assert xg.jacobian(lambda x: x[:0], mode=mode)(A).shape == (0, 3)


def test_the_cheaper_mode_is_chosen(monkeypatch):
    passes = []
    original = xg.transforms.matrices._unit
    monkeypatch.setattr(xg.transforms.matrices, "_unit", lambda *a: passes.append(1) or original(*a))
    for rows, columns in ((7, 2), (2, 7)):
        passes.clear()
        m = np.arange(rows * columns, dtype=float).reshape(rows, columns)
        np.testing.assert_allclose(xg.jacobian(lambda x, m=m: m @ x)(np.ones(columns)), m)
        assert len(passes) == 2


@pytest.mark.parametrize("mode", ["reverse", "forward", None])
def test_hessians(mode):
    h = lambda p, y: (p["a"] ** 2 * y).sum() * p["b"]
    found = xg.hessian(h, mode=mode)({"a": A, "b": 2.0}, B)
    np.testing.assert_allclose(found["a"]["a"], np.diag(2 * B) * 2)
    np.testing.assert_allclose(found["a"]["b"], 2 * A * B)
    np.testing.assert_allclose(found["b"]["a"], 2 * A * B)
    np.testing.assert_allclose(found["b"]["b"], 0)
    both = xg.hessian(h, argnums=(0, 1), mode=mode)({"a": A, "b": 2.0}, B)
    np.testing.assert_allclose(both[1][0]["a"], np.diag(2 * A) * 2)


def test_hvp_is_the_hessian_times_a_vector(device, rng):
    x, v = (xg.asarray(rng.standard_normal((2, 3)), device=device) for _ in range(2))
    h = lambda x: (xg.exp(xg.sin(x)) @ xg.tanh(x).T).sum()
    (product,) = xg.hvp(h, (x,), (v,))
    matrix = xg.hessian(h)(x).numpy().reshape(6, 6)
    np.testing.assert_allclose(product.numpy().reshape(-1), matrix @ v.numpy().reshape(-1), rtol=1e-10)
    assert product.device == x.device


def test_linearize_runs_the_function_once():
    calls = []

    def g(x):
        calls.append(1)
        return xg.sin(x) * x[0]

    _, push = xg.linearize(g, A)
    jacobian = np.diag(np.cos(A) * A[0])
    jacobian[:, 0] += np.sin(A)
    for t in (A, B, np.eye(3)[1]):
        np.testing.assert_allclose(push(t), jacobian @ t)
    assert len(calls) == 1


def test_elementwise_grad():
    np.testing.assert_allclose(xg.elementwise_grad(xg.elementwise_grad(xg.sin))(A), -np.sin(A))
    np.testing.assert_allclose(xg.elementwise_grad(lambda x, y: x * y**2, argnums=1)(A, B), 2 * A * B)
    both = xg.elementwise_grad(lambda x, y: x * y**2, argnums=(0, 1))(A, B)
    np.testing.assert_allclose(both, (B**2, 2 * A * B))


# Decorators and signatures --------------------------------------------------------------------------------------------


def test_decorators_bare_and_with_arguments():
    @xg.grad
    def bare(x):
        return (x**2).sum()

    @xg.value_and_grad(argnums=1, has_aux=True)
    def both(x, y):
        return (x * y).sum(), "aux"

    @xg.jacobian(mode="forward")
    def matrix(x):
        return x**2

    @xg.hessian(argnums=1)
    def curve(x, y):
        return (x * y**2).sum()

    @xg.elementwise_grad(argnums=1)
    def each(x, y):
        return x * y

    @xg.checkpoint
    def again(x):
        return xg.sin(x)

    np.testing.assert_allclose(bare(A), 2 * A)
    (_, aux), slope = both(A, B)
    assert aux == "aux"
    np.testing.assert_allclose(slope, A)
    np.testing.assert_allclose(matrix(A), np.diag(2 * A))
    np.testing.assert_allclose(curve(A, B), np.diag(2 * A))
    np.testing.assert_allclose(each(A, B), A)
    np.testing.assert_allclose(again(A), np.sin(A))


@pytest.mark.parametrize(
    "transform",
    [
        xg.grad,
        xg.value_and_grad,
        xg.jacobian,
        xg.hessian,
        xg.elementwise_grad,
        xg.checkpoint,
        xg.custom_vjp,
        xg.custom_jvp,
    ],
)
def test_names_documentation_and_signatures_stay(transform):
    def energy(x, /, y: float = 1.0, *, scale: int = 2):
        """The energy."""
        return x * y * scale

    made = transform(energy)
    assert made.__name__ == "energy" and made.__doc__ == "The energy."
    assert str(inspect.signature(made)) == "(x, /, y: float = 1.0, *, scale: int = 2)"


def test_a_transform_of_a_primitive_leaves_its_rule_alone():
    for transform in (xg.grad, xg.checkpoint, xg.custom_vjp, xg.custom_jvp):
        assert not hasattr(transform(xg.sin), "op")
    xg.custom_vjp(xg.sin).vjp(lambda out, x: lambda ct: (0 * ct,))
    np.testing.assert_allclose(xg.grad(xg.sin)(0.3), np.cos(0.3))


# Messages -------------------------------------------------------------------------------------------------------------

WRONG = {
    "non-scalar": (
        lambda: xg.grad(lambda x: x)(A),
        ValueError,
        "grad: the function must return a scalar; got shape (3,). Sum it, or use jacobian.",
    ),
    "value_and_grad names itself": (
        lambda: xg.value_and_grad(lambda x: x)(A),
        ValueError,
        "value_and_grad: the function must return a scalar; got shape (3,). Sum it, or use jacobian.",
    ),
    "hessian of a vector": (
        lambda: xg.hessian(lambda x: x)(A),
        ValueError,
        "hessian: the function must return a scalar; got shape (3,). Sum it, or use jacobian.",
    ),
    "hvp of a vector": (
        lambda: xg.hvp(lambda x: x, (A,), (A,)),
        ValueError,
        "hvp: the function must return a scalar; got shape (3,). Sum it, or use jacobian.",
    ),
    "jacobian of integers": (
        lambda: xg.jacobian(lambda x: xg.argmax(x))(A),
        TypeError,
        "jacobian: the function must return floating numbers; got int64. Convert with astype.",
    ),
    "unknown mode": (
        lambda: xg.jacobian(xg.sin, mode="both"),
        ValueError,
        "jacobian: mode must be 'reverse', 'forward' or None; got 'both'.",
    ),
    "argnums too large": (
        lambda: xg.hessian(lambda x: x, argnums=1)(1.0),
        ValueError,
        "hessian: argnums names no positional argument; got 1 for 1 of them. Pass what is differentiated by position.",
    ),
    "no function": (
        lambda: xg.elementwise_grad(A),
        TypeError,
        "elementwise_grad: the first argument must be a function; got ndarray of shape (3,) and dtype float64. "
        "Give f itself, not f(x).",
    ),
    "text in a tree": (
        lambda: xg.grad(lambda p: p["a"].sum())({"a": A, "name": "x"}),
        TypeError,
        "grad: argument [0]['name'] must be an array or a number; got str. Close over what is not differentiated, or "
        "pass it by keyword.",
    ),
    "booleans": (
        lambda: xg.grad(lambda x: x.sum())([A > 0]),
        TypeError,
        "grad: argument [0][0] must be of numbers; got Tensor of shape (3,) and dtype bool. Only numbers have "
        "gradients.",
    ),
    "text as a result": (
        lambda: xg.jvp(lambda x: "a", (A,), (A,)),
        TypeError,
        "jvp: the function must return arrays or numbers; got str. Return other things beside the value, with "
        "has_aux=True.",
    ),
    "tangent of another shape": (
        lambda: xg.jvp(xg.sin, (A,), (A[:2],)),
        ValueError,
        "jvp: a tangent must have the shape of its primal; got (2,) for (3,) at argument [0].",
    ),
    "complex tangent": (
        lambda: xg.jvp(xg.sin, (A,), (A * 1j,)),
        TypeError,
        "jvp: the tangent of a real primal must be real; got complex128 for float64 at argument [0].",
    ),
    "tangents of another structure": (
        lambda: xg.jvp(lambda p: p["w"], ({"w": A},), ({"v": A},)),
        ValueError,
        "jvp: tangents[0] must be a dict with 'w'; got a dict with 'v'. Give trees of equal structure.",
    ),
    "tangents of linearize": (
        lambda: xg.linearize(xg.sin, A)[1](A, A),
        ValueError,
        "linearize: tangents must be a tuple of 1; got a tuple of 2. Give trees of equal structure.",
    ),
    "hvp of a number": (
        lambda: xg.hvp(lambda x: x, 1.0, 1.0),
        TypeError,
        "hvp: primals must be a tuple, one entry per argument; got float. Write (x,).",
    ),
    "one tangent missing": (
        lambda: xg.hvp(lambda x, y: x * y, (1.0, 2.0), (1.0,)),
        ValueError,
        "hvp: one tangent per primal; got 2 primals and 1 tangents.",
    ),
    "cotangent of another structure": (
        lambda: xg.vjp(lambda x: {"u": x}, A)[1]({"v": A}),
        ValueError,
        "vjp: the cotangent must be a dict with 'u'; got a dict with 'v'. Give trees of equal structure.",
    ),
    "elementwise_grad of a tree": (
        lambda: xg.elementwise_grad(lambda x: (x, x))(A),
        TypeError,
        "elementwise_grad: the function must return one real array; got tuple. Use jacobian.",
    ),
    "elementwise_grad of complex numbers": (
        lambda: xg.elementwise_grad(lambda x: x * 1j)(A),
        TypeError,
        "elementwise_grad: the function must return one real array; got ndarray of shape (3,) and dtype complex128. "
        "Use jacobian.",
    ),
    "integers": (
        lambda: xg.grad(lambda x: x**2)(3),
        TypeError,
        "grad: the function must return a real number; got int64. Pass floats, or take xgrad.real.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_uses(name):
    call, error, words = WRONG[name]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == words
