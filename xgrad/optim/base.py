"""Optimizer: parameter groups, flat lists, and a step that waits for nothing.

A subclass writes two short methods: ``slots``, what is remembered of every element, and ``update``, what a step takes
from the parameters.  Both know only vectors; groups, weight decay, steps that must not happen, and saving are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import xgrad as xg

from .checks import CHECKS, at_least_0
from .counts import counted, on_device
from .flat import Flat, flat_lists, joined


class Optimizer:
    """What all optimisers share.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        Leaves of floating dtype with ``requires_grad``, each once, such as ``model.parameters()``.  Or groups of them:
        ``{"params": [...], "lr": 0.1}``, where a group has options of its own.
    options : dict
        The options of groups that have none of their own, by name; ``lr`` and ``weight_decay`` among them.

    Attributes
    ----------
    param_groups : list of dict
        The groups: ``"params"`` and every option.  Options may be changed between steps.

    Raises
    ------
    TypeError
        When ``params`` is no iterable of floating Tensors or of groups, or a group has an option of an unknown name.
    ValueError
        When ``params`` is empty, names a Tensor twice or one that is no leaf, or an option is out of range.

    Notes
    -----
    ``step()`` records nothing, replaces each parameter's value in place and keeps its dtype and device.  A parameter
    without a gradient is left alone, with all that is remembered of it.  Parameters of one group, dtype and device are
    updated as one vector; on a CPU a large one is by itself.  No value is read back to the host.

    Where ``decoupled``, ``lr * weight_decay`` times the parameter is taken from it in every step; else ``weight_decay``
    times the parameter is added to its gradient.

    Examples
    --------
    An optimiser of one's own, which steps by the sign of the gradient:

    >>> import xgrad as xg
    >>> class SignDescent(xg.optim.Optimizer):
    ...     def __init__(self, params, lr=0.1):
    ...         super().__init__(params, {"lr": lr})
    ...
    ...     def update(self, g, state, group, step):
    ...         return group["lr"] * xg.sign(g)
    >>> x = xg.Tensor([1.0, -2.0])
    >>> (x**2).sum().backward()
    >>> SignDescent([x]).step()
    >>> x
    Tensor([ 0.9, -1.9])
    """

    kinds: tuple[str, ...] = ("real floating",)
    decoupled = False

    def __init__(self, params: Iterable[Any], options: Mapping[str, Any]):
        name = type(self).__name__
        if isinstance(params, xg.Tensor | Mapping) or not isinstance(params, Iterable):
            raise TypeError(
                f"{name}: params must be an iterable of Tensors; got one {type(params).__name__}. "
                "Use [p], or [group] for a dict."
            )
        self.defaults = dict(options)
        self.param_groups: list[dict[str, Any]] = []
        self._flats: list[list[Flat] | None] = []  # per group; None until its first step, so that it may still move
        given = list(params)
        if not given:
            raise ValueError(f"{name}: params is empty; got no Tensor. Pass model.parameters().")
        groups = given if isinstance(given[0], Mapping) else [{"params": given}]
        self.check(self.defaults)
        for group in groups:
            self.add_param_group(group)

    # What a subclass writes -----------------------------------------------------------------------------------------

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """What is remembered of every element in this group: names, and the value each starts with."""
        return {}

    def update(
        self, g: xg.Tensor, state: dict[str, xg.Tensor], group: dict[str, Any], step: int | xg.Tensor
    ) -> xg.Tensor:
        """What this step takes from the parameters.

        Parameters
        ----------
        g : Tensor, shape (n,)
            The gradients of n elements.
        state : dict of str to Tensor, shape (n,)
            What is remembered of them, by the names of ``slots``.  To be replaced entry by entry, not written into.
        group : dict
            The options.
        step : int or 0-d Tensor
            The number of this step, from 1; a Tensor of the dtype of ``g`` where only the device knows.
        """
        raise NotImplementedError(
            f"{type(self).__name__}: update is not written. Define update(self, g, state, group, step)."
        )

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise when an option is out of range."""
        for name, value in options.items():
            if name in CHECKS:
                CHECKS[name](type(self).__name__, name, value)

    # Groups ---------------------------------------------------------------------------------------------------------

    @property
    def params(self) -> list[xg.Tensor]:
        """The parameters of all groups."""
        return [p for group in self.param_groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate, where all groups have the same; setting it sets that of every group."""
        rates = {group["lr"] for group in self.param_groups}
        if len(rates) > 1:
            raise ValueError(
                f"{type(self).__name__}: the groups have different learning rates; got {sorted(rates)}. "
                "Read optimizer.param_groups[i]['lr']."
            )
        return rates.pop()

    @lr.setter
    def lr(self, value: float) -> None:
        at_least_0(type(self).__name__, "lr", value)
        for group in self.param_groups:
            group["lr"] = value

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own, such as layers that thaw during training.

        Parameters
        ----------
        group : dict
            ``"params"``, a Tensor or several, and options; those not given are the optimiser's.

        Raises
        ------
        TypeError, ValueError
            See ``Optimizer``; nothing is added then.

        Examples
        --------
        >>> import xgrad as xg
        >>> optimizer = xg.optim.SGD([xg.Tensor([1.0])], lr=0.1)
        >>> optimizer.add_param_group({"params": [xg.Tensor([2.0])], "lr": 0.01})
        >>> [g["lr"] for g in optimizer.param_groups]
        [0.1, 0.01]
        """
        name = type(self).__name__
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(f'{name}: a group must be a dict with "params"; got {group!r}. Use {{"params": [...]}}.')
        unknown = group.keys() - self.defaults.keys() - {"params", "name", "initial_lr"}
        if unknown:
            raise TypeError(
                f"{name}: a group has an unknown option; got {', '.join(sorted(unknown))}. "
                f"It takes {', '.join(self.defaults)}."
            )
        params = [group["params"]] if isinstance(group["params"], xg.Tensor) else list(group["params"])
        self._check_params(params)
        full = {**self.defaults, **group, "params": params}
        self.check(full)
        self.param_groups.append(full)
        self._flats.append(None)

    def _check_params(self, params: list[Any]) -> None:
        name = type(self).__name__
        if not params:
            raise ValueError(f"{name}: params is empty; got no Tensor. Pass model.parameters().")
        for i, p in enumerate(params):
            if not isinstance(p, xg.Tensor):
                raise TypeError(f"{name}: params[{i}] must be a Tensor; got {type(p).__name__}. Use xgrad.Tensor(...).")
            if not p.is_leaf:
                what = "recorded result" if p.requires_grad else "constant"
                raise ValueError(
                    f"{name}: params[{i}] must be a leaf with requires_grad; got a {what} of shape {p.shape}. "
                    "Make it with xgrad.Tensor(...)."
                )
            if not xg.isdtype(p.dtype, self.kinds):
                raise TypeError(f"{name}: params[{i}] must be {' or '.join(self.kinds)}; got {p.dtype}. Use float32.")
        every = [*self.params, *params]
        if len({id(p) for p in every}) < len(every):
            raise ValueError(f"{name}: params names a Tensor twice; got {len(every)} of them. Pass each once.")

    # Steps ----------------------------------------------------------------------------------------------------------

    def step(
        self,
        closure: Callable[[], Any] | None = None,
        *,
        found_inf: xg.Tensor | None = None,
        grad_scale: xg.Tensor | None = None,
    ) -> Any:
        """Change every parameter that has a gradient, by the rule of this optimiser.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients first.
        found_inf : Tensor of bool, 0-d, optional
            Where it is true, parameters and all that is remembered keep their values.  It stays on its device, so a
            loss scaler skips a step without waiting for it.
        grad_scale : Tensor, 0-d, optional
            What the gradients are divided by first.

        Returns
        -------
        object
            What the closure returned.

        Raises
        ------
        TypeError
            When ``found_inf`` or ``grad_scale`` is no 0-d Tensor.
        ValueError
            When a gradient has not the shape of its parameter.
        """
        for name, value in (("found_inf", found_inf), ("grad_scale", grad_scale)):
            if value is not None and not (isinstance(value, xg.Tensor) and value.ndim == 0):
                raise TypeError(
                    f"{type(self).__name__}.step: {name} must be a 0-d Tensor; got {type(value).__name__}. "
                    f"Use xgrad.asarray({name})."
                )
        loss = None if closure is None else closure()
        with xg.no_grad():
            for flat, group, grads in self._reached():
                self._advance(flat, group, grads, found_inf, grad_scale)
        return loss

    def _reached(self) -> list[tuple[Flat, dict[str, Any], list[xg.Tensor]]]:
        """The flat lists with gradients, and those; a list only some of whose tensors have any is divided first."""
        reached = []
        for number, group in enumerate(self.param_groups):
            params = group["params"]
            flats = self._flats[number] or [Flat([params[i] for i in places]) for places in flat_lists(params)]
            kept = self._flats[number] = []
            for flat in flats:
                grads = [p.grad for p in flat.tensors]
                has = [g is not None for g in grads]
                parts = [flat] if all(has) or not any(has) else flat.divided(has)
                kept += parts
                if any(has):
                    reached.append((parts[0], group, [g for g in grads if g is not None]))
        return reached

    def _advance(
        self, flat: Flat, group: dict[str, Any], grads: list[xg.Tensor], found_inf: Any, grad_scale: Any
    ) -> None:
        """One step of a flat list."""
        g = self._direction(flat, group, grads, found_inf, grad_scale)
        p = flat.join(flat.tensors)
        flat.state = state = {
            name: flat.state[name] if name in flat.state else xg.full_like(g, value)
            for name, value in self.slots(group).items()
        }
        before = None if found_inf is None else dict(state)  # else the rule frees what it replaces
        count = flat.step + 1 if found_inf is None else on_device(flat.step, g.device) + 1
        number = count if isinstance(count, int) else xg.astype(count, g.real.dtype)
        new = self.moved(p, g, state, group, number)
        if before is not None:
            skip = found_inf.to(g.device) != 0
            new = xg.where(skip, p, new)
            flat.state = {name: xg.where(skip, before[name], value) for name, value in state.items()}
            count = xg.where(skip, count - 1, count)
        flat.step = count
        for tensor, part in zip(flat.tensors, flat.split(new), strict=True):
            tensor.set_(part)

    def moved(
        self, p: xg.Tensor, g: xg.Tensor, state: dict[str, xg.Tensor], group: dict[str, Any], step: Any
    ) -> xg.Tensor:
        """The parameters after a step, as one vector; by ``update``, if a rule has nothing better."""
        decay = group.get("weight_decay", 0.0)
        if decay and not self.decoupled:
            g = g + decay * p
        change = self.update(g, state, group, step)
        return p - (change + (group["lr"] * decay) * p if decay and self.decoupled else change)

    def _direction(
        self, flat: Flat, group: dict[str, Any], grads: list[xg.Tensor], found_inf: Any, grad_scale: Any
    ) -> xg.Tensor:
        """The gradients as one vector that points uphill, or downhill for ``maximize``."""
        for p, g in zip(flat.tensors, grads, strict=True):
            if g.shape != p.shape:
                raise ValueError(
                    f"{type(self).__name__}.step: a gradient to subtract must have the shape of its parameter; "
                    f"got {g.shape} for {p.shape}. Let backward() set p.grad."
                )
        vector = flat.join(grads)
        if grad_scale is not None:
            vector = vector / xg.astype(grad_scale.to(vector.device), vector.real.dtype)
        if found_inf is not None:  # zeros where the step will not happen, so that no rule meets an infinity
            vector = xg.where(found_inf.to(vector.device) != 0, 0.0, vector)
        return -vector if group.get("maximize") else vector

    def zero_grad(self) -> None:
        """Drop every gradient (None, not zeros).

        ``backward()`` replaces the gradients it reaches, so this is needed only after ``backward(zero_grad=False)`` and
        for parameters that the next loss may not reach.
        """
        for p in self.params:
            p.grad = None

    # Saving and loading ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> list[dict[str, Any]]:
        """What is remembered of every parameter, in its shape, in the order of ``params``: constants."""
        found: list[dict[str, Any]] = []
        for group, flats in zip(self.param_groups, self._flats, strict=True):
            of = {id(p): s for flat in flats or [] for p, s in zip(flat.tensors, flat.states(), strict=True)}
            found += [of.get(id(p), {}) for p in group["params"]]
        return found

    def state_dict(self) -> dict[str, Any]:
        """All that a later run needs to go on exactly as this one would, apart from the parameters themselves.

        Returns
        -------
        dict
            ``"state"``: by the number of a parameter, a dict of ``"step"`` and Tensors of its shape, on its device.
            ``"param_groups"``: the options of every group, and ``"params"``, the numbers of its parameters.  The names
            are PyTorch's.  Later steps do not change the Tensors.

        Examples
        --------
        >>> import xgrad as xg
        >>> x = xg.Tensor([1.0, 2.0])
        >>> optimizer = xg.optim.SGD([x], lr=0.5, momentum=0.9)
        >>> x.sum().backward()
        >>> optimizer.step()
        >>> optimizer.state_dict()["state"]
        {0: {'step': 1, 'momentum_buffer': Tensor([1., 1.])}}
        """
        numbers = iter(range(len(self.params)))
        groups = [{**group, "params": [next(numbers) for _ in group["params"]]} for group in self.param_groups]
        return {"state": {i: s for i, s in enumerate(self.state) if s}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where another optimiser of the same kind stood.

        Parameters
        ----------
        state_dict : dict
            What ``state_dict()`` gave, its arrays as Tensors or as read from a file, on any device.  They are copied.

        Raises
        ------
        ValueError
            When the groups, the shapes or the names do not fit; nothing is changed then.

        Examples
        --------
        >>> import xgrad as xg
        >>> a = xg.optim.SGD([xg.Tensor([1.0, 2.0])], lr=0.5)
        >>> b = xg.optim.SGD([xg.Tensor([1.0, 2.0])], lr=0.1)
        >>> b.load_state_dict(a.state_dict())
        >>> b.lr
        0.5
        """
        groups = [
            {**mine, **_as_they_were(saved), "params": mine["params"]}
            for mine, saved in zip(self.param_groups, self._matching(state_dict["param_groups"]), strict=True)
        ]
        for group in groups:
            self.check(group)
        states = {int(i): state for i, state in state_dict["state"].items()}
        flats, first = [], 0
        for group in groups:
            count = len(group["params"])
            flats.append(self._restored(group, [states.get(i, {}) for i in range(first, first + count)], first))
            first += count
        for mine, group in zip(self.param_groups, groups, strict=True):
            mine.update(group)
        self._flats = flats

    def _matching(self, saved: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        mine, theirs = ([len(g["params"]) for g in groups] for groups in (self.param_groups, saved))
        if mine != theirs:
            raise ValueError(
                f"load_state_dict: the groups must have {mine} parameters; got {theirs}. "
                "Make the optimiser with the groups it was saved with."
            )
        return saved

    def _restored(self, group: dict[str, Any], states: list[Mapping[str, Any]], first: int) -> list[Flat] | None:
        """Flat lists of a group, of parameters with these states; the first has this number."""
        if not any(states):
            return None
        params = group["params"]
        own = [self._own(p, group, s, first + i) for i, (p, s) in enumerate(zip(params, states, strict=True))]
        counts = [counted(state.get("step", 1) if state else 0) for state in states]  # PyTorch's SGD counts no steps
        flats = []
        for places in flat_lists(params, key=lambda i: (counts[i], bool(states[i]))):
            number, known = counts[places[0]]
            step = number if known else on_device(number, params[places[0]].device)
            flats.append(joined([params[i] for i in places], [own[i] for i in places], step))
        return flats

    def _own(self, p: xg.Tensor, group: dict[str, Any], state: Mapping[str, Any], number: int) -> dict[str, xg.Tensor]:
        """The arrays of a parameter's saved state, checked and copied to where the parameter is."""
        names, got = sorted(self.slots(group)) if state else [], sorted(state.keys() - {"step"})
        if names != got:
            raise ValueError(
                f"load_state_dict: what is remembered of parameter {number} must be {', '.join(names) or 'nothing'}; "
                f"got {', '.join(got) or 'nothing'}. Load the state of a {type(self).__name__} with the same options."
            )
        own = {name: xg.asarray(state[name], dtype=p.dtype, device=p.device, copy=True) for name in names}
        for name, value in own.items():
            if value.shape != p.shape:
                raise ValueError(
                    f"load_state_dict: {name} of parameter {number} must have shape {p.shape}; got {value.shape}. "
                    "Build the model with the sizes it was saved with."
                )
        return own


def _as_they_were(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a group; files turn tuples into lists."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}
