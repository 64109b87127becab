"""Solve a differential equation with a neural network: no grid, no data, only derivatives by its inputs.

    python examples/physics.py                   on the CPU
    python examples/physics.py --device cuda     the same on the GPU

The viscous Burgers equation, ``u_t + u u_x = viscosity u_xx``, from ``u(x, 0) = -sin(pi x)``: within half a unit of
time the sine steepens to a front a fortieth wide.  The network is trained until its own derivatives obey the equation
(Raissi, Perdikaris and Karniadakis, "Physics-informed neural networks", 2019): first by Adam, then by L-BFGS.  It never
sees the solution, which Hopf (1950) and Cole (1951) wrote down as integrals; the result is measured against it.  Into
the folder ``--out`` go ``physics.png`` (solution, error, profiles), ``physics_loss.png`` and ``physics.safetensors``
(the weights).
"""

import argparse
import itertools
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

try:
    import safetensors  # noqa: F401 - xg.save needs it; better to know now than when all is trained
    from matplotlib.figure import Figure
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm
except ImportError as error:
    raise SystemExit(f"physics.py: {error.name} is not installed. Run: pip install 'xgrad[examples]'.") from None

import xgrad as xg
from xgrad import nn, optim

VISCOSITY = 0.02 / math.pi
WIDTH, DEPTH = 32, 4  # of the hidden layers
POINTS = 3000  # where the equation is asked for at once
FRESH = 100  # steps of Adam, or iterations of L-BFGS, on the same points
PEAK_RATE = 5e-3  # of Adam; it falls to 0 along a cosine
BLUE, ORANGE = "#2563a8", "#e07b26"


# The equation ---------------------------------------------------------------------------------------------------------


class Wave(nn.Module):
    """A network that has the right values at the start and at both walls, whatever its weights are."""

    def __init__(self, generator: xg.random.Generator):
        sizes = [2] + [WIDTH] * DEPTH
        hidden = [nn.Linear(a, b, generator=generator) for a, b in itertools.pairwise(sizes)]
        for layer in hidden:
            nn.init.xavier_normal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
        self.layers = nn.Sequential(*(part for layer in hidden for part in (layer, nn.tanh)))
        self.last = nn.Linear(WIDTH, 1, generator=generator)

    def forward(self, points: xg.Tensor) -> xg.Tensor:
        """``u`` at points (x, t), shape (n, 2) to (n,)."""
        x, t = points[:, 0], points[:, 1]
        free = xg.squeeze(self.last(self.layers(points)), axis=1)
        return t * (1 - x * x) * free - xg.sin(math.pi * x)


def derivatives(
    wave: Callable[[xg.Tensor], xg.Tensor], points: xg.Tensor
) -> tuple[xg.Tensor, xg.Tensor, xg.Tensor, xg.Tensor]:
    """``u``, ``u_x``, ``u_t`` and ``u_xx`` at points (x, t), each of shape (n,).

    No point knows of another, so the gradient of the sum of all values holds the slopes at every point.  Pushing the
    direction x through that gradient gives a row of every Hessian, for about twice the price.
    """

    def total(points: xg.Tensor) -> tuple[xg.Tensor, xg.Tensor]:
        u = wave(points)
        return xg.sum(u), u

    along_x = xg.broadcast_to(xg.asarray([1.0, 0.0], dtype=points.dtype, device=points.device), points.shape)
    slopes, curvatures, u = xg.jvp(xg.grad(total, has_aux=True), (points,), (along_x,), has_aux=True)
    return u, slopes[:, 0], slopes[:, 1], curvatures[:, 0]


def residual(wave: Callable[[xg.Tensor], xg.Tensor], points: xg.Tensor) -> xg.Tensor:
    """What is left of the equation at every point; 0 where it is obeyed."""
    u, u_x, u_t, u_xx = derivatives(wave, points)
    return u_t + u * u_x - VISCOSITY * u_xx


