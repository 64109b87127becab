"""The rules of the house: layers, sizes, names and docstrings."""

import ast
import inspect
import pathlib
import re

import xgrad as xg
from xgrad.registry import every_function

ROOT = pathlib.Path(xg.__file__).parent
FILES = sorted(p for p in ROOT.rglob("*.py"))
PAGES = [p for p in FILES if p.relative_to(ROOT).parts[0].removesuffix(".py") in ("ops", "linalg", "fft", "special")]
USERS = {"data", "nn", "optim", "plot", "saving"}  # written with ``import xgrad as xg`` alone
LAYERS = [
    {"errors", "constants"},
    {"axes", "pytree", "approximate"},
    {"registry"},
    {"backends"},
    {"arguments"},
    {"writing"},
    {"face", "methods", "numpy_protocol"},
    {"reverse"},
    {"tensor"},
    {"forward", "precision"},
    {"core"},
    {"ops"},
    {"linalg", "fft", "special"},
    {"debugging", "graphs", "hooks", "random"},
    {"transforms"},
    {"bridges", "testing"},
    USERS,
    {"__init__", "__main__"},
]


def module_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def layer(name):
    return next(i for i, names in enumerate(LAYERS) if name in names)


def imports(path):
    """The modules of xgrad that a file imports at module level, by their first name below the package."""
    depth = len(path.relative_to(ROOT).parts)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level == depth:
                yield from [node.module.partition(".")[0]] if node.module else [a.name for a in node.names]
            else:
                yield module_of(path)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            for name in names:
                if name.partition(".")[0] == "xgrad":
                    yield "__init__"  # as a user: import xgrad as xg


def test_every_module_has_a_layer():
    assert {module_of(p) for p in FILES} <= set().union(*LAYERS)


def test_a_module_imports_only_from_layers_before_it():
    wrong = []
    for path in FILES:
        here = module_of(path)
        for name in imports(path):
            user = here in (*USERS, "__main__") and name == "__init__"
            if name != here and not user and layer(name) >= layer(here):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_a_page_never_imports_a_page():
    for path in PAGES:
        if path.name == "__init__.py":  # a table of contents
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level != 1 or path.parent == ROOT, path
                assert not (node.module or "").startswith(("ops", "linalg", "fft", "special")), path


def test_no_page_names_an_array_library():
    for path in PAGES:
        text = path.read_text()
        if path.name in ("creation.py", "data_types.py"):  # numpy is the vocabulary of dtypes and of host data
            text = re.sub(r"^import numpy as np$", "", text, flags=re.M)
        found = re.findall(r"\b(numpy|cupy|torch|jax|dask)\b", text)
        assert not found, (path.name, found)


def test_the_training_kit_uses_only_what_a_user_may():
    for path in FILES:
        if module_of(path) in USERS:
            outside = [n for n in imports(path) if n not in ("__init__", *USERS)]
            assert not outside, (path, outside)


def test_no_file_is_long():
    assert not {p.name: n for p in FILES if (n := len(p.read_text().splitlines())) > 500}


def test_everything_public_is_documented():
    missing = [n for n, v in vars(xg).items() if not n.startswith("_") and callable(v) and not inspect.getdoc(v)]
    missing += [f"Tensor.{n}" for n, v in vars(xg.Tensor).items() if not n.startswith("_") and not inspect.getdoc(v)]
    missing = [n for n in missing if n.removeprefix("Tensor.") not in xg.Tensor.__slots__]
    assert not missing


def test_functions_are_public_or_said_not_to_be():
    private = {"getitem", "setitem", "scatter_add", "cast", "device", "to_device", "masked", "linalg.eye_like"}
    private |= {"expanded", "selected", "cross_correlation", "sliding_windows", "overlap_add"}
    private |= {"narrow_matmul", "narrow_cross_correlation", "special.narrow_linear"}
    private |= {f"special.{name}_grad" for name in ("gelu", "layer_norm", "log_softmax", "relu", "silu", "softmax")}
    private |= {f"special.{name}_grad" for name in ("batch_norm", "max_pool", "softmax_cross_entropy")}

    def public(full_name):
        space, _, name = full_name.rpartition(".")
        return hasattr(getattr(xg, space) if space else xg, name)

    assert {n for n in every_function() if not public(n)} == private


def test_signatures_are_the_standards():
    assert str(inspect.signature(xg.sum)) == "(x, /, *, axis=None, dtype=None, keepdims=False)"
    assert str(inspect.signature(xg.stack)) == "(arrays, /, *, axis=0)"
    assert str(inspect.signature(xg.clip)) == "(x, /, min=None, max=None)"
    assert str(inspect.signature(xg.matmul)) == "(x1, x2, /)"
