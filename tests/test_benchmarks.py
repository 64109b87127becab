"""The benchmark suite through its Python API: structure, agreement of the gradients, refusal of wrong ones."""

import dataclasses
import json
import mmap
import pathlib

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import high_water
from benchmarks.alone import import_time, long_chain, memory
from benchmarks.measure import Result, WrongGradientError, check, check_by_differences, compare
from benchmarks.peak import compare_peaks
from benchmarks.peers import PEERS, Hand, LackingError, XGrad
from benchmarks.report import ahead, as_json, machine, table
from benchmarks.tasks import TASKS

LACKING = {("mygrad", "hvp")}


def present(name):
    """The adapter of a peer, or a skip when the library is not installed."""
    try:
        return PEERS[name]("cpu")
    except ImportError as error:
        pytest.skip(f"{name}: {error}")


@pytest.mark.parametrize("name", TASKS)
def test_the_hand_written_gradient_agrees_with_differences(name):
    check_by_differences(TASKS[name])


FAST = ["xgrad", "torch", "autograd", "mygrad", "jax.jit"]  # JAX eager is one loop more, and compiles every call


@pytest.mark.parametrize(("peer", "name"), [*((peer, name) for peer in FAST for name in TASKS), ("jax", "recurrent")])
def test_every_peer_gives_the_hand_written_gradient(peer, name):
    task, adapter = TASKS[name], present(peer)
    params, data = task.small(np.random.default_rng(3))
    if (peer, name) in LACKING:
        with pytest.raises(LackingError, match=peer):
            adapter.step(task, params, data)
        return
    step = adapter.step(task, params, data)
    reference = task.hand(np, params, data)
    for _ in range(2):  # the second step too: gradients must not add up from step to step
        check(adapter, step, *reference)


@pytest.mark.parametrize("name", TASKS)
def test_the_hand_written_version_changes_nothing_that_it_was_given(name):
    params, data = TASKS[name].small(np.random.default_rng(4))
    before = [a.copy() for a in (*params, *data)]
    TASKS[name].hand(np, params, data)
    for have, want in zip((*params, *data), before, strict=True):
        np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("name", TASKS)
def test_the_small_size_is_of_the_same_kind(name):
    task = TASKS[name]
    small, full = (
        [(a.ndim, a.dtype) for arrays in draw(np.random.default_rng(0)) for a in arrays]
        for draw in (task.small, task.arrays)
    )
    assert small == full


def test_rounds_give_one_ratio_each_and_the_reference_is_one():
    result = compare(TASKS["chain100"], {"hand": Hand("cpu"), "xgrad": XGrad("cpu")}, rounds=3, sample=0.001)
    assert not result.refused
    assert result.values["hand"] == [1.0, 1.0, 1.0]
    assert len(result.values["xgrad"]) == 3
    assert min(result.values["xgrad"]) > 0
    assert result.median("torch") is None


class Planted(XGrad):
    """xgrad with one gradient spoiled by ``spoil``."""

    def __init__(self, spoil):
        super().__init__("cpu")
        self.spoil = spoil

    def step(self, task, params, data):
        right = super().step(task, params, data)

        def step():
            loss, (first, *others) = right()
            return loss, self.spoil(first, others)

        return step


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda first, others: [first * 1.001, *others], "gradient 0 is off"),
        (lambda first, others: [first * np.nan, *others], "gradient 0 is off"),
        (lambda first, others: [first.sum(axis=0), *others], "shape"),
        (lambda first, others: others, "2 gradients instead of 3"),
    ],
    ids=["scaled", "nan", "shape", "missing"],
)
def test_a_wrong_gradient_is_refused_and_not_timed(spoil, reason):
    peers = {"hand": Hand("cpu"), "xgrad": Planted(spoil)}
    result = compare(TASKS["chain100"], peers, rounds=1, sample=0.001)
    assert reason in result.refused["xgrad"]
    assert "xgrad" not in result.values
    assert result.met is False
    assert "refused" in table([result])


def test_a_contender_that_fails_is_refused_with_its_error():
    def spoil(first, others):
        raise NotImplementedError("sin: no rule")

    result = compare(TASKS["chain100"], {"hand": Hand("cpu"), "xgrad": Planted(spoil)}, rounds=1, sample=0.001)
    assert result.refused == {"xgrad": "NotImplementedError: sin: no rule"}
    assert result.met is False


def test_a_wrong_hand_written_gradient_stops_the_task():
    def wrong(xp, params, data):
        loss, grads = TASKS["chain100"].hand(xp, params, data)
        return loss, [grads[0], 1.01 * grads[1], grads[2]]

    task = dataclasses.replace(TASKS["chain100"], hand=wrong)
    with pytest.raises(WrongGradientError, match="differences"):
        compare(task, {"hand": Hand("cpu")}, rounds=1)


def test_targets():
    result = Result("t", "a task", "x hand", 3.0, ("torch",), {"hand": [1.0], "xgrad": [2.5], "torch": [5.0]})
    assert result.met is True
    result.values["torch"] = [2.0]
    assert result.met is False
    result.values["torch"] = []
    assert result.met is None  # nobody knows whether it is ahead of torch
    result.values["xgrad"] = [3.5]
    assert result.met is False
    assert Result("t", "a task", "x hand", values={"xgrad": [9.0]}).met is None
    order = Result("t", "a task", "x hand", None, ("torch",), {"xgrad": [9.0], "torch": [10.0]})
    assert order.met is True
    order.values["torch"] = [9.0]
    assert order.met is False


