"""PyTorch: ``torch.autograd.Function`` around xgrad's functions, ``torch.autograd.grad`` inside them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..backends import Device, device_of, get, parse_device, share
from ..registry import functions
from ..tensor import Tensor, constant
from ..transforms.border import named_as, placed
from ..transforms.pullbacks import vjp
from ..transforms.pushforwards import jvp
from .calls import Call
from .imported import Library, Raw


class Torch(Library):
    """Reverse mode of PyTorch, whose convention for complex gradients is xgrad's."""

    def vjp(self, f: Callable[..., Raw], arrays: Raw, moving: Sequence[int]) -> tuple[Raw, Callable[[Raw], Raw]]:
        """The results of ``f``, and the pullback from cotangents of all of them to those of ``arrays[moving]``."""
        inputs = list(arrays)
        with torch.enable_grad():
            for i in moving:  # an alias, so that the caller's tensor is not watched
                inputs[i] = arrays[i].view_as(arrays[i]) if arrays[i].requires_grad else arrays[i].detach()
                inputs[i].requires_grad_()
            outs = f(*inputs)
        leaves = [inputs[i] for i in moving]
        watched = [i for i, o in enumerate(outs) if o.requires_grad]

        def pull(cts: Raw) -> Raw:
            if not watched:
                return [torch.zeros_like(v) for v in leaves]
            further = any(ct.requires_grad for ct in cts) or any(v.grad_fn is not None for v in leaves)
            with torch.set_grad_enabled(further):
                given = [cts[i].to(outs[i].dtype) for i in watched]
                found = torch.autograd.grad(
                    [outs[i] for i in watched],
                    leaves,
                    given,
                    retain_graph=True,
                    create_graph=further,
                    allow_unused=True,
                )
            return [torch.zeros_like(v) if g is None else g for v, g in zip(leaves, found, strict=True)]

        return outs, pull

    def array(self, value: Any) -> Any:
        """A tensor."""
        try:
            return value if isinstance(value, torch.Tensor) else torch.as_tensor(value)
        except RuntimeError as error:  # of an object that is none
            raise TypeError(str(error)) from None

    def check(self, array: Any) -> None:
        """TypeError for a tensor that PyTorch watches."""
        if isinstance(array, torch.Tensor) and array.requires_grad:
            raise TypeError(
                "from_torch: an argument is watched by PyTorch, whose gradients end here; got requires_grad=True. "
                "Call the function itself, or detach() the argument."
            )

    def detached(self, array: Any) -> Any:
        """A result without PyTorch's record of it."""
        return array.detach()


LIBRARY = Torch("torch")


