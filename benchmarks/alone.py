"""What concerns xgrad only: very long chains, growth of memory, and the time of its import."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from .measure import Result
from .peers import XGrad
from .tasks import TASKS


def per_node(peer: XGrad, nodes: int, repeats: int) -> float:
    """Time of the pass back and of freeing the graph, per node, of a chain of ``nodes`` multiplications and tanh."""
    xp, total = peer.xp, 0.0
    w = xp.asarray(np.full((4, 4), 1.001), device=peer.device)
    for _ in range(repeats):
        x = y = xp.Tensor(np.full((4, 4), 0.5), device=peer.device)
        for _ in range(nodes // 2):
            y = xp.tanh(y * w)
        y = xp.sum(y)
        peer.wait(y)
        start = time.perf_counter()
        y.backward()
        del y
        peer.wait(x.grad)
        total += time.perf_counter() - start
    return total / (repeats * nodes)


def long_chain(device: str, rounds: int, long: int = 1_000_000, short: int = 1_000) -> Result:
    """Time per node at ``long`` nodes over that at ``short``; a pass that is not linear, or recurses, shows here."""
    peer = XGrad(device)
    result = Result("long_chain", f"backward and freeing, per node: {long:,} nodes", f"x {short:,} nodes", 1.3)
    values = result.values["xgrad"] = []
    per_node(peer, short, 3)
    for _ in range(min(rounds, 3)):
        gc.collect()
        brief = per_node(peer, short, 50)
        values.append(per_node(peer, long, 1) / brief)
    return result


def memory(device: str, rounds: int, steps: int = 1_000) -> Result:
    """Bytes that each of ``steps`` training steps leaves behind, with the cycle collector off.

    What only the collector could free is kept (DEBUG_SAVEALL) and so is counted; collecting before each reading merely
    empties Python's free lists.  Of four parts the one with the least growth is reported: a leak grows in all of them,
    a cache that is still filling does not.  The limit is below the smallest object that a step could leave behind.
    """
    peer, task = XGrad(device), TASKS["mlp_small"]
    params, data = task.arrays(np.random.default_rng(0))
    leaves = [peer.xp.Tensor(a, device=device) for a in params]
    fixed = [peer.xp.asarray(a, device=device) for a in data]

    def train(count: int) -> None:
        for _ in range(count):
            task.forward(peer, leaves, fixed).backward()
            for leaf in leaves:
                leaf.gradient_update(0.01)

    def used() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] + _on_device(device)

    tracemalloc.start()
    gc.collect()
    gc.disable()
    gc.freeze()  # what was there before is not searched at every reading
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        train(steps // 2)  # caches (NumPy's of small buffers, among others) fill up with memory that is traced
        readings = [used()]
        for _ in range(4):
            train(steps // 4)
            readings.append(used())
    finally:
        tracemalloc.stop()
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()
        gc.enable()
    least = min(after - before for before, after in itertools.pairwise(readings))
    title = f"memory left behind by a step, over {steps:,} steps without gc"
    return Result("memory", title, "bytes", 8.0, values={"xgrad": [least / (steps // 4)]})


def _on_device(device: str) -> int:
    if device.startswith("cuda"):
        import cupy

        return cupy.get_default_memory_pool().used_bytes()
    return 0


_IMPORT = "import time, numpy; t = time.perf_counter(); import xgrad; print(time.perf_counter() - t)"


def import_time(device: str, rounds: int) -> Result:
    """Milliseconds that ``import xgrad`` takes where NumPy is imported already, each in a new process."""

    with tempfile.TemporaryDirectory() as folder:  # bytecode is there after the first time, whatever the settings here
        env = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}

        def once() -> float:
            run = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True, env=env)
            return 1000 * float(run.stdout)

        once()
        values = [once() for _ in range(rounds)]
    return Result("import", "import xgrad, after import numpy", "ms", 60.0, values={"xgrad": values})


ALONE: dict[str, Callable[..., Any]] = {"long_chain": long_chain, "memory": memory, "import": import_time}
