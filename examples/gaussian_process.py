"""Gaussian process regression on real wines: the hyperparameters follow the gradient of the evidence.

    python examples/gaussian_process.py
    python examples/gaussian_process.py --device torch:cpu

How deep is the colour of a wine, given twelve other measurements of it?  The data are the 178 wines that come with
scikit-learn; every wine is held out once and predicted by a model that has not seen it, next to linear regression.
The model is ordinary NumPy code.  All that xgrad adds is ``value_and_grad``, through ``np.linalg.cholesky`` and
``np.linalg.solve``; L-BFGS is SciPy's.  The picture goes to ``--out`` as ``gaussian_process.png``.
"""

import argparse
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize
from sklearn.datasets import load_wine
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

import xgrad as xg
from xgrad import value_and_grad

TARGET = "color_intensity"
BLUE, ORANGE, GREY = "#2563a8", "#e07b26", "#6b7280"


def kernel(theta: xg.Tensor, a: xg.Tensor, b: xg.Tensor) -> xg.Tensor:
    """Covariances of the function at rows of ``a`` and ``b``: a smooth part, a length per column, and a linear one."""
    signal, slope, lengths = np.exp(theta[0]), np.exp(theta[1]), np.exp(theta[3:])
    p, q = a / lengths, b / lengths
    squares = np.sum(p**2, axis=1)[:, None] + np.sum(q**2, axis=1) - 2 * p @ q.T
    return signal**2 * np.exp(-0.5 * squares) + slope**2 * (a @ b.T)


def factor(theta: xg.Tensor, x: xg.Tensor) -> xg.Tensor:
    """The Cholesky factor of the covariance of the measurements, ``exp(theta[2])`` their noise."""
    return np.linalg.cholesky(kernel(theta, x, x) + np.exp(theta[2]) ** 2 * np.eye(len(x)))


def log_evidence(theta: xg.Tensor, x: xg.Tensor, y: xg.Tensor) -> xg.Tensor:
    """The log marginal likelihood: how probable the measurements are before any function has been chosen."""
    lower = factor(theta, x)
    z = np.linalg.solve(lower, y)
    return -0.5 * z @ z - np.sum(np.log(np.diagonal(lower))) - 0.5 * len(y) * np.log(2 * np.pi)


def objective(theta: xg.Tensor, x: xg.Tensor, y: xg.Tensor) -> xg.Tensor:
    """What is minimised.  A weak prior expects lengths of about 5 standard deviations, within a factor of e."""
    return 0.5 * np.sum((theta[3:] - np.log(5.0)) ** 2) - log_evidence(theta, x, y)


def predict(theta: xg.Tensor, x: xg.Tensor, y: xg.Tensor, new: xg.Tensor) -> tuple[xg.Tensor, xg.Tensor]:
    """Mean and standard deviation of the function at the rows of ``new``, given the measurements ``y`` at ``x``."""
    lower = factor(theta, x)
    across = np.linalg.solve(lower, kernel(theta, x, new))
    mean = across.T @ np.linalg.solve(lower, y)
    return mean, np.sqrt(np.diagonal(kernel(theta, new, new)) - np.sum(across**2, axis=0))


