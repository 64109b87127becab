"""Cases of ``xgrad.linalg``.

Factors are fixed up to signs, phases or rotations only, so of decompositions the products that do not depend on the
choice are checked (``INVARIANT``).
"""

import math

import xgrad as xg

CUT = ("W 4 3", "Z 3 3", "W 2 3 4", "W 3 0", "W 0 3 3")
SQUARE = ("W 3 3", "Z 3 3", "W 2 3 3", "W 1 1", "W 0 0", "W 0 2 2")
HERMITIAN = ("S 3 3", "H 3 3", "S 2 3 3", "H 2 2 2", "S 1 1", "S 0 0")
ANY = ("W 3 3", "W 4 2", "W 2 4", "Z 4 2", "Z 2 3", "W 2 3 2", "W 0 3", "W 2 0")
ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


def each(specs, *metadata):
    return [((s,), m) for s in specs for m in metadata or ({},)]


def couples(columns, rows):
    """Every column times its row: what a phase that they share leaves alone."""
    return columns[..., :, None, :] * xg.matrix_transpose(rows)[..., None, :, :]


def projections(columns):
    return couples(columns, xg.linalg.adjoint(columns))


def invariant_qr(q, r):
    k = min(*r.shape[-2:], q.shape[-1])
    rest = q[..., k:]
    return couples(q[..., :k], r[..., :k, :]), projections(q[..., :k]), rest @ xg.linalg.adjoint(rest)


def invariant_svd(u, s, vh):
    k = s.shape[-1]
    rest, more = u[..., k:], xg.linalg.adjoint(vh)[..., k:]
    products = rest @ xg.linalg.adjoint(rest), more @ xg.linalg.adjoint(more)
    return couples(u[..., :k], vh[..., :k, :]), s, projections(u[..., :k]), *products


INVARIANT = {
    "linalg.eigh": lambda w, v: (w, projections(v)),
    "linalg.eig": lambda w, v: (w, projections(v)),
    "linalg.qr": invariant_qr,
    "linalg.svd": invariant_svd,
}

CASES: dict[str, list[tuple[tuple, dict]]] = {
    "linalg.cholesky": each(HERMITIAN, {}, {"upper": True}),
    "linalg.cross": [
        (("R 3", "R 3"), {}),
        (("R 2 3", "C 3"), {}),
        (("R 3 1", "R 2 3 4"), {"axis": -2}),
        (("R 3 2", "R 3 2"), {"axis": 0}),
    ],
    "linalg.det": each(SQUARE),
    "linalg.cofactor": each(SQUARE + ("R 2 2", "W 4 4")),
    "linalg.diagonal": each(("R 3 4", "R 2 4 3", "R 0 2"), {}, {"offset": 1}, {"offset": -2}, {"offset": 9}),
    "linalg.eig": each(("W 3 3", "Z 3 3", "W 2 2 2", "W 1 1", "W 0 0")),
    "linalg.eigh": each(HERMITIAN),
    "linalg.eigvals": each(("W 3 3", "Z 3 3", "W 2 2 2", "W 0 0")),
    "linalg.eigvalsh": each(HERMITIAN),
    "linalg.inv": each(SQUARE),
    "linalg.matrix_norm": each(("W 3 3", "W 2 3 4"), *({"ord": o} for o in ORDERS))
    + each(("Z 3 2", "W 2 3 2"), *({"ord": o, "keepdims": True} for o in ORDERS)),
    "linalg.matrix_power": [((s, n), {}) for s in ("W 2 2", "Z 2 3 3") for n in (0, 1, 2, 3, 7, -1, -2)],
    "linalg.multi_dot": [
        ((["R 2 3", "R 3 4", "R 4 2"],), {}),
        ((["R 3", "R 3 4", "C 4 2", "R 2"],), {}),
        ((["R 3 2", "R 2"],), {}),
    ],
    "linalg.norm": [
        (("R 2 3",), {}),
        (("R 2 3 4",), {"keepdims": True}),
        (("R 2 3",), {"ord": "nuc"}),
        (("R 2 3 4",), {"axis": 1, "ord": 3}),
        (("C 2 3 4",), {"axis": (2, 0), "keepdims": True}),
        (("W 2 3 4",), {"axis": (0, 1), "ord": 2}),
    ],
    "linalg.outer": [(("R 2", "R 3"), {}), (("C 2", "R 0"), {})],
    "linalg.pinv": each(ANY) + each(("W 3 2",), {"rtol": 1e-3}) + each(CUT, {"rtol": 0.6}),
    "linalg.qr": each(ANY, {}, {"mode": "complete"}),
    "linalg.slogdet": each(SQUARE),
    "linalg.solve": [
        ((a, b), {})
        for a, b in (
            ("W 3 3", "R 3"),
            ("W 3 3", "R 3 2"),
            ("Z 3 3", "R 3"),
            ("W 2 3 3", "R 3"),
            ("W 2 1 3 3", "C 4 3 2"),
            ("W 3 3", "R 2 3 3"),
            ("W 2 2 2", "R 2 2"),
            ("W 0 0", "R 0 2"),
        )
    ],
    "linalg.svd": each(ANY, {}, {"full_matrices": False}),
    "linalg.svdvals": each(ANY),
    "linalg.cond": each(("W 3 3", "W 2 3 3"), {}, {"p": 1}, {"p": -2}, {"p": "fro"}),
    "linalg.lstsq": [(("W 4 3", "R 4"), {}), (("W 4 3", "C 4 2"), {}), (("W 2 3", "R 2"), {})],
    "linalg.tensorinv": [(("W 3 3",), {"ind": 1})],
    "linalg.tensorsolve": [(("W 3 3", "R 3"), {})],
    "linalg.trace": each(("R 3 4", "C 2 3 3"), {}, {"offset": -1}) + each(("R 3 3",), {"dtype": "complex128"}),
    "linalg.vector_norm": each(
        ("R 2 3 4", "C 3 4 2"),
        *({"ord": o} for o in (2, 1, 0, math.inf, -math.inf, 3, 0.5, -2, -1.5)),
        {"axis": 1},
        {"axis": (0, -1), "keepdims": True, "ord": 3},
        {"axis": -1, "ord": math.inf, "keepdims": True},
        {"axis": ()},
    )
    + each(("R", "R 0 2"), {}, {"ord": 3}),
}
