"""Train a small transformer on real text, character by character, against the best n-gram model of the same text.

    python examples/text.py                      on the CPU
    python examples/text.py --device cuda        the same on the GPU

The text is Python's own help, the topics that ``help("topics")`` lists: it comes with every Python, so nothing is
downloaded.  Some topics are held out whole.  Both models are judged by how well they predict every character of these
from those before it, in bits per character; two to the power of that is the perplexity, the number of characters that
the model hesitates between.  On so little text the n-grams (Kneser-Ney) are hard to beat: with the default steps, five
and a half minutes on one core, they need 1.890 bits, the transformer 1.948, and the mean of the two 1.767, since each
knows what the other does not.  Into the folder ``--out`` go ``text.png`` (the learning curve) and ``text.safetensors``
(the weights and the characters).
"""

import argparse
import itertools
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics as PYDOC
from typing import NamedTuple

import numpy as np

try:
    import matplotlib  # noqa: F401 - xg.plot needs it; better to know now than when all is trained
    import safetensors  # noqa: F401 - so does xg.save
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm
except ImportError as error:
    raise SystemExit(f"text.py: {error.name} is not installed. Run: pip install 'xgrad[examples]'.") from None

import xgrad as xg
from xgrad import nn, optim

CONTEXT = 128  # characters that a prediction may look back on
WIDTH, LAYERS, HEADS = 128, 3, 4
RECENT = 6  # characters that every position sees without any attention
BATCH = 8
DROPOUT = 0.1
PEAK_RATE = 3e-3  # of AdamW, reached after a twentieth of the steps; it falls along a cosine
LONGEST = 9  # of the n-grams
END = "\n\n\n"  # of a topic


# The text -------------------------------------------------------------------------------------------------------------


def topics() -> dict[str, str]:
    """The topics by name, with every paragraph in the first of those that hold it: what is tested was never seen."""
    seen: set[str] = set()
    found = {}
    for name, text in sorted(PYDOC.items()):
        paragraphs = {" ".join(p.split()): p for p in text.split("\n\n")}
        found[name] = "\n\n".join(p for words, p in paragraphs.items() if words not in seen).strip("\n") + END
        seen |= paragraphs.keys()
    return {name: text for name, text in found.items() if len(text) > 200}


