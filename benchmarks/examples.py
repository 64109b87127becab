"""The training steps of the examples beside the same in PyTorch eager: ``python -m benchmarks.examples``.

Each example's own ``train_step`` runs on batches that wait on the device; PyTorch has the same network, by the same
first weights, batches and optimiser.  The losses of the first steps must agree before anything is timed.  In every
round both are measured in turn, and what is reported is the median over the rounds of the ratio in the same round.  One
thread computes, as in the examples.  Dropout is off: no two libraries draw the same numbers.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# E402: the imports come after the threads are set, or they would be read too late.
import argparse  # noqa: E402
import cProfile  # noqa: E402
import gc  # noqa: E402
import importlib.util  # noqa: E402
import math  # noqa: E402
import pathlib  # noqa: E402
import pstats  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from statistics import median  # noqa: E402
from types import ModuleType  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

import xgrad as xg  # noqa: E402
from xgrad import nn, optim  # noqa: E402

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
BATCHES = 8  # different ones, used in turn
CHECKED = 5  # steps whose losses are compared
AGREEMENT = 1e-4  # of these, relative
LIMIT = 1.3  # times PyTorch
Batches = list[tuple[np.ndarray, ...]]


class DifferentLossError(ValueError):
    """The two networks do not compute the same; nothing is timed."""


@dataclass
class Pair:
    """One training step in both libraries; a step takes a batch and gives the loss, on the device."""

    title: str
    code: ModuleType
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    our_batches: list[tuple[Any, ...]]
    their_batches: list[tuple[Any, ...]]
    our_network: nn.Module
    their_network: Any
    their_optimiser: Any
    their_loss: Callable[..., Any]


def example(name: str) -> ModuleType:
    """An example as a module; ImportError when it, or what it needs, is missing."""
    specification = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look for their module there
    try:
        specification.loader.exec_module(module)
    except (FileNotFoundError, SystemExit) as error:
        raise ImportError(str(error)) from None
    return module


# The same network in PyTorch ------------------------------------------------------------------------------------------


def translated(part: Any) -> Any:
    """A layer, or a sequence of them, as PyTorch's; its weights are those that PyTorch draws."""
    from torch import nn as theirs

    name = type(part).__name__
    if name == "Sequential":
        return theirs.Sequential(*map(translated, part))
    if name == "Linear":
        return theirs.Linear(part.in_features, part.out_features, bias=part.bias is not None)
    if name == "Conv2d":
        has_bias = part.bias is not None
        numbers = (part.kernel_size, part.stride, part.padding)
        return theirs.Conv2d(part.in_channels, part.out_channels, *numbers, bias=has_bias)
    if name.startswith("BatchNorm"):
        return getattr(theirs, name)(part.num_features)
    if name == "MaxPool2d":
        return theirs.MaxPool2d(part.kernel_size, part.stride)
    if name in ("ReLU", "SiLU", "Flatten", "Tanh"):
        return getattr(theirs, name)()
    if part is nn.tanh:
        return theirs.Tanh()
    if name == "Dropout":
        return theirs.Identity()
    raise NotImplementedError(f"translated: {name} has no counterpart here. Add it.")


def with_weights(theirs: Any, ours: nn.Module, device: str) -> Any:
    """PyTorch's network with the weights of ours, by their names."""
    import torch

    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    return theirs.to(device)


def without_dropout(network: nn.Module) -> nn.Module:
    """The network itself, no longer dropping anything."""
    for part in network.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
    return network


def paired(
    title: str,
    code: ModuleType,
    network: nn.Module,
    optimiser: optim.Optimizer,
    theirs: Any,
    their_optimiser: Any,
    their_loss: Callable[..., Any],
    batches: Batches,
    device: str,
    clip: float | None = None,
) -> Pair:
    """Both steps with their networks, and the batches on the device; the norm of the gradients is at most ``clip``."""
    import torch

    def their_step(*batch: Any) -> Any:
        their_optimiser.zero_grad()
        loss = their_loss(theirs, *batch)
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip)
        their_optimiser.step()
        return loss.detach()

    return Pair(
        title,
        code,
        lambda *batch: code.train_step(network, optimiser, *batch),
        their_step,
        [tuple(xg.asarray(a, device=device) for a in batch) for batch in batches],
        [tuple(torch.tensor(a, device=device) for a in batch) for batch in batches],
        network,
        theirs,
        their_optimiser,
        their_loss,
    )


# The examples ---------------------------------------------------------------------------------------------------------


def digits(kind: str, device: str) -> Pair:
    """A step of ``digits.py``: 64 images, classified by a network of this kind."""
    import torch

    code = example("digits")
    (images, labels), _ = code.load_data(0)
    rows = np.arange(BATCHES * code.BATCH).reshape(BATCHES, -1)
    network = without_dropout(code.model(kind, xg.random.default_rng(0))).to(device)
    theirs = with_weights(translated(network), network, device)
    return paired(
        f"digits, {kind}",
        code,
        network,
        optim.AdamW(network.parameters()),
        theirs,
        torch.optim.AdamW(theirs.parameters()),
        lambda network, images, labels: torch.nn.functional.cross_entropy(network(images), labels),
        [(images[i], labels[i]) for i in rows],
        device,
    )


