"""Multivariate linear regression on medical data by gradient descent, next to the exact answer.

    python examples/diabetes.py
    python examples/diabetes.py --device cuda --steps 2000

scikit-learn's diabetes set (bundled, no download) has ten measurements of 442 patients and how far the disease got in
a year.  The model is p = X A, with a column of ones in X for the bias, and the loss is the mean of (p - y)**2.  The
best A has a closed form, which gradient descent must reach.
"""

import argparse
import sys

import numpy as np
from sklearn.datasets import load_diabetes
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import xgrad as xg
from xgrad import nn, optim


def main() -> None:
    """Read the options, descend, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda, torch:cpu ... (default: %(default)s)")
    parser.add_argument("--steps", type=positive, default=6000, help="of gradient descent (default: %(default)s)")
    args = parser.parse_args()
    try:
        xg.zeros(1, device=args.device)
    except ValueError as error:  # a device that is not there
        print(f"diabetes.py: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    threadpool_limits(1)  # the matrices are small: threads would only wait for each other

    names, x, y = load_data()
    found, losses = descend(x, y, args.steps, args.device)
    exact = np.linalg.lstsq(x, y, rcond=None)[0]
    report(names, x, y, found, exact, losses)


def positive(text: str) -> int:
    """An int of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def load_data() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of the columns; standardised measurements and a column of ones, (442, 11); progression, (442, 1)."""
    data = load_diabetes(scaled=False)
    scaled = (data.data - data.data.mean(0)) / data.data.std(0)
    return [*data.feature_names, "bias"], np.column_stack([scaled, np.ones(len(scaled))]), data.target[:, np.newaxis]


def descend(x: np.ndarray, y: np.ndarray, steps: int, device: str) -> tuple[np.ndarray, list[tuple[int, float]]]:
    """The parameters A after plain gradient descent from zero, shape (11, 1), and losses on the way by step."""
    # The loss is a parabola, and descent converges when the learning rate is below 2 / (its largest curvature).
    steepest = 2 * np.linalg.eigvalsh(x.T @ x / len(x))[-1]
    data, target = xg.asarray(x, device=device), xg.asarray(y, device=device)
    a = xg.Tensor(np.zeros((x.shape[1], 1)), device=device)
    optimiser = optim.SGD([a], lr=1.9 / steepest)
    shown = {round(i) for i in np.geomspace(1, steps, 12)}
    losses = []
    for step in tqdm(range(1, steps + 1), desc="descending", unit="step", file=sys.stderr):
        loss = nn.mse_loss(data @ a, target)
        loss.backward()
        optimiser.step()
        if step in shown:
            losses.append((step, float(loss)))
    return a.detach().numpy(), losses


def report(
    names: list[str],
    x: np.ndarray,
    y: np.ndarray,
    found: np.ndarray,
    exact: np.ndarray,
    losses: list[tuple[int, float]],
) -> None:
    """Losses on the way, then both answers side by side."""
    best = np.mean((x @ exact - y) ** 2)
    print("  step          loss   above the minimum")
    for step, loss in losses:
        print(f"{step:6d}  {loss:12.5f}  {loss - best:18.3e}")
    print("\ncolumn  gradient descent   closed form   difference")
    for name, (a,), (b,) in zip(names, found, exact, strict=True):
        print(f"{name:6s}  {a:16.6f}  {b:12.6f}  {a - b:11.2e}")
    explained = 1 - np.mean((x @ found - y) ** 2) / y.var()
    print(f"\nexplained variance {explained:.4f}; largest difference {np.abs(found - exact).max():.2e}")


if __name__ == "__main__":
    main()
