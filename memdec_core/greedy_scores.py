"""Given tokens' log-probabilities, and whether each is the most probable one, for any system.

`token_log_probs` of a system answers the first and may cost far less; where both are asked for,
one pass over the scored positions' distributions gives them. Shapes: B sequences of a batch,
T tokens of a sequence, P scored positions, C positions of a chunk, V shared vocabulary.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from memdec_core.knn_lm import KnnLM
from memdec_core.language_model import LanguageModel, TransformerLM
from memdec_core.mixture import MixtureLM, mix_log_probs
from memdec_core.retrieval_lm import RetrievalLM


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
    assert not bool(scored_BT[:, 0].any()), "nothing precedes a sequence's first token"
    if isinstance(lm, RetrievalLM):  # its passages depend on where the scored tokens begin
        return lm._score(tokens_BT, scored_BT, partial(greedy_scores, lm.base))
    wanted_P = tokens_BT[scored_BT]
    scores, done = [], 0
    for log_probs_CV in _distributions(lm, tokens_BT, scored_BT):
        wanted_C = wanted_P[done : done + len(log_probs_CV)].to(log_probs_CV.device)
        done += len(wanted_C)
        log_probs_C = log_probs_CV.gather(1, wanted_C.unsqueeze(1)).squeeze(1)
        is_greedy_C = log_probs_CV.argmax(dim=1) == wanted_C
        scores.append(torch.stack([log_probs_C, is_greedy_C.to(log_probs_C.dtype)], dim=1))
    assert done == len(wanted_P), "a distribution for every scored position"
    return torch.cat(scores)


def _distributions(lm: LanguageModel, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
    """Log-probabilities of all tokens at the scored positions, float32 (C, V), in order."""
    if isinstance(lm, TransformerLM):
        yield from lm.scored_log_probs(tokens_BT, scored_BT)
    elif isinstance(lm, MixtureLM):
        parts = (_positions(part, tokens_BT, scored_BT) for part in (lm.base, lm.memory))
        for base_1V, memory_1V in zip(*parts, strict=True):
            yield mix_log_probs(base_1V, memory_1V.to(base_1V.device), lm.alpha)
    elif isinstance(lm, KnnLM):
        yield from _knn_distributions(lm, tokens_BT, scored_BT)
    else:
        predicting_BT = scored_BT[:, 1:]
        log_probs_BTV = lm.log_probs(tokens_BT)[:, :-1]
        yield log_probs_BTV[predicting_BT.to(log_probs_BTV.device)]


def _positions(lm: LanguageModel, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
    """One distribution at a time, (1, V): the parts of a mixture may differ in their chunks."""
    for log_probs_CV in _distributions(lm, tokens_BT, scored_BT):
        yield from torch.split(log_probs_CV, 1)


def _knn_distributions(lm: KnnLM, tokens_BT: Tensor, scored_BT: Tensor) -> Iterator[Tensor]:
    """Searches at the scored positions only, which `KnnLM.log_probs` cannot."""
    done = 0
    with lm._recorded_keys() as recorded:
        for base_CV in lm.base.scored_log_probs(tokens_BT, scored_BT):
            keys_BTD = recorded[0].reshape(*tokens_BT.shape, -1)
            keys_PD = keys_BTD[:, :-1][scored_BT[:, 1:].to(keys_BTD.device)]
            knn_CV = lm._distributions(lm._search(keys_PD[done : done + len(base_CV)]))
            done += len(base_CV)
            yield mix_log_probs(base_CV, knn_CV.to(base_CV.device), lm.weight)
