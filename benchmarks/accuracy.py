"""The examples trained to the end, here and in PyTorch eager: ``python -m benchmarks.accuracy``.

Each example's own training runs twice, from the same first weights, on the same batches and by the same schedule: with
its steps, and with steps of PyTorch's network by PyTorch's optimiser, whose weights ours then takes on.  Both results
are measured by the example itself, on what it held out.  Dropout is off: no two libraries draw the same numbers.
"""

from __future__ import annotations

import argparse
import importlib.util
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


def digits(pair: Pair, *words: str) -> float:
    """The share of the images held out that is recognised; ``words`` are those of the example's command line."""
    args = pair.code.options(list(words))
    parts = pair.code.load_data(args.seed)
    pair.code.train(pair.our_network, args, *parts)
    return pair.code.measured(pair.our_network, *map(xg.asarray, parts[1]))[1]


def mlp(pair: Pair, *words: str) -> float:
    """The same of the network without convolutions."""
    return digits(pair, "--model=mlp", *words)


def vae(pair: Pair, *words: str) -> float:
    """Bits per held-out pixel."""
    code, args = pair.code, pair.code.options(list(words))
    data, random = code.load_data(args.mnist, args.seed), xg.random.default_rng(args.seed)
    code.train(pair.our_network, data, args, random)
    return float(np.mean([code.held_out_bits(pair.our_network, data, random) for _ in range(code.DRAWS)]))


def physics(pair: Pair, *words: str) -> float:
    """The distance from the exact solution, relative to its norm."""
    code, args, points = pair.code, pair.code.options(list(words)), pair.code.grid()
    random = xg.random.default_rng(args.seed)
    code.train(pair.our_network, random, args.steps, args.rounds, args.points, lambda: float("nan"))
    return code.relative_error(code.values(pair.our_network, points, "cpu"), code.exact(points))


def text(pair: Pair, *words: str) -> float:
    """Bits per held-out character."""
    code, args = pair.code, pair.code.options(list(words))
    _, (codes, held), _ = code.load_data()
    code.train(pair.our_network, codes, held[: 4 * code.CONTEXT + 1], args.steps, args.seed, args.device)
    return float(code.bits(pair.our_network, held, args.device).mean())


# name -> what is measured, the pair with its first weights, and the training
TRAININGS: dict[str, tuple[str, Callable[[], Pair], Callable[..., float]]] = {
    "digits-mlp": (
        "recognised",
        lambda: examples.digits("mlp", "cpu"),
        mlp,
    ),
    "digits-conv": ("recognised", lambda: examples.digits("conv", "cpu"), digits),
    "vae": ("bits per pixel", lambda: examples.vae("cpu"), vae),
    "physics": ("relative error", lambda: examples.physics("cpu"), physics),
    "text": ("bits per character", lambda: examples.text("cpu", len(examples.example("text").load_data()[2])), text),
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
    if importlib.util.find_spec("torch") is None:
        print("benchmarks.accuracy: PyTorch is not installed.", file=sys.stderr)
        return 2
    print("| example | measured | xgrad | PyTorch eager |\n| --- | --- | ---: | ---: |", flush=True)
    for name in args.names or TRAININGS:
        unit, pair, train = TRAININGS[name]
        print(f"| {name} | {unit} | {train(pair()):.4f} | {train(in_pytorch(pair())):.4f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
