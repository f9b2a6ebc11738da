"""Neighbours become p_kNN: sparse from the search on, nothing dense of positions × vocabulary.

    p_kNN(y) ∝ Σ over neighbours i with next token y of exp(-d_i / τ)

Shapes: Q positions, K neighbours, E entries of all positions together, N rows of the datastore.
"""

import numpy as np
from numpy.typing import NDArray

from memdec_core.compiled_kernel import kernel
from memdec_core.errors import UserError
from memdec_core.search.neighbours import Neighbours
from memdec_core.targets.targets_config import TargetsConfig
from memdec_core.training.sparse_targets import SparseTargets


def token_masses(
    neighbours: Neighbours, next_token_N: NDArray[np.integer], tau: float
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    """The whole of p_kNN, before truncation, in float64.

    Args:
        neighbours: Nearest rows; -1 counts for nothing.
        next_token_N: The datastore's values.
        tau: Temperature.

    Returns:
        Offsets (Q + 1), tokens in the order met (E), probabilities (E) that sum to 1 per position.

    Raises:
        UserError: A position has no neighbour at all.
    """
    ids_QK, distances_QK = neighbours
    if (ids_QK[:, 0] < 0).any():
        raise UserError(
            "config.targets.exclude: a position has no neighbour left, because everything is "
            "excluded; exclude less, or use a corpus of more documents"
        )
    values_QK = next_token_N[ids_QK].astype(np.int32)  # -1 takes some value, of weight 0
    tokens_QK = np.empty(ids_QK.shape, np.int32)
    masses_QK = np.empty(ids_QK.shape, np.float64)
    scratch_V = np.zeros(int(values_QK.max(initial=0)) + 1, np.float64)
    counts_Q = np.zeros(len(ids_QK), np.int64)
    _sum_by_token(values_QK, distances_QK, tau, scratch_V, tokens_QK, masses_QK, counts_Q)
    used_QK = np.arange(ids_QK.shape[1]) < counts_Q[:, None]
    offsets_Q1 = np.concatenate([[0], np.cumsum(counts_Q)])
    return offsets_Q1, tokens_QK[used_QK], masses_QK[used_QK]


def knn_targets(
    neighbours: Neighbours,
    next_token_N: NDArray[np.integer],
    label_Q: NDArray[np.integer],
    config: TargetsConfig,
) -> SparseTargets:
    """Turns neighbours into truncated targets.

    Args:
        neighbours: Nearest rows of Q positions, nearest first.
        next_token_N: The datastore's values.
        label_Q: The tokens that do follow these positions.
        config: τ and the limits of truncation.

    Raises:
        UserError: A position has no neighbour at all.
    """
    offsets_Q1, tokens_E, masses_E = token_masses(neighbours, next_token_N, config.tau)
    halves_E = _round_within_one(offsets_Q1, masses_E)
    kept_Q = _sort_and_cut(
        offsets_Q1, tokens_E, halves_E.view(np.uint16), _HALVES, config.mass, config.max_entries
    )
    kept_E = np.arange(len(tokens_E)) < np.repeat(offsets_Q1[:-1] + kept_Q, np.diff(offsets_Q1))
    probs_E = halves_E[kept_E]
    kept_offsets_Q1 = np.concatenate([[0], np.cumsum(kept_Q)])
    tail_mass_Q = 1 - _sum_rows(kept_offsets_Q1, probs_E.astype(np.float64))
    return SparseTargets(
        kept_offsets_Q1, tokens_E[kept_E], probs_E, label_Q, tail_mass_Q.astype(np.float32)
    )


_HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float64)
"""Value of every float16, by its bits."""


_STEP = 1 << 4
"""Between two stored probabilities, in bits of a float16: a mantissa of 6 bits, within 0.8 %.

Tokens that are as likely as each other to the eye become so to the last bit, and such runs, sorted
by token, take a sixth less room; truncation to 99.9 % takes away more than that changes.
"""
_SMALLEST_NORMAL = 0x0400
_MOST_LOWERED = 2**-4


def _round_within_one(
    offsets_Q1: NDArray[np.int64], masses_E: NDArray[np.float64]
) -> NDArray[np.float16]:
    """Rounds to steps; where the sum of a position would exceed 1, its largest entries give way.

    Where they would have to by more than a sixteenth, all are rounded to float16 instead.
    """
    starts_Q, lengths_Q = offsets_Q1[:-1], np.diff(offsets_Q1)
    halves_E = _nearest(masses_E, _STEP)
    excess_Q = np.maximum(_sum_rows(offsets_Q1, halves_E.astype(np.float64)) - 1, 0)
    largest_Q = np.maximum.reduceat(halves_E, starts_Q)
    is_largest_E = halves_E == np.repeat(largest_Q, lengths_Q)
    lowered_Q = largest_Q - excess_Q / np.add.reduceat(is_largest_E, starts_Q, dtype=np.int64)
    halves_E[is_largest_E] = np.repeat(_down(lowered_Q), lengths_Q)[is_largest_E]
    finely_E = np.repeat(lowered_Q < largest_Q * (1 - _MOST_LOWERED), lengths_Q)
    if finely_E.any():
        halves_E[finely_E] = _round_finely(offsets_Q1, masses_E)[finely_E]
    return halves_E


