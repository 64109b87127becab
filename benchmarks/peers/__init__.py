"""One small adapter for each library, all used as their own documentation advises."""

from __future__ import annotations

from collections.abc import Callable

from .autograd import Autograd
from .jax import Jax, JaxJit
from .mygrad import MyGrad
from .peer import Hand
from .peer import LackingError as LackingError
from .peer import Peer as Peer
from .peer import Step as Step
from .torch import Torch, TorchCompiled
from .xgrad import XGrad as XGrad

PEERS: dict[str, Callable[[str], Peer]] = {
    "hand": Hand,
    "xgrad": XGrad,
    "torch": Torch,
    "torch.compile": TorchCompiled,
    "autograd": Autograd,
    "mygrad": MyGrad,
    "jax": Jax,
    "jax.jit": JaxJit,
}
ON_CPU = ("torch", "autograd", "mygrad", "jax", "jax.jit")  # what xgrad is measured beside unless told otherwise
ON_GPU = ("hand", "torch", "torch.compile", "jax.jit")
EAGER_ON_GPU = ("jax",)  # measured there when asked for; the others cannot compute there
