"""A pytest plugin that writes which derivative of which function the run has shown, on which device.

    python -m pytest -p tests.coverage_table --coverage-table docs/coverage.md -n auto tests/test_rules.py

A cell holds the highest order for which every case of the function passed: 2 stands for values, first and second
derivatives in reverse mode, and first derivatives in forward mode.  Nothing in the table is written by hand.
"""

from __future__ import annotations

import collections
import pathlib

import numpy as np
import pytest

import xgrad as xg
from xgrad.registry import every_function

HEAD = """# Coverage

Written by the test suite (`tests/coverage_table.py` says how), never by hand: xgrad {version}, NumPy {numpy}.

`2` means: every case of the function that ran on this device passed (on JAX, Dask and array-api-strict the first one
runs, with `--slow-devices` all), for its values, for first and second derivatives in reverse mode and for first
derivatives in forward mode, against finite differences in random directions. `1` means the same without second
derivatives; an empty cell, that no case ran there.

| function | {devices} |
|---|{rules}|
"""
ZERO = """
## Derivative zero

Results of these are constants: wherever they have a derivative, it is zero, so nothing is recorded.

{names}
"""


def pytest_addoption(parser):
    parser.addoption("--coverage-table", metavar="PATH", help="write the functions and orders tested to this file")


def pytest_configure(config):
    path = config.getoption("--coverage-table")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(pathlib.Path(path)))


class Table:
    """What every (function, device) has shown: the lowest order that its cases reached, None after a failure."""

    def __init__(self, path):
        self.path = path
        self.orders: dict[tuple[str, str], int | None] = {}

    def pytest_runtest_logreport(self, report):
        for name, device, order in (value for key, value in report.user_properties if key == "derivative"):
            if report.when == "call" and not report.skipped:
                known = self.orders.get((name, device), order)
                passed = report.passed and known is not None
                self.orders[name, device] = min(known, order) if passed else None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self):
        devices = sorted({device for _, device in self.orders}, key=lambda d: (d != "cpu", d))
        rows = collections.defaultdict(dict)
        for (name, device), order in self.orders.items():
            rows[name][device] = "failed" if order is None else str(order)
        columns = " | ".join(f"`{d}`" for d in devices)
        text = HEAD.format(version=xg.__version__, numpy=np.__version__, devices=columns, rules="--:|" * len(devices))
        text = text.replace("||\n", "|\n")
        for name in sorted(rows, key=lambda n: ("." in n, n)):
            text += f"| `{name}` | " + " | ".join(rows[name].get(d, "") for d in devices) + " |\n"
        zero = [n for n, f in sorted(every_function().items()) if hasattr(f, "op") and f.op.zero]
        text += ZERO.format(names=", ".join(f"`{n}`" for n in zero))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text)
