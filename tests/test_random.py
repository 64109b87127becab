"""Random numbers: their laws, shapes, dtypes and devices, their state, and the gradients through them."""

import copy
import itertools
import json
import pickle
import threading
import zlib

import numpy as np
import pytest

import xgrad as xg
from xgrad import backends
from xgrad.testing import gradcheck

from . import test_cupy_backend as stand_in
from .conftest import REASONS, SLOW, WANTED
from .test_cupy_backend import stood_in, xp  # noqa: F401 (fixtures: CuPy without a GPU)
from .test_errors import fails

stats = pytest.importorskip("scipy.stats")

PLACES = [name for name in WANTED if name not in (*REASONS, *SLOW)]  # the slow ones draw as strict does
if "torch:cpu" in PLACES:
    PLACES.append("torch.Generator")  # what an accelerator draws with, here on the CPU


@pytest.fixture(params=PLACES)
def place(request, monkeypatch):
    """Every device, and PyTorch's own generator."""
    if request.param != "torch.Generator":
        return request.param
    from xgrad.backends.torch import Random, Torch

    numpys = Torch.source

    def source(self, place, seeds):
        return numpys(self, place, seeds) if isinstance(seeds, np.random.Generator) else Random(self, place, seeds)

    monkeypatch.setattr(Torch, "source", source)
    return "torch:cpu"


def host(x):
    return x.detach().to("cpu").numpy()


def seed_of(text):
    return zlib.crc32(text.encode())


# Laws -----------------------------------------------------------------------------------------------------------------

CONTINUOUS = {
    "random": ((), stats.uniform()),
    "standard_normal": ((), stats.norm()),
    "standard_exponential": ((), stats.expon()),
    "uniform": ((-1.5, 4.0), stats.uniform(-1.5, 5.5)),
    "normal": ((-2.0, 0.7), stats.norm(-2.0, 0.7)),
    "lognormal": ((0.3, 0.6), stats.lognorm(0.6, scale=np.exp(0.3))),
    "laplace": ((1.0, 0.4), stats.laplace(1.0, 0.4)),
    "logistic": ((1.0, 0.4), stats.logistic(1.0, 0.4)),
    "gumbel": ((1.0, 0.4), stats.gumbel_r(1.0, 0.4)),
    "exponential": ((2.5,), stats.expon(scale=2.5)),
    "standard_gamma": ((1.7,), stats.gamma(1.7)),
    "gamma": ((0.4, 3.0), stats.gamma(0.4, scale=3.0)),
    "beta": ((0.3, 1.8), stats.beta(0.3, 1.8)),
    "truncated_normal": ((-0.5, 2.0, 1.0, 3.0), stats.truncnorm(-0.5, 2.0, 1.0, 3.0)),
}
DISCRETE = {
    "integers": ((-2, 5), stats.randint(-2, 5)),
    "poisson": ((3.2,), stats.poisson(3.2)),
    "binomial": ((7, 0.3), stats.binom(7, 0.3)),
    "bernoulli": ((0.2,), stats.bernoulli(0.2)),
}


def draw(rng, name, *args, **kwargs):
    return getattr(rng, name)(*args, **kwargs)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_laws(name, dtype, place):
    args, law = CONTINUOUS[name]
    x = draw(xg.random.default_rng(seed_of(name + dtype), device=place), name, *args, size=(200, 150), dtype=dtype)
    assert x.dtype == dtype
    assert stats.kstest(host(x).ravel().astype(np.float64), law.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(host(x)[:, 0], host(x)[:, 1])[0, 1]) < 0.3


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_laws(name, place):
    args, law = DISCRETE[name]
    x = host(draw(xg.random.default_rng(seed_of(name), device=place), name, *args, size=20_000)).astype(int)
    likely = [k for k in range(-3, 30) if law.pmf(k) * len(x) > 5]
    counts = [(x == k).sum() for k in likely]
    assert fits([*counts, len(x) - sum(counts)], [*law.pmf(likely), 1 - law.pmf(likely).sum()])


def fits(counts, probabilities):
    """Whether counts agree with probabilities: a chi-squared test; what has no probability must not occur."""
    counts, expected = np.asarray(counts), np.asarray(probabilities) * np.sum(counts)
    possible = expected > 1e-9 * np.sum(counts)
    if counts[~possible].any():
        return False
    deviation = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    return stats.chi2.sf(deviation, possible.sum() - 1) > 1e-3


def test_parameters_of_every_element_are_its_own(place):
    rng = xg.random.default_rng(5, device=place)
    loc, rate = np.array([-3.0, 0.0, 5.0]), np.array([[0.5], [4.0]])
    for x, mean, deviation in (
        (rng.normal(loc, rate, size=(20_000, 2, 3)), loc + 0 * rate, rate + 0 * loc),
        (rng.poisson(rate + loc + 3, size=(20_000, 2, 3)), rate + loc + 3, np.sqrt(rate + loc + 3)),
        (rng.gamma(rate, 2.0, size=(20_000, 2, 1)), 2 * rate, 2 * np.sqrt(rate)),
        (rng.integers([0, 5, 10], [2, 8, 1000], size=(20_000, 3)), [0.5, 6, 504.5], [0.5, (2 / 3) ** 0.5, 285.8]),
        (rng.binomial([3, 50], 0.25, size=(20_000, 2)), [0.75, 12.5], [0.75, 3.062]),
    ):
        np.testing.assert_allclose(host(x).mean(axis=0), mean, atol=4 * np.max(deviation) / np.sqrt(20_000))
        np.testing.assert_allclose(host(x).std(axis=0), deviation, rtol=0.04)