def vae(device: str) -> Pair:
    """A step of ``vae.py``: the bound on 64 images."""
    import torch
    from torch.nn.functional import softplus

    code = example("vae")
    data = code.load_data(None, 0)
    rows = np.arange(BATCHES * code.BATCH).reshape(BATCHES, -1)
    images, classes = code.inputs(*data.train)
    noise = np.random.default_rng(0).standard_normal((len(images), code.LATENT), dtype=np.float32)
    network = code.model(data.size**2, data.levels, xg.random.default_rng(0)).to(device)
    theirs = torch.nn.ModuleDict({name: translated(getattr(network, name)) for name in ("encoder", "decoder")})
    with_weights(theirs, network, device)
    top = data.levels - 1

    def their_bound(network: Any, images: Any, classes: Any, noise: Any) -> Any:
        scaled = (2 / top) * images - 1
        mean, log_deviation = network["encoder"](torch.cat([scaled, classes], dim=1)).chunk(2, dim=1)
        deviation = log_deviation.exp()
        latent = mean + deviation * noise
        centre, log_spread = network["decoder"](torch.cat([latent, classes], dim=1)).chunk(2, dim=1)
        narrowness = torch.exp(-log_spread.clamp(-6.0, 6.0))
        half = narrowness / top
        distance = (scaled - centre) * narrowness
        above, below = images > 0, images < top
        log_below = torch.where(below, -softplus(-distance - half), 0.0)
        log_above = torch.where(above, -softplus(distance - half), 0.0)
        log_between = torch.where(above & below, torch.log(-torch.expm1(-2 * half)), 0.0)
        divergence = (0.5 * (mean**2 + deviation**2 - 1) - log_deviation).sum(1)
        return (log_below + log_above + log_between).sum(1) - divergence

    return paired(
        "vae",
        code,
        network,
        optim.AdamW(network.parameters()),
        theirs,
        torch.optim.AdamW(theirs.parameters()),
        lambda network, *batch: -their_bound(network, *batch).mean(),
        [(images[i], classes[i], noise[i]) for i in rows],
        device,
    )


