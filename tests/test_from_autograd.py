"""The page for those who come from HIPS autograd names all of it, and NumPy's functions that it differentiates work."""

import importlib
import pathlib
import re

import numpy as np
import pytest

import xgrad as xg
from xgrad.numpy_protocol import handlers

PAGE = pathlib.Path(xg.__file__).parents[1] / "docs" / "from-autograd.md"
primitive_vjps = pytest.importorskip("autograd.core", reason="HIPS autograd is not installed").primitive_vjps


def made_by_autograd(name, value):
    return str(getattr(value, "__module__", "")).startswith("autograd") and not name.startswith("_")


def named_on_the_page():
    quoted = "\n".join(re.findall(r"`([^`\n]*)`", PAGE.read_text()))
    return set(re.findall(r"\w+", quoted))


@pytest.mark.parametrize(
    "module", ["", ".extend", ".test_util", ".misc.optimizers", ".misc.fixed_points", ".misc.flatten"]
)
def test_public_names_are_on_the_page(module):
    found = importlib.import_module(f"autograd{module}")
    helpers = {"wraps", "get_name", "unary_to_nary", "subvals", "fixed_point_vjp"}  # for no user
    assert {n for n, v in vars(found).items() if made_by_autograd(n, v)} - helpers <= named_on_the_page()


@pytest.mark.parametrize("module", ["special", "signal", "integrate", "linalg"])
def test_functions_of_scipy_that_it_differentiates_are_on_the_page(module):
    found = vars(importlib.import_module(f"autograd.scipy.{module}"))
    names = {n for n, v in found.items() if callable(v) and v in primitive_vjps and not n.startswith("_")}
    assert names and names - {"func", "grad_convolve", "make_jv"} <= named_on_the_page() | {"jv"}


def test_functions_of_numpy_that_it_differentiates_are_recorded_here():
    wrapped = vars(importlib.import_module("autograd.numpy"))
    names = {n for n, f in wrapped.items() if callable(f) and f in primitive_vjps and hasattr(np, n)}
    unknown = {
        n
        for n in names
        if not isinstance(getattr(np, n), np.ufunc)
        and getattr(np, n) not in handlers
        and hasattr(getattr(np, n), "_implementation")  # one that asks the protocol itself
    }
    assert len(names) > 100 and not unknown