def exact(points: np.ndarray) -> np.ndarray:
    """The solution by Hopf and Cole, float64: a ratio of two integrals, each by Gauss and Hermite's rule."""
    x, t = points.astype(np.float64).T[:, :, None]
    nodes, weights = np.polynomial.hermite.hermgauss(100)
    from_where = x - np.sqrt(4 * VISCOSITY * t) * nodes
    weights = weights * np.exp((-1 - np.cos(np.pi * from_where)) / (2 * np.pi * VISCOSITY))
    return -np.sum(weights * np.sin(np.pi * from_where), axis=1) / np.sum(weights, axis=1)


# Training -------------------------------------------------------------------------------------------------------------


def sample(wave: Wave, random: xg.random.Generator, count: int) -> tuple[xg.Tensor, xg.Tensor]:
    """Points (x, t), shape (count, 2), more of them where the equation is obeyed less (Wu et al., 2023), and weights.

    A weight, shape (count,), is the area that a point stands for, so that a mean over the points is one over the area.
    """
    corner = xg.asarray([-1.0, 0.0], dtype="float32", device=random.device)
    candidates = random.uniform(corner, 1.0, (4 * count, 2), dtype="float32")
    with xg.no_grad():
        size = xg.abs(residual(wave, candidates))
        density = 0.5 * size / xg.mean(size) + 0.5
        chosen = random.choice(len(candidates), count, p=density / xg.sum(density))
        return candidates[chosen], 1 / density[chosen]


def loss_and_gradient(wave: Wave, points: xg.Tensor, weights: xg.Tensor) -> xg.Tensor:
    """The mean squared residual, with its gradient by the parameters left in them."""
    loss = xg.mean(weights * residual(wave, points) ** 2)
    loss.backward()
    return loss


def train_step(wave: Wave, optimiser: optim.Optimizer, points: xg.Tensor, weights: xg.Tensor) -> xg.Tensor:
    """One step downhill; the loss before it."""
    loss = loss_and_gradient(wave, points, weights)
    optimiser.step()
    return loss


def train(
    wave: Wave, random: xg.random.Generator, steps: int, rounds: int, count: int, error: Callable[[], float]
) -> tuple[dict[str, dict[int, float]], dict[int, float]]:
    """Adam, then rounds of L-BFGS; losses and errors by the number of gradients computed so far."""
    losses: dict[str, dict[int, float]] = {"Adam": {}, "L-BFGS": {}}
    errors = {0: error()}
    with tqdm(total=steps + rounds * FRESH, unit="step", desc="training", file=sys.stderr) as bar:

        def note(method: str, loss: xg.Tensor, done: int) -> None:
            losses[method][done], errors[done] = float(loss), error()
            bar.update(done - bar.n)
            bar.set_postfix(loss=f"{losses[method][done]:.1e}", error=f"{errors[done]:.2%}")

        adam = optim.Adam(wave.parameters(), lr=PEAK_RATE)
        schedule = optim.CosineAnnealingLR(adam, T_max=max(steps, 1))
        for step in range(steps):
            if step % FRESH == 0:
                batch = sample(wave, random, count)
            loss = train_step(wave, adam, *batch)
            schedule.step()
            if (step + 1) % FRESH == 0 or step + 1 == steps:
                note("Adam", loss, step + 1)
        for number in range(rounds):
            batch = sample(wave, random, count)
            bfgs = optim.LBFGS(wave.parameters(), max_iter=FRESH, history_size=50, line_search_fn="strong_wolfe")
            bfgs.step(lambda batch=batch: loss_and_gradient(wave, *batch))
            note("L-BFGS", loss_and_gradient(wave, *batch), steps + (number + 1) * FRESH)
    return losses, errors


# Looking at the result ------------------------------------------------------------------------------------------------


def values(wave: Wave, points: np.ndarray, device: str) -> np.ndarray:
    """``u`` at points on the host, shape (n, 2) to (n,), float64."""
    with xg.no_grad():
        return wave(xg.asarray(points.astype(np.float32), device=device)).numpy().astype(np.float64)


def relative_error(found: np.ndarray, truth: np.ndarray) -> float:
    """The norm of the difference over the norm of the truth."""
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def grid(columns: int = 401, rows: int = 101) -> np.ndarray:
    """Points (x, t) all over, row by row of equal times; shape (rows * columns, 2)."""
    t, x = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    return np.stack([x.ravel(), t.ravel()], axis=1)


