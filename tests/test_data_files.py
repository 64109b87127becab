"""Files of well-known formats: what is in them, and errors that say where one is damaged; vocabularies."""

import gzip
import struct
import sys

import numpy as np
import pytest

import xgrad as xg
from xgrad import data
from xgrad.data import files

# Files ----------------------------------------------------------------------------------------------------------------


def idx(array, code):
    """The bytes of an IDX file."""
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def packed(data):
    return gzip.compress(data, mtime=0)


CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


@pytest.mark.parametrize("pack", [bytes, packed])
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(3, 4, 5), (7,), (0, 2), ()], ids=str)
def test_idx_files_of_every_dtype(pack, dtype, shape, tmp_path, rng):
    array = np.asarray(50 * rng.standard_normal(shape)).astype(dtype)
    (tmp_path / "x").write_bytes(pack(idx(array, CODES[dtype])))
    found = data.load_idx(tmp_path / "x")
    assert (found.dtype, found.shape, found.flags.writeable) == (array.dtype, array.shape, True)
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("pack", [bytes, packed])
def test_an_idx_file_cut_anywhere_says_where_it_ends(pack, tmp_path, rng):
    whole = pack(idx(rng.integers(0, 1000, (3, 5), dtype=np.int32), 12))
    for size in range(len(whole)):
        (tmp_path / "x").write_bytes(whole[:size])
        message = rf"load_idx: .*x is damaged at byte {size}: expected .*; got the end of the file\. Copy or download"
        if pack is packed and size < 2:
            message = "load_idx: .*x is damaged at byte"  # not yet known as gzip
        with pytest.raises(ValueError, match=message):
            data.load_idx(tmp_path / "x")


def test_no_wrong_bit_in_a_packed_file_gives_a_wrong_array(tmp_path, rng):
    array = rng.integers(0, 1000, (3, 5), dtype=np.int16)
    whole = packed(idx(array, 11))
    refused = 0
    for i in range(len(whole)):
        damaged = bytearray(whole)
        damaged[i] ^= 1 << i % 8
        (tmp_path / "x").write_bytes(damaged)
        try:
            found = data.load_idx(tmp_path / "x")
        except ValueError as error:
            assert "x is damaged at byte" in str(error)
            refused += 1
        else:
            np.testing.assert_array_equal(found, array)
    assert refused >= len(whole) - 8  # the header of gzip has a date and the like


@pytest.mark.parametrize(
    ("offset", "byte", "message"),
    [
        (0, 1, "at byte 0: expected the two zeros of an IDX file; got 0x01 and 0x00"),
        (1, 8, "at byte 0: expected the two zeros of an IDX file; got 0x00 and 0x08"),
        (2, 10, "at byte 2: expected the code of a dtype, 8, 9 or 11 to 14; got 10"),
        (2, 13, r"at byte 18: expected 36 bytes for float32 of shape \(2, 3\); got the end of the file"),
        (3, 3, r"at byte 18: expected \d+ bytes for uint8 of shape \(2, 3, 66052\); got the end"),
        (3, 9, "at byte 18: expected a header of 40 bytes for 9 axes; got the end of the file"),
        (3, 1, r"at byte 10: expected the end, after 10 bytes for uint8 of shape \(2,\); got 8 bytes more"),
        (7, 1, r"at byte 15: expected the end, after 15 bytes for uint8 of shape \(1, 3\); got 3 bytes more"),
        (8, 255, r"at byte 18: expected \d+ bytes for uint8 of shape \(2, 4278190083\); got the end of the file"),
    ],
)
def test_wrong_bytes_in_the_header_of_an_idx_file_are_named(offset, byte, message, tmp_path):
    damaged = bytearray(idx(np.arange(6, dtype=np.uint8).reshape(2, 3) + 1, 8))
    damaged[12:15] = 0, 1, 2  # would be read as the extent of a third axis
    damaged[offset] = byte
    (tmp_path / "x").write_bytes(damaged)
    with pytest.raises(ValueError, match=f"load_idx: .*x is damaged {message}"):
        data.load_idx(tmp_path / "x")


def test_bytes_after_the_gzip_data_are_refused(tmp_path):
    whole = packed(idx(np.arange(6, dtype=np.uint8), 8))
    (tmp_path / "x").write_bytes(whole + b"abc")
    with pytest.raises(ValueError, match=f"at byte {len(whole)}: expected the end of the gzip data; got 3 bytes more"):
        data.load_idx(tmp_path / "x")


