"""How far stored targets are from exact p_kNN: measured before anybody trains on them.

What truncation dropped is one outcome of its own ("some other token"), whose probability both sides
know: so the figures show errors of the search and of rounding alone, and KL is finite. How much
was dropped is reported beside them, as the mean tail.

Shapes: Q positions, E entries of all positions together.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.errors import UserError
from memdec_core.search.neighbours import Neighbours
from memdec_core.targets.knn_distribution import token_masses
from memdec_core.targets.targets_config import TargetsConfig
from memdec_core.training.sparse_targets import SparseTargets


class TargetQuality(NamedTuple):
    """Distance of stored targets from exact p_kNN, each the mean over a sample.

    Attributes:
        kl: KL(exact ‖ stored) in nats.
        total_variation: Half the sum of absolute differences, 0 to 1.
        tail_mass: Probability that truncation dropped.
        positions: Positions in the sample.
    """

    kl: float
    total_variation: float
    tail_mass: float
    positions: int


def measure_targets(
    stored: SparseTargets, exact: Neighbours, next_token_N: NDArray[np.integer], tau: float
) -> TargetQuality:
    """Compares stored targets with p_kNN of exact neighbours, in float64.

    Args:
        stored: Targets of Q positions as written.
        exact: Exact neighbours of the same positions, with the same exclusion.
        next_token_N: The datastore's values.
        tau: Temperature.
    """
    offsets_Q1, tokens_E, masses_E = token_masses(exact, next_token_N, tau)
    kl_Q = np.zeros(len(stored.tail_mass_R))
    variation_Q = np.zeros_like(kl_Q)
    for position in range(len(kl_Q)):
        here = slice(*offsets_Q1[position : position + 2])
        kept = slice(*stored.offsets_R1[position : position + 2])
        stored_O = np.append(stored.probs_E[kept].astype(np.float64), stored.tail_mass_R[position])
        exact_O = _outcomes(tokens_E[here], masses_E[here], stored.token_ids_E[kept])
        kl_Q[position] = _kl(exact_O, stored_O)
        variation_Q[position] = np.abs(exact_O - stored_O).sum() / 2
    return TargetQuality(
        float(kl_Q.mean()),
        float(variation_Q.mean()),
        float(stored.tail_mass_R.mean(dtype=np.float64)),
        len(kl_Q),
    )


def _outcomes(
    tokens: NDArray[np.int32], masses: NDArray[np.float64], kept: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Exact probabilities of the kept tokens, in their order, and of all others together."""
    order = np.argsort(tokens)
    places = np.minimum(np.searchsorted(tokens, kept, sorter=order), len(tokens) - 1)
    found = tokens[order[places]] == kept
    probabilities = np.where(found, masses[order[places]], 0.0)
    return np.append(probabilities, max(0.0, 1.0 - probabilities.sum()))


_LEAST = 2.0**-24
"""Smallest float16 above zero: what a stored zero may stand for."""


def _kl(exact_O: NDArray[np.float64], stored_O: NDArray[np.float64]) -> float:
    possible = exact_O > 0
    ratios = exact_O[possible] / np.maximum(stored_O[possible], _LEAST)
    return float(np.sum(exact_O[possible] * np.log(ratios)))


def check_targets(quality: TargetQuality, config: TargetsConfig, shard: str) -> None:
    """Refuses targets that are too far from exact p_kNN.

    Raises:
        UserError: The total variation is NaN or exceeds `max_total_variation`.
    """
    if not quality.total_variation <= config.max_total_variation:  # NaN is refused, too
        raise UserError(
            f"config.targets.max_total_variation: the targets of {shard} differ from exact p_kNN "
            f"by {quality.total_variation:.4f} on average (allowed: {config.max_total_variation}); "
            "raise config.index.nprobe or config.index.min_recall, choose a finer "
            "config.index.kind, or allow more"
        )
