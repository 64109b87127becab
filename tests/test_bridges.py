"""Functions of xgrad in PyTorch and JAX, and theirs in xgrad: values, derivatives of both orders, memory, errors."""

import dataclasses

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import gradcheck

from_torch, to_torch = xg.bridges.from_torch, xg.bridges.to_torch
from_jax, to_jax = xg.bridges.from_jax, xg.bridges.to_jax

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # of PyTorch's own modules


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


def ours(xp, a, b):
    """Two results, one of them used by few; the same for every library that has NumPy's names."""
    return {"product": xp.sin(a) @ b, "rest": (xp.exp(a), xp.tanh(b))}


def complex_one(xp, z):
    return xp.exp(z) * xp.conj(z) * xp.abs(z)


@pytest.fixture
def a(rng):
    return rng.standard_normal((3, 4))


@pytest.fixture
def b(rng):
    return rng.standard_normal((4, 2))


@pytest.fixture
def z(rng):
    return rng.standard_normal((2, 3)) + 1j * rng.standard_normal((2, 3))


# Theirs in xgrad ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["torch", "jax"])
def imported(request):
    """``(library, importer)``."""
    if request.param == "torch":
        return pytest.importorskip("torch"), from_torch
    pytest.importorskip("jax")
    return pytest.importorskip("jax.numpy"), from_jax


@pytest.mark.parametrize("device", ["cpu", "strict", "torch:cpu", "jax:cpu"])
def test_imported_functions_have_values_and_derivatives_of_both_orders(imported, device, a, b):
    library, importer = imported
    if reason := xg.devices().get(device.partition(":")[0]):
        pytest.skip(reason)
    f = importer(lambda a, b: ours(library, a, b))
    x, y = xg.asarray(a, device=device), xg.asarray(b, device=device)
    out = f(x, b=y)
    assert out["product"].device == x.device and type(out["rest"]) is tuple
    np.testing.assert_allclose(out["product"].numpy(), np.sin(a) @ b)
    np.testing.assert_allclose(out["rest"][1].numpy(), np.tanh(b))
    gradcheck(f, x, y, order=2)


def test_imported_complex_gradients_have_xgrads_convention(imported, z):
    library, importer = imported
    f = importer(lambda z: complex_one(library, z))
    gradcheck(f, z, order=2)
    np.testing.assert_allclose(xg.grad(lambda z: xg.sum(xg.abs(f(z)) ** 2))(z), xg.grad(_squared)(z))


def _squared(z):
    return xg.sum(xg.abs(complex_one(xg, z)) ** 2)


def test_imported_functions_run_once_in_each_direction(imported, a):
    library, importer = imported
    calls = []

    def f(x):
        calls.append(1)
        return library.sin(x)

    x = xg.Tensor(a)
    importer(f)(x).sum().backward()
    assert len(calls) == 1
    np.testing.assert_allclose(x.grad.numpy(), np.cos(a))


def test_imported_functions_with_integers_unused_arguments_and_other_things(imported, a, b):
    library, importer = imported

    def f(x, unused, index, scale, name="s"):
        assert name == "t" and scale == 2.0
        return x[index] * scale, library.argmax(x), library.ones((3,))

    index = np.array([2, 0, 0])
    value, pull = xg.vjp(lambda x, y: importer(f)(x, y, index, 2.0, name="t"), a, b)
    assert value[1] == np.argmax(a) and value[1].dtype.kind == "i"
    first, second = pull((np.ones((3, 4)), np.float64(0), np.ones(3)))
    np.testing.assert_array_equal(first, np.array([4.0, 0.0, 2.0])[:, None] * np.ones(4))
    np.testing.assert_array_equal(second, np.zeros_like(b))


def test_imported_functions_in_forward_mode_and_under_nested_transforms(imported, a, b):
    library, importer = imported
    f = importer(lambda a, b: library.sin(a) @ b)
    np.testing.assert_allclose(xg.jvp(f, (a, b), (a, b))[1], (np.cos(a) * a) @ b + np.sin(a) @ b)
    hessian = xg.hessian(lambda a: xg.sum(f(a, b)))(a)
    np.testing.assert_allclose(hessian.reshape(12, 12), np.diag((-np.sin(a) * b.sum(1)).ravel()), atol=1e-12)
    outer = xg.Tensor(a)
    xg.sum(xg.grad(lambda b: xg.sum(f(outer, b)))(b)).backward()  # an inner gradient, an outer tape
    np.testing.assert_allclose(outer.grad.numpy(), 2 * np.cos(a), rtol=1e-12)


