"""Train a small neural network on 1,797 handwritten digits and show what it learned.

    python examples/digits.py                    on the CPU
    python examples/digits.py --device cuda      the same on the GPU

The data come with scikit-learn; nothing is downloaded.  A fifth of the images is held out and only tested on.  Into the
folder ``--out`` go ``digits.png`` (curves, confusion matrix, examples) and ``digits.safetensors`` (the weights).
"""

import argparse
import math
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import xgrad as xg
from xgrad import nn, optim

BATCH = 64
PEAK_RATE = 3e-3  # of Adam; it falls to 0 along a cosine
NOISE = 0.5  # standard deviation of the noise added to the training images, new in every epoch
BLUE, ORANGE, GREY, RED = "#2563a8", "#e07b26", "#6b7280", "#c02a2a"


def main() -> None:
    """Read the options, train, report."""
    args = options()
    try:
        xg.zeros(1, device=args.device)
    except ValueError as error:  # a device that is not there
        print(f"digits.py: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    threadpool_limits(
        1
    )  # the matrices are small: on busy cores, threads that wait for each other cost ten times as much
    start = time.perf_counter()
    random = xg.random.default_rng(args.seed, device=args.device)
    images, labels, parts = load_data(args.seed)
    model = nn.Sequential(
        nn.Linear(64, 128, generator=random),
        nn.relu,
        nn.Linear(128, 64, generator=random),
        nn.relu,
        nn.Linear(64, 10, generator=random),
    ).to(args.device)
    print(f"{model}\n")
    history = train(model, parts, args.epochs, args.device, random)
    guesses = predict(model, parts["test"][0], args.device)
    seconds = time.perf_counter() - start

    args.out.mkdir(parents=True, exist_ok=True)
    save_file({k: v.numpy() for k, v in model.state_dict().items()}, args.out / "digits.safetensors")
    draw(history, images, labels, guesses, args.out / "digits.png")
    report(history, labels, guesses)
    right = int((guesses.argmax(1) == labels).sum())
    print(
        f"\ntest accuracy {right / len(labels):.2%} ({right} of {len(labels)} images, never trained on), "
        f"{args.epochs} epochs in {seconds:.1f} s on {args.device}"
        f"\nwrote {args.out / 'digits.png'} and {args.out / 'digits.safetensors'}"
    )


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, torch:cpu ... (default: %(default)s)")
    parser.add_argument("--epochs", type=positive, default=30, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=natural, default=0, help="same seed, same result (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default: %(default)s)")
    args = parser.parse_args()
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


def load_data(seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """The test images and labels, and both parts with features scaled by what the training part alone shows."""
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=seed
    )
    center, spread = x_train.mean(0), x_train.std(0)
    spread[spread == 0] = 1.0  # pixels that are never inked
    scaled = {
        name: (np.clip((x - center) / spread, -3, 3).astype(np.float32), y)
        for name, x, y in (("train", x_train, y_train), ("test", x_test, y_test))
    }
    return x_test.reshape(-1, 8, 8), y_test, scaled


def train(model: nn.Module, parts: dict, epochs: int, device: str, random: xg.random.Generator) -> dict[str, list]:
    """Adam on random batches of noisy images; returns losses and accuracies, on the clean images, after every epoch."""
    data = {name: (xg.asarray(x, device=device), xg.asarray(y, device=device)) for name, (x, y) in parts.items()}
    images, labels = data["train"]
    optimiser = optim.Adam(model.parameters(), lr=PEAK_RATE)
    steps = epochs * math.ceil(len(images) / BATCH)
    step = 0
    history: dict[str, list] = {"train loss": [], "test loss": [], "train accuracy": [], "test accuracy": []}
    with tqdm(range(epochs), unit="epoch", desc="training", file=sys.stderr) as bar:
        for _ in bar:
            order = random.permutation(len(images))
            x = images[order] + NOISE * random.standard_normal(images.shape, dtype="float32")
            y = labels[order]
            for first in range(0, len(images), BATCH):
                batch = slice(first, first + BATCH)
                loss = nn.cross_entropy(model(x[batch]), y[batch])
                loss.backward()
                optimiser.lr = PEAK_RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
                optimiser.step()
                step += 1
            for name, (inputs, targets) in data.items():
                with xg.no_grad():
                    logits = model(inputs)
                    history[f"{name} loss"].append(float(nn.cross_entropy(logits, targets)))
                    hits = xg.argmax(logits, axis=1) == targets
                    history[f"{name} accuracy"].append(float(hits.astype("float32").mean()))
            bar.set_postfix(loss=f"{history['train loss'][-1]:.4f}", test=f"{history['test accuracy'][-1]:.2%}")
    return history


