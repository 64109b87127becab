"""Copies in the background on CuPy, on the stand-in with streams that run when the test says so."""

import gc
import inspect
import types
import weakref

import numpy as np
import pytest

import xgrad as xg
from xgrad.backends.cupy_copies import Copier
from xgrad.data import ArrayDataset, DataLoader

from .cupy_stand_in import Host, ndarray, on_gpu, read, stood_in, xp

__all__ = ["stood_in", "xp"]  # fixtures

GONE = np.nan  # what memory holds that was given back before a copy was done


class Event:
    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.done = False


class Stream:
    """Work in order; it is done when somebody asks, as far as it does not wait for another stream's."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        assert null or non_blocking  # else the null stream and this one wait for each other
        self.queue, self.device_id = [], Host.device

    def record(self, event=None):
        event = Event() if event is None else event
        self.queue.append(lambda: setattr(event, "done", True))
        return event

    def wait_event(self, event):
        self.queue.append(event)

    def run(self):
        while self.queue and not (isinstance(self.queue[0], Event) and not self.queue[0].done):
            work = self.queue.pop(0)
            if not isinstance(work, Event):
                work()


class Memory:
    """Pinned memory by address: that of an array which is gone holds nothing anybody knows."""

    def __init__(self):
        self.pinned = []

    def empty(self, shape, dtype=float, order="C"):
        array = np.empty(shape, dtype, order)
        self.pinned.append(weakref.ref(array))
        return array

    def held(self):
        gc.collect()
        return sum(ref() is not None for ref in self.pinned)


@pytest.fixture
def gpu(xp, monkeypatch):
    """A GPU: its current stream, its pinned memory, and a copier that no test has used."""
    current, memory = Stream(null=True), Memory()

    def send(self, arr, stream=None):
        assert any(ref() is arr for ref in memory.pinned), "memory that is not pinned makes the host wait"
        assert (self.dtype, self.shape) == (arr.dtype, arr.shape) and self._a.flags.c_contiguous
        assert self.data.device_id == Host.device
        source, target = weakref.ref(arr), weakref.ref(self)

        def work():
            assert target() is not None, "this memory belongs to others by now"
            target()._a[...] = GONE if source() is None else source()

        (stream or current).queue.append(work)

    monkeypatch.setattr(xp.cupy.cuda, "Stream", Stream, raising=False)
    monkeypatch.setattr(xp.cupy.cuda, "Event", Event, raising=False)
    monkeypatch.setattr(xp.cupy.cuda, "get_current_stream", lambda device_id=-1: current, raising=False)
    monkeypatch.setattr(xp.cupyx, "empty_pinned", memory.empty, raising=False)
    monkeypatch.setattr(ndarray, "set", send, raising=False)
    monkeypatch.setattr(xp, "_copiers", {})
    copier = xp.copier("cuda:0")
    return types.SimpleNamespace(current=current, memory=memory, copier=copier, stream=copier.stream)


def test_a_copy_waits_for_what_was_queued_before_and_later_work_for_the_copy(gpu):
    order = []
    gpu.current.queue.append(lambda: order.append("earlier work"))
    started = gpu.copier.start([np.arange(3.0)])
    gpu.stream.run()
    assert not started.event.done  # its memory may be in use still
    (tensor,) = gpu.copier.finish(started)
    gpu.current.queue.append(lambda: order.append(read(tensor).tolist()))
    gpu.current.run()
    assert order == ["earlier work"]
    gpu.stream.run()
    gpu.current.run()
    assert order == ["earlier work", [0.0, 1.0, 2.0]]


def test_work_between_start_and_finish_waits_for_nothing(gpu):
    order = []
    gpu.copier.start([np.arange(3.0)])
    assert len(gpu.current.queue) == 1  # the event that the copy waits for
    gpu.current.queue.append(lambda: order.append("the step before"))
    gpu.current.run()
    assert order == ["the step before"]


def test_arrays_may_change_when_start_has_returned(gpu):
    array = np.arange(3.0)
    started = gpu.copier.start([array])
    array[...] = -1.0
    gpu.current.run()
    gpu.stream.run()
    assert read(gpu.copier.finish(started)[0]).tolist() == [0.0, 1.0, 2.0]


def test_both_memories_are_held_until_the_copy_is_done_and_no_longer(gpu):
    started = gpu.copier.start([np.arange(3.0), np.arange(2)])
    target = weakref.ref(started.made[0])
    del started  # a loop that was left
    assert gpu.memory.held() == 2 and target() is not None
    gpu.current.run()
    gpu.stream.run()
    gpu.copier.start([])
    assert gpu.memory.held() == 0 and target() is None


def test_the_values_arrive_though_nobody_holds_what_they_came_from(gpu):
    (tensor,) = gpu.copier.finish(gpu.copier.start([np.arange(3.0)]))
    gc.collect()
    gpu.current.run()
    gpu.stream.run()
    assert read(tensor).tolist() == [0.0, 1.0, 2.0]


ARRAYS = {
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "gaps": np.arange(9, dtype=np.int32)[::-2],
    "swapped": np.arange(3, dtype=">f4"),
    "booleans": np.array([True, False]),
    "complex": np.array([1j, 2.0], np.complex64),
    "scalar": np.float32(2.5),
    "no axes": np.array(3),
    "nothing": np.empty((0, 3)),
    "read-only": np.broadcast_to(np.float16(1.5), (2, 2)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_copied(gpu, name):
    array = ARRAYS[name]
    (tensor,) = gpu.copier.finish(gpu.copier.start([array]))
    gpu.current.run()
    gpu.stream.run()
    assert str(tensor.device) == "cuda:0" and tensor.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(read(tensor), array)


def test_tensors_and_arrays_of_other_libraries_come_along(gpu):
    strict = pytest.importorskip("array_api_strict")
    there = on_gpu(np.arange(2.0))
    given = [np.ones(1), xg.asarray(np.arange(3)), there, strict.asarray([4.0, 5.0])]
    tensors = gpu.copier.finish(gpu.copier.start(given))
    gpu.current.run()
    gpu.stream.run()
    assert [read(t).tolist() for t in tensors] == [[1.0], [0, 1, 2], [0.0, 1.0], [4.0, 5.0]]
    assert tensors[2].value is there.value and gpu.memory.held() == 1


def test_the_tensors_are_committed_to_the_device(gpu):
    (tensor,) = gpu.copier.finish(gpu.copier.start([np.arange(3.0)]))
    with pytest.raises(ValueError, match="device"):
        tensor + xg.asarray(np.arange(3.0), device="cpu")


def test_the_host_does_not_wait_and_nothing_is_launched(gpu):
    Host.launches.clear()
    gpu.copier.finish(gpu.copier.start([np.arange(3.0), np.arange(2)]))
    assert not set(Host.launches) - {"empty"}


def test_a_device_has_one_copier_or_none(gpu, xp):
    cuda = xg.empty(0, device="cuda").device
    assert isinstance(cuda.copier(), Copier) and cuda.copier() is gpu.copier
    assert gpu.copier.stream.device_id == 0
    assert xg.empty(0, device="cpu").device.copier() is None
    assert xg.empty(0, device="strict").device.copier() is None


def test_a_second_gpu_has_a_stream_of_its_own(gpu, xp, monkeypatch):
    monkeypatch.setattr(Host, "count", 2)
    copier = xp.copier("cuda:1")
    assert copier is not gpu.copier and copier.stream.device_id == 1
    (tensor,) = copier.finish(copier.start([np.arange(2.0)]))
    assert str(tensor.device) == "cuda:1" and Host.device == 0


def test_a_loader_copies_its_batches_ahead(gpu):
    seen = []
    data = ArrayDataset(np.arange(12.0).reshape(6, 2), np.arange(6))
    for x, y in DataLoader(data, batch_size=2, device="cuda"):
        gpu.current.queue.append(lambda x=x, y=y: seen.append((read(x).tolist(), read(y).tolist())))
        gpu.stream.run()
        gpu.current.run()
        gpu.stream.run()
        gpu.current.run()
    assert [labels for _, labels in seen] == [[0, 1], [2, 3], [4, 5]]
    assert seen[1][0] == [[4.0, 5.0], [6.0, 7.0]]
    gpu.copier.start([])
    assert gpu.memory.held() == 0


def test_without_pinned_memory_a_loader_uses_none(gpu):
    batches = list(DataLoader(ArrayDataset(np.arange(4.0)), batch_size=2, device="cuda", pin_memory=False))
    assert len(batches) == 2 and not gpu.memory.pinned and not gpu.stream.queue


def test_copies_on_every_device(device, rng):
    """On a GPU this is the test of the streams: work on every batch while the next one is copied."""
    data, weight = rng.standard_normal((64, 300, 50)), rng.standard_normal((50, 50))
    w = xg.asarray(weight, device=device)
    sums = [xg.sum(x @ w @ w) for (x,) in DataLoader(ArrayDataset(data), batch_size=4, device=device)]
    expected = [np.sum(part @ weight @ weight) for part in data.reshape(16, 4, 300, 50)]
    np.testing.assert_allclose([float(s) for s in sums], expected, rtol=1e-9, atol=1e-6)


def test_cupy_has_what_the_copier_calls():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    cupyx = pytest.importorskip("cupyx")
    for ours, theirs in ((Stream, cupy.cuda.Stream), (Event, cupy.cuda.Event)):
        assert (
            str(inspect.signature(ours.__init__)) == str(inspect.signature(theirs.__init__)).split(", is_shutting")[0]
        )
    assert inspect.signature(cupyx.empty_pinned).parameters.keys() == {"shape", "dtype", "order"}
    assert callable(cupy.cuda.Stream.record) and callable(cupy.cuda.Stream.wait_event)
    assert callable(cupy.ndarray.set) and callable(cupy.cuda.get_current_stream)
