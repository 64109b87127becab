"""Peak memory of a task, each contender in a process of its own: ``python -m benchmarks.peak PEER TASK DEVICE``."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from .measure import Result, check
from .peers import PEERS, LackingError
from .tasks import TASKS

PEAKS = {"peak_mlp_big": "mlp_big", "peak_attention": "attention"}
ROOT = pathlib.Path(__file__).parents[1]


def peak(peer: str, task: str, device: str) -> int:
    """Bytes that one step adds to what its arrays need, gradients included.

    A step before it, on other leaves, has its gradients compared and is forgotten: modules, buffers of BLAS and
    compiled programs are there then, and nothing else is.
    """
    adapter, what = PEERS[peer](device), TASKS[task]
    params, data = what.arrays(np.random.default_rng(0))
    check(adapter, adapter.step(what, params, data), *what.hand(np, params, data))
    return adapter.peak(adapter.step(what, params, data))


def compare_peaks(
    name: str,
    peers: Sequence[str],
    reference: str,
    device: str,
    rounds: int,
    progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """The peaks of the task that ``name`` is about as ratios to that of ``reference``, each in new processes."""
    task = TASKS[PEAKS[name]]
    result = Result(name, f"peak memory, {task.title}", f"x {reference}", 1.15)
    sizes: dict[str, list[int]] = {}
    for turn in range(rounds):
        for peer in peers:
            progress(f"{name}: {peer}, round {turn + 1} of {rounds}")
            if peer in result.refused or peer in result.lacking:
                continue
            told = _in_a_process(peer, task.name, device)
            if isinstance(told, int):
                sizes.setdefault(peer, []).append(told)
            else:
                kind, reason = told
                (result.lacking if kind == "lacking" else result.refused)[peer] = reason
    if reference in sizes:
        middle = median(sizes[reference])
        result.title += f" ({reference}: {middle / 1e6:.1f} MB)"
        result.values = {peer: [size / middle for size in found] for peer, found in sizes.items()}
    return result


def _in_a_process(peer: str, task: str, device: str) -> int | tuple[str, str]:
    """Its bytes, or why there are none."""
    command = [sys.executable, "-m", "benchmarks.peak", peer, task, device]
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # what is larger goes back to the system when freed
    run = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    if run.returncode:
        return "refused", (run.stderr.strip().splitlines() or [f"status {run.returncode}"])[-1]
    told = json.loads(run.stdout.splitlines()[-1])
    return told if isinstance(told, int) else tuple(told)


if __name__ == "__main__":
    try:
        print(json.dumps(peak(*sys.argv[1:])))
    except LackingError as error:
        print(json.dumps(["lacking", str(error)]))
