"""What other libraries hand over on request: ``scipy.fft`` with Tensors."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import gradcheck

scipy_fft = pytest.importorskip("scipy.fft")

COSINES = ("dct", "idct", "dst", "idst")
ONE_AXIS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", *COSINES)
SEVERAL = ("fftn", "ifftn", "rfftn", "irfftn", "hfftn", "ihfftn", "dctn", "idctn", "dstn", "idstn")
PLANE = ("fft2", "ifft2", "rfft2", "irfft2")


@pytest.fixture
def hooked():
    with scipy_fft.set_backend(xg.hooks.SciPyFFT):
        yield


def values_of(name, rng, shape):
    x = rng.normal(size=shape)
    return x if name.startswith(("r", "ih", "d", "id")) else x + 1j * rng.normal(size=shape)


@pytest.mark.parametrize("name", [*ONE_AXIS, *SEVERAL, *PLANE])
def test_scipys_functions_take_and_record_tensors(name, hooked, device, rng):
    values = values_of(name, rng, (3, 4, 5))
    function = getattr(scipy_fft, name)
    x = xg.Tensor(values, device=device)
    out = function(x)
    assert isinstance(out, xg.Tensor) and out.requires_grad and out.device == x.device
    np.testing.assert_allclose(out.detach().numpy(), function(values), rtol=1e-10, atol=1e-12)
    gradcheck(function, x.detach(), order=1)


EVERY = list(itertools.product((None, 2, 7), (0, -1), (None, "ortho", "forward"), (None, 0, 1)))


@pytest.mark.parametrize("name", COSINES)
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_cosines_and_sines_are_scipys(name, kind, device, rng):
    x = rng.normal(size=(3, 5))
    for values in (x, x.astype(np.float32), (10 * x).astype(np.int8), x + 1j * x[::-1]):
        tensor, tolerance = xg.asarray(values, device=device), 1e-4 if values.dtype == np.float32 else 1e-12
        for n, axis, norm, orthogonal in EVERY if device == "cpu" else EVERY[::11]:
            if values.dtype.kind == "c" and orthogonal is not None:
                continue  # SciPy loses it there
            ours = getattr(xg.fft, name)(tensor, kind, n, axis, norm, orthogonal)
            scipys = getattr(scipy_fft, name)(values, kind, n, axis, norm, orthogonalize=orthogonal)
            assert ours.dtype == scipys.dtype
            np.testing.assert_allclose(ours.numpy(), scipys, rtol=tolerance, atol=100 * tolerance)


@pytest.mark.parametrize("name", COSINES)
def test_several_axes_are_scipys(name, rng):
    x = rng.normal(size=(3, 4, 5))
    for kind, (s, axes) in itertools.product((1, 2), ((None, None), ((3, 4), None), ((2, -1), (0, 2)), (None, (-1,)))):
        ours = getattr(xg.fft, f"{name}n")(x, kind, s, axes, "ortho")
        scipys = getattr(scipy_fft, f"{name}n")(x, kind, s, axes, "ortho")
        np.testing.assert_allclose(ours.value, scipys, rtol=1e-12, atol=1e-13)


def test_without_scipy_the_same_comes_from_an_fft(rng, monkeypatch):
    x = xg.asarray(rng.normal(size=(3, 5)))
    fourier = xg.backends.get("numpy").fft
    for kind, sine in itertools.product((1, 2, 3, 4), (False, True)):
        by_scipy = xg.fft.r2r(x, sine=sine, type=kind, axis=1)
        with monkeypatch.context() as patch:
            patch.setitem(fourier.__dict__, "scipy", None)
            np.testing.assert_allclose(xg.fft.r2r(x, sine=sine, type=kind, axis=1).value, by_scipy.value, atol=1e-14)


def test_other_arguments_and_arrays(hooked, rng):
    values = rng.normal(size=(3, 4))
    x = xg.Tensor(values)
    assert type(scipy_fft.fft(values)) is np.ndarray
    out = scipy_fft.fft(x, 5, 0, "ortho", True, 2)
    np.testing.assert_allclose(out.detach().numpy(), scipy_fft.fft(values, 5, 0, "ortho"), rtol=1e-12)
    assert x.detach().numpy().tolist() == values.tolist()  # overwrite_x is no order
    np.testing.assert_allclose(
        scipy_fft.dct(x=x, type=4, workers=1).detach().numpy(), scipy_fft.dct(values, type=4), rtol=1e-12
    )
    with pytest.raises(NotImplementedError, match=r"scipy\.fft\.fft: plan= does not serve a Tensor"):
        scipy_fft.fft(x, plan=1)


def test_errors_of_cosines_say_what_to_do():
    x = xg.Tensor([[1.0, 2.0, 3.0]])
    for call, words in (
        (lambda: xg.fft.dct(x, 5), "dct: type must be 1, 2, 3 or 4; got 5"),
        (lambda: xg.fft.dct(x, 1, axis=0), "dct: type 1 cannot transform so few values; got 1"),
        (lambda: xg.fft.idst(x, 2, 0), "idst: type 2 cannot transform so few values; got 0"),
        (lambda: xg.fft.dct(x, norm="none"), "dct: norm must be .* got 'none'"),
        (lambda: xg.fft.dctn(x, s=(2,), axes=(0, 1)), "dctn: s must hold one length for each of axes"),
        (lambda: xg.fft.dstn(x, axes=(0, 0)), "dstn: axis names an axis twice"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    for name in ("dct", "dctn"):
        with pytest.raises(TypeError, match=f"{name}: x must be an array"):
            getattr(xg.fft, name)([1.0, 2.0])


def run(code, array_api):
    """What a program prints, SciPy's own dispatch on the array API switched on or off."""
    environment = os.environ | {"SCIPY_ARRAY_API": array_api}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.split()


def test_the_hook_is_set_once_for_the_program_and_scipy_is_not_imported_before():
    code = """
import sys, xgrad as xg
x = xg.Tensor([1.0, 2.0, 4.0])
xg.fft.fft(x)
print("scipy" in sys.modules)
import scipy.fft
try:
    scipy.fft.dct(x)
except TypeError:
    print("tracked")
xg.hooks.scipy_fft()
xg.hooks.scipy_fft()
try:  # a function that has no counterpart never loses a gradient: it records, or refuses
    print(scipy.fft.fht(x, 0.1, 0.5).requires_grad)
except TypeError as error:
    print("tracked" in str(error))
scipy.fft.dct(x).sum().backward()
print(x.grad.shape == x.shape, type(scipy.fft.dct(x.detach().numpy())).__name__)
"""
    assert run(code, "0") == ["False", "tracked", "True", "True", "ndarray"]


def test_scipys_own_array_api_reaches_the_same():
    code = """
import scipy.fft, xgrad as xg
x = xg.Tensor([1.0, 2.0, 4.0, 0.5])
for f in (scipy.fft.fft, scipy.fft.rfft, scipy.fft.fftn, scipy.fft.hfft, lambda x: scipy.fft.fht(x, 0.1, 0.5)):
    xg.sum(xg.abs(f(x)) ** 2).backward()
    print(x.grad.dtype)
xg.hooks.scipy_fft()
scipy.fft.idst(x).sum().backward()
print(type(scipy.fft.fft(x)).__name__)
"""
    assert run(code, "1") == ["float64"] * 5 + ["Tensor"]
