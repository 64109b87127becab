"""Linear algebra where derivatives go wrong: repeated values, singular matrices, zeros, triangles, odd memory."""

import math

import numpy as np
import pytest

import xgrad as xg
from xgrad.errors import GraphError
from xgrad.registry import composites
from xgrad.testing import gradcheck

from .cases.domains import hermitian
from .cases.linalg import ORDERS, couples, projections

linalg = xg.linalg


def on(device, array, **kwargs):
    return xg.asarray(np.asarray(array), device=device, **kwargs)


def gradient(f, device, x):
    return xg.grad(f)(on(device, x)).numpy()


def rotation(rng, n, complex_=False):
    a = rng.standard_normal((n, n)) + (1j * rng.standard_normal((n, n)) if complex_ else 0)
    return np.linalg.qr(a)[0]


def with_values(rng, values, complex_=False):
    """A Hermitian matrix with these eigenvalues; rounding splits the repeated ones."""
    v = rotation(rng, len(values), complex_)
    return (v * np.asarray(values)) @ v.conj().T


# Repeated values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_functions_of_repeated_values_alone(device, dtype):
    eye = np.eye(3, dtype=dtype)
    for f, expected in (
        (lambda x: xg.sum(linalg.eigh(x).eigenvalues ** 2), 2),
        (lambda x: xg.sum(linalg.eigvalsh(x) ** 2), 2),
        (lambda x: xg.sum(xg.log(linalg.eigvalsh(x))), 1),
        (lambda x: xg.sum(linalg.svd(x).S), 1),
        (lambda x: xg.sum(linalg.svdvals(x) ** 3), 3),
        (lambda x: linalg.matrix_norm(x, ord="nuc"), 1),
        (lambda x: linalg.norm(x, ord=2), 1 / 3),
        (lambda x: xg.real(xg.sum(linalg.eigvals(x) ** 2)), 2),
        (lambda x: xg.real(linalg.det(x)), 1),
        (lambda x: linalg.slogdet(x).logabsdet, 1),
    ):
        np.testing.assert_allclose(gradient(f, device, eye), expected * eye, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("complex_", [False, True])
def test_projection_onto_the_space_of_a_repeated_value(device, complex_, rng):
    for values in ([1, 1, 1, 3], [0, 0, 2, 2], [5, 5, 5, 5]):
        x = on(device, with_values(rng, values, complex_))

        def projection(x, kept):
            v = linalg.eigh(hermitian(x)).eigenvectors[:, :kept]
            return v @ linalg.adjoint(v)

        group = values.count(values[0])
        gradcheck(lambda x, kept=group: projection(x, kept), x, order=1)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (2, 4)])
@pytest.mark.parametrize("complex_", [False, True])
def test_polar_factor_where_all_singular_values_are_equal(device, shape, complex_, rng):
    k = min(shape)
    x = on(device, 1.7 * rotation(rng, max(shape), complex_)[: shape[0], : shape[1]])

    def polar(x):
        u, _, vh = linalg.svd(x, full_matrices=False)
        return u @ vh

    gradcheck(polar, x, order=1)
    gradcheck(lambda x: linalg.matrix_norm(x, ord="nuc"), x, order=1)
    gradcheck(lambda x: linalg.svdvals(x).sum() + linalg.svd(x, full_matrices=False).S[k - 1] * 0, x, order=1)


def test_space_of_the_largest_singular_values(device, rng):
    u, v = rotation(rng, 4), rotation(rng, 3)
    x = on(device, (u[:, :3] * np.array([2.0, 2.0, 0.5])) @ v.T)

    def projection(x, full):
        u = linalg.svd(x, full_matrices=full).U[:, :2]
        return u @ u.mT

    for full in (True, False):
        gradcheck(lambda x, full=full: projection(x, full), x, order=1)


