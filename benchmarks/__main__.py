"""The command line: ``python -m benchmarks --help``."""

from __future__ import annotations

import os

_threads = os.environ.setdefault("OMP_NUM_THREADS", "2")  # for everyone; read when NumPy and PyTorch are imported
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, _threads)

# E402: the imports come after the threads are set, or they would be read too late.
import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402

from .alone import ALONE  # noqa: E402
from .measure import Result, compare  # noqa: E402
from .peers import ON_GPU, PEERS, Peer  # noqa: E402
from .report import as_json, cores, load, table  # noqa: E402
from .tasks import TASKS  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    """Run the suite; 1 when a gradient was wrong, 2 when the device or the reference is missing."""
    args = _arguments(argv)
    before = load()
    gpu = "cuda" in args.device
    reference = "torch" if gpu else "hand"
    peers, missing = _peers(args, reference, gpu)
    if reference in missing or "xgrad" in missing:
        gone = reference if reference in missing else "xgrad"
        print(f"benchmarks: {gone} cannot run on {args.device}: {missing[gone]}", file=sys.stderr)
        return 2
    results: list[Result] = []
    for name in args.tasks:
        _progress(name)
        if name in TASKS:
            results.append(compare(TASKS[name], peers, reference, args.rounds, progress=_progress))
        else:
            results.append(ALONE[name](args.device, args.rounds))
        if args.device != "cpu" and name in TASKS:
            results[-1].limit, results[-1].ahead_of = None, ()  # those targets are for NumPy on the CPU
    _progress("")
    print(table(results))
    if before is not None and before > cores() / 2:
        print(
            f"\nThe machine was busy (load {before} on {cores()} cores): who computes in several threads then waits "
            "for them, at small sizes a thousandfold. Measure again when it is idle, or with OMP_NUM_THREADS=1."
        )
    for name, reason in missing.items():
        print(f"\n{name} was not measured: {reason}")
    refused = [(r.name, name, reason) for r in results for name, reason in r.refused.items()]
    for task, name, reason in refused:
        print(f"\n{name} was refused in {task}: {reason}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(as_json(results, args.device, args.rounds, before), file, indent=1)
            file.write("\n")
    return 1 if refused else 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    every = [*TASKS, *ALONE]
    about = "xgrad beside hand-written NumPy and its peers."
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=about)
    parser.add_argument("--tasks", nargs="+", choices=every, default=every, metavar="TASK", help=", ".join(every))
    usual = [name for name in PEERS if name not in ("hand", "jax")]
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=list(PEERS),
        default=usual,
        metavar="PEER",
        help=f"{', '.join(PEERS)}; the reference and xgrad are always there (default: {' '.join(usual)})",
    )
    parser.add_argument("--rounds", type=int, default=9, help="rounds of every task (default: 9)")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured here")
    parser.add_argument("--device", default="cpu", help="xgrad's device; with cuda the reference is torch there")
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error("--rounds: at least 1 is needed")
    return args


def _peers(args: argparse.Namespace, reference: str, gpu: bool) -> tuple[dict[str, Peer], dict[str, str]]:
    wanted = dict.fromkeys([reference, "xgrad", *args.peers])
    peers: dict[str, Peer] = {}
    missing: dict[str, str] = {}
    for name in wanted:
        if gpu and name not in ON_GPU:
            continue
        try:
            peers[name] = PEERS[name](args.device)
        except (ImportError, RuntimeError, TypeError, ValueError) as error:
            missing[name] = str(error)
    return peers, missing


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
