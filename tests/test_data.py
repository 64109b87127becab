"""Data: every sample once, in an order that can be had again; threads that end."""

import collections
import itertools
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

import xgrad as xg
from xgrad import data
from xgrad.data import ArrayDataset, DataLoader, collate, train_test_split


class Squares(data.Dataset):
    """A data set that gives its samples one by one."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return {"n": index, "square": np.array([index**2, 0.5]), "name": f"#{index}"}


def numbers(loader):
    """The batches of one epoch over ``ArrayDataset(np.arange(n))``, as lists."""
    return [batch.numpy().tolist() for (batch,) in loader]


def loader_of(n=10, batch_size=3, shuffle=True, **options):
    return DataLoader(ArrayDataset(np.arange(n)), batch_size, shuffle, **options)


# Data sets ------------------------------------------------------------------------------------------------------------


def test_array_datasets_give_rows(rng):
    x, y = rng.standard_normal((5, 2, 3)), np.arange(5)
    dataset = ArrayDataset(x, y, [[i] for i in range(5)])
    assert len(dataset) == 5
    for got, want in zip(dataset[3], (x[3], 3, [3]), strict=True):
        np.testing.assert_array_equal(got, want)
    for got, want in zip(dataset.batch(np.array([4, 0])), (x[[4, 0]], [4, 0], [[4], [0]]), strict=True):
        np.testing.assert_array_equal(got, want)


def test_batches_are_in_memory_of_their_own():
    x = np.zeros((4, 2))
    for (batch,) in DataLoader(ArrayDataset(x), 2, transform=lambda batch, random: [a.fill(1) or a for a in batch]):
        batch += 1
        assert batch.numpy().min() == 2
    assert not x.any()


def test_memory_maps_stay_in_their_file(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(12).reshape(6, 2))
    dataset = ArrayDataset(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert isinstance(dataset.arrays[0], np.memmap)
    assert numbers(DataLoader(dataset, 4)) == [[[0, 1], [2, 3], [4, 5], [6, 7]], [[8, 9], [10, 11]]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "ArrayDataset: there is no array"),
        ([np.zeros(3), np.zeros((4, 2))], "ArrayDataset: arrays must be of one length; got 3, 4"),
        ([np.zeros(3), np.zeros(())], r"ArrayDataset: arrays\[1\] must have an axis"),
    ],
)
def test_arrays_that_are_no_data_set_are_named(arrays, message):
    with pytest.raises(ValueError, match=message):
        ArrayDataset(*arrays)


def test_a_data_set_says_what_is_not_written():
    class Empty(data.Dataset):
        pass

    for use in (len, lambda dataset: dataset[0]):
        with pytest.raises(NotImplementedError, match=r"Empty: __(len|getitem)__ is not written"):
            use(Empty())


# Collating ------------------------------------------------------------------------------------------------------------


def test_collate_keeps_the_structure_of_samples():
    Point = collections.namedtuple("Point", "x y")
    batch = collate([{"p": Point(i, [0.5 * i, True]), "t": "ab"[i], "a": np.full((1, 2), i, np.uint8)} for i in (0, 1)])
    assert type(batch["p"]) is Point and batch["t"] == ["a", "b"]
    expected = [(batch["p"].x, [0, 1], "int64"), (batch["p"].y[0], [0.0, 0.5], "float64")]
    expected += [(batch["p"].y[1], [True, True], "bool"), (batch["a"], [[[0, 0]], [[1, 1]]], "uint8")]
    for got, want, dtype in expected:
        assert got.tolist() == want and got.dtype == dtype


def test_collate_is_pytorchs_but_for_the_container():
    torch_data = pytest.importorskip("torch.utils.data")
    samples = [{"x": np.ones((2, 3), np.float32) * i, "y": (i, i / 2, np.float32(i)), "s": str(i)} for i in range(4)]
    ours, theirs = collate(samples), torch_data.default_collate(samples)
    assert ours["s"] == theirs["s"]
    for a, b in zip([ours["x"], *ours["y"]], [theirs["x"], *theirs["y"]], strict=True):
        assert a.dtype == b.numpy().dtype and a.tolist() == b.tolist()


def test_collate_stacks_tensors_where_they_are(device):
    batch = collate([xg.asarray([1.0, 2.0], device=device), xg.asarray([3.0, 4.0], device=device)])
    assert batch.device == xg.asarray(0, device=device).device and batch.numpy().tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([np.zeros(2), np.zeros(3)], ValueError, r"differ in their shapes; got \(2,\) and \(3,\).*Pass collate="),
        ([xg.zeros(2), xg.zeros((1, 2))], ValueError, r"differ in their shapes; got \(2,\) and \(1, 2\)"),
        ([(1, 2), (1,)], ValueError, "differ in their numbers of entries; got 2 and 1"),
        ([{"a": 1}, {"b": 1}], ValueError, r"differ in their entries; got \('a',\) and \('b',\)"),
        ([object(), object()], TypeError, "samples must hold arrays, numbers or texts; got object"),
    ],
)
def test_samples_that_do_not_fit_together_are_named(samples, error, message):
    with pytest.raises(error, match=f"collate: .*{message}"):
        collate(samples)


# Splitting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stratify", [False, True])
def test_a_split_keeps_rows_together_and_every_row_once(stratify, rng):
    x, y = rng.standard_normal((23, 2)), rng.integers(0, 3, 23)
    parts = train_test_split(x, y, generator=4, stratify=y if stratify else None)
    x_train, x_test, y_train, y_test = parts
    assert (len(x_train), len(x_test)) == (len(y_train), len(y_test)) == (18, 5)
    rows = sorted(map(tuple, np.column_stack([np.concatenate(parts[:2]), np.concatenate(parts[2:])])))
    assert rows == sorted(map(tuple, np.column_stack([x, y])))
    again = train_test_split(x, y, generator=4, stratify=y if stratify else None)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))
    assert not np.array_equal(x_test, train_test_split(x, y, generator=5)[1])


def test_the_sizes_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.model_selection")
    for n, size in itertools.product((5, 10, 33), (0.2, 0.25, 0.5, 3)):
        ours, theirs = (
            train_test_split(np.arange(n), test_size=size),
            sklearn.train_test_split(range(n), test_size=size),
        )
        assert [len(part) for part in ours] == [len(part) for part in theirs]


def test_a_stratified_split_gives_every_class_its_share(device):
    y = np.repeat([7, 3, 5], [50, 30, 20])
    for labels in (y, xg.asarray(y, device=device), np.array(list("xyz"))[y // 3]):
        _, test = train_test_split(y, test_size=0.1, generator=1, stratify=labels)
        assert collections.Counter(test.tolist()) == {7: 5, 3: 3, 5: 2}
        assert test.tolist() != sorted(test.tolist(), key=[7, 3, 5].index)  # not class by class
    _, test = train_test_split(y, test_size=9, generator=1, stratify=y)  # 4.5, 2.7 and 1.8
    assert collections.Counter(test.tolist()) == {7: 4, 3: 3, 5: 2}


def test_tensors_are_split_where_they_are(device):
    train, test = train_test_split(xg.asarray(np.arange(10), device=device), test_size=3, generator=0)
    host = train_test_split(np.arange(10), test_size=3, generator=0)
    assert train.device == test.device == xg.asarray(0, device=device).device
    assert [train.numpy().tolist(), test.numpy().tolist()] == [part.tolist() for part in host]


@pytest.mark.parametrize("size", [0.0, 1.0, 0, 10, 11, -1, 1.5, -0.5, float("nan")])
def test_a_part_without_samples_is_refused(size):
    with pytest.raises(ValueError, match=r"test_size must leave samples in both parts; got .* for 10 samples"):
        train_test_split(np.arange(10), test_size=size)


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="train_test_split: arrays must be of one length; got 3, 4"):
        train_test_split(np.arange(4), stratify=[0, 1, 0])
    with pytest.raises(ValueError, match="train_test_split: there is no array"):
        train_test_split()


# Batches and their order ----------------------------------------------------------------------------------------------


def test_batches_in_order():
    loader = loader_of(shuffle=False)
    assert numbers(loader) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]] and len(loader) == 4
    loader = loader_of(shuffle=False, drop_last=True)
    assert numbers(loader) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]] and len(loader) == 3
    assert numbers(loader_of(n=6)) and len(loader_of(n=6)) == len(loader_of(n=6, drop_last=True)) == 2
    assert numbers(loader_of(n=0)) == [] and len(loader_of(n=0)) == 0


def test_every_epoch_has_every_sample_in_another_order():
    loader = loader_of(n=50, batch_size=8, generator=1)
    epochs = [list(itertools.chain.from_iterable(numbers(loader))) for _ in range(3)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3 and list(range(50)) not in epochs


def test_equal_seeds_give_equal_orders_and_no_seed_others():
    orders = [[numbers(loader_of(n=50, generator=seed)) for _ in range(2)] for seed in (0, 1, None)]
    assert orders[0][0] == orders[0][1] != orders[1][0] == orders[1][1] and orders[2][0] != orders[2][1]


@pytest.mark.parametrize("make", [xg.random.default_rng, np.random.default_rng])
def test_a_generator_moves_on(make):
    first, second = make(3), make(3)
    orders = [numbers(loader_of(n=50, generator=first)) for _ in range(2)]
    assert orders[0] != orders[1] and orders[0] == numbers(loader_of(n=50, generator=second))


def test_the_order_is_the_same_on_every_device(device):
    expected = numbers(loader_of(generator=0))
    loader = loader_of(generator=0, device=device)
    batches = [batch for (batch,) in loader]
    assert all(batch.device == xg.asarray(0, device=device).device for batch in batches)
    assert [batch.numpy().tolist() for batch in batches] == expected
    xg.set_default_device(device)
    try:
        assert numbers(loader_of(generator=0)) == expected
    finally:
        xg.set_default_device("cpu")


def test_without_a_device_batches_follow_what_they_meet(device):
    weight = xg.Tensor([1.0, 2.0], device=device)
    for (x,) in DataLoader(ArrayDataset(np.ones((4, 2))), 2):
        assert (x * weight).device == weight.device


def test_tensors_are_batched_where_they_are(device):
    x = xg.asarray(np.arange(10), device=device)
    for loader in (DataLoader(ArrayDataset(x), 3, True, generator=0), loader_of(generator=0, device=device)):
        batches = [batch for (batch,) in loader]
        assert all(batch.device == x.device for batch in batches)
        assert [batch.numpy().tolist() for batch in batches] == numbers(loader_of(generator=0))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_anything_with_a_length_and_samples_is_a_data_set(num_workers):
    batches = list(DataLoader(Squares(5), 3, num_workers=num_workers))
    assert [batch["n"].numpy().tolist() for batch in batches] == [[0, 1, 2], [3, 4]]
    assert batches[1]["square"].numpy().tolist() == [[9, 0.5], [16, 0.5]] and batches[1]["name"] == ["#3", "#4"]
    assert [batch.numpy().tolist() for batch in DataLoader([5, 6, 7], 2)] == [[5, 6], [7]]


def test_pytorchs_data_sets_serve():
    torch = pytest.importorskip("torch")
    dataset = torch.utils.data.TensorDataset(torch.arange(12.0).reshape(6, 2), torch.arange(6))
    theirs = list(torch.utils.data.DataLoader(dataset, 4))
    for (x, y), (tx, ty) in zip(DataLoader(dataset, 4, device="cpu"), theirs, strict=True):
        assert str(x.device) == str(y.device) == "cpu"
        assert x.numpy().tolist() == tx.tolist() and y.numpy().tolist() == ty.tolist()


def test_arrays_of_another_library_become_tensors():
    torch = pytest.importorskip("torch")
    loader = DataLoader([1, 2, 3], 2, collate=torch.tensor, device="cpu")
    assert [(str(batch.device), batch.numpy().tolist()) for batch in loader] == [("cpu", [1, 2]), ("cpu", [3])]


def test_a_collate_of_the_users_takes_samples():
    loader = DataLoader(ArrayDataset(np.arange(4)), 2, collate=lambda samples: np.array([2 * n for (n,) in samples]))
    assert [batch.numpy().tolist() for batch in loader] == [[0, 2], [4, 6]]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an int; got 2.0"),
        ({"num_workers": -1}, ValueError, "num_workers must be at least 0; got -1"),
        ({"prefetch": True}, TypeError, "prefetch must be an int; got True"),
        ({"dataset": iter([1])}, TypeError, "dataset must have __len__ and __getitem__; got list_iterator"),
    ],
)
def test_arguments_that_cannot_be_are_named(options, error, message):
    with pytest.raises(error, match=f"DataLoader: {message}"):
        DataLoader(**{"dataset": [1, 2], **options})


# Resuming -------------------------------------------------------------------------------------------------------------


def jittered(batch, random):
    """A random change of a batch."""
    return (batch[0], random.standard_normal(2))


@pytest.mark.parametrize("num_workers", [0, 3])
def test_a_resumed_run_sees_the_same_batches_wherever_it_stopped(num_workers):
    def make(seed):
        return loader_of(generator=seed, num_workers=num_workers, transform=jittered)

    def stream(loader):
        for _ in range(loader.epoch, 3):
            for x, noise in loader:
                yield x.numpy().tolist(), noise.numpy().tolist(), loader.state_dict()

    whole = list(stream(make(7)))
    assert len(whole) == 12 and len({str(batch[1]) for batch in whole}) == 12
    for stop, (_, _, state) in enumerate(whole):
        resumed = make(8)
        resumed.load_state_dict(state)
        assert list(stream(resumed)) == whole[stop + 1 :]


def test_between_epochs_a_state_is_the_next_ones_start(tmp_path):
    loader = loader_of(generator=0)
    numbers(loader)
    state = loader.state_dict()
    assert (state["epoch"], state["batch"], loader.epoch) == (1, 0, 1)
    resumed = loader_of()
    resumed.load_state_dict(state)
    assert numbers(resumed) == numbers(loader)


def test_a_state_is_saved_with_a_checkpoint(tmp_path):
    pytest.importorskip("safetensors")
    loader = loader_of(generator=0)
    next(iter(loader))
    xg.save({"loader": loader.state_dict()}, tmp_path / "run.safetensors")
    assert xg.load(tmp_path / "run.safetensors")["loader"] == loader.state_dict()


def test_a_loop_left_by_break_is_followed_by_the_next_epoch():
    loader, whole = loader_of(generator=0), loader_of(generator=0)
    epochs = [numbers(whole) for _ in range(2)]
    for (batch,) in loader:
        assert batch.numpy().tolist() == epochs[0][0]
        break
    assert (loader.epoch, loader.state_dict()["batch"]) == (0, 1)
    assert numbers(loader) == epochs[1] and loader.epoch == 2


def test_two_loops_at_once_are_two_epochs():
    loader, whole = loader_of(generator=0), loader_of(generator=0)
    epochs = [numbers(whole) for _ in range(3)]
    pairs = [(a.numpy().tolist(), b.numpy().tolist()) for (a,), (b,) in zip(loader, loader, strict=True)]
    assert pairs == list(zip(*epochs[:2], strict=True))
    assert numbers(loader) == epochs[2]


def test_a_state_of_other_data_is_refused():
    state = loader_of().state_dict()
    with pytest.raises(ValueError, match="samples differs, so batches would; got 10 for a loader with 11"):
        loader_of(n=11).load_state_dict(state)
    with pytest.raises(ValueError, match="batch_size differs, so batches would; got 3 for a loader with 4"):
        loader_of(batch_size=4).load_state_dict(state)
    with pytest.raises(ValueError, match="expected what state_dict gave; got epoch"):
        loader_of().load_state_dict({"epoch": 3})


# Threads --------------------------------------------------------------------------------------------------------------


def threads_of_loaders():
    return [thread for thread in threading.enumerate() if thread.name.startswith("xgrad.data")]


def waited_for(happens, seconds=10):
    """Whether something happened in time."""
    deadline = time.monotonic() + seconds
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.001)
    return happens()


class Slow:
    """Samples that take different times; says in which threads and how far ahead it was read."""

    def __init__(self, n, fails_at=None):
        self.n, self.fails_at, self.read, self.threads = n, fails_at, [], set()

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        self.read.append(index)
        self.threads.add(threading.current_thread())
        if index == self.fails_at:
            raise LookupError(f"no sample {index}")
        time.sleep(0.001 * (index * 7 % 3))
        return index


@pytest.mark.parametrize("num_workers", [1, 4])
def test_threads_keep_the_order(num_workers):
    dataset = Slow(30)
    found = [batch.numpy().tolist() for batch in DataLoader(dataset, 2, num_workers=num_workers)]
    assert found == [[i, i + 1] for i in range(0, 30, 2)]
    assert threading.current_thread() not in dataset.threads and len(dataset.threads) <= num_workers
    assert not threads_of_loaders()


def test_a_program_that_ends_inside_a_loop_ends():
    code = "import xgrad as xg; batches = iter(xg.data.DataLoader(range(10**6), num_workers=2)); print(next(batches))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("Tensor([0])\n", "")


def test_importing_xgrad_imports_nothing_heavy():
    """Not the training kit either, before it is asked for; and with it no library that it may not need."""
    code = "import sys, numpy; before = set(sys.modules); import xgrad; {}; print(*(set(sys.modules) - before))"
    heavy = {"concurrent.futures", "gzip", "json", "matplotlib", "safetensors", "sklearn", "tempfile", "scipy"}
    kit = {"xgrad.data", "xgrad.nn", "xgrad.optim", "xgrad.plot", "xgrad.bridges", "xgrad.testing", "html"}

    def new(more):
        run = subprocess.run([sys.executable, "-c", code.format(more)], capture_output=True, text=True, check=True)
        return set(run.stdout.split())

    assert "xgrad.core" in new("None") and not (heavy | kit) & new("None")
    assert "xgrad.data.loader" in new("xgrad.data") and not heavy & new("xgrad.data, xgrad.nn, xgrad.optim")


def test_threads_work_at_once():
    meeting = threading.Barrier(3)

    class Meeting(Squares):
        def __getitem__(self, index):
            meeting.wait(timeout=10)  # passed only if three threads fetch at once
            return index

    assert len(list(DataLoader(Meeting(6), num_workers=3))) == 6


def test_threads_read_no_further_ahead_than_told():
    dataset = Slow(50)
    batches = iter(DataLoader(dataset, num_workers=2, prefetch=3))
    for i in range(10):
        assert next(batches).numpy().tolist() == [i]
        assert waited_for(lambda i=i: max(dataset.read) == i + 6)
        assert max(dataset.read) == i + 6
    batches.close()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_exception_comes_out_in_its_place_with_its_traceback(num_workers):
    dataset, found = Slow(20, fails_at=8), []
    with pytest.raises(LookupError, match="no sample 8") as caught:
        for batch in DataLoader(dataset, 3, num_workers=num_workers):
            found += batch.numpy().tolist()
    assert found == list(range(6))
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line == 'raise LookupError(f"no sample {index}")'
    assert caught.value.__notes__ == ["DataLoader: this was batch 2 of epoch 0."]
    assert not threads_of_loaders()


@pytest.mark.parametrize("leave", ["break", "close", "drop", "raise"])
def test_threads_end_when_a_loop_is_left(leave):
    dataset = Slow(1000)
    loader = DataLoader(dataset, num_workers=3)
    if leave == "break":
        for _ in loader:
            break
    elif leave == "raise":
        with pytest.raises(ZeroDivisionError):
            for _ in loader:
                _ = 1 / 0
    else:
        batches = iter(loader)
        next(batches)
        assert threads_of_loaders()
        if leave == "close":
            batches.close()
        del batches
    assert not threads_of_loaders() and len(dataset.read) < 20


def test_a_loop_that_a_thread_of_it_leaves_ends_too():
    batches = iter(DataLoader(Slow(100), num_workers=1))
    next(batches)
    inner = threading.Thread(target=batches.close, name="xgrad.data of another loader")
    inner.start()
    inner.join(timeout=10)
    assert not inner.is_alive()
    assert waited_for(lambda: not threads_of_loaders())


# Copies ahead ---------------------------------------------------------------------------------------------------------


class Copier:
    """A device's copier that says what it is asked for."""

    def __init__(self, log):
        self.log = log

    def start(self, arrays):
        self.log.append(("start", [array.tolist() for array in arrays]))
        return [np.array(array) for array in arrays]

    def finish(self, started):
        self.log.append(("finish", [array.tolist() for array in started]))
        return [xg.asarray(array, device="cpu") for array in started]


