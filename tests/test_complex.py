"""Complex numbers: gradients as PyTorch has them, real cotangents for real arguments, and the points that need care."""

import itertools

import numpy as np
import pytest

import xgrad as xg
from xgrad.testing import gradcheck

QUADRANTS = np.array([0.8 + 0.5j, -0.7 + 0.9j, -1.2 - 0.4j, 0.6 - 1.1j, 1.3 + 0.2j, -0.3 + 0.4j])
SQUARE = np.array([[1.0 + 2j, 0.5 - 1j], [-0.3 + 0.7j, 1.5 + 0.1j]])

# Losses of a complex and of a real array, in words that xgrad and PyTorch share.
FROM_COMPLEX = {
    "energy": lambda m, z: m.sum(m.abs(z) ** 2),
    "size": lambda m, z: m.sum(m.abs(z)),
    "parts": lambda m, z: m.sum(m.real(z) ** 3 * m.imag(z)),
    "conjugate": lambda m, z: m.sum(m.real(m.conj(z) * z * z)),
    "exponential": lambda m, z: m.sum(m.abs(m.exp(1j * z) + m.expm1(z))),
    "logarithms": lambda m, z: m.sum(m.imag(m.log(z) * m.log2(z) + m.log10(z) * m.log1p(z))),
    "root": lambda m, z: m.sum(m.abs(m.sqrt(z) - 1.0) ** 2),
    "angle": lambda m, z: m.sum(m.imag(m.log(z / m.abs(z))) ** 2),
    "quotient": lambda m, z: m.sum(m.real((z + 1.0) / (z * z + 2j))),
    "power": lambda m, z: m.sum(m.real(z**2.5 + z ** (1 + 1j) + (-2.0) ** z)),
    "self power": lambda m, z: m.sum(m.abs(z ** m.conj(z))),
    "trigonometric": lambda m, z: m.sum(m.abs(m.sin(z) + m.cos(z) * m.tan(z))),
    "hyperbolic": lambda m, z: m.sum(m.real(m.sinh(z) * m.conj(m.cosh(z))) + m.imag(m.tanh(z))),
    "inverse sine": lambda m, z: m.sum(m.abs(m.asin(z)) + m.real(m.acos(z)) ** 2),
    "inverse tangent": lambda m, z: m.sum(m.abs(m.atan(z) + m.atanh(z) ** 2)),
    "inverse hyperbolic": lambda m, z: m.sum(m.imag(m.asinh(z) * m.acosh(z))),
    "reciprocal": lambda m, z: m.sum(m.abs(m.reciprocal(z) - m.square(z))),
    "product": lambda m, z: m.abs(m.prod(z)) + m.real(m.prod(z)),
    "mean": lambda m, z: m.abs(m.mean(z) - 1j) ** 2,
    "spectrum": lambda m, z: m.sum(m.log(1.0 + m.abs(m.fft.fft(z)) ** 2)),
    "signal": lambda m, z: m.sum(m.fft.irfft(z) ** 3),
    "outer": lambda m, z: m.sum(m.abs(m.matmul(z[:, None], m.conj(z)[None, :]) + 1j) ** 1.5),
    "selection": lambda m, z: m.sum(m.abs(m.where(m.real(z) > 0.0, z * z, m.conj(z)))),
}
FROM_REAL = {
    "phase": lambda m, x: m.abs(m.sum(m.exp(1j * x) * (2.0 + 1j))) ** 2,
    "rotation": lambda m, x: m.sum(m.real(m.exp(1j * x) * x)),
    "convolution": lambda m, x: m.sum(m.fft.irfft(m.fft.rfft(x) * m.fft.rfft(m.sin(x))) ** 2),
    "transfer": lambda m, x: m.sum(m.abs(1.0 / (1.0 + 1j * x)) ** 2),
    "power of i": lambda m, x: m.sum(m.imag((0.5 + 1j) ** x * x**2j)),
    "quadratic form": lambda m, x: m.real(m.sum((x + 1j * m.cos(x)) * m.conj(x * x - 1j))),
}
LOSSES = {n: (f, QUADRANTS) for n, f in FROM_COMPLEX.items()}
LOSSES |= {n: (f, np.array([0.7, -0.4, 1.3, 0.2, -1.1, 0.9])) for n, f in FROM_REAL.items()}
LOSSES["power of i"] = (FROM_REAL["power of i"], np.array([0.7, 0.4, 1.3, 0.2]))


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_pytorchs(name, device):
    torch = pytest.importorskip("torch")
    loss, values = LOSSES[name]
    theirs = torch.tensor(values, requires_grad=True)
    expected = loss(torch, theirs)
    expected.backward()
    ours = xg.Tensor(values, device=device)
    value = loss(xg, ours)
    value.backward()
    np.testing.assert_allclose(float(value), expected.item(), rtol=1e-12)
    assert ours.grad.dtype == values.dtype
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_second_derivatives(name, device):
    loss, values = LOSSES[name]
    gradcheck(lambda z: loss(xg, z), xg.asarray(values, device=device), order=2, rtol=1e-5)


