"""Libraries that know nothing of xgrad, with Tensors: values, and derivatives of what they compute."""

import subprocess
import sys

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import gradcheck


@pytest.fixture
def x(device, rng):
    return xg.asarray(rng.normal(size=(2, 3, 4)), device=device)


@pytest.fixture
def einops():
    library = pytest.importorskip("einops", reason="einops is not installed")
    xg.hooks.einops()
    return library


EINOPS = {
    "rearrange": lambda e, x: e.rearrange(x, "a b (c d) -> (a c) d b", d=2),
    "rearrange_several": lambda e, x: e.rearrange([x, 2 * x], "n a b c -> a (n b) c"),
    "reduce_sum": lambda e, x: e.reduce(x, "a b c -> b", "sum"),
    "reduce_mean": lambda e, x: e.reduce(x, "a b (c d) -> a c", "mean", d=2),
    "reduce_max": lambda e, x: e.reduce(x, "a b c -> a 1 c", "max"),
    "reduce_prod": lambda e, x: e.reduce(x, "a b c -> ", "prod"),
    "repeat": lambda e, x: e.repeat(x, "a b c -> a (b n) c m", n=2, m=3),
    "einsum": lambda e, x: e.einsum(x, x, "a b c, a b d -> c d"),
    "pack": lambda e, x: e.pack([x, x[:, 0]], "a * c")[0],
    "unpack": lambda e, x: tuple(e.unpack(x, [(2,), ()], "a * c")),
}


@pytest.mark.parametrize("name", EINOPS)
def test_einops(name, einops, x):
    function = EINOPS[name]
    expected = function(einops, x.numpy())
    ours = function(einops, x)
    for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (ours, expected)), strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12)
    gradcheck(lambda x: function(einops, x), x, order=2)


@pytest.mark.parametrize("name", [n for n in EINOPS if "einsum" not in n])
def test_einops_for_array_api_namespaces(name, einops, x):
    from einops import array_api

    function = EINOPS[name]
    for a, b in zip(
        *(v if isinstance(v, tuple) else (v,) for v in (function(array_api, x), function(einops, x.numpy()))),
        strict=True,
    ):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12)
    gradcheck(lambda x: function(array_api, x), x, order=1)


@pytest.mark.parametrize(("order", "hook"), [("einops, xgrad", ""), ("xgrad, einops", "xgrad.hooks.einops()")])
def test_einops_is_hooked_by_itself_when_it_came_first(order, hook):
    pytest.importorskip("einops", reason="einops is not installed")
    program = f"import {order}\n{hook}\nt = xgrad.Tensor([[1.0, 2.0]])\nprint(einops.rearrange(t, 'a b -> b a').shape)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 1)", done.stderr


