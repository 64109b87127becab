"""Learn to draw handwritten digits, and say in bits how well: a variational autoencoder.

    python examples/vae.py                      1,797 digits of 8 by 8 pixels, which come with scikit-learn
    python examples/vae.py --mnist FOLDER       MNIST, or a data set in its format, from files that you have
    python examples/vae.py --device cuda

The network is told which digit to draw.  What it has learned is measured on images held out: the bits per pixel that a
code made by it would need at most, beside those of a code for each pixel by itself.  Into the folder ``--out`` go
``vae_digits.png`` (a column for each digit), ``vae_between.png`` (ways from one held-out image to another),
``vae_curves.png`` and ``vae.safetensors`` (the weights).

Kingma and Welling, "Auto-encoding variational Bayes" (2014).
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

try:
    import matplotlib  # noqa: F401 - xg.plot needs it; better to know now than when all is trained
    import safetensors  # noqa: F401 - xg.save needs it
    import sklearn  # noqa: F401 - xg.data.digits needs it
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm
except ImportError as error:
    raise SystemExit(f"vae.py: {error.name} is not installed. Run: pip install -e '.[examples]'.") from None

import xgrad as xg
from xgrad import nn, optim

LATENT = 12  # numbers that describe an image, besides its digit
WIDTH = 192
BATCH = 64
PEAK_RATE, DECAY = 2e-3, 0.1  # of AdamW
DRAWS = 20  # over which the bound is averaged in the end
LN2 = math.log(2)


def main() -> None:
    """Read the options, train, measure, draw."""
    args = options()
    try:
        xg.zeros(1, device=args.device)
        data = load_data(args.mnist, args.seed)
    except (OSError, ValueError) as error:  # a device or a file that is not there, or is no such file
        print(f"vae.py: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    threadpool_limits(1)  # the arrays are small: threads would only wait for each other
    start = time.perf_counter()
    random = xg.random.default_rng(args.seed, device=args.device)
    network = model(data.size**2, data.levels, random)
    print(f"{network}\n")
    history = train(network, data, args, random)
    bits = float(np.mean([held_out_bits(network, data, random) for _ in range(DRAWS)]))
    seconds = time.perf_counter() - start

    args.out.mkdir(parents=True, exist_ok=True)
    xg.save(network.state_dict(), args.out / "vae.safetensors")
    drawn, digits = generated(network, 100, random)
    draw(args.out / "vae_digits.png", drawn[:80], data, 10)
    draw(args.out / "vae_between.png", between(network, data, rows=8, steps=9), data, 11)
    baselines = {"pixels alone": independent(data, False), "pixels alone, by digit": independent(data, True)}
    level = {name: {1: value, args.epochs: value} for name, value in baselines.items()}
    xg.plot.curves(args.out / "vae_curves.png", {**history, **level}, title="Digits", ylabel="bits per pixel")
    report({"all levels alike": math.log2(data.levels), **baselines, "this network, at most": bits}, data)
    seen, real = (nearest(data, images) == labels for images, labels in ((drawn, digits), data.some_held_out(1000)))
    print(
        f"\nBy the nearest training image, {np.mean(seen):.1%} of the drawings are the digit that was asked for "
        f"({np.mean(real):.1%} of held-out images are)"
        f"\n{args.epochs} epochs in {seconds:.1f} s on {args.device}; wrote vae_digits.png, vae_between.png, "
        f"vae_curves.png and vae.safetensors to {args.out}"
    )


def options(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line says, or these words of one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mnist", type=Path, metavar="FOLDER", help="read MNIST's four files from here")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, torch:cpu ... (default: %(default)s)")
    parser.add_argument("--epochs", type=positive, help="passes over the data (default: 80, and 10 for MNIST)")
    parser.add_argument("--seed", type=natural, default=0, help="same seed, same result (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default: %(default)s)")
    args = parser.parse_args(words)
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"argument --out: {args.out} is a file, not a folder")
    args.epochs = args.epochs or (10 if args.mnist else 80)
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


# The data -------------------------------------------------------------------------------------------------------------


@dataclass
class Data:
    """Images of ``size`` by ``size`` pixels, shape (n, size**2), and digits; pixels are whole, from 0 to levels - 1."""

    size: int
    levels: int
    train: tuple[np.ndarray, np.ndarray]
    held_out: tuple[np.ndarray, np.ndarray]

    def some_held_out(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The first images held out, and their digits."""
        images, digits = self.held_out
        return images[:count], digits[:count]


def load_data(mnist: Path | None, seed: int) -> Data:
    """scikit-learn's digits with a fifth of each held out, or MNIST from the user's files."""
    if mnist is None:
        x, y = xg.data.digits()
        x_train, x_test, y_train, y_test = xg.data.train_test_split(x, y, generator=seed, stratify=y)
        return Data(8, 17, (x_train, y_train), (x_test, y_test))
    train, held_out = (xg.data.load_mnist(mnist, train=part) for part in (True, False))
    return Data(28, 256, *((x.reshape(-1, 784), y) for x, y in (train, held_out)))


