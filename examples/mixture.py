"""Variational inference: how many kinds of wine are there?  Six are offered, and the posterior keeps what it needs.

    python examples/mixture.py
    python examples/mixture.py --components 10 --device torch:cpu

A Bayesian mixture of Gaussians sees two principal components of the 178 wines that come with scikit-learn, and not the
three growers that they are from.  Which component a wine belongs to is summed out; weights, means and precisions have a
Gaussian posterior, independent in every parameter, whose evidence lower bound (ELBO) climbs along its reparameterised
gradient.  The model is ordinary NumPy code, and all that xgrad adds is ``grad``.  Several starts are fitted at once, as
one more axis, and the best is kept.  The picture goes to ``--out`` as ``mixture.png``.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_wine
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import xgrad as xg
from xgrad import grad

CONCENTRATION = 0.1  # of the Dirichlet prior of the weights: few components are expected to be used
WIDTH = 0.5  # expected size of a component; the data have standard deviation 1 along both axes
FREEDOM = np.array([4.0, 3.0])  # of the Wishart prior of the precisions, by row of its Cholesky factor
DRAWS, RATE = 2, 0.05  # draws per step and start; learning rate, falling along a cosine
LOG_2PI = math.log(2 * math.pi)
COLORS, GREY = ("#2563a8", "#e07b26", "#2e8b57"), "#6b7280"


def split(theta: xg.Tensor) -> tuple[xg.Tensor, ...]:
    """Logits (..., k), means (..., k, 2), log diagonals (..., k, 2) and corners (..., k) of the precisions' factors."""
    k = theta.shape[-1] // 6
    pairs = (*theta.shape[:-1], k, 2)
    logits, means, logs, corners = np.split(theta, [k, 3 * k, 5 * k], axis=-1)
    return logits, np.reshape(means, pairs), np.reshape(logs, pairs), corners


def log_sum_exp(x: xg.Tensor, axis: int) -> xg.Tensor:
    """The logarithm of the sum of ``exp(x)``, without overflow."""
    top = np.max(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis=axis)


def log_shares(theta: xg.Tensor, x: xg.Tensor) -> xg.Tensor:
    """The log density of every wine from every component, its weight included, shape (..., k, n).

    The precision of a component is F F', and F is the lower triangle [[exp(l0), 0], [corner, exp(l1)]] / scale.
    """
    logits, means, logs, corners = split(theta)
    scale = WIDTH * math.sqrt(FREEDOM[0])
    offset = (x - means[..., None, :]) / scale
    first = np.exp(logs[..., 0, None]) * offset[..., 0] + corners[..., None] * offset[..., 1]
    second = np.exp(logs[..., 1, None]) * offset[..., 1]
    weights = logits - log_sum_exp(logits, -1)[..., None]
    constant = weights + np.sum(logs, axis=-1) - 2 * math.log(scale) - LOG_2PI
    return constant[..., None] - 0.5 * (first**2 + second**2)


def log_joint(theta: xg.Tensor, x: xg.Tensor) -> xg.Tensor:
    """The log density of parameters and wines together; the priors are normalised, so that bounds can be compared."""
    logits, means, logs, corners = split(theta)
    likelihood = np.sum(log_sum_exp(log_shares(theta, x), -2), axis=-1)
    # exp(logits) are gamma variables, so that their shares are Dirichlet
    weights = np.sum(CONCENTRATION * logits - np.exp(logits) - math.lgamma(CONCENTRATION), axis=-1)
    # means and corners are standard normal; the squares of the diagonal have chi-squared distributions (Bartlett)
    normal = -0.5 * (np.sum(means**2, axis=(-2, -1)) + np.sum(corners**2, axis=-1) + 3 * corners.shape[-1] * LOG_2PI)
    constant = math.log(2) - FREEDOM / 2 * math.log(2) - np.array([math.lgamma(f / 2) for f in FREEDOM])
    chi = np.sum(FREEDOM * logs - 0.5 * np.exp(2 * logs) + constant, axis=(-2, -1))
    return likelihood + weights + normal + chi