@pytest.fixture
def copied(monkeypatch):
    """A machine whose devices copy in the background."""
    log = []
    monkeypatch.setattr(xg.Device, "copier", lambda self: Copier(log), raising=False)
    return log


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_batch_is_on_its_way_while_the_one_before_it_is_used(num_workers, copied):
    loader = loader_of(n=6, batch_size=2, shuffle=False, device="cpu", num_workers=num_workers)
    for (batch,) in loader:
        copied.append(("use", [batch.numpy().tolist()]))
    a, b, c = ([[i, i + 1]] for i in (0, 2, 4))
    first = [("start", a), ("start", b), ("finish", a), ("use", a)]
    assert copied == [*first, ("start", c), ("finish", b), ("use", b), ("finish", c), ("use", c)]


def test_what_is_no_array_stays_where_it_is(copied):
    batches = list(DataLoader(Squares(4), 2, device="cpu"))
    assert [batch["name"] for batch in batches] == [["#0", "#1"], ["#2", "#3"]]
    assert isinstance(batches[1]["n"], xg.Tensor) and batches[1]["square"].numpy().tolist() == [[4, 0.5], [9, 0.5]]


def test_the_position_is_that_of_the_batch_handed_out_not_of_the_copy(copied):
    loader = loader_of(device="cpu", num_workers=2, generator=0)
    whole = numbers(loader_of(generator=0))
    next(iter(loader))
    resumed = loader_of(device="cpu")
    resumed.load_state_dict(loader.state_dict())
    assert numbers(resumed) == whole[1:]


