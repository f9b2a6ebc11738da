"""Pictures of comparisons: losses, reliability of targets, forgetting, latency, drift of text."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from memdec_core.plots.figures import (
    SERIES_COLOURS,
    empty_figure,
    finish_axes,
    finish_figure,
    new_figure,
    png_of,
)
from memdec_core.scoring.system_name import label_of
from memdec_core.text.token_drift import TokenChange

PANELS_PER_ROW = 3
PANEL_INCHES = 3.2
DARK_SHARE = 0.6
"""Cells whose colour is this far from the middle have white numbers."""


class Point(NamedTuple):
    """A value with its interval, which may be unknown (None)."""

    value: float
    low: float | None
    high: float | None


def ablation_png(by_base: Mapping[str, Mapping[float, Point]]) -> bytes:
    """Perplexity over β, one panel per base model, as their perplexities are not alike.

    Args:
        by_base: Perplexity by base model and β; at least one of each.
    """
    columns = min(len(by_base), PANELS_PER_ROW)
    lines = math.ceil(len(by_base) / columns)
    figure = empty_figure(PANEL_INCHES * lines)
    for place, (base, by_beta) in enumerate(by_base.items()):
        axes = figure.add_subplot(lines, columns, place + 1)
        _draw_betas(axes, by_beta, SERIES_COLOURS[place % len(SERIES_COLOURS)])
        axes.set_title(base, fontsize=9)
        finish_axes(axes, "β (share of KL)", "perplexity" if place % columns == 0 else "")
    return png_of(figure)


def _draw_betas(axes: Axes, by_beta: Mapping[float, Point], colour: str) -> None:
    betas = sorted(by_beta)
    values = [by_beta[beta].value for beta in betas]
    axes.plot(betas, values, color=colour, linewidth=1.4, marker="o", markersize=5)
    for beta in betas:
        value, low, high = by_beta[beta]
        if low is not None and high is not None:
            error = [[value - low], [high - value]]
            axes.errorbar([beta], [value], error, color=colour, linewidth=1, capsize=3)
    axes.set_xticks(betas, [f"{beta:g}" for beta in betas])
    axes.margins(x=0.12)


def reliability_png(points: Sequence[tuple[float, float, int]]) -> bytes:
    """How often tokens followed, over the probability they were given; both in logarithms.

    Args:
        points: Of every bin: mean probability, share that followed, entries. Bins of which none
            followed have no place on a logarithmic axis and are left out.
    """
    figure, axes = new_figure()
    shown = [point for point in points if point[0] > 0 and point[1] > 0]
    smallest = min((point[0] for point in shown), default=1e-4)
    axes.plot(
        [smallest, 1], [smallest, 1], color="#5f5f5f", linewidth=1, linestyle="--", label="reliable"
    )
    if shown:
        predicted, observed, entries = zip(*shown, strict=True)
        sizes = [16 + 10 * math.log10(count) for count in entries]
        colour = SERIES_COLOURS[0]
        axes.plot(predicted, observed, color=colour, linewidth=1.2, label="p_kNN, validation")
        axes.scatter(predicted, observed, sizes, color=colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    return finish_figure(figure, axes, "probability given", "share that followed")


def forgetting_png(matrices: Mapping[str, Mapping[str, Mapping[str, float]]]) -> bytes:
    """Ratios to the base by domain trained on and corpus measured on, one panel per method.

    Args:
        matrices: By method: by domain trained on: ratio by corpus measured on. Each above 0.
    """
    rows = [row for by_domain in matrices.values() for row in by_domain.values()]
    corpora = list(dict.fromkeys(corpus for row in rows for corpus in row))
    farthest = max((abs(math.log(ratio)) for row in rows for ratio in row.values()), default=0)
    figure = empty_figure(1.6 + 0.5 * max(map(len, matrices.values())))
    for place, (method, by_domain) in enumerate(matrices.items()):
        axes = figure.add_subplot(1, len(matrices), place + 1)
        _draw_matrix(axes, list(by_domain.values()), corpora, farthest or 1)
        axes.set_title(method, fontsize=9)
        axes.set_xlabel("measured on", fontsize=9)
        axes.set_ylabel("made for" if place == 0 else "", fontsize=9)
        axes.set_yticks(range(len(by_domain)), by_domain if place == 0 else [], fontsize=8)
    return png_of(figure)


def _draw_matrix(
    axes: Axes, rows: Sequence[Mapping[str, float]], corpora: Sequence[str], farthest: float
) -> None:
    """Coloured by the logarithm of the ratio, from -farthest (blue) to farthest (red)."""
    logs = [[math.log(row[name]) if name in row else math.nan for name in corpora] for row in rows]
    axes.set_facecolor("#eeeeee")
    axes.imshow(logs, cmap="RdBu_r", vmin=-farthest, vmax=farthest, aspect="auto")
    axes.set_xticks(range(len(corpora)), corpora, rotation=30, ha="right", fontsize=8)
    for line, row in enumerate(rows):
        for column, name in enumerate(corpora):
            if name in row:
                colour = "white" if abs(logs[line][column]) > DARK_SHARE * farthest else "black"
                place = {"ha": "center", "va": "center"}
                axes.text(column, line, f"{row[name]:.2f}", place, fontsize=8, color=colour)


SYSTEM_COLOURS = {"base": "#5f5f5f", "memory": "#1f4e79", "rag": "#548235", "knn_lm": "#c55a11"}
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
    for system in sorted(points, key=list(SYSTEM_COLOURS).index):
        colour, label = SYSTEM_COLOURS[system], label_of(system)
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
            flops_ratio, color=SYSTEM_COLOURS["memory"], linewidth=1.2, linestyle=":", label=label
        )
    axes.set_ylim(bottom=0)
    y_label = f"time per token, ratio to the base (prompt of {context:,})"
    return finish_figure(figure, axes, "rows of the datastore", y_label)


_ROW_INCHES = 0.3
_THOUSAND = 1000


def drift_png(changes: Sequence[tuple[str, TokenChange]]) -> bytes:
    """Two bars per token: how often it occurs in a thousand tokens, before and in the new text.

    Args:
        changes: At least one token, as text, with its frequencies; the largest change first.
    """
    figure = empty_figure(height=1.2 + _ROW_INCHES * len(changes))
    axes = figure.add_subplot()
    names = [_quoted(text) for text, _ in changes]
    series = {
        "training text": [change.known for _, change in changes],
        "new text": [change.new for _, change in changes],
    }
    for index, (label, shares) in enumerate(series.items()):
        places = [row + 0.4 * index for row in range(len(changes))]
        values = [_THOUSAND * share for share in shares]
        axes.barh(places, values, 0.4, color=SERIES_COLOURS[index], label=label)
    axes.set_yticks([row + 0.2 for row in range(len(changes))], names, parse_math=False)
    axes.invert_yaxis()
    return finish_figure(figure, axes, "occurrences in a thousand tokens", "")


def _quoted(text: str) -> str:
    """A token with its blanks visible; what the picture's font lacks would be drawn as boxes."""
    return repr(text) if text.isascii() else ascii(text)
