"""The evaluation's table, from the token scores of a base and of the memory.

Scores are log-probabilities of the same positions by split: float64 (N,).
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.alpha_search import AlphaCurve, search_alpha
from memdec_core.bootstrap import (
    Bootstrap,
    Interval,
    mean_interval,
    perplexity_interval,
    perplexity_ratio_interval,
)
from memdec_core.fidelity import Fidelity
from memdec_core.mixture import mix_token_log_probs

Scores = Mapping[str, NDArray[np.float64]]
TUNING_SPLIT = "valid"


class ResultRow(NamedTuple):
    """One measured number.

    Attributes:
        system: `base`, `memory` (the base with the memory), `memory_alone`, or a baseline.
        base: Name of the base model; None where the number does not depend on one.
        split: `valid` or `test`.
        metric: `perplexity`, `perplexity_ratio` (to the base's; below 1 is better), `alpha`,
            `kl` (nats), `total_variation` or `top1_agreement`.
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


def compare_with_base(
    base_name: str,
    base: Scores,
    memory: Scores,
    bootstraps: Mapping[str, Bootstrap],
    *,
    alphas: Sequence[float],
    refine_alpha: bool,
) -> tuple[list[ResultRow], AlphaCurve]:
    """Rows of a base and of the base with the memory, with α tuned on `valid` alone.

    Args:
        base_name: Name of the base in the table.
        base: The base's scores by split, `valid` among them.
        memory: The memory's scores of the same positions.
        bootstraps: Resampling by split.
        alphas: Grid of α.
        refine_alpha: Whether to search between grid points.

    Returns:
        Rows of systems `base` and `memory`, and the curve α was read from.
    """
    curve = search_alpha(base[TUNING_SPLIT], memory[TUNING_SPLIT], alphas, refine=refine_alpha)
    n_tuned = len(base[TUNING_SPLIT])
    rows = [ResultRow("memory", base_name, TUNING_SPLIT, "alpha", curve.alpha, None, None, n_tuned)]
    for split, base_N in base.items():
        mixed_N = mix_token_log_probs(base_N, memory[split], curve.alpha)
        ratio = perplexity_ratio_interval(mixed_N, base_N, bootstraps[split])
        rows += [
            perplexity_row("base", base_name, split, base_N, bootstraps[split]),
            perplexity_row("memory", base_name, split, mixed_N, bootstraps[split]),
            interval_row("memory", base_name, split, "perplexity_ratio", ratio, len(base_N)),
        ]
    return rows, curve


def fidelity_rows(measures: Fidelity, bootstrap: Bootstrap) -> list[ResultRow]:
    """Rows of the memory's distance to its validation targets."""
    named = {
        "kl": measures.kl_R,
        "total_variation": measures.total_variation_R,
        "top1_agreement": measures.top1_agreement_R,
    }
    return [
        interval_row(
            "memory_alone",
            None,
            TUNING_SPLIT,
            metric,
            mean_interval(values_R, bootstrap),
            len(values_R),
        )
        for metric, values_R in named.items()
    ]


def perplexity_row(
    system: str,
    base: str | None,
    split: str,
    log_probs_N: NDArray[np.float64],
    bootstrap: Bootstrap,
) -> ResultRow:
    """The perplexity of any system."""
    interval = perplexity_interval(log_probs_N, bootstrap)
    return interval_row(system, base, split, "perplexity", interval, len(log_probs_N))


def interval_row(
    system: str, base: str | None, split: str, metric: str, interval: Interval, n: int
) -> ResultRow:
    """A row for a value with an interval, which may be unknown (NaN)."""
    low, high = (None if math.isnan(end) else end for end in (interval.low, interval.high))
    return ResultRow(system, base, split, metric, interval.value, low, high, n)
