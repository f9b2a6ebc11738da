"""A row of the tables: one measured number. What shows them needs no model, and imports none."""

from collections.abc import Mapping
from typing import NamedTuple

TUNING_SPLIT = "valid"


class ResultRow(NamedTuple):
    """One measured number.

    Attributes:
        system: `base`, `memory` (the base with the memory), `memory_alone`, a baseline, or
            `targets`.
        base: Name of the base model; None where the number does not depend on one.
        split: `valid`, `test`, `train`, the name of another corpus, whose test split was scored,
            or a downstream dataset.
        metric: `perplexity`, `perplexity_ratio` (to the base's; below 1 is better), `alpha`,
            `lambda`, `tau`, `beta`, `kl` (nats), `total_variation` or `top1_agreement`; those of
            `downstream_table`, `memorisation`, `reliability` and `router_table`.
        value: The number.
        ci_low: Lower end of its confidence interval; None where there is none.
        ci_high: Upper end.
        n: Positions it was measured on.
    """

    system: str
    base: str | None
    split: str
    metric: str
    value: float
    ci_low: float | None
    ci_high: float | None
    n: int


def value_rows(
    system: str, base: str | None, split: str, values: Mapping[str, float], n: int
) -> list[ResultRow]:
    """Rows of numbers that have no interval, by metric."""
    return [
        ResultRow(system, base, split, metric, value, None, None, n)
        for metric, value in values.items()
    ]
