"""The training steps of the examples beside PyTorch's: the same losses, and a refusal of others."""

import pytest

from benchmarks import examples as bench

from .test_examples import needs_files

for package in ("torch", "sklearn", "threadpoolctl", "tqdm", "matplotlib", "safetensors"):
    pytest.importorskip(package)

pytestmark = needs_files


@pytest.mark.parametrize("name", bench.PAIRS)
def test_the_losses_are_those_of_pytorch(name):
    pair = bench.PAIRS[name]("cpu")
    bench.check(pair)
    first = pair.our_batches[0]
    losses = [float(pair.ours(*first)) for _ in range(3)]
    assert losses[-1] < losses[0]  # it does train


def test_other_losses_are_not_timed(monkeypatch, capsys):
    def other(device):
        pair = bench.digits("mlp", device)
        step = pair.ours
        pair.ours = lambda *batch: step(*batch) * 1.001
        return pair

    monkeypatch.setattr(bench, "PAIRS", {"digits-mlp": other})
    assert bench.main(["--rounds", "1"]) == 1
    text = capsys.readouterr().out
    assert "digits-mlp was not measured: the loss of step 1 is" in text
    assert "| digits" not in text


def test_the_table_has_the_ratio_of_each_round():
    times = [(2.0, 1.0), (3.0, 3.0), (9.0, 6.0)]
    assert bench.row("a", times) == "| a | 3000.00 | 3000.00 | 1.50 | **no** |"
    assert bench.row("a", [(1.0, 1.0)]).endswith("| 1.00 | yes |")


def test_a_short_comparison_prints_a_table(capsys):
    assert bench.main(["vae", "--rounds", "1"]) == 0
    *_, line = capsys.readouterr().out.splitlines()
    assert line.startswith("| vae | ")


def test_unknown_examples_are_an_error(capsys):
    with pytest.raises(SystemExit):
        bench.main(["mnist"])
    assert "unknown example: mnist" in capsys.readouterr().err
