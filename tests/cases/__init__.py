"""One entry per differentiable function, a file per page: domains and shapes of its arrays, and its metadata."""

from __future__ import annotations

import zlib

import numpy as np

import xgrad as xg
from xgrad.registry import every_function

from . import extras, fft, linalg, main, special, windows
from .domains import array, hermitian
from .linalg import INVARIANT

CASES: dict[str, list[tuple[tuple, dict]]] = main.CASES | extras.CASES | linalg.CASES | fft.CASES | special.CASES
CASES |= windows.CASES

POSITIONAL = {"tile": ("repetitions",), "moveaxis": ("source", "destination"), "astype": ("dtype",)}


def prepared(name, specs, metadata, device):
    """The function with its metadata bound, and its arrays on ``device``."""
    rng = np.random.default_rng(zlib.crc32(f"{name}{specs}{sorted(metadata)}".encode()))
    function = every_function()[name]
    metadata = dict(metadata)
    extra = [metadata.pop(k) for k in POSITIONAL.get(name, ())]
    if isinstance(specs[0], list):
        arrays = [xg.asarray(array(s, rng), device=device) for s in specs[0]]
        return (lambda *xs: function(list(xs), **metadata)), arrays
    arrays = [xg.asarray(array(s, rng), device=device) if isinstance(s, str) else s for s in specs]
    free = [i for i, a in enumerate(arrays) if isinstance(a, xg.Tensor)]
    symmetric = [isinstance(s, str) and s[0] in "SH" for s in specs]

    def bound(*xs):
        every = list(arrays)
        for i, x in zip(free, xs, strict=True):
            every[i] = hermitian(x) if symmetric[i] else x
        out = function(*every, *extra, **metadata)
        return INVARIANT[name](*out) if name in INVARIANT else out

    return bound, [arrays[i] for i in free]


ALL = [(name, specs, metadata) for name, cases in CASES.items() for specs, metadata in cases]


def case_id(case):
    name, specs, metadata = case
    return f"{name}-{specs}-{metadata}".replace(" ", "")
