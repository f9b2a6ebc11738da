"""The picture of what systems take as the datastore grows."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from memdec_core.plots.figures import finish_figure, new_figure
from memdec_core.scoring.system_name import label_of

COLOURS = {"base": "#5f5f5f", "memory": "#1f4e79", "rag": "#548235", "knn_lm": "#c55a11"}
"""Of the systems that are measured, in the order of pages and pictures."""


class RatioPoint(NamedTuple):
    """A system's time per token over the base's.

    Attributes:
        datastore_rows: Rows searched; None where there is no datastore.
        ratio: Median.
        low: First quartile.
        high: Third quartile.
    """

    datastore_rows: int | None
    ratio: float
    low: float
    high: float


def latency_png(
    points: Mapping[str, Sequence[RatioPoint]], flops_ratio: float | None, context: int
) -> bytes:
    """Time per token relative to the base by rows of the datastore, with its quartiles.

    Args:
        points: By system; one that has no datastore is a level line.
        flops_ratio: Operations of base and memory over the base's, dotted.
        context: Tokens of the prompts, for the axis.
    """
    figure, axes = new_figure()
    axes.set_xscale("log")
    for system in sorted(points, key=list(COLOURS).index):
        colour, label = COLOURS[system], label_of(system)
        sized = sorted(point for point in points[system] if point.datastore_rows is not None)
        if sized:
            rows, ratios, lows, highs = zip(*sized, strict=True)
            axes.fill_between(rows, lows, highs, color=colour, alpha=0.15, linewidth=0)
            axes.plot(
                rows, ratios, color=colour, linewidth=1.6, marker="o", markersize=4, label=label
            )
        for point in points[system]:
            if point.datastore_rows is None:
                axes.axhspan(point.low, point.high, color=colour, alpha=0.15, linewidth=0)
                axes.axhline(point.ratio, color=colour, linewidth=1.6, label=label)
    if flops_ratio is not None:
        label = f"{label_of('memory')}: operations, {flops_ratio:.2f}"
        axes.axhline(
            flops_ratio, color=COLOURS["memory"], linewidth=1.2, linestyle=":", label=label
        )
    axes.set_ylim(bottom=0)
    y_label = f"time per token, ratio to the base (prompt of {context:,})"
    return finish_figure(figure, axes, "rows of the datastore", y_label)