class Process:
    """A fitted process, which scales columns and target by what its training part shows."""

    def __init__(self, x: np.ndarray, y: np.ndarray, device: str) -> None:
        self.device, self.evaluations = device, 0
        self.center, self.spread = x.mean(0), x.std(0)
        self.level, self.unit = y.mean(), y.std()
        self.x = xg.asarray((x - self.center) / self.spread, device=device)
        self.y = xg.asarray((y - self.level) / self.unit, device=device)
        start = np.concatenate([np.log([1.0, 0.3, 0.5]), np.full(x.shape[1], np.log(5.0))])
        self.before = self.evidence(start)
        self.theta = minimize(self.step, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-10}).x
        self.after = self.evidence(self.theta)

    def step(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient, as SciPy wants them."""
        self.evaluations += 1
        value, gradient = value_and_grad(objective)(xg.asarray(theta, device=self.device), self.x, self.y)
        return float(value), gradient.numpy()

    def evidence(self, theta: np.ndarray) -> float:
        """The log evidence in the units of the target."""
        value = log_evidence(xg.asarray(theta, device=self.device), self.x, self.y)
        return float(value) - len(self.y) * np.log(self.unit)

    def __call__(self, new: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean, its standard deviation and the standard deviation of the noise at the rows of ``new``."""
        theta = xg.asarray(self.theta, device=self.device)
        scaled = xg.asarray((new - self.center) / self.spread, device=self.device)
        mean, deviation = (v.numpy() for v in predict(theta, self.x, self.y, scaled))
        return self.level + self.unit * mean, self.unit * deviation, self.unit * np.exp(self.theta[2])


def linear(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of new measurements by linear regression, uncertain coefficients included."""
    a, b = (np.column_stack([np.ones(len(v)), (v - x.mean(0)) / x.std(0)]) for v in (x, new))
    best = np.linalg.lstsq(a, y, rcond=None)[0]
    noise = np.sum((a @ best - y) ** 2) / (len(a) - a.shape[1])
    return b @ best, np.sqrt(noise * (1 + np.sum(b * np.linalg.solve(a.T @ a, b.T).T, axis=1)))


def scores(y: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Squared error and negative log predictive density of every measurement, shape (2, n)."""
    error = (y - mean) ** 2
    return np.stack([error, 0.5 * np.log(2 * np.pi * deviation**2) + 0.5 * error / deviation**2])


def main() -> None:
    """Read the options, fit, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda, torch:cpu ... (default: %(default)s)")
    parser.add_argument("--folds", type=folds, default=5, help="parts, each held out once (default: %(default)s)")
    parser.add_argument("--seed", type=natural, default=0, help="of the parts (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture (default: %(default)s)")
    options = parser.parse_args()
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"argument --out: {options.out} is a file, not a folder")
    try:
        xg.zeros(1, device=options.device)
    except ValueError as error:  # a device that is not there
        print(f"gaussian_process.py: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    threadpool_limits(1)  # the matrices are small: threads would only wait for each other

    start = time.perf_counter()
    names, x, y = load_data()
    mean, deviation = np.zeros_like(y), np.zeros_like(y)
    score = np.zeros((2, 2, len(y)))  # process and line; squared error and density; wines
    print("        log evidence          RMSE              NLPD")
    print("part   start   fitted    process  linear   process  linear   evaluations")
    for part, (train, test) in enumerate(KFold(options.folds, shuffle=True, random_state=options.seed).split(x), 1):
        process = Process(x[train], y[train], options.device)
        mean[test], function, noise = process(x[test])
        deviation[test] = np.hypot(function, noise)
        score[0][:, test] = scores(y[test], mean[test], deviation[test])
        score[1][:, test] = scores(y[test], *linear(x[train], y[train], x[test]))
        (a, b), (c, d) = score[:, :, test].mean(2)
        print(
            f"{part:4d} {process.before:7.1f} {process.after:8.1f} {a**0.5:10.4f} {c**0.5:7.4f} {b:9.4f} {d:7.4f} "
            f"{process.evaluations:13d}"
        )
    (a, b), (c, d) = score.mean(2)
    print(f" all {a**0.5:27.4f} {c**0.5:7.4f} {b:9.4f} {d:7.4f}")
    inside = np.mean(np.abs(y - mean) < 1.96 * deviation)
    print(f"\n{inside:.1%} of {len(y)} held-out wines lie inside of their 95 % interval")
    process = Process(x, y, options.device)
    order = np.argsort(process.theta[3:])
    lengths = ", ".join(f"{names[i]} {np.exp(process.theta[3 + i]):.2f}" for i in order[:4])
    print(f"shortest lengths (in standard deviations): {lengths}")
    options.out.mkdir(parents=True, exist_ok=True)
    draw(names, x, y, mean, deviation, process, options.out / "gaussian_process.png")
    print(f"{time.perf_counter() - start:.1f} s on {options.device}; wrote {options.out / 'gaussian_process.png'}")


def natural(text: str) -> int:
    """An int of at least 0, for argparse."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {number}")
    return number


def folds(text: str) -> int:
    """An int from 2 to 20, for argparse."""
    number = int(text)
    if not 2 <= number <= 20:
        raise argparse.ArgumentTypeError(f"must be from 2 to 20, got {number}")
    return number


def load_data() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of the twelve columns, the columns, (178, 12), and the logarithm of the colour intensity, (178,)."""
    data = load_wine()
    column = data.feature_names.index(TARGET)
    names = [n.replace("_", " ").removesuffix(" of diluted wines") for n in data.feature_names if n != TARGET]
    return names, np.delete(data.data, column, axis=1), np.log(data.data[:, column])


def draw(
    names: list[str],
    x: np.ndarray,
    y: np.ndarray,
    mean: np.ndarray,
    deviation: np.ndarray,
    process: Process,
    path: Path,
) -> None:
    """Held-out predictions, the function along its most sensitive column, and the lengths."""
    matplotlib.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(14, 4.8), dpi=130, layout="constrained")
    figure.suptitle("Gaussian process: colour intensity of 178 wines from twelve other measurements", fontsize=14)
    held, along, relevance = figure.subplots(1, 3, width_ratios=[1, 1.15, 0.9])

    style = {"fmt": "o", "ms": 4, "color": BLUE, "elinewidth": 0.6, "alpha": 0.6}
    held.errorbar(y, mean, 1.96 * deviation, label="95 % interval", **style)
    ends = [y.min() - 0.2, y.max() + 0.2]
    held.plot(ends, ends, color=GREY, lw=1, ls="--", label="exact")
    held.set(
        title="Wines that the model has not seen", xlabel="ln(colour intensity), measured", ylabel="the same, predicted"
    )
    held.legend(frameon=False, loc="upper left")

    column = int(np.argmin(process.theta[3:]))
    grid = np.tile(np.median(x, axis=0), (200, 1))
    grid[:, column] = np.linspace(x[:, column].min(), x[:, column].max(), 200)
    middle, function, noise = process(grid)
    either = np.hypot(function, noise)
    for width, alpha, label in ((function, 0.35, "function, 95 %"), (either, 0.15, "new wine, 95 %")):
        low, high = middle - 1.96 * width, middle + 1.96 * width
        along.fill_between(grid[:, column], low, high, color=ORANGE, alpha=alpha, lw=0, label=label)
    along.plot(grid[:, column], middle, color=ORANGE, lw=2, label="mean")
    rest = y - process(x)[0] + np.interp(x[:, column], grid[:, column], middle)
    along.plot(x[:, column], rest, "o", ms=3, color=GREY, alpha=0.7, label="mean + residual of each wine")
    along.set(title=f"Along {names[column]}, other columns at their medians")
    along.set(xlabel=names[column], ylabel="ln(colour intensity)")
    along.legend(frameon=False, fontsize=9)

    lengths = np.exp(process.theta[3:])
    order = np.argsort(lengths)[::-1]
    relevance.barh([names[i] for i in order], 1 / lengths[order], color=BLUE)
    relevance.set(title="Bend of the function by column", xlabel="1 / length (per standard deviation)")
    relevance.spines["left"].set_visible(False)
    relevance.tick_params(axis="y", length=0)
    figure.savefig(path)


if __name__ == "__main__":
    main()