def physics(device: str) -> Pair:
    """A step of ``physics.py``: the equation at some thousand points, by second derivatives."""
    import torch

    code = example("physics")
    random = np.random.default_rng(0)
    points = random.uniform([-1, 0], 1, (BATCHES, code.POINTS, 2)).astype(np.float32)
    weights = random.uniform(0.5, 2, (BATCHES, code.POINTS)).astype(np.float32)
    network = code.Wave(xg.random.default_rng(0)).to(device)
    parts = {"layers": translated(network.layers), "last": translated(network.last)}
    theirs = with_weights(torch.nn.ModuleDict(parts), network, device)

    def their_residual(network: Any, points: Any) -> Any:
        x, t = (points[:, i].clone().requires_grad_() for i in (0, 1))
        free = network["last"](network["layers"](torch.stack([x, t], dim=1))).squeeze(1)
        u = t * (1 - x * x) * free - torch.sin(math.pi * x)
        u_x, u_t = torch.autograd.grad(u.sum(), (x, t), create_graph=True)
        (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
        return u_t + u * u_x - code.VISCOSITY * u_xx

    return paired(
        "physics",
        code,
        network,
        optim.Adam(network.parameters()),
        theirs,
        torch.optim.Adam(theirs.parameters()),
        lambda network, points, weights: (weights * their_residual(network, points) ** 2).mean(),
        list(zip(points, weights, strict=True)),
        device,
    )


def text(device: str, characters: int = 96) -> Pair:
    """A step of ``text.py``: a transformer on a few stretches of so many random characters."""
    import torch
    from torch import nn as theirs
    from torch.nn import functional as F

    code = example("text")
    network = without_dropout(code.Transformer(characters, xg.random.default_rng(0))).to(device)

    class Transformer(theirs.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = theirs.Embedding(characters, code.WIDTH // 4)
            self.recent = theirs.Linear(code.RECENT * (code.WIDTH // 4), code.WIDTH)
            sizes = (code.WIDTH, code.HEADS, 4 * code.WIDTH, 0.0)
            self.layers = theirs.ModuleList(
                theirs.TransformerEncoderLayer(*sizes, batch_first=True, norm_first=True) for _ in range(code.LAYERS)
            )
            self.norm = theirs.LayerNorm(code.WIDTH)
            self.scores = theirs.Linear(code.WIDTH, characters)

        def forward(self, codes: Any) -> Any:
            n, length = codes.shape
            letters = F.pad(self.embedding(codes), (0, 0, code.RECENT - 1, 0))
            x = self.recent(torch.cat([letters[:, i : i + length] for i in range(code.RECENT)], dim=2))
            bias = self.bias(length, codes.device).expand(n, code.HEADS, length, length).reshape(-1, length, length)
            for layer in self.layers:
                x = layer(x, bias)
            return self.scores(self.norm(x))

        def bias(self, length: int, device: Any) -> Any:
            places = torch.arange(length, dtype=torch.float32, device=device)
            back = places[:, None] - places
            heads = torch.arange(1, code.HEADS + 1, dtype=torch.float32, device=device)
            slopes = 2.0 ** (-8.0 / code.HEADS * heads)
            return torch.where(back < 0, -math.inf, -slopes[:, None, None] * back)

    counterpart = with_weights(Transformer(), network, device)
    options = {"lr": 1e-4, "betas": (0.9, 0.95), "weight_decay": 0.1}
    windows = np.random.default_rng(0).integers(0, characters, (BATCHES, code.BATCH, code.CONTEXT + 1))
    return paired(
        "text",
        code,
        network,
        optim.AdamW(network.parameters(), **options),
        counterpart,
        torch.optim.AdamW(counterpart.parameters(), **options),
        lambda network, window: F.cross_entropy(network(window[:, :-1]).transpose(1, 2), window[:, 1:]),
        [(window,) for window in windows],
        device,
        clip=1.0,
    )


PAIRS: dict[str, Callable[[str], Pair]] = {
    "digits-mlp": lambda device: digits("mlp", device),
    "digits-conv": lambda device: digits("conv", device),
    "vae": vae,
    "physics": physics,
    "text": text,
}


# Measuring ------------------------------------------------------------------------------------------------------------


def check(pair: Pair) -> None:
    """Compare the losses of the first steps of both; DifferentLossError when they differ."""
    for number in range(CHECKED):
        ours = float(pair.ours(*pair.our_batches[number]))
        theirs = float(pair.theirs(*pair.their_batches[number]))
        if not abs(ours - theirs) <= AGREEMENT * abs(theirs):
            raise DifferentLossError(f"the loss of step {number + 1} is {ours} here and {theirs} in PyTorch")


def seconds(step: Callable[..., Any], batches: Sequence[tuple[Any, ...]], count: int) -> float:
    """Time of one step, from ``count`` of them; the host waits for the device at the end only."""
    float(step(*batches[0]))
    start = time.perf_counter()
    for i in range(count):
        loss = step(*batches[i % len(batches)])
    float(loss)
    return (time.perf_counter() - start) / count


def compare(pair: Pair, rounds: int, sample: float = 0.2) -> list[tuple[float, float]]:
    """Seconds per step of both, ours first, in every round."""
    sides = [(pair.ours, pair.our_batches), (pair.theirs, pair.their_batches)]
    counts = [max(1, round(sample / seconds(*side, 2))) for side in sides]
    times = []
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        found = {}
        for which in (0, 1) if number % 2 else (1, 0):
            gc.collect()
            found[which] = seconds(*sides[which], counts[which])
        times.append((found[0], found[1]))
    gc.unfreeze()
    return times


def row(title: str, times: list[tuple[float, float]]) -> str:
    """A line of the table."""
    ours, theirs = (median(column) * 1e3 for column in zip(*times, strict=True))
    ratio = median(a / b for a, b in times)
    met = "yes" if ratio <= LIMIT else "**no**"
    return f"| {title} | {ours:.2f} | {theirs:.2f} | {ratio:.2f} | {met} |"


def profile(pair: Pair, steps: int = 50) -> None:
    """Where the time of our step goes, function by function."""
    seconds(pair.ours, pair.our_batches, 2)
    watch = cProfile.Profile()
    watch.runcall(seconds, pair.ours, pair.our_batches, steps)
    pstats.Stats(watch, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(25)


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; 1 when losses differ, 2 when PyTorch or the device is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.examples", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="EXAMPLE", help=f"{', '.join(PAIRS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of every example (default: %(default)s)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="of both (default: %(default)s)")
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead of ratios")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in PAIRS]
    if unknown or args.rounds < 1:
        parser.error(f"unknown example: {', '.join(unknown)}" if unknown else "--rounds: at least 1 is needed")
    try:
        import torch

        torch.zeros(1, device=args.device)
        xg.zeros(1, device=args.device)
    except (ImportError, AssertionError, RuntimeError, ValueError) as error:
        print(f"benchmarks.examples: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    torch.backends.cudnn.allow_tf32 = False  # for convolutions it is on by default, for products off
    if not args.profile:
        print(f"| training step of | xgrad, ms | PyTorch eager, ms | ratio | at most {LIMIT} |")
        print("| --- | ---: | ---: | ---: | --- |")
    left_out = []
    for name in args.names or PAIRS:
        try:
            pair = PAIRS[name](args.device)
            check(pair)
        except (ImportError, DifferentLossError) as error:
            left_out.append((name, error))
            continue
        if args.profile:
            print(f"{pair.title}:")
            profile(pair)
        else:
            print(row(pair.title, compare(pair, args.rounds)), flush=True)
    for name, error in left_out:
        print(f"\n{name} was not measured: {error}")
    return int(any(isinstance(error, DifferentLossError) for _, error in left_out))


if __name__ == "__main__":
    sys.exit(main())