def test_who_lacks_what_a_task_needs_is_left_out_of_it_with_the_reason():
    class Lacking(XGrad):
        def step(self, task, params, data):
            raise LackingError("no sin")

    peers = {"hand": Hand("cpu"), "xgrad": XGrad("cpu"), "mygrad": Lacking("cpu")}
    task = dataclasses.replace(TASKS["chain100"], limit=1000.0, ahead_of=("mygrad",))
    result = compare(task, peers, rounds=1, sample=0.001)
    assert result.lacking == {"mygrad": "no sin"}
    assert not result.refused
    assert result.met is True  # there is nobody to be ahead of
    assert table([result]).splitlines()[2].split(" | ")[4:6] == ["–", "≤ 1000"]  # noqa: RUF001


def test_the_rows_ahead_of_a_peer_are_counted():
    def row(name, ours, **its):
        return Result(name, name, "x hand", values={"hand": [1.0], "xgrad": [ours], **its})

    results = [row("a", 1.0, torch=[2.0]), row("b", 3.0, torch=[2.0]), row("c", 1.0), row("d", 1.0, torch=[2.0])]
    assert ahead(results, "torch", ["a", "b", "c"], 2) == (
        "xgrad is ahead of torch in 1 of the 2 measured of 3 rows with a target (the target: in 2)."
    )
    assert ahead(results, "jax", ["a", "b", "c"], 2) == ""
    assert command.WITH_TARGET == [
        "chain100",
        "mlp_small",
        "mlp_big",
        "fan_out",
        "layer_norm",
        "attention",
        "embedding",
    ]


needs_proc = pytest.mark.skipif(not pathlib.Path("/proc/self/clear_refs").exists(), reason="/proc is Linux's")


@needs_proc
def test_the_high_water_mark_sees_what_is_freed_again():
    def block(size):
        array = np.frombuffer(mmap.mmap(-1, size), np.uint8)  # goes back to the system as soon as it is freed
        array[:] = 1
        return array

    held = block(32_000_000)  # before the measurement begins

    def run():
        held.max()
        for _ in range(2):
            block(16_000_000)  # twice, but not at once

    assert 15.5e6 < high_water.on_host(run) < 18e6


@needs_proc
def test_peaks_are_ratios_to_the_reference_each_in_a_process_of_its_own():
    result = compare_peaks("peak_attention", ["hand", "xgrad"], "hand", "cpu", rounds=1)
    assert not result.refused
    assert result.values["hand"] == [1.0]
    assert 0.5 < result.median("xgrad") < 2
    assert result.title.endswith(" MB)")


def test_a_contender_whose_process_fails_has_no_peak():
    result = compare_peaks("peak_attention", ["xgrad"], "xgrad", "nowhere", rounds=2)
    assert "nowhere" in result.refused["xgrad"]
    assert not result.values


def test_what_concerns_xgrad_only():
    assert len(long_chain("cpu", 1, long=4_000, short=400).values["xgrad"]) == 1
    assert memory("cpu", 1, steps=100).unit == "bytes"
    assert import_time("cpu", 1).median("xgrad") > 0


def test_memory_sees_a_cycle_and_a_leak(monkeypatch):
    kept = []
    right = XGrad.relu
    monkeypatch.setattr(XGrad, "relu", lambda self, x: kept.append([x.shape]) or right(self, x))
    assert memory("cpu", 1, steps=100).met is False

    def cycle(self, x):
        ring = [x.shape]
        ring.append(ring)
        return right(self, x)

    monkeypatch.setattr(XGrad, "relu", cycle)
    assert memory("cpu", 1, steps=100).met is False


def test_the_command_line(tmp_path, capsys):
    file, picture = tmp_path / "out.json", tmp_path / "out.png"
    outputs = ["--json", str(file), "--plot", str(picture)]
    code = command.main(["--tasks", "chain100", "--peers", "--rounds", "1", *outputs])
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| task | unit | hand | xgrad |")
    assert lines[2].startswith("| 100 ops on 4x4, float64 | x hand | 1.00 |")
    known = json.loads(file.read_text())
    assert set(known) == {"machine", "device", "rounds", "results"}
    assert set(known["results"][0]["median"]) == {"hand", "xgrad"}
    assert picture.read_bytes()[1:4] == b"PNG"


def test_a_plot_without_matplotlib_is_refused_before_anything_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(command, "compare", None)
    assert command.main(["--tasks", "chain100", "--peers", "--plot", "out.png"]) == 2
    assert "pip install matplotlib" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_one_line_and_status_2(capsys):
    assert command.main(["--tasks", "chain100", "--peers", "--device", "nowhere"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("benchmarks: xgrad cannot run on nowhere")
    assert "\n" not in said


def test_the_json_names_the_machine_but_not_its_owner():
    import getpass
    import platform

    text = json.dumps(as_json([], "cpu", 1))
    assert {"date", "cpu", "cores", "python", "versions"} <= set(machine("cpu"))
    assert "numpy" in machine("cpu")["versions"]
    for private in (platform.node(), f"/{getpass.getuser()}/"):
        assert not private or private not in text
