"""One distribution of every row out of those of its parts, each row with weights of its own.

Shapes: P parts (the base, then the memories), N rows or positions, V shared vocabulary.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from memdec_core.serving.request import TokenScores


def log_weights(weights: Sequence[float]) -> list[float]:
    """Logs of the base's weight and of the memories', of which the base has the rest."""
    memories = min(1.0, math.fsum(weights))
    base = -math.inf if memories == 1.0 else math.log1p(-memories)
    return [base, *(math.log(weight) if weight else -math.inf for weight in weights)]


def mix_rows(log_weights_NP: Tensor, parts_PNV: Sequence[Tensor]) -> Tensor:
    """Log of the weighted mean of the parts' probabilities, float32 (N, V).

    A part that has all the weight is given to the bit.
    """
    mixed_NV = log_weights_NP[:, :1] + parts_PNV[0]
    for part, part_NV in enumerate(parts_PNV[1:], start=1):
        mixed_NV = torch.logaddexp(mixed_NV, log_weights_NP[:, part : part + 1] + part_NV)
    return mixed_NV


def token_scores(
    tokens_N: Tensor, mixed_NV: Tensor, parts_PNV: Sequence[Tensor], top_N: Sequence[int]
) -> list[TokenScores]:
    """What is told of N chosen tokens.

    Args:
        tokens_N: Their ids, int64.
        mixed_NV: Log-probabilities of the mixture.
        parts_PNV: Of its parts.
        top_N: How many of the most probable tokens to tell beside each.
    """
    wanted_N1 = tokens_N.unsqueeze(1)
    chosen = [table_NV.gather(1, wanted_N1).squeeze(1) for table_NV in (mixed_NV, *parts_PNV)]
    tops = _most_probable(mixed_NV, top_N)
    return [
        TokenScores(token, log_prob, tuple(part_log_probs), top)
        for token, (log_prob, *part_log_probs), top in zip(
            tokens_N.tolist(), torch.stack(chosen, dim=1).tolist(), tops, strict=True
        )
    ]


def _most_probable(mixed_NV: Tensor, top_N: Sequence[int]) -> list[tuple[tuple[int, float], ...]]:
    tops: list[tuple[tuple[int, float], ...]] = [()] * len(top_N)
    asking = [row for row, count in enumerate(top_N) if count]
    if asking:
        most = min(max(top_N), mixed_NV.shape[1])
        found = mixed_NV[asking].topk(most)
        for row, ids, values in zip(
            asking, found.indices.tolist(), found.values.tolist(), strict=True
        ):
            tops[row] = tuple(zip(ids, values, strict=True))[: top_N[row]]
    return tops