def test_imported_functions_take_views_and_read_only_memory(imported):
    library, importer = imported
    base = np.arange(12.0).reshape(3, 4)
    frozen = base.copy()
    frozen.flags.writeable = False
    for x in (base[::-1], base.T, base[:, ::2], np.broadcast_to(base[0], (3, 4)), frozen, base[:0], np.array(2.0)):
        np.testing.assert_allclose(xg.grad(lambda x: xg.sum(importer(library.sin)(x)))(x), np.cos(x))


def test_imported_results_are_not_written_to_behind_the_librarys_back(imported, a):
    library, importer = imported
    x = xg.Tensor(a)
    y = importer(library.exp)(x)  # both libraries keep the result for the pass back
    before = y * 1
    y[0] = 0.0
    xg.sum(before).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp(a))


def test_imported_results_of_uncommitted_arrays_follow_others(imported, a):
    library, importer = imported
    out = importer(library.sin)(a) + xg.ones((3, 4), device="strict")
    assert str(out.device).startswith("strict")
    constant = importer(lambda: library.ones((3,)))()
    assert constant.shape == (3,) and constant.device.backend in ("torch", "jax")


def test_what_is_returned_must_cross(imported, a):
    _, importer = imported
    for value in ("text", object()):
        for x in (a, xg.Tensor(a)):
            with pytest.raises(TypeError, match=rf"{importer.__name__}: the function must return arrays.*got"):
                importer(lambda x, value=value: value)(x)


def test_a_watched_tensor_of_pytorch_is_refused(torch):
    with pytest.raises(TypeError, match=r"from_torch: an argument is watched by PyTorch.*detach\(\)"):
        from_torch(torch.sin)(torch.ones(3, requires_grad=True))


def test_a_dtype_that_numpy_lacks_is_named(torch, a):
    for dtype in (torch.bfloat16, torch.float8_e4m3fn):  # JAX teaches NumPy their names, not PyTorch their arrays
        name = str(dtype).removeprefix("torch.")
        with pytest.raises(TypeError, match=f"NumPy has no {name}.*Convert the tensor to float32"):
            from_torch(lambda x, dtype=dtype: x.to(dtype))(a)
        with pytest.raises(TypeError, match=f"NumPy has no {name}.*Convert the tensor to float32"):
            to_torch(xg.sin)(torch.ones(3).to(dtype))


def test_the_readmes_example(torch):
    f = from_torch(torch.special.erfcx)
    h, e = 1e-4, lambda x: torch.special.erfcx(torch.tensor(x, dtype=torch.float64)).item() ** 2
    known = (e(1 + h) - 2 * e(1.0) + e(1 - h)) / h**2
    assert float(xg.hessian(lambda x: f(x) ** 2)(np.array(1.0))) == pytest.approx(known, rel=1e-5)


def test_imported_errors_are_the_functions_own_and_leave_nothing_behind(imported, a):
    library, importer = imported

    def broken(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        xg.grad(importer(broken))(a)
    with pytest.raises(TypeError, match="must be a function"):
        importer(a)
    assert xg.grad(lambda x: xg.sum(importer(library.sin)(x)))(a).shape == a.shape


def test_imported_by_pytorch_share_memory_with_numpy(torch, a):
    seen = []

    def f(x):
        seen.append(x.data_ptr())
        return x * 1

    x = xg.Tensor(a)
    out = from_torch(f)(x)
    assert seen == [x.value.ctypes.data]
    assert not out.value.flags.owndata


def test_a_module_is_trained_by_its_parameters(torch, rng):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 1))
    f = from_torch(lambda p, x: torch.func.functional_call(model, p, (x,)))
    parameters = {k: v.detach().numpy() for k, v in model.named_parameters()}
    value, gradient = xg.value_and_grad(lambda p: xg.mean((f(p, x) - y) ** 2))(parameters)
    loss = torch.nn.functional.mse_loss(model(torch.from_numpy(x)), torch.from_numpy(y))
    loss.backward()
    assert value == pytest.approx(loss.item())
    for name, p in model.named_parameters():
        np.testing.assert_allclose(gradient[name], p.grad.numpy(), rtol=1e-12)


def test_a_compiled_jax_function_is_called_from_xgrad(jax, a):
    f = from_jax(jax.jit(lambda x: jax.numpy.sin(x).sum()))
    np.testing.assert_allclose(xg.grad(f)(a), np.cos(a))


def test_jax_without_64_bits_is_an_error_that_says_so(jax, a):
    with jax.enable_x64(False), pytest.raises(TypeError, match="jax_enable_x64"):
        from_jax(jax.numpy.sin)(xg.Tensor(a))
    with jax.enable_x64(False):
        assert from_jax(jax.numpy.sin)(a.astype(np.float32)).dtype == np.float32


