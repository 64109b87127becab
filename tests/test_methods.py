"""Methods of a Tensor, with NumPy's argument names, against those of an ndarray."""

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import gradcheck

F = np.array([[0.5, -1.5, 2.0, 0.0], [3.5, 1.25, -0.75, 2.5], [-2.0, 0.1, 0.2, 4.0]])
I = np.arange(-4, 8).reshape(3, 4)  # noqa: E741
M = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
B = F > 0

REDUCTIONS = [
    (name, options | more)
    for name in ("sum", "prod", "mean", "max", "min", "any", "all", "var", "std")
    for options in ({}, {"axis": 1}, {"axis": (0, 1), "keepdims": True}, {"axis": -2})
    for more in ({}, {"where": M}, {"where": M, "initial": 0.5}, {"initial": 2.0}, {"where": M[:, :1]})
    if ("initial" not in more or name in ("sum", "prod", "max", "min"))
    and not (name in ("max", "min") and "where" in more and "initial" not in more)
] + [
    ("sum", {"dtype": np.float32}),
    ("mean", {"dtype": np.float32}),
    ("std", {"ddof": 1, "axis": 0}),
    ("var", {"ddof": 1, "axis": 0, "where": M}),
    ("argmax", {"axis": 0}),
    ("argmin", {"axis": 1, "keepdims": True}),
    ("argmax", {}),
    ("cumsum", {}),
    ("cumprod", {"axis": 1}),
    ("trace", {"offset": 1}),
]

OTHERS = [
    ("clip", (-1, 1), {}),
    ("conj", (), {}),
    ("conjugate", (), {}),
    ("swapaxes", (0, 1), {}),
    ("diagonal", (), {"offset": -1}),
    ("nonzero", (), {}),
    ("dot", (F.T,), {}),
    ("astype", ("float32",), {}),
    ("take", ([0, 5, -1],), {}),
    ("take", ([[0, 2]],), {"axis": 1}),
    ("take", ([7, -9],), {"axis": 0, "mode": "wrap"}),
    ("take", ([7, -9],), {"axis": 0, "mode": "clip"}),
    ("repeat", (2,), {"axis": 0}),
    ("repeat", (2,), {}),
    ("compress", ([True, False, True],), {"axis": 0}),
    ("round", (), {}),
    ("round", (1,), {}),
    ("reshape", (2, 6), {}),
    ("reshape", ((2, -1),), {"order": "F"}),
    ("reshape", (-1,), {"order": "F"}),
    ("transpose", (), {}),
    ("transpose", (0, 1), {}),
    ("ravel", (), {}),
    ("ravel", ("F",), {}),
    ("flatten", (), {}),
    ("flatten", ("F",), {}),
    ("squeeze", (), {}),
    ("argsort", (), {}),
    ("argsort", (), {"axis": None, "kind": "stable"}),
    ("item", (5,), {}),
    ("item", (1, 2), {}),
    ("item", ((1, 2),), {}),
    ("tolist", (), {}),
]


def same(ours, numpys):
    if isinstance(numpys, tuple):
        assert len(ours) == len(numpys)
        for a, b in zip(ours, numpys, strict=True):
            same(a, b)
        return
    if not isinstance(ours, xg.Tensor):
        assert type(ours) is type(numpys) and ours == numpys
        return
    expected = np.asarray(numpys)
    known = all(n == n for n in ours.shape)  # Dask knows the shape of a selection only when it is computed
    assert (ours if known else ours.numpy()).shape == expected.shape and ours.dtype == expected.dtype
    tolerance = 1e-6 if expected.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(ours.numpy(), expected, rtol=tolerance, atol=tolerance)


NUMERIC = ("max", "min", "argmax", "argmin", "var", "std", "mean", "prod")  # truths have no order and no mean
VALUES = {"float": F, "int": I, "bool": B, "single": F.astype(np.float32)}
REDUCED = [(kind, *case) for kind in VALUES for case in REDUCTIONS if kind != "bool" or case[0] not in NUMERIC]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("kind", "name", "options"), REDUCED, ids=lambda v: str(sorted(v)) if isinstance(v, dict) else v
)
def test_reductions(kind, name, options, device):
    values = VALUES[kind]
    if kind in ("bool", "int") and options.get("initial") == 0.5:
        options = options | {"initial": 1}
    same(getattr(xg.asarray(values, device=device), name)(**options), getattr(values, name)(**options))


def test_ptp(device):
    same(xg.asarray(F, device=device).ptp(axis=0), np.ptp(F, axis=0))


