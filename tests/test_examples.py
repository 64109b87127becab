"""The programs that a newcomer runs, as a newcomer runs them."""

import argparse
import importlib.util
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import xgrad as xg

pytest.importorskip("sklearn")
pytest.importorskip("tqdm")

EXAMPLES = pathlib.Path(xg.__file__).parent.parent / "examples"
needs_files = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not in an installed package")
pytestmark = needs_files


def run(script, *options, cwd):
    command = [sys.executable, str(EXAMPLES / script), *map(str, options)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def succeeded(result):
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert "Warning" not in result.stderr
    return result.stdout


def imported(script):
    """The example as a module, to look at its parts."""
    specification = importlib.util.spec_from_file_location(script.removesuffix(".py"), EXAMPLES / script)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def called(example, monkeypatch, capfd, *options):
    """``main`` with these options in this process: what it exits with, prints and says on the error stream."""
    monkeypatch.setattr(sys, "argv", [example.__file__, *map(str, options)])
    code = 0
    try:
        example.main()
    except SystemExit as exit:
        code = exit.code
    return code, *capfd.readouterr()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The whole main job, with its defaults."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("safetensors")
    folder = tmp_path_factory.mktemp("digits")
    return run("digits.py", cwd=folder), folder


def test_digits_reaches_its_accuracy_in_time(digits):
    text = succeeded(digits[0])
    line = re.search(r"test accuracy ([\d.]+)% \((\d+) of 360 images.*, 12 epochs in ([\d.]+) s on cpu", text)
    assert float(line[1]) >= 98.5
    assert float(line[1]) == pytest.approx(100 * int(line[2]) / 360, abs=0.01)
    assert float(line[3]) < 120  # 7 on a core of its own


def test_digits_shows_progress_and_a_table(digits):
    assert "12/12" in digits[0].stderr
    rows = re.findall(r"^ +(\d+) +(\d\.\d{4}) +(\d\.\d{4}) +([\d.]+)% +([\d.]+)%$", digits[0].stdout, re.M)
    assert (rows[0][0], rows[-1][0], len(rows)) == ("1", "12", 10)
    assert float(rows[-1][1]) < 0.05 < float(rows[0][1])
    assert re.search(r"^right % +(\d+\.\d\s*){10}$", digits[0].stdout, re.M)


def test_digits_writes_pictures_and_weights(digits):
    import matplotlib.image
    from safetensors.numpy import load_file

    for name in ("digits.png", "digits_curves.png"):
        picture = matplotlib.image.imread(digits[1] / "out" / name)
        assert picture.shape[0] > 500
        assert picture.shape[1] > 800
        assert picture[..., :3].std() > 0.1
    weights = load_file(digits[1] / "out" / "digits.safetensors")
    shapes = {name: value.shape for name, value in weights.items() if value.ndim > 1}
    assert shapes == {
        "0.weight": (16, 1, 3, 3),
        "3.weight": (32, 16, 3, 3),
        "7.weight": (64, 32, 3, 3),
        "13.weight": (10, 256),
    }
    assert all(np.isfinite(value).all() for value in weights.values())


def test_digits_repeats_itself_on_every_device(device):
    example = imported("digits.py")

    def trained(seed, device):
        args = argparse.Namespace(model="mlp", epochs=1, seed=seed, device=device)
        network = example.model("mlp", xg.random.default_rng(seed, device=device))
        history = example.train(network, args, *example.load_data(seed))
        return {name: p.detach().numpy() for name, p in network.named_parameters()}, history["test"][0]

    (a, (_, score)), (b, (_, elsewhere)), (c, _) = trained(3, "cpu"), trained(3, device), trained(4, "cpu")
    assert all((a[name] != c[name]).any() for name in a)
    if device == "cpu":
        assert all((a[name] == b[name]).all() for name in a)
    if device != "cuda":  # which has other random numbers
        assert all(np.abs(a[name] - b[name]).max() < 1e-3 for name in a)
        assert score == pytest.approx(elsewhere, abs=1 / 360 + 1e-6)
    assert score > 0.8
    assert elsewhere > 0.8


def test_digits_weights_serve_again(digits):
    example = imported("digits.py")
    network = example.model("conv", xg.random.default_rng(1))
    network.load_state_dict(xg.load(digits[1] / "out" / "digits.safetensors"))
    _, (images, labels) = example.load_data(0)
    right = int((example.predict(network, images, "cpu").argmax(1) == labels).sum())
    assert f"({right} of 360 images" in digits[0].stdout


def test_digits_shifts_images_by_parts_of_a_pixel():
    """Linear interpolation moves the centre of an image by exactly the shift, while no ink leaves it."""
    digits = imported("digits.py")
    images = np.zeros((200, 1, 8, 8), np.float32)
    images[:, 0, 2:6, 3:5] = 1
    moved, _ = digits.shifted((images, None), np.random.default_rng(0))
    np.testing.assert_allclose(moved.sum((1, 2, 3)), 8, rtol=1e-5)
    rows, columns = (np.arange(8) @ moved[:, 0].sum(2 - axis).T / 8 for axis in (0, 1))
    for shift in (rows - 3.5, columns - 3.5):
        assert np.abs(shift).max() <= digits.REACH + 1e-5
        assert shift.min() < -0.5 * digits.REACH < 0.5 * digits.REACH < shift.max()


def test_diabetes_reaches_the_closed_form(tmp_path, device):
    text = succeeded(run("diabetes.py", "--device", device, cwd=tmp_path))
    rows = re.findall(r"^(\w+) +(-?[\d.]+) +(-?[\d.]+) +(-?[\d.]+e[-+]\d+)$", text, re.M)
    assert [row[0] for row in rows] == ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "bias"]
    for _, descended, exact, difference in rows:
        assert float(descended) == pytest.approx(float(exact), abs=2e-6)
        assert abs(float(difference)) < 1e-6
    assert float(rows[-1][2]) == pytest.approx(152.133484)  # the mean of the targets
    assert "explained variance 0.5177" in text


