"""The picture: for each task the ratios of all contenders to the reference."""

from __future__ import annotations

from collections.abc import Sequence

from .measure import Result


def bars(path: str, results: Sequence[Result]) -> None:
    """Draw horizontal bars, on a logarithmic axis, of every task that has a reference, as a PNG file."""
    from matplotlib.figure import Figure

    rows = [r for r in results if r.unit.startswith("x ") and len(r.values) > 1]
    if not rows:
        raise ValueError("--plot: no task was measured beside a reference. Add one to --tasks.")
    reference = rows[0].unit.removeprefix("x ")
    names = [n for n in dict.fromkeys(name for r in rows for name in r.values) if n != reference]
    figure = Figure(figsize=(9, 0.8 + len(rows) * (0.2 + 0.13 * len(names))), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    thick = 0.8 / len(names)
    for i, name in enumerate(names):
        known = [(row, value) for row, r in enumerate(rows) if (value := r.median(name)) is not None]
        heights = [row + (i - (len(names) - 1) / 2) * thick for row, _ in known]
        axes.barh(heights, [value - 1 for _, value in known], thick, left=1, label=name)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel=f"time or memory, {reference} = 1", yticks=range(len(rows)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticklabels([r.title for r in rows])
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, format="png")
