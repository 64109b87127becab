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

from .cases import CASES, case_id

PRESENT = xg.devices()
WANTED = {name: name for name in ("cpu", "torch:cpu", "jax:cpu", "dask")} | {"strict": "strict:cpu", "cuda": "cuda:0"}
REASONS = {  # a device that is not there is listed by its first name, with the reason
    name: PRESENT.get(name.partition(":")[0])
    for name, full in WANTED.items()
    if PRESENT.get(full, "absent") is not None
}


def pytest_report_header(config):
    here = [name for name in WANTED if name not in REASONS]
    lines = [f"xgrad devices: {', '.join(here)}"]
    return lines + [f"xgrad device {name} is left out: {reason}" for name, reason in REASONS.items()]


# JAX compiles and Dask builds a graph at every call.  Unless --slow-devices asks for all, they run the files named here
# only, and of the table of cases the first of every function; array-api-strict takes the derivatives of these.
SLOW = ("jax:cpu", "dask")
FILES = {f"test_{name}" for name in ("broadcasting", "engine", "fft", "linalg", "rules", "standard", "writes")}
_TWICE = ("test_second_order", "test_views_at_second_order", "test_chains_from_real_to_real")
LEFT_OUT = {  # what takes longest, and as long as all the others together
    "dask": (*_TWICE, "special.betainc-", "special.zeta-"),
    "jax:cpu": (*_TWICE, "test_dtypes_stay_single", "test_norms_of_zero_vectors", "test_determinants_of_every_rank"),
}
LEFT_OUT["jax:cpu"] += ("test_functions_of_repeated_values", "test_polar_factor")


def pytest_addoption(parser):
    parser.addoption("--slow-devices", action="store_true", help="run every test on JAX and Dask too")


def pytest_collection_modifyitems(config, items):
    chosen = {case_id((name, *cases[0])) for name, cases in CASES.items()}

    def kept(item):
        params = item.callspec.params if hasattr(item, "callspec") else {}
        device = params.get("device")
        first = item.fspath.purebasename != "test_rules" or "case" not in params or case_id(params["case"]) in chosen
        if config.getoption("--slow-devices") or device not in (*SLOW, "strict"):
            return True
        if device == "strict":  # its own checks of every call take their time, and values need no derivatives
            return first or not item.name.startswith("test_derivatives")
        return first and not any(part in item.name for part in LEFT_OUT[device])

    config.hook.pytest_deselected(items=[item for item in items if not kept(item)])
    items[:] = [item for item in items if kept(item)]


def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames and not any(
        "device" in str(mark.args[0]).replace(" ", "").split(",")
        for mark in metafunc.definition.iter_markers("parametrize")
    ):
        everywhere = metafunc.config.getoption("--slow-devices")
        here = everywhere or metafunc.module.__name__.rpartition(".")[2] in FILES
        present = [name for name in WANTED if name not in REASONS]
        metafunc.parametrize("device", [name for name in present if here or name not in SLOW])


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Dask does not know how many elements a lazy mask selects: what needs the number is skipped with its message."""
    try:
        return (yield)
    except (NotImplementedError, ValueError) as error:
        if pyfuncitem.funcargs.get("device") == "dask" and "a lazy mask" in str(error):
            pytest.skip(str(error))
        raise


@pytest.fixture
def rng(request):
    """A generator with a seed of its own for every test."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.partition("[")[0].encode()))
