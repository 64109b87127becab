"""Files that users have: IDX (MNIST), CIFAR-10, plain text.  What is damaged is an error that says where."""

from __future__ import annotations

import math
import os
import zlib
from typing import Any

import numpy as np

Path = str | os.PathLike[str]

_IDX_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_PIECE = 1 << 16  # bytes of gzip data unpacked at once; damage is located to one piece
_CIFAR_RECORDS = 10_000  # in each file
_CIFAR_SHAPE = (3, 32, 32)
_CLASSES = 10  # of MNIST and CIFAR-10


def load_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, the format of MNIST; packed by gzip or not.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    numpy.ndarray
        Of the shape and dtype that the file names, in the machine's byte order.

    Raises
    ------
    ValueError
        When the file is truncated, too long or no IDX file; it names the file and the byte.

    Examples
    --------
    >>> import os, tempfile
    >>> from xgrad.data import load_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels-idx1-ubyte")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     load_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    return _idx("load_idx", path)


def load_mnist(folder: Path, train: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of MNIST, or of a data set in its format such as Fashion-MNIST, from the user's files.

    Parameters
    ----------
    folder : str or path-like
        Holds ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` (``t10k-`` for the test part), each with
        ``.gz`` or without.
    train : bool
        The part to learn from; else the part for testing.

    Returns
    -------
    images : numpy.ndarray, shape (n, 28, 28), uint8
        From 0 (background) to 255.
    labels : numpy.ndarray, shape (n,), int64
        From 0 to 9.

    Raises
    ------
    FileNotFoundError
        When a file is not there; it names the places looked at.
    ValueError
        When a file is damaged, or the two do not belong together.
    """
    part = "train" if train else "t10k"
    image_path = _found("load_mnist", folder, f"{part}-images-idx3-ubyte", f"{part}-images.idx3-ubyte")
    label_path = _found("load_mnist", folder, f"{part}-labels-idx1-ubyte", f"{part}-labels.idx1-ubyte")
    images, labels = _idx("load_mnist", image_path), _idx("load_mnist", label_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        got = f"{images.dtype} of shape {images.shape}"
        raise _damaged("load_mnist", image_path, 2, "the header of uint8 images of 28 by 28", got)
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        got = f"{labels.dtype} of shape {labels.shape}"
        raise _damaged("load_mnist", label_path, 2, f"the header of {len(images)} uint8 labels", got)
    _check_labels("load_mnist", label_path, labels, 8, 1)
    return images, labels.astype(np.int64)


def load_cifar10(folder: Path, train: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of CIFAR-10 from the user's files, in the binary version.

    Parameters
    ----------
    folder : str or path-like
        Holds ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``, or the folder
        ``cifar-10-batches-bin`` with them.
    train : bool
        The 50,000 images to learn from; else the 10,000 for testing.

    Returns
    -------
    images : numpy.ndarray, shape (n, 3, 32, 32), uint8
        Red, green and blue, from 0 to 255.
    labels : numpy.ndarray, shape (n,), int64
        From 0 to 9.

    Raises
    ------
    FileNotFoundError
        When a file is not there; it names the places looked at.
    ValueError
        When a file is damaged; it names the file and the byte.
    """
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
    inner = os.path.join(folder, "cifar-10-batches-bin")
    parts = [_cifar_records(_found("load_cifar10", inner if os.path.isdir(inner) else folder, n)) for n in names]
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, *_CIFAR_SHAPE), records[:, 0].astype(np.int64)


def load_text(path: Path, encoding: str = "utf-8") -> str:
    """The text in a file, packed by gzip or not.

    Parameters
    ----------
    path : str or path-like
        The file.
    encoding : str
        How the text was written.

    Raises
    ------
    ValueError
        When the file is no text of this encoding; it names the file and the byte.
    """
    data = _contents("load_text", path)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        got = f"0x{data[error.start]:02x} ({error.reason})"
        raise _damaged("load_text", path, error.start, f"{encoding} text", got) from error


# How they are read ----------------------------------------------------------------------------------------------------


def _idx(function: str, path: Path) -> np.ndarray:
    data = _contents(function, path)
    if len(data) < 4:
        raise _ended(function, path, data, "an IDX header of 4 bytes")
    if data[0] or data[1]:
        raise _damaged(function, path, 0, "the two zeros of an IDX file", f"0x{data[0]:02x} and 0x{data[1]:02x}")
    if data[2] not in _IDX_DTYPES:
        raise _damaged(function, path, 2, "the code of a dtype, 8, 9 or 11 to 14", data[2])
    dtype, start = np.dtype(_IDX_DTYPES[data[2]]), 4 + 4 * data[3]
    if len(data) < start:
        raise _ended(function, path, data, f"a header of {start} bytes for {data[3]} axes")
    shape = tuple(np.frombuffer(data, ">u4", data[3], 4).tolist())
    end = start + math.prod(shape) * dtype.itemsize
    what = f"{end} bytes for {dtype.name} of shape {shape}"
    if len(data) < end:
        raise _ended(function, path, data, what)
    if len(data) > end:
        raise _damaged(function, path, end, f"the end, after {what}", f"{len(data) - end} bytes more")
    return np.frombuffer(data, dtype, math.prod(shape), start).astype(dtype.newbyteorder("=")).reshape(shape)


def _cifar_records(path: str) -> np.ndarray:
    """The records of a file, a label and an image each."""
    function, size = "load_cifar10", 1 + math.prod(_CIFAR_SHAPE)
    data, end = _contents(function, path), _CIFAR_RECORDS * size
    what = f"{end} bytes, {_CIFAR_RECORDS} records of {size}"
    if len(data) < end:
        raise _ended(function, path, data, what)
    if len(data) > end:
        raise _damaged(function, path, end, f"the end, after {what}", f"{len(data) - end} bytes more")
    records = np.frombuffer(data, np.uint8).reshape(-1, size)
    _check_labels(function, path, records[:, 0], 0, size)
    return records


def _check_labels(function: str, path: Path, labels: np.ndarray, start: int, step: int) -> None:
    """Raise for the first label that names no class; label ``i`` stands at byte ``start + i * step``."""
    wrong = np.flatnonzero(labels >= _CLASSES)
    if wrong.size:
        offset = start + int(wrong[0]) * step
        raise _damaged(function, path, offset, f"a label from 0 to {_CLASSES - 1}", labels[wrong[0]])


def _found(function: str, folder: Path, *names: str) -> str:
    """The path of the first of these files that is there, packed or not."""
    places = [os.path.join(folder, name + end) for name in names for end in ("", ".gz")]
    for place in places:
        if os.path.isfile(place):
            return place
    raise FileNotFoundError(f"{function}: there is no such file; looked for {', '.join(places)}. Give its folder.")


def _contents(function: str, path: Path) -> bytes:
    """The bytes of a file, unpacked if it is packed by gzip."""
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(b"\x1f\x8b"):
        return data
    unpack, parts = zlib.decompressobj(wbits=31), []  # 31: gzip, its checksum verified
    for offset in range(0, len(data), _PIECE):
        try:
            parts.append(unpack.decompress(data[offset : offset + _PIECE]))
        except zlib.error as error:
            raise _damaged(function, path, offset, "gzip data from here on", error) from error
    if not unpack.eof:
        raise _ended(function, path, data, "more gzip data")
    if unpack.unused_data:
        more = len(unpack.unused_data)
        raise _damaged(function, path, len(data) - more, "the end of the gzip data", f"{more} bytes more")
    return b"".join(parts)


def _ended(function: str, path: Path, data: bytes, expected: str) -> ValueError:
    return _damaged(function, path, len(data), expected, "the end of the file")


def _damaged(function: str, path: Path, offset: int, expected: str, got: Any) -> ValueError:
    return ValueError(
        f"{function}: {os.fspath(path)} is damaged at byte {offset}: expected {expected}; got {got}. "
        "Copy or download it again."
    )