@pytest.mark.parametrize("options", [{"device": "cpu", "pin_memory": False}, {}])
def test_without_pinned_memory_or_a_device_nothing_is_copied_ahead(options, copied):
    assert numbers(loader_of(shuffle=False, **options))[0] == [0, 1, 2] and not copied


# All of it together ---------------------------------------------------------------------------------------------------


def test_a_run_that_was_interrupted_goes_on_bit_for_bit(device, tmp_path, rng):
    """A model, an optimiser and a loader with threads, saved in the middle of an epoch."""
    pytest.importorskip("safetensors")
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    path = tmp_path / "run.safetensors"

    def start(seed):
        model = xg.nn.Linear(3, 2, device=device, dtype="float64", generator=seed)
        optimiser = xg.optim.Adam(model.parameters(), lr=0.1)
        loader = DataLoader(ArrayDataset(x, y), 6, True, generator=seed, num_workers=2, device=device)
        return model, optimiser, loader

    def train(model, optimiser, loader, stop=None):
        for inputs, targets in itertools.chain.from_iterable(loader for _ in range(loader.epoch, 2)):
            xg.nn.mse_loss(model(inputs), targets).backward()
            optimiser.step()
            if (loader.epoch, loader.state_dict()["batch"]) == stop:
                return xg.save([part.state_dict() for part in (model, optimiser, loader)], path)
        return model.weight.detach().numpy()

    whole = train(*start(0))
    train(*start(0), stop=(1, 2))
    resumed = start(1)
    for part, state in zip(resumed, xg.load(path), strict=True):
        part.load_state_dict(state)
    np.testing.assert_array_equal(train(*resumed), whole)
