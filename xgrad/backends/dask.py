"""Dask: arrays in blocks that stay lazy through forward and backward, until somebody asks for numbers.

``numpy()``, ``float``, ``bool`` and ``item`` compute; nothing else does, ``repr`` included.  Gradients of several
leaves are best computed together, ``dask.compute(a.grad.value, b.grad.value)``, since they share most of their graph.

What Dask lacks is done by NumPy on whole blocks: sorts and ``take_along_axis`` bring the axis they work along into one
block; an index with several arrays brings the whole array into one.  An index that is a lazy mask would give an array
of unknown length, which has no shape to differentiate: it is an error that says what to do.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..axes import is_basic, normalise_axis, placed_key
from ..errors import DeviceError
from .dask_blocks import Fourier, Linalg, Special
from .extension import Extension
from .generic import Generic
from .numpy import NumPy


class Dask(Generic):
    """Dask's arrays of NumPy blocks, through array_api_compat.

    Parameters
    ----------
    library : module
        ``array_api_compat.dask.array``.
    dask : module
        Dask itself.
    """

    promotes = True
    single = True
    extensions: ClassVar[dict[str, type[Extension]]] = {"fft": Fourier, "linalg": Linalg, "special": Special}

    def __init__(self, library: Any, dask: Any):
        super().__init__("dask", library)
        self.dask, self.da = dask, dask.array
        self.array_type = dask.array.Array
        self.blocks = NumPy("numpy", np)  # what computes inside a block

    # Devices, dtypes and data ---------------------------------------------------------------------------------------

    def places(self) -> list[str]:
        """One place: where its scheduler computes."""
        return ["dask"]

    def raw_device(self, place: str) -> None:
        """Dask has no devices of its own."""
        return None

    def device_of(self, array: Any) -> str:
        """Always the one place."""
        return "dask"

    def raw_dtype(self, dtype: np.dtype) -> np.dtype:
        """The same dtype."""
        return dtype

    def numpy_dtype(self, dtype: Any) -> np.dtype:
        """The same dtype."""
        return dtype

    def from_numpy(self, array: np.ndarray, place: str) -> Any:
        """A NumPy array in blocks of Dask's default size; its elements are not copied."""
        return self.da.from_array(np.asarray(array), chunks="auto", name=False)

    def to_numpy(self, array: Any) -> np.ndarray:
        """The elements, computed."""
        with np.errstate(all="ignore"):  # what is masked out is computed too; see ``Generic.quiet``
            return np.asarray(array.compute())

    def to_place(self, array: Any, place: str) -> Any:
        """The same array."""
        return array

    def preview(self, array: Any) -> str:
        """The shape and the blocks; elements would have to be computed."""
        return f"<not computed, shape {tuple(array.shape)}, blocks of {tuple(array.chunksize)}>"

    def copy(self, x, /):
        """The same elements under a name of their own, since ``x[i] = v`` changes what ``x`` stands for."""
        return x.copy()

    def astype(self, x, /, dtype, *, copy=True, device=None):
        """``x`` with another dtype."""
        return x.astype(dtype)

    # Shapes ---------------------------------------------------------------------------------------------------------

    def reshape(self, x, /, shape, *, copy=None):
        """The same elements in another shape."""
        _known(x.shape)
        if 0 in x.shape:
            return self.da.zeros(np.empty(x.shape).reshape(shape).shape, dtype=x.dtype)
        try:
            return self.da.reshape(x, shape)
        except NotImplementedError:  # axes merged and split unevenly, which takes two steps
            return self.da.reshape(self.da.reshape(x, (-1,)), shape)

    def broadcast_to(self, x, /, shape):
        """``x`` repeated along new axes and axes of length one, in blocks of Dask's default size.

        Dask alone makes one block of what is repeated, and the gradient of a sum repeats one number over everything.
        """
        _known(shape)
        if 0 in shape:
            return self.da.broadcast_to(x, shape)
        here = tuple("auto" if n == 1 else c for n, c in zip(x.shape, x.chunks, strict=True))
        chunks = self.da.core.normalize_chunks(("auto",) * (len(shape) - x.ndim) + here, shape, dtype=x.dtype)
        return self.da.broadcast_to(x, shape, chunks=chunks)

    def tril(self, x, /, *, k=0):
        """The lower triangle of matrices, up to the k-th diagonal; Dask's own warns of complex numbers."""
        return self.da.where(self._triangle(x, k), x, np.zeros((), x.dtype))

    def triu(self, x, /, *, k=0):
        """The upper triangle of matrices, from the k-th diagonal."""
        return self.da.where(self._triangle(x, k - 1), np.zeros((), x.dtype), x)

    def _triangle(self, x: Any, k: int) -> Any:
        rows, cols = x.chunks[-2:]
        return self.da.tri(*x.shape[-2:], k=k, dtype=bool, chunks=(rows, cols))

    # Indexing -------------------------------------------------------------------------------------------------------

    def index_array(self, index: np.ndarray, like: Any) -> np.ndarray:
        """A NumPy index as it is: positions that are known."""
        return index

    def _whole(self, function: Any, shape: tuple[int, ...], dtype: Any, *args: Any) -> Any:
        """The result of a NumPy function of whole arrays, in one block."""
        made = self.dask.delayed(function, pure=False)(*args)
        return self.da.from_delayed(made, shape=shape, dtype=dtype)

    def getitem(self, x, /, *, key):
        """``x[key]``: by block for slices, ints and one list of ints, of the whole array otherwise."""
        for part in (x, *key):
            _known(getattr(part, "shape", ()))
        key = _integers(key, x.shape)
        if is_basic(key) or (_one_list(key)):
            return x[key]
        return self._whole(lambda a, k: a[k], _part(key, x.shape), x.dtype, x, key)

    def take(self, x, indices, /, *, axis=None):
        """Elements of ``x`` along ``axis``, at indices of any shape."""
        if axis is None and x.ndim != 1:
            raise ValueError(f"axis must be given for an array of {x.ndim} axes")
        return self.getitem(x, key=(slice(None),) * (0 if axis is None else axis % x.ndim) + (indices, ...))

    def scatter_add(self, x, /, *, key, shape):
        """Zeros of ``shape`` with ``x`` added at ``key``; a place named twice receives both."""
        key = _integers(key, shape)
        if is_basic(key):
            zeros = self.da.zeros(shape, dtype=x.dtype)
            return self.setitem(zeros, x, key=key) if 0 not in x.shape else zeros  # Dask cannot write nothing
        axis = len(key) - 2
        alone = key[-1] is Ellipsis and all(type(k) is slice and k == slice(None) for k in key[:axis])
        if alone and hasattr(key[axis], "shape") and not _is_mask(key[axis]):
            return self._added_along(x, key[axis], axis, shape)
        return self._whole(lambda a, k: self.blocks.scatter_add(a, key=k, shape=shape), shape, x.dtype, x, key)

    def _added_along(self, x: Any, index: Any, axis: int, shape: tuple[int, ...]) -> Any:
        """``scatter_add`` of one index array: its axis in one block, the others in theirs."""
        n = shape[axis]

        def added(a, i):
            whole = (*a.shape[:axis], n, *a.shape[axis + i.ndim :])
            return self.blocks.scatter_add(a, key=(slice(None),) * axis + (i, ...), shape=whole)

        before = tuple(range(axis))
        after = tuple(range(axis + 1, len(shape)))
        inside = tuple(range(-index.ndim, 0))
        lazy = index if hasattr(index, "dask") else self.from_numpy(index, "dask")
        return self.da.blockwise(
            added,
            (*before, axis, *after),
            x.rechunk({axis + i: -1 for i in range(index.ndim)}),
            (*before, *inside, *after),
            lazy.rechunk(-1),
            inside,
            new_axes={axis: n},
            dtype=x.dtype,
            concatenate=True,
            align_arrays=False,
        )

    def setitem(self, x, value, /, *, key):
        """``x`` with ``value`` at ``key``; of several values for one place the last one stays."""
        _known(x.shape)
        value = value.astype(x.dtype) if hasattr(value, "dtype") else np.asarray(value, dtype=x.dtype)
        mask = key[0]
        if value.ndim == 0 and _is_lazy_mask(mask) and len(key) == 2 and mask.shape == x.shape[: mask.ndim]:
            return self.da.where(mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), value, x)
        if is_basic(key) and 0 not in x.shape:
            shape = _part(key, x.shape)
            if 0 in shape:  # Dask refuses to write nothing
                return x.copy()
            extra = value.ndim - len(shape)
            value = self.reshape(value, value.shape[extra:]) if extra > 0 else value
            slices = _slices(key, x.shape)
            out = x.copy()
            out[slices] = self.reshape(self.broadcast_to(self.da.asarray(value), shape), _part(slices, x.shape))
            return out
        return self._whole(lambda a, v, k: self.blocks.setitem(a, v, key=k), x.shape, x.dtype, x, value, key)

    # Order ----------------------------------------------------------------------------------------------------------

    def _along(self, function: Any, x: Any, axis: int, dtype: Any, **options: Any) -> Any:
        """A NumPy function along ``axis``, which is brought into one block."""
        axis = normalise_axis(axis, x.ndim)
        return x.rechunk({axis: -1}).map_blocks(function, axis=axis, dtype=dtype, **options)

    def sort(self, x, /, *, axis=-1, descending=False, stable=True):
        """Sorted along ``axis``."""
        return self._along(self.blocks.sort, x, axis, x.dtype, descending=descending)

    def argsort(self, x, /, *, axis=-1, descending=False, stable=True):
        """Positions that sort along ``axis``; equal elements keep their order."""
        return self._along(self.blocks.argsort, x, axis, np.int64, descending=descending)

    def take_along_axis(self, x, indices, /, *, axis=-1):
        """Elements of ``x`` at ``indices`` along ``axis``, the other axes broadcast."""
        axis = normalise_axis(axis, x.ndim)
        places = tuple(range(x.ndim))
        from_here = tuple(x.ndim if i == axis else i for i in places)
        return self.da.blockwise(
            np.take_along_axis,
            places,
            x,
            from_here,
            indices,
            places,
            axis=axis,
            dtype=x.dtype,
            concatenate=True,
        )

    def searchsorted(self, x1, x2, /, *, side="left", sorter=None):
        """Where to insert each element of ``x2`` so that the sorted ``x1`` stays sorted."""
        places = self.da.searchsorted(x1 if sorter is None else x1[sorter], self.da.atleast_1d(x2), side=side)
        return places if x2.ndim else places[0]  # Dask writes into each block's result, and cannot for a scalar


