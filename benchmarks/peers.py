"""One small adapter for each library, all used as their own documentation advises.

An adapter holds the functions that tasks use (``xp``, ``linear``, ``relu``, ``cross_entropy``) and makes the *step*
that is timed: a call without arguments that returns the loss and all gradients.  Parameters and data are in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .tasks import Arrays, Task

Step = Callable[[], tuple[Any, list[Any]]]


class Peer:
    """What every adapter has; the defaults are those of a library that follows NumPy."""

    xp: Any

    def step(self, task: Task, params: Arrays, data: Arrays) -> Step:
        """The call that is timed."""
        raise NotImplementedError

    def wait(self, result: Any) -> None:
        """Wait until ``result`` is there, for libraries that only queue the work."""

    def numpy(self, value: Any) -> np.ndarray:
        """A value of the library as a NumPy array."""
        return np.asarray(value)

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w + b

    def relu(self, x: Any) -> Any:
        return self.xp.maximum(x, 0.0)

    def cross_entropy(self, logits: Any, targets: Any) -> Any:
        xp = self.xp
        shifted = logits - xp.max(logits, axis=1, keepdims=True)
        return xp.mean(xp.log(xp.sum(xp.exp(shifted), axis=1)) - shifted[xp.arange(len(targets)), targets])


class Hand(Peer):
    """The hand-written version, on NumPy or on CuPy."""

    def __init__(self, device: str):
        if "cuda" in device:
            import cupy

            self.xp, self.place = cupy, cupy.cuda.Device(number(device))
            self.place.use()
        else:
            self.xp, self.place = np, None

    def step(self, task: Task, params: Arrays, data: Arrays) -> Step:
        ours, fixed = ([self.xp.asarray(a) for a in arrays] for arrays in (params, data))
        return lambda: task.hand(self.xp, ours, fixed)

    def wait(self, result: Any) -> None:
        if self.place is not None:
            self.place.synchronize()

    def numpy(self, value: Any) -> np.ndarray:
        return value.get() if self.place is not None and hasattr(value, "get") else np.asarray(value)


class XGrad(Peer):
    """xgrad, with leaves and ``backward()``, on any of its devices."""

    def __init__(self, device: str):
        import xgrad

        self.xp, self.device, self.synchronize = xgrad, device, None
        xgrad.zeros((), device=device)  # a clear error when the device is not there
        if device.startswith("cuda"):
            import cupy

            place = cupy.cuda.Device(number(device))
            place.use()
            self.synchronize = place.synchronize
        elif device.startswith("torch:cuda"):
            import torch

            self.synchronize = lambda: torch.cuda.synchronize(number(device))

    def step(self, task: Task, params: Arrays, data: Arrays) -> Step:
        leaves = [self.xp.Tensor(a, device=self.device) for a in params]
        fixed = [self.xp.asarray(a, device=self.device) for a in data]

        def step() -> tuple[Any, list[Any]]:
            loss = task.forward(self, leaves, fixed)
            loss.backward()
            return loss, [leaf.grad for leaf in leaves]

        return step

    def wait(self, result: Any) -> None:
        if self.synchronize is not None:
            self.synchronize()

    def numpy(self, value: Any) -> np.ndarray:
        return value.detach().numpy()

    def relu(self, x: Any) -> Any:
        from xgrad import nn

        own = getattr(nn, "relu", super().relu)
        return own(x)

    def cross_entropy(self, logits: Any, targets: Any) -> Any:
        from xgrad import nn

        own = getattr(nn, "cross_entropy", super().cross_entropy)
        return own(logits, targets)


class Torch(Peer):
    """PyTorch eager.  Its float32 products are true float32 by default, like CuPy's."""

    def __init__(self, device: str):
        import torch

        self.xp, self.F = torch, torch.nn.functional
        self.device = device.removeprefix("torch:") if "cuda" in device else "cpu"
        if "cuda" in device and not torch.cuda.is_available():
            raise ImportError("this PyTorch sees no CUDA device")
        torch.set_num_threads(min(2, torch.get_num_threads()))

    def step(self, task: Task, params: Arrays, data: Arrays) -> Step:
        leaves = [self.xp.tensor(a, device=self.device, requires_grad=True) for a in params]
        fixed = [self.xp.tensor(a, device=self.device) for a in data]

        def step() -> tuple[Any, list[Any]]:
            for leaf in leaves:
                leaf.grad = None
            loss = task.forward(self, leaves, fixed)
            loss.backward()
            return loss, [leaf.grad for leaf in leaves]

        return step

    def wait(self, result: Any) -> None:
        if self.device != "cpu":
            self.xp.cuda.synchronize(self.device)

    def numpy(self, value: Any) -> np.ndarray:
        return value.detach().cpu().numpy()

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return self.xp.addmm(b, x, w)

    def relu(self, x: Any) -> Any:
        return self.F.relu(x)

    def cross_entropy(self, logits: Any, targets: Any) -> Any:
        return self.F.cross_entropy(logits, targets)


class Autograd(Peer):
    """HIPS autograd."""

    def __init__(self, device: str):
        import autograd
        import autograd.numpy

        self.xp, self.value_and_grad = autograd.numpy, autograd.value_and_grad

    def step(self, task: Task, params: Arrays, data: Arrays) -> Step:
        both = self.value_and_grad(lambda leaves: task.forward(self, leaves, data))
        return lambda: both(params)


class MyGrad(Peer):
    """mygrad, with its guarding of memory off, as its documentation advises for speed."""

    def __init__(self, device: str):
        import mygrad
        import mygrad.nnet

        self.xp, self.nnet = mygrad, mygrad.nnet
        mygrad.turn_memory_guarding_off()

    def step(self, task: Task, params: Arrays, data: Arrays) -> Step:
        leaves = [self.xp.tensor(a) for a in params]

        def step() -> tuple[Any, list[Any]]:
            loss = task.forward(self, leaves, data)
            loss.backward()
            return loss, [leaf.grad for leaf in leaves]

        return step

    def relu(self, x: Any) -> Any:
        return self.nnet.activations.relu(x)

    def cross_entropy(self, logits: Any, targets: Any) -> Any:
        return self.nnet.losses.softmax_crossentropy(logits, targets)


class Jax(Peer):
    """JAX eager: ``value_and_grad`` without ``jit`` around it."""

    def __init__(self, device: str):
        import jax

        jax.config.update("jax_enable_x64", True)
        self.xp, self.jax = jax.numpy, jax
        self.place = jax.devices("cuda")[number(device)] if "cuda" in device else jax.devices("cpu")[0]

    def step(self, task: Task, params: Arrays, data: Arrays) -> Step:
        ours, fixed = ([self.jax.device_put(a, self.place) for a in arrays] for arrays in (params, data))
        both = self.jax.value_and_grad(lambda leaves: task.forward(self, leaves, fixed))
        return lambda: both(ours)

    def wait(self, result: Any) -> None:
        self.jax.block_until_ready(result)

    def relu(self, x: Any) -> Any:
        return self.jax.nn.relu(x)


PEERS: dict[str, Callable[[str], Peer]] = {
    "hand": Hand,
    "xgrad": XGrad,
    "torch": Torch,
    "autograd": Autograd,
    "mygrad": MyGrad,
    "jax": Jax,
}
ON_GPU = ("hand", "xgrad", "torch", "jax")  # those that compute there


def number(device: str) -> int:
    """The number at the end of a device's name; 0 when there is none."""
    last = device.rpartition(":")[2]
    return int(last) if last.isdigit() else 0
