"""The programs for people who come from HIPS autograd: NumPy code, of which only the gradients are xgrad's."""

import re

import numpy as np
import pytest

import xgrad as xg

from .test_examples import needs_files, run, succeeded

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")
pytestmark = needs_files

SCRIPTS = ("gaussian_process.py", "mixture.py", "orbits.py")
DEVICES = [name for name in ("torch:cpu", "strict:cpu", "cuda:0") if xg.devices().get(name, "absent") is None]
SHORT = {
    "gaussian_process.py": ("--folds", 2),
    "mixture.py": ("--starts", 2, "--components", 4, "--steps", 40),
    "orbits.py": ("--departure", "2020-08-10", "--days", 190, "--steps", 20, "--grid", 2),
}


def numbers(pattern, text):
    """The groups of every match as floats; thousands are separated by commas."""
    return np.array([[float(v.replace(",", "")) for v in row.groups()] for row in re.finditer(pattern, text, re.M)])


def picture(path):
    import matplotlib.image

    pixels = matplotlib.image.imread(path)
    assert pixels.shape[0] > 500
    assert pixels.shape[1] > 1200
    assert pixels[..., :3].std() > 0.1


FOLD = r"^ +\d (?: +(-?[\d.]+))(?: +(-?[\d.]+))(?: +([\d.]+))(?: +([\d.]+))(?: +(-?[\d.]+))(?: +(-?[\d.]+)) +\d+$"
ALL = r"^ all +([\d.]+) +([\d.]+) +(-?[\d.]+) +(-?[\d.]+)$"


def test_gaussian_process_predicts_better_than_a_line(tmp_path):
    text = succeeded(run("gaussian_process.py", cwd=tmp_path))
    folds, ((process, line, density, line_density),) = numbers(FOLD, text), numbers(ALL, text)
    assert len(folds) == 5
    assert (folds[:, 1] > folds[:, 0] + 10).all()  # the evidence, by the fit
    assert 0.2 < process < 0.9 * line
    assert density < line_density - 0.05
    assert folds[:, 2:4].std() > 0  # each part is its own
    assert np.sqrt(np.mean(folds[:, 3] ** 2)) == pytest.approx(line, abs=2e-3)
    ((inside,),) = numbers(r"^([\d.]+)% of 178 held-out wines lie inside of their 95 % interval$", text)
    assert 90 <= inside <= 99
    assert "shortest lengths (in standard deviations): hue " in text
    picture(tmp_path / "out" / "gaussian_process.png")


BOUND = r"^(?:best|median|worst) +(-[\d.]+) +(-[\d.]+)$"
COMPONENT = r"^ +\d+ +([\d.]+) \+- ([\d.]+) +(\d+) +(\d+) +(\d+)$"
RAND = r"^adjusted Rand index of components and growers: (-?[\d.]+) "


def test_mixture_finds_the_growers(tmp_path):
    text = succeeded(run("mixture.py", cwd=tmp_path))
    bounds = numbers(BOUND, text)
    assert bounds.shape == (3, 2)
    assert (bounds[:, 1] > bounds[:, 0] + 50).all()
    assert (np.diff(bounds[:, 1]) <= 0).all()
    components = numbers(COMPONENT, text)
    assert len(components) == 3  # of six
    assert components[:, 2:].sum(axis=0).tolist() == [59, 71, 48]
    assert 0.95 < components[:, 0].sum() <= 1.002
    assert (components[:, 1] < 0.1).all()
    assert "the other 3 have no wine" in text
    assert numbers(RAND, text)[0, 0] > 0.85
    picture(tmp_path / "out" / "mixture.png")


NEWTON = r"^ +\d+ +([\d.]+) km/s +([\d,.]+) km$"
DATES = r"^(?:these dates|dates found) +\d{4}-\d\d-\d\d +([\d.]+) +([\d.]+) km/s +([\d.]+) km/s +([\d.]+) km/s$"
ENERGY = r"^energy (-?[\d.]+) MJ/kg, drift over the flight ([\d.e+-]+) of it$"
KEPLER = r"^Kepler's ellipse ends ([\d,]+) km from there; with \d+ steps ([\d,]+) km$"