def test_normal_vectors(place):
    rng = xg.random.default_rng(1, device=place)
    cov = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]])
    singular = np.outer([1.0, 2.0, -1.0], [1.0, 2.0, -1.0])
    for matrix, method in ((cov, "cholesky"), (cov, "eigh"), (singular, "eigh")):
        x = host(rng.multivariate_normal([1.0, -1.0, 0.0], matrix, 20_000, method=method))
        np.testing.assert_allclose(x.mean(axis=0), [1.0, -1.0, 0.0], atol=0.05)
        np.testing.assert_allclose(np.cov(x.T), matrix, atol=0.1)
    assert rng.multivariate_normal(np.zeros((4, 1, 2)), np.broadcast_to(np.eye(2), (3, 2, 2))).shape == (4, 3, 2)


def test_shares_of_gamma_variables(place):
    rng = xg.random.default_rng(2, device=place)
    alpha = np.array([0.4, 2.0, 1.1])
    x = host(rng.dirichlet(alpha, size=20_000))
    np.testing.assert_allclose(x.sum(axis=-1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(x.mean(axis=0), stats.dirichlet.mean(alpha), atol=0.01)
    np.testing.assert_allclose(x.var(axis=0), stats.dirichlet.var(alpha), rtol=0.04)
    assert rng.dirichlet(np.ones((4, 1, 3)), size=(4, 2)).shape == (4, 2, 3)


def test_tiny_shapes_give_shares_not_nan(place):
    rng = xg.random.default_rng(3, device=place)
    x = host(rng.beta(1e-6, 1e-6, size=1000))
    assert ((x >= 0) & (x <= 1)).all() and 400 < (x > 0.5).sum() < 600
    np.testing.assert_allclose(host(rng.dirichlet([1e-6, 1e-6, 1e-6], size=50)).sum(axis=-1), 1.0)


def test_counts_of_categories(place):
    rng = xg.random.default_rng(4, device=place)
    p = np.array([0.1, 0.0, 0.35, 0.2, 0.35])
    x = host(rng.multinomial(20, p, size=3000))
    assert x.dtype == np.int64 and (x.sum(axis=-1) == 20).all() and not x[:, 1].any()
    assert fits(x.sum(axis=0), p)
    np.testing.assert_allclose(np.cov(x.T), 20 * (np.diag(p) - np.outer(p, p)), atol=0.4)
    several = rng.multinomial(np.array([[1], [100]]), np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    assert host(several).sum(axis=-1).tolist() == [[1, 1], [100, 100]]
    assert host(several)[:, 1].tolist() == [[0, 0, 1], [0, 0, 100]]
    assert rng.multinomial(3, [1.0]).shape == (1,)


def test_categories_by_logits(place):
    rng = xg.random.default_rng(5, device=place)
    p = np.array([0.1, 0.0, 0.7, 0.2])
    with np.errstate(divide="ignore"):
        logits = np.log(p) + 3.0
    x = host(rng.categorical(logits, size=5000))
    assert x.dtype == np.int64 and fits(np.bincount(x, minlength=4), p)
    certain = np.where(np.eye(3) > 0, 0.0, -np.inf)
    assert host(rng.categorical(certain, size=(2, 3))).tolist() == [[0, 1, 2]] * 2
    assert host(rng.categorical(certain.T[:, :2], axis=0)).tolist() == [0, 1]


@pytest.mark.parametrize("p", [None, [0.4, 0.1, 0.3, 0.2]])
def test_choices_without_repetition_in_every_order(p, place):
    rng = xg.random.default_rng(6, device=place)
    share = np.full(4, 0.25) if p is None else np.array(p)
    pairs = list(itertools.permutations(range(4), 2))
    seen = [tuple(host(rng.choice(4, 2, replace=False, p=p))) for _ in range(3000)]
    assert fits([seen.count(pair) for pair in pairs], [share[i] * share[j] / (1 - share[i]) for i, j in pairs])


def test_choices_with_repetition(place):
    rng = xg.random.default_rng(7, device=place)
    p = np.array([0.5, 0.0, 0.2, 0.3])
    assert fits(np.bincount(host(rng.choice(4, 5000, p=p)), minlength=4), p)
    assert fits(np.bincount(host(rng.choice(4, (50, 100))).ravel(), minlength=4), np.full(4, 0.25))
    rows = np.arange(8.0).reshape(2, 4)
    assert {tuple(c) for c in host(rng.choice(rows, 50, axis=1)).T} == {tuple(c) for c in rows.T}
    assert rng.choice(rows).shape == (4,)
    assert host(rng.choice(3, 3, replace=False, p=[0.5, 0.5 - 1e-9, 1e-9])).tolist() in ([0, 1, 2], [1, 0, 2])


def test_every_order_is_as_likely(place):
    rng = xg.random.default_rng(8, device=place)
    orders = list(itertools.permutations(range(3)))
    for one in (
        lambda: rng.permutation(3),
        lambda: rng.permutation(np.arange(3)),
        lambda: rng.permuted(np.arange(3)),
        lambda: rng.permuted(np.arange(6).reshape(2, 3) % 3, axis=1)[1],
        lambda: shuffled(rng, np.arange(3)),
    ):
        seen = [tuple(host(one())) for _ in range(1200)]
        assert fits([seen.count(order) for order in orders], np.full(6, 1 / 6))


def shuffled(rng, values, axis=0):
    x = xg.asarray(values, device=rng.device, copy=True)
    assert rng.shuffle(x, axis) is None
    return x


def test_what_is_shuffled_together_and_apart(place):
    rng = xg.random.default_rng(9, device=place)
    rows = np.arange(60).reshape(3, 20)
    for x in (host(rng.permutation(rows, axis=1)), host(shuffled(rng, rows, 1))):
        assert x[0].tolist() != rows[0].tolist() and sorted(x[0]) == rows[0].tolist()
        np.testing.assert_array_equal(x[1:], x[:1] + [[20], [40]])
    x = host(rng.permuted(rows, axis=1))
    np.testing.assert_array_equal(np.sort(x, axis=1), rows)
    assert (x[0] + 20).tolist() != x[1].tolist()
    x = host(rng.permuted(rows))
    assert x.shape == (3, 20) and sorted(x.ravel()) == list(range(60)) and sorted(x[0]) != list(range(20))


def test_signs_and_masks(place):
    rng = xg.random.default_rng(10, device=place)
    signs, kept = host(rng.rademacher((100, 100))), host(rng.dropout_mask((100, 100), 0.2, dtype="float32"))
    assert set(signs.ravel()) == {-1.0, 1.0} and fits([(signs > 0).sum(), (signs < 0).sum()], [0.5, 0.5])
    assert kept.dtype == np.float32 and set(kept.ravel()) == {np.float32(0), np.float32(1.25)}
    assert fits([(kept == 0).sum(), (kept > 0).sum()], [0.2, 0.8])
    assert (host(rng.dropout_mask(9, 0.0)) == 1).all() and not host(rng.dropout_mask(9, 1.0)).any()
    assert not host(rng.bernoulli(0.0, 99)).any() and host(rng.bernoulli(1.0, 99)).all()


def test_integers_reach_their_bounds(place):
    rng = xg.random.default_rng(11, device=place)
    assert set(host(rng.integers(3, size=200))) == {0, 1, 2}
    assert set(host(rng.integers(-1, 1, size=200, endpoint=True))) == {-1, 0, 1}
    assert set(host(rng.integers([-1, 5], [1, 5], size=(200, 2), endpoint=True)).ravel()) == {-1, 0, 1, 5}
    for dtype in ("int8", "uint8", "int32", "int64"):
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        x = rng.integers(least, most, size=2000, dtype=dtype, endpoint=True)
        assert x.dtype == dtype
        ends = host(x).astype(np.float64)
        assert ends.min() < least + (most - least) * 0.02 and ends.max() > most - (most - least) * 0.02
    assert host(rng.integers(2**63 - 1, 2**63)) == 2**63 - 1
    assert host(rng.integers(7, 8, size=(2, 0))).shape == (2, 0)


def test_tails_of_the_truncated_normal(place):
    rng = xg.random.default_rng(12, device=place)
    for low, high in (
        (8.0, np.inf),
        (-np.inf, -8.0),
        (37.0, np.inf),
        (-40.0, -37.0),
        (20.0, 20.5),
        (-0.01, 0.01),
        (-np.inf, np.inf),
    ):
        x = host(rng.truncated_normal(low, high, size=5000))
        assert (x >= low).all() and (x <= high).all()
        assert stats.kstest(x, stats.truncnorm(low, high).cdf).pvalue > 1e-3
    assert rng.truncated_normal(-1.0, [[1.0], [2.0]], np.zeros(3), 1.0).shape == (2, 3)


def test_logarithms_of_an_exponential_that_is_zero_are_finite(monkeypatch):
    from xgrad.backends.source import Source

    monkeypatch.setattr(Source, "exponential", lambda self, shape, dtype: np.zeros(shape, dtype))
    rng = xg.random.default_rng(0)
    for x in (rng.gumbel(size=3, dtype="float32"), rng.logistic(size=3), rng.categorical([0.0, -np.inf], size=3)):
        assert np.isfinite(host(x)).all()


# Shapes, dtypes, devices ----------------------------------------------------------------------------------------------

CALLS = {name: args for name, (args, _) in {**CONTINUOUS, **DISCRETE}.items()} | {"rademacher": ()}
VECTORS = {
    "dirichlet": ([0.5, 1.0, 2.0],),
    "multivariate_normal": ([0.0, 1.0, 2.0], np.eye(3)),
    "multinomial": (5, [0.2, 0.3, 0.5]),
}
NARROW = [name for name in CONTINUOUS if name not in ("random", "standard_normal", "standard_exponential")]


@pytest.mark.parametrize("name", [*CALLS, *VECTORS])
def test_sizes_are_numpys(name, place):
    rng = xg.random.default_rng(0, device=place)
    args, last = (CALLS[name], ()) if name in CALLS else (VECTORS[name], (3,))
    for size, shape in ((None, ()), (4, (4,)), (np.int64(4), (4,)), ([2, 3], (2, 3)), ((), ()), ((0, 3), (0, 3))):
        x = draw(rng, name, *args, size=size)
        assert type(x) is xg.Tensor and x.shape == shape + last
        assert str(x.device) == backends.parse_device(place).__str__()
        assert not x.requires_grad


def test_parameters_give_the_size(place):
    rng = xg.random.default_rng(0, device=place)
    a, b = np.full((2, 1), 0.5), np.full(3, 0.25)
    for name in ("uniform", "normal", "lognormal", "laplace", "logistic", "gumbel", "gamma", "beta"):
        assert draw(rng, name, a, b + 0.5).shape == (2, 3), name
        assert draw(rng, name, a, 1.0).shape == (2, 1), name
        assert draw(rng, name, a, b + 0.5, size=(4, 2, 3)).shape == (4, 2, 3), name
    assert rng.binomial(np.array([[3], [4]]), b).shape == (2, 3)
    assert rng.integers([[1], [2]], [5, 6, 7]).shape == (2, 3)
    assert rng.bernoulli([[0.1], [0.2]]).shape == (2, 1)


@pytest.mark.parametrize("name", NARROW)
def test_parameters_give_the_dtype(name, device):
    rng = xg.random.default_rng(0, device=device)
    args = CALLS[name]
    single = [xg.asarray(a, dtype="float32", device=device) for a in args]
    assert draw(rng, name, *args, size=2).dtype == xg.float64
    assert draw(rng, name, single[0], *args[1:], size=2).dtype == xg.float32
    assert draw(rng, name, *single, size=2, dtype=float).dtype == xg.float64
    assert (
        draw(rng, name, xg.asarray(1, device=device), *args[1:2], *args[2:], size=2).dtype == xg.float64 or args[0] < 0
    )


def test_results_are_committed_as_created_arrays_are(device):
    there = xg.ones(3, device=device)
    other = xg.ones(3, device="strict:cpu" if not device.startswith("strict") else "cpu")
    loose, fixed = xg.random.default_rng(0), xg.random.default_rng(0, device=device)
    for x in (loose.normal(size=3), loose.integers(0, 5, 3), loose.permutation(3), loose.choice(5, 3, p=[0.2] * 5)):
        assert (x + there).device == there.device and (x + other).device == other.device
    for x in (fixed.normal(size=3), fixed.integers(0, 5, 3), fixed.permutation(3), fixed.beta(1.0, 2.0, 3)):
        assert (x + there).device == there.device
        with pytest.raises(ValueError, match="different devices"):
            x + other
    for name, args in CALLS.items():
        if args and name != "integers":
            x = draw(loose, name, xg.asarray(args[0], device=device), *args[1:])
            with pytest.raises(ValueError, match="different devices"):
                x + other
    assert loose.dirichlet(xg.ones(3, device=device)).device == there.device
    assert loose.categorical(xg.ones(3, device=device)).device == there.device
    assert loose.choice(xg.ones(3, device=device)).device == there.device


def test_the_default_device_is_that_of_the_moment():
    before = xg.set_default_device("strict")
    try:
        rng = xg.random.default_rng(0)
    finally:
        xg.set_default_device("cpu")
    assert rng.device == before and rng.normal().device == before and rng.spawn(1)[0].normal().device == before
    assert (rng.normal() + xg.ones((), device="cpu")).device == backends.parse_device("cpu")


# Seeds and state ------------------------------------------------------------------------------------------------------


def test_numbers_are_numpys_on_every_cpu_device(device):
    if "cuda" in device:
        pytest.skip("an accelerator has numbers of its own")
    ours, numpys = xg.random.default_rng(42, device=device), np.random.default_rng(42)
    for name, args, kwargs in (
        ("random", ((3, 4),), {}),
        ("standard_normal", (5,), {"dtype": np.float32}),
        ("standard_exponential", (5,), {}),
        ("integers", (-3, 10, 6), {}),
        ("standard_gamma", (0.7, 4), {}),
        ("poisson", (4.0, 3), {}),
        ("binomial", (9, 0.4, 3), {}),
        ("permutation", (6,), {}),
        ("choice", (6, 3), {}),
    ):
        np.testing.assert_array_equal(host(draw(ours, name, *args, **kwargs)), draw(numpys, name, *args, **kwargs))
    np.testing.assert_allclose(host(ours.normal(2.0, 3.0, 4)), numpys.normal(2.0, 3.0, 4), rtol=1e-14)
    np.testing.assert_allclose(host(ours.uniform(2.0, 3.0, 4)), numpys.uniform(2.0, 3.0, 4), rtol=1e-14)


def everything(rng):
    """Numbers of every kind, as bytes."""
    out = [draw(rng, name, *args, size=3) for name, args in (CALLS | VECTORS).items()]
    out += [rng.permutation(5), rng.permuted([1.0, 2.0, 3.0]), rng.choice(9, 4, False), rng.dropout_mask(4, 0.5)]
    out += [rng.normal(size=3, dtype="float32"), rng.categorical([0.1, 0.2]), *(c.random(2) for c in rng.spawn(2))]
    return [host(x).tobytes() for x in out]


@pytest.mark.parametrize("seed", [0, 12345678901234567890123, [1, 2, 3], np.array([7, 8]), "sequence"])
def test_equal_seeds_give_equal_numbers(seed, place):
    seed = np.random.SeedSequence(5, spawn_key=(2,)) if isinstance(seed, str) else seed
    first, second, other = (xg.random.default_rng(copy.deepcopy(s), device=place) for s in (seed, seed, 99))
    numbers = everything(first)
    assert everything(second) == numbers
    assert everything(first) != numbers
    assert everything(other)[0] != numbers[0]


def test_without_a_seed_numbers_differ(place):
    first, second = xg.random.default_rng(device=place), xg.random.default_rng(device=place)
    assert host(first.random(4)).tolist() != host(second.random(4)).tolist()


@pytest.mark.parametrize("how", ["state", "pickle", "deepcopy", "json"])
def test_a_run_goes_on_bit_for_bit(how, place):
    rng = xg.random.default_rng(3, device=place)
    everything(rng)
    rng.random(3, "float32")  # leaves half of a 64-bit word behind
    if how == "json":
        state = json.loads(json.dumps(rng.state, default=lambda array: {"bytes": array.tolist()}))
        if isinstance(state["state"], dict) and "bytes" in state["state"]:
            state["state"] = np.array(state["state"]["bytes"], np.uint8)
    else:
        state = rng.state
    saved = {"pickle": lambda: pickle.loads(pickle.dumps(rng)), "deepcopy": lambda: copy.deepcopy(rng)}
    again = saved.get(how, lambda: xg.random.default_rng(0, device=place))()
    numbers = everything(rng)
    if how in ("state", "json"):
        again.state = state
    assert everything(again) == numbers
    rng.state = state
    assert everything(rng) == numbers
    assert again.device == rng.device and repr(again) == repr(rng)


def test_a_state_is_plain_and_its_own(place):
    def plain(value):
        if isinstance(value, dict):
            return all(isinstance(k, str) and plain(v) for k, v in value.items())
        if isinstance(value, list | tuple):
            return all(map(plain, value))
        return type(value) in (int, str, type(None), np.ndarray)

    rng = xg.random.default_rng([1, 2], device=place)
    state = rng.state
    assert plain(state)
    before = pickle.dumps(state)
    rng.random(1000)
    rng.spawn(3)
    assert pickle.dumps(state) == before


def test_committing_survives_copies(device):
    other = xg.ones((), device="strict:cpu" if not device.startswith("strict") else "cpu")
    loose, fixed = copy.deepcopy(xg.random.default_rng(0)), copy.deepcopy(xg.random.default_rng(0, device=device))
    assert (loose.random() + other).device == other.device
    with pytest.raises(ValueError, match="different devices"):
        fixed.random() + other


def test_children_are_independent(place):
    rng, twin, untouched = (xg.random.default_rng(1, device=place) for _ in range(3))
    children = rng.spawn(3) + rng.spawn(2)
    samples = np.array([host(g.standard_normal(5000)) for g in (rng, *children)])
    assert np.abs(np.corrcoef(samples) - np.eye(6)).max() < 0.06
    np.testing.assert_array_equal(samples[0], host(untouched.standard_normal(5000)))  # spawning draws nothing
    for child, sample in zip(twin.spawn(5), samples[1:], strict=True):
        np.testing.assert_array_equal(host(child.standard_normal(5000)), sample)
        assert child.device == rng.device
    grandchildren = [host(g.spawn(1)[0].random(3)).tolist() for g in children]
    assert len({tuple(g) for g in grandchildren}) == 5


def test_a_generator_of_numpys_is_drawn_from(device):
    numpys, twin = np.random.Generator(np.random.MT19937(3)), np.random.Generator(np.random.MT19937(3))
    rng = xg.random.default_rng(numpys, device=device)
    assert host(rng.random(2)).tolist() == twin.random(2).tolist()
    assert numpys.random() == twin.random()  # both moved on together
    assert (
        host(rng.spawn(1)[0].random(2)).tolist()
        == np.random.default_rng(twin.bit_generator.seed_seq.spawn(1)[0]).random(2).tolist()
    )
    again = pickle.loads(pickle.dumps(rng))
    expected = host(rng.random(2)).tolist()
    assert host(again.random(2)).tolist() == expected == twin.random(2).tolist()


def test_a_generator_is_returned_as_it_is():
    rng = xg.random.default_rng(0, device="cpu")
    assert xg.random.default_rng(rng) is rng is xg.random.default_rng(rng, device="cpu")
    fails(lambda: xg.random.default_rng(rng, device="strict"), ValueError, "another device; got cpu for strict")


def test_there_is_no_global_generator():
    public = {n for n in vars(xg.random) if not n.startswith("_")}
    assert public - {"base", "continuous", "discrete", "generator"} == {"Generator", "default_rng"}


def test_threads_share_one_stream():
    rng, parts, start = xg.random.default_rng(7), [], threading.Barrier(8)

    def work():
        start.wait(10)
        for _ in range(50):
            parts.append(host(rng.random(20)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    drawn = np.concatenate(parts)
    assert len(drawn) == 8000
    np.testing.assert_array_equal(np.sort(drawn), np.sort(np.random.default_rng(7).random(8000)))


def test_repr():
    assert repr(xg.random.default_rng(0)) == "Generator(PCG64, device='cpu')"
    assert repr(xg.random.default_rng(0, device="strict")) == "Generator(PCG64, device='strict:cpu')"


# Gradients ------------------------------------------------------------------------------------------------------------

REPARAMETRISED = {
    "uniform": (lambda rng, a, b: rng.uniform(a, b + 3.0), 2),
    "normal": (lambda rng, a, b: rng.normal(a, b, size=(4, 2, 3)), 2),
    "lognormal": (lambda rng, a, b: rng.lognormal(a, b), 2),
    "laplace": (lambda rng, a, b: rng.laplace(a, b, size=(2, 3)), 2),
    "logistic": (lambda rng, a, b: rng.logistic(a, b), 2),
    "gumbel": (lambda rng, a, b: rng.gumbel(a, b), 2),
    "exponential": (lambda rng, b: rng.exponential(b, size=(4, 3)), 1),
    "gamma": (lambda rng, b: rng.gamma(0.7, b, size=(4, 3)), 1),
    "truncated_normal": (lambda rng, a, b: rng.truncated_normal(-1.0, 2.0, a, b), 2),
    "permutation": (lambda rng, a: rng.permutation(a, axis=0), 1),
    "permuted": (lambda rng, a: rng.permuted(a), 1),
    "choice": (lambda rng, a: rng.choice(a, 5, p=[0.2, 0.8]), 1),
}


@pytest.mark.parametrize("name", REPARAMETRISED)
def test_gradients_reach_the_parameters(name, place, rng):
    function, count = REPARAMETRISED[name]
    arrays = [rng.uniform(0.5, 1.5, (2, 1)), rng.uniform(0.5, 1.5, 3)][-count:] if count == 2 else [rng.random((2, 3))]
    arrays = [rng.uniform(0.5, 1.5, 3)] if name in ("exponential", "gamma") else arrays
    generator = xg.random.default_rng(1, device=place)
    state = generator.state

    def drawn(*parameters):
        generator.state = state
        return function(generator, *parameters)

    gradcheck(drawn, *(xg.asarray(a, device=place) for a in arrays), order=2)


@pytest.mark.parametrize("method", ["cholesky", "eigh"])
def test_gradients_reach_mean_and_covariance(method, place, rng):
    generator = xg.random.default_rng(1, device=place)
    state = generator.state

    def drawn(mean, root):
        generator.state = state
        cov = root @ xg.matrix_transpose(root) + xg.asarray(np.eye(3), device=place)
        return generator.multivariate_normal(mean, cov, size=(2, 2), method=method)

    mean, root = rng.standard_normal(3), rng.standard_normal((2, 3, 3))
    gradcheck(drawn, xg.asarray(mean, device=place), xg.asarray(root, device=place), rtol=1e-4)


def test_the_gradient_of_a_normal_is_its_standard_draw():
    rng = xg.random.default_rng(0)
    state, loc, scale = rng.state, xg.Tensor([1.0, 2.0]), xg.Tensor(3.0)
    rng.normal(loc, scale, size=(5, 2)).sum().backward()
    rng.state = state
    assert host(loc.grad).tolist() == [5.0, 5.0]
    np.testing.assert_allclose(host(scale.grad), host(rng.standard_normal((5, 2))).sum())


def test_a_shuffle_is_recorded(device):
    x = xg.Tensor([1.0, 2.0, 3.0, 4.0], device=device)
    y = x * 1.0
    rng = xg.random.default_rng(0, device=device)
    rng.shuffle(y)
    (y * xg.asarray([1.0, 10.0, 100.0, 1000.0], device=device)).sum().backward()
    weights = np.empty(4)
    weights[host(y).astype(int) - 1] = [1.0, 10.0, 100.0, 1000.0]
    assert host(x.grad).tolist() == weights.tolist()


def test_no_grad_draws_constants():
    with xg.no_grad():
        assert not xg.random.default_rng(0).normal(xg.Tensor(1.0)).requires_grad


def test_discrete_draws_are_constants(device):
    rng, p = xg.random.default_rng(0, device=device), xg.Tensor([0.25, 0.75], device=device)
    for x in (
        rng.bernoulli(p),
        rng.bernoulli(p, dtype="float32"),
        rng.poisson(p),
        rng.binomial(3, p),
        rng.multinomial(3, p),
        rng.categorical(p),
        rng.choice(2, 3, p=p),
        rng.integers(0, xg.Tensor([3, 4], device=device)),
    ):
        assert not x.requires_grad
    xg.grad(lambda q: (rng.bernoulli(q) * q).sum())(p)  # also inside a transform


def test_draws_without_a_derivative_say_so(device):
    rng, t = xg.random.default_rng(0, device=device), xg.Tensor([0.5, 1.5], device=device)
    for call, name in (
        (lambda: rng.gamma(t), "gamma: .*shape"),
        (lambda: rng.standard_gamma(t), "standard_gamma: .*shape"),
        (lambda: rng.beta(t, 1.0), "beta: .* a,"),
        (lambda: rng.beta(1.0, t), "beta: .* b,"),
        (lambda: rng.dirichlet(t), "dirichlet: .*alpha"),
        (lambda: rng.truncated_normal(t - 2.0, 5.0), "truncated_normal: .*low"),
        (lambda: xg.grad(lambda a: rng.gamma(a).sum())(t), "gamma: .*shape"),
    ):
        fails(call, NotImplementedError, name + r".*detach\(\)")
    assert rng.gamma(t.detach()).shape == (2,)


# Errors ---------------------------------------------------------------------------------------------------------------

ERRORS = {
    "seed": (lambda r: xg.random.default_rng(1.5), TypeError, "default_rng: seed must be an int.*got 1.5"),
    "seed text": (lambda r: xg.random.default_rng("0"), TypeError, "default_rng: seed"),
    "seed sign": (lambda r: xg.random.default_rng(-1), ValueError, "default_rng: .*negative; got -1"),
    "size": (lambda r: r.random((2, -1)), ValueError, r"random: size .*negative extent; got \(2, -1\)"),
    "size kind": (lambda r: r.random(2.5), TypeError, "random: shape must be an int or several; got 2.5"),
    "size too small": (lambda r: r.normal(np.ones(3), size=2), ValueError, r"normal: .*size; got loc \(3,\).*\(2,\)"),
    "size without axes": (lambda r: r.normal(np.ones((2, 1)), size=(4,)), ValueError, "normal: .*size"),
    "shapes": (lambda r: r.normal(np.ones(3), np.ones(2)), ValueError, r"normal: .*loc \(3,\) and scale \(2,\)"),
    "dtype": (lambda r: r.normal(dtype=int), TypeError, "normal: dtype must be float32 or float64; got int64"),
    "dtype complex": (lambda r: r.random(3, complex), TypeError, "random: dtype must be .*complex128"),
    "complex": (lambda r: r.normal(1j), TypeError, "normal: loc must be real; got 1j"),
    "complex array": (lambda r: r.normal(np.array([1j])), TypeError, "normal: loc must be real.*complex128"),
    "text": (lambda r: r.normal("0"), TypeError, "normal: loc must be real; got '0'"),
    "scale": (lambda r: r.normal(scale=-1.0), ValueError, "normal: scale must not be negative; got -1.0"),
    "scale of one": (lambda r: r.laplace(0, [1.0, -2.0]), ValueError, "laplace: scale .*got -2.0"),
    "scale nan": (lambda r: r.exponential(np.nan), ValueError, "exponential: scale .*got nan"),
    "sigma": (lambda r: r.lognormal(0, -1), ValueError, "lognormal: sigma"),
    "uniform": (lambda r: r.uniform(2.0, 1.0), ValueError, "uniform: high - low must not be negative; got -1.0"),
    "uniform inf": (lambda r: r.uniform(0.0, np.inf), ValueError, "uniform: high must be finite"),
    "gamma": (lambda r: r.gamma(-1.0), ValueError, "gamma: shape must not be negative"),
    "beta": (lambda r: r.beta(0.0, 1.0), ValueError, "beta: a must be above 0; got 0.0"),
    "dirichlet": (lambda r: r.dirichlet([1.0, 0.0]), ValueError, "dirichlet: alpha must be above 0; got 0.0"),
    "dirichlet 0-d": (lambda r: r.dirichlet(1.0), ValueError, "dirichlet: alpha must have an axis"),
    "truncated": (lambda r: r.truncated_normal(1.0, 1.0), ValueError, "truncated_normal: high - low must be above 0"),
    "truncated far": (lambda r: r.truncated_normal(38.0, 50.0), ValueError, "truncated_normal: low must be at most 37"),
    "truncated below": (lambda r: r.truncated_normal(-50.0, -38.0), ValueError, "high must be at least -37; got -38.0"),
    "poisson": (lambda r: r.poisson(-1.0), ValueError, "poisson: lam must not be negative; got -1.0"),
    "poisson large": (lambda r: r.poisson(1e30), ValueError, r"poisson: lam must be below 2\*\*62"),
    "binomial n": (lambda r: r.binomial(-1, 0.5), ValueError, "binomial: n must not be negative"),
    "binomial kind": (lambda r: r.binomial(1.5, 0.5), TypeError, "binomial: n must hold integers; got float"),
    "binomial p": (lambda r: r.binomial(1, 1.5), ValueError, "binomial: p must lie between 0 and 1; got 1.5"),
    "bernoulli": (lambda r: r.bernoulli([0.5, -0.1]), ValueError, "bernoulli: p must lie .*got -0.1"),
    "dropout": (lambda r: r.dropout_mask(3, 1.5), ValueError, "dropout_mask: p must lie between 0 and 1"),
    "dropout array": (lambda r: r.dropout_mask(2, [0.1, 0.2]), TypeError, "dropout_mask: p must be a number"),
    "multinomial": (lambda r: r.multinomial(3, [0.5, 0.4]), ValueError, "multinomial: pvals must sum to one.*got 0.9"),
    "multinomial sign": (lambda r: r.multinomial(3, [1.5, -0.5]), ValueError, "multinomial: pvals must lie"),
    "categorical": (lambda r: r.categorical(np.ones((2, 0))), ValueError, "categorical: .*no logits"),
    "categorical axis": (lambda r: r.categorical(np.ones(2), axis=1), IndexError, "categorical: axis"),
    "choice p": (lambda r: r.choice(3, p=[0.5, 0.5]), ValueError, r"choice: p must hold one.*\(2,\) for 3"),
    "choice sum": (lambda r: r.choice(2, p=[0.5, 0.6]), ValueError, "choice: p must sum to one .*got 1.1"),
    "choice many": (lambda r: r.choice(2, 3, replace=False), ValueError, "choice: 2 elements do not give 3"),
    "choice zeros": (lambda r: r.choice(2, 2, False, [1.0, 0.0]), ValueError, "choice: p must hold 2 positive.*got 1"),
    "choice nothing": (lambda r: r.choice([]), ValueError, "choice: there must be something"),
    "choice negative": (lambda r: r.choice(-1), ValueError, "choice: an int must not be negative; got -1"),
    "choice kind": (lambda r: r.choice(2.5), TypeError, "choice: expected an int or an array"),
    "integers": (lambda r: r.integers(3, 3), ValueError, "integers: low must be below high; got 3 and 3"),
    "integers arrays": (lambda r: r.integers([1, 3], 3), ValueError, "integers: high - low must be above 0; got 0"),
    "integers kind": (lambda r: r.integers(2.5), TypeError, "integers: high must hold integers"),
    "integers dtype": (lambda r: r.integers(2, dtype=float), TypeError, "integers: dtype must be an integer type"),
    "integers range": (lambda r: r.integers(0, 300, dtype="uint8"), ValueError, "integers: high must be at most 256"),
    "integers low": (lambda r: r.integers(-1, 3, dtype="uint8"), ValueError, "integers: low must be at least 0"),
    "integers huge": (lambda r: r.integers(0, 2**64), ValueError, "integers: high must be at most"),
    "vectors": (lambda r: r.multivariate_normal([0.0, 1.0], np.eye(3)), ValueError, r"\(2,\) and \(3, 3\)"),
    "method": (lambda r: r.multivariate_normal([0.0], [[1.0]], method="svd"), ValueError, "unknown method; got 'svd'"),
    "shuffle": (lambda r: r.shuffle([1, 2]), TypeError, "shuffle: only a Tensor .*permutation"),
    "state": (lambda r: setattr(r, "state", 3), TypeError, "state: expected what the attribute state gave"),
    "foreign state": (
        lambda r: setattr(r, "state", r.state | {"generator": "MT19937"}),
        ValueError,
        "state: .*another kind of generator; got MT19937 for",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name, place):
    call, error, words = ERRORS[name]
    fails(lambda: call(xg.random.default_rng(0, device=place)), error, words)


def test_a_parameter_on_another_device_is_named():
    rng = xg.random.default_rng(0, device="cpu")
    there = xg.ones(3, device="strict")
    fails(lambda: rng.normal(0.0, there), ValueError, "normal: the generator and scale .*got cpu and strict:cpu")
    fails(lambda: rng.poisson(there), ValueError, "poisson: the generator and lam .*different devices")


# CuPy without a GPU ---------------------------------------------------------------------------------------------------


class Philox4x3210:
    """Stands for cuRAND's: NumPy's bits, and a state array of its own in ``_state``."""

    def __init__(self, seed=None, *, size=-1):
        self.numpys = np.random.Generator(np.random.Philox(seed))
        self._state = stand_in.ndarray(self.bytes())

    def bytes(self):
        return np.frombuffer(pickle.dumps(self.numpys.bit_generator.state).ljust(1000, b"."), np.uint8).copy()

    def draw(self, call):
        self.numpys.bit_generator.state = pickle.loads(self._state._a.tobytes())
        drawn = stand_in.ndarray(np.asarray(call(self.numpys)))
        self._state._a[:] = self.bytes()
        return drawn


class Generator:
    """CuPy 14's Generator: its methods with its parameters, and what it refuses."""

    def __init__(self, bit_generator):
        self.bits = bit_generator

    def random(self, size=None, dtype=np.float64, out=None):
        return self.bits.draw(lambda g: g.random(size, dtype))

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        return self.bits.draw(lambda g: g.integers(low, high, size, dtype, endpoint))

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        return self.bits.draw(lambda g: g.standard_normal(size, dtype))

    def standard_exponential(self, size=None, dtype=np.float64, method="inv", out=None):
        return self.bits.draw(lambda g: g.standard_exponential(size, dtype))

    def standard_gamma(self, shape, size=None, dtype=np.float64, out=None):
        assert (shape._a >= 0).all(), "CuPy's loop has no end for NaN"
        return self.bits.draw(lambda g: g.standard_gamma(shape._a))

    def poisson(self, lam=1.0, size=None):
        return self.bits.draw(lambda g: g.poisson(lam._a))

    def binomial(self, n, p, size=None):
        assert (p._a >= 0).all() and (n._a < 2**31).all(), "CuPy's loop has no end"
        return self.bits.draw(lambda g: g.binomial(n._a, p._a))


@pytest.fixture
def curand(xp, monkeypatch):  # noqa: F811
    module = type("random", (), {"Philox4x3210": Philox4x3210, "Generator": Generator})
    monkeypatch.setattr(xp.cupy, "random", module, raising=False)
    return xp


def test_nothing_waits_for_the_gpu(curand):
    rng = xg.random.default_rng(0, device="cuda")
    one, p = xg.asarray([1.0, 2.0], device="cuda"), xg.asarray([0.25, 0.75], device="cuda")
    for name in ("normal", "lognormal", "laplace", "logistic", "gumbel", "gamma", "beta"):
        assert draw(rng, name, one, one).shape == (2,)
    drawn = [
        rng.uniform(-one, one),
        rng.exponential(one),
        rng.poisson(one),
        rng.binomial(xg.asarray(3, device="cuda"), p),
    ]
    drawn += [rng.bernoulli(p), rng.multinomial(5, p), rng.categorical(p, 2), rng.dirichlet(p), rng.rademacher(2)]
    drawn += [rng.choice(2, 2, p=p), rng.choice(2, 2, False, p), rng.permutation(one), rng.permuted(one), rng.random(2)]
    drawn += [rng.integers(one.astype(int), 9), rng.dropout_mask(2, 0.5), rng.normal(size=2, dtype="float32")]
    rng.shuffle(drawn[0])
    assert {str(x.device) for x in drawn} == {"cuda:0"} and all(x.shape == (2,) for x in drawn)
    x = stand_in.read(rng.random(5000, "float32"))
    assert x.dtype == np.float32 and stats.kstest(x.astype(np.float64), stats.uniform.cdf).pvalue > 1e-3
    assert sorted(stand_in.read(rng.permutation(50))) == list(range(50))
    unseen = xg.asarray([np.nan, -1.0, 2.0], device="cuda")  # parameters on a GPU are not looked at
    assert np.isnan(stand_in.read(rng.standard_gamma(unseen))).tolist() == [True, False, False]
    assert stand_in.read(rng.binomial(9, unseen[1:])).tolist() == [0, 9]


def test_a_run_on_the_gpu_goes_on_bit_for_bit(curand):
    rng = xg.random.default_rng(0, device="cuda")
    rng.random(5)
    with stand_in.Host.waiting():
        state = rng.state
    assert repr(rng) == "Generator(cuRAND Philox4x32-10, device='cuda:0')"
    first = stand_in.read(rng.standard_normal(4)).tolist()
    rng.state = state
    assert stand_in.read(rng.standard_normal(4)).tolist() == first
    numpys = xg.random.default_rng(np.random.default_rng(3), device="cuda")
    assert stand_in.read(numpys.random(2)).tolist() == np.random.default_rng(3).random(2).tolist()


def test_the_stand_in_takes_what_cupys_generator_takes():
    import inspect

    cupy = pytest.importorskip("cupy", exc_type=ImportError)
    for name, method in vars(Generator).items():
        if not name.startswith("_"):
            assert str(inspect.signature(getattr(cupy.random.Generator, name))) == str(inspect.signature(method)), name
