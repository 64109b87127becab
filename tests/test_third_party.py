"""Code that has never heard of xgrad, handed a Tensor: NumPy's values, and gradients equal to finite differences.

What leaves the array API (compiled code that wants NumPy's memory) raises and says ``detach()``.  ``conftest.py`` sets
SCIPY_ARRAY_API before SciPy is imported.
"""

import importlib
import os

import numpy as np
import pytest

import xgrad as xg
from xgrad.pytree import flatten
from xgrad.testing import gradcheck

pytest.importorskip("scipy", reason="SciPy is not installed")

_RANDOM = np.random.default_rng(20)
V, W = _RANDOM.normal(size=7), _RANDOM.normal(size=7)
M, N = _RANDOM.normal(size=(5, 4)), _RANDOM.normal(size=(5, 4))
P, U = _RANDOM.uniform(0.3, 2, (5, 4)), _RANDOM.uniform(0.1, 0.9, (5, 4))
S, T = _RANDOM.normal(size=32), _RANDOM.normal(size=32)
A = np.array([0.7, 1.2])


def like(x, value):
    """``value`` as an array of the library of ``x``."""
    return x.__array_namespace__().asarray(value)


def named(module, names, *arrays, **options):
    """Functions of one module on the same arrays."""
    found = {}
    for name in names.split():
        found[f"{module}.{name}{options or ''}"] = (_late(module, name, options), arrays)
    return found


def _late(module, name, options):
    return lambda *xs: getattr(importlib.import_module(module), name)(*xs, **options)


def of(module, formulas):
    """Formulas ``f(module, *arrays)``, by what they are called here."""
    return {f"{module}: {name}": (_bound(module, f), arrays) for name, (f, *arrays) in formulas.items()}


def _bound(module, f):
    return lambda *xs: f(importlib.import_module(module), *xs)


def statistic(test):
    return lambda m, *xs: getattr(m, test)(*xs).statistic


def pvalue(test):
    return lambda m, *xs: getattr(m, test)(*xs).pvalue


