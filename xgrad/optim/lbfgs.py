"""LBFGS: curvature from the last few steps, and a line search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import xgrad as xg

from .base import Optimizer
from .flat import Flat
from .schedules import positive
from .wolfe import Point, strong_wolfe

_ARRAYS = ("d", "prev_flat_grad", "H_diag")
_LISTS = ("old_dirs", "old_stps", "ro")
_NUMBERS = ("func_evals", "n_iter", "t", "prev_loss")


class LBFGS(Optimizer):
    """Quasi-Newton steps, for smooth losses without noise: whole data sets, physics, fits.

    Liu and Nocedal, "On the limited memory BFGS method for large scale optimization" (1989); the line search finds a
    point of the strong Wolfe conditions (Nocedal and Wright, "Numerical optimization", 2006, section 3.5).

    Parameters
    ----------
    params : iterable of Tensor
        Leaves of real floating dtype, each once; one group, of one dtype, on one device.
    lr : float
        Length of a step along the direction, or what the line search begins with; at least 0.
    max_iter : int
        Iterations of one ``step()``.
    max_eval : int, optional
        Calls of the closure of one ``step()``; 5/4 of ``max_iter`` by default.
    tolerance_grad : float
        A step ends when no element of the gradient is larger.
    tolerance_change : float
        A step ends when neither a parameter nor the loss changes by more.
    history_size : int
        How many steps are remembered.
    line_search_fn : {None, "strong_wolfe"}
        Whether to search along the direction.

    Raises
    ------
    TypeError, ValueError
        See ``Optimizer``; also ValueError for groups, for several dtypes or devices, and for an unknown line search.

    Notes
    -----
    Where to stop and how far to go depends on values: unlike all other optimisers this one reads them, and the host
    waits for the device several times in every iteration.

    Examples
    --------
    >>> import xgrad as xg
    >>> x = xg.Tensor([-1.0, 2.0])
    >>> optimizer = xg.optim.LBFGS([x], max_iter=100, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> _ = optimizer.step(closure)
    >>> x.round(4)
    Tensor([1., 1.])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        options = {"lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(
            params, {**options, **tolerances, "history_size": history_size, "line_search_fn": line_search_fn}
        )
        self._memory: dict[str, Any] = {}

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise when an option is out of range."""
        super().check(options)
        positive("LBFGS", "max_iter", options["max_iter"])
        positive("LBFGS", "history_size", options["history_size"])
        if options["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                f"LBFGS: unknown line_search_fn; got {options['line_search_fn']!r}. Use None or 'strong_wolfe'."
            )

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Take the one group there is; another is a ValueError."""
        if self.param_groups:
            raise ValueError("LBFGS: there can be one group only; got another. Pass the parameters as one list.")
        super().add_param_group(group)
        places = {(p.dtype, p.device) for p in self.params}
        if len(places) > 1:
            raise ValueError(
                f"LBFGS: params must have one dtype and device; got {', '.join(f'{d} on {p}' for d, p in places)}. "
                "Make one optimiser for each."
            )

    def step(self, closure: Callable[[], Any] | None = None, *, found_inf: Any = None, grad_scale: Any = None) -> Any:
        """Up to ``max_iter`` iterations.

        Parameters
        ----------
        closure : callable
            Computes the loss and its gradients, and returns the loss; called at every point that is tried.
        found_inf, grad_scale : None
            Not served: a line search cannot skip.

        Returns
        -------
        object
            What the closure returned first.

        Raises
        ------
        TypeError
            When there is no closure, or ``found_inf`` or ``grad_scale`` is given.
        """
        if closure is None:
            raise TypeError("LBFGS.step: a closure is needed, since the loss is computed several times; got None.")
        if found_inf is not None or grad_scale is not None:
            raise TypeError("LBFGS.step: found_inf and grad_scale are not served. Use another optimiser with them.")
        run = _Run(closure, self.params)
        first, here = run.evaluate()
        self._memory = {"n_iter": 0, "func_evals": 0, **self._memory}
        self._memory["func_evals"] += 1
        if _largest(here.gradient) > self.param_groups[0]["tolerance_grad"]:
            self._iterate(run, here)
        return first

    def _iterate(self, run: _Run, here: Point) -> None:
        """Iterations from a point, until one of the reasons to stop."""
        group, memory = self.param_groups[0], self._memory
        evaluations = 1
        for iteration in range(1, group["max_iter"] + 1):
            memory["n_iter"] += 1
            d = self._direction_from(here.gradient)
            t = group["lr"] * (min(1.0, 1.0 / _size(here.gradient)) if memory["n_iter"] == 1 else 1.0)
            memory.update(d=d, t=t, prev_flat_grad=here.gradient, prev_loss=here.value)
            slope = _dot(here.gradient, d)
            if slope > -group["tolerance_change"]:
                return
            start = Point(0.0, here.value, here.gradient, slope)
            if group["line_search_fn"]:
                along = run.line(d)
                here, calls = strong_wolfe(along, start, t, _largest(d), group["tolerance_change"])
                along.move(here.t)
            else:
                run.line(d).move(t)
                if iteration == group["max_iter"]:  # nobody would look at the loss
                    return
                here, calls = run.evaluate()[1]._replace(t=t), 1
            evaluations += calls
            memory["t"] = here.t
            memory["func_evals"] += calls
            if (
                evaluations >= group["max_eval"]
                or _largest(here.gradient) <= group["tolerance_grad"]
                or _largest(d) * here.t <= group["tolerance_change"]
                or abs(here.value - start.value) < group["tolerance_change"]
            ):
                return

    def _direction_from(self, g: xg.Tensor) -> xg.Tensor:
        """The quasi-Newton direction at gradient ``g``, after taking in the last step."""
        memory = self._memory
        if memory["n_iter"] == 1:
            memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=xg.ones((), dtype=g.dtype, device=g.device))
            return -g
        y, s = g - memory["prev_flat_grad"], memory["d"] * memory["t"]
        curvature = xg.vecdot(y, s)
        if float(curvature) > 1e-10:
            for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / curvature)):
                memory[name] = [*memory[name], value][-self.param_groups[0]["history_size"] :]
            memory["H_diag"] = curvature / xg.vecdot(y, y)
        return _two_loops(-g, memory)

    # Saving and loading ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> list[dict[str, Any]]:
        """What is remembered, all with the first parameter; vectors are of all parameters together."""
        kept = {name: list(v) if isinstance(v, list) else v for name, v in self._memory.items()}
        return [kept, *({} for _ in self.params[1:])]

    def _restored(self, group: dict[str, Any], states: list[Mapping[str, Any]], first: int) -> list[Flat] | None:
        saved, p = states[0], group["params"][0]
        unknown = saved.keys() - {*_ARRAYS, *_LISTS, *_NUMBERS}
        if unknown:
            raise ValueError(
                f"load_state_dict: what is remembered must be that of LBFGS; got {', '.join(sorted(unknown))}. "
                "Load the state of an LBFGS."
            )

        def own(value: Any) -> xg.Tensor:
            return xg.asarray(value, dtype=p.dtype, device=p.device, copy=True)

        arrays = {name: own(saved[name]) for name in _ARRAYS if name in saved}
        lists = {name: [own(v) for v in saved[name]] for name in _LISTS if name in saved}
        count = sum(q.size for q in group["params"])
        if "d" in arrays and arrays["d"].shape != (count,):
            raise ValueError(
                f"load_state_dict: d must have one element per element of the parameters, {count}; "
                f"got shape {arrays['d'].shape}. Build the model with the sizes it was saved with."
            )
        self._memory = {name: saved[name] for name in _NUMBERS if name in saved} | arrays | lists
        return None


