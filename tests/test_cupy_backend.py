"""The CuPy backend without a GPU: its host code runs on a stand-in for CuPy that refuses to wait for the device.

The stand-in holds NumPy arrays in a class of its own.  Its functions take exactly the arguments that CuPy's take (the
table ``SIGNATURES``, compared with the real CuPy where that can be imported), and whatever would make the host wait for
a GPU raises ``Waited``: so forward and backward of every function is shown to only queue work.
"""

import ast
import contextlib
import importlib.util
import inspect
import operator
import pathlib
import sys
import types

import numpy as np
import pytest

import xgrad as xg
from xgrad import backends
from xgrad.backends import cupy as module
from xgrad.constants import DTYPES
from xgrad.errors import DeviceError
from xgrad.pytree import flatten
from xgrad.registry import SPACES, every_function

from .cases import ALL, case_id, prepared

# The stand-in ---------------------------------------------------------------------------------------------------------


def words(text):
    return text.split()


class Waited(AssertionError):
    """The host would have waited for the device."""


class Host:
    """Whether waiting is allowed just now, and which device is the current one."""

    may_wait = False
    device = 0
    count = 1
    calls: list = []  # noqa: RUF012 (one list for the whole stand-in is meant)

    @classmethod
    @contextlib.contextmanager
    def waiting(cls):
        before, cls.may_wait = cls.may_wait, True
        try:
            yield
        finally:
            cls.may_wait = before

    @classmethod
    def wait(cls, why):
        if not cls.may_wait:
            raise Waited(f"{why} makes the host wait for the device")


def _refuse(name):
    def method(self, *args, **kwargs):
        raise Waited(f"{name} of an array makes the host wait for the device")

    return method


def _binary(name):
    function = getattr(operator, name)

    def method(self, other):
        if not isinstance(other, ndarray | int | float | complex | bool | np.generic):
            return NotImplemented
        if name == "matmul":
            return _matmul(self, other)
        return wrap(function(self._a, unwrap(other)))

    def reflected(self, other):
        if not isinstance(other, int | float | complex | bool | np.generic):
            return NotImplemented
        return wrap(function(unwrap(other), self._a))

    def inplace(self, other):
        self._a[...] = function(self._a, unwrap(other))
        return self

    return method, reflected, inplace


def _matmul(a, b):
    if "bfloat16" in (a.dtype.name, b.dtype.name) and max(a.ndim, b.ndim) > 2:
        raise TypeError("data type 'E' not understood")
    Host.calls.append(("matmul", a.shape, b.shape))
    return wrap(a._a @ b._a)


class ndarray:  # CuPy's name for it
    __module__ = "cupy"
    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, array, device=None, base=None):
        self._a = array
        self.data = types.SimpleNamespace(device_id=Host.device if device is None else device)
        self.base = base

    shape = property(lambda self: self._a.shape)
    strides = property(lambda self: self._a.strides)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    dtype = property(lambda self: self._a.dtype)
    device = property(lambda self: Device(self.data.device_id))
    real = property(lambda self: self._view(self._a.real) if self.dtype.kind == "c" else self)
    imag = property(lambda self: self._view(self._a.imag))

    def _view(self, array):
        return ndarray(array, self.data.device_id, self if self.base is None else self.base)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        dtype = np.dtype(dtype)
        if not copy and dtype == self.dtype:
            return self
        assert self.dtype.kind != "c" or dtype.kind == "c", "an imaginary part is lost"
        return ndarray(self._a.astype(dtype))

    def copy(self, order="C"):
        return ndarray(self._a.copy())

    def reshape(self, *shape, order="C"):
        array = self._a.reshape(*shape)
        return self._view(array) if np.shares_memory(array, self._a) else ndarray(array)

    def __getitem__(self, key):
        array = self._a[_host_key(key, self.shape)]
        return self._view(array) if np.shares_memory(array, self._a) else ndarray(np.asarray(array))

    def __setitem__(self, key, value):
        key = _host_key(key, self.shape)
        several = [k for k in key if isinstance(k, np.ndarray) and k.dtype.kind in "iu"]
        if several and isinstance(value, ndarray) and value.ndim:  # CuPy leaves the winner open: here it is the first
            places = np.arange(self.size).reshape(self.shape)[key]
            values = np.broadcast_to(value._a, places.shape).reshape(-1)[::-1]
            self._a.reshape(-1)[places.reshape(-1)[::-1]] = values
        else:
            self._a[key] = unwrap(value)

    def __len__(self):
        return len(self._a)

    __neg__ = lambda self: wrap(-self._a)
    __pos__ = lambda self: wrap(+self._a)
    __abs__ = lambda self: wrap(abs(self._a))
    __invert__ = lambda self: wrap(~self._a)


for _name in words("add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift"):
    _plain = _name.strip("_")
    _forms = _binary("__and__" if _name == "and_" else "__or__" if _name == "or_" else _name)
    for _prefix, _form in zip(("", "r", "i"), _forms, strict=True):
        setattr(ndarray, f"__{_prefix}{_plain}__", _form)
