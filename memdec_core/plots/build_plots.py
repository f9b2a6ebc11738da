"""Pictures of one build: its losses, its index, its weights and its systems."""

from collections.abc import Mapping, Sequence

from memdec_core.plots.figures import LINE_STYLES, SERIES_COLOURS, finish_figure, new_figure
from memdec_core.training.training_state import CurvePoint

_COLOURS = {"loss": "#1f4e79", "kl": "#c55a11", "ce": "#548235"}
_NAMES = {"loss": "loss", "kl": "KL(p_kNN ‖ p_mem)", "ce": "cross-entropy"}


def loss_curves_png(curve: Sequence[CurvePoint], best_step: int | None = None) -> bytes:
    """Losses by step: training as thin lines, validation as lines with dots.

    Args:
        curve: Points of `train` and `valid`; KL is drawn where it was measured.
        best_step: Step of the weights that were kept, marked.
    """
    figure, axes = new_figure()
    measured = ["loss", "kl", "ce"] if any(p.kl is not None for p in curve) else ["loss"]
    for name in measured:
        for split in ("train", "valid"):
            points = [(p.step, getattr(p, name)) for p in curve if p.split == split]
            points = [(step, value) for step, value in points if value is not None]
            if not points:
                continue
            steps, values = zip(*points, strict=True)
            axes.plot(
                steps,
                values,
                color=_COLOURS[name],
                linewidth=1.8 if split == "valid" else 0.9,
                alpha=1.0 if split == "valid" else 0.55,
                marker="o" if split == "valid" else None,
                markersize=3.5,
                label=f"{_NAMES[name]}, {split}",
            )
    if best_step is not None:
        axes.axvline(best_step, color="#5f5f5f", linewidth=0.9, linestyle=":", label="kept weights")
    return finish_figure(figure, axes, "optimiser steps", "nats per token")


def alpha_curve_png(perplexity: Mapping[str, Mapping[float, float]]) -> bytes:
    """Validation perplexity by α, one line per base model or per system, each minimum marked.

    Args:
        perplexity: By name of the line: perplexity by α.
    """
    figure, axes = new_figure()
    for index, (name, by_alpha) in enumerate(perplexity.items()):
        colour = SERIES_COLOURS[index % len(SERIES_COLOURS)]
        alphas = sorted(by_alpha)
        best = min(alphas, key=lambda alpha: by_alpha[alpha])
        label = f"{name}: α = {best:g}, perplexity {by_alpha[best]:.2f}"
        values = [by_alpha[alpha] for alpha in alphas]
        style = LINE_STYLES[index // len(SERIES_COLOURS) % len(LINE_STYLES)]
        axes.plot(alphas, values, style, color=colour, linewidth=1.6, label=label)
        axes.plot([best], [by_alpha[best]], color=colour, marker="o", markersize=6)
    return finish_figure(figure, axes, "α (weight of the memory)", "perplexity, validation")


def recall_png(recall: Mapping[int, float], least: float) -> bytes:
    """Recall of an index by the lists probed, up to the number that suffices.

    Args:
        recall: By the number of lists probed per query.
        least: What it has to reach, drawn as a line.
    """
    figure, axes = new_figure()
    probed = sorted(recall)
    values = [recall[count] for count in probed]
    axes.plot(probed, values, color=SERIES_COLOURS[0], linewidth=1.6, marker="o", label="measured")
    axes.axhline(least, color="#5f5f5f", linewidth=0.9, linestyle=":", label=f"needed: {least:g}")
    axes.set_xscale("log", base=2)
    axes.set_xticks(probed, [f"{count:,}" for count in probed], minor=False)
    return finish_figure(figure, axes, "lists probed per query", "recall against exact search")


def systems_png(perplexity: Mapping[str, Mapping[str, float]]) -> bytes:
    """Perplexity of every system, one group of bars per system and one bar per base model.

    Args:
        perplexity: By name of the base model: perplexity by system.
    """
    figure, axes = new_figure()
    systems = list(dict.fromkeys(name for values in perplexity.values() for name in values))
    height = 0.8 / len(perplexity)
    for index, (base, values) in enumerate(perplexity.items()):
        places = [systems.index(name) + index * height for name in values]
        colour = SERIES_COLOURS[index % len(SERIES_COLOURS)]
        bars = axes.barh(places, list(values.values()), height, color=colour, label=base)
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=7)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(systems))], systems)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    return finish_figure(figure, axes, "perplexity (lower is better)", "")
