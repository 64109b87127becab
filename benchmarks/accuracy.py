"""The examples trained to the end, here and in PyTorch eager: ``python -m benchmarks.accuracy``.

Each example's own training runs twice, from the same first weights, on the same batches and by the same schedule: with
its steps, and with steps of PyTorch's network by PyTorch's optimiser, whose weights ours then takes on.  Both results
are measured by the example itself, on what it held out.  Dropout is off: no two libraries draw the same numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import xgrad as xg
from xgrad import nn

from . import examples
from .examples import Pair

# Training, and what was reached --------------------------------------------------------------------------------------


def digits(pair: Pair, kind: str, epochs: int = 12) -> float:
    """The share of the images held out that is recognised."""
    parts = pair.code.load_data(0)
    pair.code.train(pair.our_network, SimpleNamespace(model=kind, device="cpu", epochs=epochs, seed=0), *parts)
    return pair.code.measured(pair.our_network, *map(xg.asarray, parts[1]))[1]


def vae(pair: Pair, epochs: int = 80) -> float:
    """Bits per held-out pixel."""
    data, random = pair.code.load_data(None, 0), xg.random.default_rng(0)
    pair.code.train(pair.our_network, data, SimpleNamespace(device="cpu", epochs=epochs, seed=0), random)
    return float(np.mean([pair.code.held_out_bits(pair.our_network, data, random) for _ in range(pair.code.DRAWS)]))


def physics(pair: Pair, steps: int = 200, rounds: int = 10) -> float:
    """The distance from the exact solution, relative to its norm."""
    code, points = pair.code, pair.code.grid()
    code.train(pair.our_network, xg.random.default_rng(0), steps, rounds, code.POINTS, lambda: float("nan"))
    return code.relative_error(code.values(pair.our_network, points, "cpu"), code.exact(points))


def text(pair: Pair, steps: int = 2000) -> float:
    """Bits per held-out character."""
    (codes, held), _ = characters(pair.code)
    pair.code.train(pair.our_network, codes, held[: 4 * pair.code.CONTEXT + 1], steps, 0, "cpu")
    return float(pair.code.bits(pair.our_network, held, "cpu").mean())


def characters(code: Any) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """The characters to learn from and those held out, by number, and how many different ones there are."""
    found = code.topics()
    parts = xg.data.train_test_split(list(found), test_size=0.12, generator=0)
    learned, held = ("".join(map(found.get, part)) for part in parts)
    vocabulary = xg.data.Vocabulary(learned + held)
    return (vocabulary.encode(learned), vocabulary.encode(held)), len(vocabulary)


# name -> what is measured, the pair with its first weights, and the training
TRAININGS: dict[str, tuple[str, Callable[[], Pair], Callable[[Pair], float]]] = {
    "digits-mlp": ("recognised", lambda: examples.digits("mlp", "cpu"), lambda pair: digits(pair, "mlp")),
    "digits-conv": ("recognised", lambda: examples.digits("conv", "cpu"), lambda pair: digits(pair, "conv")),
    "vae": ("bits per pixel", lambda: examples.vae("cpu"), vae),
    "physics": ("relative error", lambda: examples.physics("cpu"), physics),
    "text": ("bits per character", lambda: examples.text("cpu", characters(examples.example("text"))[1]), text),
}


# In PyTorch -----------------------------------------------------------------------------------------------------------


def in_pytorch(pair: Pair) -> Pair:
    """The pair with steps of training that PyTorch makes, by its network and optimiser; ours takes on the weights."""
    import torch

    theirs, optimiser = pair.their_network, pair.their_optimiser

    def take_weights() -> None:
        weights = {name: value.detach().numpy() for name, value in theirs.state_dict().items()}
        pair.our_network.load_state_dict(weights)

    def tensors(batch: tuple[xg.Tensor, ...]) -> list[Any]:
        return [torch.tensor(a.numpy()) for a in batch]

    def train_step(network: nn.Module, ours: xg.optim.Optimizer, *batch: xg.Tensor) -> xg.Tensor:
        options = ours.param_groups[0]  # as the schedule has set them
        optimiser.param_groups[0].update({name: options[name] for name in ("lr", "betas", "eps", "weight_decay")})
        loss = pair.theirs(*tensors(batch))
        take_weights()
        return xg.asarray(loss.numpy())

    class LBFGS:
        """PyTorch's, for the closures of physics.py: the batch is what they have for a default argument."""

        def __init__(self, params: Any, **options: Any):
            self.theirs = torch.optim.LBFGS(theirs.parameters(), **options)

        def step(self, closure: Any) -> None:
            def loss() -> Any:
                self.theirs.zero_grad()
                found = pair.their_loss(theirs, *tensors(closure.__defaults__[0]))
                found.backward()
                return found

            self.theirs.step(loss)
            take_weights()

    pair.code.train_step = train_step
    pair.code.optim = SimpleNamespace(**{name: getattr(xg.optim, name) for name in dir(xg.optim)})
    pair.code.optim.LBFGS = LBFGS
    return pair


def main(argv: list[str] | None = None) -> int:
    """Train, and print a table; 2 when PyTorch is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="EXAMPLE", help=f"{', '.join(TRAININGS)} (default: all)")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in TRAININGS]
    if unknown:
        parser.error(f"unknown example: {', '.join(unknown)}")
    try:
        import torch  # noqa: F401  (asked for before anything is trained)
    except ImportError as error:
        print(f"benchmarks.accuracy: {error}", file=sys.stderr)
        return 2
    print("| example | measured | xgrad | PyTorch eager |\n| --- | --- | ---: | ---: |", flush=True)
    for name in args.names or TRAININGS:
        unit, pair, train = TRAININGS[name]
        print(f"| {name} | {unit} | {train(pair()):.4f} | {train(in_pytorch(pair())):.4f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