def test_weights_that_are_stationary_at_the_repeated_value(device, rng):
    x = on(device, with_values(rng, [1.0, 1.0, 3.0]))

    def weighted(x):
        w, v = linalg.eigh(hermitian(x))
        return (v * xg.cos(np.pi * w)) @ v.mT

    gradcheck(weighted, x, order=1, rtol=1e-5)


def test_what_no_pullback_can_know(device):
    """At the identity two functions have equal cotangents of w and V (or U, S and Vh), and different derivatives."""

    def same(x):
        w, v = linalg.eigh(x)
        return xg.sum((v * w) @ v.mT)

    def constant_beside_values(x):
        w, v = linalg.eigh(x)
        return xg.sum(w) + xg.sum(v @ v.mT)

    eye = np.eye(3)
    first, second = gradient(same, device, eye), gradient(constant_beside_values, device, eye)
    np.testing.assert_allclose(first, second, atol=1e-14)
    np.testing.assert_allclose(second, eye, atol=1e-14)  # right for the second; that of the first is all ones

    def product(x):
        u, s, vh = linalg.svd(x)
        return xg.sum((u * s) @ vh)

    def polar_beside_values(x):
        u, s, vh = linalg.svd(x)
        return xg.sum(s) + xg.sum(u @ vh)

    first, second = gradient(product, device, eye), gradient(polar_beside_values, device, eye)
    np.testing.assert_allclose(first, second, atol=1e-14)
    np.testing.assert_allclose(second, eye, atol=1e-14)
    apart = with_values(np.random.default_rng(0), [1.0, 2.0, 3.0])
    np.testing.assert_allclose(gradient(same, device, apart), np.ones((3, 3)), atol=1e-12)
    np.testing.assert_allclose(gradient(product, device, apart), np.ones((3, 3)), atol=1e-12)


def test_values_apart_in_one_matrix_of_a_stack_and_equal_in_another(device, rng):
    stack = np.stack([with_values(rng, [1.0, 2.0, 4.0]), np.eye(3)])
    weights = rng.standard_normal((3, 3))

    def f(x):
        w, v = linalg.eigh(x)
        return xg.sum((v[0] * w[0] ** 2) @ v[0].mT * weights) + xg.sum(w[1] ** 2)

    x = stack[0]
    expected = hermitian(weights) @ x + x @ hermitian(weights)
    np.testing.assert_allclose(gradient(f, device, stack), np.stack([expected, 2 * np.eye(3)]), atol=1e-12)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_values_close_to_each_other(device, gap, rng):
    """The error is that of the difference of two close numbers, no more."""
    x, weights = with_values(rng, [1.0, 1.0 + gap, 3.0]), rng.standard_normal((3, 3))

    def f(x):
        w, v = linalg.eigh(x)
        return xg.sum((v * w**2) @ v.mT * weights)

    expected = hermitian(weights) @ x + x @ hermitian(weights)
    np.testing.assert_allclose(gradient(f, device, x), expected, atol=1e-13 / gap)


# Parts of decompositions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float64", "complex128"])
def test_single_results(device, kind, rng):
    x = rng.standard_normal((4, 3)) + (1j * rng.standard_normal((4, 3)) if kind == "complex128" else 0)
    tall, square = on(device, x), on(device, x[:3] + np.diag([3, 5, 8]))
    for f in (
        lambda x: linalg.svd(x).S,
        lambda x: projections(linalg.svd(x).U[:, :3]),
        lambda x: projections(linalg.adjoint(linalg.svd(x).Vh)),
        lambda x: projections(linalg.qr(x).Q),
        lambda x: xg.abs(linalg.qr(x, mode="complete").R),
    ):
        gradcheck(f, tall)
    for f in (
        lambda x: linalg.eigh(hermitian(x)).eigenvalues,
        lambda x: projections(linalg.eigh(hermitian(x)).eigenvectors),
        lambda x: linalg.eig(x).eigenvalues,
        lambda x: projections(linalg.eig(x).eigenvectors),
        lambda x: couples(linalg.eig(x).eigenvectors, linalg.inv(linalg.eig(x).eigenvectors)),
        lambda x: linalg.slogdet(x).logabsdet,
        lambda x: linalg.slogdet(x).sign,
    ):
        gradcheck(f, square, rtol=1e-5)


