"""NumPy's own convolution and max pooling: every option, layout and size of a block, against the formulas."""

import numpy as np
import pytest

from xgrad.backends import get, numpy_windows
from xgrad.registry import composites

NUMPY = get("numpy")


def batch_last(x):
    """The same values, in memory as convolutions leave them."""
    return np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0)


def any_convolution(rng):
    """Arguments of a convolution, of every kind; None where the window does not fit."""
    n = int(rng.integers(1, 4))

    def numbers(least, end, usual=0.5):
        return (1,) * n if rng.random() < usual else tuple(map(int, rng.integers(least, end, n)))

    groups = int(rng.choice([1, 1, 2, 3]))
    inner, each = (int(v) for v in rng.integers(1, 4, 2))
    extents = (*numbers(1, 7, 0)[:-1], int(rng.choice([3, 5, 17])))
    window = extents if rng.random() < 0.3 else numbers(1, 4, 0.2)
    stride, dilation, spacing = numbers(1, 4), numbers(1, 4), numbers(1, 4)
    padding = tuple((int(a), int(b)) for a, b in rng.integers(-2, 4, (n, 2)))
    padded = [s * (e - 1) + 1 + sum(p) for s, e, p in zip(spacing, extents, padding, strict=True)]
    if any(d * (k - 1) >= e or e < 1 for d, k, e in zip(dilation, window, padded, strict=True)):
        return None
    x = rng.standard_normal((int(rng.integers(1, 20)), groups * inner, *extents))
    w = rng.standard_normal((groups * each, inner, *window))
    if rng.random() < 0.5:
        x = batch_last(x)
    if rng.random() < 0.3:
        w = np.moveaxis(np.moveaxis(w, 1, -1).copy(), -1, 1)
    if rng.random() < 0.3:
        x = x.astype(np.float32)
    return x, w, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "spacing": spacing}


@pytest.mark.parametrize("buffer, product, narrow", [(1 << 21, 10**6, 48), (3000, 2000, 2), (500, 10**6, 8)])
def test_numpys_convolution_is_the_formula(buffer, product, narrow, rng, monkeypatch):
    for name, value in (("_BUFFER", buffer), ("_PRODUCT", product), ("_NARROW", narrow)):
        monkeypatch.setattr(numpy_windows, name, value)
    for x, w, options in filter(None, (any_convolution(rng) for _ in range(200))):
        found = NUMPY.cross_correlation(x, w, **options)
        wanted = composites["cross_correlation"](NUMPY, x, w, **options)
        assert found.dtype == wanted.dtype and found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5, err_msg=f"{x.shape} {w.shape} {options}")


def shared(ct, x, out, window, axes, stride, dilation):
    """The cotangent of every window in equal shares to its maxima, window by window."""
    made = np.zeros(x.shape, np.float64)
    for place in np.ndindex(*out.shape[2:]):
        numbers = zip(place, window, stride, dilation, strict=True)
        part = (..., *(slice(i * s, i * s + d * (k - 1) + 1, d) for i, k, s, d in numbers))
        hit = x[part] == out[(..., *place, None, None)]
        made[part] += hit * (ct[(..., *place)] / hit.sum((2, 3)))[..., None, None]
    return made


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("batch", [3, 17])
def test_numpys_max_pooling_is_the_formula(dtype, batch, rng):
    close = dict.fromkeys(("rtol", "atol"), 2e-2 if dtype == "float16" else 1e-5)
    for window, stride, dilation in ((2, 2, 1), (3, 1, 1), (2, 3, 1), (2, 1, 2), ((3, 2), (2, 3), (1, 2)), (7, 7, 1)):
        where = [(n, n) if isinstance(n, int) else n for n in (window, stride, dilation)]
        for extents in ((7, 8), (9, 18)):
            x = rng.integers(-3, 4, (batch, 2, *extents)).astype(dtype)  # with ties
            for case in (x, rng.standard_normal(x.shape).astype(dtype), batch_last(x)):
                out = NUMPY.special.max_pool(case, window=where[0], axes=(2, 3), stride=where[1], dilation=where[2])
                ct = rng.standard_normal(out.shape).astype(dtype)
                args = (ct, case, out, where[0], (2, 3), *where[1:])
                found = NUMPY.special.max_pool_grad(*args)
                assert found.dtype == dtype
                wanted = composites["special.max_pool_grad"](NUMPY, *args)
                np.testing.assert_allclose(wanted, shared(*args), **close)
                np.testing.assert_allclose(found, wanted, **close)
