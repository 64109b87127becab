"""Rounds of measurements, and the checks before them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from .peers import LackingError, Peer, Step
from .tasks import Arrays, Task


class WrongGradientError(ValueError):
    """A contender's value or gradient is not the hand-written one; it is not timed."""


@dataclass
class Result:
    """What one task gave: per contender one value for each round, or why it was refused, or what it lacks."""

    name: str
    title: str
    unit: str
    limit: float | None = None
    ahead_of: tuple[str, ...] = ()
    values: dict[str, list[float]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)

    def median(self, contender: str) -> float | None:
        """Its median over the rounds, None when it has no values."""
        return median(self.values[contender]) if self.values.get(contender) else None

    @property
    def met(self) -> bool | None:
        """Whether xgrad meets the target; None when there is none, or what would decide it was not measured."""
        ours = self.median("xgrad")
        if "xgrad" in self.refused:
            return False
        if ours is None or (self.limit is None and not self.ahead_of):
            return None
        others = [self.median(name) for name in self.ahead_of if name not in self.lacking]
        over = self.limit is not None and ours > self.limit
        if over or any(other is not None and ours >= other for other in others):
            return False
        return None if None in others else True


def check_by_differences(task: Task, seed: int = 0) -> None:
    """Compare the hand-written gradient with a central difference along a random direction, small and in float64."""
    rng = np.random.default_rng(seed)
    params, data = task.small(rng)
    params = [p.astype(np.float64) for p in params]
    data = [d.astype(np.float64) if d.dtype.kind == "f" else d for d in data]
    ways = [rng.standard_normal(p.shape) / sum(p.size for p in params) ** 0.5 for p in params]  # about of length 1

    def loss(distance: float) -> float:
        value, _ = task.hand(np, [p + distance * v for p, v in zip(params, ways, strict=True)], data)
        return float(value if task.kind == "loss" else np.vdot(value, data[-1]))

    _, grads = task.hand(np, params, data)
    exact = sum(float(np.vdot(g, v)) for g, v in zip(grads, ways, strict=True))
    h = 1e-4
    estimate = (loss(h) - loss(-h)) / (2 * h)
    if not abs(exact - estimate) <= 1e-5 * abs(estimate) + 1e-8:
        raise WrongGradientError(f"{task.name}: the hand-written gradient gives {exact}, differences give {estimate}.")


def check(peer: Peer, step: Step, value: np.ndarray, grads: Arrays) -> None:
    """Compare one step of a contender with the reference ``value`` and ``grads``; WrongGradientError if it differs."""
    its_value, its_grads = step()
    if len(its_grads) != len(grads):
        raise WrongGradientError(f"{len(its_grads)} gradients instead of {len(grads)}")
    for i, (have, want) in enumerate(zip([its_value, *its_grads], [value, *grads], strict=True)):
        if i == 0 and have is None:
            continue
        what = f"gradient {i - 1}" if i else "the value"
        have, want = peer.numpy(have), np.asarray(want)
        if have.shape != want.shape:
            raise WrongGradientError(f"{what} has the shape {have.shape} instead of {want.shape}")
        far = np.linalg.norm((have - want).ravel()) / (np.linalg.norm(want.ravel()) or 1)
        if not far <= (1e-10 if want.dtype == np.float64 else 5e-4):
            raise WrongGradientError(f"{what} is off by {far:.1e} of its norm")


def seconds(peer: Peer, step: Step, number: int) -> float:
    """Time of one step, from ``number`` of them; one before it is not timed, so caches and threads are its own."""
    peer.wait(step())
    start = time.perf_counter()
    for _ in range(number):
        result = step()
    peer.wait(result)
    return (time.perf_counter() - start) / number


def compare(
    task: Task,
    peers: Mapping[str, Peer],
    reference: str = "hand",
    rounds: int = 9,
    sample: float = 0.05,
    progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """Measure every peer in turn in every round, each for about ``sample`` seconds; ratios to ``reference``."""
    check_by_differences(task)
    params, data = task.arrays(np.random.default_rng(0))
    value, grads = task.hand(np, params, data)
    result = Result(task.name, task.title, f"x {reference}", task.limit, task.ahead_of)
    steps: dict[str, tuple[Peer, Step, int]] = {}
    for name, peer in peers.items():
        try:
            step = peer.step(task, params, data)
            check(peer, step, value, grads)
        except LackingError as error:
            result.lacking[name] = str(error)
            continue
        except WrongGradientError as error:
            result.refused[name] = str(error)
            continue
        except Exception as error:  # one library that fails must not end the measurement of the others
            result.refused[name] = f"{type(error).__name__}: {error}"
            continue
        steps[name] = (peer, step, max(1, round(sample / seconds(peer, step, 1))))
    if reference not in steps:
        raise WrongGradientError(f"{task.name}: the reference {reference} is missing: {result.refused.get(reference)}")
    names = list(steps)
    result.values = {name: [] for name in names}
    gc.collect()
    gc.freeze()  # what was there before is not searched again, so the collector costs each what it makes itself
    for r in range(rounds):
        progress(f"{task.name}: round {r + 1} of {rounds}")
        turn = r % len(names)
        times = {}
        for name in names[turn:] + names[:turn]:
            gc.collect()
            times[name] = seconds(*steps[name])
        for name in names:
            result.values[name].append(times[name] / times[reference])
    gc.unfreeze()
    return result
