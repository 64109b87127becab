"""Module: what every layer and model is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import xgrad as xg

from .holding import BUFFER, FROZEN, PARAMETER, TRANSIENT, Holder, kind, parts, pin, walk

M = TypeVar("M", bound="Module")

SAVED = (PARAMETER, FROZEN, BUFFER)


class Mismatch(NamedTuple):
    """What ``load_state_dict(strict=False)`` left alone: names that the state lacked, and names that it alone had."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Holder):
    """A part of a model: its attributes hold parameters and other modules, ``forward`` computes.

    Write a subclass with ``forward``.  There is nothing to register and no ``super().__init__()`` to call.  What an
    attribute holds says what it is: a Module is a part; a Tensor is a *parameter* when it is a leaf that requires a
    gradient, and a *buffer*, state that no gradient changes, when it is a constant; a recorded result is neither.  All
    are also found in lists, tuples and dicts.  A name is a path: ``"layers.0.weight"``.

    A module is a tree (see ``xgrad.pytree``) whose leaves are its parameters: ``grad(loss)(model, x)`` is a module of
    the same kind that holds the gradients, and ``tree_map(lambda p, g: p - 0.1 * g, model, gradients)`` one with other
    parameters.  All but the parameters is shared with the module that it was made from, buffers included: what a
    forward pass writes into a buffer (the running statistics of a batch norm) reaches the model also from inside a
    transform.  An attribute that ``forward`` assigns anew is one of the copy, and gone with it.

    Parameters are leaves of the tape of ``backward()`` too, so gradients by transform are recorded there.  A loop of
    functional steps runs inside ``no_grad()``, which switches off only that.

    Attributes
    ----------
    training : bool
        What ``train()`` and ``eval()`` set, on this module and on all its parts; for layers that behave differently.

    Examples
    --------
    >>> import xgrad as xg
    >>> class Line(xg.nn.Module):
    ...     def __init__(self):
    ...         self.slope = xg.Tensor(2.0)
    ...         self.offset = xg.Tensor(1.0)
    ...
    ...     def forward(self, x):
    ...         return self.slope * x + self.offset
    >>> line = Line()
    >>> float(line(3.0))
    7.0
    >>> [name for name, _ in line.named_parameters()]
    ['slope', 'offset']
    >>> with xg.no_grad():
    ...     gradients = xg.grad(lambda line, x: line(x) ** 2)(line, 3.0)
    >>> gradients.slope, gradients.offset
    (Tensor(42.), Tensor(14.))
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of this module; what a subclass writes."""
        raise NotImplementedError(f"{type(self).__name__}: forward is not written. Define forward(self, x).")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``forward`` of the same arguments."""
        return self.forward(*args, **kwargs)

    # Saving and loading ---------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, xg.Tensor]:
        """Every parameter and persistent buffer by name: constants that later training does not change, on its device.

        Examples
        --------
        >>> import xgrad as xg
        >>> {name: value.shape for name, value in xg.nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: value.detach() for name, value in self._named(*SAVED)}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Mismatch:
        """Take the values that ``state_dict`` gave, as Tensors or as arrays read from a file.

        Parameters
        ----------
        state : mapping of str to array
            One array per name of ``state_dict()``, of the same shape and dtype, on any device.  They are copied.
        strict : bool
            Whether the names must be the same.  If not, those that both have are loaded.

        Returns
        -------
        Mismatch
            The lists ``missing_keys`` and ``unexpected_keys``; empty when strict.

        Raises
        ------
        ValueError
            When names are missing or unknown, or a shape differs; nothing is changed then.
        TypeError
            When a dtype differs; nothing is changed then.

        Examples
        --------
        >>> import xgrad as xg
        >>> a, b = xg.nn.Linear(3, 2), xg.nn.Linear(3, 2)
        >>> b.load_state_dict(a.state_dict())
        Mismatch(missing_keys=[], unexpected_keys=[])
        >>> bool((a.weight == b.weight).all())
        True
        """
        mine = dict(self._named(*SAVED))
        missing, unknown = [n for n in mine if n not in state], [n for n in state if n not in mine]
        if strict and (missing or unknown):
            facts = "; ".join(f"{w} {', '.join(n)}" for w, n in (("missing", missing), ("unknown", unknown)) if n)
            raise ValueError(
                f"load_state_dict: the names are not those of this {type(self).__name__}; got {facts}. "
                "Load the state of a model built the same way, or pass strict=False."
            )
        new = {name: xg.asarray(state[name]) for name in mine if name in state}
        for name, value in new.items():
            old = mine[name]
            if value.shape != old.shape:
                raise ValueError(
                    f"load_state_dict: {name} must have shape {old.shape}; got {value.shape}. "
                    "Build the model with the sizes it was saved with."
                )
            if value.dtype != old.dtype:
                raise TypeError(
                    f"load_state_dict: {name} must have dtype {old.dtype}; got {value.dtype}. "
                    "Convert the array with astype, or build the model with that dtype."
                )
        with xg.no_grad():
            for name, value in new.items():
                mine[name][...] = value.detach().to(mine[name].device)
        return Mismatch(missing, unknown)

    # Where it is and how it behaves ---------------------------------------------------------------------------------

    def to(self: M, device: Any = None, dtype: Any = None) -> M:
        """Move every parameter and buffer to a device, convert the floating ones, in place, and return the module.

        The Tensors stay the same objects, so an optimiser made before the move still holds them (before its first step:
        what it remembers is not moved).  Gradients are dropped.

        Parameters
        ----------
        device : str or Device, optional
            Such as ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"torch:cpu"``.  A dtype is understood in this place too.
        dtype : dtype, optional
            A floating dtype; Tensors of integers keep theirs.

        Raises
        ------
        DeviceError
            When the device is not there; nothing has moved then.
        TypeError
            When the dtype is not floating, or a transform watches the parameters.

        Examples
        --------
        >>> import xgrad as xg
        >>> xg.nn.Linear(3, 2).to("float64").weight.dtype
        dtype('float64')
        """
        if dtype is None and _is_dtype(device):
            device, dtype = None, device
        if dtype is not None and not xg.isdtype(dtype, "real floating"):
            raise TypeError(f"to: dtype must be real floating; got {dtype}. Use xg.float32 or xg.float64.")
        moved = []
        for _, old in self._named(*SAVED, TRANSIENT):
            new = old.detach() if device is None else old.detach().to(device)
            if dtype is not None and xg.isdtype(new.dtype, "real floating"):
                new = new.astype(dtype)
            moved.append((old, new))
        for old, new in moved:
            _become(old, new, old.requires_grad, "to")
        return self

    def requires_grad_(self: M, flag: bool = True) -> M:
        """Freeze every parameter, or free the frozen ones again, in place; returns the module.

        A frozen parameter is a constant: it is part of the state but not of ``parameters()``, so optimisers and
        transforms do not see it, and nothing is recorded for it.

        Examples
        --------
        >>> import xgrad as xg
        >>> model = xg.nn.Sequential(xg.nn.Linear(3, 2), xg.nn.Linear(2, 1))
        >>> model[0].requires_grad_(False)
        Linear(3, 2): 0 parameters, 8 frozen
        >>> [name for name, _ in model.named_parameters()]
        ['1.weight', '1.bias']
        """
        for held in [h for h in walk(self) if h.role in (PARAMETER, FROZEN)]:
            if flag != held.value.requires_grad:
                _become(held.value, held.value.detach(), flag, "requires_grad_")
                pin(held.owner, held.place, FROZEN)
        return self

    def zero_grad(self) -> None:
        """Drop every gradient (None, not zeros); needed only after ``backward(zero_grad=False)``."""
        for parameter in self.parameters():
            if parameter.requires_grad:
                parameter.grad = None

    def train(self: M, mode: bool = True) -> M:
        """Set ``training`` on this module and on every part of it; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """``train(False)``."""
        return self.train(False)

    def apply(self: M, function: Callable[[Module], Any]) -> M:
        """Call a function with every part below and then with this module; returns the module.

        Examples
        --------
        >>> import xgrad as xg
        >>> model = xg.nn.Sequential(xg.nn.Linear(3, 2), xg.nn.relu)
        >>> _ = model.apply(lambda module: print(type(module).__name__))
        Linear
        Sequential
        """
        for module in [*self.modules()][::-1]:
            function(module)
        return self

    # How it looks ---------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """What stands in the parentheses of ``repr``; for subclasses to fill in."""
        return ""

    def __repr__(self) -> str:
        return "\n".join(self._lines(set()))

    def _lines(self, above: set[int]) -> list[str]:
        name = type(self).__name__
        if id(self) in above:  # a part that points back at the whole
            return [f"{name}, see above"]
        described, counts = self.describe(), _counts(self)
        lines = [name + (f"({described})" if described else "") + (f": {counts}" if counts else "")]
        for name, part in parts(self):
            if isinstance(part, Module):
                first, *rest = part._lines({*above, id(self)})
                lines += [f"  {name}: {first}", *(f"  {line}" for line in rest)]
            elif callable(part):
                lines += [f"  {name}: {getattr(part, '__name__', type(part).__name__)}"]
        return lines


def _counts(module: Module) -> str:
    """How many numbers are trained and how many are frozen; nothing where there are none."""
    count, frozen = (
        sum(math.prod(getattr(value, "shape", ())) for _, value in module._named(role)) for role in (PARAMETER, FROZEN)
    )
    if not count + frozen:
        return ""
    return f"{count:,} parameter{'' if count == 1 else 's'}" + (f", {frozen:,} frozen" if frozen else "")


# Changing a Tensor in its place ---------------------------------------------------------------------------------------


def _become(old: xg.Tensor, new: xg.Tensor, trained: bool, function: str) -> None:
    """Give a Tensor another value, as a leaf or as a constant; it stays the same object."""
    if old.requires_grad and (old.node.level > 0 or not old.is_leaf):
        raise TypeError(
            f"{function}: a parameter is watched by a transform or was computed, and its gradient would be lost; got "
            f"{kind(old)}. Do it to the model outside."
        )
    new = xg.Tensor(new) if trained else new
    old.value, old.node = new.value, new.node  # what there is to a Tensor


def _is_dtype(value: Any) -> bool:
    try:
        xg.isdtype(value, "numeric")
    except TypeError:
        return False
    return True