def test_complex_eigenvalues_of_a_real_matrix(device):
    gradcheck(lambda x: linalg.eigvals(x), on(device, [[1.0, 2.0], [-3.0, 0.5]]))
    value, pull = xg.vjp(linalg.eigvals, on(device, [[0.0, 1.0], [-1.0, 0.0]]))
    assert value.dtype == np.complex128 and pull(xg.ones_like(value))[0].dtype == np.float64


def test_results_are_named():
    x = xg.asarray(np.eye(2))
    for function, fields in (
        (linalg.eigh, ("eigenvalues", "eigenvectors")),
        (linalg.eig, ("eigenvalues", "eigenvectors")),
        (linalg.qr, ("Q", "R")),
        (linalg.slogdet, ("sign", "logabsdet")),
        (linalg.svd, ("U", "S", "Vh")),
    ):
        assert function(x)._fields == fields
    assert linalg.eig(x).eigenvalues.dtype == np.complex128
    assert (linalg.matmul, linalg.tensordot) == (xg.matmul, xg.tensordot)
    assert (linalg.vecdot, linalg.matrix_transpose) == (xg.vecdot, xg.matrix_transpose)


def test_cotangents_of_one_result_raw_and_of_another_watched(device):
    x = on(device, [[2.0, 0.3], [0.3, 1.0]])
    _, pull = xg.vjp(lambda x: tuple(linalg.eigh(x)), x)
    fixed = on(device, [[0.1, 0.2], [0.3, 0.4]])

    def f(c):
        return xg.sum(pull((c, fixed))[0] ** 2)

    gradcheck(f, on(device, [0.7, -0.2]))


def test_forward_mode_through_decompositions(device, rng):
    x, v = with_values(rng, [1.0, 2.0, 4.0]), hermitian(rng.standard_normal((3, 3)))
    x, v = on(device, x), on(device, v)
    _, (rate, _) = xg.jvp(lambda x: tuple(linalg.eigh(x)), (x,), (v,))
    basis = linalg.eigh(x).eigenvectors
    np.testing.assert_allclose(rate.numpy(), linalg.diagonal(basis.mT @ v @ basis).numpy(), atol=1e-12)
    _, rate = xg.jvp(linalg.inv, (x,), (v,))
    np.testing.assert_allclose(rate.numpy(), (-linalg.inv(x) @ v @ linalg.inv(x)).numpy(), atol=1e-12)


# Triangles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("complex_", [False, True])
def test_gradients_of_hermitian_functions_are_hermitian(device, complex_, rng):
    x = with_values(rng, [1.0, 2.0, 4.0], complex_)
    weights = on(device, rng.standard_normal((3, 3)))
    for f in (
        lambda x: xg.sum(xg.abs(linalg.cholesky(x)) ** 2 * weights),
        lambda x: xg.sum(xg.abs(linalg.cholesky(x, upper=True)) ** 2 * weights),
        lambda x: xg.sum(linalg.eigvalsh(x) * weights[0]),
        lambda x: xg.sum(xg.abs(linalg.eigh(x).eigenvectors) ** 2 * weights),
    ):
        g = gradient(f, device, x)
        np.testing.assert_allclose(g, g.conj().T, atol=1e-13)
        assert np.abs(g).max() > 0.1


def test_one_triangle_is_read(device, rng):
    x = with_values(rng, [1.0, 2.0, 4.0])
    for f in (
        lambda x: xg.sum(linalg.cholesky(x)),
        lambda x: linalg.eigvalsh(x)[0],
        lambda x: linalg.eigh(x).eigenvalues[1],
    ):
        lower = np.tril(x) + np.triu(rng.standard_normal((3, 3)), k=1)
        np.testing.assert_allclose(gradient(f, device, lower), gradient(f, device, x), rtol=1e-10, atol=1e-13)


