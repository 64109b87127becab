"""A stand-in for CuPy on the CPU that refuses to wait for the device, and counts what a GPU would have to launch.

It holds NumPy arrays in a class of its own.  Its functions take exactly the arguments that CuPy's take (the table
``SIGNATURES``), and whatever would make the host wait for a GPU raises ``Waited``.  Kernels of xgrad's own are compiled
by this machine's C++ compiler.
"""

import contextlib
import importlib.util
import inspect
import operator
import sys
import types

import numpy as np
import pytest

import xgrad as xg
from xgrad import backends
from xgrad.backends import cupy as module
from xgrad.backends import cupy_kernels, cupy_special
from xgrad.registry import every_function

from . import cublas_stand_in, cuda_on_cpu


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
    launches: list = []  # noqa: RUF012

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
        Host.launches.append(name)
        return wrap(function(self._a, unwrap(other)))

    def reflected(self, other):
        if not isinstance(other, int | float | complex | bool | np.generic):
            return NotImplemented
        Host.launches.append(name)
        return wrap(function(unwrap(other), self._a))

    def inplace(self, other):
        Host.launches.append(name)
        self._a[...] = function(self._a, unwrap(other))
        return self

    return method, reflected, inplace


def _matmul(a, b):
    if "bfloat16" in (a.dtype.name, b.dtype.name) and max(a.ndim, b.ndim) > 2:
        raise TypeError("data type 'E' not understood")
    Host.calls.append(("matmul", a.shape, b.shape))
    Host.launches.append("matmul")
    return wrap(a._a @ b._a)


class ndarray:  # CuPy's name for it
    __module__ = "cupy"
    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, array, device=None, base=None):
        self._a = array
        self.data = types.SimpleNamespace(
            device_id=Host.device if device is None else device, ptr=array.__array_interface__["data"][0]
        )
        self.base = base

    shape = property(lambda self: self._a.shape)
    strides = property(lambda self: self._a.strides)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    dtype = property(lambda self: self._a.dtype)
    device = property(lambda self: Device(self.data.device_id))
    real = property(lambda self: self._view(self._a.real) if self.dtype.kind == "c" else self)
    imag = property(lambda self: self._view(self._a.imag))
    T = property(lambda self: self._view(self._a.T))

    def _view(self, array):
        return ndarray(array, self.data.device_id, self if self.base is None else self.base)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        dtype = np.dtype(dtype)
        if not copy and dtype == self.dtype:
            return self
        assert self.dtype.kind != "c" or dtype.kind == "c", "an imaginary part is lost"
        Host.launches.append("astype")
        return ndarray(self._a.astype(dtype, order=order))

    def copy(self, order="C"):
        Host.launches.append("copy")
        return ndarray(self._a.copy())

    def reshape(self, *shape, order="C"):
        array = self._a.reshape(*shape)
        return self._view(array) if np.shares_memory(array, self._a) else self._copied(array, "reshape")

    def __getitem__(self, key):
        array = self._a[_host_key(key, self.shape)]
        return self._view(array) if np.shares_memory(array, self._a) else self._copied(np.asarray(array), "getitem")

    def _copied(self, array, how):
        Host.launches.append(how)
        return ndarray(array)

    def __setitem__(self, key, value):
        Host.launches.append("setitem")
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

    __neg__ = lambda self: self._copied(-self._a, "neg")
    __pos__ = lambda self: self._copied(+self._a, "pos")
    __abs__ = lambda self: self._copied(abs(self._a), "abs")
    __invert__ = lambda self: self._copied(~self._a, "invert")


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
    "ascontiguousarray": "a, dtype=None",
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
    "moveaxis": "a, source, destination",
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
_VIEWS = {"broadcast_to", "flip", "matrix_transpose", "moveaxis", "permute_dims", "real", "imag", "reshape"}
_WAITS = {"asnumpy", "nonzero"}
_NONE = _VIEWS | {"asnumpy", "empty", "empty_like", "isdtype", "result_type"}
_LAUNCHES = {"mean": 2, "var": 3, "std": 4, "take_along_axis": 4, "cumulative_sum": 2, "cumulative_prod": 2}


