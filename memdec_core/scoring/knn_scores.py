"""What kNN-LM gives the tokens that follow, and its two numbers λ and τ, chosen on validation.

    p_kNN(y) ∝ Σ over neighbours i with next token y of exp(-d_i / τ)

One search serves every temperature, and the mixture with the base is that of a memory with α = λ.
Shapes: Q or N scored positions, K neighbours, R rows of the datastore, G temperatures.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from memdec_core.compiled_kernel import kernel
from memdec_core.scoring.alpha_search import search_alpha
from memdec_core.search.neighbours import Neighbours


class KnnChoice(NamedTuple):
    """The best λ (beside the grid when it was refined), the best τ, and what the two reach."""

    weight: float
    tau: float
    perplexity: float


def label_log_probs(
    neighbours: Neighbours,
    next_token_R: NDArray[np.integer],
    label_Q: NDArray[np.integer],
    taus: Sequence[float],
) -> NDArray[np.float64]:
    """Log p_kNN of the tokens that do follow, under several temperatures.

    Args:
        neighbours: Nearest rows of Q positions, nearest first; -1 counts for nothing.
        next_token_R: The datastore's values.
        label_Q: The token that follows each position.
        taus: Temperatures, each above 0.

    Returns:
        float64 (G, Q); -inf where no neighbour has the label, and only there: however far the
        neighbours that have it are, their logarithm does not underflow.
    """
    ids_QK, distances_QK = neighbours
    same_QK = (next_token_R[ids_QK] == label_Q[:, None]) & (ids_QK >= 0)
    scores_GQ = np.full((len(taus), len(ids_QK)), -np.inf)
    taus_G = np.array(taus, np.float64)
    _score_labels(distances_QK, same_QK, same_QK.argmax(axis=1), taus_G, scores_GQ)
    return scores_GQ


def search_weight_and_tau(
    base_N: NDArray[np.float64],
    knn_GN: NDArray[np.float64],
    taus: Sequence[float],
    weights: Sequence[float],
    *,
    refine: bool,
) -> KnnChoice:
    """Find the λ and τ of least perplexity.

    Args:
        base_N: Log-probabilities of the validation tokens under the base, float64.
        knn_GN: The same tokens under p_kNN of each temperature; -inf is allowed.
        taus: The temperatures; of equals the smallest wins.
        weights: Values of λ to try, each between 0 and 1; of equals the smallest wins.
        refine: Whether to go on between grid points, as `search_alpha` does, for every τ.
    """
    curves = [search_alpha(base_N, knn_N, weights, refine=refine) for knn_N in knn_GN]
    best, tau = min(zip(curves, taus, strict=True), key=lambda pair: (pair[0].perplexity, pair[1]))
    return KnnChoice(best.alpha, tau, best.perplexity)


@kernel(parallel=True)
def _score_labels(
    distances_QK: NDArray[np.float32],
    same_QK: NDArray[np.bool_],
    first_Q: NDArray[np.int64],
    taus_G: NDArray[np.float64],
    scores_GQ: NDArray[np.float64],
) -> None:
    """Scores the labels that have a neighbour, of which `first_Q` is the nearest.

    All weights are relative to the nearest neighbour's, the label's to its own nearest one's.
    Filled places are infinitely far and weigh nothing.
    """
    for query in numba.prange(distances_QK.shape[0]):
        if not same_QK[query, first_Q[query]]:
            continue
        nearest = np.float64(distances_QK[query, 0])
        nearest_same = np.float64(distances_QK[query, first_Q[query]])
        for g in range(taus_G.size):
            total, total_same = 0.0, 0.0
            for column in range(distances_QK.shape[1]):
                distance = np.float64(distances_QK[query, column])
                total += np.exp((nearest - distance) / taus_G[g])
                if same_QK[query, column]:
                    total_same += np.exp((nearest_same - distance) / taus_G[g])
            scores_GQ[g, query] = (nearest - nearest_same) / taus_G[g] + np.log(total_same / total)
