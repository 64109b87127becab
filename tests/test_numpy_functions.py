"""Every public function of NumPy: right and recorded on Tensors, refused by name, or no business of arrays."""

import inspect
import warnings

import numpy as np
import pytest

import xgrad as xg
from xgrad.numpy_protocol.creation import makers
from xgrad.numpy_protocol.table import handlers
from xgrad.numpy_protocol.ufuncs import ufuncs
from xgrad.reverse import UNCOMMITTED
from xgrad.testing import gradcheck

from .conftest import SLOW
from .numpy_cases import CALLS, A, S

MODULES = {"": np, "linalg.": np.linalg, "fft.": np.fft}
# They take no array, or leave its values alone; what they make is a constant.
NO_ARRAYS = """
    bartlett blackman hamming hanning kaiser diag_indices indices mask_indices tril_indices triu_indices
    fft.fftfreq fft.rfftfreq broadcast_shapes base_repr binary_repr format_float_positional
    format_float_scientific typename mintypecode isdtype issubdtype isscalar iterable isfortran promote_types
    frompyfunc nested_iters datetime_data fromregex get_include get_printoptions set_printoptions printoptions
    getbufsize setbufsize geterr seterr geterrcall seterrcall info show_config show_runtime load test
    linalg.test fft.test
"""
CONVERSIONS = {"asarray_chkfinite", "asmatrix", "from_dlpack"}  # besides those of ``like=``
FORWARDS = {"bmat", "row_stack"}  # plain Python that calls other functions of NumPy


def functions():
    """All public functions by dotted name."""
    for prefix, module in MODULES.items():
        for name, value in vars(module).items():
            if callable(value) and not name.startswith("_") and not isinstance(value, type):
                yield prefix + name, value


FUNCTIONS = dict(functions())
SUPPORTED = {n for n, f in FUNCTIONS.items() if (f in ufuncs if isinstance(f, np.ufunc) else f in handlers)}
REFUSED = {
    n for n, f in FUNCTIONS.items() if n not in SUPPORTED and (isinstance(f, np.ufunc) or hasattr(f, "_implementation"))
}


def leaf(value, device="cpu"):
    floating = np.asarray(value).dtype.kind in "fc"
    return xg.Tensor(np.asarray(value), device=device, requires_grad=floating)


def parts(tree):
    """The leaves of nested tuples and lists."""
    if isinstance(tree, (tuple, list)):
        for branch in tree:
            yield from parts(branch)
    else:
        yield tree


def agree(found, expected, device):
    for a, b in zip(parts(found), parts(expected), strict=True):
        if isinstance(b, np.ndarray | np.generic) and isinstance(a, xg.Tensor):
            assert a.node is UNCOMMITTED or a.device == leaf(0.0, device).device
            assert a.dtype == b.dtype
            elements = a.detach().numpy()
            assert elements.shape == b.shape
            np.testing.assert_allclose(elements, b, rtol=1e-11, atol=1e-12)
        else:
            assert not isinstance(a, xg.Tensor)
            np.testing.assert_array_equal(a, b)


# How many elements these have, or pass on, depends on values: a lazy library says that it does not know.
NEED_LENGTHS = """
    argwhere histogram ix_ piecewise intersect1d setdiff1d setxor1d union1d unique unique_all unique_counts
    unique_inverse unique_values
"""


@pytest.mark.parametrize("name", sorted(CALLS))
def test_value_and_derivative(device, name):
    if name not in FUNCTIONS:
        pytest.skip(f"this version of NumPy has no {name}")
    for f, arrays, slopes in CALLS[name][:1] if device in SLOW else CALLS[name]:
        leaves = [leaf(a, device) for a in arrays]
        if device == "dask" and name in NEED_LENGTHS.split():
            with pytest.raises((ValueError, NotImplementedError), match=r"nan|unknown number"):
                f(*leaves)
            continue
        found = f(*leaves)
        agree(found, f(*arrays), device)
        recorded = [v for v in parts(found) if isinstance(v, xg.Tensor) and v.dtype.kind in "fc" and v.requires_grad]
        assert bool(recorded) == slopes
        if not slopes or any(a.dtype == np.float32 for a in arrays):
            continue

        def smooth(*xs, f=f):
            return [v for v in parts(f(*xs)) if isinstance(v, xg.Tensor) and v.dtype.kind in "fc"]

        with xg.no_grad():
            steady = [xg.asarray(a, device=device) for a in arrays]
        gradcheck(smooth, *steady, order=1, forward=device not in SLOW, rtol=1e-5, atol=1e-7)


def test_every_function_is_accounted_for():
    makers_names = {n for n, f in FUNCTIONS.items() if f in makers}
    known = SUPPORTED | REFUSED | set(NO_ARRAYS.split()) | CONVERSIONS | FORWARDS | makers_names
    assert set(FUNCTIONS) - known == set()
    assert not SUPPORTED & set(NO_ARRAYS.split())
    assert not REFUSED & set(NO_ARRAYS.split())