def _nearest(masses_E: NDArray[np.float64], step: int) -> NDArray[np.float16]:
    """The nearest float16 whose bits are a multiple of `step`, of any bits below the normal ones.

    The bits of positive numbers order as the numbers do.
    """
    bits_E = masses_E.astype(np.float16).view(np.uint16)
    stepped_E = (bits_E + step // 2) // step * step
    return np.where(bits_E < _SMALLEST_NORMAL, bits_E, stepped_E).astype(np.uint16).view(np.float16)


def _down(values_Q: NDArray[np.float64]) -> NDArray[np.float16]:
    """The largest float16 that is not larger."""
    halves_Q = values_Q.astype(np.float16)
    halves_Q.view(np.uint16)[halves_Q > values_Q] -= 1
    return halves_Q


def _round_finely(
    offsets_Q1: NDArray[np.int64], masses_E: NDArray[np.float64]
) -> NDArray[np.float16]:
    """Rounds to float16 to the nearest, or down where the sum of a position would exceed 1."""
    halves_E = masses_E.astype(np.float16)
    over_Q = _sum_rows(offsets_Q1, halves_E.astype(np.float64)) > 1
    over_E = np.repeat(over_Q, np.diff(offsets_Q1))
    halves_E[over_E] = _down(masses_E)[over_E]
    return halves_E


def _sum_rows(offsets_Q1: NDArray[np.int64], values_E: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums each position's entries; every position has at least one."""
    sums_Q: NDArray[np.float64] = np.add.reduceat(values_E, offsets_Q1[:-1])
    return sums_Q


@kernel()
def _sum_by_token(
    values_QK: NDArray[np.int32],
    distances_QK: NDArray[np.float32],
    tau: float,
    scratch_V: NDArray[np.float64],
    tokens_QK: NDArray[np.int32],
    masses_QK: NDArray[np.float64],
    counts_Q: NDArray[np.int64],
) -> None:
    """Adds up weights in one row as wide as the vocabulary, and clears only what it touched.

    Weights are relative to the nearest neighbour's, which is 1: whatever the distances, the sum
    neither underflows nor overflows.
    """
    for query in range(values_QK.shape[0]):
        nearest = np.float64(distances_QK[query, 0])
        count = 0
        total = 0.0
        for column in range(values_QK.shape[1]):
            weight = np.exp((nearest - np.float64(distances_QK[query, column])) / tau)
            if weight == 0.0:
                break  # sorted by distance: the rest, and the filling, weigh nothing
            token = values_QK[query, column]
            if scratch_V[token] == 0.0:
                tokens_QK[query, count] = token
                count += 1
            scratch_V[token] += weight
            total += weight
        for entry in range(count):
            token = tokens_QK[query, entry]
            masses_QK[query, entry] = scratch_V[token] / total
            scratch_V[token] = 0.0
        counts_Q[query] = count


@kernel()
def _sort_and_cut(
    offsets_Q1: NDArray[np.int64],
    tokens_E: NDArray[np.int32],
    bits_E: NDArray[np.uint16],
    halves: NDArray[np.float64],
    mass: float,
    max_entries: int,
) -> NDArray[np.int64]:
    """Sorts each position in place; counts the entries that reach `mass`, at most `max_entries`."""
    kept_Q = np.zeros(offsets_Q1.size - 1, np.int64)
    for query in range(kept_Q.size):
        start, stop = offsets_Q1[query], offsets_Q1[query + 1]
        words = np.empty(stop - start, np.int64)
        for entry in range(stop - start):
            falling = np.int64(0xFFFF) - np.int64(bits_E[start + entry])
            words[entry] = (falling << np.int64(32)) | np.int64(tokens_E[start + entry])
        words.sort()
        reached = 0.0
        for entry in range(stop - start):
            bits = np.int64(0xFFFF) - (words[entry] >> np.int64(32))
            bits_E[start + entry] = bits
            tokens_E[start + entry] = words[entry] & np.int64(0xFFFFFFFF)
            if reached < mass and entry < max_entries and bits > 0:
                kept_Q[query] += 1
                reached += halves[bits]
    return kept_Q
