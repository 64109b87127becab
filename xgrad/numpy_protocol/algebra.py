"""Products, linear algebra and Fourier transforms."""

from __future__ import annotations

import numpy as np

from .table import enter, implements, same, tensor, xp

_NoValue = np._NoValue

# Products -------------------------------------------------------------------------------------------------------------


@implements("dot")
def _dot(a, b, out=None):
    return xp.dot(tensor(a), tensor(b))


@implements("tensordot")
def _tensordot(a, b, axes=2):
    return xp.tensordot(tensor(a), tensor(b), axes=axes)


@implements("linalg.tensordot")
def _linalg_tensordot(x1, x2, /, *, axes=2):
    return xp.tensordot(tensor(x1), tensor(x2), axes=axes)


@implements("linalg.outer")
def _linalg_outer(x1, x2, /):
    x1, x2 = tensor(x1), tensor(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: both arguments must be vectors; got shapes {x1.shape} and {x2.shape}.")
    return x1[:, None] * x2


@implements("linalg.matmul")
def _linalg_matmul(x1, x2, /):
    return xp.matmul(tensor(x1), tensor(x2))


@implements("linalg.vecdot")
def _linalg_vecdot(x1, x2, /, *, axis=-1):
    return xp.vecdot(xp.moveaxis(tensor(x1), axis, -1), xp.moveaxis(tensor(x2), axis, -1))


@implements("linalg.cross")
def _linalg_cross(x1, x2, /, *, axis=-1):
    return xp.linalg.cross(tensor(x1), tensor(x2), axis=axis)


same(2, "inner outer vdot kron cross")

# Linear algebra -------------------------------------------------------------------------------------------------------

same(1, "linalg.det linalg.inv linalg.eig linalg.eigvals linalg.slogdet linalg.svdvals linalg.vector_norm")
same(1, "linalg.matrix_norm linalg.matrix_power linalg.diagonal linalg.trace linalg.cholesky linalg.cond linalg.norm")
same(1, "linalg.tensorinv")
same(2, "linalg.tensorsolve linalg.lstsq")
same(None, "linalg.multi_dot")


def _half(a, UPLO):
    """A Hermitian matrix from the triangle that ``UPLO`` names."""
    a = tensor(a)
    if UPLO not in ("L", "U", "l", "u"):
        raise ValueError(f"eigh: UPLO must be 'L' or 'U'; got {UPLO!r}.")
    return a if UPLO in "Ll" else xp.conj(xp.matrix_transpose(a))


@implements("linalg.qr")
def _qr(a, mode="reduced"):
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode must be 'reduced', 'complete' or 'r'; got {mode!r}.")
    found = xp.linalg.qr(tensor(a), mode="reduced" if mode == "r" else mode)
    return found.R if mode == "r" else found


@implements("linalg.eigh")
def _eigh(a, UPLO="L"):
    return xp.linalg.eigh(_half(a, UPLO))


@implements("linalg.eigvalsh")
def _eigvalsh(a, UPLO="L"):
    return xp.linalg.eigvalsh(_half(a, UPLO))


@implements("linalg.solve")
def _solve(a, b):
    return xp.linalg.solve(tensor(a), tensor(b))


@implements("linalg.svd")
def _svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    a = tensor(a)
    return xp.linalg.svd(a, full_matrices=full_matrices) if compute_uv else xp.linalg.svdvals(a)


@implements("linalg.pinv")
def _pinv(a, rcond=None, hermitian=False, *, rtol=_NoValue):
    if rcond is not None and rtol is not _NoValue:
        raise ValueError("pinv: rcond and rtol mean the same; got both. Give one.")
    if rcond is None:
        rcond = 1e-15 if rtol is _NoValue else rtol  # NumPy's default is smaller than the standard's
    return xp.linalg.pinv(tensor(a), rtol=rcond)


@implements("linalg.matrix_rank")
def _matrix_rank(A, tol=None, hermitian=False, *, rtol=None):
    A = tensor(A)
    if tol is None:
        return xp.linalg.matrix_rank(A) if rtol is None else xp.linalg.matrix_rank(A, rtol=rtol)
    if rtol is not None:
        raise ValueError("matrix_rank: tol and rtol exclude each other; got both. Give one.")
    return xp.count_nonzero(xp.linalg.svdvals(A) > tol, axis=-1)


# Fourier transforms ---------------------------------------------------------------------------------------------------


def _one_axis(name):
    def transform(a, n=None, axis=-1, norm=None, out=None):
        return getattr(xp.fft, name)(tensor(a), n=n, axis=axis, norm=norm or "backward")

    return transform


def _several_axes(name, default):
    def transform(a, s=None, axes=default, norm=None, out=None):
        return getattr(xp.fft, name)(tensor(a), s=s, axes=axes, norm=norm or "backward")

    return transform


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    enter(f"fft.{_name}", _one_axis(_name), out=4)
for _name in ("fft", "ifft", "rfft", "irfft"):
    enter(f"fft.{_name}n", _several_axes(f"{_name}n", None), out=4)
    enter(f"fft.{_name}2", _several_axes(f"{_name}n", (-2, -1)), out=4)
same(1, "fft.fftshift fft.ifftshift")