# Singular matrices ----------------------------------------------------------------------------------------------------


def of_rank(rng, n, rank, complex_=False):
    u, v = rotation(rng, n, complex_), rotation(rng, n, complex_)
    return (u[:, :rank] * (1.0 + np.arange(rank))) @ v[:, :rank].conj().T


@pytest.mark.parametrize("rank", [4, 3, 2, 1, 0])
@pytest.mark.parametrize("complex_", [False, True])
def test_determinants_of_every_rank_to_second_order(device, rank, complex_, rng):
    gradcheck(linalg.det, on(device, of_rank(rng, 4, rank, complex_)), order=2)
    gradcheck(linalg.cofactor, on(device, of_rank(rng, 4, rank, complex_)), order=1)


def test_determinants_that_are_known(device):
    assert gradient(linalg.det, device, [[0.0]]).tolist() == [[1.0]]
    np.testing.assert_allclose(gradient(linalg.det, device, [[1.0, 2.0], [2.0, 4.0]]), [[4.0, -2.0], [-2.0, 1.0]])
    zeros = on(device, np.zeros((3, 2, 2)))
    _, pull = xg.vjp(lambda x: xg.grad(lambda x: xg.sum(linalg.det(x)))(x), zeros)
    ct = np.arange(1.0, 13.0).reshape(3, 2, 2)
    swapped = np.stack([[[c[1, 1], -c[1, 0]], [-c[0, 1], c[0, 0]]] for c in ct])
    np.testing.assert_allclose(pull(on(device, ct))[0].numpy(), swapped, atol=1e-14)
    assert linalg.cofactor(on(device, np.zeros((0, 0)))).shape == (0, 0)
    assert gradient(linalg.det, device, np.zeros((0, 0))).shape == (0, 0)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_logarithm_of_a_determinant_of_zero(device, dtype):
    stack = np.array([[[1.0, 2.0], [2.0, 4.0]], [[2.0, 0.0], [0.0, 3.0]]], dtype=dtype)
    g = gradient(lambda x: xg.sum(linalg.slogdet(x).logabsdet), device, stack)
    assert np.isnan(g[0]).all()
    np.testing.assert_allclose(g[1], np.diag([0.5, 1 / 3]))

    def selected(x):
        sign, size = linalg.slogdet(x)
        return xg.sum(xg.where(sign != 0, size, 0.0))

    g = gradient(selected, device, stack)
    np.testing.assert_array_equal(g[0], np.zeros((2, 2)))
    np.testing.assert_allclose(g[1], np.diag([0.5, 1 / 3]))
    np.testing.assert_array_equal(gradient(lambda x: xg.real(xg.sum(linalg.slogdet(x).sign)), device, stack)[1], 0)


def test_pseudo_inverse_among_matrices_of_one_rank(device, rng):
    for kind in (0, 1j):
        left = rng.standard_normal((4, 2)) + kind * rng.standard_normal((4, 2))
        right = rng.standard_normal((2, 3)) + kind * rng.standard_normal((2, 3))
        gradcheck(lambda a, b: linalg.pinv(a @ b, rtol=1e-8), on(device, left), on(device, right), rtol=1e-5)
    gradcheck(linalg.pinv, on(device, np.eye(3)))  # repeated singular values are no obstacle


def test_tolerances_given_as_arrays(device):
    x = on(device, [np.diag([3.0, 1.0]), np.diag([3.0, 1.0])], requires_grad=True)
    for rtol in (on(device, [0.1, 0.5]), np.array([0.1, 0.5])):
        assert linalg.matrix_rank(x, rtol=rtol).tolist() == [2, 1]
        found = linalg.pinv(x, rtol=rtol)
        np.testing.assert_allclose(found.detach().numpy(), [np.diag([1 / 3, 1.0]), np.diag([1 / 3, 0.0])], atol=1e-15)
        found.sum().backward()
        np.testing.assert_allclose(x.grad.numpy()[:, 1, 1], [-1.0, 0.0], atol=1e-14)


