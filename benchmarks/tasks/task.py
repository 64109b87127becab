"""What a task is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Arrays = list[np.ndarray]
Draw = Callable[[np.random.Generator], tuple[Arrays, Arrays]]


@dataclass(frozen=True)
class Task:
    """One computation, once for every library and once by hand.

    ``arrays`` draws (parameters, data), ``small`` the same at a size for tests.  ``forward`` gives a peer's value,
    ``hand`` the value and all gradients; it takes the array module (NumPy, or CuPy on a GPU).  What the value is, says
    ``kind``:

    - ``"loss"``: a scalar.
    - ``"layer"``: an array; the last of the data is its cotangent, which ``forward`` does not see.
    - ``"hessian"``: ``forward`` gives a loss of one parameter, ``hand`` its gradient and the product of its Hessian
      with a vector, which is the last of the data.

    ``limit`` is the largest ratio to the reference that meets the target, ``ahead_of`` names peers to be faster than;
    both are for xgrad on the CPU.
    """

    name: str
    title: str
    arrays: Draw
    small: Draw
    forward: Callable[[Any, list[Any], list[Any]], Any]
    hand: Callable[[Any, list[Any], list[Any]], tuple[Any, list[Any]]]
    limit: float | None = None
    kind: Literal["loss", "layer", "hessian"] = "loss"
    ahead_of: tuple[str, ...] = ("autograd", "mygrad")