def test_every_supported_function_has_a_case():
    aliases = {n for n in SUPPORTED if any(FUNCTIONS[n] is FUNCTIONS.get(m) for m in CALLS)}
    assert SUPPORTED - aliases == set()


EXPECTED_REFUSALS = """
    bitwise_count gcd lcm isnat busday_count busday_offset datetime_as_string is_busday einsum_path packbits
    unpackbits poly polyadd polyder polydiv polyfit polyint polymul polysub roots histogram_bin_edges histogram2d
    histogramdd save savetxt savez savez_compressed
"""


def test_refused_functions_are_those_we_know():
    assert set() == REFUSED - set(EXPECTED_REFUSALS.split())


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_functions_name_themselves(device, name, tmp_path):
    function, x = FUNCTIONS[name], leaf(A[0], device)
    if isinstance(function, np.ufunc):
        arguments = [x] * function.nin
    else:
        required = [p for p in inspect.signature(function).parameters.values() if p.default is inspect.Parameter.empty]
        arguments = [x for p in required if p.kind is not inspect.Parameter.VAR_KEYWORD]
    if name.startswith("save"):
        arguments[0] = str(tmp_path / "file")
        arguments[1:] = [x]
    with pytest.raises(TypeError, match=rf"numpy\.{name}: .*detach"):
        function(*arguments)


@pytest.mark.parametrize("name", sorted(CONVERSIONS | {"array", "asarray", "asanyarray", "ascontiguousarray"}))
def test_conversions_refuse_a_tracked_tensor(name):
    with pytest.raises((TypeError, BufferError), match="detach"), warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # of np.matrix
        FUNCTIONS[name](leaf(A))


# Made like a Tensor ---------------------------------------------------------------------------------------------------

LIKE = {
    "array": ([[1.0, 2.0]],),
    "asarray": ([1, 2],),
    "asanyarray": (2.5,),
    "ascontiguousarray": (A,),
    "asfortranarray": (A,),
    "require": (A,),
    "zeros": ((2, 3),),
    "ones": (3,),
    "empty": (0,),
    "full": ((2, 3), 1.5),
    "arange": (1, 7, 2),
    "eye": (3,),
    "identity": (2,),
    "tri": (3,),
    "fromfunction": (lambda i, j: i + 2 * j, (2, 3)),
    "fromiter": (range(4), float),
    "frombuffer": (np.arange(3.0).tobytes(),),
    "fromstring": ("1 2 3",),
    "loadtxt": (["1 2", "3 4"],),
    "genfromtxt": (["1 2", "3 4"],),
}


@pytest.mark.parametrize("name", LIKE)
def test_like(device, name):
    keywords = {"sep": " "} if name == "fromstring" else {}
    like = leaf(S, device)  # held here: NumPy drops its reference to ``like=`` before the call is over
    found = FUNCTIONS[name](*LIKE[name], **keywords, like=like)
    assert isinstance(found, xg.Tensor)
    agree(found, FUNCTIONS[name](*LIKE[name], **keywords), device)


def test_like_covers_every_maker(tmp_path):
    names = {n for n, f in FUNCTIONS.items() if f in makers}
    assert names - set(LIKE) == {"fromfile"}
    np.arange(3.0).tofile(tmp_path / "data")
    like = leaf(A)
    found = np.fromfile(tmp_path / "data", like=like)
    assert found.tolist() == [0.0, 1.0, 2.0]


def test_array_like_joins_tensors(device):
    def f(x):
        made = np.array([[x[0, 0], 1.0], [x[1, 1] * 2, x[0, 2]]], like=x)
        return np.sum(made * made) + np.sum(np.full((2,), x[0, 1], like=x))

    gradcheck(f, xg.asarray(A, device=device), order=1)


def test_array_like_copies_when_numpy_does(device):
    x = xg.asarray(A, device=device)
    assert np.asarray(x, like=x) is x
    assert np.array(x, like=x) is not x
    assert np.array(x, like=x, ndmin=3, dtype=np.float32).shape == (1, 3, 4)


@pytest.mark.parametrize("half", ["L", "U"])
def test_eigh_reads_the_triangle_it_is_told(device, half):
    x = leaf(S, device)
    agree(np.linalg.eigvalsh(x, half), np.linalg.eigvalsh(S, half), device)
    agree(np.linalg.eigh(x, UPLO=half)[0], np.linalg.eigh(S, UPLO=half)[0], device)
    agree(np.abs(np.linalg.eigh(x, half)[1]), np.abs(np.linalg.eigh(S, half)[1]), device)
    z = leaf(S + 1j * S.T, device)
    agree(np.linalg.eigvalsh(z, half), np.linalg.eigvalsh(S + 1j * S.T, half), device)
    with pytest.raises(ValueError, match="UPLO"):
        np.linalg.eigh(x, "X")
