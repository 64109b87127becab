"""Blocks of lines that fit into a cache: every pass over a block but the first then reads the cache."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BLOCK = 1 << 17  # bytes of a block of lines; half of a small second-level cache
_WHOLE = (slice(None),)


def blocks(lines: np.ndarray) -> Sequence[slice]:
    """Slices of lines, the rows of a matrix."""
    if lines.nbytes <= BLOCK:
        return _WHOLE
    step = max(1, BLOCK // (lines.itemsize * lines.shape[1]))
    return [slice(i, i + step) for i in range(0, len(lines), step)]