def test_a_gradient_is_the_direction_of_steepest_ascent(device):
    z = xg.Tensor(3 + 4j, device=device)
    (xg.abs(z) ** 2).backward()
    np.testing.assert_allclose(z.grad.numpy(), 6 + 8j, rtol=1e-15)
    at = xg.asarray(SQUARE, device=device)

    def height(z):
        return xg.sum(xg.real(xg.sin(z) @ xg.conj(z)))

    slope = xg.grad(height)(at).numpy()
    step = 1e-6 * slope / np.linalg.norm(slope)
    rise = float(height(at + xg.asarray(step, device=device))) - float(height(at))
    np.testing.assert_allclose(rise, 1e-6 * np.linalg.norm(slope), rtol=1e-4)


# Real and complex operands --------------------------------------------------------------------------------------------

BINARY = {
    "add": xg.add,
    "subtract": xg.subtract,
    "multiply": xg.multiply,
    "divide": xg.divide,
    "pow": xg.pow,
    "vecdot": xg.vecdot,
    "where": lambda a, b: xg.where(xg.real(a) > 0.7, a, b),
    "concat": lambda a, b: xg.concat([xg.reshape(a, (-1,)), xg.reshape(b, (-1,))]),
    "matmul": lambda a, b: xg.matmul(xg.reshape(a, (1, -1)), xg.reshape(b, (-1, 1))),
    "tensordot": lambda a, b: xg.tensordot(a, b, axes=0),
}


@pytest.mark.parametrize("name", BINARY)
def test_a_real_operand_gets_a_real_gradient(name, device, rng):
    shapes = [((3,), (3,)), ((1, 1), (1,)), ((2, 0), (2, 0)), ((), ())]
    for (left, right), swap, single in itertools.product(shapes, (False, True), (False, True)):
        if left == () and name in ("vecdot",):
            continue
        real = rng.uniform(0.5, 1.5, left).astype(np.float32 if single else np.float64)
        other = (rng.uniform(0.5, 1.5, right) + 1j * rng.normal(size=right)).astype("complex64" if single else complex)
        x, z = xg.Tensor(real, device=device), xg.Tensor(other, device=device)
        out = BINARY[name](z, x) if swap else BINARY[name](x, z)
        assert out.dtype == other.dtype
        xg.sum(xg.real(out) + 2.0 * xg.imag(out)).backward()
        assert x.grad.dtype == real.dtype and z.grad.dtype == other.dtype
        assert x.grad.shape == left and z.grad.shape == right


def test_python_complex_numbers(device):
    x = xg.Tensor(np.array([0.5, 1.5], np.float32), device=device)
    for out in (x * 1j, 1j * x, x + 2j, 2j - x, x / 1j, 1j / x, x**1j, (1 + 1j) ** x, xg.where(x > 1.0, x, 1j)):
        assert out.dtype == np.complex64
        x.grad = None
        xg.sum(xg.imag(out) + xg.real(out)).backward()
        assert x.grad.dtype == np.float32
    assert not (x == 1j).requires_grad and not (x != 1j).requires_grad


NAMES = """abs acos acosh asin asinh atan atanh conj cos cosh exp expm1 imag log log10 log1p log2 negative
positive prod real reciprocal sign sin sinh sqrt square sum tan tanh"""


@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
def test_no_axes_and_no_elements(shape, device):
    z = xg.Tensor(np.full(shape, 0.3 + 0.4j), device=device)
    for name in NAMES.split():
        out = getattr(xg, name)(z)
        z.grad = None
        xg.sum(xg.real(out)).backward()
        assert z.grad.dtype == np.complex128 and z.grad.shape == shape, name
        assert np.isfinite(z.grad.numpy()).all(), name


# Zeros and masks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda z: xg.abs(z), 0),
        (lambda z: xg.real(xg.sign(z)), 0),
        (lambda z: xg.abs(z) ** 2, 0),
        (lambda z: xg.real(z**0), 0),
        (lambda z: xg.real(z**2), 0),
        (lambda z: xg.real(z**1), 1),
        (lambda z: xg.real(z ** xg.asarray([2.0 + 0j])), 0),
        (lambda z: xg.std(xg.concat([z, z])), 0),
        (lambda z: xg.abs(xg.sqrt(z)) * 0.0, 0),
        (lambda z: xg.real(xg.where(z == 0, 1j * z, xg.log(z))), -1j),
        (lambda z: xg.abs(xg.where(z == 0, 0.0, 1.0 / z)), 0),
        (lambda z: xg.real(xg.prod(xg.concat([z, 2j + z]))), -2j),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(divide by zero|invalid value):RuntimeWarning")
def test_at_zero(function, expected, device):
    z = xg.Tensor(np.array([0j]), device=device)
    xg.sum(function(z)).backward()
    assert complex(z.grad.numpy()[0]) == expected
