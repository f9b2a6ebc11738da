"""Rows of a base and a memory whose α adapts to every token, beside the constant α.

Scores are log-probabilities of the same positions by split: float64 (N,).
"""

import numpy as np
from numpy.typing import NDArray

from memdec_core.router.alpha_router import RoutedScores
from memdec_core.scoring.bootstrap import Bootstrap, perplexity_ratio_interval
from memdec_core.scoring.result_row import ResultRow, value_rows
from memdec_core.scoring.system_comparison import interval_row, system_rows

ROUTED = "memory_router"
"""Name of the system in the table."""

RATIO_TO_CONSTANT = "ratio_to_constant_alpha"
ALPHA_MEAN, ALPHA_LOW, ALPHA_HIGH = "alpha_mean", "alpha_low", "alpha_high"
OUTSIDE = 0.1
"""Share of the positions below `alpha_low`, and of those above `alpha_high`."""


def alpha_figures(alphas_N: NDArray[np.float64]) -> dict[str, float]:
    """Mean of the weights, and the bounds of the middle four fifths of them."""
    low, high = np.quantile(alphas_N, [OUTSIDE, 1 - OUTSIDE])
    return {ALPHA_MEAN: float(alphas_N.mean()), ALPHA_LOW: float(low), ALPHA_HIGH: float(high)}


def router_rows(
    base_name: str,
    split: str,
    routed: RoutedScores,
    base_N: NDArray[np.float64],
    constant_N: NDArray[np.float64],
    bootstrap: Bootstrap,
) -> list[ResultRow]:
    """Rows of the routed mixture on one split.

    Args:
        base_name: Name of the base in the table.
        split: A split of the domain, or another corpus.
        routed: Its scores and weights.
        base_N: The base's scores of the same positions.
        constant_N: Those of the mixture with the constant α.
        bootstrap: Resampling of the positions.

    Returns:
        Perplexity; its ratio to the base's and to that with the constant α, both paired; α's mean
        and quantiles.
    """
    scores_N, n = routed.log_probs_N, len(base_N)
    gain = perplexity_ratio_interval(scores_N, constant_N, bootstrap)
    return [
        *system_rows(ROUTED, base_name, {split: scores_N}, {split: base_N}, {split: bootstrap}),
        interval_row(ROUTED, base_name, split, RATIO_TO_CONSTANT, gain, n),
        *value_rows(ROUTED, base_name, split, alpha_figures(routed.alphas_N), n),
    ]