def exported(f: Callable[..., Any], device: Any) -> Callable[..., Any]:
    """``f`` as a function of tensors."""
    target = None if device is None else parse_device(device)

    @named_as(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        this = Call("to_torch", f, args, kwargs, _is_tensor, functions.asarray)
        outs = _applied(_Crossing(this, target, this.arrays), this.arrays)
        return this.build(outs)

    return call


class _Crossing:
    """One call of an xgrad function on tensors: what both passes need to know."""

    def __init__(self, f: Callable[..., list[Tensor]], target: Device | None, tensors: Sequence[torch.Tensor]):
        self.f, self.target = f, target
        self.home = tensors[0].device if tensors else torch.device("cpu")
        record = torch.is_grad_enabled()
        self.moving = [i for i, t in enumerate(tensors) if record and t.requires_grad and _floating(t)]

    def away(self, tensor: torch.Tensor) -> Tensor:
        """A tensor where the function computes."""
        here = device_of(tensor)
        return constant(share(tensor.detach(), self.target or _own(here)))

    def back(self, out: Tensor) -> torch.Tensor:
        """A result where the tensors are."""
        return share(out.detach().value, Device("torch", str(self.home)))

    def run(self, tensors: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], Any]:
        """The results, and the pullback from cotangents of all of them to those of the moving tensors."""
        arrays = [self.away(t) for t in tensors]
        if not self.moving:
            return [self.back(o) for o in self.f(*arrays)], None

        def of_moving(*moving: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            outs = self.f(*placed(arrays, self.moving, moving))
            kinds[:] = [o.dtype.kind in "fc" for o in outs]
            return [o for o in outs if o.dtype.kind in "fc"], [o for o in outs if o.dtype.kind not in "fc"]

        kinds: list[bool] = []
        floats, pullback, others = vjp(of_moving, *(arrays[i] for i in self.moving), has_aux=True)
        smooth, rough = iter(floats), iter(others)
        outs = [self.back(next(smooth if k else rough)) for k in kinds]

        def pull(cts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
            given = [self.away(ct) for ct, k in zip(cts, kinds, strict=True) if k]
            return [self.back(g) for g in pullback(given)]

        return outs, pull

    def _smooth(self, arrays: Sequence[Tensor], moving: Sequence[int], chosen: Sequence[Tensor]) -> list[Tensor]:
        """The floating results where ``chosen`` stand for the ``moving`` ones of the arrays."""
        return [o for o in self.f(*placed(arrays, moving, chosen)) if o.dtype.kind in "fc"]

    def pullback(self, count: int) -> Callable[..., list[Tensor]]:
        """The pullback as a function of all tensors and the cotangents of the floating results."""

        def pulled(*arrays: Tensor) -> list[Tensor]:
            def of_moving(*chosen: Tensor) -> list[Tensor]:
                return self._smooth(arrays[:count], self.moving, chosen)

            pull = vjp(of_moving, *(arrays[i] for i in self.moving))[1]
            return list(pull(list(arrays[count:])))

        return pulled

    def pushforward(self, count: int, moving: Sequence[int]) -> Callable[..., list[Tensor]]:
        """The tangents of the floating results as a function of all tensors and the tangents of ``moving``."""

        def pushed(*arrays: Tensor) -> list[Tensor]:
            def of_moving(*chosen: Tensor) -> list[Tensor]:
                return self._smooth(arrays[:count], moving, chosen)

            return jvp(of_moving, tuple(arrays[i] for i in moving), arrays[count:])[1]

        return pushed


def _own(device: Device) -> Device:
    """NumPy's or CuPy's device on the memory of a tensor; PyTorch's where there is none."""
    if device.place == "cpu":
        return Device("numpy", "cpu")
    if device.place.startswith("cuda") and importlib.util.find_spec("cupy") is not None:
        return Device("cupy", get("cupy").place(device.place))
    return device


class _Function(torch.autograd.Function):
    """One call as PyTorch records it."""

    @staticmethod
    def forward(call: _Crossing, *tensors: torch.Tensor) -> Any:
        """The pullback, then the results; one that is a view of an argument would be written to without a trace."""
        outs, pull = call.run(tensors)
        return (pull, *(o.clone() if any(_overlap(o, t) for t in tensors) else o for o in outs))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        """What the passes need; PyTorch watches what is saved, so it notices writes to arguments and results."""
        ctx.call, *tensors = inputs
        ctx.pull, *outs = output
        ctx.count = len(tensors)
        ctx.save_for_backward(*tensors, *outs)
        ctx.save_for_forward(*tensors, *outs)
        ctx.mark_non_differentiable(*(o for o in outs if not _floating(o)))

    @staticmethod
    def backward(ctx: Any, _: Any, *cts: torch.Tensor) -> Any:
        """By the pullback that the forward pass left, or recorded anew where this pass is recorded itself."""
        call, saved = ctx.call, ctx.saved_tensors
        tensors, outs = saved[: ctx.count], saved[ctx.count :]
        if torch.is_grad_enabled():
            every = [*tensors, *(ct for ct, o in zip(cts, outs, strict=True) if _floating(o))]
            found = _applied(_Crossing(call.pullback(ctx.count), call.target, every), every)
        else:
            found = ctx.pull(cts)
        return (None, *placed([None] * ctx.count, call.moving, found))

    @staticmethod
    def jvp(ctx: Any, _: Any, *tangents: torch.Tensor | None) -> Any:
        """The tangents of the results."""
        saved = ctx.saved_tensors
        tensors, outs = saved[: ctx.count], saved[ctx.count :]
        moving = [i for i, t in enumerate(tangents) if t is not None and _floating(tensors[i])]
        every = [*tensors, *(tangents[i] for i in moving)]
        found = iter(_applied(_Crossing(ctx.call.pushforward(ctx.count, moving), ctx.call.target, every), every))
        return (None, *(next(found) if _floating(o) else None for o in outs))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], call: _Crossing, *tensors: torch.Tensor) -> Any:
        """One call per element of the batch: a function of xgrad's sees arrays without it."""
        dims = in_dims[1:]
        rows = [
            _applied(call, [t if d is None else t.select(d, i) for t, d in zip(tensors, dims, strict=True)])
            for i in range(info.batch_size)
        ]
        outs = [torch.stack(parts) for parts in zip(*rows, strict=True)]
        return (None, *outs), (None, *([0] * len(outs)))


def _overlap(a: torch.Tensor, b: torch.Tensor) -> bool:
    first, second = a.untyped_storage(), b.untyped_storage()
    start, end = max(first.data_ptr(), second.data_ptr()), min(_end(first), _end(second))
    return a.device == b.device and start < end


def _end(storage: Any) -> int:
    return storage.data_ptr() + storage.nbytes()


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _floating(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _applied(call: _Crossing, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return list(_Function.apply(call, *tensors)[1:])
