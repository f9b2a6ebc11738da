"""The picture of times is the same PNG for the same numbers, and shows each of them."""

import pytest

from memdec_core.plots.comparison_plots import RatioPoint, latency_png

POINTS = {
    "base": [RatioPoint(None, 1.0, 1.0, 1.0)],
    "memory": [RatioPoint(None, 1.3, 1.2, 1.4)],
    "knn_lm": [RatioPoint(1000, 2.0, 1.8, 2.1), RatioPoint(100_000, 9.0, 8.0, 9.5)],
}


def test_the_same_numbers_give_the_same_png() -> None:
    first = latency_png(POINTS, 1.25, 512)
    backwards = {system: POINTS[system][::-1] for system in reversed(POINTS)}
    assert first.startswith(b"\x89PNG")
    assert first == latency_png(backwards, 1.25, 512)
    assert b"matplotlib" not in first


@pytest.mark.parametrize(
    "changed",
    [
        {"memory": [RatioPoint(None, 1.6, 1.2, 1.4)]},
        {"memory": [RatioPoint(None, 1.3, 0.5, 1.4)]},
        {"knn_lm": [RatioPoint(1000, 2.0, 1.8, 2.1), RatioPoint(100_000, 7.0, 8.0, 9.5)]},
        {"knn_lm": [RatioPoint(1000, 2.0, 1.8, 2.1), RatioPoint(100_000, 9.0, 8.0, 12.5)]},
        {"rag": [RatioPoint(None, 3.0, 3.0, 3.0)]},
    ],
)
def test_every_number_shows(changed: dict[str, list[RatioPoint]]) -> None:
    assert latency_png(POINTS | changed, 1.25, 512) != latency_png(POINTS, 1.25, 512)


def test_operations_and_prompts_show() -> None:
    pictures = {latency_png(POINTS, flops, context) for flops in (1.25, 1.8) for context in (8, 9)}
    assert len(pictures) == 4


def test_without_a_datastore_there_are_level_lines() -> None:
    level = {system: POINTS[system] for system in ("base", "memory")}
    assert latency_png(level, 1.25, 512).startswith(b"\x89PNG")
