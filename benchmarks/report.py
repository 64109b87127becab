"""The Markdown table and the JSON file."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Collection, Sequence
from importlib import metadata
from typing import Any

from .measure import Result

_PACKAGES = ("xgrad", "numpy", "scipy", "torch", "autograd", "mygrad", "jax", "cupy-cuda12x", "cupy-cuda13x")


def table(results: Sequence[Result]) -> str:
    """One row for each task, one column for each contender that was measured."""
    names = list(dict.fromkeys(name for r in results for name in (*r.values, *r.refused, *r.lacking)))
    head = ["task", "unit", *names, "target for xgrad", "met"]
    rows = [head, ["---", "---", *("---:" for _ in names), "---", "---"]]
    for r in results:
        rows.append([r.title, r.unit, *(_cell(r, name) for name in names), _target(r), _MET[r.met]])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


_MET = {True: "yes", False: "**no**", None: ""}


def _cell(result: Result, name: str) -> str:
    if name in result.refused or name in result.lacking:
        return "refused" if name in result.refused else "–"  # noqa: RUF001
    value = result.median(name)
    return "" if value is None else f"{value:.2f}"


def _target(result: Result) -> str:
    parts = [] if result.limit is None else [f"≤ {result.limit:g}"]
    others = [name for name in result.ahead_of if name not in result.lacking]
    return ", ".join(parts + (["ahead of " + " and ".join(others)] if others else []))


def ahead(results: Sequence[Result], of: str, rows: Collection[str], target: int) -> str:
    """In how many of the ``rows`` that were measured xgrad is faster than ``of``; "" where none were."""
    pairs = [(r.median("xgrad"), r.median(of)) for r in results if r.name in rows]
    known = [(ours, its) for ours, its in pairs if ours is not None and its is not None]
    if not known:
        return ""
    faster = sum(ours < its for ours, its in known)
    return (
        f"xgrad is ahead of {of} in {faster} of the {len(known)} measured of {len(rows)} rows with a target "
        f"(the target: in {target})."
    )


def load() -> float | None:
    """How many programs wanted a core over the last minute; taken before the first task, it is the work of others."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def as_json(results: Sequence[Result], device: str, rounds: int, before: float | None = None) -> dict[str, Any]:
    """Everything that was measured, and on what; ``before`` is the load of the machine when it began."""
    return {
        "machine": {**machine(device), "load_before": before},
        "device": device,
        "rounds": rounds,
        "results": [
            {
                "task": r.name,
                "title": r.title,
                "unit": r.unit,
                "limit": r.limit,
                "ahead_of": list(r.ahead_of),
                "met": r.met,
                "median": {name: r.median(name) for name in r.values},
                "rounds": r.values,
                "refused": r.refused,
                "lacking": r.lacking,
            }
            for r in results
        ],
    }


def machine(device: str) -> dict[str, Any]:
    """Facts that a reader needs to judge the figures; no names of hosts or users, no paths."""
    facts: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cores": cores(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {},
    }
    for package in _PACKAGES:
        try:
            facts["versions"][package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if "cuda" in device:
        import torch

        facts["gpu"], facts["cuda"] = torch.cuda.get_device_name(), torch.version.cuda
    return facts


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