for _name in words("lt le gt ge eq ne"):
    setattr(ndarray, f"__{_name}__", _binary(_name)[0])
for _name in words("bool float int index complex iter array"):
    setattr(ndarray, f"__{_name}__", _refuse(f"__{_name}__"))
for _name in words("item tolist get tobytes"):
    setattr(ndarray, _name, _refuse(_name))


def wrap(value):
    if isinstance(value, tuple | list):
        return type(value)(map(wrap, value))
    return ndarray(np.asarray(value))


def unwrap(value):
    if isinstance(value, tuple | list):
        return type(value)(map(unwrap, value))
    if isinstance(value, np.ndarray) and not isinstance(value, np.generic):
        raise TypeError(f"Unsupported type {type(value)}")  # as CuPy says of an array on the host
    return value._a if isinstance(value, ndarray) else value


def _host_key(key, shape):
    """The key with NumPy arrays; integers that point outside wrap around, as in CuPy, and masks wait."""
    key = key if isinstance(key, tuple) else (key,)
    arrays = [k for k in key if isinstance(k, ndarray)]
    if any(k.dtype == np.bool_ for k in arrays):
        Host.wait("a boolean index")
    host, axis = [], 0
    taken = sum(max(1, k.ndim) if isinstance(k, ndarray) and k.dtype == np.bool_ else 1 for k in key if k is not None)
    for k in key:
        if k is Ellipsis:
            axis += len(shape) - (taken - 1)
        elif isinstance(k, ndarray) and k.dtype != np.bool_:
            k = k._a % max(1, shape[axis])
            axis += 1
        elif isinstance(k, ndarray):
            k, axis = k._a, axis + k.ndim
        elif k is not None:
            axis += 1
        host.append(k)
    return tuple(host)


class Device:
    def __init__(self, device=None):
        self.id = Host.device if device is None else int(device)
        self.before = []

    def __enter__(self):
        self.before.append(Host.device)
        Host.device = self.id
        return self

    def __exit__(self, *exc):
        Host.device = self.before.pop()


# The parameters of CuPy 14's own functions; what the stand-in takes.
SIGNATURES = {
    "all": "a, axis=None, out=None, keepdims=False",
    "any": "a, axis=None, out=None, keepdims=False",
    "arange": "start, stop=None, step=1, dtype=None",
    "argmax": "a, axis=None, dtype=None, out=None, keepdims=False",
    "argmin": "a, axis=None, dtype=None, out=None, keepdims=False",
    "argsort": "a, axis=-1, kind=None",
    "asarray": "a, dtype=None, order=None, *, copy=None, blocking=False",
    "asnumpy": "a, stream=None, order='C', out=None, *, blocking=True",
    "broadcast_to": "array, shape",
    "clip": "a, a_min, a_max, out=None",
    "concat": "tup, axis=0, out=None, *, dtype=None, casting='same_kind'",
    "cumulative_prod": "x, /, *, axis=None, dtype=None, out=None, include_initial=False",
    "cumulative_sum": "x, /, *, axis=None, dtype=None, out=None, include_initial=False",
    "empty": "shape, dtype=float, order='C'",
    "empty_like": "prototype, dtype=None, order='K', subok=None, shape=None",
    "flip": "a, axis=None",
    "full": "shape, fill_value, dtype=None, order='C'",
    "full_like": "a, fill_value, dtype=None, order='K', subok=None, shape=None",
    "imag": "val",
    "isdtype": "dtype, kind",
    "linspace": "start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0",
    "matrix_transpose": "x, /",
    "max": "a, axis=None, out=None, keepdims=False",
    "mean": "a, axis=None, dtype=None, out=None, keepdims=False",
    "min": "a, axis=None, out=None, keepdims=False",
    "nonzero": "a",
    "ones": "shape, dtype=float, order='C'",
    "ones_like": "a, dtype=None, order='K', subok=None, shape=None",
    "permute_dims": "a, axes=None",
    "prod": "a, axis=None, dtype=None, out=None, keepdims=False",
    "real": "val",
    "reshape": "a, newshape, order='C', *, copy=None",
    "result_type": "*arrays_and_dtypes",
    "roll": "a, shift, axis=None",
    "round": "a, decimals=0, out=None",
    "searchsorted": "a, v, side='left', sorter=None",
    "sort": "a, axis=-1, kind=None",
    "std": "a, axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "sum": "a, axis=None, dtype=None, out=None, keepdims=False",
    "take": "a, indices, axis=None, out=None",
    "take_along_axis": "a, indices, axis",
    "tril": "m, k=0",
    "triu": "m, k=0",
    "var": "a, axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "where": "condition, x=None, y=None",
    "zeros": "shape, dtype=float, order='C'",
    "zeros_like": "a, dtype=None, order='K', subok=None, shape=None",
}
TRANSFORMS = dict.fromkeys(words("fft ifft rfft irfft"), "a, n=None, axis=-1, norm=None")
TRANSFORMS |= dict.fromkeys(words("fftn ifftn rfftn irfftn"), "a, s=None, axes=None, norm=None")
_UNARY = """abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor isfinite isinf isnan
log log10 log1p log2 logical_not negative positive reciprocal sign signbit sin sinh sqrt square tan tanh trunc"""
_BINARY = """add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal
floor_divide greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum minimum
multiply nextafter not_equal pow remainder subtract"""
UFUNCS = {1: words(_UNARY), 2: words(_BINARY)}
_VIEWS = {"broadcast_to", "flip", "matrix_transpose", "permute_dims", "real", "imag", "reshape"}
_WAITS = {"asnumpy", "nonzero"}


