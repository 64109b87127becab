"""Pictures: what is drawn stands where it should, from arrays of any device; bad input is named."""

import sys

import numpy as np
import pytest

import xgrad as xg

pytest.importorskip("matplotlib")
import matplotlib.figure
import matplotlib.image


@pytest.fixture
def path(tmp_path):
    return tmp_path / "picture.png"


def read(path):
    """The colours of a PNG, from 0 to 255."""
    return (255 * matplotlib.image.imread(path)[..., :3]).round().astype(int)


@pytest.fixture
def drawn(path, monkeypatch):
    """Draw curves; answers with the axes, for a look at what stands on them."""
    figures = []
    save = matplotlib.figure.Figure.savefig

    def keep(figure, *args, **options):
        figures.append(figure)
        return save(figure, *args, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", keep)

    def draw(series, **options):
        xg.plot.curves(path, series, **options)
        assert path.read_bytes().startswith(b"\x89PNG")
        return figures[-1].axes[0]

    return draw


# Curves ---------------------------------------------------------------------------------------------------------------


def test_curves_stand_where_they_should(drawn):
    axes = drawn({"train": [3.0, 2, 1.5], "test": {10: 4.0, 30: 2.0}}, title="T", xlabel="step", ylabel="loss")
    train, test = axes.lines
    assert train.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1.5]]
    assert test.get_xydata().tolist() == [[10, 4], [30, 2]]
    assert [text.get_text() for text in axes.get_legend().texts] == ["train", "test"]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("T", "step", "loss")
    assert axes.get_yscale() == "linear"


def test_a_logarithmic_axis_leaves_gaps_where_there_is_no_logarithm(drawn):
    axes = drawn({"loss": [1.0, 0.0, -1.0, 0.1, np.nan, np.inf]}, log=True)
    assert axes.get_yscale() == "log"
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1, np.nan, np.nan, 0.1, np.nan, np.nan])


def test_curves_of_tensors(drawn, device):
    losses = [2 * xg.Tensor(value, device=device) for value in (0.5, 0.25)]  # as a loop collects them, tracked
    axes = drawn({"list": losses, "array": xg.asarray([3.0, 4.0], device=device), "mapping": {4: losses[0]}})
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1.0, 0.5], [3.0, 4.0], [1.0]]


def test_a_series_may_be_empty_as_long_as_another_is_not(drawn):
    assert [len(line.get_xydata()) for line in drawn({"train": [1.0], "test": []}).lines] == [1, 0]


def test_the_picture_is_the_same_every_time(path):
    contents = set()
    for _ in range(2):
        xg.plot.curves(path, {"train": [2.0, 1.0]})
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_no_window_and_no_global_state(path):
    before = "matplotlib.pyplot" in sys.modules
    xg.plot.curves(path, {"train": [2.0, 1.0]})
    xg.plot.images(path, np.zeros((1, 2, 2)))
    assert ("matplotlib.pyplot" in sys.modules) == before


@pytest.mark.parametrize("series", [{}, {"train": []}, {"train": {}}])
def test_nothing_to_draw_is_an_error(series, path):
    with pytest.raises(ValueError, match=r"curves: there is nothing to draw; got \d empty series"):
        xg.plot.curves(path, series)
    assert not path.exists()


def test_a_series_of_more_axes_is_named(path):
    with pytest.raises(ValueError, match=r"curves: series 'test' must be 1-d; got shape \(2, 1\)"):
        xg.plot.curves(path, {"train": [1.0], "test": [[1.0], [2.0]]})


# Images ---------------------------------------------------------------------------------------------------------------


def test_images_stand_row_by_row(path, device):
    array = np.zeros((3, 200, 300))
    array[1], array[2] = 1.0, 0.5
    xg.plot.images(path, xg.asarray(array, device=device), columns=2)
    picture = read(path)
    assert picture.shape == (401, 601, 3)  # a white line between them
    corners = [picture[i, j].tolist() for i, j in [(0, 0), (0, 301), (201, 0), (201, 301), (200, 0), (0, 300)]]
    assert corners == [[0] * 3, [255] * 3, [128] * 3, [255] * 3, [255] * 3, [255] * 3]


@pytest.mark.parametrize("layout", ["channels first", "channels last", "one channel", "grey"])
def test_channels_before_or_after(layout, path, rng):
    colours = layout.startswith("channels")
    array = rng.integers(0, 256, (2, 300, 350, 3 if colours else 1), dtype=np.uint8)
    given = {"channels first": np.moveaxis(array, 3, 1), "grey": array[..., 0]}.get(layout, array)
    xg.plot.images(path, given)
    picture = read(path)
    np.testing.assert_array_equal(picture[:, :350], np.broadcast_to(array[0], (300, 350, 3)))
    np.testing.assert_array_equal(picture[:, 351:], np.broadcast_to(array[1], (300, 350, 3)))


def test_small_images_are_magnified(path):
    xg.plot.images(path, np.eye(8)[None])
    picture = read(path)
    assert picture.shape == (600, 600, 3)
    np.testing.assert_array_equal(picture[37::75, 37::75, 0], 255 * np.eye(8))


def test_brightness_goes_from_the_least_to_the_greatest_or_as_told(path):
    array = np.full((1, 600, 600), -1.0)
    array[0, 0, :4] = 3.0, 1.0, np.nan, np.inf  # what is not finite is drawn as 0
    xg.plot.images(path, array)
    assert read(path)[0, :5, 0].tolist() == [255, 128, 64, 64, 0]
    xg.plot.images(path, array, limits=(-0.5, 0.5))
    assert read(path)[0, :5, 0].tolist() == [255, 255, 128, 128, 0]
    xg.plot.images(path, np.full((1, 3, 3), np.nan))
    assert not read(path).any()
    xg.plot.images(path, np.eye(2, dtype=bool)[None])
    assert read(path)[0, 0, 0] == read(path)[-1, -1, 0] == 255 and read(path)[0, -1, 0] == 0


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2)), r"array must have shape \(n, height, width\), with 1 or 3 channels.*; got \(2, 2\)"),
        (np.zeros((2, 4, 5, 2)), r"array must have shape .*; got \(2, 4, 5, 2\)"),
        (np.zeros((0, 4, 5)), r"there is no image; got an array of shape \(0, 4, 5\)"),
    ],
)
def test_what_is_no_stack_of_images_is_named(array, message, path):
    with pytest.raises(ValueError, match=f"images: {message}"):
        xg.plot.images(path, array)


def test_columns_must_be_positive(path):
    with pytest.raises(ValueError, match="images: columns must be at least 1; got 0"):
        xg.plot.images(path, np.zeros((1, 2, 2)), columns=0)


@pytest.mark.parametrize(
    ("call", "module"),
    [(lambda path: xg.plot.curves(path, {"a": [1]}), "figure"), (lambda path: xg.plot.images(path, [[[1]]]), "image")],
)
def test_without_matplotlib_the_error_says_what_to_install(call, module, path, monkeypatch):
    monkeypatch.setitem(sys.modules, f"matplotlib.{module}", None)
    with pytest.raises(ImportError, match="Run: pip install matplotlib"):
        call(path)