def test_orbits_meet_mars_with_the_energy_of_perseverance(tmp_path):
    text = succeeded(run("orbits.py", "--grid", 5, cwd=tmp_path))
    missed = numbers(NEWTON, text)[:, 1]
    assert missed[0] > 1e8 > 1e4 > missed[-2] > 1 > missed[-1]
    assert float(re.search(r"C3 ([\d.]+) km2/s2 \(Perseverance: 14.49\)", text)[1]) == pytest.approx(14.49, abs=0.05)
    ((_, drift),), ((error, halved),) = numbers(ENERGY, text), numbers(KEPLER, text)
    assert drift < 1e-4
    assert error < 2e4
    assert error / halved == pytest.approx(4, abs=0.1)  # an integrator of second order
    flown, found = numbers(DATES, text)
    assert flown[0] == 203
    assert flown[1] ** 2 == pytest.approx(14.485, abs=0.01)
    assert found[3] < flown[3] - 0.02
    assert "Hohmann        circular orbits      2.945 km/s     2.649 km/s" in text
    picture(tmp_path / "out" / "orbits.png")


def test_orbits_find_the_launch_window_from_bad_dates(tmp_path):
    options = ("--departure", "2020-08-20", "--days", 150, "--steps", 60, "--grid", 2)
    text = succeeded(run("orbits.py", *options, cwd=tmp_path))
    assert "Perseverance" not in text
    assert re.search(r"^dates found  2020-07-2[3-7] ", text, re.M)
    given, found = numbers(DATES, text)
    assert given[0] == 150
    assert found[3] < 6.4 < 7 < given[3]


def test_orbits_say_when_there_is_no_flight(tmp_path):
    result = run("orbits.py", "--departure", "2020-01-01", "--days", 365, "--steps", 60, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "orbits.py: Newton's method found no flight for these dates; choose others\n"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module", params=SCRIPTS)
def on_numpy(request, tmp_path_factory):
    """A program with little work, and what it prints on NumPy arrays."""
    folder = tmp_path_factory.mktemp("cpu")
    return request.param, succeeded(run(request.param, *SHORT[request.param], cwd=folder))


def test_results_are_the_same_on_another_device(on_numpy, tmp_path):
    """One for each program, in turn."""
    script, expected = on_numpy
    if not DEVICES:
        pytest.skip("no other device is here")
    name = DEVICES[SCRIPTS.index(script) % len(DEVICES)]
    text = succeeded(run(script, *SHORT[script], "--device", name, "--out", "there", cwd=tmp_path))
    assert f" s on {name}; wrote there" in text
    picture(tmp_path / "there" / script.replace(".py", ".png"))
    patterns = {
        "gaussian_process.py": {FOLD: 0.11, ALL: 2e-3},
        "mixture.py": {BOUND: 0.11, COMPONENT: 2e-3, RAND: 1e-3},
        "orbits.py": {DATES: 0.11, ENERGY: 1e-5, KEPLER: 2},
    }
    for pattern, difference in patterns[script].items():
        assert len(numbers(pattern, expected)) > 0
        np.testing.assert_allclose(numbers(pattern, text), numbers(pattern, expected), rtol=1e-5, atol=difference)


@pytest.mark.parametrize(
    "script, name, value",
    [
        ("gaussian_process.py", "--folds", "1"),
        ("mixture.py", "--components", "101"),
        ("orbits.py", "--departure", "1799-12-31"),
        ("orbits.py", "--grid", "1"),
        ("orbits.py", "--out", __file__),
    ],
)
def test_options_are_checked(script, name, value, tmp_path):
    result = run(script, name, value, cwd=tmp_path)
    assert result.returncode == 2
    assert f"argument {name}: " in result.stderr
    assert "Traceback" not in result.stderr
