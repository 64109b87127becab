"""Saving: nested dicts, lists and tuples of arrays and plain values, in one ``.safetensors`` file.

Arrays are the entries of the file, under their paths, for any program that reads the format.  All else is JSON in the
file's metadata, beside a checksum of every array.  Nothing in a file is ever executed, as a pickle would be.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

import xgrad as xg

_KEY, _MARK, _VERSION = "xgrad", '"format": "xgrad"', 1
_INTEGERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_NUMBERS = (*_INTEGERS, "float16", "float32", "float64", "complex64", "complex128")
_DTYPES = (*_NUMBERS, "bfloat16")  # NumPy has it from ml_dtypes, for arrays
_PAIRS = {"complex64": "float32", "complex128": "float64"}  # the format has no complex128: real and imaginary parts


def save(state: Any, path: str | os.PathLike[str]) -> None:
    """Write a tree of arrays and plain values to a file; a crash on the way leaves the old file as it was.

    Parameters
    ----------
    state : tree
        Dicts (keys str or int), lists and tuples of: Tensors and arrays on any device, NumPy scalars, int, float,
        complex, bool, str, None.  Such are ``model.state_dict()``, what optimisers give, ``generator.state``, and a
        dict of them all.  Tracked Tensors are saved by value.
    path : str or path-like
        The file, by habit ``*.safetensors``.  In it an array's name is its path in the tree, ``"model.0.weight"``.

    Raises
    ------
    TypeError
        When the tree holds anything else; no file is written then.
    ImportError
        When the package ``safetensors`` is not installed.
    OSError
        When the file cannot be written; an old file is whole.

    See Also
    --------
    load

    Notes
    -----
    The order of the arguments is PyTorch's; ``numpy.save`` takes the file first.

    Examples
    --------
    >>> import os, tempfile
    >>> import xgrad as xg
    >>> model = xg.nn.Linear(3, 2, generator=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.safetensors")
    ...     xg.save({"model": model.state_dict(), "epoch": 7}, path)
    ...     run = xg.load(path)
    >>> bool((run["model"]["weight"] == model.weight).all()), run["epoch"]
    (True, 7)
    """
    import json

    write_file = _package("save").numpy.save_file
    arrays: dict[str, np.ndarray] = {}
    tree = _encode(state, (), arrays)
    stored = {name: _stored(array) for name, array in arrays.items()}
    about = {
        name: {"dtype": array.dtype.name, "shape": array.shape, "crc32": _checksum(stored[name])}
        for name, array in arrays.items()
    }
    text = json.dumps({"format": "xgrad", "version": _VERSION, "tree": tree, "arrays": about})
    note = {_KEY: f"{zlib.crc32(text.encode()):08x} {text}"}
    _replace(path, lambda temporary: write_file(stored, temporary, note))


def load(path: str | os.PathLike[str], device: Any = None) -> Any:
    """Read what ``save`` wrote, or the arrays of any other ``.safetensors`` file.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or Device, optional
        Where to put the Tensors, wherever they were saved; by default on the default device, uncommitted.

    Returns
    -------
    tree
        Equal to the tree saved.  Tensors and the arrays of other libraries come back as constant Tensors, NumPy arrays
        and scalars as NumPy's.  A file of another program is a flat dict of Tensors by name.

    Raises
    ------
    ValueError
        When the file is truncated, damaged, or no safetensors file.  A single wrong bit is noticed in files that
        ``save`` wrote; those of other programs have no checksums.
    ImportError
        When the package ``safetensors`` is not installed.
    OSError
        When the file cannot be read.

    See Also
    --------
    save
    """
    path = os.fspath(path)
    device = None if device is None else xg.empty(0, device=device).device  # a wrong one is said before any reading
    stored, note = _read(path)
    if note is None:
        return {name: _tensor(name, array, device) for name, array in stored.items()}
    try:
        about = _checked_note(path, note)
        return _decode(about["tree"], _checked_arrays(path, stored, about["arrays"]), device)
    except (AttributeError, KeyError, TypeError) as error:
        raise _damaged(path, f"its metadata make no tree ({error!r})") from error


# From a tree to arrays and JSON, and back -----------------------------------------------------------------------------


def _encode(value: Any, keys: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> Any:
    """The JSON for a tree; its arrays are put into ``arrays``.

    A list and plain values are JSON's own; all else is an object of one entry, which names its kind.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind in (float, complex):
        return value if kind is float and np.isfinite(value) else {kind.__name__: repr(value)}
    if isinstance(value, np.generic) and value.dtype.name in _NUMBERS:
        return {"scalar": [value.dtype.name, _encode(value.item(), keys, arrays)]}
    if kind in (list, tuple):
        items = [_encode(item, (*keys, i), arrays) for i, item in enumerate(value)]
        return items if kind is list else {"tuple": items}
    if isinstance(value, dict):
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(f"save: the keys of {_place(keys)} must be str or int; got {key!r}. Convert it.")
        return {"dict": [[key, _encode(item, (*keys, key), arrays)] for key, item in value.items()]}
    name = _free_name(keys, arrays)
    arrays[name] = _host_array(value, keys)
    return {"array" if isinstance(value, np.ndarray) else "tensor": name}


def _decode(node: Any, arrays: dict[str, np.ndarray], device: Any) -> Any:
    if type(node) is list:
        return [_decode(item, arrays, device) for item in node]
    if type(node) is not dict:
        return node
    ((kind, inner),) = node.items()
    if kind == "tensor":
        return _tensor(inner, arrays[inner], device)
    if kind == "array":
        return arrays[inner]
    if kind == "scalar":
        return np.dtype(inner[0]).type(_decode(inner[1], arrays, device))
    if kind == "dict":
        return {key: _decode(item, arrays, device) for key, item in inner}
    if kind == "tuple":
        return tuple(_decode(inner, arrays, device))
    return {"float": float, "complex": complex}[kind](inner)


def _tensor(name: str, array: np.ndarray, device: Any) -> xg.Tensor:
    try:
        return xg.asarray(array, device=device)
    except TypeError as error:
        raise ValueError(
            f"load: xgrad has no {array.dtype} on this device, which array {name!r} needs. Convert the file to float32."
        ) from error


def _host_array(value: Any, keys: tuple[Any, ...]) -> np.ndarray:
    """The elements of an array of any library, on the host, as they will lie in the file."""
    if not isinstance(value, np.ndarray):
        if not (isinstance(value, xg.Tensor) or hasattr(value, "__dlpack__") or hasattr(value, "__array_namespace__")):
            raise TypeError(
                f"save: {_place(keys)} must be an array, a number, a bool, a str, None, or a dict, list or tuple of "
                f"them; got {type(value).__name__}. Save its state, such as state_dict()."
            )
        value = xg.asarray(value).detach().numpy()
    if value.dtype.name not in _DTYPES:
        raise TypeError(f"save: {_place(keys)} must hold numbers of at most 64 bits a part; got {value.dtype}.")
    return np.asarray(value, dtype=value.dtype.newbyteorder("<"), order="C")


def _free_name(keys: tuple[Any, ...], arrays: dict[str, np.ndarray]) -> str:
    """The path of an array, changed only where another array has that name (``{"a": {"b": x}, "a.b": y}``)."""
    name = ".".join(map(str, keys)) or "tensor"
    while name in arrays or name == "__metadata__":
        name += "_"
    return name


def _place(keys: tuple[Any, ...]) -> str:
    return "state" + "".join(f"[{key!r}]" for key in keys)


def _stored(array: np.ndarray) -> np.ndarray:
    """An array of a dtype that the format has: a complex one with its two parts on a new last axis."""
    part = _PAIRS.get(array.dtype.name)
    return array.reshape((*array.shape, 1)).view(part) if part else array


def _checksum(array: np.ndarray) -> int:
    return zlib.crc32(array.reshape(-1).view(np.uint8).data)


# Reading, and refusing what is damaged --------------------------------------------------------------------------------


def _read(path: str) -> tuple[dict[str, np.ndarray], str | None]:
    """The arrays of a safetensors file, and what ``save`` noted about them; None in a file of another program."""
    package = _package("load")
    size, header = os.path.getsize(path), _header_size(path)
    if header > size:
        raise ValueError(
            f"load: {path} is incomplete, or no safetensors file; got {size} bytes, and its header alone ends at byte "
            f"{header}. Save it again."
        )
    try:
        with package.safe_open(path, framework="numpy") as file:
            notes = (file.metadata() or {}).items()
            arrays = {name: _read_array(path, file, name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (package.SafetensorError, UnicodeDecodeError) as error:
        reason = str(error).rpartition(": ")[2]
        raise ValueError(
            f"load: {path} is incomplete or damaged ({reason}); got {size} bytes, {header} of them header. "
            "Save it again."
        ) from error
    # Known by the key or by what it says, so that damage to one of them cannot make it another program's file.
    return arrays, next((text for key, text in notes if key == _KEY or _MARK in text), None)


def _read_array(path: str, file: Any, name: str) -> np.ndarray:
    kind = file.get_slice(name).get_dtype()
    if kind.startswith(("BF", "F8")):
        try:
            import ml_dtypes  # noqa: F401 - NumPy knows these dtypes once it is imported
        except ImportError as error:
            raise ImportError(
                f"load: array {name!r} of {path} is {kind}, which NumPy lacks. Run: pip install ml_dtypes."
            ) from error
    return file.get_tensor(name)


def _header_size(path: str) -> int:
    """Where the header of a safetensors file ends: after its length, which takes 8 bytes, and as many bytes as that."""
    with open(path, "rb") as file:
        return 8 + int.from_bytes(file.read(8), "little")


def _checked_note(path: str, note: str) -> dict[str, Any]:
    import json

    checksum, _, text = note.partition(" ")
    if checksum != f"{zlib.crc32(text.encode()):08x}":
        raise _damaged(path, "the checksum of its metadata is wrong")
    about = json.loads(text)
    if about["version"] > _VERSION:
        raise ValueError(
            f"load: {path} was written by a newer xgrad; got version {about['version']} of the format, known is "
            f"{_VERSION}. Update xgrad."
        )
    return about


def _checked_arrays(path: str, stored: dict[str, np.ndarray], about: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays with the dtypes they had when saved."""
    if stored.keys() != about.keys():
        raise _damaged(path, "the names of its arrays are not those saved")
    arrays = {}
    for name, saved in about.items():
        dtype, shape = saved["dtype"], tuple(saved["shape"])
        array, pairs = stored[name], _PAIRS.get(dtype)
        if (array.dtype.name, array.shape) != ((pairs, (*shape, 2)) if pairs else (dtype, shape)):
            raise _damaged(path, f"array {name!r} has not the dtype and shape saved")
        if _checksum(array) != saved["crc32"]:
            raise _damaged(path, f"the checksum of array {name!r} is wrong")
        arrays[name] = array.view(dtype).reshape(shape) if pairs else array
    return arrays


def _damaged(path: str, fact: str) -> ValueError:
    return ValueError(f"load: {path} is damaged: {fact}; got {os.path.getsize(path)} bytes. Save it again.")


def _package(function: str) -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(f"{function}: the package safetensors is needed. Run: pip install safetensors.") from error
    return safetensors


# Writing --------------------------------------------------------------------------------------------------------------


def _replace(path: str | os.PathLike[str], write: Callable[[str], None]) -> None:
    """Let ``write`` make a file, and put it at ``path`` once it is whole and on the disk."""
    target = os.path.realpath(path)  # of a link the file it points to
    temporary = f"{target}.{os.getpid()}-{os.urandom(4).hex()}.tmp"  # on the same disk, or it could not be renamed
    try:
        with open(temporary, "xb") as file:
            mode = os.stat(target if os.path.exists(target) else file.fileno()).st_mode
        write(temporary)
        os.chmod(temporary, mode)  # the package makes files that only their owner can read
        _flush(temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if os.name == "posix":
        _flush(os.path.dirname(target))  # or a power cut may undo the renaming


def _flush(path: str) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    number = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)