def predict(model: nn.Module, x: np.ndarray, device: str) -> np.ndarray:
    """The probability of each digit, shape (images, 10)."""
    with xg.no_grad():
        return nn.softmax(model(xg.asarray(x, device=device))).numpy()


def report(history: dict[str, list], labels: np.ndarray, guesses: np.ndarray) -> None:
    """The curves at up to ten epochs, and how each digit fared."""
    epochs = len(history["train loss"])
    print("epoch  train loss  test loss  train accuracy  test accuracy")
    for i in sorted({round(v) for v in np.linspace(0, epochs - 1, min(epochs, 10))}):
        a, b, c, d = (values[i] for values in history.values())
        print(f"{i + 1:5d}  {a:10.4f}  {b:9.4f}  {c:14.2%}  {d:13.2%}")
    right = guesses.argmax(1) == labels
    tested = [labels == digit for digit in range(10)]
    print("\ndigit    " + "".join(f"{digit:6d}" for digit in range(10)))
    print("tested   " + "".join(f"{mask.sum():6d}" for mask in tested))
    print("right %  " + "".join(f"{100 * right[mask].mean():6.1f}" for mask in tested))


def draw(history: dict[str, list], images: np.ndarray, labels: np.ndarray, guesses: np.ndarray, path: Path) -> None:
    """Curves, confusion matrix, and the test images that the model found hardest."""
    matplotlib.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(12, 8.4), dpi=130, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    score = (guesses.argmax(1) == labels).mean()
    figure.suptitle(f"Handwritten digits: {score:.1%} of {len(labels)} unseen images recognised", fontsize=15)
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.2, 1])
    loss, accuracy, confusion = top.subplots(1, 3, width_ratios=[1, 1, 1.05])
    epochs = range(1, len(history["train loss"]) + 1)
    for name, color in (("train", BLUE), ("test", ORANGE)):
        loss.plot(epochs, history[f"{name} loss"], color=color, lw=2, marker="o", ms=3, label=name)
        percent = [100 * a for a in history[f"{name} accuracy"]]
        accuracy.plot(epochs, percent, color=color, lw=2, marker="o", ms=3, label=f"{name}: {percent[-1]:.1f} %")
    loss.set(title="Loss", xlabel="epoch", ylabel="cross entropy", yscale="log")
    accuracy.set(title="Accuracy", xlabel="epoch", ylabel="images recognised (%)")
    for axes in (loss, accuracy):
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
        axes.xaxis.get_major_locator().set_params(integer=True)

    predicted = guesses.argmax(1)
    table = np.zeros((10, 10), dtype=int)
    np.add.at(table, (labels, predicted), 1)
    mistakes = np.where((table == 0) | np.eye(10, dtype=bool), np.nan, table)
    confusion.imshow(mistakes, cmap="Reds", vmin=0, vmax=max(4, table.max() / 8))
    confusion.hlines(np.arange(-0.5, 10), -0.5, 9.5, color=GREY, lw=0.3)
    confusion.vlines(np.arange(-0.5, 10), -0.5, 9.5, color=GREY, lw=0.3)
    for i, j in np.ndindex(10, 10):
        if table[i, j]:
            confusion.text(j, i, table[i, j], ha="center", va="center", color=BLUE if i == j else "black", fontsize=9)
    confusion.set(title="Test images: truth and prediction", xlabel="predicted", ylabel="truth")
    confusion.set(xticks=range(10), yticks=range(10))
    confusion.spines[:].set_visible(False)
    confusion.tick_params(length=0)

    sure = guesses[np.arange(len(labels)), labels]
    wrong = int((predicted != labels).sum())
    bottom.suptitle(f"The 20 hardest test images and what the model saw in them ({wrong} wrong, in red)")
    for axes, i in zip(bottom.subplots(2, 10).flat, np.lexsort((sure, predicted == labels)), strict=False):
        axes.imshow(images[i], cmap="gray_r", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        good = predicted[i] == labels[i]
        axes.spines[:].set(visible=True, color=GREY if good else RED, lw=1 if good else 2)
        seen = f"{predicted[i]} ({guesses[i, predicted[i]]:.0%})"
        axes.set_title(seen if good else f"{seen}, is {labels[i]}", fontsize=9, color="black" if good else RED)
    figure.savefig(path)


if __name__ == "__main__":
    main()