def inputs(images: np.ndarray, digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images, and digits as vectors with a single 1, for the network."""
    return images.astype(np.float32), np.eye(10, dtype=np.float32)[digits]


# The model and its training -------------------------------------------------------------------------------------------


class Autoencoder(nn.Module):
    """From an image to a normal distribution over its description, and from a description to one over images.

    Parameters
    ----------
    pixels, levels : int
        Of an image, and how many values a pixel has.
    random : xgrad.random.Generator
        Where the weights come from.
    """

    def __init__(self, pixels: int, levels: int, random: xg.random.Generator):
        self.top = levels - 1
        self.encoder = perceptron(pixels + 10, 2 * LATENT, random)
        self.decoder = perceptron(LATENT + 10, 2 * pixels, random)

    def encode(self, images: xg.Tensor, classes: xg.Tensor) -> tuple[xg.Tensor, xg.Tensor]:
        """Mean and logarithm of the standard deviation of the description, each of shape (n, LATENT)."""
        mean, log_deviation = xg.split(self.encoder(xg.concat([self.scaled(images), classes], axis=1)), 2, axis=1)
        return mean, log_deviation

    def decode(self, latent: xg.Tensor, classes: xg.Tensor) -> tuple[xg.Tensor, xg.Tensor]:
        """Centre of every pixel on a scale from -1 to 1, and the logarithm of its spread, of shape (n, pixels)."""
        centre, log_spread = xg.split(self.decoder(xg.concat([latent, classes], axis=1)), 2, axis=1)
        return centre, xg.clip(log_spread, -6.0, 6.0)

    def scaled(self, images: xg.Tensor) -> xg.Tensor:
        """Pixels from 0 to the top as numbers from -1 to 1."""
        return (2 / self.top) * images - 1


def perceptron(features: int, results: int, random: xg.random.Generator) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        *(nn.Linear(features, WIDTH, generator=random), nn.SiLU()),
        *(nn.Linear(WIDTH, WIDTH, generator=random), nn.SiLU()),
        nn.Linear(WIDTH, results, generator=random),
    )


def model(pixels: int, levels: int, random: xg.random.Generator) -> Autoencoder:
    """The network with its first weights, on the device of the generator."""
    return Autoencoder(pixels, levels, random)


def log_probability(network: Autoencoder, images: xg.Tensor, centre: xg.Tensor, log_spread: xg.Tensor) -> xg.Tensor:
    """Of every image, in nats, shape (n,): a pixel is a logistic variable, rounded to the nearest level.

    Level k has all from a, half a level below it, to b, half a level above.  The lowest has all below b, the highest
    all above a.  With s the logistic function, s(b) - s(a) = s(b) * s(-a) * (1 - exp(a - b)), whose logarithm is exact
    however far away the pixel is.

    Salimans et al., "PixelCNN++" (2017).
    """
    narrowness = xg.exp(-log_spread)
    half = narrowness / network.top
    distance = (network.scaled(images) - centre) * narrowness
    above, below = images > 0, images < network.top
    log_below = xg.where(below, -xg.special.softplus(-distance - half), 0.0)
    log_above = xg.where(above, -xg.special.softplus(distance - half), 0.0)
    log_between = xg.where(above & below, xg.log(-xg.expm1(-2 * half)), 0.0)
    return xg.sum(log_below + log_above + log_between, axis=1)


def bound(network: Autoencoder, images: xg.Tensor, classes: xg.Tensor, noise: xg.Tensor) -> xg.Tensor:
    """A lower bound on the log probability of every image given its digit, in nats, shape (n,).

    ``noise`` is standard normal, shape (n, LATENT): the description is drawn as mean + deviation * noise, so that the
    gradient passes through the draw.
    """
    mean, log_deviation = network.encode(images, classes)
    deviation = xg.exp(log_deviation)
    centre, log_spread = network.decode(mean + deviation * noise, classes)
    divergence = xg.sum(0.5 * (mean**2 + deviation**2 - 1) - log_deviation, axis=1)  # from the standard normal
    return log_probability(network, images, centre, log_spread) - divergence


def train_step(
    network: Autoencoder, optimiser: optim.Optimizer, images: xg.Tensor, classes: xg.Tensor, noise: xg.Tensor
) -> xg.Tensor:
    """One step on one batch; the loss before it, nats per image, stays on the device."""
    loss = -xg.mean(bound(network, images, classes, noise))
    loss.backward()
    optimiser.step()
    return loss.detach()


def train(
    network: Autoencoder, data: Data, args: argparse.Namespace, random: xg.random.Generator
) -> dict[str, list[float]]:
    """AdamW on random batches; returns the bits per pixel of both parts, in every epoch."""
    dataset = xg.data.ArrayDataset(*inputs(*data.train))
    loader = xg.data.DataLoader(dataset, BATCH, shuffle=True, generator=args.seed, device=args.device)
    optimiser = optim.AdamW(network.parameters(), weight_decay=DECAY)
    schedule = optim.OneCycleLR(optimiser, PEAK_RATE, epochs=args.epochs, steps_per_epoch=len(loader))
    history: dict[str, list[float]] = {"train": [], "held out": []}
    with tqdm(range(args.epochs), unit="epoch", desc="training", file=sys.stderr) as bar:
        for _ in bar:
            losses = []
            for images, classes in loader:
                noise = random.standard_normal((len(images), LATENT), dtype="float32")
                losses.append(train_step(network, optimiser, images, classes, noise))
                schedule.step()
            history["train"].append(float(xg.mean(xg.stack(losses))) / data.size**2 / LN2)
            history["held out"].append(held_out_bits(network, data, random))
            bar.set_postfix({name: f"{values[-1]:.3f}" for name, values in history.items()})
    return history


# What it has learned --------------------------------------------------------------------------------------------------


def held_out_bits(network: Autoencoder, data: Data, random: xg.random.Generator) -> float:
    """Bits per pixel of the images held out, by one draw of each description; at least those of the best code."""
    images, classes = (xg.asarray(a, device=random.device) for a in inputs(*data.held_out))
    with xg.no_grad():
        noise = random.standard_normal((len(images), LATENT), dtype="float32")
        return -float(xg.mean(bound(network, images, classes, noise))) / data.size**2 / LN2


def independent(data: Data, by_digit: bool) -> float:
    """Bits per held-out pixel when each has a distribution by itself, counted in the training images.

    With ``by_digit`` every digit has its own, blended with the common one, which counts as two images.
    """
    (x, y), (x_test, y_test) = data.train, data.held_out
    common = 0.5 + counted(x, data.levels)
    common /= common.sum(1, keepdims=True)
    pixel = np.arange(x.shape[1])
    costs = []
    for digit in range(10):
        own = counted(x[y == digit], data.levels) + 2 * common if by_digit else common
        costs.append(-np.log2((own / own.sum(1, keepdims=True))[pixel, x_test[y_test == digit].astype(int)]).sum())
    return float(sum(costs) / x_test.size)


def counted(images: np.ndarray, levels: int) -> np.ndarray:
    """How often each pixel has each level, shape (pixels, levels)."""
    pixels = images.shape[1]
    numbers = np.arange(pixels) * levels + images.astype(np.int64)
    return np.bincount(numbers.ravel(), minlength=pixels * levels).reshape(pixels, levels).astype(float)


def generated(network: Autoencoder, each: int, random: xg.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """New images of each digit in turn, pixels at their medians, and the digits."""
    digits = np.tile(np.arange(10), each)
    latent = random.standard_normal((len(digits), LATENT), dtype="float32")
    return decoded(network, latent, xg.asarray(np.eye(10, dtype=np.float32)[digits], device=random.device)), digits


def decoded(network: Autoencoder, latent: xg.Tensor, classes: xg.Tensor) -> np.ndarray:
    """Images, shape (n, pixels), each pixel at its median."""
    with xg.no_grad():
        centre, _ = network.decode(latent, classes)
        return (xg.clip(centre, -1.0, 1.0).numpy() + 1) * (network.top / 2)


def between(network: Autoencoder, data: Data, rows: int, steps: int) -> np.ndarray:
    """Rows of images: one held out, its description turning into that of another one step by step, and that one."""
    images, digits = data.held_out
    firsts = np.array([np.flatnonzero(digits == digit)[0] for digit in range(10)])
    a, b = firsts[:rows], firsts[(np.arange(rows) + 2) % 10]
    device = next(iter(network.parameters())).device
    ends = []
    for part in (a, b):
        x, c = (xg.asarray(v, device=device) for v in inputs(images[part], digits[part]))
        with xg.no_grad():
            ends.append((network.encode(x, c)[0], c))
    (z_a, c_a), (z_b, c_b) = ends
    parts = [decoded(network, z_a + t * (z_b - z_a), c_a + t * (c_b - c_a)) for t in np.linspace(0, 1, steps)]
    return np.stack([images[a], *parts, images[b]], axis=1).reshape(-1, images.shape[1])


def nearest(data: Data, images: np.ndarray) -> np.ndarray:
    """The digit of the training image that is nearest to each image."""
    x, y = data.train[0].astype(np.float32), data.train[1]
    squares = (x**2).sum(1)
    return np.concatenate([y[(squares - 2 * part.astype(np.float32) @ x.T).argmin(1)] for part in chunks(images, 100)])


def chunks(images: np.ndarray, count: int) -> list[np.ndarray]:
    """So many images at a time, for the memory's sake."""
    return [images[i : i + count] for i in range(0, len(images), count)]


def draw(path: Path, images: np.ndarray, data: Data, columns: int) -> None:
    """A grid of images, ink dark on white."""
    top = data.levels - 1
    xg.plot.images(path, top - images.reshape(-1, data.size, data.size), columns, limits=(0, top))


def report(bits: dict[str, float], data: Data) -> None:
    """What each code needs, and how much less than the one before."""
    print(f"bits per pixel of {len(data.held_out[0]):,} images held out")
    for name, value in bits.items():
        print(f"  {name:24}{value:8.3f}")
    *_, best, ours = bits.values()
    print(f"  {1 - ours / best:.1%} less than the best baseline")


if __name__ == "__main__":
    main()
