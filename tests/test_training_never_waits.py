"""A training step never makes the host wait for a GPU: on a stand-in for CuPy whose arrays raise on every look.

The values must be those of the same steps on NumPy.  On a machine with a GPU, CuPy's own switch is used besides.
"""

import numpy as np
import pytest

import xgrad as xg
from xgrad import nn, optim

from .cupy_stand_in import stood_in, xp  # noqa: F401 (fixtures)


class Everything(nn.Module):
    """A bit of each kind of layer, from small images with labels to class scores."""

    def __init__(self, generator):
        g = {"generator": generator}
        self.convolution = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, **g), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.GroupNorm(2, 4)
        )
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2, groups=2, **g)
        self.pool = nn.AdaptiveAvgPool2d((4, 3))
        self.recurrent = nn.LSTM(12, 8, bidirectional=True, batch_first=True, **g)
        self.gated = nn.GRU(16, 8, batch_first=True, **g)
        self.table = nn.Embedding(5, 8, **g)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True, **g)
        self.norm = nn.RMSNorm(8)
        self.both = nn.Bilinear(8, 8, 6, **g)
        self.out = nn.Linear(6, 3, **g)

    def forward(self, images, words):
        x = self.pool(self.up(self.convolution(images)))
        x, _ = self.recurrent(x.reshape(x.shape[0], 4, 12))
        x, _ = self.gated(x)
        x = self.encoder(x + self.table(words), is_causal=True)
        x = self.norm(x)
        x = nn.functional.silu(nn.functional.gelu(self.both(x[:, 0], x[:, -1]), approximate="tanh"))
        return self.out(nn.functional.leaky_relu(nn.functional.softplus(x)))


LOSSES = {
    "plain": lambda scores, labels: nn.cross_entropy(scores, labels),
    "weighed": lambda scores, labels: nn.cross_entropy(
        scores, labels, xg.asarray([1.0, 2.0, 0.5], dtype="float32", device=scores.device), label_smoothing=0.1
    ),
    "some ignored": lambda scores, labels: nn.cross_entropy(scores, labels, ignore_index=2),
    "regression": lambda scores, labels: (
        nn.mse_loss(scores[:, 0], labels.astype(scores.dtype))
        + nn.huber_loss(scores[:, 1], labels.astype(scores.dtype))
        + nn.l1_loss(scores[:, 2], labels.astype(scores.dtype))
    ),
    "binary": lambda scores, labels: nn.binary_cross_entropy_with_logits(
        scores[:, 0], (labels > 0).astype(scores.dtype)
    ),
}
OPTIMIZERS = {  # a large eps: some gradients, as that of a key's bias, are nothing but rounding
    "SGD": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "Adam": lambda p: optim.Adam(p, lr=0.05, eps=0.1, weight_decay=1e-3),
    "AdamW": lambda p: optim.AdamW(p, lr=0.05, eps=0.1, amsgrad=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.05, eps=0.1, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.05, eps=0.1),
    "Lion": lambda p: optim.Lion(p, lr=1e-4),
}


def batch(device):
    rng = np.random.default_rng(3)
    images = rng.standard_normal((5, 1, 8, 6)).astype(np.float32)
    return [xg.asarray(v, device=device) for v in (images, rng.integers(0, 5, (5, 4)), np.array([0, 1, 2, 0, 1]))]


def trained(device, loss_name, optimizer_name, precision=None):
    """Three steps with all that a step may have; the parameters after them, on the host."""
    model = Everything(xg.random.default_rng(0)).to(device)
    optimizer = OPTIMIZERS[optimizer_name](model.parameters())
    schedule = optim.CosineAnnealingLR(optimizer, T_max=5)
    average = optim.EMA(model.parameters(), decay=0.5)
    scaler = optim.GradScaler(8.0, growth_interval=2, enabled=precision is not None)
    images, words, labels = batch(device)
    for _ in range(3):
        with xg.autocast(precision or "bfloat16", enabled=precision is not None):
            loss = LOSSES[loss_name](model(images, words), labels)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        optim.clip_grad_norm(list(model.parameters()), 1.0)
        optim.clip_grad_value(list(model.parameters()), 0.5)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        average.update()
    return model


def on_the_host(model):
    return [p.detach().to("cpu").numpy() for p in model.parameters()]


PAIRS = [("plain", name) for name in OPTIMIZERS] + [(name, "Adam") for name in LOSSES if name != "plain"]


@pytest.mark.parametrize("loss_name, optimizer_name", PAIRS)
def test_steps_on_the_stand_in(loss_name, optimizer_name, xp):  # noqa: F811
    from .cupy_stand_in import Host

    model = trained("cuda", loss_name, optimizer_name)
    with Host.waiting():
        ours = on_the_host(model)
    for a, b in zip(ours, on_the_host(trained("cpu", loss_name, optimizer_name)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_mixed_precision_on_the_stand_in(xp):  # noqa: F811
    trained("cuda", "plain", "Adam", "float16")


def test_steps_on_a_gpu():
    reason = xg.devices().get("cuda:0", "absent")
    if reason is not None:
        pytest.skip(f"no GPU: {xg.devices().get('cuda', reason)}")
    import cupyx

    trained("cuda", "plain", "Adam")  # kernels are compiled
    with cupyx.allow_synchronize(False):
        model = trained("cuda", "plain", "Adam")
    for a, b in zip(on_the_host(model), on_the_host(trained("cpu", "plain", "Adam")), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
