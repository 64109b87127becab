"""Cases of NumPy's functions beside the standard."""

from .domains import AXES, ONE_AXIS, one, over, pairs

METHODS = [
    "linear",
    "lower",
    "higher",
    "nearest",
    "midpoint",
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "hazen",
    "weibull",
    "interpolated_inverted_cdf",
    "median_unbiased",
    "normal_unbiased",
]

CASES: dict[str, list[tuple[tuple, dict]]] = {
    # rearranging
    "transpose": [(("R 2 3 4",), {}), (("C 2 3 4",), {"axes": (2, 0, -2)}), (("R",), {})],
    "swapaxes": [(("R 2 3 4",), {"axis1": 0, "axis2": -1}), (("R 0 3",), {"axis1": 1, "axis2": 0})],
    "ravel": [(("R 2 3 4",), {}), (("R 2 3",), {"order": "F"}), (("R",), {})],
    "atleast_1d": [(("R",), {}), (("R 2 3", "C"), {})],
    "atleast_2d": [(("R",), {}), (("R 3", "R 2 1 2"), {})],
    "atleast_3d": [(("R",), {}), (("R 3", "R 2 3", "R 2 1 2 1"), {})],
    "rot90": [(("R 2 3 4",), m) for m in ({}, {"k": 2}, {"k": -1, "axes": (1, 2)}, {"k": 4}, {"axes": (2, 0)})],
    "fliplr": over({}, shapes=("2 3", "2 3 4")),
    "flipud": over({}, shapes=("3", "2 3 4")),
    "diagonal": over(
        {}, {"offset": 1}, {"offset": -1, "axis1": 2, "axis2": 0}, {"offset": 5}, {"axis1": -1, "axis2": 1}
    )
    + [(("C 0 3",), {})],
    "trace": over({}, {"offset": 1, "axis1": 1, "axis2": 2}, {"offset": -1}) + [(("R 3 0",), {})],
    "diag": [((s,), {"k": k}) for s in ("R 3", "C 3 4", "R 0", "R 0 2") for k in (0, 2, -1)],
    "diagflat": [(("R 2 2",), {"k": 1}), (("R",), {})],
    # joining
    "concatenate": [
        ((["R 2 3", "R 2 1"],), {"axis": -1}),
        ((["R 2 3", "C", "R 2"],), {"axis": None}),
        ((["R 2", "R 3"],), {"dtype": "complex128"}),
    ],
    "hstack": [((["R 2 3", "R 2 1"],), {}), ((["R 2", "R", "C 3"],), {})],
    "vstack": [((["R 2 3", "R 3"],), {}), ((["R", "R 1"],), {})],
    "dstack": [((["R 2 3", "R 2 3"],), {}), ((["R 3", "R 3"],), {}), ((["R 2 3 2", "R 2 3"],), {})],
    "column_stack": [((["R 3", "R 3 2", "R 3"],), {})],
    "append": [(("R 2 3", "R 4"), {}), (("R 2 3", "R 1 3"), {"axis": 0})],
    "split": [(("R 4 3",), {"indices_or_sections": 2}), (("R 2 5",), {"indices_or_sections": [1, 3], "axis": -1})],
    "array_split": [
        (("R 7",), {"indices_or_sections": 3}),
        (("R 2 3",), {"indices_or_sections": [2, 1, 9], "axis": 1}),
    ],
    "hsplit": [(("R 2 4",), {"indices_or_sections": 2}), (("R 4",), {"indices_or_sections": [1]})],
    "vsplit": [(("R 4 2",), {"indices_or_sections": 2})],
    "dsplit": [(("R 2 3 4",), {"indices_or_sections": [1, 3]})],
    "insert": [
        (("R 5", 1, "R"), {}),
        (("R 2 3", 1, "R 4"), {}),
        (("R 2 3", -1, "R 2"), {"axis": 1}),
        (("R 2 3", [0, 3, 0], "R 2 3"), {"axis": 1}),
        (("R 2 3", [2], "R 2 2"), {"axis": -1}),
        (("R 3 2", 1, "R 2 2"), {"axis": 0}),
        (("R 4", slice(0, 4, 2), "R 2"), {}),
        (("R 4", [], "R 0"), {}),
    ],
    "delete": [
        (("R 5", 1), {}),
        (("R 2 3", [0, -1]), {"axis": 1}),
        (("R 5", slice(None, None, -2)), {}),
        (("R 4", [True, False, True, False]), {}),
        (("R 3 2", []), {"axis": 0}),
        (("R 2", [0, 1]), {}),
    ],
    "pad": [
        (("R 2 3",), {"pad_width": 1}),
        (("R 2 3",), {"pad_width": (1, 2), "constant_values": 1.5}),
        (("R 2 3",), {"pad_width": ((0, 2), (1, 0)), "constant_values": ((1, 2), (3, 4))}),
        (("R 0 2",), {"pad_width": ((1, 0), (0, 0))}),
        (("C 3",), {"pad_width": 2, "mode": "edge"}),
        *[
            (("R 2 3",), {"pad_width": ((1, 5), (4, 0)), "mode": m})
            for m in ("edge", "reflect", "symmetric", "wrap", "mean", "maximum", "minimum", "median")
        ],
        (("R 1 3",), {"pad_width": 2, "mode": "reflect"}),
        (("R 4 3",), {"pad_width": 2, "mode": "mean", "stat_length": ((2, 1), (1, 3))}),
        (("R 2 3",), {"pad_width": ((1, 3), (0, 2)), "mode": "linear_ramp", "end_values": (1.0, -2.0)}),
    ],
    # elementary
    "cbrt": one("R"),
    "exp2": one("R"),
    "logaddexp2": pairs(),
    "ldexp": [(("R 3 3", "N 3"), {}), (("R 3", -2), {})],
    "frexp": one("R"),
    "deg2rad": one("R"),
    "rad2deg": one("R"),
    "radians": one("R"),
    "degrees": one("R"),
    "sinc": one("R", "U"),
    "angle": [(("C 3",), {}), (("C 2 3",), {"deg": True}), (("R 3",), {})],
    "unwrap": [(("R 3 4",), {}), (("R 3 4",), {"axis": 0, "period": 0.5}), (("R 5",), {"discont": 4.0})],
    "fmax": pairs(),
    "fmin": pairs(),
    "fmod": pairs("R", "G") + [(("G 3", "U 3"), {})],
    "modf": one("R"),
    "divmod": pairs("P", "G")[:2],
    "nan_to_num": one("R", "C"),
    # choosing
    "compress": [(("B 3", "R 3 4"), {"axis": 0}), (("B 6", "R 2 3"), {})],
    "extract": [(("B 3 4", "R 3 4"), {})],
    # products
    "inner": [(("R 2 3", "R 4 3"), {}), (("C 3", "R 3"), {}), (("R", "R 2"), {})],
    "outer": [(("R 2", "C 3"), {}), (("R 2 2", "R"), {})],
    "vdot": [(("C 2 3", "C 2 3"), {}), (("R 3", "R 3"), {})],
    "kron": [(("R 2 3", "R 3 2"), {}), (("R 2", "C 2 1 3"), {}), (("R", "R 2"), {})],
    "cross": [
        (("R 2 3", "R 3"), {}),
        (("R 3 2", "R 3 2"), {"axis": 0}),
        (("C 3 2", "R 2 3"), {"axisa": 0, "axisc": 0}),
    ],
    "convolve": [
        ((a, b), {"mode": m})
        for a, b in (("R 5", "R 3"), ("R 2", "R 4"), ("C 4", "R 4"), ("R 1", "R 1"))
        for m in ("full", "same", "valid")
    ],
    "correlate": [
        ((a, b), {"mode": m})
        for a, b in (("R 5", "R 2"), ("R 2", "R 5"), ("R 3", "C 4"), ("C 4", "C 3"))
        for m in ("full", "same", "valid")
    ],
    "polyval": [(("R 3", "R 2 2"), {}), (("C 4", "R"), {}), (("R 0", "R 2"), {})],
    "vander": [(("R 3",), {}), (("C 3",), {"N": 4, "increasing": True}), (("R 3",), {"N": 1})],
    # averages
    "cumsum": over({}, *ONE_AXIS) + [(("R",), {})],
    "cumprod": over({}, *ONE_AXIS) + [(("R",), {})],
    "ptp": over(*AXES[:4], domain="D"),
    "nansum": over(*AXES),
    "nanprod": over(*AXES),
    "nanmean": over(*AXES[:4]),
    "nanvar": over(*({**m, "ddof": d} for m, d in zip(AXES[:4], (0, 1, 0, 1), strict=True))),
    "nanstd": over(*({**m, "ddof": d} for m, d in zip(AXES[:4], (0, 1, 0, 1), strict=True))),
    "nanmax": over(*AXES[:4], domain="D"),
    "nanmin": over(*AXES[:4], domain="D"),
    "average": over(*AXES[:4]) + [(("C 2 3",), {"axis": 0, "returned": True})],
    "cov": [
        (("R 3 5",), {}),
        (("C 3 4", "C 4"), {}),
        (("R 4",), {"ddof": 0}),
        (("R 5 2",), {"rowvar": False, "bias": True}),
    ],
    "corrcoef": [(("R 3 5",), {}), (("R 3 4", "R 2 4"), {}), (("R 5 2",), {"rowvar": False}), (("R 4",), {})],
    "bincount": [(("N 6", "R 6"), {}), (("N 4", "R 4"), {"minlength": 7})],
    # quantiles
    "median": over(*AXES[:4], domain="D") + [(("R",), {})],
    "quantile": over(*({**m, "q": q} for m, q in zip(AXES[:4], (0.3, 0.7, 0.5, 1.0), strict=True)), domain="D")
    + [(("D 7 2", 0.37), {"axis": 0, "method": m}) for m in METHODS],
    "percentile": [(("D 4 3", 35), {"axis": 0}), (("D 4 3", 60.0), {"keepdims": True})],
    # calculus
    "ediff1d": [(("R 2 3",), {}), (("R 4", "R 2", "R 1"), {})],
    "trapezoid": [(("R 2 4",), {"dx": 0.5}), (("C 4 2", "R 4"), {"axis": 0}), (("R 2 3", "R 2 3"), {})],
    "gradient": [
        (("R 4",), {}),
        (("R 4 3", 0.5), {"axis": 0}),
        (("C 3 4",), {"edge_order": 2}),
        (("R 3 4", 0.5, "D 4"), {"edge_order": 2}),
        (("R 3 5", "D 5"), {"axis": 1}),
    ],
}