# Ours in PyTorch ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [None, "cpu", "torch:cpu", "strict"])
def test_exported_to_pytorch(torch, device, a, b):
    f = to_torch(lambda a, b: ours(xg, a, b), device=device)
    x, y = (torch.tensor(v, requires_grad=True) for v in (a, b))
    out = f(x, b=y)
    assert list(out) == ["product", "rest"] and out["product"].grad_fn is not None
    np.testing.assert_allclose(out["product"].detach().numpy(), np.sin(a) @ b)

    def flat(x, y):
        out = f(x, y)
        return out["product"], *out["rest"]

    assert torch.autograd.gradcheck(flat, (x, y), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(flat, (x, y))


def test_exported_complex_gradients_have_pytorchs_convention(torch, z):
    f = to_torch(lambda z: complex_one(xg, z))
    x = torch.tensor(z, requires_grad=True)
    assert torch.autograd.gradcheck(f, (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, (x,))
    found = torch.autograd.grad(f(x).abs().sum(), x)[0]
    wanted = torch.autograd.grad(complex_one(torch, x).abs().sum(), x)[0]
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-12)


def test_exported_functions_work_under_torch_func(torch, a, b):
    f = to_torch(lambda a, b: xg.sum(xg.sin(a) @ b))
    x, y = torch.tensor(a), torch.tensor(b)
    known = torch.tensor(np.diag((-np.sin(a) * b.sum(1)).ravel()))
    assert torch.allclose(torch.func.grad(f)(x, y), torch.cos(x) * y.sum(1))
    assert torch.allclose(torch.func.hessian(f)(x, y).reshape(12, 12), known)
    assert torch.allclose(torch.func.jacrev(torch.func.grad(f))(x, y).reshape(12, 12), known)
    assert torch.allclose(torch.func.vmap(f, in_dims=(0, None))(x, y), (torch.sin(x) @ y).sum(1))


def test_exported_functions_with_integers_constants_and_nothing_to_record(torch, a):
    f = to_torch(lambda x, i, scale: (x[i] * scale, xg.argmax(x), xg.ones(2)))
    x, i = torch.tensor(a, requires_grad=True), torch.tensor([2, 0, 0])
    rows, place, ones = f(x, i, 2.0)
    assert not place.requires_grad and place.item() == np.argmax(a)
    (rows.sum() + ones.sum()).backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.array([4.0, 0.0, 2.0])[:, None] * np.ones(4))
    with torch.no_grad():
        assert not f(x, i, 2.0)[0].requires_grad
    assert not f(x.detach(), i, 2.0)[0].requires_grad
    assert torch.equal(to_torch(lambda: xg.ones(2))(), torch.ones(2, dtype=torch.float64))


def test_exported_functions_are_called_once_and_pulled_back_often(torch, a):
    calls = []

    def f(x):
        calls.append(type(x.value).__module__.partition(".")[0])
        return xg.sin(x)

    x = torch.tensor(a, requires_grad=True)
    y = to_torch(f)(x)
    for _ in range(2):
        x.grad = None
        y.backward(torch.ones_like(y), retain_graph=True)
        np.testing.assert_allclose(x.grad.numpy(), np.cos(a))
    assert calls == ["numpy"]


def test_exported_to_pytorch_share_memory(torch, a):
    seen = []

    def f(x):
        seen.append(x.value.ctypes.data)
        y = xg.sin(x)
        seen.append(y.value.ctypes.data)
        return y

    x = torch.tensor(a)
    out = to_torch(f)(x)
    assert seen == [x.data_ptr(), out.data_ptr()]


@pytest.mark.parametrize("device", ["cpu", "torch:cpu"])
def test_a_write_to_a_result_does_not_reach_the_argument(torch, a, device):
    for f in (lambda x: x, lambda x: x[1:], lambda x: x.T, lambda x: xg.reshape(x, (12,)), lambda x: x[::-1]):
        x = torch.tensor(a, requires_grad=True)
        y = to_torch(f, device=device)(x)
        with torch.no_grad():
            y.mul_(0.0)
        np.testing.assert_array_equal(x.detach().numpy(), a)