class _Run:
    """The parameters as one vector, and the loss there."""

    def __init__(self, closure: Callable[[], Any], params: list[xg.Tensor]):
        self.closure, self.flat = closure, Flat(params)

    def evaluate(self) -> tuple[Any, Point]:
        """What the closure returns here, and the loss and its gradient as a point."""
        loss = self.closure()
        with xg.no_grad():
            grads = [xg.zeros_like(p) if p.grad is None else p.grad for p in self.flat.tensors]
            return loss, Point(0.0, float(loss), xg.copy(self.flat.join(grads)), 0.0)

    def line(self, d: xg.Tensor) -> _Line:
        """The line from here along ``d``."""
        return _Line(self, d)


class _Line:
    """The line from where the parameters are, along ``d``; called, it is evaluated at a distance."""

    def __init__(self, run: _Run, d: xg.Tensor):
        self.run, self.d = run, d
        with xg.no_grad():
            self.start = xg.copy(run.flat.join(run.flat.tensors))

    def move(self, t: float) -> None:
        """Move the parameters to the distance ``t``."""
        flat = self.run.flat
        with xg.no_grad():
            for p, part in zip(flat.tensors, flat.split(self.start + t * self.d), strict=True):
                p[...] = part

    def __call__(self, t: float) -> Point:
        self.move(t)
        point = self.run.evaluate()[1]
        return point._replace(t=t, slope=_dot(point.gradient, self.d))


def _two_loops(q: xg.Tensor, memory: dict[str, Any]) -> xg.Tensor:
    """The inverse Hessian of what is remembered, times ``q``; nothing is read."""
    history = list(zip(memory["old_dirs"], memory["old_stps"], memory["ro"], strict=True))
    weights = []
    for y, s, rho in reversed(history):
        weights.append(xg.vecdot(s, q) * rho)
        q = q - weights[-1] * y
    r = q * memory["H_diag"]
    for (y, s, rho), weight in zip(history, reversed(weights), strict=True):
        r = r + s * (weight - xg.vecdot(y, r) * rho)
    return r


def _largest(x: xg.Tensor) -> float:
    return float(xg.max(xg.abs(x)))


def _size(x: xg.Tensor) -> float:
    return float(xg.sum(xg.abs(x)))


def _dot(x: xg.Tensor, y: xg.Tensor) -> float:
    return float(xg.vecdot(x, y))
