"""Logistic regression on data larger than the memory it may use: gradients of Dask's blocks, one compute per step.

The rows are made block by block from a seed, as they would be read from disk, and are never all in memory.  Nothing in
``loss`` knows of blocks: xgrad records lazy arrays, the gradient is a graph of tasks, and one ``dask.compute`` runs
forward and backward over all blocks, each of which is freed before the next ones come.

    pip install '.[dask]' && python examples/out_of_core.py --rows 4000000
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import dask
import dask.array as da
import numpy as np

import xgrad as xg

FEATURES = 32
BLOCK = 50_000  # rows, 13 MB of float64
TRUE = np.linspace(-1.0, 1.0, FEATURES)  # the weights that made the labels


def block_of_rows(numbers: np.ndarray) -> np.ndarray:
    """The rows of one block, the last column its labels; ``numbers`` holds the number of the block."""
    random = np.random.default_rng(int(numbers.flat[0]))
    x = random.standard_normal((BLOCK, FEATURES))
    y = random.random(BLOCK) < 1.0 / (1.0 + np.exp(-(x @ TRUE)))
    return np.concatenate([x, y[:, None]], axis=1)


def dataset(rows: int) -> tuple[da.Array, da.Array]:
    """Features and labels as lazy arrays of one block per ``BLOCK`` rows."""
    numbers = da.arange(rows // BLOCK, chunks=1)[:, None]
    table = numbers.map_blocks(block_of_rows, chunks=((BLOCK,) * (rows // BLOCK), (FEATURES + 1,)), dtype=float)
    return table[:, :-1], table[:, -1]


def loss(w: xg.Tensor, x: xg.Tensor, y: xg.Tensor) -> xg.Tensor:
    """The mean negative log-likelihood of the labels."""
    score = x @ w
    return xg.mean(xg.logaddexp(0.0, score) - y * score)


def peak() -> float:
    """The most memory that this process has had, in megabytes."""
    try:  # Linux's ``ru_maxrss`` starts at the size of the process that started this one
        status = Path("/proc/self/status").read_text()
        return float(status.partition("VmHWM:")[2].split()[0]) / 2**10
    except (OSError, IndexError):
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Descend, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=4_000_000, help=f"a multiple of {BLOCK:,} (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="steps of gradient descent (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=4.0, help="learning rate (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="blocks computed at a time (default: %(default)s)")
    options = parser.parse_args()
    if options.rows < BLOCK or options.rows % BLOCK:
        parser.error(f"--rows must be a multiple of {BLOCK}; got {options.rows}")

    x, y = dataset(options.rows)
    before = peak()
    print(f"{x.shape[0]:,} rows of {FEATURES} numbers, {x.nbytes / 2**20:,.0f} MB in {x.numblocks[0]} blocks")
    w = np.zeros(FEATURES)
    with dask.config.set(scheduler="threads", num_workers=options.workers):
        for step in range(options.steps):
            start = time.perf_counter()
            value, gradient = dask.compute(*xg.value_and_grad(loss)(da.from_array(w), x, y))
            w -= options.rate * gradient
            print(
                f"step {step}: loss {value:.6f}, |gradient| {np.linalg.norm(gradient):.6f}, "
                f"{time.perf_counter() - start:.1f} s"
            )
    print(f"farthest weight from the true one: {np.abs(w - TRUE).max():.3f}")
    print(f"memory: peak {peak():,.0f} MB, {before:,.0f} MB of it before the first step")


if __name__ == "__main__":
    main()
