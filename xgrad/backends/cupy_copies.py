"""Copies to a CUDA device in the background, beside the work that is queued there."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from . import Device, host, namespace_of


class Copy(NamedTuple):
    """A copy that was started: what it makes, what it reads, and the event behind it."""

    made: list[Any]
    read: list[Any]
    event: Any


class Copier:
    """Copies arrays to one device on a stream of its own; the host never waits for it.

    A copy goes from pinned memory to memory of the stream that is current at ``start``.  Work queued on that stream may
    still use what this memory held before, so the copy waits for it; work queued after ``finish`` waits for the copy.
    Both memories are held until the copy is done, even if nobody asks for it again: else others would get them sooner.

    Parameters
    ----------
    xp : CuPy
        The backend.
    place : str
        The device's name.
    """

    def __init__(self, xp: Any, place: str):
        self.xp, self.place = xp, place
        with xp.on(place):
            self.stream = xp.cupy.cuda.Stream(non_blocking=True)
        self._lock = threading.Lock()
        self._under_way: list[Copy] = []

    def start(self, arrays: list[Any]) -> Copy:
        """Begin to copy NumPy arrays, and bring Tensors and arrays of other libraries; none is looked at later."""
        from ..ops.creation import asarray

        device, cuda = Device(self.xp.name, self.place), self.xp.cupy.cuda
        made: list[Any] = []
        read: list[Any] = []
        with self.xp.on(self.place):
            self.stream.wait_event(self._recorded(cuda.get_current_stream()))
            for array in arrays:
                made.append(self._sent(array, read) if namespace_of(array) is host() else asarray(array, device=device))
            copy = Copy(made, read, self._recorded(self.stream))
        with self._lock:
            self._under_way = [c for c in self._under_way if not c.event.done] + [copy]
        return copy

    def finish(self, started: Copy) -> list[Any]:
        """The Tensors, for work that is queued from now on."""
        from ..ops.creation import asarray

        with self.xp.on(self.place):
            self.xp.cupy.cuda.get_current_stream().wait_event(started.event)
        return [asarray(array, device=Device(self.xp.name, self.place)) for array in started.made]

    def _recorded(self, stream: Any) -> Any:
        """An event behind all that was queued on ``stream``."""
        return stream.record(self.xp.cupy.cuda.Event(disable_timing=True))

    def _sent(self, array: Any, read: list[Any]) -> Any:
        """What ``array`` will be on the device; the pinned memory that it comes from is added to ``read``."""
        dtype = array.dtype.newbyteorder("=")
        target = self.xp.cupy.empty(array.shape, dtype=dtype)
        if target.size:
            pinned = self.xp.cupyx.empty_pinned(array.shape, dtype)
            np.copyto(pinned, array)
            target.set(pinned, self.stream)
            read.append(pinned)
        return target