def draw(wave: Wave, device: str, path: Path) -> None:
    """The solution, its error, and profiles at four times."""
    points, shape = grid(), (101, 401)
    found, truth = values(wave, points, device), exact(points)
    figure = Figure(figsize=(13, 7), dpi=130, layout="constrained")
    figure.suptitle(
        f"Burgers' equation by a neural network: {relative_error(found, truth):.2%} from the exact solution",
        fontsize=14,
    )
    top, bottom = figure.subfigures(2, 1)
    style = {"extent": (0, 1, -1, 1), "origin": "lower", "aspect": "auto"}
    wide = {
        "u(x, t) of the network": (found, "RdBu_r"),
        "distance from the exact solution": (abs(found - truth), "magma"),
    }
    for axes, (title, (numbers, colours)) in zip(top.subplots(1, 2), wide.items(), strict=True):
        picture = axes.imshow(numbers.reshape(shape).T, cmap=colours, **style)
        top.colorbar(picture, ax=axes)
        axes.set(title=title, xlabel="time t", ylabel="place x")
    for axes, t in zip(bottom.subplots(1, 4, sharey=True), (0.25, 0.5, 0.75, 1.0), strict=True):
        line = np.stack([np.linspace(-1, 1, 401), np.full(401, t)], axis=1)
        axes.plot(line[:, 0], exact(line), color=ORANGE, lw=4, alpha=0.6, label="exact")
        axes.plot(line[:, 0], values(wave, line, device), color=BLUE, lw=1.5, label="network")
        axes.set(title=f"t = {t}", xlabel="place x")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path)


# The command line -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Read the options, train, compare with the exact solution."""
    args = options()
    try:
        xg.zeros(1, device=args.device)
    except ValueError as error:  # a device that is not there
        print(f"physics.py: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    threadpool_limits(1)  # the matrices are small: threads would only wait for each other
    start = time.perf_counter()
    random = xg.random.default_rng(args.seed, device=args.device)
    wave = Wave(random).to(args.device)
    print(f"{wave}\n")
    points = grid(201, 51)
    truth = exact(points)

    def error() -> float:
        return relative_error(values(wave, points, args.device), truth)

    losses, errors = train(wave, random, args.steps, args.rounds, args.points, error)
    args.out.mkdir(parents=True, exist_ok=True)
    files = [args.out / name for name in ("physics.png", "physics_loss.png", "physics.safetensors")]
    draw(wave, args.device, files[0])
    series = {"relative error": errors, **{f"loss, {name}": found for name, found in losses.items() if found}}
    xg.plot.curves(files[1], series, title="Burgers' equation", xlabel="gradients", ylabel="", log=True)
    xg.save(wave.state_dict(), files[2])

    print(" steps  loss      relative error")
    every = {step: loss for found in losses.values() for step, loss in found.items()}
    for step in sorted({sorted(every)[round(i)] for i in np.linspace(0, len(every) - 1, min(len(every), 10))}):
        print(f"{step:6d}  {every[step]:8.2e}  {errors[step]:.3%}")
    print(
        f"\nrelative error {list(errors.values())[-1]:.3%} in the mean square over {len(points):,} points, "
        f"{time.perf_counter() - start:.0f} s on {args.device}\nwrote {', '.join(map(str, files))}"
    )


def options(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line says, or these words of one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, torch:cpu ... (default: %(default)s)")
    parser.add_argument("--steps", type=positive, default=200, help="steps of Adam (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=natural, default=10, help=f"rounds of {FRESH} iterations of L-BFGS (default: %(default)s)"
    )
    parser.add_argument("--points", type=positive, default=POINTS, help="per step (default: %(default)s)")
    parser.add_argument("--seed", type=natural, default=0, help="same seed, same result (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default: %(default)s)")
    args = parser.parse_args(words)
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"argument --out: {args.out} is a file, not a folder")
    return args


def natural(text: str) -> int:
    """An int of at least 0, for argparse."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {number}")
    return number


def positive(text: str) -> int:
    """An int of at least 1, for argparse."""
    number = natural(text)
    if not number:
        raise argparse.ArgumentTypeError("must be at least 1, got 0")
    return number


if __name__ == "__main__":
    main()
