"""Pictures of a training run, as PNG files, by Matplotlib (ImportError without it); no global state, no display."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

import xgrad as xg

Path = str | os.PathLike[str] | BinaryIO


def curves(
    path: Path, series: Mapping[str, Any], *, title: str = "", xlabel: str = "epoch", ylabel: str = "loss", log=False
) -> None:
    """Draw numbers over epochs or steps, a line for each series.

    Parameters
    ----------
    path : str, path-like or binary file
        The PNG file.
    series : mapping of str to sequence of real numbers, or to mapping of int to real number
        By name.  The numbers of a sequence stand at 1, 2, 3 ...; those of a mapping at its keys, for what is measured
        now and then.  They may be Tensors on any device, or one 1-d Tensor.  NaN and infinities leave gaps.
    title, xlabel, ylabel : str
        What to write.
    log : bool
        Whether the vertical axis is logarithmic; numbers that are not positive leave gaps then.

    Raises
    ------
    ValueError
        When there is nothing to draw, or a series has more than one axis.

    Examples
    --------
    >>> import io
    >>> import xgrad as xg
    >>> file = io.BytesIO()
    >>> xg.plot.curves(file, {"train": [2.0, 1.0, 0.5], "test": {1: 2.1, 3: 0.9}}, title="Digits", log=True)
    >>> file.getvalue()[1:4]
    b'PNG'
    """
    points = {name: _points(name, values) for name, values in series.items()}
    if not any(x.size for x, _ in points.values()):
        raise ValueError(f"curves: there is nothing to draw; got {len(points)} empty series. Give it numbers.")
    figure = _matplotlib("curves", "figure").Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for name, (x, y) in points.items():
        shown = np.isfinite(y) & ((y > 0) | (not log))
        axes.plot(x, np.where(shown, y, np.nan), label=name, marker="." if x.size < 30 else None)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    axes.xaxis.get_major_locator().set_params(integer=True)  # there is no half of an epoch
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, format="png")


def images(path: Path, array: Any, columns: int = 10, *, limits: tuple[float, float] | None = None) -> None:
    """Draw a grid of images, row by row, small ones magnified.

    Parameters
    ----------
    path : str, path-like or binary file
        The PNG file.
    array : array, shape (n, height, width), (n, channels, height, width) or (n, height, width, channels)
        Grey without channels or with one, colours with three.  NaN and infinities count as 0.
    columns : int
        How many images stand beside one another.
    limits : tuple of two floats, optional
        What is black and what is full brightness; by default 0 and 255 for uint8, else the least and the greatest
        element.

    Raises
    ------
    ValueError
        When the shape is another, or there is no image.

    Examples
    --------
    >>> import io
    >>> import xgrad as xg
    >>> file = io.BytesIO()
    >>> xg.plot.images(file, xg.random.default_rng(0).random((12, 8, 8)), columns=4)
    >>> file.getvalue()[1:4]
    b'PNG'
    """
    pixels = np.nan_to_num(_colours(_host(array)), posinf=0.0, neginf=0.0)
    if columns < 1:
        raise ValueError(f"images: columns must be at least 1; got {columns}. Give how many images stand in a row.")
    low, high = limits or ((0, 255) if pixels.dtype == np.uint8 else (float(pixels.min()), float(pixels.max())))
    bright = (pixels.astype(np.float64) - low) / ((high - low) or 1)
    grid = _grid((255 * np.clip(bright, 0, 1)).round().astype(np.uint8), columns)
    scale = max(1, 600 // max(grid.shape[:2]))
    _matplotlib("images", "image").imsave(path, grid.repeat(scale, axis=0).repeat(scale, axis=1), format="png")


def _points(name: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where the numbers of a series stand, and the numbers."""
    y = _host(list(values.values()) if isinstance(values, Mapping) else values).astype(np.float64)
    if y.ndim != 1:
        raise ValueError(f"curves: series {name!r} must be 1-d; got shape {y.shape}. Give one number per epoch.")
    x = np.asarray(list(values)) if isinstance(values, Mapping) else np.arange(1, y.size + 1)
    return x, y


def _colours(array: np.ndarray) -> np.ndarray:
    """Images of shape (n, height, width, 3)."""
    if not array.size:
        raise ValueError(f"images: there is no image; got an array of shape {array.shape}. Give at least one.")
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[1] in (1, 3):
        array = np.moveaxis(array, 1, -1)
    elif array.ndim != 4 or array.shape[3] not in (1, 3):
        raise ValueError(
            "images: array must have shape (n, height, width), with 1 or 3 channels before or after the two; "
            f"got {array.shape}. Reshape it."
        )
    return np.broadcast_to(array, (*array.shape[:3], 3))


def _grid(images: np.ndarray, columns: int) -> np.ndarray:
    """One image of many, with white lines of a pixel between them."""
    n, height, width, channels = images.shape
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    grid = np.full((rows * columns, height + 1, width + 1, channels), 255, np.uint8)
    grid[:n, :-1, :-1] = images
    grid = grid.reshape(rows, columns, height + 1, width + 1, channels).swapaxes(1, 2)
    return grid.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]


def _host(values: Any) -> np.ndarray:
    """The elements of an array or of a list of numbers, some of them Tensors, in the host's memory."""
    if isinstance(values, list | tuple):
        return np.asarray([_host(value) if isinstance(value, xg.Tensor) else value for value in values])
    return xg.asarray(values).detach().numpy()


def _matplotlib(function: str, module: str) -> Any:
    try:
        return importlib.import_module(f"matplotlib.{module}")
    except ImportError as error:
        raise ImportError(f"{function}: Matplotlib draws this. Run: pip install matplotlib.") from error
