"""Functions as modules: activations and losses with their options kept, for ``Sequential`` and for PyTorch's habits."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import xgrad as xg

from . import activations, class_losses, losses
from .module import Module


class Wrapped(Module):
    """A function whose options are attributes, given by place or by name as the function takes them after its arrays.

    A subclass names the function.  An option that is a Tensor, such as the weights of classes, is a buffer.

    Raises
    ------
    TypeError
        When the function takes no such option.

    Examples
    --------
    >>> import xgrad as xg
    >>> xg.nn.LeakyReLU(0.2)
    LeakyReLU(negative_slope=0.2)
    >>> float(xg.nn.MSELoss(reduction="sum")(xg.asarray([1.0, 2.0]), xg.asarray([1.0, 4.0])))
    4.0
    """

    function: Callable[..., Any]

    def __init__(self, *args: Any, **options: Any):
        signature = inspect.signature(self.function)
        kept = [p for p in signature.parameters.values() if p.kind is not p.POSITIONAL_ONLY]
        try:
            bound = signature.replace(parameters=kept).bind(*args, **options)
        except TypeError as error:
            takes = ", ".join(str(p).partition(":")[0] for p in kept) or "no options"
            raise TypeError(f"{type(self).__name__}: {error}; it takes {takes}. Give only these.") from None
        self._options = tuple(bound.arguments)
        for name, value in bound.arguments.items():
            setattr(self, name, value.detach() if isinstance(value, xg.Tensor) else value)

    def forward(self, *arrays: Any) -> Any:
        """The function of the arrays, with the options."""
        return self.function(*arrays, **{name: getattr(self, name) for name in self._options})

    def describe(self) -> str:
        """The options that were given."""
        shown = {name: getattr(self, name) for name in self._options}
        return ", ".join(f"{n}={'...' if isinstance(v, xg.Tensor) else repr(v)}" for n, v in shown.items())


# Activations ----------------------------------------------------------------------------------------------------------


class ReLU(Wrapped):
    """``relu`` as a module."""

    function = staticmethod(activations.relu)


class LeakyReLU(Wrapped):
    """``leaky_relu`` as a module: ``LeakyReLU(negative_slope=0.01)``."""

    function = staticmethod(activations.leaky_relu)


class ELU(Wrapped):
    """``elu`` as a module: ``ELU(alpha=1.0)``."""

    function = staticmethod(activations.elu)


class GELU(Wrapped):
    """``gelu`` as a module: ``GELU(approximate="none")``."""

    function = staticmethod(activations.gelu)


class SiLU(Wrapped):
    """``silu`` as a module."""

    function = staticmethod(activations.silu)


class Softplus(Wrapped):
    """``softplus`` as a module: ``Softplus(beta=1.0, threshold=20.0)``."""

    function = staticmethod(activations.softplus)


class Tanh(Wrapped):
    """``tanh`` as a module."""

    function = staticmethod(activations.tanh)


class Sigmoid(Wrapped):
    """``sigmoid`` as a module."""

    function = staticmethod(activations.sigmoid)


class Softmax(Wrapped):
    """``softmax`` as a module: ``Softmax(axis=-1)``."""

    function = staticmethod(activations.softmax)


class LogSoftmax(Wrapped):
    """``log_softmax`` as a module: ``LogSoftmax(axis=-1)``."""

    function = staticmethod(activations.log_softmax)


class GLU(Wrapped):
    """``glu`` as a module: ``GLU(axis=-1)``."""

    function = staticmethod(activations.glu)


# Losses ---------------------------------------------------------------------------------------------------------------


class MSELoss(Wrapped):
    """``mse_loss`` as a module: ``MSELoss(reduction="mean")``."""

    function = staticmethod(losses.mse_loss)


class L1Loss(Wrapped):
    """``l1_loss`` as a module: ``L1Loss(reduction="mean")``."""

    function = staticmethod(losses.l1_loss)


class HuberLoss(Wrapped):
    """``huber_loss`` as a module: ``HuberLoss(reduction="mean", delta=1.0)``."""

    function = staticmethod(losses.huber_loss)


class CrossEntropyLoss(Wrapped):
    """``cross_entropy`` as a module; ``weight`` by place, the other options by name."""

    function = staticmethod(class_losses.cross_entropy)


class NLLLoss(Wrapped):
    """``nll_loss`` as a module; ``weight`` by place, the other options by name."""

    function = staticmethod(class_losses.nll_loss)


class BCELoss(Wrapped):
    """``binary_cross_entropy`` as a module; ``weight`` by place, ``reduction`` by name."""

    function = staticmethod(losses.binary_cross_entropy)


class BCEWithLogitsLoss(Wrapped):
    """``binary_cross_entropy_with_logits`` as a module; ``weight`` by place, the other options by name."""

    function = staticmethod(losses.binary_cross_entropy_with_logits)


class KLDivLoss(Wrapped):
    """``kl_div`` as a module: ``KLDivLoss(reduction="mean", log_target=False)``."""

    function = staticmethod(losses.kl_div)


class CosineSimilarity(Wrapped):
    """``cosine_similarity`` as a module: ``CosineSimilarity(axis=1, eps=1e-8)``."""

    function = staticmethod(losses.cosine_similarity)


class CosineEmbeddingLoss(Wrapped):
    """``cosine_embedding_loss`` as a module: ``CosineEmbeddingLoss(margin=0.0, reduction="mean")``."""

    function = staticmethod(losses.cosine_embedding_loss)