def elbo(q: xg.Tensor, noise: xg.Tensor, x: xg.Tensor) -> xg.Tensor:
    """The evidence lower bound of every start: ``q[0]`` are means, ``q[1]`` log standard deviations."""
    theta = q[0] + np.exp(q[1]) * noise
    return np.mean(log_joint(theta, x), axis=0) + np.sum(q[1] + 0.5 * (LOG_2PI + 1), axis=-1)


def first_guess(x: np.ndarray, starts: int, components: int, seed: int) -> np.ndarray:
    """Of every start: components of equal weights around wines chosen at random, shape (2, starts, 6 k)."""
    random = np.random.default_rng(seed)
    q = np.zeros((2, starts, 6 * components))
    for start in q[0]:
        start[components : 3 * components] = x[random.choice(len(x), components, replace=False)].ravel()
    q[0, :, 3 * components : 5 * components] = 0.5
    q[1] = -2.0
    return q


def climb(q: xg.Tensor, x: xg.Tensor, steps: int, random: xg.random.Generator) -> tuple[xg.Tensor, np.ndarray]:
    """Adam on the ELBO, with new noise at every step; also the noisy ELBO of all starts on the way, (steps, starts)."""

    def loss(q: xg.Tensor, noise: xg.Tensor) -> tuple[xg.Tensor, xg.Tensor]:
        bounds = elbo(q, noise, x)
        return -np.sum(bounds), bounds

    slope = grad(loss, has_aux=True)
    mean, square = np.zeros_like(q), np.zeros_like(q)
    history = []
    for step in tqdm(range(1, steps + 1), desc="climbing", unit="step", file=sys.stderr):
        gradient, bounds = slope(q, random.standard_normal((DRAWS, *q.shape[1:])))
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        rate = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        q = q - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
        history.append(bounds.numpy())
    return q, np.array(history)


