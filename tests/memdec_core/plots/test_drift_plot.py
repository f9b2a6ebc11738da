"""The picture of changed tokens: a small PNG, the same for the same numbers, whatever the text."""

import warnings

from memdec_core.plots.comparison_plots import drift_png
from memdec_core.text.token_drift import TokenChange

HOSTILE = [" the", "$x_", "\n\n", "é", "令", "\ufffd", "🙂", "`|<b>", "'\"", "%", "x" * 30]


def test_any_token_can_be_drawn_and_the_picture_is_small_and_reproducible() -> None:
    changes = [
        (text, TokenChange(n, 0.01 / (n + 1), 0.02, 0.001)) for n, text in enumerate(HOSTILE)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = drift_png(changes)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 120_000
    assert drift_png(changes) == picture
    assert drift_png(changes[:1]) != picture
