"""Which token comes next in every row: the most probable one, or a sample.

Shapes: B rows, S rows that sample, V shared vocabulary.
"""

from typing import NamedTuple

import torch
from torch import Tensor

NUCLEUS = 256
"""So many of the most probable tokens nearly always hold `top_p`; sorting all takes far longer."""


class Choices(NamedTuple):
    """How every row chooses.

    Attributes:
        temperatures_B: float64; 0 takes the most probable token.
        top_ps_B: float64; the probability to sample among.
        draws_B: float64, uniform in (0, 1]; what a row's sample depends on.
    """

    temperatures_B: Tensor
    top_ps_B: Tensor
    draws_B: Tensor


def choose_tokens(scores_BV: Tensor, choices: Choices) -> Tensor:
    """The next token of every row, int64 (B,).

    Args:
        scores_BV: Log-probabilities, changed by penalties and bias, not normalised.
        choices: How to choose, on the same device.
    """
    tokens_B = scores_BV.argmax(dim=-1)
    sampling = choices.temperatures_B.nonzero().squeeze(1)
    if len(sampling):
        chosen = Choices(*(each_B[sampling] for each_B in choices))
        tokens_B[sampling] = _sample(scores_BV[sampling], chosen)
    return tokens_B


def _sample(scores_SV: Tensor, choices: Choices) -> Tensor:
    """Where each row's draw falls in its cumulative distribution over token ids."""
    # the largest is 0 beforehand, so that a tiny temperature divides nothing into NaN
    least_SV = (scores_SV - scores_SV.amax(dim=-1, keepdim=True)).double()
    probs_SV = torch.softmax(least_SV / choices.temperatures_B.unsqueeze(1), dim=-1)
    cut = (choices.top_ps_B < 1).nonzero().squeeze(1)
    if len(cut):
        probs_SV[cut] = _nucleus(probs_SV[cut], choices.top_ps_B[cut])
    cumulated_SV = probs_SV.cumsum(dim=-1)
    # draws exceed 0, so that no token without probability is ever met first
    draws_S1 = choices.draws_B.unsqueeze(1) * cumulated_SV[:, -1:]
    found_S = torch.searchsorted(cumulated_SV, draws_S1).squeeze(1)
    # a row of NaN finds nothing; it is for the caller to see
    return found_S.clamp_max(scores_SV.shape[1] - 1)


def _nucleus(probs_SV: Tensor, top_ps_S: Tensor) -> Tensor:
    """Keep the most probable tokens that together reach `top_p`, and any as probable as the last.

    Keeping equals does not depend on the order of a sort, so neither does a seed's sample.
    """
    top_ps_S1 = top_ps_S.unsqueeze(1)
    largest_SK = probs_SV.topk(min(NUCLEUS, probs_SV.shape[1])).values
    if bool((largest_SK.sum(dim=-1) < top_ps_S).any()):
        largest_SK = probs_SV.sort(descending=True).values
    before_SK = largest_SK.cumsum(dim=-1) - largest_SK
    smallest_S1 = largest_SK.masked_fill(before_SK >= top_ps_S1, 1).amin(dim=-1, keepdim=True)
    return probs_SV.masked_fill(probs_SV < smallest_S1, 0)
