"""Saving: every value comes back as it was, on any device; what is damaged is refused; a crash leaves the old file."""

import json
import os
import sys

import numpy as np
import pytest

import xgrad as xg

pytest.importorskip("safetensors")
import safetensors.numpy  # after it is known to be there

DTYPES = [np.dtype(c) for c in "?bhilBHILefdFD"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def returned(state, path, **options):
    xg.save(state, path)
    return xg.load(path, **options)


def same(a, b):
    """Whether two trees are equal in every type, dtype, shape and bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, xg.Tensor):
        return same(a.detach().numpy(), b.detach().numpy())
    if isinstance(a, np.ndarray | np.generic):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    return repr(a) == repr(b)


# What comes back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3)], ids=str)
def test_arrays_of_every_dtype_and_shape(dtype, shape, path, rng):
    value = (100 * rng.standard_normal(shape)).astype(dtype) if dtype.kind != "c" else rng.standard_normal(shape) * 1j
    value = np.asarray(value, dtype=dtype)
    state = {"raw": value, "tensor": xg.asarray(value), "scalar": dtype.type(1)}
    assert same(returned(state, path), state)


def test_plain_values_and_containers(path):
    state = {
        "none": None,
        "bools": [True, False],
        "ints": (0, -1, 2**63, 2**127 - 1),  # a PCG64 state has 128 bits
        "floats": [0.1, -0.0, 5e-324, float("inf"), float("-inf"), float("nan"), 3.0],
        "complex": [1 - 2j, complex(-0.0, float("inf"))],
        "text": "Grüße \ud800 \x00 \"'",
        "empty": [{}, [], (), ""],
        0: {1: {"0": ((xg.ones(2),),)}},
    }
    assert same(returned(state, path), state)


@pytest.mark.parametrize("state", [None, 3, [], xg.arange(3), np.float32(0.1)], ids=str)
def test_a_tree_may_be_a_single_value(state, path):
    assert same(returned(state, path), state)


def test_views_and_other_byte_orders_are_saved_by_value(path, rng):
    value = rng.standard_normal((4, 6))
    state = {
        "t": value.T,
        "step": value[::2, ::-3],
        "flat": np.broadcast_to(value[0], (3, 6)),
        "big": value.astype(">f8"),
    }
    assert all(np.array_equal(v, state[k]) for k, v in returned(state, path).items())
    assert returned(state, path)["big"].dtype == np.float64


def test_bfloat16(path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    value = np.array([[1.5, -2.0]], dtype=ml_dtypes.bfloat16)
    assert same(returned([value], path), [value])


def test_bfloat16_without_its_package_says_what_to_install(path, monkeypatch):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    xg.save([np.ones(2, dtype=ml_dtypes.bfloat16)], path)
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(
        ImportError, match=r"load: array '0' of .* is BF16, which NumPy lacks. Run: pip install ml_dtypes"
    ):
        xg.load(path)


def test_arrays_that_come_back_may_be_written(path):
    back = returned({"raw": np.zeros(2), "tensor": xg.zeros(2)}, path)
    back["raw"][0] = back["tensor"][0] = 1.0
    assert float(back["tensor"].sum()) == back["raw"].sum() == 1.0


def test_tracked_tensors_are_saved_by_value(path):
    x = xg.Tensor([1.0, 2.0])
    back = returned({"leaf": x, "result": 2 * x}, path)
    assert not back["leaf"].requires_grad and back["result"].numpy().tolist() == [2.0, 4.0]


def test_arrays_of_other_libraries_come_back_as_tensors(path):
    torch = pytest.importorskip("torch")
    back = returned({"w": torch.arange(3.0)}, path)["w"]
    assert isinstance(back, xg.Tensor) and back.numpy().tolist() == [0.0, 1.0, 2.0]


def test_a_random_generator_goes_on(path):
    random = xg.random.default_rng(3)
    random.normal(size=5)
    state = returned(random.state, path)
    expected = random.normal(size=4).numpy()
    other = xg.random.default_rng(0)
    other.state = state
    np.testing.assert_array_equal(other.normal(size=4).numpy(), expected)


def test_a_state_with_numpy_arrays_in_it_goes_on(path):
    old = np.random.RandomState(4).get_state(legacy=False)  # its key is an array that must come back as NumPy's
    other = np.random.RandomState(0)
    other.set_state(returned(old, path))
    assert other.randint(10**6) == np.random.RandomState(4).randint(10**6)


# Devices --------------------------------------------------------------------------------------------------------------


def test_saved_on_one_device_and_loaded_on_another(device, path, rng):
    value = rng.standard_normal((3, 2)).astype(np.float32)
    there = xg.asarray(value, device=device)
    host = returned({"w": there}, path, device="cpu")["w"]
    back = returned({"w": host}, path, device=device)["w"]
    assert (host.device, back.device) == (xg.asarray(0, device="cpu").device, there.device)
    assert same(host.numpy(), value) and same(back.numpy(), value)


def test_without_a_device_tensors_follow_what_they_meet(device, path):
    loaded = returned({"w": np.ones(2), "t": xg.ones(2)}, path)["t"]
    assert (loaded + xg.asarray([1.0, 2.0], device=device)).device == xg.asarray(0, device=device).device


def test_a_model_trained_on_one_device_goes_on_on_another(device, path):
    model = xg.nn.Linear(3, 2, generator=0).to(device)
    other = xg.nn.Linear(3, 2, generator=1)
    other.load_state_dict(returned(model.state_dict(), path))
    assert same(other.weight, model.weight) and other.weight.device == xg.asarray(0, device="cpu").device


# The file -------------------------------------------------------------------------------------------------------------


def test_others_read_the_names_and_arrays_of_a_state_dict(path, rng):
    state = {"0.weight": xg.asarray(rng.standard_normal((2, 3))), "0.bias": xg.zeros(2, dtype="float32")}
    xg.save(state, path)
    found = safetensors.numpy.load_file(path)
    assert found.keys() == state.keys() and all(same(found[n], state[n].numpy()) for n in state)


def test_a_name_is_the_path_in_the_tree(path):
    x = xg.ones(1)
    xg.save({"model": {"0.w": x}, "optim": {"state": [{"mean": x}, {"mean": x}]}, "n": 3}, path)
    names = {"model.0.w", "optim.state.0.mean", "optim.state.1.mean"}
    assert safetensors.numpy.load_file(path).keys() == names


def test_names_that_would_be_equal_are_told_apart(path):
    state = {"a": {"b": xg.zeros(1)}, "a.b": xg.ones(1), "a.b_": xg.ones(2), 1: xg.ones(3), "1": xg.ones(4)}
    state["__metadata__"] = xg.ones(5)
    assert same(returned(state, path), state)


def test_equal_states_make_equal_files(path):
    contents = set()
    for _ in range(5):
        xg.save({"b": xg.ones(2), "a": np.zeros(3), "epoch": 1}, path)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_files_of_other_programs_are_a_flat_dict(path, rng, device):
    arrays = {"b": rng.standard_normal((2, 3)), "a": np.arange(3)}
    safetensors.numpy.save_file(arrays, path, metadata={"format": "pt"})
    found = xg.load(path, device=device)
    assert found.keys() == arrays.keys() and all(same(found[n].numpy(), arrays[n]) for n in arrays)
    assert found["a"].device == xg.asarray(0, device=device).device


def test_no_pickle_is_read(path):
    import pickle

    path.write_bytes(pickle.dumps({"w": [1.0] * 100}))
    with pytest.raises(ValueError, match=r"run.safetensors is incomplete, or no safetensors file; got \d+ bytes"):
        xg.load(path)


# Damage ---------------------------------------------------------------------------------------------------------------

STATE = {"w": xg.asarray([[1.0, 2.0], [3.0, 4.0]]), "z": np.array([1 + 2j]), "lr": 0.5, "names": ("a", [1, None])}


def test_a_file_cut_anywhere_is_refused(path):
    xg.save(STATE, path)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(
            ValueError, match=rf"load: .*run.safetensors is incomplete.*; got {size} bytes.*Save it again"
        ):
            xg.load(path)


def test_bytes_too_many_are_refused(path):
    xg.save(STATE, path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="incomplete or damaged"):
        xg.load(path)


def test_no_single_wrong_bit_goes_unnoticed(path):
    xg.save(STATE, path)
    whole = path.read_bytes()
    refused = 0
    for i in range(len(whole)):
        damaged = bytearray(whole)
        damaged[i] ^= 1 << i % 8
        path.write_bytes(damaged)
        try:
            found = xg.load(path)
        except ValueError as error:
            assert "run.safetensors" in str(error)
            refused += 1
        else:
            assert same(found, STATE)  # the key of the metadata is all that may differ
    assert refused >= len(whole) - len("xgrad")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {"w": a["w"] + 1}, "the checksum of array 'w' is wrong"),
        (lambda a: a | {"w": a["w"].T.reshape(4)}, "array 'w' has not the dtype and shape saved"),
        (lambda a: a | {"w": a["w"].view("i8")}, "array 'w' has not the dtype and shape saved"),
        (lambda a: {"w": a["w"]}, "the names of its arrays are not those saved"),
    ],
)
def test_arrays_that_were_exchanged_are_noticed(change, message, path):
    xg.save(STATE, path)
    with safetensors.safe_open(path, framework="numpy") as file:
        note = file.metadata()
    safetensors.numpy.save_file(change(safetensors.numpy.load_file(path)), path, metadata=note)
    with pytest.raises(ValueError, match=rf"load: .*is damaged: {message}; got \d+ bytes"):
        xg.load(path)


def rewritten(path, about):
    """The file with another note and the right checksum of it."""
    import zlib

    text = json.dumps(about)
    note = {"xgrad": f"{zlib.crc32(text.encode()):08x} {text}"}
    safetensors.numpy.save_file({}, path, metadata=note)


def test_a_file_of_a_later_version_says_so(path):
    rewritten(path, {"format": "xgrad", "version": 99, "tree": None, "arrays": {}})
    with pytest.raises(ValueError, match=r"written by a newer xgrad; got version 99.*Update xgrad"):
        xg.load(path)


@pytest.mark.parametrize("tree", [{"tensor": "w"}, {"run": "x"}, {"dict": 3}, {"scalar": ["float99", 1]}])
def test_a_tree_that_cannot_be_built_is_refused(tree, path):
    rewritten(path, {"format": "xgrad", "version": 1, "tree": tree, "arrays": {}})
    with pytest.raises(ValueError, match="its metadata make no tree"):
        xg.load(path)


# A crash --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError("no space left"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_crash_leaves_the_old_file(step, failure, path, monkeypatch):
    xg.save({"epoch": 1, "w": xg.ones(3)}, path)

    def half(arrays, filename, metadata=None):
        with open(filename, "wb") as file:
            file.write(b"\x10\0\0\0\0\0\0\0{")
        raise failure

    def fail(*args):
        raise failure

    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr(safetensors.numpy, "save_file", half)
        else:
            patch.setattr(os, step, fail)
        with pytest.raises(type(failure)):
            xg.save({"epoch": 2, "w": xg.zeros(3)}, path)
    assert os.listdir(path.parent) == [path.name]
    assert same(xg.load(path), {"epoch": 1, "w": xg.ones(3)})


def test_what_cannot_be_saved_leaves_the_old_file(path):
    xg.save({"epoch": 1}, path)
    with pytest.raises(TypeError):
        xg.save({"epoch": 2, "model": object()}, path)
    assert xg.load(path) == {"epoch": 1}


def test_a_link_stays_a_link_and_the_usual_permissions_hold(path, tmp_path):
    other = tmp_path / "plain"
    other.touch()
    link = tmp_path / "latest"
    link.symlink_to(path)
    xg.save({"epoch": 3}, link)
    assert link.is_symlink() and xg.load(path) == xg.load(link) == {"epoch": 3}
    assert path.stat().st_mode == other.stat().st_mode
    path.chmod(0o640)
    xg.save({"epoch": 4}, path)
    assert path.stat().st_mode & 0o777 == 0o640


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": [1, {2}]}, r"state\['a'\]\[1\] must be an array, a number.*; got set\. Save its state"),
        ({"m": xg.nn.Linear(1, 1)}, r"state\['m'\] must be .*; got Linear\. Save its state, such as state_dict\(\)"),
        ({"r": xg.random.default_rng(0)}, r"state\['r'\] must be .*; got Generator"),
        ({"d": {(1, 2): 3}}, r"the keys of state\['d'\] must be str or int; got \(1, 2\)"),
        ({True: 3}, r"the keys of state must be str or int; got True"),
        (np.array(["a"]), r"state must hold numbers of at most 64 bits a part; got <U1"),
        ({"x": np.zeros(2, np.longdouble)}, r"state\['x'\] must hold numbers of at most 64 bits"),
    ],
)
def test_what_cannot_be_saved_is_named(state, message, path):
    with pytest.raises(TypeError, match=f"^save: {message}"):
        xg.save(state, path)
    assert not path.exists()


def test_a_missing_file_and_a_wrong_device(path):
    with pytest.raises(FileNotFoundError, match=r"run\.safetensors"):
        xg.load(path)
    xg.save({}, path)
    with pytest.raises(ValueError, match="unknown device; got 'gpu'"):
        xg.load(path, device="gpu")
    with pytest.raises(TypeError, match="device: expected a name"):
        xg.load(path, device=3)


@pytest.mark.parametrize("call", [lambda path: xg.save({}, path), xg.load])
def test_without_the_package_the_error_says_what_to_install(call, path, monkeypatch):
    xg.save({}, path)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"the package safetensors is needed\. Run: pip install safetensors"):
        call(path)
