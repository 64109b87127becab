"""JAX: gradients traced by its own transforms, 64 bits never lost silently, and its devices."""

import os
import subprocess
import sys

import numpy as np
import pytest

import xgrad as xg
from xgrad.backends import Device, namespace_of, parse_device

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = jax.numpy


def close(found, expected):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-11, atol=1e-12)


# Under jax.jit --------------------------------------------------------------------------------------------------------

ROWS = np.array([2, 0, 2, 1])
MASK = np.array([[True, False, True, False], [False, False, True, True], [True, True, False, False]])
WEIGHT = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def written(x):
    y = x * x
    y[1:, ::2] = y[0, 0]
    y[ROWS] *= 2.0
    y[MASK] = 0.5
    view = y[::-1]
    view += x
    return y


FUNCTIONS = {
    "elementwise": lambda x: xg.sin(x) * xg.exp(-x * x) / (1.0 + xg.abs(x)),
    "where": lambda x: xg.where(x > 0.2, xg.sqrt(xg.abs(x)), 0.0),
    "where with an infinite branch": lambda x: xg.where(x > 0, xg.log(x), x),
    "slices": lambda x: x[1:, ::-1] ** 2 * x[0, None, ::-1],
    "integers": lambda x: x[ROWS] * x[:, [0, 0, 3, 1]][ROWS],
    "several integer arrays": lambda x: x[ROWS, [0, 3, 3, 1]] ** 3,
    "an index that is traced": lambda x: x[xg.argsort(x[:, 0])] * x,
    "static mask": lambda x: x[MASK] ** 2,
    "sort": lambda x: xg.sort(x, axis=0, descending=True) * x,
    "take": lambda x: xg.take(x, xg.argmax(x, axis=1), axis=1) ** 2,
    "take_along_axis": lambda x: xg.take_along_axis(x, xg.argsort(x, axis=1), axis=1) * x,
    "matmul": lambda x: xg.tanh(x @ WEIGHT) @ x,
    "reductions": lambda x: x.max(axis=0) * x.mean(axis=0) + x.std(axis=0) + x.prod(axis=0) + x.min(),
    "cumulative": lambda x: xg.cumulative_sum(x, axis=0) * xg.cumulative_prod(x, axis=1),
    "shapes": lambda x: xg.concat([x.T.reshape(2, 6), xg.stack([x[0], x[1]])], axis=1) ** 2,
    "writes": written,
}