# Data sets of the user's ----------------------------------------------------------------------------------------------


def write_mnist(folder, images, labels, part="train", pack=bytes, dot="-", code=8):
    end = ".gz" if pack is packed else ""
    (folder / f"{part}-images{dot}idx3-ubyte{end}").write_bytes(pack(idx(images, code)))
    (folder / f"{part}-labels{dot}idx1-ubyte{end}").write_bytes(pack(idx(labels, 8)))


@pytest.mark.parametrize("dot", "-.")
@pytest.mark.parametrize("pack", [bytes, packed])
def test_mnist(pack, dot, tmp_path, rng):
    parts = [
        (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)) for n in (5, 3)
    ]
    for name, (images, labels) in zip(("train", "t10k"), parts, strict=True):
        write_mnist(tmp_path, images, labels, name, pack, dot)
    for train, (images, labels) in zip((True, False), parts, strict=True):
        x, y = data.load_mnist(tmp_path, train)
        np.testing.assert_array_equal(x, images)
        np.testing.assert_array_equal(y, labels)
        assert (x.dtype, y.dtype) == (np.uint8, np.int64)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 28, 27), np.uint8), [0, 1], r"images-idx3-ubyte is damaged .* got uint8 of shape \(2, 28, 27\)"),
        (np.zeros((2, 28, 28), np.int8), [0, 1], r"images-idx3-ubyte is damaged .* got int8 of shape \(2, 28, 28\)"),
        (np.zeros((2, 28, 28), np.uint8), [0, 1, 2], r"labels-idx1-ubyte is damaged .*header of 2 uint8 labels; got"),
        (
            np.zeros((2, 28, 28), np.uint8),
            [9, 10],
            "labels-idx1-ubyte is damaged at byte 9: expected a label.*; got 10",
        ),
    ],
)
def test_mnist_that_is_none_is_refused(images, labels, message, tmp_path):
    write_mnist(tmp_path, images, np.array(labels, np.uint8), code=CODES[images.dtype.name])
    with pytest.raises(ValueError, match=f"load_mnist: .*train-{message}"):
        data.load_mnist(tmp_path)


@pytest.mark.parametrize("load", [data.load_mnist, data.load_cifar10])
def test_a_missing_file_is_named_with_all_places(load, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no such file; looked for .*(ubyte|bin), .*\.gz\. Give its"):
        load(tmp_path)


@pytest.fixture
def cifar(tmp_path, monkeypatch, rng):
    """A small CIFAR-10: its records, and the folder that its files are in."""
    monkeypatch.setattr(files, "_CIFAR_RECORDS", 4)
    records = rng.integers(0, 256, (6, 4, 3073), dtype=np.uint8)
    records[..., 0] %= 10
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name, part in zip([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], records, strict=True):
        (folder / f"{name}.bin").write_bytes(part.tobytes())
    return records, folder


def test_cifar10(cifar):
    records, folder = cifar
    for place, train in [(folder, True), (folder.parent, True), (folder, False)]:
        images, labels = data.load_cifar10(place, train)
        expected = records[:5].reshape(20, 3073) if train else records[5]
        assert (images.shape, images.dtype, labels.dtype) == ((len(expected), 3, 32, 32), np.uint8, np.int64)
        np.testing.assert_array_equal(labels, expected[:, 0])
        np.testing.assert_array_equal(images[3, 2, 31, 30], expected[3, 1 + 2 * 1024 + 31 * 32 + 30])
        np.testing.assert_array_equal(images.reshape(len(expected), -1), expected[:, 1:])


@pytest.mark.parametrize("size", [0, 1, 3072, 3073, 2 * 3073, 4 * 3073 - 1])
def test_a_cifar10_file_cut_anywhere_is_refused(size, cifar):
    path = cifar[1] / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:size])
    message = f"damaged at byte {size}: expected 12292 bytes, 4 records of 3073; got the end of the file"
    with pytest.raises(ValueError, match=f"load_cifar10: .*data_batch_3.bin is {message}"):
        data.load_cifar10(cifar[1])


