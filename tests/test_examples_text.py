"""The example that learns to write: its text, its n-gram baseline, its transformer, and a short run of it."""

import importlib.util
import math
import pathlib
import re
import sys
from collections import Counter

import numpy as np
import pytest

import xgrad as xg

for package in ("matplotlib", "tqdm", "threadpoolctl", "safetensors"):
    pytest.importorskip(package)
PATH = pathlib.Path(xg.__file__).parent.parent / "examples" / "text.py"
pytestmark = pytest.mark.skipif(not PATH.is_file(), reason="the examples are not in an installed package")

TOY = "she sells sea shells by the sea shore; the shells she sells are sea shells for sure. " * 2 + "so she said"


@pytest.fixture
def text():
    spec = importlib.util.spec_from_file_location("text_example", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.WIDTH, module.LAYERS, module.HEADS, module.CONTEXT, module.LONGEST = 16, 1, 2, 16, 4
    return module


# The text -------------------------------------------------------------------------------------------------------------


def test_no_paragraph_is_in_two_topics(text):
    owner = {}
    for name, topic in text.topics().items():
        assert topic.endswith(text.END)
        for paragraph in topic.strip("\n").split("\n\n"):
            assert owner.setdefault(" ".join(paragraph.split()), name) == name
    assert len(owner) > 1000


# The baseline ---------------------------------------------------------------------------------------------------------


def kneser_ney(train, order, characters):
    """The probability of a character after a history, by dicts and recursion."""
    found = {n: Counter(train[i : i + n] for i in range(len(train) - n + 1)) for n in range(1, order + 1)}
    tables = {order: found[order]}
    for n in range(1, order):
        tables[n] = Counter(longer[1:] for longer in found[n + 1])  # once for every character found before

    def discount(n, count):
        of_count = Counter(tables[n].values())
        n1, n2, n3, n4 = (max(of_count[c], 1) for c in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        d = {1: 1 - 2 * y * n2 / n1, 2: 2 - 3 * y * n3 / n2, 3: 3 - 4 * y * n4 / n3}[min(count, 3)]
        return min(max(d, 0.1), 0.9 * min(count, 3))

    def probability(history, character):
        n = len(history) + 1
        below = probability(history[1:], character) if history else 1 / characters
        after = {gram: count for gram, count in tables[n].items() if gram[:-1] == history}
        if not after:
            return below
        count = after.get(history + character, 0)
        kept = count - discount(n, count) if count else 0.0
        lost = sum(discount(n, c) for c in after.values())
        return (kept + lost * below) / sum(after.values())

    return probability


def test_ngrams_equal_a_calculation_by_dicts(text):
    vocabulary = xg.data.Vocabulary(TOY + "z")
    test = "the sea zells she shore"
    model = text.NGrams(vocabulary.encode(TOY), len(vocabulary), order=4)
    skip = 5
    found = model.bits(vocabulary.encode(test), skip)
    for order in range(1, 5):
        probability = kneser_ney(TOY, order, len(vocabulary))
        costs = [-math.log2(probability(test[i - order + 1 : i], test[i])) for i in range(skip, len(test))]
        np.testing.assert_allclose(found[order - 1], costs, rtol=1e-12)
    assert found[3].mean() < found[0].mean()


def test_probabilities_of_ngrams_sum_to_1(text):
    vocabulary = xg.data.Vocabulary(TOY + "z")
    characters = len(vocabulary)
    model = text.NGrams(vocabulary.encode(TOY), characters, order=4)
    for history in ("she", "sea", "zzz", "eaz", "rea"):
        start = np.tile(vocabulary.encode(history), (characters, 1))
        p = model.probabilities(np.column_stack([start, np.arange(characters)]))
        assert p.shape == (4, characters)
        assert (p > 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)


def test_ngrams_too_long_for_a_number_are_an_error(text):
    with pytest.raises(ValueError, match="10 of 103 characters do not fit"):
        text.NGrams(np.arange(50), 103, order=10)


# The transformer ------------------------------------------------------------------------------------------------------


def small_model(text, characters=11, seed=0, device="cpu"):
    return text.Transformer(characters, xg.random.default_rng(seed)).to(device)


def test_no_prediction_sees_what_comes_after(text):
    model = small_model(text).eval()
    codes = np.random.default_rng(0).integers(0, 11, (2, 12))
    changed = codes.copy()
    changed[:, 7] = (changed[:, 7] + 3) % 11
    with xg.no_grad():
        before, after = (model(xg.asarray(c)).numpy() for c in (codes, changed))
    np.testing.assert_array_equal(before[:, :7], after[:, :7])
    assert (np.abs(before[:, 7:] - after[:, 7:]).max(axis=(0, 2)) > 1e-6).all()


def test_attention_falls_off_with_distance_and_never_looks_ahead(text):
    bias = text.attention_bias(5, xg.zeros(1).device).numpy()
    assert bias.shape == (2, 5, 5)
    assert (np.diagonal(bias, axis1=1, axis2=2) == 0).all()
    assert (bias[:, *np.triu_indices(5, 1)] == -np.inf).all()
    np.testing.assert_allclose(bias[:, 4, 0], [-4 / 16, -4 / 256])


def test_bits_are_those_of_every_character_by_itself(text):
    model = small_model(text).eval()
    codes = np.random.default_rng(1).integers(0, 11, 4 * text.CONTEXT + 1)
    costs = []
    for end in range(text.CONTEXT + 1, len(codes)):
        start = (end - 1) // text.CONTEXT * text.CONTEXT - text.CONTEXT  # of the stretch in which it is predicted
        with xg.no_grad():
            scores = model(xg.asarray(codes[start:end])[None])[0, -1].numpy().astype(float)
        costs.append(np.log2(np.exp(scores - scores[codes[end]]).sum()))
    np.testing.assert_allclose(text.bits(model, codes, "cpu"), costs, rtol=1e-4)
    assert model.training


def test_steps_make_the_loss_fall_on_every_device(text, device):
    model = small_model(text, device=device)
    optimiser, schedule = text.optimiser_and_schedule(model, 20)
    codes = np.tile(np.arange(11), 40)
    losses = []
    for _, window in zip(range(20), text.batches(codes, 0, device), strict=False):
        assert window.shape == (text.BATCH, text.CONTEXT + 1)
        losses.append(float(text.train_step(model, optimiser, window)))
        schedule.step()
    assert losses[-1] < 0.7 * losses[0]
    assert optimiser.lr == pytest.approx(0.02 * text.PEAK_RATE)


def test_writing_goes_on_from_the_start_and_repeats_itself(text):
    model, start = small_model(text), np.array([[1, 2, 3], [4, 5, 6]])
    first, again, other = (text.write(model, start, 40, 0.8, xg.random.default_rng(s)) for s in (0, 0, 1))
    assert first.shape == (2, 43)
    np.testing.assert_array_equal(first[:, :3], start)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    cold = text.write(model, start, 5, 1e-6, xg.random.default_rng(0))
    with xg.no_grad():
        assert (model(xg.asarray(cold[:, :7]))[:, -1].numpy().argmax(1) == cold[:, 7]).all()


# The whole ------------------------------------------------------------------------------------------------------------


def test_a_short_run(text, tmp_path, monkeypatch, capsys):
    whole = text.topics()
    monkeypatch.setattr(text, "topics", lambda: {name: whole[name][:600] for name in list(whole)[:20]})
    options = ["--steps", "12", "--samples", "2", "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["text.py", *map(str, options)])
    text.main()
    out = capsys.readouterr().out
    rows = re.findall(r"^(n-gram of order \d|transformer|both, half and half) +([\d.]+) +([\d.]+)$", out, re.M)
    assert [name for name, _, _ in rows] == ["n-gram of order 4", "transformer", "both, half and half"]
    for _, bits, perplexity in rows:
        assert float(perplexity) == pytest.approx(2 ** float(bits), rel=2e-3)
    assert out.count("--- at temperature 0.7:\n") == 2
    files = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert sorted(files) == ["text.png", "text.safetensors"]
    assert files["text.png"].read_bytes()[1:4] == b"PNG"
    state = xg.load(files["text.safetensors"])
    model = text.Transformer(len(state["characters"]), xg.random.default_rng(5))
    model.load_state_dict(state["model"])
    assert "12 steps in" in out


def test_a_device_that_is_not_there_is_one_clear_line(text, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["text.py", "--device", "torch:cuda:99"])
    with pytest.raises(SystemExit) as stopped:
        text.main()
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("text.py: ")


@pytest.mark.parametrize(
    "option", [("--steps", "0"), ("--temperature", "0"), ("--samples", "-1"), ("--threads", "x"), ("--out", __file__)]
)
def test_options_are_checked(text, option, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["text.py", *option])
    with pytest.raises(SystemExit):
        text.main()
    assert f"argument {option[0]}: " in capsys.readouterr().err


def test_help_says_what_it_does(text, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["text.py", "--help"])
    with pytest.raises(SystemExit) as stopped:
        text.main()
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert "transformer" in out
    assert all(option in out for option in ("--device", "--steps", "--seed", "--temperature", "--threads", "--out"))
