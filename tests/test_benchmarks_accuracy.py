"""The examples trained in both libraries: short trainings end in the same place."""

import pytest

from benchmarks import accuracy

from .test_examples import needs_files

for package in ("torch", "sklearn", "threadpoolctl", "tqdm", "matplotlib", "safetensors"):
    pytest.importorskip(package)

pytestmark = needs_files


def few_steps(pair):
    pair.code.FRESH = 3  # iterations of L-BFGS: more would show every difference in the last digit
    return accuracy.physics(pair, steps=3, rounds=1)


SHORT = {
    "digits-mlp": lambda pair: accuracy.digits(pair, "mlp", epochs=2),
    "digits-conv": lambda pair: accuracy.digits(pair, "conv", epochs=1),
    "vae": lambda pair: accuracy.vae(pair, epochs=2),
    "physics": few_steps,
    "text": lambda pair: accuracy.text(pair, steps=2),
}


def test_every_example_is_here():
    assert SHORT.keys() == accuracy.TRAININGS.keys()


@pytest.mark.parametrize("name", SHORT)
def test_pytorch_ends_where_xgrad_does(name, monkeypatch):
    whole = accuracy.characters

    def fewer(code):
        (codes, held), count = whole(code)
        return (codes, held[: 4 * code.CONTEXT + 1]), count

    monkeypatch.setattr(accuracy, "characters", fewer)
    _, pair, _ = accuracy.TRAININGS[name]
    start, ours = pair(), pair()
    before = {key: value.numpy() for key, value in start.our_network.state_dict().items()}
    reached = SHORT[name](ours)
    theirs = accuracy.in_pytorch(pair())
    assert SHORT[name](theirs) == pytest.approx(reached, rel=0.01)
    for key, value in theirs.our_network.state_dict().items():  # by steps that PyTorch made, in as many directions
        moved, wanted = value.numpy() - before[key], ours.our_network.state_dict()[key].numpy() - before[key]
        assert abs(moved - wanted).max() <= 0.05 * abs(wanted).max() + 1e-6, key


def test_unknown_examples_are_an_error(capsys):
    with pytest.raises(SystemExit):
        accuracy.main(["mnist"])
    assert "unknown example: mnist" in capsys.readouterr().err