def test_diabetes_has_not_arrived_after_a_few_steps(tmp_path):
    text = succeeded(run("diabetes.py", "--steps", 20, cwd=tmp_path))
    assert float(re.search(r"largest difference ([\d.e+-]+)", text)[1]) > 0.1


def test_out_of_core_needs_a_fraction_of_its_data(tmp_path):
    pytest.importorskip("dask.array", reason="Dask's arrays are not installed")
    text = succeeded(run("out_of_core.py", "--rows", 2_000_000, "--steps", 3, cwd=tmp_path))
    size = float(re.search(r"2,000,000 rows of 32 numbers, (\d+) MB in 40 blocks", text)[1])
    losses = [float(v) for v in re.findall(r"^step \d: loss ([\d.]+),", text, re.M)]
    assert losses[0] == pytest.approx(np.log(2), abs=1e-6)  # of weights that are zero
    assert losses[0] > losses[1] + 0.2 > losses[2] + 0.22
    peak, before = (int(v.replace(",", "")) for v in re.search(r"peak ([\d,]+) MB, ([\d,]+) MB of it", text).groups())
    assert size > 480
    assert before < 400  # of this process, whatever the size of the one that started it
    assert peak - before < size / 2
    assert float(re.search(r"from the true one: ([\d.]+)", text)[1]) < 0.6


ABSENT = ["gpu:0", "torch:cuda:99"] + [name for name, reason in xg.devices().items() if reason is not None]


OTHERS = ("diabetes.py", "gaussian_process.py", "mixture.py", "orbits.py")


@pytest.mark.parametrize("script, name", [("digits.py", n) for n in ABSENT] + [(s, ABSENT[0]) for s in OTHERS])
def test_a_device_that_is_not_there_is_one_clear_line(script, name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    code, text, errors = called(imported(script), monkeypatch, capfd, "--device", name)
    assert (code, text) == (2, "")
    (line,) = errors.splitlines()
    assert line.startswith(f"{script}: ")
    assert name.partition(":")[0] in line.lower()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "option", [("--epochs", "0"), ("--epochs", "many"), ("--seed", "-1"), ("--out", __file__), ("--model", "gpt")]
)
def test_digits_checks_its_options(option, monkeypatch, capfd):
    code, _, errors = called(imported("digits.py"), monkeypatch, capfd, *option)
    assert code == 2
    assert f"argument {option[0]}: " in errors


def test_digits_says_what_to_install(tmp_path):
    script = str(EXAMPLES / "digits.py")
    program = f"import sys, runpy; sys.modules['tqdm'] = None; runpy.run_path({script!r}, run_name='__main__')"
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "digits.py: tqdm is not installed. Run: pip install -e '.[examples]'.\n"
