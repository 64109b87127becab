"""What the README and the docstrings show is what happens."""

import doctest
import importlib
import operator
import pathlib
import pkgutil
import re

import pytest

import xgrad

ROOT = pathlib.Path(xgrad.__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = [
    m.name
    for m in pkgutil.walk_packages(xgrad.__path__, "xgrad.")
    if not m.name.endswith(("__main__", ".cupy", ".torch", ".strict", "bridges.jax"))
]


def test_the_readme_shows_much():
    assert len(doctest.DocTestParser().get_examples(PAGES[0].read_text())) > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_run(page):
    assert not doctest.testfile(str(page), module_relative=False).failed


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_run(name):
    if name == "xgrad.bridges":
        pytest.importorskip("torch")
        pytest.importorskip("jax")
    assert not doctest.testmod(importlib.import_module(name)).failed


def names_in(text):
    """The names of xgrad that a page mentions: ``xg.linalg.inv`` as ``linalg.inv``."""
    return set(re.findall(r"\bxg\.([a-zA-Z_][\w.]*\w)", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_names_on_pages_exist(page):
    for name in names_in(page.read_text()):
        operator.attrgetter(name)(xgrad)