def _function(name, text):
    signature = inspect.signature(eval(f"lambda {text}: None"))  # the parameters as a signature
    numpys = getattr(np, "asarray" if name == "asnumpy" else name)

    def call(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        if name in _WAITS:
            Host.wait(name)
        if name == "asarray" and not isinstance(args[0], ndarray):
            return ndarray(np.array(args[0], dtype=kwargs.get("dtype")))
        for parameter in ("order", "subok", "blocking", "stream", "out", "casting"):
            bound.arguments.pop(parameter, None)
        positional = [unwrap(v) for v in bound.args]
        keywords = {k: unwrap(v) for k, v in bound.kwargs.items()}
        if name == "where":
            assert isinstance(args[0], ndarray)  # CuPy asks the condition for astype
        if name == "take":
            positional[1] = positional[1] % positional[0].shape[bound.arguments.get("axis") or 0]
        if name in ("argsort", "sort") and not positional[0].size:
            raise ZeroDivisionError("integer division or modulo by zero")  # cupy#9816
        if name == "linspace" and complex in map(type, positional):
            raise TypeError("float() argument must be a string or a real number, not 'complex'")
        if name in ("argsort", "sort"):
            keywords["kind"] = "stable"
        result = numpys(*positional, **keywords)
        if name == "asnumpy":
            return result.copy()
        if name in _VIEWS and np.shares_memory(result, positional[0]):
            return args[0]._view(result)
        return result if isinstance(result, bool | np.dtype) else wrap(result)

    call.__signature__ = signature
    return call


def _ufunc(name, nin):
    numpys = getattr(np, name)

    def call(*args, dtype=None, casting="same_kind", out=None):
        assert len(args) == nin and out is None
        Host.calls.append((name, *map(type, args)))
        args = [unwrap(a) for a in args]
        if complex in map(type, args) and any(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in args):
            args = [np.complex128(a) if type(a) is complex else a for a in args]  # so CuPy, unlike NumPy
        return wrap(numpys(*args))

    return call


def _transform(name, text):
    signature = inspect.signature(eval(f"lambda {text}: None"))

    def call(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        array = unwrap(bound.arguments.pop("a"))
        if name == "irfftn":
            assert len(bound.arguments["axes"]) < 2  # cuFFT takes all axes to be symmetric
        if name == "irfft" and array.dtype.kind == "c":  # cuFFT reads at some lengths what does not count
            n, bins = bound.arguments["n"], np.moveaxis(array, bound.arguments["axis"], 0)
            assert not bins[0].imag.any() and not (n % 2 == 0 and bins[n // 2 : n // 2 + 1].imag.any())
        if not array.size:
            raise RuntimeError("CUFFT_INVALID_SIZE")
        return wrap(getattr(np.fft, name)(array, **bound.arguments))

    call.__signature__ = signature
    return call


# The parameters of CuPy 14's functions in ``cupy.linalg``, which lacks the others of the standard's.
FACTORS = {
    "cholesky": "a",
    "det": "a",
    "eig": "a",
    "eigh": "a, UPLO='L'",
    "eigvals": "a",
    "eigvalsh": "a, UPLO='L'",
    "inv": "a",
    "pinv": "a, rcond=1e-15",
    "qr": "a, mode='reduced'",
    "slogdet": "a",
    "solve": "a, b",
    "svd": "a, full_matrices=True, compute_uv=True",
}


def _factor(name, text):
    signature = inspect.signature(eval(f"lambda {text}: None"))

    def call(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        if name == "pinv":
            Host.wait(name)
        a, *rest = map(unwrap, bound.args)
        if name == "solve" and rest[0].ndim > 1:  # CuPy does not broadcast
            assert a.shape[:-1] == rest[0].shape[:-1]
        try:
            found = getattr(np.linalg, name)(a, *rest, **bound.kwargs)
            return wrap(tuple(found) if isinstance(found, tuple) else found)
        except np.linalg.LinAlgError:  # cuSOLVER's word on singular matrices is not read, since that would wait
            return wrap(np.full(a.shape, np.nan))

    call.__signature__ = signature
    return call


# What cupyx.scipy.special of CuPy 14 has of the functions that xgrad calls.
SPECIAL = words(
    """beta betainc betaln binom boxcox boxcox1p entr erf erfc erfcinv erfcx erfinv exp10 expit exprel gamma
    gammainc gammaincc gammaln gammasgn i0 i0e i1 i1e inv_boxcox inv_boxcox1p j0 j1 k0 k0e k1 k1e kl_div log_expit
    log_ndtr loggamma logit ndtr ndtri poch psi rel_entr xlog1py xlogy y0 y1 zeta"""
)


def _special(name):
    function = getattr(importlib.import_module("scipy.special"), name)

    def call(*args):
        Host.calls.append((f"special.{name}", *map(type, args)))
        half = any(getattr(a, "dtype", None) == np.float16 for a in args)
        out = function(*map(unwrap, args))
        return wrap(out.astype(np.float64) if half else out)  # CuPy computes 16-bit floats in float64

    return call


def _at(ufunc):
    def scatter(a, slices, value):
        supported = ("int32", "int64", "uint32", "uint64", "float32", "float64")
        if a.dtype.name not in supported + (("float16",) if ufunc is np.add else ()):
            raise TypeError(f"cupy.{ufunc.__name__}.at only supports {', '.join(supported)} as data type")
        ufunc.at(a._a, _host_key(slices, a.shape), unwrap(value))

    return scatter


def stand_in():
    """Modules ``cupy``, ``cupyx`` and what lies below them."""
    cupy, cupyx, cuda = types.ModuleType("cupy"), types.ModuleType("cupyx"), types.ModuleType("cupy.cuda")
    for name, text in SIGNATURES.items():
        setattr(cupy, name, _function(name, text))
    for nin, names in UFUNCS.items():
        for name in names:
            setattr(cupy, name, _ufunc(name, nin))
    cupy.ndarray, cupy.cuda, cupy.__version__ = ndarray, cuda, "14.2.0"
    cuda.Device = Device
    cuda.runtime = types.SimpleNamespace(getDeviceCount=lambda: Host.count, getDevice=lambda: Host.device)
    cuda.nvrtc = types.SimpleNamespace(getVersion=lambda: (13, 0))
    cupyx.scatter_add, cupyx.scatter_max = _at(np.add), _at(np.maximum)
    cupy.complex64, cupy.fft = np.complex64, types.ModuleType("cupy.fft")
    for name, text in TRANSFORMS.items():
        setattr(cupy.fft, name, _transform(name, text))
    cupy.linalg, cupy.finfo = types.ModuleType("cupy.linalg"), np.finfo
    for name, text in FACTORS.items():
        setattr(cupy.linalg, name, _factor(name, text))
    scipy, special = types.ModuleType("cupyx.scipy"), types.ModuleType("cupyx.scipy.special")
    if importlib.util.find_spec("scipy"):  # without it xgrad's own formulas serve
        for name in SPECIAL:
            setattr(special, name, _special(name))
    scipy.special, cupyx.scipy = special, scipy
    modules = {m.__name__: m for m in (cupy, cupyx, cuda, scipy, special)}
    return modules | {"cupy_backends.cuda.libs.cublas": types.ModuleType("cublas")}


def _forget(array_type):
    """Make the engine forget what it remembers of an array type."""
    backends._BY_TYPE.pop(array_type, None)
    for function in every_function().values():
        if hasattr(function, "op"):
            function.op.short.pop(array_type, None)


@pytest.fixture(scope="module")
def stood_in():
    """The stand-in's modules and the backend on them, in nobody's way."""
    modules = stand_in()
    with pytest.MonkeyPatch.context() as patch:
        for name, stood in modules.items():
            patch.setitem(sys.modules, name, stood)
        backend = module.load()
    yield modules, backend
    _forget(ndarray)


@pytest.fixture
def xp(stood_in, monkeypatch):
    """The backend on the stand-in, as the one that ``"cuda"`` names during this test."""
    modules, backend = stood_in
    for name, stood in modules.items():
        monkeypatch.setitem(sys.modules, name, stood)
    monkeypatch.setitem(backends._BY_NAME, "cupy", backend)
    Host.calls.clear()
    return backend


def read(tensor):
    """The elements of a Tensor on the stand-in's device."""
    assert type(tensor.value) is ndarray, type(tensor.value)
    return tensor.value._a


def on_gpu(array, **kwargs):
    return xg.asarray(array, device="cuda", **kwargs)


# Every function -------------------------------------------------------------------------------------------------------


def _waits(case):
    name, specs, _ = case
    shaped_by_values = ("compress", "extract", "bincount", "linalg.lstsq")
    return name in shaped_by_values or (name == "repeat" and isinstance(specs[1], str))


def _run(case, device):
    """The results of a case, and the gradients of their sums weighted by fixed numbers."""
    name, specs, metadata = case
    function, arrays = prepared(name, specs, metadata, device)
    leaves = [xg.asarray(a, requires_grad=True) if a.dtype.kind in "fc" else a for a in arrays]
    results = flatten(function(*leaves))[0]
    for i, r in enumerate(results):
        if r.requires_grad:
            weights = np.cos(np.arange(r.size) + i).reshape(r.shape)
            r.backward(xg.asarray(weights, dtype=r.dtype, device=device), zero_grad=False, retain_graph=True)
    return results, [a.grad for a in leaves if a.requires_grad]


@pytest.mark.parametrize("case", ALL, ids=case_id)
def test_forward_and_backward_agree_with_numpy_and_never_wait(case, xp):
    with Host.waiting() if _waits(case) else contextlib.nullcontext():
        ours = _run(case, "cuda")
    theirs = _run(case, "cpu")
    for kind, a_list, b_list in zip(("value", "gradient"), ours, theirs, strict=True):
        for a, b in zip(a_list, b_list, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert str(a.device) == "cuda:0"
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
                np.testing.assert_allclose(read(a), b.detach().numpy(), rtol=1e-12, atol=1e-14, err_msg=kind)


def test_zero_functions_never_wait(xp):
    x, y = on_gpu([[1.5, -0.5, 0.0], [0.2, 3.0, -2.0]]), on_gpu([0.5, 0.5, 0.5])
    n = on_gpu([3, 1, 2])
    for name in words("floor ceil trunc round isfinite isinf isnan signbit"):
        np.testing.assert_array_equal(read(getattr(xg, name)(x)), getattr(np, name)(read(x)))
    for name in words("equal not_equal less less_equal greater greater_equal floor_divide nextafter"):
        np.testing.assert_array_equal(read(getattr(xg, name)(x, y)), getattr(np, name)(read(x), read(y)))
        np.testing.assert_array_equal(read(getattr(xg, name)(x, 0.5)), getattr(np, name)(read(x), 0.5))
    for name in words("logical_and logical_or logical_xor"):
        np.testing.assert_array_equal(read(getattr(xg, name)(x > 0, y > 1)), getattr(np, name)(read(x) > 0, False))
    for name in words("bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift"):
        np.testing.assert_array_equal(read(getattr(xg, name)(n, 1)), getattr(np, name)(read(n), 1))
    assert read(xg.bitwise_invert(n)).tolist() == [-4, -2, -3]
    assert read(xg.logical_not(x > 0)).tolist() == [[False, True, True], [False, False, True]]
    assert read(xg.argmax(x, axis=1, keepdims=True)).tolist() == [[0], [1]]
    assert read(xg.argmin(x)).tolist() == 5
    assert read(xg.count_nonzero(x, axis=1, keepdims=True)).tolist() == [[2], [3]]
    assert read(xg.count_nonzero(x)).dtype == np.int64
    assert read(xg.searchsorted(on_gpu([1.0, 2.0]), on_gpu([0.0, 1.0, 3.0]), side="right")).tolist() == [0, 1, 2]
    assert read(xg.argsort(n, descending=True)).tolist() == [0, 2, 1]
    assert read(xg.argsort(on_gpu([1, 1, 0]), descending=True)).tolist() == [0, 1, 2]
    assert read(xg.argsort(on_gpu(np.zeros((0, 3))), axis=1)).shape == (0, 3)
    assert read(xg.sort(on_gpu(np.zeros((2, 0))))).shape == (2, 0)
    assert read(xg.all(x)).tolist() is False and read(xg.any(x, axis=0)).tolist() == [True, True, True]


def test_every_name_that_rules_call_exists(xp):
    called = {name for name, f in every_function().items() if hasattr(f, "op")}
    root = pathlib.Path(xg.__file__).parent
    for path in [*(root / "ops").glob("*.py"), *(root / "linalg").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("xp", "xp.linalg"):
                called.add(ast.unparse(node).removeprefix("xp."))
    called -= {"library", *SPACES, *DTYPES}  # attributes of backends, not functions
    called -= {"ndim", "shape"}  # an argument of interp is called xp
    assert len(called) > 100
    missing = [name for name in sorted(called) if not callable(operator.attrgetter(name)(xp))]
    assert not missing


# A training step ------------------------------------------------------------------------------------------------------


def _step(device, dtype):
    """Loss and gradients of a small classifier with every kind of operation that a training step has."""
    rng = np.random.default_rng(3)
    table, x = rng.normal(size=(7, 4)), rng.integers(0, 7, (5, 3))
    w1, b1, w2 = rng.normal(size=(4, 6)), rng.normal(size=6), rng.normal(size=(6, 3))
    leaves = [xg.Tensor(v, device=device, dtype=dtype) for v in (table, w1, b1, w2)]
    table, w1, b1, w2 = leaves
    target = xg.asarray(rng.integers(0, 3, 5), device=device)
    h = xg.take(table, xg.asarray(x, device=device), axis=0) @ w1 + b1
    h = xg.clip(h, -2.0, 2.0) * xg.sign(h) + xg.maximum(h, 0.0) + xg.where(h > 0.5, h * 2.0, 0.0)
    h = (h - h.mean(axis=-1, keepdims=True)) / (h.std(axis=-1, keepdims=True) + 1e-3)
    logits = h.max(axis=1) @ w2
    shifted = logits - logits.detach().max(axis=-1, keepdims=True)
    log_p = shifted - xg.log(xg.exp(shifted).sum(axis=-1, keepdims=True))
    loss = -xg.take_along_axis(log_p, target[:, None], axis=1).mean()
    loss = loss + 0.5 * (w1**2).sum() + log_p[xg.asarray([0, 1, 1], device=device), target[:3]].sum() * 0.1
    loss.backward()
    with xg.no_grad():
        for leaf in leaves:
            leaf -= 0.1 * leaf.grad
    return loss, leaves


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_a_training_step_never_waits(xp, dtype):
    loss, leaves = _step("cuda", dtype)
    expected, others = _step("cpu", dtype)
    tolerance = {"float64": 1e-12, "float32": 1e-4, "float16": 0.1}[dtype]
    np.testing.assert_allclose(read(loss), expected.detach().numpy(), rtol=tolerance)
    for a, b in zip(leaves, others, strict=True):
        assert a.grad.dtype == a.dtype == dtype
        np.testing.assert_allclose(read(a.detach()), b.detach().numpy(), rtol=tolerance, atol=tolerance)


def test_the_stand_in_notices_waiting(xp):
    x = xg.Tensor([1.0, -2.0], device="cuda")
    for wait in (lambda: bool((x > 0).any()), lambda: float(x.sum()), lambda: x[x > 0], lambda: xg.nonzero(x)):
        with pytest.raises(Waited):
            wait()
    with Host.waiting():
        assert float(x.sum()) == -1.0
        assert read(x[x > 0].detach()).tolist() == [1.0]


def test_higher_derivatives_never_wait(xp):
    def f(x):
        return (xg.tanh(x) * xg.take(x, on_gpu([0, 0, 2]))).sum()

    x = on_gpu([0.3, -0.7, 1.1])
    ours = xg.grad(lambda v: (xg.grad(f)(v) ** 2).sum())(x)

    def g(x):
        return (xg.tanh(x) * xg.take(x, np.array([0, 0, 2]))).sum()

    theirs = xg.grad(lambda v: (xg.grad(g)(v) ** 2).sum())(np.array([0.3, -0.7, 1.1]))
    np.testing.assert_allclose(read(ours), theirs, rtol=1e-12)


# Differences of CuPy that the backend mends ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int32", "float32", "complex64", "complex128"])
def test_scatter_add_in_every_dtype(xp, dtype):
    values = np.array([1, 2, 3, 4], dtype=dtype) * (1 + 2j if "complex" in dtype else 1)
    key = (on_gpu([2, 0, 2, 2]).value, Ellipsis)
    out = xp.scatter_add(on_gpu(values.astype(dtype)).value, key=key, shape=(4,))
    assert out.dtype == dtype
    assert out._a.tolist() == [values[1], 0, values[0] + values[2] + values[3], 0]


def test_scatter_add_sums_half_precision_in_single(xp):
    ones = on_gpu(np.ones(4000, np.float16)).value
    out = xp.scatter_add(ones, key=(on_gpu(np.zeros(4000, np.int64)).value, Ellipsis), shape=(1,))
    assert out._a[0] == 4000  # float16 alone stops at 2048


def test_writes_keep_the_last_of_several_values(xp):
    places, values = np.array([[3, 0], [3, 3]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    x = xg.Tensor(np.arange(5.0), device="cuda")
    v = xg.Tensor(values, device="cuda")
    y = x * 1.0
    y[on_gpu(places)] = v
    assert read(y.detach()).tolist() == [2.0, 1.0, 2.0, 4.0, 4.0]
    (y * on_gpu([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
    assert read(x.grad).tolist() == [0, 2, 3, 0, 5]
    assert read(v.grad).tolist() == [[0, 1], [0, 4]]
    z = on_gpu(np.zeros((2, 3)))
    z[:, on_gpu([0, 2])] = on_gpu([[[5.0, 6.0]]])  # NumPy drops leading axes of length one
    assert read(z).tolist() == [[5, 0, 6], [5, 0, 6]]
    z[on_gpu(np.zeros(0, np.int64))] = on_gpu(np.zeros((0, 3)))
    assert read(z).tolist() == [[5, 0, 6], [5, 0, 6]]


def test_writing_a_number_by_a_mask_does_not_wait(xp):
    y = on_gpu(np.arange(6.0).reshape(2, 3))
    y[y > 2.5] = 0.0
    y[on_gpu([True, False])] = -1.0
    assert read(y).tolist() == [[-1, -1, -1], [0, 0, 0]]
    n = on_gpu([1, 2, 3])
    n[n > 1] = 0.5
    assert n.dtype == np.int64 and read(n).tolist() == [1, 0, 0]
    x = xg.Tensor(np.arange(6.0).reshape(2, 3), device="cuda")
    y = x * 2.0
    y[y > 4.5] = 0.0
    (y * y).sum().backward()
    assert read(x.grad).tolist() == [[0, 8, 16], [0, 0, 0]]


def test_integers_that_point_outside_wrap(xp):
    assert read(on_gpu([1.0, 2.0, 3.0])[on_gpu([4, -1])]).tolist() == [2.0, 3.0]


def test_python_numbers_never_widen(xp):
    half, single = on_gpu(np.ones(2, np.float16)), on_gpu(np.ones(2, np.float32))
    for name in sorted(module._BINARY):
        Host.calls.clear()
        out = getattr(xg, name)(half, 2.0)
        assert out.dtype in (np.float16, np.bool_), name
        assert Host.calls == [(name, ndarray, np.float16)]
    assert xg.where(half > 0, half, 0.0).dtype == np.float16
    assert xg.where(half > 0, 0.0, half).dtype == np.float16
    assert xg.where(half > 0, 1.0, 0.0).dtype == np.float64
    assert xg.where(True, half, 0.0).dtype == np.float16
    assert xg.clip(half, 0.0, None).dtype == np.float16
    assert (single * 1j).dtype == (1j * single).dtype == np.complex64
    assert (on_gpu([1, 2]) * 2.5).dtype == np.float64
    assert xg.special.erf(half).dtype == np.float16


def test_sixteen_bit_brain_floats_are_typed():
    class Brain:  # what ml_dtypes.bfloat16 looks like to NumPy
        itemsize, kind = 2, "V"
        type = staticmethod(lambda v: ("bfloat16", v))

    assert module._scalar(2.0, Brain) == ("bfloat16", 2.0)
    assert module._scalar(2j, Brain) == 2j
    assert module._scalar(2, np.dtype(np.int16)) == 2


def test_products_with_one_matrix_are_folded(xp):
    def product(*shapes):
        Host.calls.clear()
        out = xg.matmul(*(on_gpu(np.ones(s)) for s in shapes))
        return out.shape, Host.calls

    assert product((5, 2, 3), (3, 4)) == ((5, 2, 4), [("matmul", (10, 3), (3, 4))])
    assert product((0, 2, 3), (3, 4)) == ((0, 2, 4), [("matmul", (0, 3), (3, 4))])
    assert product((5, 2, 3), (3,)) == ((5, 2), [("matmul", (10, 3), (3,))])
    assert product((2, 3), (5, 3, 4)) == ((5, 2, 4), [("matmul", (2, 3), (5, 3, 4))])
    with pytest.raises(ValueError):
        product((5, 2, 3), (2, 4))


def test_views_are_known_and_results_own_their_memory(xp):
    x = on_gpu(np.arange(6.0).reshape(2, 3))
    y = x[1]
    y += 10.0
    assert read(x).tolist() == [[0, 1, 2], [13, 14, 15]]
    z = x[on_gpu([0])]
    z += 1.0
    assert read(x)[0].tolist() == [0, 1, 2]
    shared = xp.broadcast_to(on_gpu([1.0]).value, (3,))
    assert xp.own(shared).strides == (8,) and xp.own(z.value) is z.value


def test_creation_takes_a_device(xp):
    made = {
        "zeros": xg.zeros(2, device="cuda"),
        "ones": xg.ones((2, 1), dtype="float32", device="cuda"),
        "empty": xg.empty(2, device="cuda"),
        "full": xg.full((2,), 7, device="cuda"),
        "arange": xg.arange(1, 6, 2, device="cuda"),
        "linspace": xg.linspace(0.0, 1.0, 3, device="cuda:0"),
        "complex": xg.linspace(0.0, 1j, 3, device="cuda:0"),
        "eye": xg.eye(2, device="cuda"),
        "zeros_like": xg.zeros_like(on_gpu([1, 2]), device="cuda"),
        "full_like": xg.full_like(on_gpu([1, 2]), 3, dtype="float32"),
        "ones_like": xg.ones_like(on_gpu([1, 2])),
        "empty_like": xg.empty_like(on_gpu([1, 2])),
    }
    assert {str(t.device) for t in made.values()} == {"cuda:0"}
    assert read(made["full"]).tolist() == [7, 7] and made["full"].dtype == np.int64
    assert read(made["arange"]).tolist() == [1, 3, 5]
    assert read(made["complex"]).tolist() == [0, 0.5j, 1j]
    assert made["full_like"].dtype == np.float32
    tensor = xg.reshape(on_gpu([1.0, 2.0]), (2, 1), copy=True)
    assert tensor.shape == (2, 1)


def test_arrays_cross_between_host_and_device(xp):
    x = xg.Tensor([1.0, 2.0])
    with Host.waiting():
        y = (x.cuda() * 3.0).cpu().sum()
        y.backward()
        assert str(x.grad.device) == "cpu" and x.grad.numpy().tolist() == [3.0, 3.0]
        assert repr(on_gpu([1.0])) == "Tensor([1.], device='cuda:0')"


# Devices and problems -------------------------------------------------------------------------------------------------


def test_devices_go_by_number(xp):
    assert xp.places() == ["cuda:0"] and xp.single
    assert str(backends.parse_device("cuda")) == "cuda:0"
    with pytest.raises(DeviceError, match=r"got 'cuda:1', this machine has 1: cuda:0\. Use one of these, or 'cpu'\."):
        xg.zeros(2, device="cuda:1")
    with pytest.raises(DeviceError, match="has a number"):
        xg.zeros(2, device="cuda:first")


def test_two_devices_are_told_apart(xp, monkeypatch):
    monkeypatch.setattr(Host, "count", 2)
    two = module.CuPy(xp.cupy, xp.cupyx)
    monkeypatch.setitem(backends._BY_NAME, "cupy", two)
    _forget(ndarray)
    try:
        x = xg.asarray([1.0, 2.0], device="cuda:1")
        assert not two.single and str(x.device) == "cuda:1" and Host.device == 0
        assert str(xg.zeros_like(x, device="cuda:0").device) == "cuda:0"
        assert str(xg.ones(2, device="cuda:1").device) == "cuda:1"
        assert str(x.to("cuda:0").device) == "cuda:0"
        assert x.to("cuda:1").value is x.value
        for _ in range(2):
            with pytest.raises(DeviceError, match="cuda:1 and cuda:0"):
                x + on_gpu([1.0, 2.0])
        with two.on("cuda:1"):
            assert str(backends.parse_device("cuda")) == "cuda:1"
    finally:
        _forget(ndarray)


def _raise(error):
    def function(*args):
        raise error

    return function


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.__setitem__("cupy", None), "CuPy is not installed. Run: pip install 'cupy-cuda13x[ctk]'"),
        (lambda m: setattr(m["cupy"], "__version__", "13.6.0"), "CuPy 14 or newer is needed"),
        (
            lambda m: setattr(m["cupy.cuda"].runtime, "getDeviceCount", _raise(RuntimeError("cudaErrorNoDevice: no"))),
            "got cudaErrorNoDevice: no. Install or update the NVIDIA driver",
        ),
        (lambda m: setattr(m["cupy.cuda"].runtime, "getDeviceCount", lambda: 0), "there is no CUDA device"),
        (
            lambda m: setattr(m["cupy.cuda"].nvrtc, "getVersion", _raise(RuntimeError('\nno "libnvrtc.so.13".\nmore'))),
            'a CUDA library is missing; got no "libnvrtc.so.13". Run: pip install',
        ),
        (lambda m: m.__setitem__("cupy_backends.cuda.libs.cublas", None), "a CUDA library is missing"),
    ],
    ids=["absent", "old", "no driver", "no device", "no nvrtc", "no cublas"],
)
def test_problems_say_what_to_do(monkeypatch, spoil, words):
    modules = stand_in()
    spoil(modules)
    for name, stood_in in modules.items():
        monkeypatch.setitem(sys.modules, name, stood_in)
    monkeypatch.setattr(backends, "_BY_NAME", {"numpy": backends.get("numpy")})
    with pytest.raises(DeviceError) as caught:
        backends.parse_device("cuda")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("device: ")
    assert xg.devices()["cuda"] == str(caught.value)


# The real CuPy --------------------------------------------------------------------------------------------------------

HAVE_CUPY = importlib.util.find_spec("cupy") is not None
needs_cupy = pytest.mark.skipif(not HAVE_CUPY, reason="CuPy is not installed, so the stand-in is not compared with it")


@needs_cupy
def test_the_stand_in_takes_what_cupy_takes():
    import cupy

    for name, text in SIGNATURES.items():
        expected = inspect.signature(eval(f"lambda {text}: None")).parameters.values()
        real = inspect.signature(getattr(cupy, name)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in real] == [(p.name, p.kind, p.default) for p in expected], name
    for name, text in TRANSFORMS.items():
        expected = inspect.signature(eval(f"lambda {text}: None"))
        assert inspect.signature(getattr(cupy.fft, name)) == expected, name
    for name, text in FACTORS.items():
        expected = inspect.signature(eval(f"lambda {text}: None"))
        assert inspect.signature(getattr(cupy.linalg, name)) == expected, name
    for nin, names in UFUNCS.items():
        for name in names:
            function = getattr(cupy, name)
            assert type(function) is type(cupy.add) and function.nin == nin, name
    for name in ("astype", "copy", "reshape", "real", "imag", "strides", "base", "data", "device"):
        assert hasattr(cupy.ndarray, name), name


@needs_cupy
def test_cupy_has_the_rest_of_what_the_backend_uses():
    import cupy
    import cupyx
    from cupyx.scipy import special

    for function in (cupyx.scatter_add, cupyx.scatter_max):
        assert list(inspect.signature(function).parameters) == ["a", "slices", "value"]
    assert [name for name in SPECIAL if not hasattr(special, name)] == []
    assert type(special.erf) is type(cupy.add)
    assert callable(cupy.cuda.nvrtc.getVersion) and callable(cupy.cuda.runtime.getDeviceCount)
    assert "F->F" in cupy.log2.types and "l->l" in cupy.floor.types and "D->D" in cupy.sign.types
    own = module.CuPy.__new__(module.CuPy)
    own.name, own.library, own.cupy, own.cupyx = "cupy", module.Namespace(cupy), cupy, cupyx
    test_every_name_that_rules_call_exists(own)


GPU_PROBLEM = module.cuda_problem()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # allow_synchronize, which is what is needed here
@pytest.mark.skipif(GPU_PROBLEM is not None, reason=f"no GPU to test on: {GPU_PROBLEM}")
def test_a_training_step_on_the_gpu():
    import cupy
    import cupyx

    _step("cuda", "float32")  # compiles
    cupy.cuda.Device().synchronize()
    with cupyx.allow_synchronize(False):
        loss, leaves = _step("cuda", "float64")
    expected, others = _step("cpu", "float64")
    np.testing.assert_allclose(loss.detach().numpy(), expected.detach().numpy(), rtol=1e-9)
    for a, b in zip(leaves, others, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-8, atol=1e-10)