SCIPY = {
    **named("scipy.stats", "gmean hmean gzscore gstd variation entropy", P),
    **named("scipy.stats", "skew kurtosis zscore sem tmean tvar tstd tsem tmin tmax", M),
    **named("scipy.stats", "moment", M, order=3),
    **named("scipy.stats", "skew kurtosis", M, bias=False, axis=1),
    **named("scipy.stats", "circmean circvar circstd", U[:, 0]),
    **named("scipy.stats", "zmap", V, W),
    **named("scipy.stats", "lmoment", V),
    **of(
        "scipy.stats",
        {
            "pmean": (lambda m, x: m.pmean(x, 3), P),
            "pearsonr": (statistic("pearsonr"), V, W),
            "p of pearsonr": (pvalue("pearsonr"), V, W),
            "relative entropy": (lambda m, x, y: m.entropy(x, y, axis=1), P, U),
            "p of ttest_1samp": (lambda m, x: m.ttest_1samp(x, 0.1).pvalue, M),
            "ttest_ind": (statistic("ttest_ind"), V, W),
            "p of Welch's test": (lambda m, x, y: m.ttest_ind(x, y, equal_var=False).pvalue, V, W),
            "p of ttest_rel": (pvalue("ttest_rel"), V, W),
            "power_divergence": (lambda m, x: m.power_divergence(x, lambda_="cressie-read").statistic, P[:, 0]),
            "bartlett": (statistic("bartlett"), V, W),
            "levene": (statistic("levene"), V, W),
            "skewtest": (statistic("skewtest"), S),
            "p of normaltest": (pvalue("normaltest"), S),
            "jarque_bera": (statistic("jarque_bera"), S),
            "p of f_oneway": (pvalue("f_oneway"), V, W),
            "alexandergovern": (statistic("alexandergovern"), V, W),
            "variance of describe": (lambda m, x: m.describe(x).variance, M),
            "combined p": (lambda m, x: m.combine_pvalues(x, method="stouffer").pvalue, U[:, 0]),
            "mean direction": (lambda m, x: m.directional_stats(x).mean_direction, M),
            "boxcox_llf": (lambda m, x: m.boxcox_llf(0.7, x), P),
            "quantile": (lambda m, x: m.quantile(x, like(x, 0.3)), V),
            "trim_mean": (lambda m, x: m.trim_mean(x, 0.2), V),
        },
    ),
    **named("scipy.special", "expit logit entr erf erfc gammaln ndtr ndtri log_ndtr i0 i0e i1 j0 j1 psi", U),
    **named("scipy.special", "xlogy rel_entr kl_div gammainc gammaincc stdtr chdtr", P, U),
    **named("scipy.special", "betainc", P, P + 0.3, U),
    **named("scipy.special", "logsumexp softmax log_softmax", M, axis=1),
    **named("scipy.fft", "fft ifft rfft irfft hfft ihfft fftn ifftn rfftn irfftn fft2 fftshift", M),
    **of("scipy.fft", {"fht": (lambda m, x: m.fht(x, 0.1, 0.5), P[:, 0])}),
    **named("scipy.signal", "fftconvolve oaconvolve", S, W),
    **named("scipy.signal", "hilbert envelope", S),
    **of(
        "scipy.signal",
        {
            "convolve": (lambda m, x, y: m.convolve(x, y, method="fft"), V, W),
            "correlate": (lambda m, x, y: m.correlate(x, y, method="fft"), V, W),
            "resample": (lambda m, x: m.resample(x, 20), S),
            "freqz": (lambda m, x: m.freqz(x, like(x, 1.0), 16)[1], V),
            "vectorstrength": (lambda m, x: m.vectorstrength(x, 0.3)[0], V),
        },
    ),
    **named("scipy.integrate", "trapezoid cumulative_trapezoid cumulative_simpson", V),
    **of(
        "scipy.integrate",
        {
            "trapezoid over x": (lambda m, y, x: m.trapezoid(y, x), V, np.sort(W)),
            "fixed_quad": (lambda m, a: m.fixed_quad(lambda x: (a * x) ** 2, 0.0, 1.0)[0], A[0]),
            "cubature": (
                lambda m, a: m.cubature(lambda x: a * x[:, 0] ** 2, like(a, [0.0]), like(a, [1.0])).estimate,
                A[0],
            ),
            "tanhsinh": (
                lambda m, a: m.tanhsinh(lambda x, a: (a * x) ** 2, like(a, 0.0), like(a, 1.0), args=(a,)).integral,
                A,
            ),
            "nsum": (lambda m, a: m.nsum(lambda k, a: a / k**2, like(a, 1.0), like(a, 1000.0), args=(a,)).sum, A),
        },
    ),
    **of(
        "scipy.differentiate",
        {
            "derivative": (lambda m, x: m.derivative(lambda x: x**3, x).df, U[:, 0]),
            "jacobian": (lambda m, x: m.jacobian(lambda x: x**2, x).df, U[:3, 0]),
            "hessian": (lambda m, x: m.hessian(lambda x: x[0] ** 2 * x[1], x).ddf, U[:2, 0]),
        },
    ),
    **named("scipy.optimize", "rosen rosen_der rosen_hess", V),
    **named("scipy.optimize", "rosen_hess_prod", V, W),
    **of(
        "scipy.spatial.transform",
        {
            "rotated": (lambda m, q, v: m.Rotation.from_quat(q).apply(v), M[0], V[:3]),
            "rotation vector": (lambda m, q, v: m.Rotation.from_rotvec(q).apply(v), V[:3], W[:3]),
            "matrix": (lambda m, q: m.Rotation.from_quat(q).as_matrix(), M),
            "euler": (lambda m, q: m.Rotation.from_euler("xyz", q).as_quat(), V[:3]),
            "product": (lambda m, q, p: (m.Rotation.from_quat(q) * m.Rotation.from_quat(p)).as_rotvec(), M[0], M[1]),
            "magnitude": (lambda m, q: m.Rotation.from_quat(q).magnitude(), M[0]),
            "mean": (lambda m, q: m.Rotation.from_quat(q).mean().as_matrix(), M),
        },
    ),
    **named("scipy.cluster.vq", "whiten", M),
}