def test_importing_xgrad_imports_no_other_face():
    program = (
        "import sys, xgrad\nprint({'einops', 'einx', 'opt_einsum', 'autoray', 'scipy', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


@pytest.mark.parametrize("text", ["abc,abd,d->c", "abc->ca", "abc,adc,bd->", "abc,abc->abc"])
def test_opt_einsum(text, x):
    library = pytest.importorskip("opt_einsum", reason="opt_einsum is not installed")
    shapes = [tuple({"a": 2, "b": 3, "c": 4, "d": 5}[c] for c in term) for term in text.split("->")[0].split(",")]
    arrays = [xg.asarray(np.random.default_rng(i).normal(size=s), device=x.device) for i, s in enumerate(shapes)]
    expected = np.einsum(text, *(a.numpy() for a in arrays))
    np.testing.assert_allclose(library.contract(text, *arrays).numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(library.contract_expression(text, *shapes)(*arrays).numpy(), expected, rtol=1e-10)
    gradcheck(lambda *xs: library.contract(text, *xs), *arrays, order=2)


AUTORAY = {
    "tensordot": lambda do, x: do("tensordot", x, x, axes=((0, 2), (0, 2))),
    "einsum": lambda do, x: do("einsum", "abc,abd->cd", x, x),
    "transpose": lambda do, x: do("transpose", x, (2, 0, 1)),
    "stack": lambda do, x: do("stack", [x, x], axis=1),
    "concatenate": lambda do, x: do("concatenate", [x, x], axis=1),
    "pad": lambda do, x: do("pad", x, ((0, 0), (1, 2), (0, 0)), "constant"),
    "arctan2": lambda do, x: do("arctan2", x, 1 + x * x),
    "trace": lambda do, x: do("trace", x[:, :2, 0]),
    "cumsum": lambda do, x: do("cumsum", x, 1),
    "split": lambda do, x: do("split", x, 2, axis=2),
    "reshape": lambda do, x: do("reshape", x, (6, 4)),
}


@pytest.mark.parametrize("name", AUTORAY)
def test_autoray(name, x):
    do = pytest.importorskip("autoray", reason="autoray is not installed").do
    ours, expected = AUTORAY[name](do, x), AUTORAY[name](do, x.numpy())
    for a, b in zip(*(v if isinstance(v, list) else [v] for v in (ours, expected)), strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12)
    gradcheck(lambda x: AUTORAY[name](do, x), x, order=1)


EINX = {
    "id": lambda e, x: e.id("a b c -> (a c) b", x),
    "joined": lambda e, x: e.id("a b c, a d c -> a (b + d) c", x, x),
    "sum": lambda e, x: e.sum("a [b] c", x),
    "mean": lambda e, x: e.mean("a [b c]", x),
    "var": lambda e, x: e.var("a [b] c", x),
    "max": lambda e, x: e.max("a [b] c", x),
    "logsumexp": lambda e, x: e.logsumexp("a [b] c", x),
    "softmax": lambda e, x: e.softmax("a [b] c", x),
    "dot": lambda e, x: e.dot("a b c, a b d -> c d", x, x),
    "add": lambda e, x: e.add("a b c, b c", x, x[0]),
    "multiply": lambda e, x: e.multiply("a, b -> a b", x[0, 0], x[0, 1]),
    "flip": lambda e, x: e.flip("a [b] c", x),
    "sort": lambda e, x: e.sort("a [b] c", x),
}


@pytest.mark.parametrize("name", EINX)
def test_einx(name, x):
    library = pytest.importorskip("einx", reason="einx is not installed")
    xg.hooks.einx()
    np.testing.assert_allclose(EINX[name](library, x).numpy(), EINX[name](library, x.numpy()), rtol=1e-10)
    gradcheck(lambda x: EINX[name](library, x), x, order=1)


XPX = {
    "atleast_nd": lambda p, x: p.atleast_nd(x, ndim=4),
    "cov": lambda p, x: p.cov(x[0]),
    "create_diagonal": lambda p, x: p.create_diagonal(x[0, 0]),
    "kron": lambda p, x: p.kron(x[0], x[1]),
    "pad": lambda p, x: p.pad(x, 2),
    "sinc": lambda p, x: p.sinc(x),
    "nan_to_num": lambda p, x: p.nan_to_num(x),
    "multiplied": lambda p, x: p.at(x + 0, 0).multiply(2.0),
    "set": lambda p, x: p.at(x + 0, (slice(None), 1)).set(x[:, 0] * 3),
    "apply_where": lambda p, x: p.apply_where(x > 0, x, lambda a: a**1.5, lambda a: a * 2),
    "partition": lambda p, x: p.partition(x[0, 0], 2),
    "nansum": lambda p, x: p.nansum(x),
}


@pytest.mark.parametrize("name", XPX)
def test_array_api_extra(name, x):
    library = pytest.importorskip("array_api_extra", reason="array-api-extra is not installed")
    if not hasattr(library, name) and name not in ("multiplied", "set"):
        pytest.skip(f"this version of array-api-extra has no {name}")
    if name == "apply_where" and str(x.device) == "dask":
        with pytest.raises(NotImplementedError, match="a lazy mask selects an unknown number"):
            XPX[name](library, x)
        return
    np.testing.assert_allclose(XPX[name](library, x).numpy(), XPX[name](library, x.numpy()), rtol=1e-10)
    gradcheck(lambda x: XPX[name](library, x), x, order=1)
