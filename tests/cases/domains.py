"""How a case is written: an array as ``"R 3 4"``, a domain and extents; a case as its arrays and its metadata.

Domains: R any sign, off zero; P positive; U inside (-0.9, 0.9); I inside (0, 1); G greater than one; L large; M
negative, off the integers; D distinct, far apart; C complex; N integers (held fixed); B booleans (held fixed).

Matrices: W well-conditioned with distinct singular values and eigenvalues, Z the same and complex; S symmetric and H
Hermitian with distinct positive eigenvalues.  Functions of S and H are checked as functions of the Hermitian part of a
matrix, since only perturbations that stay Hermitian mean something to them.
"""

from __future__ import annotations

import numpy as np


def matrix(r, s, part):
    """Random entries of at most one half in size, small beside a diagonal of different numbers."""
    diagonal = np.eye(*s[-2:]) * (2 + 1.5 * np.arange(s[-1]))
    return diagonal + r.uniform(-0.5, 0.5, s) + part * r.uniform(-0.5, 0.5, s)


def hermitian(x):
    """The Hermitian part of matrices, raw or Tensors."""
    return (x + x.mT.conj()) / 2


DOMAINS = {
    "R": lambda r, s: r.uniform(0.3, 1.6, s) * r.choice([-1.0, 1.0], s),
    "P": lambda r, s: r.uniform(0.4, 1.7, s),
    "U": lambda r, s: r.uniform(0.1, 0.9, s) * r.choice([-1.0, 1.0], s),
    "I": lambda r, s: r.uniform(0.1, 0.9, s),
    "L": lambda r, s: r.uniform(26.0, 31.0, s),
    "M": lambda r, s: r.uniform(-0.8, -0.2, s) - r.integers(0, 3, s),
    "G": lambda r, s: r.uniform(1.2, 2.5, s),
    "D": lambda r, s: r.permutation(np.linspace(-1.7, 1.5, int(np.prod(s)))).reshape(s),
    "C": lambda r, s: r.uniform(0.4, 1.5, s) * np.exp(1j * r.uniform(-2.8, 2.8, s)),
    "Q": lambda r, s: r.uniform(0.4, 1.5, s) * np.exp(1j * (r.uniform(0.3, 1.27, s) + np.pi / 2 * r.integers(0, 4, s))),
    "N": lambda r, s: r.integers(0, 3, s),
    "B": lambda r, s: r.random(s) < 0.5,
    "W": lambda r, s: matrix(r, s, 0),
    "Z": lambda r, s: matrix(r, s, 1j),
    "S": lambda r, s: hermitian(matrix(r, s, 0)),
    "H": lambda r, s: hermitian(matrix(r, s, 1j)),
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
