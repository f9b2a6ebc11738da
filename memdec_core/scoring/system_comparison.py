"""Tables of evaluation and comparison, from the token scores of the systems.

Scores are log-probabilities of the same positions by split: float64 (N,).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memdec_core.models.mixture import mix_token_log_probs
from memdec_core.scoring.alpha_search import AlphaCurve, search_alpha
from memdec_core.scoring.bootstrap import (
    Bootstrap,
    Interval,
    mean_interval,
    perplexity_interval,
    perplexity_ratio_interval,
)
from memdec_core.scoring.fidelity import Fidelity
from memdec_core.scoring.knn_scores import search_weight_and_tau
from memdec_core.scoring.result_row import TUNING_SPLIT, ResultRow, value_rows
from memdec_core.scoring.scoring_config import EvaluationConfig

Scores = Mapping[str, NDArray[np.float64]]
Bootstraps = Mapping[str, Bootstrap]


def base_rows(base_name: str, base: Scores, bootstraps: Bootstraps) -> list[ResultRow]:
    """Rows of a base by itself."""
    return [
        perplexity_row("base", base_name, split, base_N, bootstraps[split])
        for split, base_N in base.items()
    ]


def system_rows(
    system: str, base_name: str, scores: Scores, base: Scores, bootstraps: Bootstraps
) -> list[ResultRow]:
    """Rows of a system beside its base: perplexity, and its ratio to the base's.

    Args:
        system: Name of the system in the table.
        base_name: Name of the base in the table.
        scores: The system's scores by split.
        base: The base's scores of the same positions.
        bootstraps: Resampling by split.
    """
    rows = []
    for split, scores_N in scores.items():
        ratio = perplexity_ratio_interval(scores_N, base[split], bootstraps[split])
        rows += [
            perplexity_row(system, base_name, split, scores_N, bootstraps[split]),
            interval_row(system, base_name, split, "perplexity_ratio", ratio, len(scores_N)),
        ]
    return rows


def mixture_rows(
    system: str,
    base_name: str,
    base: Scores,
    memory: Scores,
    bootstraps: Bootstraps,
    config: EvaluationConfig,
) -> tuple[list[ResultRow], AlphaCurve]:
    """Rows of a base with a memory (or any other part), with α tuned on `valid` alone.

    Args:
        system: Name of the mixture in the table.
        base_name: Name of the base in the table.
        base: The base's scores by split, `valid` among them.
        memory: The other part's scores of the same positions.
        bootstraps: Resampling by split.
        config: Values of α to try.

    Returns:
        Rows of the system, and the curve α was read from.
    """
    curve = search_alpha(
        base[TUNING_SPLIT], memory[TUNING_SPLIT], config.alphas, refine=config.refine_alpha
    )
    mixed = mix_scores(base, memory, curve.alpha)
    tuned = {"alpha": curve.alpha}
    rows = value_rows(system, base_name, TUNING_SPLIT, tuned, len(base[TUNING_SPLIT]))
    return rows + system_rows(system, base_name, mixed, base, bootstraps), curve


def knn_lm_rows(
    base_name: str,
    base: Scores,
    knn: Mapping[str, NDArray[np.float64]],
    bootstraps: Bootstraps,
    taus: Sequence[float],
    config: EvaluationConfig,
) -> list[ResultRow]:
    """Rows of kNN-LM, with λ and τ tuned on `valid` alone.

    Args:
        base_name: Name of the base in the table.
        base: The base's scores by split, `valid` among them.
        knn: The neighbours' scores under each temperature, (G, N) by split.
        bootstraps: Resampling by split.
        taus: The G temperatures.
        config: Values of λ to try, as of α; those below 1 are.
    """
    weights = [weight for weight in config.alphas if weight < 1]  # neighbours lack most tokens
    choice = search_weight_and_tau(
        base[TUNING_SPLIT], knn[TUNING_SPLIT], taus, weights or [0.0], refine=config.refine_alpha
    )
    temperature = list(taus).index(choice.tau)
    nearest = {split: scores_GN[temperature] for split, scores_GN in knn.items()}
    mixed = mix_scores(base, nearest, choice.weight)
    tuned = {"lambda": choice.weight, "tau": choice.tau}
    rows = value_rows("knn_lm", base_name, TUNING_SPLIT, tuned, len(base[TUNING_SPLIT]))
    return rows + system_rows("knn_lm", base_name, mixed, base, bootstraps)


def mix_scores(base: Scores, part: Scores, weight: float) -> dict[str, NDArray[np.float64]]:
    """The base's scores mixed with a part's of this weight, split by split."""
    return {
        split: mix_token_log_probs(base[split], part_N, weight) for split, part_N in part.items()
    }


def fidelity_rows(measures: Fidelity, bootstrap: Bootstrap) -> list[ResultRow]:
    """Rows of the memory's distance to its validation targets."""
    rows = []
    metrics = ("kl", "total_variation", "top1_agreement")
    for metric, values_R in zip(metrics, measures, strict=True):
        mean = mean_interval(values_R, bootstrap)
        rows.append(interval_row("memory_alone", None, TUNING_SPLIT, metric, mean, len(values_R)))
    return rows


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
    return ResultRow(system, base, split, metric, interval.value, *interval.known_bounds, n)
