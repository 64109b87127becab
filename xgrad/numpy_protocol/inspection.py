"""What holds no values, so that no gradient can be lost: shapes, dtypes, comparisons, text, positions."""

from __future__ import annotations

import numpy as np

from .table import handlers, host, implements, numpys, same, tensor, unsupported, xp


@implements("shape")
def _shape(a):
    return tensor(a).shape


@implements("ndim")
def _ndim(a):
    return tensor(a).ndim


@implements("size")
def _size(a, axis=None):
    a = tensor(a)
    if axis is None:
        return a.size
    return int(np.prod([a.shape[i] for i in (axis if isinstance(axis, tuple) else (axis,))]))


@implements("iscomplexobj")
def _iscomplexobj(x):
    return tensor(x).dtype.kind == "c"


@implements("isrealobj")
def _isrealobj(x):
    return tensor(x).dtype.kind != "c"


def _typed(value):
    """What stands for an argument where only its dtype counts."""
    return value.dtype if hasattr(value, "node") else value


@implements("result_type")
def _result_type(*arrays_and_dtypes):
    return np.result_type(*map(_typed, arrays_and_dtypes))


@implements("can_cast")
def _can_cast(from_, to, casting="safe"):
    return np.can_cast(_typed(from_), _typed(to), casting)


@implements("common_type")
def _common_type(*arrays):
    return np.common_type(*(np.empty(0, tensor(a).dtype) for a in arrays))


@implements("min_scalar_type")
def _min_scalar_type(a, /):
    return np.min_scalar_type(a.detach().numpy())


def _memory(a, b):
    """Whether two arrays are one, or views of one."""
    if a is b:
        return True
    return _base(a) is _base(b)


def _base(a):
    while getattr(a, "link", None) is not None:
        a = a.link[0]
    return a


@implements("may_share_memory")
def _may_share_memory(a, b, /, max_work=0):
    return _memory(a, b)


@implements("shares_memory")
def _shares_memory(a, b, /, max_work=-1):
    if not _memory(a, b):
        return False
    raise unsupported("shares_memory", "whether two views overlap is not known. Use np.may_share_memory")


# Comparisons ----------------------------------------------------------------------------------------------------------


same(2, "isclose allclose array_equal")


@implements("array_equiv")
def _array_equiv(a1, a2):
    a1, a2 = tensor(a1), tensor(a2)
    try:
        np.broadcast_shapes(a1.shape, a2.shape)
    except ValueError:
        return False
    return bool(xp.all(a1 == a2))


@implements("isposinf")
def _isposinf(x, out=None):
    return xp.isinf(tensor(x)) & ~xp.signbit(tensor(x))


@implements("isneginf")
def _isneginf(x, out=None):
    return xp.isinf(tensor(x)) & xp.signbit(tensor(x))


@implements("iscomplex")
def _iscomplex(x):
    x = tensor(x)
    return xp.imag(x) != 0 if x.dtype.kind == "c" else xp.zeros_like(x, dtype=np.bool_)


@implements("isreal")
def _isreal(x):
    return xp.logical_not(_iscomplex(x))


# Text -----------------------------------------------------------------------------------------------------------------


@implements("array2string")
def _array2string(a, *args, **kwargs):
    return np.array2string(a.detach().numpy(), *args, **kwargs)


@implements("array_str")
def _array_str(a, *args, **kwargs):
    return np.array_str(a.detach().numpy(), *args, **kwargs)


@implements("array_repr")
def _array_repr(arr, max_line_width=None, precision=None, suppress_small=None):
    return repr(arr)


# Positions ------------------------------------------------------------------------------------------------------------


@implements("nonzero")
def _nonzero(a):
    return xp.nonzero(tensor(a))


same(1, "argwhere flatnonzero")


@implements("ix_")
def _ix_(*args):
    lines = [xp.nonzero(x)[0] if x.dtype == np.bool_ else x for x in map(tensor, args)]
    if any(x.ndim != 1 for x in lines):
        raise ValueError(f"ix_: every index must have one axis; got {[x.ndim for x in lines]} axes.")
    return tuple(xp.reshape(x, tuple(-1 if i == j else 1 for j in range(len(lines)))) for i, x in enumerate(lines))


@implements("unravel_index")
def _unravel_index(indices, shape, order="C"):
    places = np.unravel_index(host(indices), host(shape), order)
    return tuple(xp.asarray(p, device=indices.device) for p in places) if hasattr(indices, "node") else places


@implements("ravel_multi_index")
def _ravel_multi_index(multi_index, dims, mode="raise", order="C"):
    first = next(v for v in (multi_index, *multi_index, dims) if hasattr(v, "node"))
    index = multi_index.detach().numpy() if hasattr(multi_index, "node") else multi_index
    found = np.ravel_multi_index(tuple(map(host, index)), host(dims), mode, order)
    return xp.asarray(found, device=first.device)


def _from_shape(name):
    """Index arrays that depend on the shape only, as NumPy makes them."""

    def indices(arr, *args, **kwargs):
        blank = np.broadcast_to(np.False_, arr.shape)
        return numpys(name)(blank, *args, **kwargs)

    return indices


for _name in ("diag_indices_from", "tril_indices_from", "triu_indices_from"):
    handlers[numpys(_name)] = _from_shape(_name), 1 << 30
