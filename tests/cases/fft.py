"""Cases of ``xgrad.fft``: lengths odd, even, one, cropped and padded; every norm; axes in any order, and twice."""

from .domains import over

LENGTHS = ({}, {"n": 1}, {"n": 2, "axis": 1}, {"n": 5, "axis": 0, "norm": "ortho"}, {"n": 6, "norm": "forward"})
SEVERAL = (
    {},
    {"axes": (2, -3), "norm": "ortho"},
    {"s": (3, 2), "axes": (0, 1), "norm": "forward"},
    {"s": (1, -1, 5), "axes": (-1, 0, 1)},
    {"axes": (1, 1)},
    {"s": (5, 2, 3), "axes": (2, 0, 2)},
)
PLANE = ({}, {"s": (4, 3), "axes": (0, 2), "norm": "ortho"})
PLANS = [
    {"s": s, "axes": axes, "norm": norm, "forward": forward}
    for s, axes, norm in (((5,), (1,), "backward"), ((2, 6), (2, 0), "ortho"), ((3, 4, 3), (1, 0, 2), "forward"))
    for forward in (True, False)
]
KINDS = [{"sine": sine, "type": t, "axis": axis} for t in (1, 2, 3, 4) for sine, axis in ((False, 1), (True, -1))]
TYPES = [
    {},
    {"type": 1, "n": 2},
    {"type": 1, "axis": 1, "norm": "forward", "orthogonalize": True},
    {"type": 2, "axis": 0, "norm": "ortho"},
    {"type": 3, "n": 5, "norm": "backward"},
    {"type": 3, "axis": 1, "norm": "ortho", "orthogonalize": False},
    {"type": 4, "n": 2, "norm": "forward"},
]
BLOCKS = ({}, {"type": 3, "s": (4, 2), "axes": (0, -1), "norm": "ortho"})


def cases(domains, metadata, nothing=None, shapes=("2 3 4",)):
    """All metadata on all domains, and ``nothing``: metadata for an array without elements."""
    made = [case for d in domains for case in over(*metadata, domain=d, shapes=shapes)]
    return made if nothing is None else [*made, ((f"{domains[0]} 0 3 4",), nothing)]


CASES: dict[str, list[tuple[tuple, dict]]] = {
    "fft.c2c": cases("CR", PLANS, None, ("2 3 4", "3 3 3")),
    "fft.r2c": cases("R", PLANS, None, ("2 3 4", "3 3 3")),
    "fft.c2r": cases("CR", PLANS, None, ("2 3 4", "3 3 3")),
    "fft.fft": cases("C", LENGTHS, {}) + cases("R", LENGTHS[:2]),
    "fft.ifft": cases("C", LENGTHS, {}) + cases("R", LENGTHS[:2]),
    "fft.rfft": cases("R", LENGTHS, {}),
    "fft.irfft": cases("C", LENGTHS, {}) + cases("R", LENGTHS[:2]),
    "fft.hfft": cases("C", LENGTHS, {}) + cases("R", LENGTHS[:2]),
    "fft.ihfft": cases("R", LENGTHS, {}),
    "fft.fftn": cases("C", SEVERAL, {"axes": (1, 2)})
    + cases("R", SEVERAL[:1])
    + [(("C",), {}), (("C 2",), {"axes": ()})],
    "fft.ifftn": cases("C", SEVERAL, {"axes": (1, 2)}) + cases("R", SEVERAL[:1]),
    "fft.rfftn": cases("R", SEVERAL, {"axes": (1, 2)}),
    "fft.irfftn": cases("C", SEVERAL, {"axes": (1, 2)}) + cases("R", SEVERAL[:1]),
    "fft.fft2": cases("C", PLANE, {}),
    "fft.ifft2": cases("C", PLANE, {}),
    "fft.rfft2": cases("R", PLANE, {}),
    "fft.irfft2": cases("C", PLANE, {}),
    "fft.hfftn": cases("C", SEVERAL, {"axes": (1, 2)}) + cases("R", SEVERAL[:1]),
    "fft.ihfftn": cases("R", SEVERAL, {"axes": (1, 2)}),
    "fft.fftshift": cases("R", ({}, {"axes": 1}, {"axes": (0, -1)})) + [(("C",), {}), (("C 3 0",), {})],
    "fft.ifftshift": cases("R", ({}, {"axes": 1}, {"axes": (0, -1)})) + [(("C",), {}), (("C 3 0",), {})],
    "fft.r2r": cases("R", KINDS, KINDS[0], ("2 3 4", "3 3 3")) + cases("C", KINDS[:2]),
    "fft.dct": cases("R", TYPES) + cases("C", TYPES[:2]),
    "fft.idct": cases("R", TYPES),
    "fft.dst": cases("R", TYPES) + cases("C", TYPES[:2]),
    "fft.idst": cases("R", TYPES),
    "fft.dctn": cases("R", BLOCKS),
    "fft.idctn": cases("R", BLOCKS),
    "fft.dstn": cases("R", BLOCKS),
    "fft.idstn": cases("R", BLOCKS),
}
