"""The picture of the tokens that new text uses more, or less, than the text before it."""

from collections.abc import Sequence

from memdec_core.plots.figures import SERIES_COLOURS, empty_figure, finish_figure
from memdec_core.text.token_drift import TokenChange

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
