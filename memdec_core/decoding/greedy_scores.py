"""Given tokens' log-probabilities, and whether each is the most probable one, for any system.

`token_log_probs` of a system answers the first and may cost far less; where both are asked for,
one pass over the scored positions' distributions gives them. Shapes: B sequences of a batch,
T tokens of a sequence, P scored positions, C positions of a chunk, V shared vocabulary.
"""

import torch
from torch import Tensor

from memdec_core.models.language_model import LanguageModel, scored_log_probs


@torch.inference_mode()
def greedy_scores(lm: LanguageModel, tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
    """Score tokens as `token_log_probs` does, and compare each with the most probable one.

    Args:
        lm: The system.
        tokens_BT: Token ids, int64, padded on the right.
        scored_BT: True where the token is to be scored; column 0 must be False.

    Returns:
        float32 (P, 2) in row-major order of `scored_BT`: the log-probability, and 1 if greedy
        decoding takes the token here, else 0.
    """
    wanted_P = tokens_BT[scored_BT]
    scores, done = [], 0
    for log_probs_CV in scored_log_probs(lm, tokens_BT, scored_BT):
        wanted_C = wanted_P[done : done + len(log_probs_CV)].to(log_probs_CV.device)
        done += len(wanted_C)
        log_probs_C = log_probs_CV.gather(1, wanted_C.unsqueeze(1)).squeeze(1)
        is_greedy_C = log_probs_CV.argmax(dim=1) == wanted_C
        scores.append(torch.stack([log_probs_C, is_greedy_C.to(log_probs_C.dtype)], dim=1))
    assert done == len(wanted_P), "a distribution for every scored position"
    return torch.cat(scores)
