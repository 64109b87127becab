"""Ten small programs that know only NumPy: ``xgrad.grad`` differentiates them as they stand."""

import numpy as np
import pytest

import xgrad as xg

RNG = np.random.default_rng(11)


def logistic_regression(w, b):
    x, y = np.random.default_rng(0).standard_normal((20, 3)), np.arange(20) % 2
    margin = (2 * y - 1) * (np.dot(x, w) + b)
    return np.mean(np.logaddexp(0, -margin)) + 0.05 * np.sum(w**2)


def gaussian_process(length, noise):
    x = np.linspace(0, 3, 8)
    y = np.sin(2 * x)
    k = np.exp(-0.5 * ((x[:, None] - x) / length) ** 2) + np.exp(noise) * np.eye(8)
    chol = np.linalg.cholesky(k)
    alpha = np.linalg.solve(k, y)
    return 0.5 * np.dot(y, alpha) + np.sum(np.log(np.diag(chol))) + 4 * np.log(2 * np.pi)


def kernel_ridge(centres, scale):
    x = np.random.default_rng(1).standard_normal((10, 2))
    distance = np.sqrt(np.sum((x[:, np.newaxis, :] - centres[np.newaxis]) ** 2, axis=-1) + 1e-3)
    kernel = (1 + distance / scale) * np.exp(-distance / scale)
    weights = np.linalg.solve(kernel.T @ kernel + 0.1 * np.eye(3), kernel.T @ np.cos(x[:, 0]))
    return np.linalg.norm(kernel @ weights - np.cos(x[:, 0])) ** 2


def fourier_filter(signal, gains):
    spectrum = np.fft.rfft(signal)
    response = np.concatenate([gains, np.zeros(len(spectrum) - len(gains))])
    filtered = np.fft.irfft(spectrum * response, n=16)
    power = np.abs(np.fft.fft(filtered)) ** 2
    return np.sum(np.diff(filtered) ** 2) + 1e-2 * np.sum(power * np.arange(16))


def softmax_cross_entropy(logits):
    labels = np.array([2, 0, 1, 2])
    shifted = logits - np.max(logits, axis=1, keepdims=True)
    log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    one_hot = np.eye(3)[labels]
    return -np.sum(one_hot * log_p) / len(labels) - np.mean(log_p[np.arange(4), labels])


def recurrent_network(w, u, bias):
    inputs, state, loss = np.random.default_rng(2).standard_normal((6, 2)), np.zeros(3), 0.0
    for step, x in enumerate(inputs):
        gate = 1 / (1 + np.exp(-np.matmul(u, x)))
        state = gate * np.tanh(w @ state + u @ x + bias) + (1 - gate) * state
        loss = loss + np.sum((state - np.sin(step)) ** 2)
    return loss / len(inputs)


def convolution(image, kernel):
    rows = np.arange(4)[:, None] + np.arange(3)
    patches = image[rows[:, None, :, None], rows[None, :, None, :]]
    out = np.maximum(np.tensordot(patches, kernel, axes=((2, 3), (0, 1))), 0.01)
    pooled = np.max(np.reshape(out, (2, 2, 2, 2)), axis=(1, 3))
    return np.sum(np.pad(pooled, 1) * np.arange(16).reshape(4, 4)) - np.var(out)


def piecewise_cost(x, threshold):
    size = np.abs(x)
    huber = np.where(size < threshold, 0.5 * x**2, threshold * (size - 0.5 * threshold))
    safe = np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), np.expm1(x))
    steps = np.select([x < -1, x < 1], [x**3, np.sin(x)], default=np.log1p(size))
    return np.sum(huber) + np.prod(np.clip(safe, -0.9, 2.0) + 2) + np.interp(np.mean(steps), [-5, 0, 5], [1, 0, 2])


def attention(q, k, v):
    scores = np.einsum("hid,hjd->hij", q, k) / np.sqrt(q.shape[-1])
    scores = np.where(np.tril(np.ones(scores.shape[1:])) > 0, scores, -1e9)
    weights = np.exp(scores - np.amax(scores, axis=-1, keepdims=True))
    weights = weights / np.sum(weights, axis=-1, keepdims=True)
    mixed = np.einsum("hij,hjd->ihd", weights, v)
    return np.sum(np.square(np.reshape(mixed, (3, -1)) @ np.linspace(-1, 1, 8)))


def mixture(logits, means, log_scales):
    x = np.random.default_rng(3).standard_normal(12) * 2
    log_weights = logits - np.logaddexp.reduce(logits)
    z = np.subtract.outer(x, means) * np.exp(-log_scales)
    parts = log_weights - 0.5 * z**2 - log_scales - 0.5 * np.log(2 * np.pi)
    return -np.mean(np.logaddexp.reduce(parts, axis=1))


PROGRAMS = {
    logistic_regression: (RNG.standard_normal(3), np.array(0.3)),
    gaussian_process: (np.array(0.8), np.array(-1.5)),
    kernel_ridge: (RNG.standard_normal((3, 2)), np.array(1.3)),
    fourier_filter: (RNG.standard_normal(16), RNG.standard_normal(5)),
    softmax_cross_entropy: (RNG.standard_normal((4, 3)),),
    recurrent_network: (RNG.standard_normal((3, 3)), RNG.standard_normal((3, 2)), RNG.standard_normal(3)),
    convolution: (RNG.standard_normal((6, 6)), RNG.standard_normal((3, 3))),
    piecewise_cost: (np.array([-2.3, -0.7, 0.4, 1.6, 2.9]), np.array(1.2)),
    attention: tuple(RNG.standard_normal((2, 3, 4)) for _ in range(3)),
    mixture: (RNG.standard_normal(3), RNG.standard_normal(3), 0.3 * RNG.standard_normal(3)),
}


def difference(f, arrays, i, place):
    """The derivative along one entry by central differences, improved by Richardson's extrapolation."""

    def at(step):
        moved = [a.copy() for a in arrays]
        moved[i][place] += step
        return f(*moved)

    def central(step):
        return (at(step) - at(-step)) / (2 * step)

    return (4 * central(5e-5) - central(1e-4)) / 3


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_program(device, program):
    arrays = [np.asarray(a) for a in PROGRAMS[program]]
    tensors = [xg.asarray(a, device=device) for a in arrays]
    value, slopes = xg.value_and_grad(program, tuple(range(len(arrays))))(*tensors)
    np.testing.assert_allclose(value.numpy(), program(*arrays), rtol=1e-12)
    for i, (a, slope) in enumerate(zip(arrays, slopes, strict=True)):
        assert slope.shape == a.shape and slope.dtype == a.dtype and slope.device == tensors[i].device
        numeric = [difference(program, arrays, i, place) for place in np.ndindex(a.shape)]
        np.testing.assert_allclose(slope.numpy().reshape(-1), numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_the_gradient_of_a_program_has_a_gradient(program):
    first, *rest = (np.asarray(a) for a in PROGRAMS[program])
    direction = np.random.default_rng(4).standard_normal(first.shape)

    def slope(x):
        return np.sum(xg.grad(program)(x, *rest) * direction)

    curve = xg.asarray(xg.grad(slope)(xg.asarray(first)))
    step = 1e-4
    numeric = (float(slope(first + step * direction)) - float(slope(first - step * direction))) / (2 * step)
    np.testing.assert_allclose(np.sum(curve.numpy() * direction), numeric, rtol=1e-5, atol=1e-6)