def load_data() -> tuple[list[list[str]], list[np.ndarray], xg.data.Vocabulary]:
    """The names of the topics to learn from and held out, their characters by number, and which these are."""
    found = topics()
    parts = xg.data.train_test_split(list(found), test_size=0.12, generator=0)  # whatever the seed is
    texts = ["".join(found[name] for name in part) for part in parts]
    vocabulary = xg.data.Vocabulary("".join(texts))
    codes, held = map(vocabulary.encode, texts)
    held = held[: len(held) // CONTEXT * CONTEXT + 1]  # whole stretches, so that both models predict the same
    return list(parts), [codes, held], vocabulary


def windows(codes: np.ndarray, length: int) -> np.ndarray:
    """Every stretch of ``length`` characters, shape (stretches, length), without a copy."""
    return np.lib.stride_tricks.sliding_window_view(codes, length)


# The baseline ---------------------------------------------------------------------------------------------------------


class Counts(NamedTuple):
    """Counts of the n-grams of one length, each n-gram as one number; a history is an n-gram less its last character.

    A discount is taken from every count, and what a history lost that way goes to the shorter n-grams.
    """

    grams: np.ndarray  # sorted
    kept: np.ndarray  # of their counts
    histories: np.ndarray  # sorted
    totals: np.ndarray  # counts of what follows a history
    lost: np.ndarray  # of the totals

    @classmethod
    def of(cls, grams: np.ndarray, counts: np.ndarray, characters: int) -> "Counts":
        """From sorted n-grams and how often each was found, by the discounts of Chen and Goodman (1999)."""
        once, twice, thrice, often = (max(int(np.sum(counts == c)), 1) for c in (1, 2, 3, 4))
        share = once / (once + 2 * twice)
        discounts = [0, 1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * often / thrice]
        taken = np.clip(discounts, 0.1, 0.9 * np.arange(4))[np.minimum(counts, 3)]
        histories, first = np.unique(grams // characters, return_index=True)
        return cls(grams, counts - taken, histories, np.add.reduceat(counts, first), np.add.reduceat(taken, first))

    def probability(self, grams: np.ndarray, characters: int, shorter: np.ndarray) -> np.ndarray:
        """That of the last characters, given what the shorter n-grams say; theirs where the history is unknown."""
        place, known = _find(self.grams, grams)
        kept = np.where(known, self.kept[place], 0.0)
        place, known = _find(self.histories, grams // characters)
        return np.where(known, (kept + self.lost[place] * shorter) / self.totals[place], shorter)


def _find(values: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    place = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return place, values[place] == wanted


class NGrams:
    """Interpolated Kneser-Ney models of all orders up to one (Kneser and Ney, 1995).

    The longest n-grams are counted as they are.  A shorter one counts once for every character found before it: it is
    asked only about histories that were not seen, and there what is frequent in a single phrase misleads.
    """

    def __init__(self, codes: np.ndarray, characters: int, order: int):
        self.characters, self.order = characters, order
        if characters**order > np.iinfo(np.int64).max:
            raise ValueError(f"NGrams: {order} of {characters} characters do not fit into 64 bits. Lower the order.")
        found = [np.unique(self._numbers(windows(codes, n)), return_counts=True) for n in range(1, order + 1)]
        self.longest = [Counts.of(grams, counts, characters) for grams, counts in found]
        self.shorter = []
        for length, (longer, _) in enumerate(found[1:], 1):
            grams, befores = np.unique(longer % characters**length, return_counts=True)
            self.shorter.append(Counts.of(grams, befores, characters))

    def _numbers(self, grams: np.ndarray) -> np.ndarray:
        """Each n-gram as one number, its last character the lowest digit."""
        return grams @ self.characters ** np.arange(grams.shape[1])[::-1]

    def probabilities(self, grams: np.ndarray) -> np.ndarray:
        """The probability of the last of ``order`` characters by every order, shape (n, order) to (order, n)."""
        numbers = self._numbers(grams)
        p = np.full(len(grams), 1 / self.characters)
        result = []
        for length, longest in enumerate(self.longest, 1):
            ends = numbers % self.characters**length
            result.append(longest.probability(ends, self.characters, p))
            if length < self.order:
                p = self.shorter[length - 1].probability(ends, self.characters, p)
        return np.stack(result)

    def bits(self, codes: np.ndarray, skip: int) -> np.ndarray:
        """What every character after the first ``skip`` costs, by every order, shape (order, characters)."""
        return -np.log2(self.probabilities(windows(codes, self.order)[skip - self.order + 1 :]))


# The transformer ------------------------------------------------------------------------------------------------------


class Transformer(nn.Module):
    """A causal transformer (Vaswani et al., 2017) that attends by distance instead of by position (Press et al., 2022).

    A character says little on its own, so that every position starts from the last few of them.
    """

    def __init__(self, characters: int, generator: xg.random.Generator):
        self.embedding = nn.Embedding(characters, WIDTH // 4, generator=generator)
        self.recent = nn.Linear(RECENT * (WIDTH // 4), WIDTH, generator=generator)
        self.layers = [
            nn.TransformerEncoderLayer(
                WIDTH, HEADS, 4 * WIDTH, DROPOUT, batch_first=True, norm_first=True, generator=generator
            )
            for _ in range(LAYERS)
        ]
        self.norm = nn.LayerNorm(WIDTH)
        self.scores = nn.Linear(WIDTH, characters, generator=generator)

    def forward(self, codes: xg.Tensor) -> xg.Tensor:
        """Scores of the character after each, shape (n, length) to (n, length, characters)."""
        n, length = codes.shape
        letters = xg.pad(self.embedding(codes), ((0, 0), (RECENT - 1, 0), (0, 0)))
        x = self.recent(xg.concat([letters[:, i : i + length] for i in range(RECENT)], axis=2))
        bias = xg.broadcast_to(attention_bias(length, codes.device), (n, HEADS, length, length))
        bias = xg.reshape(bias, (n * HEADS, length, length))
        for layer in self.layers:
            x = layer(x, bias)
        return self.scores(self.norm(x))


def attention_bias(length: int, device: xg.Device) -> xg.Tensor:
    """What is added to the scores of attention: less for what is further back, by another slope in every head.

    Shape (heads, queries, keys); minus infinity for what is still to come.
    """
    places = xg.arange(length, dtype="float32", device=device)
    back = places[:, None] - places
    slopes = 2.0 ** (-8.0 / HEADS * xg.arange(1, HEADS + 1, dtype="float32", device=device))
    return xg.where(back < 0, -math.inf, -slopes[:, None, None] * back)


def train_step(model: Transformer, optimiser: optim.Optimizer, window: xg.Tensor) -> xg.Tensor:
    """One step on stretches of text, shape (n, length + 1); the loss before it, in nats per character."""
    loss = nn.cross_entropy(model(window[:, :-1]), window[:, 1:], axis=-1)
    loss.backward()
    optim.clip_grad_norm(model.parameters(), 1.0)
    optimiser.step()
    return loss


def optimiser_and_schedule(model: Transformer, steps: int) -> tuple[optim.Optimizer, optim.LRScheduler]:
    """AdamW, which warms up along a line and cools down along a cosine."""
    optimiser = optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    warm = max(steps // 20, 1)
    rise = optim.LinearLR(optimiser, start_factor=1 / warm, total_iters=warm)
    fall = optim.CosineAnnealingLR(optimiser, T_max=max(steps - warm, 1), eta_min=0.02 * PEAK_RATE)
    return optimiser, optim.SequentialLR(optimiser, [rise, fall], milestones=[warm])


def batches(codes: np.ndarray, seed: int, device: str) -> Iterator[xg.Tensor]:
    """Stretches of the text from anywhere in it, without end, shape (BATCH, CONTEXT + 1)."""
    dataset = xg.data.ArrayDataset(windows(codes, CONTEXT + 1))
    loader = xg.data.DataLoader(dataset, BATCH, shuffle=True, drop_last=True, generator=seed, device=device)
    for epoch in itertools.repeat(loader):
        for (window,) in epoch:
            yield window


def train(
    model: Transformer, codes: np.ndarray, held: np.ndarray, steps: int, seed: int, device: str
) -> tuple[dict[int, float], dict[int, float]]:
    """Bits per character by steps: of the training text, and of part of the text held out."""
    optimiser, schedule = optimiser_and_schedule(model, steps)
    often, seldom = max(steps // 50, 1), max(steps // 10, 1)
    training: dict[int, float] = {}
    testing: dict[int, float] = {}
    recent = []
    with tqdm(range(1, steps + 1), unit="step", desc="training", file=sys.stderr) as bar:
        for step, window in zip(bar, batches(codes, seed, device), strict=False):
            recent.append(train_step(model, optimiser, window))
            schedule.step()
            if step % often == 0 or step == steps:  # only here the host waits for the device
                training[step] = float(xg.mean(xg.stack(recent))) / math.log(2)
                recent.clear()
                if step % seldom == 0 or step == steps:
                    testing[step] = float(bits(model, held, device).mean())
                bar.set_postfix(bits=f"{training[step]:.3f}", held_out=f"{[math.nan, *testing.values()][-1]:.3f}")
    return training, testing


def bits(model: Transformer, codes: np.ndarray, device: str) -> np.ndarray:
    """What every character after the first ``CONTEXT + 1`` costs, shape (characters,).

    Each is predicted from ``CONTEXT`` to twice as many before it: attention by distance works over longer stretches
    than those it was trained on.
    """
    stretches = xg.data.ArrayDataset(windows(codes, 2 * CONTEXT + 1)[::CONTEXT])
    found = []
    model.eval()
    with xg.no_grad():
        for (window,) in xg.data.DataLoader(stretches, 16, device=device):
            losses = nn.cross_entropy(model(window[:, :-1]), window[:, 1:], axis=-1, reduction="none")
            found.append(losses[:, CONTEXT:].numpy().ravel() / math.log(2))
    model.train()
    return np.concatenate(found)


def write(
    model: Transformer, start: np.ndarray, length: int, temperature: float, random: xg.random.Generator
) -> np.ndarray:
    """Texts that go on from the starts, shape (n, m) to (n, m + length), by drawing from what the model predicts."""
    model.eval()
    codes = xg.asarray(start, device=random.device)
    with xg.no_grad():
        for _ in range(length):
            scores = model(codes[:, -2 * CONTEXT :])[:, -1]
            codes = xg.concat([codes, random.categorical(scores / temperature)[:, None]], axis=1)
    return codes.numpy()


# The command line -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Read the options, count, train, compare, write."""
    args = options()
    try:
        xg.zeros(1, device=args.device)
    except ValueError as error:  # a device that is not there
        print(f"text.py: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    if args.threads:
        threadpool_limits(args.threads)
    (names, test_names), (codes, held), vocabulary = load_data()
    print(
        f"{len(names)} topics of {len(codes):,} characters to learn from; {len(test_names)} of {len(held):,} held out; "
        f"{len(vocabulary)} different characters\n"
    )
    of_ngrams = NGrams(codes, len(vocabulary), LONGEST).bits(held, CONTEXT + 1)
    by_order = of_ngrams.mean(axis=1)
    of_best = of_ngrams[by_order.argmin()]
    print("order       " + "".join(f"{order:7d}" for order in range(1, LONGEST + 1)))
    print("n-gram bits " + "".join(f"{b:7.3f}" for b in by_order) + "\n")

    start = time.perf_counter()
    random = xg.random.default_rng(args.seed, device=args.device)
    model = Transformer(len(vocabulary), random).to(args.device)
    print(f"{model}\n")
    part = held[: 128 * CONTEXT + 1]  # to look at now and then
    training, testing = train(model, codes, part, args.steps, args.seed, args.device)
    seconds = time.perf_counter() - start
    of_model = bits(model, held, args.device)
    of_both = 1 - np.log2(0.5**of_model + 0.5**of_best)  # of the mean of their probabilities

    args.out.mkdir(parents=True, exist_ok=True)
    curve, weights = args.out / "text.png", args.out / "text.safetensors"
    level = of_best[: len(part) - CONTEXT - 1].mean()
    series = {
        "training text": training,
        "held-out text, a part": testing,
        "best n-gram, the same part": {0: level, args.steps: level},
    }
    xg.plot.curves(curve, series, title="Python's help, predicted", xlabel="step", ylabel="bits per character")
    xg.save({"model": model.state_dict(), "characters": vocabulary.characters}, weights)

    starts = np.stack([vocabulary.encode(s) for s in ("The object ", "If the type", "   >>> def ")][: args.samples])
    for codes in write(model, starts, 300, args.temperature, random) if args.samples else ():
        print(f"--- at temperature {args.temperature}:\n{vocabulary.decode(codes)}\n")
    print("held-out text          bits per character  perplexity")
    rows = {
        f"n-gram of order {by_order.argmin() + 1}": of_best,
        "transformer": of_model,
        "both, half and half": of_both,
    }
    for name, b in ((name, costs.mean()) for name, costs in rows.items()):
        print(f"{name:22s} {b:18.3f}  {2**b:10.3f}")
    print(f"\n{args.steps} steps in {seconds:.0f} s on {args.device}\nwrote {curve} and {weights}")


def options(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line says, or these words of one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, torch:cpu ... (default: %(default)s)")
    parser.add_argument("--steps", type=positive, default=2000, help="of training (default: %(default)s)")
    parser.add_argument("--seed", type=natural, default=0, help="same seed, same result (default: %(default)s)")
    parser.add_argument("--temperature", type=above_0, default=0.7, help="below 1: safer (default: %(default)s)")
    parser.add_argument("--samples", type=natural, default=3, help="texts to write, up to 3 (default: %(default)s)")
    parser.add_argument("--threads", type=positive, help="of the CPU's matrix products (default: one per core)")
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


def above_0(text: str) -> float:
    """A float above 0, for argparse."""
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return number


if __name__ == "__main__":
    main()
