"""einsum: random specifications against NumPy, by value and by derivative, and what it says when one is wrong."""

import importlib
import string
import sys

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import gradcheck

KINDS = [np.float64, np.float64, np.float32, np.complex128, np.int64, np.int32]


def specification(seed):
    """A random specification, and operands for it: repeats, ellipses, broadcast and empty axes, mixed dtypes."""
    rng = np.random.default_rng(seed)
    letters = list(rng.choice(list(string.ascii_letters), 5, replace=False))
    extents = {c: int(rng.choice([1, 2, 2, 3, 4, 0], p=[0.1, 0.2, 0.2, 0.3, 0.17, 0.03])) for c in letters}
    wide = tuple(int(n) for n in rng.choice([1, 2, 3], rng.integers(0, 3)))
    terms, operands = [], []
    for _ in range(int(rng.choice([1, 2, 2, 3, 4]))):
        names = [str(c) for c in rng.choice(letters, rng.integers(0, 4))]
        shape = [extents[c] for c in names]
        for k, c in enumerate(names):  # an axis of one, where the letter is not repeated
            if names.count(c) == 1 and rng.random() < 0.1:
                shape[k] = 1
        dots = rng.random() < 0.35
        if dots:
            place, inner = int(rng.integers(0, len(names) + 1)), wide[len(wide) - int(rng.integers(0, len(wide) + 1)) :]
            inner = tuple(1 if rng.random() < 0.2 else n for n in inner)
            names.insert(place, "...")
            shape[place:place] = inner
        terms.append("".join(names))
        kind = KINDS[rng.integers(len(KINDS))]
        values = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)
        values = values + 1j * rng.uniform(-1, 1, shape) if kind is np.complex128 else values * (1 + (kind is np.int64))
        operands.append(values.astype(kind))
    text = ",".join(terms)
    used = sorted(set(text) - set(",."))
    if rng.random() < 0.75:
        chosen = [c for c in rng.permutation(used) if rng.random() < 0.5] if used else []
        if "..." in text:
            chosen.insert(int(rng.integers(0, len(chosen) + 1)), "...")
        text += "->" + "".join(chosen)
    if rng.random() < 0.2:
        text = text.replace(",", " , ").replace("->", " -> ")
    return text, operands


SPECIFICATIONS = [specification(seed) for seed in range(400)]


def test_the_generator_makes_every_kind():
    texts = [text.replace(" ", "") for text, _ in SPECIFICATIONS]
    terms = [term for text in texts for term in text.partition("->")[0].split(",")]
    assert sum("..." in t for t in terms) > 100
    assert sum(any(t.count(c) == 2 for c in t.replace(".", "")) for t in terms) > 30
    assert sum(any(t.count(c) == 3 for c in t.replace(".", "")) for t in terms) > 2
    assert sum("->" not in t for t in texts) > 50
    assert sum(0 in v.shape for _, vs in SPECIFICATIONS for v in vs) > 10
    assert sum(len({v.dtype for v in vs}) > 1 for _, vs in SPECIFICATIONS) > 100


@pytest.mark.parametrize("block", range(8))
def test_values_are_numpys(block, device):
    for text, operands in SPECIFICATIONS[block::8]:
        expected = np.asarray(np.einsum(text, *operands))
        ours = xg.einsum(text, *(xg.asarray(v, device=device) for v in operands))
        assert ours.dtype == expected.dtype and ours.shape == expected.shape, text
        tolerance = 2e-5 if expected.dtype in (np.float32, np.complex64) else 1e-12
        np.testing.assert_allclose(ours.numpy(), expected, rtol=tolerance, atol=tolerance, err_msg=text)


@pytest.mark.parametrize("block", range(8))
def test_derivatives(block, device):
    for text, operands in SPECIFICATIONS[block::8]:
        doubles = [v.astype(np.float64) if v.dtype.kind != "c" else v for v in operands]
        try:
            gradcheck(
                lambda *xs, text=text: xg.einsum(text, *xs),
                *(xg.asarray(v, device=device) for v in doubles),
                order=2 if block == 0 else 1,
            )
        except Exception as error:
            error.add_note(f"in einsum({text!r})")
            raise


@pytest.mark.parametrize(
    "optimize", [True, False, "greedy", "optimal", ["einsum_path", (0, 2), (0, 1)], [(1, 2), (0, 1)]]
)
def test_any_order_of_contraction(optimize, device, rng):
    arrays = [rng.normal(size=s) for s in ((2, 3), (3, 4), (4, 5))]
    ours = xg.einsum("ij,jk,kl->li", *(xg.asarray(a, device=device) for a in arrays), optimize=optimize)
    np.testing.assert_allclose(ours.numpy(), np.linalg.multi_dot(arrays).T, rtol=1e-13)


def test_several_operands_at_one_step(rng):
    arrays = [rng.normal(size=s) for s in ((2, 3), (3, 4), (4, 5))]
    ours = xg.einsum("ij,jk,kl->li", *arrays, optimize=[(0, 1, 2)])
    np.testing.assert_allclose(ours.numpy(), np.linalg.multi_dot(arrays).T, rtol=1e-13)
    with pytest.raises(ValueError, match="path that contracts 3 operands"):
        xg.einsum("ij,jk,kl->li", *arrays, optimize=[(0, 1)])


