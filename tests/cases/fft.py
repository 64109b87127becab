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


def cases(domains, metadata, nothing=None):
    """All metadata on all domains, and ``nothing``: metadata for an array without elements."""
    made = [case for d in domains for case in over(*metadata, domain=d)]
    return made if nothing is None else [*made, ((f"{domains[0]} 0 3 4",), nothing)]


CASES: dict[str, list[tuple[tuple, dict]]] = {
    "fft.c2c": cases("CR", PLANS),
    "fft.r2c": cases("R", PLANS),
    "fft.c2r": cases("CR", PLANS),
    "fft.fft": cases("CR", LENGTHS, {}),
    "fft.ifft": cases("CR", LENGTHS, {}),
    "fft.rfft": cases("R", LENGTHS, {}),
    "fft.irfft": cases("CR", LENGTHS, {}),
    "fft.hfft": cases("CR", LENGTHS, {}),
    "fft.ihfft": cases("R", LENGTHS, {}),
    "fft.fftn": cases("CR", SEVERAL, {"axes": (1, 2)}) + [(("C",), {}), (("C 2",), {"axes": ()})],
    "fft.ifftn": cases("CR", SEVERAL, {"axes": (1, 2)}),
    "fft.rfftn": cases("R", SEVERAL, {"axes": (1, 2)}),
    "fft.irfftn": cases("CR", SEVERAL, {"axes": (1, 2)}),
    "fft.fft2": cases("C", PLANE, {}),
    "fft.ifft2": cases("C", PLANE, {}),
    "fft.rfft2": cases("R", PLANE, {}),
    "fft.irfft2": cases("C", PLANE, {}),
    "fft.fftshift": over({}, {"axes": 1}, {"axes": (0, -1)}) + [(("C",), {}), (("C 3 0",), {})],
    "fft.ifftshift": over({}, {"axes": 1}, {"axes": (0, -1)}) + [(("C",), {}), (("C 3 0",), {})],
}
