"""One entry per differentiable function: domains and shapes of its arrays, and its metadata.

An array is written ``"R 3 4"``: a domain and extents.  Domains: R any sign, off zero; P positive; U inside (-0.9, 0.9);
G greater than one; C complex; N integers (held fixed); B booleans (held fixed).
"""

from __future__ import annotations

import zlib

import numpy as np

import xgrad as xg

DOMAINS = {
    "R": lambda r, s: r.uniform(0.3, 1.6, s) * r.choice([-1.0, 1.0], s),
    "P": lambda r, s: r.uniform(0.4, 1.7, s),
    "U": lambda r, s: r.uniform(0.1, 0.9, s) * r.choice([-1.0, 1.0], s),
    "G": lambda r, s: r.uniform(1.2, 2.5, s),
    "C": lambda r, s: r.uniform(0.4, 1.5, s) * np.exp(1j * r.uniform(-2.8, 2.8, s)),
    "N": lambda r, s: r.integers(0, 3, s),
    "B": lambda r, s: r.random(s) < 0.5,
}


def array(spec, rng):
    domain, *extents = spec.split()
    return np.asarray(DOMAINS[domain](rng, tuple(map(int, extents))))


BROADCASTS = [
    ("{0} 3 4", "{1} 3 4"),
    ("{0} 2 1 4", "{1} 3 1"),
    ("{0}", "{1} 2 3"),
    ("{0} 4", "{1} 0 1"),
    ("{0} 3 3", "{1} 3"),
]


def pairs(a="R", b="R"):
    return [(tuple(s.format(a, b) for s in shapes), {}) for shapes in BROADCASTS]


def one(*domains, shapes=("3 4", "", "0 2")):
    return [((f"{d} {s}",), {}) for d in domains for s in shapes]


def over(*metadata, domain="R", shapes=("2 3 4", "3 3 3")):
    return [((f"{domain} {s}",), m) for s in shapes for m in metadata]


AXES = ({}, {"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": (0, -1)}, {"axis": ()})
ONE_AXIS = ({"axis": 0}, {"axis": 1}, {"axis": -1})