def test_without_opt_einsum_the_order_is_greedy(monkeypatch, rng):
    page = importlib.import_module("xgrad.ops.einsum")
    arrays = [rng.normal(size=s) for s in ((7, 2), (2, 9), (9, 2), (2, 2, 9))]
    expected = np.einsum("ij,jk,kl,ljm->im", *arrays)
    monkeypatch.setitem(sys.modules, "opt_einsum.paths", None)
    page._pairwise.cache_clear()
    np.testing.assert_allclose(xg.einsum("ij,jk,kl,ljm->im", *arrays).numpy(), expected, rtol=1e-12)
    extents = dict(zip("ijk", (100, 2, 100), strict=True))
    path = page._greedy([frozenset("ij"), frozenset("k"), frozenset("jk")], frozenset("i"), extents)
    assert path == ((1, 2), (0, 1))  # never the outer product of the first two
    page._pairwise.cache_clear()


def test_interleaved_form(device, rng):
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    x, y = xg.asarray(a, device=device), xg.asarray(b, device=device)
    np.testing.assert_allclose(xg.einsum(x, [0, 1], y, [1, 2], [2, 0]).numpy(), (a @ b).T)
    np.testing.assert_allclose(xg.einsum(x, [5, 1], y, [1, 2]).numpy(), np.einsum(a, [5, 1], b, [1, 2]))
    np.testing.assert_allclose(xg.einsum(x, [..., 0], x, [..., 0], [...]).numpy(), (a * a).sum(1))
    np.testing.assert_allclose(xg.einsum(x, [100, 7], [7, 100]).numpy(), a.T)


def test_one_operand_many_times(device):
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    gradcheck(lambda x: xg.einsum("ij,jk,ki->", x, x, x), xg.asarray(x, device=device), order=2)
    leaf = xg.Tensor(x, device=device)
    xg.einsum("ij,ij->", leaf, leaf).backward()
    np.testing.assert_allclose(leaf.grad.numpy(), 2 * x)


def test_truths(device):
    a, b = np.array([[True, False], [True, True]]), np.array([[True, False], [False, False]])
    ours = xg.einsum("ij,jk->ik", xg.asarray(a, device=device), xg.asarray(b, device=device))
    np.testing.assert_array_equal(ours.numpy(), np.einsum("ij,jk->ik", a, b))
    assert ours.dtype == np.bool_
    assert xg.einsum("ij->", xg.asarray(a, device=device)).dtype == np.bool_


def test_numbers_and_dtype(device):
    x = xg.asarray(np.arange(3, dtype=np.float32), device=device)
    assert xg.einsum(",i->i", 2.0, x).dtype == np.float32
    assert xg.einsum("i,i->i", x, x, dtype="float64").dtype == np.float64
    np.testing.assert_array_equal(xg.einsum(",i->i", 2.0, x).numpy(), [0, 2, 4])


@pytest.mark.parametrize(
    "text", ["ij,jk->ik", "bij,bjk->bik", "...ij,...jk->...ik", "bij,jk->bik", "ij,kj->ik", "ij,jk->ki"]
)
def test_one_matrix_product_and_nothing_copied(text, monkeypatch, rng):
    """Matrix products of whatever layout reach the library as one matmul of views."""
    terms = text.replace("...", "b").partition("->")[0].split(",")
    operands = [xg.Tensor(rng.normal(size=[{"b": 2, "i": 3, "j": 4, "k": 5, "c": 6}[c] for c in t])) for t in terms]
    calls = []
    numpy = importlib.import_module("xgrad.backends").get("numpy")

    def matmul(x1, x2):
        calls.append((x1, x2))
        return np.matmul(x1, x2)

    monkeypatch.setitem(xg.matmul.op.short, np.ndarray, (matmul, numpy))
    out = xg.einsum(text, *operands)
    np.testing.assert_allclose(
        out.numpy() if not out.requires_grad else out.value, np.einsum(text, *(x.value for x in operands))
    )
    ((x1, x2),) = calls
    assert all(any(np.shares_memory(v, x.value) for x in operands) for v in (x1, x2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ij,jk->ik", np.ones((2, 3)), np.ones((4, 5))), "'j' must have one extent; got 3 in operand 0, 4 in 1"),
        (("ij,jk", np.ones((2, 3))), "name 2 operands; got 1"),
        (("ijk,jk", np.ones((2, 3)), np.ones((2, 3))), "operand 0 has 2 axes; got the subscripts 'ijk', which name 3"),
        (("i,jk", np.ones((2, 3)), np.ones((2, 3))), "operand 0 has 2 axes; got the subscripts 'i', which name 1"),
        (("ii", np.ones((2, 3))), "'i' must have one extent; got 2 in operand 0, 3 in 0"),
        (("ij->ik", np.ones((2, 3))), "the result names 'k'; got no operand that has it"),
        (("ij->ii", np.ones((2, 3))), "the result names 'i' more than once"),
        (("i!->i", np.ones((2, 3))), "got '!' in 'i!'"),
        (("...i...->i", np.ones((2, 3))), "more than one '...'"),
        (("...i->i", np.ones((2, 3))), "the operands have axes of '...'"),
        (("...i,...i->...", np.ones((2, 3)), np.ones((4, 3))), "axis -1 of '...' must have one extent"),
        ((np.ones((2, 3)), [0, 1], [0, 2]), "the result names 2"),
    ],
)
def test_errors_name_the_operand_and_the_letter(arguments, message):
    with pytest.raises(ValueError) as caught:
        xg.einsum(*arguments)
    assert message in str(caught.value)


def test_errors_of_kind():
    with pytest.raises(TypeError, match="a list after every operand"):
        xg.einsum(np.ones(3))
    with pytest.raises(TypeError, match="a list of ints"):
        xg.einsum(np.ones(3), 5)
