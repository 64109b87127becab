"""The most bytes that were in use at once while something ran, on the host and in the pools of GPUs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[], Any]
_SELF = Path("/proc/self")


def on_host(run: Run) -> int:
    """Of resident memory, by the kernel's own high-water mark, so whoever allocated it; on Linux.

    Freed memory must go back to the kernel at once, or it is there already when it is used again: set
    ``MALLOC_MMAP_THRESHOLD_`` in the environment of the process.
    """
    if not (_SELF / "clear_refs").exists():
        raise OSError("peak memory is read from /proc, which this system does not have")
    gc.collect()
    (_SELF / "clear_refs").write_text("5")  # the mark falls to what is resident now; see proc(5)
    before = _resident("VmHWM")
    run()
    return _resident("VmHWM") - before


def _resident(name: str) -> int:
    """A line of /proc/self/status in bytes."""
    lines = (_SELF / "status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def on_cupy(run: Run) -> int:
    """In CuPy's pool, looked at after every allocation."""
    import cupy

    pool = cupy.get_default_memory_pool()

    class Highest(cupy.cuda.MemoryHook):
        name = "Highest"
        bytes = 0

        def malloc_postprocess(self, **facts: Any) -> None:
            self.bytes = max(self.bytes, pool.used_bytes())

    gc.collect()
    before = pool.used_bytes()
    with Highest() as highest:
        run()
    return highest.bytes - before


def on_torch(run: Run, device: str) -> int:
    """In PyTorch's pool."""
    import torch

    gc.collect()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    return torch.cuda.max_memory_allocated(device) - before


def on_jax(run: Run, device: Any) -> int:
    """In JAX's pool, whose mark cannot be set back; but what ran before is the same step."""
    gc.collect()
    before = device.memory_stats()["bytes_in_use"]
    run()
    return device.memory_stats()["peak_bytes_in_use"] - before