CASES: dict[str, list[tuple[tuple, dict]]] = {
    "add": pairs() + pairs("C", "R")[:2],
    "subtract": pairs() + pairs("R", "C")[:2],
    "multiply": pairs() + pairs("C", "R")[:2] + pairs("C", "C")[:1],
    "divide": pairs("R", "P") + pairs("C", "C")[:2],
    "remainder": pairs("P", "G"),
    "pow": pairs("P", "R") + pairs("C", "C")[:1] + [(("R 3 4", k), {}) for k in (2, 3, 0, 1, -1, 2.0)],
    "logaddexp": pairs(),
    "atan2": pairs(),
    "hypot": pairs(),
    "maximum": pairs(),
    "minimum": pairs(),
    "copysign": [(("R 3 4", "R 3 4"), {})],
    "clip": [(("R 3 4", "U 4", "G 3 1"), {}), (("R 3 4", -0.5, 0.7), {}), (("R 3 4", None, "U 3 4"), {})],
    "negative": one("R", "C"),
    "positive": one("R", "C"),
    "abs": one("R", "C"),
    "sign": one("R", "C"),
    "square": one("R", "C"),
    "sqrt": one("P", "C"),
    "reciprocal": one("R", "C"),
    "exp": one("R", "C"),
    "expm1": one("R", "C"),
    "log": one("P", "C"),
    "log1p": one("P", "C"),
    "log2": one("P", "C"),
    "log10": one("P", "C"),
    "sin": one("R", "C"),
    "cos": one("R", "C"),
    "tan": one("U", "C"),
    "asin": one("U"),
    "acos": one("U"),
    "atan": one("R"),
    "sinh": one("R", "C"),
    "cosh": one("R", "C"),
    "tanh": one("R", "C"),
    "asinh": one("R"),
    "acosh": one("G"),
    "atanh": one("U"),
    "conj": one("R", "C"),
    "real": one("R", "C"),
    "imag": one("C"),
    "erf": one("R"),
    "where": [
        (("B 3 4", "R 3 4", "R 4"), {}),
        (("B 3 1", "R", "R 2 1 4"), {}),
        (("B 3", "R 3", 0.5), {}),
        (("B 2", 1, "C 2"), {}),
    ],
    "sum": over(*AXES) + [(("R 0 3",), {"axis": 0}), (("R",), {}), (("C 2 3",), {"axis": 0})],
    "mean": over(*AXES[:4]) + [(("R",), {}), (("C 2 3",), {"axis": 0})],
    "prod": over(*AXES) + [(("R 0 3",), {"axis": 0}), (("R",), {}), (("C 2 3",), {"axis": 0})],
    "max": over(*AXES[:4]) + [(("R",), {})],
    "min": over(*AXES[:4]),
    "var": over(*({**m, "correction": c} for m, c in zip(AXES[:4], (0, 1, 0.5, 1), strict=True))),
    "std": over(*({**m, "correction": c} for m, c in zip(AXES[:4], (0, 1, 0.5, 1), strict=True))),
    "cumulative_sum": over(*ONE_AXIS, {"axis": 1, "include_initial": True}) + [(("R 4",), {})],
    "cumulative_prod": over(*ONE_AXIS, {"axis": 1, "include_initial": True}) + [(("R 4",), {}), (("C 5",), {})],
    "matmul": [
        ((a, b), {})
        for a, b in (
            ("R 2 3", "R 3 4"),
            ("R 5 2 3", "R 3 4"),
            ("R 2 3", "R 5 3 4"),
            ("R 5 1 2 3", "R 2 3 4"),
            ("R 3", "R 3"),
            ("R 3", "R 3 4"),
            ("R 2 3", "R 3"),
            ("R 5 2 3", "R 3"),
            ("R 3", "R 5 3 2"),
            ("R 2 0", "R 0 3"),
            ("C 2 3", "R 3 2"),
            ("R 3 3", "R 3 3"),
            ("R 0 2 3", "R 3 4"),
            ("R 4 2 3", "R 4 3 2"),
        )
    ],
    "matrix_transpose": one("R", "C", shapes=("2 3", "4 2 3", "0 2")),
    "vecdot": [(("R 2 3", "R 3"), {}), (("C 2 3", "C 2 3"), {}), (("R 3 2", "R 3 1"), {"axis": -2})],
    "tensordot": [
        (("R 2 3 4", "R 3 4 5"), {}),
        (("R 2 3", "R 3 4"), {"axes": 1}),
        (("R 2 3", "R 4"), {"axes": 0}),
        (("R 2 3 4", "R 4 2 5"), {"axes": ((-1, 0), (0, 1))}),
    ],
    "dot": [(("R 2 3", "R 3 4"), {}), (("R 2 3", "R 3"), {}), (("R 2 3", "R 4 3 2"), {}), (("R 2", 1.5), {})],
    "reshape": [(("R 2 6",), {"shape": (3, -1)}), (("R",), {"shape": (1, 1)}), (("R 0 3",), {"shape": (0,)})],
    "permute_dims": [(("R 2 3 4",), {"axes": (2, 0, 1)}), (("R 2 3 4",), {"axes": (-1, 0, -2)})],
    "broadcast_to": [(("R 3 1",), {"shape": (2, 3, 4)}), (("R 1",), {"shape": (0,)}), (("R",), {"shape": (2,)})],
    "broadcast_arrays": [(("R 3 1", "R 4", "R"), {})],
    "expand_dims": [(("R 2 3",), {"axis": a}) for a in (0, -1, 1, (0, 2))],
    "squeeze": [(("R 2 1 3 1",), {"axis": a}) for a in (1, -1, (1, 3))],
    "concat": [
        ((["R 2 3", "R 2 1", "R 2 2"],), {"axis": -1}),
        ((["R 2 3", "R 2"],), {"axis": None}),
        ((["R 2", "C 3"],), {}),
    ],
    "stack": [((["R 2 3", "R 2 3"],), {"axis": a}) for a in (0, 1, -1)],
    "unstack": [(("R 2 3 4",), {"axis": a}) for a in (0, 1, -1)],
    "flip": over({}, {"axis": 0}, {"axis": (0, -1)}),
    "roll": [(("R 2 3 4",), m) for m in ({"shift": 2}, {"shift": (1, -2), "axis": (0, 2)}, {"shift": -1, "axis": 1})],
    "repeat": [(("R 2 3", 2), m) for m in ({}, {"axis": 0}, {"axis": -1})] + [(("R 2 3", "N 3"), {"axis": 1})],
    "tile": [(("R 2 3",), {"repetitions": r}) for r in ((2,), (2, 1), (2, 1, 3))],
    "moveaxis": [
        (("R 2 3 4",), {"source": 0, "destination": -1}),
        (("R 2 3 4",), {"source": (0, 1), "destination": (2, 0)}),
    ],
    "meshgrid": [(("R 2", "R 3"), {}), (("R 2", "R 3", "R 4"), {"indexing": "ij"})],
    "tril": over({}, {"k": 1}, shapes=("3 4", "2 3 3")),
    "triu": over({}, {"k": -1}, shapes=("3 4", "2 3 3")),
    "take": [(("R 4 3", "N 5"), {"axis": 0}), (("R 2 3 4", "N 2"), {"axis": -2}), (("R 3", "N 4"), {"axis": 0})],
    "take_along_axis": [
        (("R 3 4", "N 3 2"), {"axis": 1}),
        (("R 3 4", "N 2 4"), {"axis": 0}),
        (("R 3 4", "N 1 2"), {"axis": -1}),
    ],
    "sort": over({}, {"axis": 0}, {"axis": 1, "descending": True}),
    "diff": over({}, {"axis": 0}, {"axis": 1, "n": 2}),
    "astype": [(("R 2 3",), {"dtype": "complex128"})],
}

POSITIONAL = {"tile": ("repetitions",), "moveaxis": ("source", "destination"), "astype": ("dtype",)}


def prepared(name, specs, metadata, device):
    """The function with its metadata bound, and its arrays on ``device``."""
    rng = np.random.default_rng(zlib.crc32(f"{name}{specs}{sorted(metadata)}".encode()))
    function = getattr(xg, name, None) or getattr(xg.special, name)
    metadata = dict(metadata)
    extra = [metadata.pop(k) for k in POSITIONAL.get(name, ())]
    if isinstance(specs[0], list):
        arrays = [xg.asarray(array(s, rng), device=device) for s in specs[0]]
        return (lambda *xs: function(list(xs), **metadata)), arrays
    arrays = [xg.asarray(array(s, rng), device=device) if isinstance(s, str) else s for s in specs]
    free = [i for i, a in enumerate(arrays) if isinstance(a, xg.Tensor)]

    def bound(*xs):
        every = list(arrays)
        for i, x in zip(free, xs, strict=True):
            every[i] = x
        return function(*every, *extra, **metadata)

    return bound, [arrays[i] for i in free]


ALL = [(name, specs, metadata) for name, cases in CASES.items() for specs, metadata in cases]


def case_id(case):
    name, specs, metadata = case
    return f"{name}-{specs}-{metadata}".replace(" ", "")
