"""A line search for the strong Wolfe conditions: bracket a minimum, then narrow the bracket.

Nocedal and Wright, "Numerical optimization" (2006), algorithms 3.5 and 3.6, with cubic interpolation (equation 3.59).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

_C1, _C2 = 1e-4, 0.9  # sufficient decrease, and how much flatter the end must be than the start
_MOST = 25  # evaluations


class Point(NamedTuple):
    """A point on the line: how far along, the loss, its gradient, and its slope along the line."""

    t: float
    value: float
    gradient: Any
    slope: float


def strong_wolfe(
    along: Callable[[float], Point], start: Point, t: float, size: float, tolerance: float
) -> tuple[Point, int]:
    """A point of the strong Wolfe conditions, or the best found, and how often ``along`` was called.

    ``along`` evaluates at a distance, ``t`` is the first to try, ``size`` the largest element of the direction.
    """
    low, high, calls, done = _bracket(along, start, t)
    if low.value > high.value:
        low, high = high, low
    stalled = False
    while not done and calls <= _MOST and abs(high.t - low.t) * size >= tolerance:
        t, stalled = _inside(low, high, stalled)
        new = along(t)
        calls += 1
        if not _decreases(new, start) or new.value >= low.value:
            high = new
            if low.value > high.value:
                low, high = high, low
            continue
        done = abs(new.slope) <= -_C2 * start.slope
        if not done and new.slope * (high.t - low.t) >= 0:
            high = low
        low = new
    return low, calls


def _decreases(point: Point, start: Point) -> bool:
    return point.value <= start.value + _C1 * point.t * start.slope


def _bracket(along: Callable[[float], Point], start: Point, t: float) -> tuple[Point, Point, int, bool]:
    """Two points with a minimum between them, the number of calls, and whether the first one satisfies already."""
    before, new, calls = start, along(t), 1
    while calls <= _MOST:
        if not _decreases(new, start) or (calls > 2 and new.value >= before.value):
            return before, new, calls, False
        if abs(new.slope) <= -_C2 * start.slope:
            return new, new, calls, True
        if new.slope >= 0:
            return before, new, calls, False
        t = _cubic_minimum(before, new, new.t + 0.01 * (new.t - before.t), 10 * new.t)
        before, new = new, along(t)
        calls += 1
    return start, new, calls, False


def _inside(low: Point, high: Point, stalled: bool) -> tuple[float, bool]:
    """Where in the bracket to try next, and whether it is too close to an end to do so twice."""
    left, right = min(low.t, high.t), max(low.t, high.t)
    first, second = (low, high) if low.t <= high.t else (high, low)
    t = _cubic_minimum(first, second, left, right)
    margin = 0.1 * (right - left)
    if min(right - t, t - left) >= margin:
        return t, False
    if stalled or t >= right or t <= left:
        return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
    return t, True


def _cubic_minimum(a: Point, b: Point, least: float, most: float) -> float:
    """The minimum, within bounds, of the cubic with these values and slopes; the middle where it has none."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    d2 = math.sqrt(square) if square >= 0 else math.nan
    curvature = b.slope - a.slope + 2 * d2
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / curvature) if curvature else math.nan
    return min(max(t, least), most) if math.isfinite(t) else (least + most) / 2
