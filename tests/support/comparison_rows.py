"""Rows of comparisons, made by hand."""

from pydantic import JsonValue

Row = dict[str, JsonValue]


def row(
    system: str,
    base: str | None,
    split: str,
    metric: str,
    value: float,
    ends: tuple[float, float] | None = None,
) -> Row:
    low, high = ends or (None, None)
    return {
        "system": system,
        "base": base,
        "split": split,
        "metric": metric,
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "n": 1234,
    }


def measured(
    base: str, before: float, ratios: dict[str, float], split: str = "test", spread: float = 0.05
) -> list[Row]:
    """A base's perplexity, and of each system perplexity and ratio, with intervals of ± spread."""

    def around(system: str, metric: str, value: float) -> Row:
        return row(system, base, split, metric, value, (value - spread, value + spread))

    rows = [around("base", "perplexity", before)]
    for system, ratio in ratios.items():
        rows += [
            around(system, "perplexity", before * ratio),
            around(system, "perplexity_ratio", ratio),
        ]
    return rows
