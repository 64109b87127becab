"""The command line: ``python -m benchmarks --help``."""

from __future__ import annotations

import os

_threads = os.environ.setdefault("OMP_NUM_THREADS", "2")  # for everyone; read when NumPy and PyTorch are imported
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, _threads)

# E402: the imports come after the threads are set, or they would be read too late.
import argparse  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402

from .alone import ALONE  # noqa: E402
from .measure import Result, compare  # noqa: E402
from .peak import PEAKS, compare_peaks  # noqa: E402
from .peers import EAGER_ON_GPU, ON_CPU, ON_GPU, PEERS, Peer  # noqa: E402
from .report import ahead, as_json, cores, load, table  # noqa: E402
from .tasks import TASKS  # noqa: E402

WITH_TARGET = [task.name for task in TASKS.values() if task.limit is not None]
AHEAD_OF_TORCH = 5  # of those


def main(argv: list[str] | None = None) -> int:
    """Run the suite; 1 when a gradient was wrong, 2 when the device, the reference or the plot's library is missing."""
    args = _arguments(argv)
    before = load()
    gpu = "cuda" in args.device
    reference = "torch" if gpu else "hand"
    peers, missing = _peers(args, reference, gpu)
    if reference in missing or "xgrad" in missing:
        gone = reference if reference in missing else "xgrad"
        print(f"benchmarks: {gone} cannot run on {args.device}: {missing[gone]}", file=sys.stderr)
        return 2
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        print("benchmarks: --plot needs Matplotlib. Run: pip install matplotlib", file=sys.stderr)
        return 2
    results: list[Result] = []
    for name in args.tasks:
        _progress(name)
        results.append(_measured(name, peers, reference, args))
    _progress("")
    _print(results, missing, before, args.device)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(as_json(results, args.device, args.rounds, before), file, indent=1)
            file.write("\n")
    if args.plot:
        from .plot import bars

        bars(args.plot, results)
    return 1 if any(r.refused for r in results) else 0


def _measured(name: str, peers: dict[str, Peer], reference: str, args: argparse.Namespace) -> Result:
    if name in ALONE:
        return ALONE[name](args.device, args.rounds)
    if name in PEAKS:
        result = compare_peaks(name, list(peers), reference, args.device, min(args.rounds, 3), _progress)
    else:
        result = compare(TASKS[name], peers, reference, args.rounds, progress=_progress)
    if args.device != "cpu":
        result.limit, result.ahead_of = None, ()  # the targets are for NumPy on the CPU
    return result


def _print(results: list[Result], missing: dict[str, str], before: float | None, device: str) -> None:
    print(table(results))
    counted = ahead(results, "torch", WITH_TARGET, AHEAD_OF_TORCH) if device == "cpu" else ""
    if counted:
        print(f"\n{counted}")
    if before is not None and before > cores() / 2:
        print(
            f"\nThe machine was busy (load {before} on {cores()} cores): who computes in several threads then waits "
            "for them, at small sizes a thousandfold. Measure again when it is idle, or with OMP_NUM_THREADS=1."
        )
    for name, reason in missing.items():
        print(f"\n{name} was not measured: {reason}")
    for r in results:
        for name, reason in r.lacking.items():
            print(f"\n{name} is not in {r.name}: {reason}")
        for name, reason in r.refused.items():
            print(f"\n{name} was refused in {r.name}: {reason}")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    every = [*TASKS, *PEAKS, *ALONE]
    about = "xgrad beside hand-written NumPy and its peers."
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=about)
    parser.add_argument("--tasks", nargs="+", choices=every, default=every, metavar="TASK", help=", ".join(every))
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=list(PEERS),
        metavar="PEER",
        help=f"{', '.join(PEERS)}; the reference and xgrad are always there (default: {' '.join(ON_CPU)}, and on a "
        f"GPU {' '.join(ON_GPU)}, as far as they are installed)",
    )
    parser.add_argument("--rounds", type=int, default=9, help="rounds of every task (default: 9)")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured here")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the ratios here")
    parser.add_argument("--device", default="cpu", help="xgrad's device; with cuda the reference is torch there")
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error("--rounds: at least 1 is needed")
    if args.peers is None:
        args.peers = list(ON_GPU if "cuda" in args.device else ON_CPU)
    return args


def _peers(args: argparse.Namespace, reference: str, gpu: bool) -> tuple[dict[str, Peer], dict[str, str]]:
    wanted = dict.fromkeys([reference, "xgrad", *args.peers])
    peers: dict[str, Peer] = {}
    missing: dict[str, str] = {}
    for name in wanted:
        if gpu and name not in ("xgrad", *ON_GPU, *EAGER_ON_GPU):
            missing[name] = "it does not compute on a GPU"
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
