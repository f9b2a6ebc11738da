"""The memory's weight α, chosen on validation tokens only.

The mean negative log-probability of a mixture is convex in α, so a grid brackets the minimum and
golden-section search inside the bracket finds it. Shapes: N scored positions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.models.mixture import mix_token_log_probs
from memdec_core.scoring.perplexity import perplexity

GOLDEN = (5**0.5 - 1) / 2
PRECISION = 1e-3


class AlphaCurve(NamedTuple):
    """The best α, its perplexity, and those of every α that was tried, in their order."""

    alpha: float
    perplexity: float
    perplexities: dict[float, float]


def search_alpha(
    base_N: NDArray[np.float64],
    memory_N: NDArray[np.float64],
    grid: Sequence[float],
    *,
    refine: bool,
) -> AlphaCurve:
    """Find the α of least perplexity.

    Args:
        base_N: Log-probabilities of the validation tokens under the base, float64.
        memory_N: The same tokens under the memory.
        grid: Values of α to try, each between 0 and 1; of equals the smallest α wins.
        refine: Whether to go on between the best grid point's neighbours, to 0.001.

    Returns:
        The best α; the curve holds the grid and, after refinement, the refined α.
    """
    curve = {alpha: _perplexity_at(base_N, memory_N, alpha) for alpha in sorted(set(grid))}
    if refine and len(curve) > 1:
        alphas = list(curve)
        best = alphas.index(min(curve, key=curve.__getitem__))
        low, high = alphas[max(best - 1, 0)], alphas[min(best + 1, len(alphas) - 1)]
        alpha = round(_golden_section(base_N, memory_N, low, high), 3)
        curve[alpha] = _perplexity_at(base_N, memory_N, alpha)
    curve = dict(sorted(curve.items()))
    chosen = min(curve, key=curve.__getitem__)
    return AlphaCurve(chosen, curve[chosen], curve)


def _perplexity_at(
    base_N: NDArray[np.float64], memory_N: NDArray[np.float64], alpha: float
) -> float:
    return perplexity(mix_token_log_probs(base_N, memory_N, alpha))


def _golden_section(
    base_N: NDArray[np.float64], memory_N: NDArray[np.float64], low: float, high: float
) -> float:
    """The minimum of a convex curve between two points, to `PRECISION` / 2."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left = _perplexity_at(base_N, memory_N, left)
    at_right = _perplexity_at(base_N, memory_N, right)
    while high - low > PRECISION:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = _perplexity_at(base_N, memory_N, left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = _perplexity_at(base_N, memory_N, right)
    return (low + high) / 2