def test_ranks(device, rng):
    stack = np.stack([of_rank(rng, 4, r) for r in (4, 2, 0)])
    ranks = linalg.matrix_rank(on(device, stack, requires_grad=True))
    assert ranks.tolist() == [4, 2, 0] and ranks.dtype.kind == "i" and not ranks.requires_grad
    assert linalg.matrix_rank(on(device, np.zeros((2, 0, 3)))).tolist() == [0, 0]


def test_formulas_for_libraries_that_lack_a_function(device, rng):
    xp = xg.backends.namespace_of(on(device, 1.0).value)
    x = on(device, np.stack([of_rank(rng, 4, r)[:, :3] for r in (3, 2)])).value
    for name, options in (
        ("svdvals", {}),
        ("pinv", {"rtol": 1e-8}),
        *(("vector_norm", {"axis": (0, 2), "ord": o}) for o in (2, 1, 0, 3, -1.5, math.inf, -math.inf)),
    ):
        ours, theirs = composites[f"linalg.{name}"](xp, x, **options), getattr(xp.linalg, name)(x, **options)
        np.testing.assert_allclose(xp.to_numpy(ours), xp.to_numpy(theirs), atol=1e-13)
    assert composites["linalg.pinv"](xp, x[:, :0, :]).shape == (2, 3, 0)


# Norms ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ord", [2, 1, 0, 3, 1.5, 0.5, -1, -2.5, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.filterwarnings("ignore:divide by zero")  # in the value of a negative order
def test_norms_of_zero_vectors(device, ord, dtype):
    zeros = np.zeros((2, 3), dtype=dtype)
    for axis in (None, -1, (0, 1)):

        def f(x, axis=axis):
            return xg.sum(linalg.vector_norm(x, axis=axis, ord=ord))

        np.testing.assert_array_equal(gradient(f, device, zeros), zeros)
        np.testing.assert_array_equal(gradient(lambda x, f=f: f(x) ** 2, device, zeros), zeros)
        second = gradient(lambda x, f=f: xg.sum(xg.real(xg.grad(f)(x)) ** 2), device, zeros)
        np.testing.assert_array_equal(second, zeros)


