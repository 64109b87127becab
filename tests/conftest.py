"""The devices on which the whole suite runs."""

import os
import zlib

import numpy as np
import pytest

import xgrad as xg

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # read when SciPy is first imported

try:  # before anything of JAX is used
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_disable_most_optimizations", True)  # what is compiled here runs once
except ImportError:
    pass
try:
    import dask

    dask.config.set(scheduler="synchronous")  # no threads among the workers of the suite
except ImportError:
    pass

PRESENT = xg.devices()
WANTED = {name: name for name in ("cpu", "torch:cpu", "jax:cpu", "dask")} | {"strict": "strict:cpu", "cuda": "cuda:0"}
REASONS = {name: PRESENT.get(name.partition(":")[0], None) for name in WANTED if WANTED[name] not in PRESENT}


def pytest_report_header(config):
    here = [name for name in WANTED if name not in REASONS]
    lines = [f"xgrad devices: {', '.join(here)}"]
    return lines + [f"xgrad device {name} is left out: {reason}" for name, reason in REASONS.items()]


def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames and not any(
        "device" in str(mark.args[0]).replace(" ", "").split(",")
        for mark in metafunc.definition.iter_markers("parametrize")
    ):
        metafunc.parametrize("device", [name for name in WANTED if name not in REASONS])


@pytest.fixture
def rng(request):
    """A generator with a seed of its own for every test."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.partition("[")[0].encode()))
