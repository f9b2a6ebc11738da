"""Figures as PNG bytes, the same bytes for the same numbers.

They are drawn without pyplot: its global state and its choice of a window system belong to
programs that show windows.
"""

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

SERIES_COLOURS = ("#1f4e79", "#c55a11", "#548235", "#7f3f98", "#a61c3c", "#5f5f5f")
LINE_STYLES = ("-", "--", ":")
"""For what goes on after the last colour."""


def new_figure() -> tuple[Figure, Axes]:
    """An empty figure of the size all pictures share, and its axes."""
    figure = empty_figure()
    return figure, figure.add_subplot()


def empty_figure(height: float = 4.2) -> Figure:
    """A figure without axes; its height in inches."""
    figure = Figure(figsize=(7.2, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def finish_figure(figure: Figure, axes: Axes, x_label: str, y_label: str) -> bytes:
    """Labels, light grid, legend; PNG without dates or versions in its metadata."""
    finish_axes(axes, x_label, y_label)
    return png_of(figure)


def finish_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Labels, light grid, legend where something is named."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(color="#d9d9d9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def png_of(figure: Figure) -> bytes:
    """A figure as a PNG without dates or versions in its metadata."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
