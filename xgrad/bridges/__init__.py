"""Bridges: functions of xgrad in another autograd library, and that library's functions in xgrad.

Arrays cross by DLPack, on the same memory where both libraries can see it, and derivatives of every order cross with
them.  On each side a function keeps that side's convention for complex gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..transforms.border import require_callable


def to_torch(f: Callable[..., Any], /, *, device: Any = None) -> Callable[..., Any]:
    """A function of PyTorch tensors, differentiable by PyTorch, that computes ``f`` and its gradients by xgrad.

    Parameters
    ----------
    f : callable
        A function of arrays, trees of arrays and anything else, written with xgrad's functions.
    device : str or Device, optional
        Where ``f`` computes.  By default on the tensors' own device: by NumPy (``"cpu"``) or CuPy (``"cuda:0"``).
        ``"torch:cpu"`` or ``"torch:cuda:0"`` leave the tensors to PyTorch's kernels.

    Returns
    -------
    callable
        Takes tensors where ``f`` takes arrays, positional or by keyword, and returns tensors on their device.  One
        call is one ``torch.autograd.Function``; with ``create_graph=True`` its backward is recorded too, for every
        order.  Tensors changed in place between forward and backward are PyTorch's usual error.

    Raises
    ------
    ImportError
        Without PyTorch.

    Examples
    --------
    >>> import torch
    >>> import xgrad as xg
    >>> loss = xg.bridges.to_torch(lambda x: xg.sum(xg.log1p(x**2)))
    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> loss(x).backward()
    >>> x.grad
    tensor([1.0000, 0.8000], dtype=torch.float64)
    """
    require_callable("to_torch", f)
    from .torch import exported

    return exported(f, device)


def from_torch(f: Callable[..., Any], /) -> Callable[..., Any]:
    """An xgrad function that computes ``f``, a function of PyTorch tensors, and its gradients by PyTorch.

    Parameters
    ----------
    f : callable
        A function of tensors, trees of tensors and anything else.  What is differentiated must be an argument: the
        parameters of a ``torch.nn.Module`` are, by ``torch.func.functional_call``.

    Returns
    -------
    callable
        Takes Tensors or arrays where ``f`` takes tensors.  NumPy arrays go to PyTorch's CPU, CuPy arrays to the same
        GPU; results come back to the device of the first of them.

    Raises
    ------
    ImportError
        Without PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import xgrad as xg
    >>> norm = xg.bridges.from_torch(torch.linalg.norm)
    >>> xg.grad(norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    require_callable("from_torch", f)
    from .torch import LIBRARY

    return LIBRARY.imported(f)


def to_jax(f: Callable[..., Any], /) -> Callable[..., Any]:
    """A function of JAX arrays, differentiable by JAX, whose gradients are xgrad's: a ``jax.custom_vjp``.

    Parameters
    ----------
    f : callable
        A function of arrays, trees of arrays and anything else, written with xgrad's functions.  It computes on JAX's
        arrays, so ``jax.jit`` and ``jax.vmap`` work as usual.

    Returns
    -------
    callable
        Takes JAX arrays, positional or by keyword, and returns them.  The backward pass calls ``f`` again, which
        ``jax.jit`` merges with the first call.  Forward mode (``jax.jvp``) does not pass a ``jax.custom_vjp``.

    Raises
    ------
    ImportError
        Without JAX.

    Examples
    --------
    >>> import jax
    >>> import xgrad as xg
    >>> loss = xg.bridges.to_jax(lambda x: xg.sum(xg.log1p(x**2)))
    >>> float(jax.grad(loss)(1.0))
    1.0
    """
    require_callable("to_jax", f)
    from .jax import exported

    return exported(f)


def from_jax(f: Callable[..., Any], /) -> Callable[..., Any]:
    """An xgrad function that computes ``f``, a function of JAX arrays, and its gradients by JAX.

    Parameters
    ----------
    f : callable
        A function of JAX arrays, trees of arrays and anything else.  It may be compiled: ``from_jax(jax.jit(f))``.

    Returns
    -------
    callable
        Takes Tensors or arrays where ``f`` takes JAX arrays.  NumPy arrays go to JAX's CPU, CuPy arrays to its GPU;
        results come back to the device of the first of them.

    Raises
    ------
    ImportError
        Without JAX.
    TypeError
        For float64 or complex128 while JAX has 64 bits switched off.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> import xgrad as xg
    >>> norm = xg.bridges.from_jax(jnp.linalg.norm)
    >>> xg.grad(norm)(np.array([3.0, 4.0], dtype=np.float32))
    array([0.6, 0.8], dtype=float32)
    """
    require_callable("from_jax", f)
    from .jax import LIBRARY

    return LIBRARY.imported(f)