def test_a_cifar10_file_with_too_much_or_a_wrong_label_is_refused(cifar):
    path = cifar[1] / "test_batch.bin"
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match=r"test_batch.bin is damaged at byte 12292: .*; got 1 bytes more"):
        data.load_cifar10(cifar[1], train=False)
    path.write_bytes(whole[: 2 * 3073] + b"\x0a" + whole[2 * 3073 + 1 :])
    with pytest.raises(
        ValueError, match=r"test_batch.bin is damaged at byte 6146: expected a label from 0 to 9; got 10"
    ):
        data.load_cifar10(cifar[1], train=False)


# Text -----------------------------------------------------------------------------------------------------------------

TEXT = "Ünïcode, 𝄞 and\nmore — text\r\n"


@pytest.mark.parametrize("pack", [bytes, packed])
def test_text_files(pack, tmp_path):
    (tmp_path / "t").write_bytes(pack(TEXT.encode()))
    assert data.load_text(tmp_path / "t") == TEXT
    (tmp_path / "t").write_bytes(pack(TEXT.encode("utf-16")))
    assert data.load_text(tmp_path / "t", "utf-16") == TEXT


def test_a_text_that_is_cut_in_a_character_says_where(tmp_path):
    (tmp_path / "t").write_bytes("abc€".encode()[:-1])
    with pytest.raises(ValueError, match=r"load_text: .*t is damaged at byte 3: expected utf-8 text; got 0xe2 \(unex"):
        data.load_text(tmp_path / "t")


def test_vocabularies_take_text_to_numbers_and_back(device):
    for vocabulary in (data.Vocabulary(TEXT), data.ByteVocabulary()):
        codes = vocabulary.encode(TEXT)
        assert codes.dtype == np.int64 and codes.min() >= 0 and codes.max() < len(vocabulary)
        for form in (codes, codes.tolist(), xg.asarray(codes, device=device)):
            assert vocabulary.decode(form) == TEXT
        assert vocabulary.encode("").shape == (0,) and vocabulary.decode([]) == ""


def test_a_vocabulary_is_its_sorted_characters():
    vocabulary = data.Vocabulary(TEXT)
    assert vocabulary.characters == "".join(sorted(set(TEXT))) and len(vocabulary) == len(set(TEXT))
    assert vocabulary.encode(TEXT).tolist() == [vocabulary.characters.index(c) for c in TEXT]
    assert data.Vocabulary(vocabulary.characters).characters == vocabulary.characters
    assert data.Vocabulary("a\ud800").decode([1, 0]) == "\ud800a"


def test_bytes_are_their_own_numbers():
    assert data.ByteVocabulary().encode(b"\x00\xff").tolist() == [0, 255]
    assert data.ByteVocabulary().decode([104, 105, 0xE2]) == "hi\ufffd"


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda v: v.encode("abxa"), ValueError, "encode: a character is not in the vocabulary; got 'x' at position 2"),
        (lambda v: v.encode("~"), ValueError, "got '~' at position 0"),
        (lambda v: v.decode([0, 3]), ValueError, "decode: a number is out of range; got 3 for a vocabulary of 3"),
        (lambda v: v.decode([-1]), ValueError, "got -1 for a vocabulary of 3"),
        (lambda v: v.decode([0.5]), TypeError, "decode: numbers must be integers; got float64"),
        (lambda v: data.Vocabulary(""), ValueError, "Vocabulary: text is empty"),
        (lambda v: data.Vocabulary(b"ab"), TypeError, "text must be a str; got bytes. For bytes use ByteVocabulary"),
    ],
)
def test_what_is_not_in_a_vocabulary_is_named(use, error, message):
    with pytest.raises(error, match=message):
        use(data.Vocabulary("abc"))


# What scikit-learn ships ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("digits", (1797, 64), "i"),
        ("iris", (150, 4), "i"),
        ("wine", (178, 13), "i"),
        ("breast_cancer", (569, 30), "i"),
        ("diabetes", (442, 10), "f"),
        ("linnerud", (20, 3), "f"),
    ],
)
def test_data_sets_of_scikit_learn(name, shape, kind):
    pytest.importorskip("sklearn.datasets")
    x, y = getattr(data, name)()
    assert (x.shape, x.dtype, len(y), y.dtype) == (shape, np.float64, len(x), {"i": np.int64, "f": np.float64}[kind])


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"digits: this data set is scikit-learn's. Run: pip install scikit-learn"):
        data.digits()
