"""Cases of windows and convolution."""

CASES: dict[str, list[tuple[tuple, dict]]] = {
    "convolution": [
        (("R 2 3 7", "R 4 3 3"), {}),
        (("R 2 4 7", "R 6 2 2"), {"stride": 2, "padding": 1, "groups": 2}),
        (("R 2 3 5 6", "R 4 3 2 3"), {"stride": (1, 2), "padding": ((1, 0), (2, 1)), "dilation": (2, 1)}),
        (("R 2 3 3 2", "R 2 3 2 3"), {"spacing": (3, 2), "padding": (1, 2)}),
        (("R 2 3 3 4", "R 2 3 2 2"), {"spacing": 2, "padding": ((-2, 1), (0, -3)), "stride": 2}),
        (("R 1 2 3 3 4", "R 3 2 2 1 3"), {"padding": 1, "stride": (2, 1, 3)}),
        (("R 1 6 4", "R 2 6 2"), {"padding": 2}),  # more channels than results
        (("R 0 3 4", "R 2 3 2"), {}),
        (("C 1 2 5", "C 3 2 2"), {"dilation": 2}),
    ],
    "sliding_window_view": [
        (("R 7",), {"window_shape": 3}),
        (("R 5 6",), {"window_shape": (2, 3), "stride": (2, 1), "dilation": (1, 2)}),
        (("C 2 7 3",), {"window_shape": 2, "axis": 1, "stride": 3}),
        (("R 2 5",), {"window_shape": (5, 2), "axis": (-1, 0)}),
        (("R 0 4",), {"window_shape": 2, "axis": 1}),
    ],
    # the primitives that these call
    "cross_correlation": [
        (
            ("R 2 4 5", "R 6 2 2"),
            {"stride": (2,), "padding": ((1, 0),), "dilation": (1,), "groups": 2, "spacing": (2,)},
        ),
    ],
    "sliding_windows": [
        (("R 5 6",), {"window": (2, 3), "axes": (1, 0), "stride": (2, 1), "dilation": (1, 2)}),
    ],
    "overlap_add": [
        (("R 2 4 3",), {"shape": (2, 6), "window": (3,), "axes": (1,), "stride": (1,), "dilation": (1,)}),
    ],
    # what these and matmul are inside autocast; float64 is not rounded
    "narrow_matmul": [((a, b), {"precision": "float16"}) for a, b in (("R 2 3 4", "R 4 2"), ("R 4", "R 2 4 3"))],
    "narrow_cross_correlation": [
        (
            ("R 2 4 5", "R 6 2 2"),
            {
                "stride": (2,),
                "padding": ((1, 0),),
                "dilation": (1,),
                "groups": 2,
                "spacing": (2,),
                "precision": "bfloat16",
            },
        ),
    ],
}