def _function(name, text):
    signature = inspect.signature(eval(f"lambda {text}: None"))  # the parameters as a signature
    numpys = getattr(np, "asarray" if name == "asnumpy" else name)

    def call(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        if name in _WAITS:
            Host.wait(name)
        if name == "ascontiguousarray" and args[0]._a.flags.c_contiguous:
            return args[0]
        count = len(args[0]) if name == "concat" else 0 if name in _NONE else _LAUNCHES.get(name, 1)
        Host.launches.extend([name] * count)
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
        assert len(args) == nin
        Host.calls.append((name, *map(type, args)))
        Host.launches.append(name)
        args = [unwrap(a) for a in args]
        if complex in map(type, args) and any(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in args):
            args = [np.complex128(a) if type(a) is complex else a for a in args]  # so CuPy, unlike NumPy
        if out is not None:
            numpys(*args, out=out._a)
            return out
        return wrap(numpys(*args))

    return call


def _transform(name, text):
    signature = inspect.signature(eval(f"lambda {text}: None"))

    def call(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        Host.launches.append(name)
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
        Host.launches.append(name)
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
        Host.launches.append(name)
        half = any(getattr(a, "dtype", None) == np.float16 for a in args)
        out = function(*map(unwrap, args))
        return wrap(out.astype(np.float64) if half else out)  # CuPy computes 16-bit floats in float64

    return call


def _at(ufunc):
    def scatter(a, slices, value):
        Host.launches.append("scatter")
        supported = ("int32", "int64", "uint32", "uint64", "float32", "float64")
        if a.dtype.name not in supported + (("float16",) if ufunc is np.add else ()):
            raise TypeError(f"cupy.{ufunc.__name__}.at only supports {', '.join(supported)} as data type")
        ufunc.at(a._a, _host_key(slices, a.shape), unwrap(value))

    return scatter


class ElementwiseKernel:
    """A kernel in the types of its arguments, which must agree; a Python number is a scalar of a named type."""

    def __init__(self, in_params, out_params, operation, name="kernel", reduce_dims=True, preamble=""):
        self.name, self.outputs = name, [p.split()[0] for p in out_params.split(",")]
        source = cuda_on_cpu.elementwise_source(in_params, out_params, operation, name, preamble)
        self.unit = cuda_on_cpu.COMPILED.add(source)

    def __call__(self, *args):
        arrays = [a for a in args if isinstance(a, ndarray)]
        assert len({a.dtype for a in arrays}) == 1 and {a.data.device_id for a in arrays} == {Host.device}
        Host.launches.append(self.name)
        dtype, shape = arrays[0].dtype, np.broadcast_shapes(*(a.shape for a in arrays))
        inputs = [np.broadcast_to(a._a, shape) if isinstance(a, ndarray) else float(a) for a in args]
        inputs = [np.array(a, order="C") for a in inputs]
        made = [np.empty(shape, dtype if kind == "T" else kind) for kind in self.outputs]
        steps = [x for a in inputs for x in (a, int(a.ndim > 0))]
        name = f"{self.name}_{dtype.name}"
        cuda_on_cpu.launch(self.unit, name, (1,), (32,), (*steps, *made, made[0].size))
        return ndarray(made[0]) if len(made) == 1 else tuple(map(ndarray, made))


class RawModule:
    """CUDA source; its kernels take arrays whose elements are next to one another, or one that is repeated."""

    def __init__(self, code=None, *, path=None, options=(), backend="nvrtc"):
        self.unit = cuda_on_cpu.COMPILED.add(code)

    def get_function(self, name):
        def kernel(grid, block, args):
            for a in args:
                if isinstance(a, ndarray):
                    assert a._a.flags.c_contiguous or not any(a.strides)
                    assert a.data.device_id == Host.device
            Host.launches.append(name)
            assert all(a.size == 1 for a in args if isinstance(a, np.ndarray))  # by value
            values = [a._a if isinstance(a, ndarray) else a for a in args]
            cuda_on_cpu.launch(self.unit, name, grid, block, values)

        return kernel


def _as_strided(x, shape=None, strides=None):
    return x._view(np.lib.stride_tricks.as_strided(x._a, shape, strides))


def stand_in():
    """Modules ``cupy``, ``cupyx`` and what lies below them."""
    cupy, cupyx, cuda = types.ModuleType("cupy"), types.ModuleType("cupyx"), types.ModuleType("cupy.cuda")
    for name, text in SIGNATURES.items():
        setattr(cupy, name, _function(name, text))
    for nin, names in UFUNCS.items():
        for name in names:
            setattr(cupy, name, _ufunc(name, nin))
    cupy.ndarray, cupy.cuda, cupy.__version__ = ndarray, cuda, "14.2.0"
    cupy.ElementwiseKernel, cupy.RawModule = ElementwiseKernel, RawModule
    cupy.lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=_as_strided))
    cuda.Device = Device
    cuda.runtime = types.SimpleNamespace(getDeviceCount=lambda: Host.count, getDevice=lambda: Host.device)
    cuda.runtime.CUDA_R_32F, cuda.runtime.CUDA_R_16F, cuda.runtime.CUDA_R_16BF = 0, 2, 14
    cuda.device = types.SimpleNamespace(get_cublas_handle=lambda: 1)
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
    libs = types.ModuleType("cupy_backends.cuda.libs")
    libs.cublas = cublas_stand_in.module(Host.launches)
    return modules | {libs.__name__: libs}


def forget(array_type):
    """Make the engine forget what it remembers of an array type."""
    backends._BY_TYPE.pop(array_type, None)
    for function in every_function().values():
        if hasattr(function, "op"):
            function.op.short.pop(array_type, None)


def _announce(kernels):
    """Make all kernels known, so that the first call compiles them together."""
    for name in cupy_kernels.ELEMENTWISE:
        kernels.elementwise(name)
    for name in ("float32", "float64", "float16"):
        kernels.module(name)


@pytest.fixture(scope="module")
def stood_in():
    """The stand-in's modules and the backend on them, in nobody's way."""
    modules = stand_in()
    with pytest.MonkeyPatch.context() as patch:
        for name, stood in modules.items():
            patch.setitem(sys.modules, name, stood)
        backend = module.load()
        kernels = backend.special.kernels  # this imports CuPy's special functions
    with pytest.MonkeyPatch.context() as patch:
        if cuda_on_cpu.COMPILER is None:  # the formulas serve
            for part in (module, cupy_special):
                patch.setattr(part, "DTYPES", ())
        else:
            _announce(kernels)
        yield modules, backend
    forget(ndarray)


@pytest.fixture
def xp(stood_in, monkeypatch):
    """The backend on the stand-in, as the one that ``"cuda"`` names during this test."""
    modules, backend = stood_in
    for name, stood in modules.items():
        monkeypatch.setitem(sys.modules, name, stood)
    monkeypatch.setitem(backends._BY_NAME, "cupy", backend)
    Host.calls.clear()
    Host.launches.clear()
    return backend


def read(tensor):
    """The elements of a Tensor on the stand-in's device."""
    assert type(tensor.value) is ndarray, type(tensor.value)
    return tensor.value._a


def on_gpu(array, **kwargs):
    return xg.asarray(array, device="cuda", **kwargs)