@pytest.mark.parametrize("ord", [2, 3, 4, 1.5])
def test_rows_of_zeros_leave_the_others_alone(device, ord, rng):
    x = rng.uniform(0.5, 1.5, (3, 4))
    whole = xg.grad(lambda x: xg.sum(xg.grad(lambda x: xg.sum(linalg.vector_norm(x, axis=1, ord=ord)))(x) ** 2))
    expected = np.array(whole(on(device, x)).numpy())
    x[1] = 0
    expected[1] = 0
    np.testing.assert_allclose(whole(on(device, x)).numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("ord", [3, 2, 4])
def test_an_element_of_zero(device, ord):
    gradcheck(lambda x: linalg.vector_norm(x, ord=ord), on(device, [0.0, 0.7, -1.1]), order=1)


@pytest.mark.parametrize("ord", ORDERS)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_norms_of_zero_matrices(device, ord, dtype):
    zeros = np.zeros((2, 3, 3), dtype=dtype)
    np.testing.assert_array_equal(gradient(lambda x: xg.sum(linalg.matrix_norm(x, ord=ord)), device, zeros), zeros)


def test_ties_of_norms_share(device):
    def largest(x):
        return linalg.vector_norm(x, ord=math.inf)

    np.testing.assert_array_equal(gradient(largest, device, [2.0, -2.0, 1.0]), [0.5, -0.5, 0.0])
    np.testing.assert_array_equal(
        gradient(lambda x: linalg.vector_norm(x, ord=-math.inf), device, [2.0, -1.0, 1.0]), [0.0, -0.5, 0.5]
    )
    np.testing.assert_array_equal(
        gradient(lambda x: linalg.matrix_norm(x, ord=1), device, [[1.0, -1.0], [1.0, 1.0]]), [[0.5, -0.5], [0.5, 0.5]]
    )


def test_norms_like_numpys(device, rng):
    a = rng.standard_normal((3, 4, 2))
    for kwargs in (
        {},
        {"keepdims": True},
        {"axis": 1},
        {"axis": (1,), "ord": 3},
        {"axis": (2, 0), "ord": 1},
        {"axis": (0, -1), "ord": "nuc", "keepdims": True},
        {"axis": -1, "ord": -math.inf, "keepdims": True},
    ):
        ours, theirs = linalg.norm(on(device, a), **kwargs).numpy(), np.linalg.norm(a, **kwargs)
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    for ord in (None, *ORDERS):
        np.testing.assert_allclose(linalg.norm(on(device, a[0]), ord).numpy(), np.linalg.norm(a[0], ord), rtol=1e-13)
    for ord in (None, 1, 3, math.inf):
        np.testing.assert_allclose(linalg.norm(on(device, a[0, 0]), ord).numpy(), np.linalg.norm(a[0, 0], ord))


# Memory, kinds, errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["cpu", "torch:cpu"])
def test_arrays_in_any_layout(place, rng):
    if place == "torch:cpu":
        pytest.importorskip("torch")
    base = rng.standard_normal((4, 4)) + np.diag([3.0, 5.0, 7.0, 9.0])
    x = on(place, base)
    functions = (
        lambda x: linalg.inv(x),
        lambda x: linalg.det(x),
        lambda x: linalg.solve(x, x[:, 1:]),
        lambda x: linalg.cholesky(x @ x.T),
        lambda x: linalg.svdvals(x),
        lambda x: linalg.pinv(x[:, 1:]),
        lambda x: linalg.qr(x[::2, :]).R,
        lambda x: linalg.eigvalsh(hermitian(x)),
        lambda x: linalg.diagonal(x, offset=1),
        lambda x: linalg.vector_norm(x, axis=0),
    )
    views = (lambda a: a.T, lambda a: xg.flip(xg.flip(a), axis=0), lambda a: a[::2, ::2], lambda a: a[1:, 1:])
    for view in views:
        for f in functions:
            here, there = on(place, x.numpy(), requires_grad=True), on(place, x.numpy(), requires_grad=True)
            ours, theirs = f(view(here)), f(xg.reshape(view(there), (-1,))[:].reshape(view(there).shape) * 1.0)
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), atol=1e-12)
            ct = xg.broadcast_to(on(place, 0.7), ours.shape)  # its elements share memory
            ours.backward(ct)
            theirs.backward(xg.asarray(ct, copy=True) * 1.0)
            np.testing.assert_allclose(here.grad.numpy(), there.grad.numpy(), atol=1e-12)


def test_integers_are_computed_in_float64(device):
    x = on(device, [[2, 1], [1, 3]])
    for f in (linalg.inv, linalg.det, linalg.eigvalsh, linalg.svdvals, linalg.cholesky, linalg.vector_norm):
        assert f(x).dtype == np.float64
    leaf = xg.Tensor([[2, 1], [1, 3]], device=device)
    linalg.det(leaf).backward()
    np.testing.assert_allclose(leaf.grad.numpy(), [[3.0, -1.0], [-1.0, 2.0]])
    leaf = xg.Tensor([[2, 1], [1, 3]], device=device)
    linalg.solve(leaf, on(device, [1.0, 2.0]))[0].backward()
    assert leaf.grad.dtype == np.float64


def test_products_of_many_in_the_order_of_least_work(device, rng, monkeypatch):
    arrays = [on(device, rng.standard_normal(s)) for s in ((10, 2), (2, 20), (20, 3))]
    sizes, matmul = [], xg.registry.functions.matmul

    def noted(a, b):
        sizes.append(a.shape[0] * a.shape[1] * b.shape[1])
        return matmul(a, b)

    monkeypatch.setattr(xg.registry.functions, "matmul", noted)
    product = linalg.multi_dot(arrays)
    assert sum(sizes) == 2 * 20 * 3 + 10 * 2 * 3
    np.testing.assert_allclose(product.numpy(), np.linalg.multi_dot([a.numpy() for a in arrays]))
    assert linalg.multi_dot([arrays[0][0], arrays[1], arrays[2][:, 0]]).shape == ()


