"""Cases of ``xgrad.special``."""

from .domains import one, pairs


def also(*domains):
    """One more line of arguments from each of these domains."""
    return one(*domains, shapes=("3",))


CASES: dict[str, list[tuple[tuple, dict]]] = {
    # the error function and the normal distribution
    "special.erf": one("R"),
    "special.erfc": one("R"),
    "special.erfcx": one("R") + also("L"),
    "special.erfinv": one("U"),
    "special.erfcinv": one("I"),
    "special.ndtr": one("R"),
    "special.log_ndtr": one("R") + also("L"),
    "special.ndtri": one("I"),
    # gamma and its relatives
    "special.gammaln": one("P") + also("G", "M"),
    "special.loggamma": one("P") + also("G"),
    "special.gamma": one("P") + also("G", "M"),
    "special.psi": one("P") + also("G", "M"),
    "special.digamma": one("P"),
    "special.zeta": pairs("G", "P") + [((2.5, "P 3 4"), {}), (("G 3", 0.75), {}), ((3, "M 3 4"), {})],
    "special.polygamma": [((n, "P 3 4"), {}) for n in (0, 1, 2, 5)] + [((1, "M 3"), {})],
    "special.multigammaln": [(("G 3 4", 3), {}), (("P 3", 1), {}), (("G", 2), {})],
    "special.beta": pairs("P", "G") + [((0.5, "P 3"), {}), (("P 3", 2), {})],
    "special.betaln": pairs("P", "G") + [((0.5, "P 3"), {})],
    "special.poch": pairs("P", "G") + [(("P 3", 2), {})],
    "special.binom": pairs("G", "I") + [((5, "G 3"), {}), (("G 3", 2.5), {})],
    # incomplete functions and distributions
    "special.gammainc": [((0.5, "P 3"), {}), (("G 3", 2.0), {}), *pairs("P", "P")[1:3]],
    "special.gammaincc": [(("P 3", 2.0), {}), ((3, "P 0 2"), {}), *pairs("P", "P")[1:3]],
    "special.betainc": [(("P 3", 2.5, "I"), {}), (("P 2 1", "G 2", "I"), {}), ((2, 3, "I 3"), {})],
    "special.chdtr": [((3, "P 3"), {}), (("G 3 1", "P 2"), {})],
    "special.chdtrc": [((3, "P 3"), {}), (("G 3 1", "P 2"), {})],
    "special.fdtr": [((3, 5, "P 3"), {}), (("G 3", "G 2 1", "P"), {})],
    "special.fdtrc": [((3, 5, "P 3"), {}), (("G 3", "G 2 1", "P"), {})],
    "special.stdtr": [((3, "R 3"), {}), (("P 3", 2.0), {}), *pairs("G", "R")[1:3]],
    # Bessel functions
    **{f"special.{name}": one("R") + also("L") for name in ("j0", "j1", "i0", "i1", "i0e", "i1e")},
    **{f"special.{name}": one("P") + also("L") for name in ("y0", "y1", "k0", "k1", "k0e", "k1e")},
    # exponentials, logarithms, powers
    "special.expit": one("R") + also("L"),
    "special.logit": one("I"),
    "special.log_expit": one("R"),
    "special.softplus": one("R"),
    "special.log1p": one("P"),
    "special.expm1": one("R"),
    "special.cosm1": one("R"),
    "special.exp2": one("R"),
    "special.exp10": one("R"),
    "special.cbrt": one("R"),
    "special.exprel": one("R") + also("L"),
    "special.sinc": one("R"),
    "special.spence": one("P") + also("G"),
    "special.boxcox": pairs("P", "R") + [(("P 3 4", 0), {}), (("P 3", 0.5), {})],
    "special.boxcox1p": pairs("P", "R") + [(("P 3 4", 0), {}), (("P 3", 0.5), {})],
    "special.inv_boxcox": pairs("P", "P") + [(("R 3 4", 0), {}), (("P 3", 0.5), {})],
    "special.inv_boxcox1p": pairs("P", "P") + [(("R 3 4", 0), {}), (("P 3", 0.5), {})],
    # entropies and losses
    "special.xlogy": pairs("R", "P") + [((1.5, "P 3"), {}), (("R 3", 2), {})],
    "special.xlog1py": pairs("R", "P") + [((1.5, "P 3"), {})],
    "special.entr": one("P"),
    "special.rel_entr": pairs("P", "G") + [((1.5, "P 3"), {}), (("P 3", 2), {})],
    "special.kl_div": pairs("P", "G") + [((1.5, "P 3"), {})],
    "special.huber": pairs("P", "L") + [((1.0, "R 3 4"), {}), ((1, "L 3 4"), {})],
    "special.pseudo_huber": pairs("P", "R") + [((1.0, "R 3 4"), {})],
    # sums of exponentials
    "special.logsumexp": [
        (("R 3 4",), {}),
        (("R 3 4",), {"axis": 1}),
        (("R 2 3 4",), {"axis": (0, -1), "keepdims": True}),
        (("R",), {}),
        (("R 0 3",), {"axis": 1}),
    ],
    "special.softmax": [(("R 3 4",), {}), (("R 3 4",), {"axis": 0}), (("R 2 3 4",), {"axis": (0, -1)})],
    "special.softmax_cross_entropy": [
        (("R 4 3", "N 4"), {}),
        (("R 2 1 3", "N 2 1"), {}),
        (("R 3", "N"), {}),
        (("R 2 5 3", "N 2 5"), {"mean": True}),
    ],
    "special.relu": [(("R 2 3",), {}), (("R",), {})],
    "special.gelu": [(("R 2 3",), m) for m in ({}, {"approximate": "tanh"})],
    "special.silu": [(("R 2 3",), {}), (("R 0 2",), {})],
    "special.linear": [
        (("R 2 4 3", "R 5 3", "R 5"), {}),
        (("R 4 3", "R 5 3"), {}),
        (("R 3", "R 2 3", "R 2"), {}),
        (("R 0 3", "R 2 3", "R 2"), {}),
    ],
    "special.layer_norm": [
        (("R 4 3", "R 3", "R 3"), {}),
        (("R 2 4 3", "R 3"), {"eps": 0.1}),
        (("R 2 4 3",), {"axis": (-2, -1)}),
        (("R 2 4 3", "R 4 3", "R 4 3"), {"axis": (1, 2)}),
        (("R 4 3", "R 4 1", "R"), {"axis": 0}),
        (("R 4 3", "R 3", "R 4 3"), {}),
    ],
    "special.batch_norm": [
        (("R 4 3", "R 3", "R 3"), {}),
        (("R 2 3 2 4", "R 3"), {"eps": 0.1}),
        (("R 3 2 4",), {}),
    ],
    "special.max_pool": [
        (("R 2 5 6",), {"window": (2, 3), "axes": (1, 2), "stride": (2, 3), "dilation": (1, 1)}),
        (("R 5 2 7",), {"window": (3, 2), "axes": (2, 0), "stride": (1, 2), "dilation": (2, 3)}),
        (("R 19",), {"window": (17,), "axes": (0,), "stride": (2,), "dilation": (1,)}),
        (("R 0 4",), {"window": (2,), "axes": (1,), "stride": (1,), "dilation": (1,)}),
    ],
    "special.log_softmax": [(("R 3 4",), {}), (("R 3 4",), {"axis": 0}), (("R 2 3 4",), {"axis": (0, -1)})],
}