@pytest.fixture
def x(rng):
    return jnp.asarray(rng.uniform(0.3, 1.6, (3, 4)) * rng.choice([-1.0, 1.0], (3, 4)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_gradient_compiles_and_agrees(x, rng, name):
    f = FUNCTIONS[name]
    ct = rng.standard_normal(f(xg.asarray(x)).shape)

    def loss(x):
        return (f(x) * ct).sum()

    eager = xg.grad(loss)(x)
    compiled = jax.jit(xg.grad(loss))(x)
    assert isinstance(eager, jax.Array) and isinstance(compiled, jax.Array)
    close(compiled, eager)
    with np.errstate(all="ignore"):
        close(eager, xg.grad(loss)(np.asarray(x)))  # NumPy's own arithmetic


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_order_compiles_and_agrees(x, rng, name):
    f = FUNCTIONS[name]
    ct, direction = rng.standard_normal(f(xg.asarray(x)).shape), rng.standard_normal((3, 4))
    curved = xg.grad(lambda x: (xg.grad(lambda x: (f(x) ** 2 * ct).sum())(x) * direction).sum())
    with np.errstate(all="ignore"):
        close(jax.jit(curved)(x), curved(np.asarray(x)))


def test_value_and_grad_of_captured_parameters(x, rng):
    params = {"w": jnp.asarray(rng.standard_normal((4, 2))), "b": jnp.asarray(rng.standard_normal(2))}

    def loss(p, x):
        return (xg.tanh(x @ p["w"] + p["b"]) ** 2).sum()

    value, grads = jax.jit(lambda x: xg.value_and_grad(loss)(params, x))(x)
    expected, slopes = xg.value_and_grad(loss)(params, x)
    close(value, expected)
    close(grads["w"], slopes["w"])
    close(grads["b"], slopes["b"])
    value, grads = jax.jit(xg.value_and_grad(loss))(params, x)
    close(value, expected)
    close(grads["w"], slopes["w"])


def test_a_tape_inside_jit(x):
    def step(x):
        leaf = xg.Tensor(x)
        (xg.sin(leaf) * leaf).sum().backward()
        return leaf.grad.value

    close(jax.jit(step)(x), np.sin(x) + x * np.cos(x))


def test_jvp_and_vjp_inside_jit(x, rng):
    direction = jnp.asarray(rng.standard_normal((3, 4)))
    close(jax.jit(lambda x, v: xg.jvp(xg.sin, (x,), (v,))[1])(x, direction), np.cos(x) * direction)
    pulled = jax.jit(lambda x: xg.vjp(xg.sin, x)[1](direction)[0])  # a cotangent that is not traced
    close(pulled(x), np.cos(x) * direction)


def test_jaxs_transforms_of_ours(x):
    def loss(row):
        return (xg.exp(row[1:]) * row[:-1]).sum()

    rows = np.stack([xg.grad(loss)(np.asarray(row)) for row in x])
    close(jax.vmap(xg.grad(loss))(x), rows)
    row = x[0]
    theirs = jax.grad(lambda row: (jnp.exp(row[1:]) * row[:-1]).sum())
    ours = jax.grad(lambda row: xg.grad(loss)(row) @ row)
    close(ours(row), jax.grad(lambda row: theirs(row) @ row)(row))


def test_one_compilation_serves_many_calls(x):
    traced = []

    def loss(x):
        traced.append(1)
        return (x**3).sum()

    step = jax.jit(xg.grad(loss))
    for scale in (1.0, 2.0, 3.0):
        close(step(scale * x), 3 * (scale * x) ** 2)
    assert len(traced) == 1


def test_what_depends_on_values_raises_jaxs_own_error(x):
    with pytest.raises(jax.errors.NonConcreteBooleanIndexError):
        jax.jit(xg.grad(lambda x: x[x > 0].sum()))(x)
    with pytest.raises(jax.errors.JAXTypeError):
        jax.jit(xg.grad(lambda x: x.sum() if x.sum() > 0 else -x.sum()))(x)
    with pytest.raises(jax.errors.JAXTypeError):
        jax.jit(lambda x: xg.asarray(x).numpy())(x)


def test_a_traced_mask_may_be_written_by_a_number(x):
    def loss(x):
        y = x * x
        y[x > 0] = 0.0
        return (y * y).sum()

    close(jax.jit(xg.grad(loss))(x), np.where(x > 0, 0.0, 4 * np.asarray(x) ** 3))


def test_a_traced_tensor_has_a_text_and_a_device(x):
    seen = []
    jax.jit(lambda x: seen.append((repr(xg.asarray(x)), xg.asarray(x).device)) or x)(x)
    text, device = seen[0]
    assert "float64[3,4]" in text and device == Device("jax", "traced")
    assert namespace_of(x) is namespace_of(xg.asarray(x).value)


# Arrays that never change ---------------------------------------------------------------------------------------------


def test_a_write_leaves_the_callers_array_alone(x):
    before = np.array(x)
    tensor = xg.asarray(x)
    tensor[0] = 9.0
    tensor += 1.0
    close(x, before)
    close(tensor.value[0], np.full(4, 10.0))


def test_a_later_write_to_numpy_memory_does_not_reach_jax():
    source = np.arange(1024.0)
    there = xg.asarray(source, device="jax:cpu")
    source[:] = -1.0
    close(there.value, np.arange(1024.0))


def test_an_index_out_of_range_is_an_error(x):
    t = xg.asarray(x)
    reads = [
        lambda: t[3],
        lambda: t[:, -5],
        lambda: t[np.array([0, 3])],
        lambda: t[xg.asarray(np.array([-4]), device="jax:cpu")],
        lambda: xg.take(t, np.array([4]), axis=1),
        lambda: xg.take_along_axis(t, np.array([[7]]), axis=0),
        lambda: t.__setitem__(3, 0.0),
        lambda: t.__setitem__((0, np.array([4])), 0.0),
    ]
    for read in reads:
        with pytest.raises(IndexError, match="out of bounds for axis"):
            read()


# 64 bits --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def narrow():
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


def test_float64_is_refused_and_not_narrowed(narrow):
    t = xg.asarray([1.0, 2.0], device="jax:cpu")
    asks = [
        lambda: xg.asarray(np.ones(2), device="jax:cpu"),
        lambda: xg.Tensor(np.ones(2) + 1j, device="jax:cpu"),
        lambda: t + np.ones(2),
        lambda: xg.zeros(2, dtype="float64", device="jax:cpu"),
        lambda: xg.astype(t, np.float64),
        lambda: xg.sum(t, dtype=np.float64),
        lambda: xg.arange(2, dtype="int64", device="jax:cpu"),
        lambda: xg.asarray(np.ones(2), device="cpu").to("jax:cpu"),
        lambda: xg.asarray(np.array([2**40]), device="jax:cpu"),
    ]
    for ask in asks:
        with pytest.raises(TypeError, match=r"JAX has no 64 bits .* Run jax.config.update\(\"jax_enable_x64\", True\)"):
            ask()
    assert xg.asarray(np.ones(2), dtype="float32", device="jax:cpu").dtype == np.float32


def test_single_precision_goes_on_without_64_bits(narrow, rng):
    """Warnings are errors here, and JAX warns when it narrows."""
    a, ids = rng.standard_normal((4, 3)).astype(np.float32), np.array([2, 0, 2])

    def loss(x):
        y = x[ids] * 2 + xg.arange(3, device="jax:cpu") + np.float64(0.5)
        y[0] = xg.where(y[1] > 0, y[1], 0.0)
        y[:, 1] += xg.mean(y, axis=1) / 3
        return (xg.sort(y, axis=0) @ xg.ones((3, 2), device="jax:cpu")).sum() + xg.cumulative_sum(x, axis=0)[-1, 0]

    x = xg.Tensor(a, device="jax:cpu")
    loss(x).backward()
    assert x.grad.dtype == np.float32
    reference = xg.Tensor(a.astype(np.float64))

    def on_host(x):
        y = x[ids] * 2 + xg.arange(3) + 0.5
        y[0] = xg.where(y[1] > 0, y[1], 0.0)
        y[:, 1] += xg.mean(y, axis=1) / 3
        return (xg.sort(y, axis=0) @ xg.ones((3, 2))).sum() + xg.cumulative_sum(x, axis=0)[-1, 0]

    on_host(reference).backward()
    np.testing.assert_allclose(x.grad.numpy(), reference.grad.numpy(), rtol=1e-5, atol=1e-6)
    value, rate = xg.jvp(xg.sin, (x.detach(),), (x.detach(),))
    assert value.dtype == rate.dtype == np.float32
    compiled = jax.jit(xg.grad(lambda x: (xg.tanh(x) ** 2).sum()))(x.value)
    assert compiled.dtype == np.float32


def test_defaults_without_64_bits_are_jaxs_own(narrow):
    made = [
        xg.zeros(2, device="jax:cpu"),
        xg.full(2, 1.5, device="jax:cpu"),
        xg.linspace(0, 1, 3, device="jax:cpu"),
        xg.eye(2, device="jax:cpu"),
        xg.asarray([1.0, 2.0], device="jax:cpu"),
        xg.Tensor(1.5, device="jax:cpu"),
        xg.asarray(np.array([1, 2]), device="jax:cpu") / 2,
    ]
    assert [t.dtype for t in made] == [np.float32] * len(made)
    assert xg.arange(3, device="jax:cpu").dtype == xg.asarray([1, 2], device="jax:cpu").dtype == np.int32
    assert xg.asarray([1j], device="jax:cpu").dtype == np.complex64
    assert xg.zeros(2).dtype == np.float64  # NumPy's are not touched


# Devices --------------------------------------------------------------------------------------------------------------


def test_devices_have_names():
    assert parse_device("jax:cpu") == Device("jax", "cpu") and str(parse_device("jax:cpu")) == "jax:cpu"
    assert xg.devices()["jax:cpu"] is None
    assert xg.asarray(jnp.ones(2)).device.backend == "jax"
    with pytest.raises(ValueError, match="jax has no device 'cuda:99'"):
        parse_device("jax:cuda:99")


def test_several_devices_and_sharded_arrays():
    code = """
import jax, numpy as np, xgrad as xg
jax.config.update("jax_enable_x64", True)
from jax.sharding import Mesh, NamedSharding, PartitionSpec
assert [n for n in xg.devices() if n.startswith("jax")] == ["jax:cpu", "jax:cpu:1"]
x = xg.Tensor([1.0, 2.0], device="jax:cpu:1")
(x[np.array([0, 0])] * xg.arange(2)).sum().backward()
assert str(x.grad.device) == "jax:cpu:1" and x.grad.tolist() == [1.0, 0.0]
try:
    x + xg.Tensor([1.0, 2.0], device="jax:cpu")
except ValueError as error:
    print(error)
spread = jax.device_put(np.arange(4.0), NamedSharding(Mesh(np.array(jax.devices()), "i"), PartitionSpec("i")))
grad = jax.jit(xg.grad(lambda t: (t * t * 1.5).sum()))(spread)
assert grad.tolist() == [0.0, 3.0, 6.0, 9.0] and xg.asarray(spread).device.place == "sharded"
assert xg.grad(lambda t: (t * t).sum())(spread).sharding == spread.sharding
"""
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    assert "x1 and x2 are on different devices; got jax:cpu:1 and jax:cpu" in done.stdout