def test_functions_of_the_standard_that_the_table_leaves_out(device, rng):
    a = rng.standard_normal((3, 4))
    for offset in range(-4, 6):
        np.testing.assert_array_equal(linalg.diagonal(on(device, a), offset=offset).numpy(), np.diagonal(a, offset))
        np.testing.assert_allclose(linalg.trace(on(device, a), offset=offset).numpy(), np.trace(a, offset))
    assert linalg.trace(on(device, np.eye(2, dtype=np.float32)), dtype=xg.float64).dtype == np.float64
    square = rng.standard_normal((2, 3, 3))
    for n in (-3, -1, 0, 1, 2, 5, 8):
        ours = linalg.matrix_power(on(device, square), n).numpy()
        np.testing.assert_allclose(ours, np.linalg.matrix_power(square, n), rtol=1e-9)
    g = gradient(lambda x: xg.sum(linalg.matrix_power(x, 0) * x), device, square)
    np.testing.assert_array_equal(g, np.broadcast_to(np.eye(3), square.shape))
    u, v = on(device, a[:, :3]), on(device, a[0, :3])
    np.testing.assert_allclose(linalg.cross(u, v).numpy(), np.cross(a[:, :3], a[0, :3]))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: linalg.inv(x[:, :1]), ValueError, r"linalg.inv: .*\(2, 1\)"),
        (lambda x: linalg.outer(x, x), ValueError, r"outer: x1 and x2 must be vectors"),
        (lambda x: linalg.cross(x, x), ValueError, r"cross: vectors must have 3 elements"),
        (lambda x: linalg.cross(xg.zeros(3), xg.zeros((3, 3)), axis=0), ValueError, r"cross: axis .*from the end"),
        (lambda x: linalg.vecdot(x, x[:, :1]), ValueError, r"vecdot: .*\(2, 2\) and \(2, 1\)"),
        (lambda x: linalg.matrix_power(x[:1], 2), ValueError, r"matrix_power: .*\(1, 2\)"),
        (lambda x: linalg.matrix_power(x, 0.5), TypeError, r"integer"),
        (lambda x: linalg.matrix_norm(x, ord=3), ValueError, r"matrix_norm: .*got ord 3"),
        (lambda x: linalg.matrix_norm(x[0]), ValueError, r"matrix_norm: .*\(2,\)"),
        (lambda x: linalg.norm(xg.zeros((2, 2, 2)), ord=2), ValueError, r"norm: axis .*got 3"),
        (lambda x: linalg.matrix_rank(x[0]), ValueError, r"matrix_rank: .*\(2,\)"),
        (lambda x: linalg.multi_dot([x]), ValueError, r"multi_dot: at least two"),
        (lambda x: linalg.multi_dot([x, x[0], x]), ValueError, r"multi_dot: .*1 axes at 1"),
    ],
)
def test_errors(call, error, words, device):
    with pytest.raises(error, match=words):
        call(on(device, np.eye(2)))


@pytest.mark.parametrize("place", ["cpu", "strict", "torch:cpu"])  # the others answer with NaN, or later
def test_matrices_that_have_no_inverse_or_factor(place):
    if place == "torch:cpu":
        pytest.importorskip("torch")
    x = on(place, np.eye(2))
    for call, words in (
        (lambda: linalg.inv(x * 0), r"linalg.inv: .*[sS]ingular"),
        (lambda: linalg.solve(x * 0, x), r"linalg.solve: .*[sS]ingular"),
        (lambda: linalg.cholesky(-x), r"linalg.cholesky: .*definite"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_a_rank_has_no_gradient(device):
    with pytest.raises(GraphError):
        linalg.matrix_rank(on(device, np.eye(2), requires_grad=True)).backward()