PAIRWISE = """euclidean_distances cosine_similarity cosine_distances linear_kernel polynomial_kernel rbf_kernel
    sigmoid_kernel paired_euclidean_distances paired_cosine_distances"""
SKLEARN = {
    **named("sklearn.metrics.pairwise", PAIRWISE, P, U),
    **of(
        "sklearn.preprocessing",
        {
            "StandardScaler": (lambda m, x: m.StandardScaler().fit_transform(x), M),
            "MinMaxScaler": (lambda m, x: m.MinMaxScaler().fit_transform(x), M),
            "MaxAbsScaler": (lambda m, x: m.MaxAbsScaler().fit_transform(x), M),
            "normalize": (lambda m, x: m.normalize(x, norm="l1"), M),
            "KernelCenterer": (lambda m, x: m.KernelCenterer().fit_transform(x @ x.T), M),
            "PolynomialFeatures": (lambda m, x: m.PolynomialFeatures(2).fit_transform(x), M),
        },
    ),
    **of(
        "sklearn.decomposition",
        {
            "PCA": (lambda m, x: m.PCA(2, svd_solver="full").fit_transform(x) ** 2, M),
            "variance of PCA": (lambda m, x: m.PCA(2, svd_solver="covariance_eigh").fit(x).explained_variance_, M),
        },
    ),
    **of("sklearn.linear_model", {"Ridge": (lambda m, x, y: m.Ridge(solver="svd").fit(x, y).coef_, M, V[:5])}),
}

EXTRA = of(
    "array_api_extra",
    {
        "cov": (lambda m, x: m.cov(x), M),
        "sinc": (lambda m, x: m.sinc(x), M),
        "kron": (lambda m, x, y: m.kron(x, y), M[:2], N[:3]),
        "create_diagonal": (lambda m, x: m.create_diagonal(x), V),
        "pad": (lambda m, x: m.pad(x, 2), V),
        "atleast_nd": (lambda m, x: m.atleast_nd(x, ndim=3), V),
        "apply_where": (lambda m, x: m.apply_where(x > 0, (x,), lambda x: x**0.5, lambda x: -x), V),
        "at set": (lambda m, x: m.at(x + 0, 1).set(3.0), V),
        "at add": (lambda m, x: m.at(x + 0, slice(2, 4)).add(3.0), V),
        "partition": (lambda m, x: m.partition(x, 3), V),
        "setdiff1d": (lambda m, x: m.setdiff1d(x, x[:2], assume_unique=True), V),
    },
)


def masked(f):
    """``f`` of a masked array without the elements above one."""

    def of_masked(m, x):
        namespace = (
            m.masked_namespace(x.__array_namespace__())
            if hasattr(m, "masked_namespace")
            else m._get_namespace(x.__array_namespace__())
        )
        return f(namespace, namespace.asarray(x, mask=x > 1)).data

    return of_masked


MARRAY = of(
    "marray",
    {
        "sum": (masked(lambda m, x: m.sum(x)), M),
        "mean": (masked(lambda m, x: m.mean(x, axis=0)), M),
        "var": (masked(lambda m, x: m.var(x)), M),
        "exp": (masked(lambda m, x: m.exp(x)), M),
        "product": (masked(lambda m, x: x.mT @ x), M),
        "cumulative_sum": (masked(lambda m, x: m.cumulative_sum(x, axis=0)), M),
    },
)


def labelled(f):
    return lambda m, x: f(m, m.DataArray(x, dims=("a", "b"))).data


