"""The example that draws digits, as a newcomer runs it, and the parts that its figures rest on."""

import argparse
import re

import numpy as np
import pytest

import xgrad as xg

from .test_examples import called, imported, needs_files, run, succeeded

for package in ("matplotlib", "safetensors", "sklearn", "threadpoolctl", "tqdm"):
    pytest.importorskip(package)

pytestmark = needs_files


@pytest.fixture(scope="module")
def vae():
    return imported("vae.py")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A run of a few epochs, which already beats the best baseline."""
    folder = tmp_path_factory.mktemp("vae")
    return run("vae.py", "--epochs", 12, cwd=folder), folder / "out"


def bits(text):
    """The codes and what they need."""
    return {name: float(value) for name, value in re.findall(r"^  (\w.*?) +(\d\.\d{3})$", text, re.M)}


def test_it_learns_more_than_pixels_by_themselves(short):
    text = succeeded(short[0])
    found = list(bits(text).values())
    assert len(found) == 4
    assert found == sorted(found, reverse=True)
    assert found[-1] < 2.12 < found[-2]
    drawn, real = (float(v) for v in re.findall(r"([\d.]+)% of (?:the drawings|held-out images)", text))
    assert drawn > 85
    assert real > 97
    assert "12/12" in short[0].stderr


def test_it_draws_what_it_says(short):
    import matplotlib.image

    for name in ("vae_digits.png", "vae_between.png", "vae_curves.png"):
        picture = matplotlib.image.imread(short[1] / name)
        assert min(picture.shape[:2]) > 300
        assert picture[..., :3].std() > 0.1
    weights = xg.load(short[1] / "vae.safetensors")
    assert weights["encoder.0.weight"].shape == (192, 74)
    assert weights["decoder.4.weight"].shape == (128, 192)
    assert all(np.isfinite(value.numpy()).all() for value in weights.values())


def trained(vae, device, seed):
    """The weights after an epoch on 128 images."""
    data = vae.load_data(None, seed)
    few = vae.Data(data.size, data.levels, tuple(part[:128] for part in data.train), data.some_held_out(10))
    random = xg.random.default_rng(seed, device=device)
    network = vae.model(data.size**2, data.levels, random)
    before = {name: value.numpy() for name, value in network.state_dict().items()}
    vae.train(network, few, argparse.Namespace(epochs=1, seed=seed, device=device), random)
    after = {name: value.numpy() for name, value in network.state_dict().items()}
    assert all((before[name] != after[name]).any() for name in before)
    return after


def test_it_repeats_itself(vae):
    a, b, c = (trained(vae, "cpu", seed) for seed in (5, 5, 6))
    assert all((a[name] == b[name]).all() for name in a)
    assert all((a[name] != c[name]).any() for name in a)


def test_devices_agree(vae, device):
    found = trained(vae, device, 5)
    for name, value in trained(vae, "cpu", 5).items():
        if device != "cuda":  # which has other random numbers
            np.testing.assert_allclose(found[name], value, atol=2e-4)  # Adam divides by small gradients
        assert np.isfinite(found[name]).all()


def test_the_probabilities_of_all_levels_sum_to_one(vae, rng):
    network = vae.model(3, 17, xg.random.default_rng(0))
    centre, log_spread = (xg.asarray(v) for v in (rng.normal(size=(17, 3)), rng.uniform(-6, 3, (17, 3))))
    levels = np.arange(17.0)
    total = 0.0
    for pixel in range(3):
        images = np.broadcast_to(levels[:, None], (17, 1))
        same = [xg.broadcast_to(v[:1, pixel : pixel + 1], (17, 1)) for v in (centre, log_spread)]
        total = np.exp(vae.log_probability(network, xg.asarray(images), *same).numpy()).sum()
        assert total == pytest.approx(1, rel=1e-9)


def test_the_probability_of_a_level_is_that_of_a_rounded_logistic_variable(vae, rng):
    stats = pytest.importorskip("scipy.stats")
    network = vae.model(4, 17, xg.random.default_rng(0))
    images = np.array([[0.0, 3.0, 16.0, 9.0]])
    centre, log_spread = rng.normal(size=(1, 4)), rng.uniform(-3, 1, (1, 4))
    edges = np.array([[-np.inf, 2.5, 15.5, 8.5], [0.5, 3.5, np.inf, 9.5]]) / 8 - 1
    low, high = stats.logistic.cdf(edges, loc=centre, scale=np.exp(log_spread))
    found = vae.log_probability(network, *(xg.asarray(a) for a in (images, centre, log_spread)))
    np.testing.assert_allclose(found.numpy(), [np.log(high - low).sum()], rtol=1e-9)


def test_far_away_pixels_have_finite_probabilities_and_gradients(vae):
    network = vae.model(2, 256, xg.random.default_rng(0))
    images = xg.asarray([[0.0, 128.0]], dtype="float32")
    centre = xg.Tensor(np.array([[1.0, -1.0]], dtype=np.float32))
    log_spread = xg.Tensor(np.full((1, 2), -6.0, dtype=np.float32))
    vae.log_probability(network, images, centre, log_spread).sum().backward()
    for grad in (centre.grad, log_spread.grad):
        assert np.isfinite(grad.numpy()).all()
        assert (grad.numpy() != 0).all()


def test_the_bound_is_below_the_probability_that_many_draws_give(vae):
    """The mean over draws of p(x, z) / q(z) is p(x); its logarithm is above the mean of the logarithms."""
    random = xg.random.default_rng(0)
    network = vae.model(16, 17, random)
    images = xg.asarray(np.random.default_rng(1).integers(0, 17, (1, 16)).astype(np.float32))
    classes = xg.asarray(np.eye(10, dtype=np.float32)[[3]])
    count = 4000
    noise = random.standard_normal((count, vae.LATENT), dtype="float32")
    many = [xg.broadcast_to(v, (count, v.shape[1])) for v in (images, classes)]
    with xg.no_grad():
        bound = float(vae.bound(network, *many, noise).mean())
        mean, log_deviation = network.encode(*many)
        z = mean + xg.exp(log_deviation) * noise
        given_z = vae.log_probability(network, many[0], *network.decode(z, many[1]))
        log_prior = -0.5 * xg.sum(z**2, axis=1)
        log_posterior = -0.5 * xg.sum(noise**2, axis=1) - xg.sum(log_deviation, axis=1)
        weights = (given_z + log_prior - log_posterior).numpy().astype(float)
    assert bound == pytest.approx(weights.mean(), abs=0.05)
    assert weights.mean() < np.log(np.exp(weights - weights.max()).mean()) + weights.max()


def test_it_reads_mnist_from_files(vae, tmp_path, monkeypatch, capfd):
    random = np.random.default_rng(0)
    for part, count in (("train", 70), ("t10k", 30)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        digits = (np.arange(count) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", digits)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            (tmp_path / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())
    code, text, _ = called(vae, monkeypatch, capfd, "--mnist", tmp_path, "--epochs", 1, "--out", tmp_path / "out")
    assert code == 0
    assert "bits per pixel of 30 images held out" in text
    assert bits(text)["all levels alike"] == 8


def test_what_is_not_there_is_one_clear_line(vae, tmp_path, monkeypatch, capfd):
    for option, word in ((("--mnist", tmp_path), "train-images"), (("--device", "gpu:0"), "gpu")):
        code, text, errors = called(vae, monkeypatch, capfd, *option, "--out", tmp_path / "out")
        assert (code, text) == (2, "")
        (line,) = errors.splitlines()
        assert line.startswith("vae.py: ")
        assert word in line.lower()
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [("--epochs", "0"), ("--seed", "-1"), ("--out", __file__)])
def test_it_checks_its_options(vae, option, monkeypatch, capfd):
    code, _, errors = called(vae, monkeypatch, capfd, *option)
    assert code == 2
    assert f"argument {option[0]}: " in errors
