"""Fourier transforms beyond the cases: NumPy's arguments, chains from real to real, and what no case can show."""

import itertools

import numpy as np
import pytest

import xgrad as xg
from xgrad.backends.extension import real_ends
from xgrad.testing import gradcheck

NORMS = ("backward", "ortho", "forward", None)


def complex_values(rng, shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_one_axis_is_numpys(name, rng):
    x = complex_values(rng, (3, 5))
    x = x.real if name in ("rfft", "ihfft") else x
    for dtype, n, axis, norm in itertools.product((None, np.float32, np.int8), (None, *range(1, 9)), (0, -1), NORMS):
        values = x if dtype is None else (10 * x.real).astype(dtype)
        ours = getattr(xg.fft, name)(values, n, axis, norm)
        numpys = getattr(np.fft, name)(values, n, axis, norm)
        assert ours.dtype == numpys.dtype
        np.testing.assert_allclose(ours.value, numpys, rtol=1e-12 if dtype is not np.float32 else 1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:`axes` should not be `None`:DeprecationWarning")
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"])
def test_several_axes_are_numpys(name, rng):
    x = complex_values(rng, (3, 4, 5))
    x = x.real if name[0] == "r" else x
    lengths_and_axes = [(None, (0,)), (None, (-1, 0)), (None, (1, 1)), (None, (2, 0, 2)), ((2,), (-1,)), ((3, 7), None)]
    lengths_and_axes += [((6, 1, 2), (2, 1, 0)), ((-1, 3), (0, 1)), ((5, 6), (1, 1)), ((3, 2, 4), (0, 2, 0))]
    for (s, axes), norm in itertools.product(lengths_and_axes, NORMS):
        ours, numpys = (getattr(module, name)(x, s=s, axes=axes, norm=norm) for module in (xg.fft, np.fft))
        assert ours.dtype == numpys.dtype
        np.testing.assert_allclose(ours.value, numpys, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(getattr(xg.fft, name)(x).value, getattr(np.fft, name)(x), rtol=1e-12, atol=1e-14)


def test_integers_are_computed_in_double(device):
    n = xg.asarray(np.arange(6, dtype=np.int8).reshape(2, 3), device=device)
    for name in ("fft", "ifft", "fftn"):
        assert getattr(xg.fft, name)(n).dtype == np.complex128
    assert xg.fft.rfft(n).dtype == np.complex128
    assert xg.fft.irfft(n).dtype == np.float64
    np.testing.assert_allclose(xg.fft.rfft2(n).numpy(), np.fft.rfft2(n.numpy()), rtol=1e-12)


def test_inverses(device, rng):
    for n in (1, 4, 5):
        z = xg.asarray(complex_values(rng, (2, n)), device=device)
        x = xg.real(z)
        half = xg.fft.rfft(x)
        for norm in NORMS:
            for back in (
                xg.fft.ifft(xg.fft.fft(z, norm=norm), norm=norm),
                xg.fft.ifftn(xg.fft.fftn(z, norm=norm), norm=norm),
            ):
                np.testing.assert_allclose(back.numpy(), z.numpy(), rtol=1e-12)
            np.testing.assert_allclose(xg.fft.irfft(xg.fft.rfft(x, norm=norm), n, norm=norm).numpy(), x.numpy())
            np.testing.assert_allclose(
                xg.fft.irfftn(xg.fft.rfftn(x, norm=norm), (2, n), (0, 1), norm).numpy(), x.numpy()
            )
            np.testing.assert_allclose(xg.fft.ihfft(xg.fft.hfft(half, n, norm=norm), norm=norm).numpy(), half.numpy())
        np.testing.assert_array_equal(xg.fft.ifftshift(xg.fft.fftshift(z)).numpy(), z.numpy())


# Chains from real to real ---------------------------------------------------------------------------------------------


def energy(x):
    return xg.sum(xg.abs(xg.fft.fft(x, axis=0)) ** 2)


def test_parsevals_theorem_and_its_gradient(device, rng):
    values = rng.normal(size=(5, 3))
    x = xg.Tensor(values, device=device)
    total = energy(x)
    total.backward()
    np.testing.assert_allclose(float(total), 5 * np.sum(values**2))
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad.numpy(), 10 * values, rtol=1e-12)
    v = rng.normal(size=(5, 3))
    hvp = xg.jvp(xg.grad(energy), [x.detach()], [xg.asarray(v, device=device)])[1]
    np.testing.assert_allclose(hvp.numpy(), 10 * v, rtol=1e-12)


def convolved(x, kernel):
    n = x.shape[-1] + kernel.shape[-1] - 1
    return xg.fft.irfft(xg.fft.rfft(x, n) * xg.fft.rfft(kernel, n), n)


@pytest.mark.parametrize("sizes", [(6, 3), (5, 3), (1, 4)])
def test_convolution_and_its_gradients_are_the_direct_ones(sizes, device, rng):
    a, b = (rng.normal(size=n) for n in sizes)
    x, kernel = (xg.Tensor(v, device=device) for v in (a, b))
    weights = rng.normal(size=sum(sizes) - 1)
    out = convolved(x, kernel)
    np.testing.assert_allclose(out.detach().numpy(), np.convolve(a, b), rtol=1e-10, atol=1e-14)
    out.backward(xg.asarray(weights, device=device))
    for leaf, other in ((x, b), (kernel, a)):
        np.testing.assert_allclose(leaf.grad.numpy(), np.correlate(weights, other, "valid"), rtol=1e-10, atol=1e-14)
    gradcheck(convolved, x.detach(), kernel.detach())


@pytest.mark.parametrize(
    "chain",
    [
        lambda x: xg.sum(xg.log(1.0 + xg.abs(xg.fft.rfft(x, 6)) ** 2)),
        lambda x: xg.fft.irfftn(xg.exp(1j * xg.sin(xg.fft.rfftn(x)).real) * xg.fft.rfftn(x), s=x.shape, axes=(0, 1)),
        lambda x: xg.real(xg.fft.ifft2(xg.fft.fft2(x) * xg.conj(xg.fft.fft2(x[::-1])))),
        lambda x: xg.imag(xg.fft.fftshift(xg.fft.fft(x, axis=0), axes=0)) ** 3,
        lambda x: xg.fft.hfft(xg.fft.ihfft(x) ** 2, 7, norm="ortho"),
        lambda x: xg.fft.irfft(xg.fft.rfft(x) * 2j * np.pi * xg.fft.rfftfreq(x.shape[-1]), x.shape[-1]),
    ],
    ids=["spectrum", "phase", "correlation", "shift", "hermitian", "slope"],
)
@pytest.mark.parametrize("shape", [(3, 4), (2, 5), (1, 1)])
def test_chains_from_real_to_real(chain, shape, device, rng):
    x = xg.asarray(rng.normal(size=shape), device=device)
    gradcheck(chain, x)
    assert xg.grad(lambda v: xg.sum(chain(v) ** 2))(x).dtype == np.float64


def test_single_precision_stays_single(device, rng):
    x = xg.Tensor(rng.normal(size=(4, 6)).astype(np.float32), device=device)
    spectrum = xg.fft.rfft2(x)
    assert spectrum.dtype == np.complex64
    out = xg.fft.irfft2(spectrum * xg.fft.fftfreq(4, dtype="float32")[:, None])
    assert out.dtype == np.float32
    (out**2).sum().backward()
    assert x.grad.dtype == np.float32


# Frequencies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies_are_numpys(name, device):
    ours, numpys = getattr(xg.fft, name), getattr(np.fft, name)
    for n, d in itertools.product((1, 2, 5, 8), (1.0, 0.3)):
        f = ours(n, d=d, device=device)
        assert f.dtype == np.float64 and str(f.device) == str(xg.zeros(1, device=device).device)
        np.testing.assert_array_equal(f.numpy(), numpys(n, d))
    assert ours(3, dtype=xg.float32, device=device).dtype == np.float32
    x = xg.Tensor(np.ones(numpys(4).shape), device=device)
    assert (x * ours(4)).device == x.device  # made on no device in particular, it follows
    d = xg.Tensor(0.5, device=device)
    (ours(4, d=d) * x).sum().backward()
    np.testing.assert_allclose(float(d.grad), -np.sum(numpys(4)) / 0.25)


def test_shifts_are_numpys(rng):
    x = rng.normal(size=(3, 4, 5))
    for axes in (None, 0, -1, (0, 2), (1, 1), [2, 0]):
        np.testing.assert_array_equal(xg.fft.fftshift(x, axes).value, np.fft.fftshift(x, axes))
        np.testing.assert_array_equal(xg.fft.ifftshift(x, axes).value, np.fft.ifftshift(x, axes))


def test_numpys_own_functions_record_tensors(rng):
    x, z = rng.normal(size=(3, 4)), complex_values(rng, (3, 4))
    one = {"fft": z, "ifft": z, "rfft": x, "irfft": z, "hfft": z, "ihfft": x}
    several = {"fftn": z, "ifft2": z, "rfftn": x, "irfft2": z, "fftshift": x, "ifftshift": x}
    for name, values in (one | several).items():
        t = xg.Tensor(values)
        metadata = {"n": 3, "axis": 0, "norm": "ortho"} if name in one else {"axes": (-1, 0)}
        out = getattr(np.fft, name)(t, **metadata)
        np.testing.assert_allclose(out.detach().numpy(), getattr(np.fft, name)(values, **metadata), rtol=1e-12)
        assert out.requires_grad
    with pytest.raises(TypeError, match=r"numpy\.fft\.fft: not supported on a Tensor, an ndarray given as out="):
        np.fft.fft(xg.Tensor(z), out=np.empty_like(z))


# Odd ends -------------------------------------------------------------------------------------------------------------


def test_an_axis_of_no_elements_is_filled_up(device):
    x = xg.Tensor(np.zeros((3, 0)), device=device)
    out = xg.fft.fft(x, 4)
    assert out.shape == (3, 4) and out.dtype == np.complex128 and not out.detach().numpy().any()
    xg.sum(xg.real(out)).backward()
    assert x.grad.shape == (3, 0)


@pytest.mark.parametrize(("n", "cleared"), [(1, [0]), (2, [0, 1]), (5, [0]), (6, [0, 3]), (9, [0]), (10, [0])])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_parts_that_do_not_count_are_cleared(n, cleared, axis, library, rng):
    half = complex_values(rng, (5, 4) if axis == 0 else (4, 5))
    ends = real_ends(pytest.importorskip(library).asarray(half.copy()), n, axis)
    kept = np.moveaxis(half.copy(), axis, 0)
    kept[cleared] = kept[cleared].real
    np.testing.assert_array_equal(np.moveaxis(np.asarray(ends), axis, 0), kept)
    np.testing.assert_allclose(np.fft.irfft(np.asarray(ends), n, axis), np.fft.irfft(half, n, axis), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: xg.fft.fft([1.0, 2.0]), TypeError, r"fft: x must be an array or a number; got list"),
        (lambda x: xg.fft.fft(x, 0), ValueError, r"fft: the length of a transform must be 1 at least; got 0"),
        (lambda x: xg.fft.irfft(x[:, :1]), ValueError, r"irfft: the length of a transform must be 1 at least; got 0"),
        (lambda x: xg.fft.fft(x, axis=2), IndexError, r"fft: axis is out of range; got 2 for 2 axes"),
        (lambda x: xg.fft.fft(xg.sum(x)), IndexError, r"fft: axis is out of range; got -1 for 0 axes"),
        (lambda x: xg.fft.fft(x, norm="orthogonal"), ValueError, r"fft: norm must be .* got 'orthogonal'"),
        (lambda x: xg.fft.rfft(x * 1j), TypeError, r"rfft: x must be real; got complex128"),
        (lambda x: xg.fft.ihfft(x * 1j), TypeError, r"ihfft: x must be real; got complex128"),
        (lambda x: xg.fft.rfftn(x, axes=()), IndexError, r"rfftn: one axis at least must be transformed"),
        (lambda x: xg.fft.fftn(x, s=(2,), axes=(0, 1)), ValueError, r"fftn: s must hold one length for each of axes"),
        (lambda x: xg.fft.fftshift(2.0), TypeError, r"fftshift: x must be an array or a number; got float"),
    ],
)
def test_errors_say_what_to_do(call, error, words, device):
    with pytest.raises(error, match=words):
        call(xg.Tensor([[1.0, 2.0, 3.0]], device=device))