@pytest.mark.parametrize("case", OTHERS, ids=lambda c: f"{c[0]}-{c[1]}-{c[2]}".replace("\n", "")[:40])
def test_other_methods(case, device):
    name, args, options = case
    for values in (F, I):
        x = xg.asarray(values, device=device)
        given = [xg.asarray(a, device=device) if isinstance(a, np.ndarray) else a for a in args]
        same(getattr(x, name)(*given, **options), getattr(values, name)(*args, **options))


def test_searchsorted_choose_and_fill(device):
    x = xg.asarray(np.array([1.0, 2.0, 4.0]), device=device)
    same(x.searchsorted([1.5, 4.0], side="right"), np.array([1.0, 2.0, 4.0]).searchsorted([1.5, 4.0], side="right"))
    same(xg.asarray([1, 0], device=device).choose([x[:2], x[1:]]), np.array([2.0, 2.0]))
    leaf = xg.Tensor(F, device=device)
    y = leaf * 2
    view = y[0]
    view.fill(7.0)
    y.sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), [[0.0] * 4, [2.0] * 4, [2.0] * 4])


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min"])
@pytest.mark.parametrize("options", [{"axis": 1}, {}, {"axis": 0, "keepdims": True}])
def test_masked_reductions_are_differentiable(name, options, device):
    more = {"initial": 0.3} if name in ("max", "min") else {}
    x = xg.asarray(F + 0.01 * np.arange(12).reshape(3, 4), device=device)
    gradcheck(lambda x: getattr(x, name)(where=M, **options, **more), x, order=2)


def test_what_is_masked_out_has_no_gradient_and_may_be_anything(device):
    for name in ("sum", "mean", "var", "std", "prod"):
        x = xg.Tensor(np.where(M, F, np.nan), device=device)
        getattr(x, name)(where=M).backward()
        assert np.isfinite(x.grad.numpy()).all(), name
        assert not x.grad.numpy()[~M].any(), name


def test_a_masked_deviation_of_equal_elements_has_derivative_zero(device):
    x = xg.Tensor([2.0, 2.0, 5.0], device=device)
    x.std(where=np.array([True, True, False])).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.0, 0.0])


def test_an_empty_extremum_needs_an_initial_value(device):
    x = xg.asarray(np.zeros((0, 2)), device=device)
    same(x.max(axis=0, initial=1.5), np.zeros((0, 2)).max(axis=0, initial=1.5))
    with pytest.raises(ValueError, match="max: where= needs initial="):
        xg.asarray(F, device=device).max(where=M)


@pytest.mark.parametrize(
    "name", ["sum", "mean", "max", "std", "argmax", "cumsum", "clip", "take", "round", "ptp", "any"]
)
def test_out_is_refused_by_name(name):
    args = {"take": ([0],), "clip": (0, 1)}.get(name, ())
    with pytest.raises(TypeError, match=rf"^{name}: out= is not served; got ndarray"):
        getattr(xg.Tensor(F), name)(*args, out=np.zeros(4))


@pytest.mark.parametrize("name", ["view", "byteswap", "resize", "partition", "setflags"])
def test_what_a_tensor_cannot_do_says_what_to_do(name):
    with pytest.raises(AttributeError, match=rf"^{name}: a Tensor has no such method.*Use|Writes|Gradients"):
        getattr(xg.Tensor(F), name)(2)


def test_wrong_words_are_named():
    with pytest.raises(ValueError, match="order must be 'C' or 'F'; got 'X'"):
        xg.Tensor(F).reshape(4, 3, order="X")
    with pytest.raises(ValueError, match="mode must be 'raise', 'wrap' or 'clip'; got 'no'"):
        xg.Tensor(F).take([0], mode="no")
    with pytest.raises(TypeError, match="casting='safe' forbids"):
        xg.Tensor(F).astype("float32", casting="safe")


def test_numpys_second_names_are_the_same_functions():
    second = [
        "absolute",
        "arccos",
        "arccosh",
        "arcsin",
        "arcsinh",
        "arctan",
        "arctan2",
        "arctanh",
        "amax",
        "amin",
        "conjugate",
        "power",
        "mod",
        "invert",
    ]
    first = [
        "abs",
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "max",
        "min",
        "conj",
        "pow",
        "remainder",
        "bitwise_invert",
    ]
    assert all(getattr(xg, a) is getattr(xg, b) for a, b in zip(second, first, strict=True))
