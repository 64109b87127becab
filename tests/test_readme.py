"""What the README and the docstrings show is what happens."""

import doctest
import importlib
import pathlib
import pkgutil

import pytest

import xgrad

README = pathlib.Path(xgrad.__file__).parents[1] / "README.md"
MODULES = [
    m.name
    for m in pkgutil.walk_packages(xgrad.__path__, "xgrad.")
    if not m.name.endswith(("__main__", ".cupy", ".torch", ".strict"))
]


def test_the_readme_runs():
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted > 15 and not result.failed


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_run(name):
    assert not doctest.testmod(importlib.import_module(name)).failed
