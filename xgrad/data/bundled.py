"""The data sets that scikit-learn ships with itself, so that nothing is downloaded.

Each function gives what to learn from, float64 of shape (samples, features), and what to learn.
"""

from __future__ import annotations

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]


def digits() -> Pair:
    """1797 handwritten digits: images of 8 by 8 in 64 features, from 0 to 16, and the digits, int64.

    Examples
    --------
    >>> import xgrad as xg
    >>> x, y = xg.data.digits()
    >>> x.shape, y.shape
    ((1797, 64), (1797,))
    """
    return _bundled("digits")


def iris() -> Pair:
    """150 flowers: four lengths in cm, and the species, int64 from 0 to 2."""
    return _bundled("iris")


def wine() -> Pair:
    """178 wines: 13 measurements, and the cultivar, int64 from 0 to 2."""
    return _bundled("wine")


def breast_cancer() -> Pair:
    """569 tumours: 30 measurements of cells, and the diagnosis, int64, 0 malignant and 1 benign."""
    return _bundled("breast_cancer")


def diabetes() -> Pair:
    """442 patients: 10 measurements, centred and scaled, and the progression of their illness, float64."""
    return _bundled("diabetes")


def linnerud() -> Pair:
    """20 men: three exercises, and weight, waist and pulse, float64 of shape (20, 3)."""
    return _bundled("linnerud")


def _bundled(name: str) -> Pair:
    try:
        import sklearn.datasets
    except ImportError as error:
        raise ImportError(f"{name}: this data set is scikit-learn's. Run: pip install scikit-learn.") from error
    x, y = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    return x, y.astype(np.int64) if y.dtype.kind in "iu" else y