def _known(shape: tuple[Any, ...]) -> None:
    if any(n != n for n in shape):
        raise ValueError(
            f"a lazy mask left an unknown number of elements; got shape {tuple(shape)}. Use xgrad.where(mask, x, 0), "
            "or call compute_chunk_sizes() on the Dask array first"
        )


def _is_mask(k: Any) -> bool:
    return hasattr(k, "dtype") and k.dtype == np.bool_


def _is_lazy_mask(k: Any) -> bool:
    return hasattr(k, "dask") and _is_mask(k)


def _integers(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The key with masks from NumPy as positions; an error for lazy masks, whose number of elements is unknown."""
    if any(map(_is_lazy_mask, key)):
        raise NotImplementedError(
            "getitem: a lazy mask selects an unknown number of elements; got a Dask array of booleans. "
            "Use xgrad.where(mask, x, 0), or compute the mask first: x[mask.numpy()]."
        )
    for axis, k in placed_key(key, len(shape)):
        if _is_mask(k) and k.shape != shape[axis : axis + k.ndim]:
            raise IndexError(f"a mask must have the shape of its axes; got {k.shape} for {shape} from axis {axis}")
    return tuple(part for k in key for part in (k.nonzero() if _is_mask(k) and k.ndim else (k,)))


def _one_list(key: tuple[Any, ...]) -> bool:
    """Whether the key holds slices and one array of one axis of integers, which Dask takes by block."""
    arrays = [k for k in key if hasattr(k, "shape")]
    rest = all(hasattr(k, "shape") or isinstance(k, slice) or k is Ellipsis for k in key)
    return rest and len(arrays) == 1 and arrays[0].ndim == 1


def _slices(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """A basic key as one slice per axis, an int as a slice of length one."""
    slices = [slice(None)] * len(shape)
    for axis, k in placed_key(key, len(shape)):
        if type(k) is int and not -shape[axis] <= k < shape[axis]:
            raise IndexError(f"index {k} is out of bounds for axis {axis} with size {shape[axis]}")
        slices[axis] = k if type(k) is slice else slice(k % shape[axis], k % shape[axis] + 1)
    return tuple(slices)


def _part(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what a key selects; integers that are not computed stand for any."""
    known = tuple(np.zeros(k.shape, dtype=np.int64) if hasattr(k, "dask") else k for k in key)
    return np.broadcast_to(np.empty(()), shape)[known].shape


def load() -> Dask:
    """The backend; DeviceError when Dask or its arrays are not installed."""
    try:
        import dask.array
    except ImportError as error:
        raise DeviceError(
            f"device: Dask's arrays cannot be imported; got {error}. Install them with: pip install 'dask[array]'."
        ) from None
    import array_api_compat.dask.array as library

    return Dask(library, dask)
