"""The examples trained in both libraries: short trainings end in the same place."""

import pytest

from benchmarks import accuracy

from .test_examples import needs_files

for package in ("torch", "sklearn", "threadpoolctl", "tqdm", "matplotlib", "safetensors"):
    pytest.importorskip(package)

pytestmark = needs_files


SHORT = {
    "digits-mlp": ["--epochs=2"],
    "digits-conv": ["--epochs=1"],
    "vae": ["--epochs=2"],
    "physics": ["--steps=3", "--rounds=1"],
    "text": ["--steps=2"],
}


def prepared(pair):
    """The pair with less to do: more iterations of L-BFGS would show every difference in the last digit."""
    if hasattr(pair.code, "FRESH"):
        pair.code.FRESH = 3
    if pair.title == "text":
        names, (codes, held), vocabulary = pair.code.load_data()
        pair.code.load_data = lambda: (names, (codes, held[: 4 * pair.code.CONTEXT + 1]), vocabulary)
    return pair


def test_every_example_is_here():
    assert SHORT.keys() == accuracy.TRAININGS.keys()


@pytest.mark.parametrize("name", SHORT)
def test_pytorch_ends_where_xgrad_does(name):
    _, pair, train = accuracy.TRAININGS[name]
    start, ours = pair(), prepared(pair())
    before = {key: value.numpy() for key, value in start.our_network.state_dict().items()}
    reached = train(ours, *SHORT[name])
    theirs = accuracy.in_pytorch(prepared(pair()))
    assert train(theirs, *SHORT[name]) == pytest.approx(reached, rel=0.01)
    for key, value in theirs.our_network.state_dict().items():  # by steps that PyTorch made, in as many directions
        moved, wanted = value.numpy() - before[key], ours.our_network.state_dict()[key].numpy() - before[key]
        assert abs(moved - wanted).max() <= 0.05 * abs(wanted).max() + 1e-6, key


def test_without_pytorch_nothing_is_trained(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert accuracy.main(["digits-mlp"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "benchmarks.accuracy: PyTorch is not installed.\n" and not captured.out


def test_unknown_examples_are_an_error(capsys):
    with pytest.raises(SystemExit):
        accuracy.main(["mnist"])
    assert "unknown example: mnist" in capsys.readouterr().err
