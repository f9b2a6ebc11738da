"""How close the memory's distribution is to p_kNN, which it was trained to imitate.

Targets are sparse: a row holds the kept tokens and one number, the tail mass, for all that
truncation dropped. Which tokens the tail was on is not known, so both distributions are compared
after merging all tokens that were not kept into one. Merging never increases a divergence: KL and
total variation are lower bounds of the true ones, and exact where nothing was dropped.

Shapes: R rows (positions), E kept entries of all rows, V vocabulary.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from memdec_core.models.language_model import TransformerLM
from memdec_core.training.sparse_targets import ReadTargets, SparseTargets
from memdec_core.windows.window_batches import ReadTokens, n_scored, pad_windows
from memdec_core.windows.windows import ROW

SMALLEST_REST = 1e-30


class Fidelity(NamedTuple):
    """Per row, float64 (R,): KL(p_kNN ‖ p_mem) in nats, total variation, top-1 agreement 0 or 1."""

    kl_R: NDArray[np.float64]
    total_variation_R: NDArray[np.float64]
    top1_agreement_R: NDArray[np.float64]


def fidelity(targets: SparseTargets, log_probs_RV: torch.Tensor) -> Fidelity:
    """Compare sparse targets with a model's whole distributions at the same positions.

    Args:
        targets: p_kNN of the rows; every row keeps at least one token. Kept and tail mass are
            scaled to sum to 1, as they are stored rounded.
        log_probs_RV: The model's normalised log-probabilities, float32.

    Returns:
        The three measures of every row, summed up in float64.
    """
    counts_R = np.diff(targets.offsets_R1)
    assert (counts_R > 0).all(), "a target keeps at least its largest probability"
    rows_E = np.repeat(np.arange(len(counts_R)), counts_R)
    ids_E = torch.from_numpy(targets.token_ids_E.astype(np.int64)).to(log_probs_RV.device)
    at_E = torch.from_numpy(rows_E).to(log_probs_RV.device)
    log_q_E = log_probs_RV[at_E, ids_E].double().cpu().numpy()

    p_E, tail_R = _normalised(targets, rows_E)
    starts_R = targets.offsets_R1[:-1]
    q_E = np.exp(log_q_E)
    rest_R = np.maximum(1 - np.add.reduceat(q_E, starts_R), SMALLEST_REST)
    terms_E = np.where(p_E > 0, p_E * (np.log(np.maximum(p_E, SMALLEST_REST)) - log_q_E), 0.0)
    tail_terms_R = tail_R * (np.log(np.maximum(tail_R, SMALLEST_REST)) - np.log(rest_R))
    kl_R = np.add.reduceat(terms_E, starts_R) + tail_terms_R
    total_variation_R = (np.add.reduceat(np.abs(p_E - q_E), starts_R) + np.abs(tail_R - rest_R)) / 2
    best_R = log_probs_RV.argmax(dim=1).cpu().numpy()
    return Fidelity(
        kl_R, total_variation_R, (best_R == targets.token_ids_E[starts_R]).astype(np.float64)
    )


def measure_fidelity(
    lm: TransformerLM,
    windows_W4: NDArray[np.int64],
    read_tokens: ReadTokens,
    read_targets: ReadTargets,
) -> Fidelity:
    """Compare a memory with its targets at every position of some windows.

    One window at a time and the head in chunks, so that memory does not grow with their number.

    Args:
        lm: The memory.
        windows_W4: Windows of the split the targets belong to, at least one.
        read_tokens: (start, stop) of the stream -> token ids.
        read_targets: (start, stop) of the rows -> targets.

    Returns:
        The measures of all positions, in the order of the windows.
    """
    parts: list[Fidelity] = []
    for window_14 in windows_W4[:, None]:
        row = int(window_14[0, ROW])
        for log_probs_CV in lm.scored_log_probs(*pad_windows(window_14, read_tokens)):
            targets = read_targets(row, row + len(log_probs_CV))
            parts.append(fidelity(targets, log_probs_CV))
            row += len(log_probs_CV)
    return Fidelity(*(np.concatenate(measure) for measure in zip(*parts, strict=True)))


def sample_windows(windows_W4: NDArray[np.int64], rows: int, seed: int) -> NDArray[np.int64]:
    """Windows drawn at random until they score `rows` positions, in stream order; or all."""
    order_W = np.random.default_rng(seed).permutation(len(windows_W4))
    scored_W = np.cumsum(n_scored(windows_W4)[order_W])
    enough = int(np.searchsorted(scored_W, rows)) + 1 if rows else 0
    chosen_W4: NDArray[np.int64] = windows_W4[np.sort(order_W[:enough])]
    return chosen_W4


def _normalised(
    targets: SparseTargets, rows_E: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kept probabilities and tail mass in float64, each row summing to 1."""
    probs_E = targets.probs_E.astype(np.float64)
    tail_R = targets.tail_mass_R.astype(np.float64)
    total_R = np.add.reduceat(probs_E, targets.offsets_R1[:-1]) + tail_R
    return probs_E / total_R[rows_E], tail_R / total_R
