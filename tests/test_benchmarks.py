"""The benchmark suite through its Python API: structure, agreement of the gradients, refusal of wrong ones."""

import json

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.alone import import_time, long_chain, memory
from benchmarks.measure import Result, WrongGradientError, check, check_by_differences, compare
from benchmarks.peers import PEERS, Hand, XGrad
from benchmarks.report import as_json, machine, table
from benchmarks.tasks import TASKS

CHEAP = ["chain100", "mlp_small"]


def present(name):
    """The adapter of a peer, or a skip when the library is not installed."""
    try:
        return PEERS[name]("cpu")
    except ImportError as error:
        pytest.skip(f"{name}: {error}")


@pytest.mark.parametrize("name", CHEAP)
def test_the_hand_written_gradient_agrees_with_differences(name):
    check_by_differences(TASKS[name])


def test_fan_out_by_hand_agrees_with_differences_and_with_xgrad():
    def small(rng):
        return [rng.random(1_000) for _ in range(2)], []

    task = TASKS["fan_out"].__class__(**{**vars(TASKS["fan_out"]), "arrays": small})
    check_by_differences(task)
    params, data = small(np.random.default_rng(1))
    peer = XGrad("cpu")
    check(peer, peer.step(task, params, data), *task.hand(np, params, data))


@pytest.mark.parametrize("name", CHEAP)
@pytest.mark.parametrize("peer", ["xgrad", "torch", "autograd", "mygrad"])
def test_every_peer_gives_the_hand_written_gradient(name, peer):
    task, adapter = TASKS[name], present(peer)
    params, data = task.arrays(np.random.default_rng(3))
    step = adapter.step(task, params, data)
    reference = task.hand(np, params, data)
    for _ in range(2):  # the second step too: gradients must not add up from step to step
        check(adapter, step, *reference)


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

    task = TASKS["chain100"].__class__(**{**vars(TASKS["chain100"]), "hand": wrong})
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
    file = tmp_path / "out.json"
    code = command.main(["--tasks", "chain100", "--peers", "--rounds", "1", "--json", str(file)])
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| task | unit | hand | xgrad |")
    assert lines[2].startswith("| 100 ops on 4x4, float64 | x hand | 1.00 |")
    known = json.loads(file.read_text())
    assert set(known) == {"machine", "device", "rounds", "results"}
    assert set(known["results"][0]["median"]) == {"hand", "xgrad"}


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