@pytest.mark.parametrize("written", ["argument", "result"])
def test_a_write_between_forward_and_backward_is_pytorchs_error(torch, a, written):
    leaf = torch.tensor(a, requires_grad=True)
    x = leaf * 1
    y = to_torch(lambda x: xg.exp(x) * x)(x)
    z = y.sum()
    with torch.no_grad():
        (x if written == "argument" else y).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_exported_layers_train_in_a_pytorch_model(torch, rng):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(3))

        def forward(self, x):
            return to_torch(lambda x, w: xg.tanh(x) @ w)(x, self.weight)

    x = torch.tensor(rng.standard_normal((50, 3)), dtype=torch.float32)
    y = torch.tanh(x) @ torch.tensor([1.0, -2.0, 0.5])
    model = Scaled()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=50, tolerance_change=0.0)

    def closure():
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(model.weight.detach().numpy(), [1.0, -2.0, 0.5], rtol=1e-5)  # of float32


def test_there_and_back_again(torch, jax, a):
    there = from_torch(to_torch(from_jax(to_jax(lambda x: xg.sin(x) * x))))
    gradcheck(there, a, order=2)


# Ours in JAX --------------------------------------------------------------------------------------------------------


def test_exported_to_jax(jax, a, b):
    from jax.test_util import check_grads

    f = to_jax(lambda a, b: ours(xg, a, b))
    x, y = jax.numpy.asarray(a), jax.numpy.asarray(b)
    np.testing.assert_allclose(f(a, b=b)["product"], np.sin(a) @ b)
    assert isinstance(f(a, b)["product"], jax.Array)
    check_grads(f, (x, y), order=2, modes=["rev"])
    check_grads(jax.jit(f), (x, y), order=2, modes=["rev"])


def test_exported_complex_gradients_have_jaxs_convention(jax, z):
    from jax.test_util import check_grads

    f = to_jax(lambda z: complex_one(xg, z))
    check_grads(f, (jax.numpy.asarray(z),), order=2, modes=["rev"])

    def loss(f):
        return jax.grad(lambda z: jax.numpy.abs(f(z)).sum())(z)

    np.testing.assert_allclose(loss(f), loss(lambda z: complex_one(jax.numpy, z)), rtol=1e-12)


def test_exported_functions_work_under_jaxs_transforms(jax, a, b):
    f = to_jax(lambda a, b: xg.sum(xg.sin(a) @ b))
    known = np.diag((-np.sin(a) * b.sum(1)).ravel())
    np.testing.assert_allclose(jax.jit(jax.grad(f))(a, b), np.cos(a) * b.sum(1))
    np.testing.assert_allclose(jax.jacrev(jax.grad(f))(a, b).reshape(12, 12), known, atol=1e-12)
    np.testing.assert_allclose(jax.vmap(f, in_axes=(0, None))(a, b), (np.sin(a) @ b).sum(1))
    np.testing.assert_allclose(jax.vmap(jax.grad(f), in_axes=(0, None))(a, b), np.cos(a) * b.sum(1))


def test_exported_to_jax_with_integers_constants_and_trees(jax, a):
    f = to_jax(lambda tree, i, scale: (tree["x"][i] * scale, xg.argmax(tree["x"]), xg.ones(2)))
    i = np.array([2, 0, 0])
    rows, place, _ = f({"x": a}, i, 2.0)
    assert place == np.argmax(a) and rows.shape == (3, 4)
    gradient = jax.grad(lambda tree: f(tree, i, 2.0)[0].sum())({"x": a})
    np.testing.assert_array_equal(gradient["x"], np.array([4.0, 0.0, 2.0])[:, None] * np.ones(4))


def test_the_second_forward_pass_is_merged_by_the_compiler(jax, a):
    f = to_jax(lambda x: xg.sum(xg.exp(xg.sin(x))))
    text = jax.jit(jax.grad(f)).lower(a).compile().as_text()
    assert text.count(" sine(") <= 1 and text.count(" exponential(") <= 1


# All ----------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Parameters:
    weight: object
    steps: int = dataclasses.field(default=3, metadata={"static": True})


def test_dataclasses_cross(torch, a):
    def f(p):
        out = p.weight
        for _ in range(p.steps):
            out = torch.sin(out)
        return Parameters(out, p.steps)

    gradient = xg.grad(lambda p: xg.sum(from_torch(f)(p).weight))(Parameters(a))
    known = np.cos(np.sin(np.sin(a))) * np.cos(np.sin(a)) * np.cos(a)
    np.testing.assert_allclose(gradient.weight, known)


@pytest.mark.parametrize("bridge", [from_torch, to_torch, from_jax, to_jax])
def test_names_and_documentation_stay(bridge):
    pytest.importorskip(bridge.__name__.partition("_")[2])

    def energy(x):
        """In joules."""
        return x

    assert bridge(energy).__name__ == "energy" and bridge(energy).__doc__ == "In joules."