XARRAY = of(
    "xarray",
    {
        "sum": (labelled(lambda m, x: x.sum("a")), M),
        "mean": (labelled(lambda m, x: x.mean("b")), M),
        "std": (labelled(lambda m, x: x.std("a")), M),
        "max": (labelled(lambda m, x: x.max("b")), M),
        "median": (labelled(lambda m, x: x.median("a")), M),
        "arithmetic": (labelled(lambda m, x: x * 2 + x.isel(a=1)), M),
        "ufunc": (labelled(lambda m, x: np.exp(x)), M),
        "where": (labelled(lambda m, x: x.where(x > 0, 0.0)), M),
        "dot": (labelled(lambda m, x: m.dot(x, x, dim="a")), M),
        "cumsum": (labelled(lambda m, x: x.cumsum("a")), M),
        "concat": (labelled(lambda m, x: m.concat([x, x], dim="a")), M),
        "diff": (labelled(lambda m, x: x.diff("a")), M),
        "roll": (labelled(lambda m, x: x.roll(a=1)), M),
        "stack": (labelled(lambda m, x: x.stack(z=("a", "b"))), M),
    },
)

FUNCTIONS = {**SCIPY, **SKLEARN, **EXTRA, **MARRAY, **XARRAY}


def imported(name):
    """The top library of an entry, or a skip that says what is missing."""
    library = name.partition(":")[0].partition(".")[0]
    return pytest.importorskip(library, reason=f"{library} is not installed")


@pytest.fixture(autouse=True)
def dispatch(request):
    """scikit-learn dispatches on request only."""
    if "sklearn" not in request.node.nodeid:
        yield
        return
    with pytest.importorskip("sklearn").config_context(array_api_dispatch=True):
        yield


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name):
    imported(name)
    function, arrays = FUNCTIONS[name]
    expected = [np.asarray(v) for v in flatten(function(*map(np.asarray, arrays)))[0]]
    found = flatten(function(*(xg.Tensor(a) for a in arrays)))[0]
    for ours, theirs in zip(found, expected, strict=True):
        assert isinstance(ours, xg.Tensor)
        np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=1e-9, atol=1e-11)
    assert any(v.requires_grad for v in found)
    gradcheck(function, *arrays, order=1, forward=False)


def test_there_are_many():
    assert len(FUNCTIONS) >= 130
    assert os.environ.get("SCIPY_ARRAY_API") == "1"


LEAVING = (
    of("scipy.stats", {"wasserstein_distance": (lambda m, x, y: m.wasserstein_distance(x, y), V, W)})
    | of(
        "scipy.signal",
        {
            "savgol_filter": (lambda m, x: m.savgol_filter(x, 5, 2), S),
            "welch": (lambda m, x: m.welch(x, nperseg=16), S),
            "upfirdn": (lambda m, x, y: m.upfirdn(x, y), V, S),
        },
    )
    | of(
        "scipy.linalg",
        {
            "solve": (lambda m, x, y: m.solve(x, y), M[:4], V[:4]),
            "expm": (lambda m, x: m.expm(x), M[:4]),
        },
    )
    | of("scipy.ndimage", {"gaussian_filter": (lambda m, x: m.gaussian_filter(x, 1.0), M)})
    | of("scipy.cluster.vq", {"vq": (lambda m, x, y: m.vq(x, y), M, M[:2] + 0.3)})
    | of("sklearn.linear_model", {"LinearRegression": (lambda m, x, y: m.LinearRegression().fit(x, y), M, V[:5])})
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LEAVING)
def test_what_leaves_raises(name):
    """Compiled code asks for NumPy's memory: an error, never a constant in place of a gradient."""
    imported(name)
    function, arrays = LEAVING[name]
    with pytest.raises(TypeError, match=r"detach|namespaces"):
        function(*(xg.Tensor(a) for a in arrays))


@pytest.mark.filterwarnings("ignore")
def test_a_metric_is_a_number_for_the_log_and_an_error_inside_grad():
    metrics = pytest.importorskip("sklearn.metrics")
    x = xg.Tensor(P[:, 0])
    with pytest.importorskip("sklearn").config_context(array_api_dispatch=True):
        assert metrics.mean_squared_error(x, xg.asarray(U[:, 0])) == pytest.approx(np.mean((P[:, 0] - U[:, 0]) ** 2))
        with pytest.raises(TypeError, match="inside grad"):
            xg.grad(lambda x: metrics.mean_squared_error(x, xg.asarray(U[:, 0])))(P[:, 0])