def main() -> None:
    """Read the options, climb, compare with what the model was not told."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda, torch:cpu ... (default: %(default)s)")
    parser.add_argument("--components", type=positive, default=6, help="that are offered (default: %(default)s)")
    parser.add_argument("--starts", type=positive, default=12, help="side by side (default: %(default)s)")
    parser.add_argument("--steps", type=positive, default=1000, help="of Adam (default: %(default)s)")
    parser.add_argument("--seed", type=natural, default=0, help="same seed, same result (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture (default: %(default)s)")
    options = parser.parse_args()
    if options.components > 100:
        parser.error(f"argument --components: must be at most 100, got {options.components}")
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"argument --out: {options.out} is a file, not a folder")
    try:
        random = xg.random.default_rng(options.seed, device=options.device)
    except ValueError as error:  # a device that is not there
        print(f"mixture.py: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    threadpool_limits(1)  # the matrices are small: threads would only wait for each other

    start = time.perf_counter()
    wines, growers = load_data()
    x = xg.asarray(wines, device=options.device)
    guess = xg.asarray(first_guess(wines, options.starts, options.components, options.seed), device=options.device)
    noise = random.standard_normal((500, *guess.shape[1:]))
    before = elbo(guess, noise, x).numpy()
    q, history = climb(guess, x, options.steps, random)
    after = elbo(q, noise, x).numpy()
    best = int(np.argmax(after))

    theta = q[0, best] + np.exp(q[1, best]) * noise[:, best]
    shares = log_shares(theta, x)
    belongs = np.mean(np.exp(shares - log_sum_exp(shares, -2)[:, None]), axis=0).numpy()  # components, wines
    found = belongs.argmax(0)
    draws = [v.numpy() for v in split(theta)]
    weights = np.exp(draws[0] - draws[0].max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)

    print(f"ELBO (nats) of {options.starts:2d} starts    before       after")
    for name, i in zip(("best", "median", "worst"), np.argsort(-after)[[0, options.starts // 2, -1]], strict=True):
        print(f"{name:23s} {before[i]:10.1f} {after[i]:11.1f}")
    print(f"\ncomponent   weight             wines of grower {'  '.join(str(g) for g in range(3))}")
    used = [k for k in np.argsort(-weights.mean(0)) if (found == k).any()]
    for k in used:
        table = " ".join(f"{np.sum(growers[found == k] == g):2d}" for g in range(3))
        print(f"{k:9d}   {weights[:, k].mean():.3f} +- {weights[:, k].std():.3f} {table:>26s}")
    if idle := options.components - len(used):
        print(f"the other {idle} have no wine, and together weight {1 - weights.mean(0)[used].sum():.3f}")
    score = adjusted_rand_score(growers, found)
    print(f"\nadjusted Rand index of components and growers: {score:.3f} (chance 0, perfect 1)")
    options.out.mkdir(parents=True, exist_ok=True)
    draw(wines, growers, draws, weights, used, history, best, options.out / "mixture.png")
    print(f"{time.perf_counter() - start:.1f} s on {options.device}; wrote {options.out / 'mixture.png'}")


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


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """The first two principal components of the standardised wines, scaled to unit variance, (178, 2); the growers."""
    x, growers = load_wine(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    x = x @ np.linalg.svd(x, full_matrices=False)[2][:2].T
    return x / x.std(0), growers


def ellipse(mean: np.ndarray, logs: np.ndarray, corner: float) -> np.ndarray:
    """The outline that holds 95 % of a component, shape (2, 100)."""
    factor = np.array([[np.exp(logs[0]), 0.0], [corner, np.exp(logs[1])]]) / (WIDTH * math.sqrt(FREEDOM[0]))
    angle = np.linspace(0, 2 * np.pi, 100)
    radius = math.sqrt(-2 * math.log(0.05))
    return mean[:, None] + radius * np.linalg.solve(factor.T, np.stack([np.cos(angle), np.sin(angle)]))


def draw(
    wines: np.ndarray,
    growers: np.ndarray,
    draws: list[np.ndarray],
    weights: np.ndarray,
    used: list[int],
    history: np.ndarray,
    best: int,
    path: Path,
) -> None:
    """The wines with ellipses drawn from the posterior, the weights, and the ELBO on the way."""
    matplotlib.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(13, 6), dpi=130, layout="constrained")
    figure.suptitle("A Bayesian mixture finds the kinds among 178 wines", fontsize=14)
    left, right = figure.subfigures(1, 2, width_ratios=[1.4, 1])
    map_, (climbed, bars) = left.subplots(), right.subplots(2, 1)

    for k in used:
        for i in range(40):
            map_.plot(*ellipse(*(v[i, k] for v in draws[1:])), color="black", lw=0.5, alpha=0.15)
        map_.plot(*ellipse(*(v[:, k].mean(0) for v in draws[1:])), color="black", lw=2)
    map_.plot([], [], color="black", lw=0.5, alpha=0.5, label="posterior, a draw")
    map_.plot([], [], color="black", lw=2, label="its mean (holds 95 %)")
    for g, (color, marker) in enumerate(zip(COLORS, "o^s", strict=True)):
        map_.plot(*wines[growers == g].T, marker, color=color, ms=5, alpha=0.8, label=f"grower {g}")
    map_.set(title="Components and, not shown to the model, growers")
    map_.set(xlabel="first principal component (standard deviations)", ylabel="second principal component")
    map_.set_aspect("equal", adjustable="datalim")
    map_.legend(frameon=False, loc="upper left", fontsize=9)
    map_.margins(x=0.35)

    for i, line in enumerate(history.T):
        style = {"color": COLORS[0], "zorder": 3} if i == best else {"color": GREY, "alpha": 0.4}
        climbed.plot(np.arange(1, len(line) + 1), line, lw=1, **style)
    climbed.set(title="Evidence lower bound of the starts, the best in blue", xlabel="step of Adam")
    climbed.set(ylabel="ELBO, noisy (nats)", ylim=(np.median(history) - 150, history.max() + 15))
    order = np.argsort(-weights.mean(0))
    height = weights.mean(0)[order]
    reach = np.abs(np.quantile(weights[:, order], [0.025, 0.975], axis=0) - height)
    bars.bar(range(1, len(order) + 1), height, yerr=reach, color=COLORS[0], ecolor=GREY, capsize=4)
    bars.set(title="Weights of all components, with 95 % intervals", xlabel="component, by weight", ylabel="weight")
    bars.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path)


if __name__ == "__main__":
    main()
