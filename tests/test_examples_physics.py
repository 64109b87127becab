"""The example that solves a differential equation: its derivatives, its exact solution, and a short run of it."""

import importlib.util
import pathlib
import re
import sys

import numpy as np
import pytest

import xgrad as xg

for package in ("matplotlib", "tqdm", "threadpoolctl", "safetensors"):
    pytest.importorskip(package)
PATH = pathlib.Path(xg.__file__).parent.parent / "examples" / "physics.py"
pytestmark = pytest.mark.skipif(not PATH.is_file(), reason="the examples are not in an installed package")


@pytest.fixture
def physics():
    spec = importlib.util.spec_from_file_location("physics_example", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.WIDTH, module.DEPTH = 8, 2
    return module


def points_inside(count, seed=0):
    return np.random.default_rng(seed).uniform((-0.9, 0.1), (0.9, 0.9), (count, 2))


def differences(function, points, h=1e-4):
    """u, u_x, u_t and u_xx by central differences."""
    along_x, along_t = np.array([h, 0.0]), np.array([0.0, h])
    middle, left, right = (function(points + d) for d in (0.0, -along_x, along_x))
    rate = (function(points + along_t) - function(points - along_t)) / (2 * h)
    return middle, (right - left) / (2 * h), rate, (right - 2 * middle + left) / h**2


def test_derivatives_agree_with_differences(physics, device):
    wave = physics.Wave(xg.random.default_rng(3)).to("float64").to(device)
    points = points_inside(7)
    found = physics.derivatives(wave, xg.asarray(points, device=device))
    expected = differences(lambda p: wave(xg.asarray(p, device=device)).detach().numpy(), points)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=1e-5, atol=1e-5)


def test_gradients_by_the_weights_agree_with_differences(physics):
    wave = physics.Wave(xg.random.default_rng(3)).to("float64")
    points = xg.asarray(points_inside(7))
    weights = xg.asarray(np.random.default_rng(1).uniform(0.5, 2.0, 7))
    physics.loss_and_gradient(wave, points, weights)
    weight, h = wave.layers[2].weight, 1e-6
    slope, losses = float(weight.grad[3, 5]), []
    for step in (h, -2 * h):
        with xg.no_grad():
            weight[3, 5] += step
        losses.append(float(physics.loss_and_gradient(wave, points, weights)))
    assert slope == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-5)


def test_the_exact_solution_obeys_the_equation(physics):
    points = points_inside(50)
    points[:, 1] *= 0.25  # before the front is steep, where differences are accurate
    u, u_x, u_t, u_xx = differences(physics.exact, points)
    np.testing.assert_allclose(u_t + u * u_x, physics.VISCOSITY * u_xx, atol=2e-5)
    places = np.linspace(-1, 1, 11)
    at_start, at_wall = np.stack([places, 0 * places], axis=1), np.stack([0 * places + 1, 0.5 * places + 0.5], axis=1)
    np.testing.assert_allclose(physics.exact(at_start), -np.sin(np.pi * places), atol=1e-12)
    np.testing.assert_allclose(physics.exact(at_wall), 0, atol=1e-12)
    assert np.isfinite(physics.exact(physics.grid(41, 11))).all()


def test_a_network_is_exact_at_the_start_and_at_the_walls(physics):
    wave = physics.Wave(xg.random.default_rng(3))
    border = np.array([[0.3, 0.0], [-0.7, 0.0], [1.0, 0.6], [-1.0, 0.4]])
    np.testing.assert_allclose(physics.values(wave, border, "cpu"), physics.exact(border), atol=1e-6)


def test_more_points_where_the_equation_is_obeyed_less(physics):
    wave, random = physics.Wave(xg.random.default_rng(3)), xg.random.default_rng(4)
    points, weights = physics.sample(wave, random, 2000)
    assert (points.shape, weights.shape) == ((2000, 2), (2000,))
    assert points.dtype == weights.dtype == xg.float32
    everywhere = xg.asarray(np.random.default_rng(5).uniform((-1, 0), 1, (20_000, 2)).astype("float32"))
    sizes, even = (abs(physics.residual(wave, p).detach()).numpy() for p in (points, everywhere))
    assert sizes.mean() > 1.06 * even.mean()
    assert (sizes * weights.numpy()).mean() == pytest.approx(even.mean(), rel=0.05)  # a mean over the area again


def test_a_short_run(physics, tmp_path, monkeypatch, capsys):
    physics.FRESH = 20
    options = ["--steps", "30", "--rounds", "2", "--points", "200", "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["physics.py", *map(str, options)])
    physics.main()
    text = capsys.readouterr().out
    rows = [[float(v) for v in row] for row in re.findall(r"^ +(\d+)  (\d\.\d\de.\d\d)  ([\d.]+)%$", text, re.M)]
    assert [row[0] for row in rows] == [20, 30, 50, 70]
    assert rows[-1][1] < 0.8 * rows[0][1]
    assert rows[-1][2] < rows[0][2]
    assert f"relative error {rows[-1][2]:.3f}%" in text
    files = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert sorted(files) == ["physics.png", "physics.safetensors", "physics_loss.png"]
    assert all(files[name].read_bytes()[1:4] == b"PNG" for name in files if name.endswith("png"))
    wave = physics.Wave(xg.random.default_rng(9))
    wave.load_state_dict(xg.load(files["physics.safetensors"]))
    points = physics.grid(201, 51)
    error = physics.relative_error(physics.values(wave, points, "cpu"), physics.exact(points))
    assert 100 * error == pytest.approx(rows[-1][2], abs=1e-3)


def test_a_device_that_is_not_there_is_one_clear_line(physics, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["physics.py", "--device", "torch:cuda:99"])
    with pytest.raises(SystemExit) as stopped:
        physics.main()
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("physics.py: ")


@pytest.mark.parametrize("option", [("--steps", "0"), ("--rounds", "-1"), ("--points", "many"), ("--out", __file__)])
def test_options_are_checked(physics, option, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["physics.py", *option])
    with pytest.raises(SystemExit):
        physics.main()
    assert f"argument {option[0]}: " in capsys.readouterr().err


def test_help_says_what_it_does(physics, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["physics.py", "--help"])
    with pytest.raises(SystemExit) as stopped:
        physics.main()
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "differential equation" in text
    assert all(option in text for option in ("--device", "--steps", "--rounds", "--points", "--seed", "--out"))
