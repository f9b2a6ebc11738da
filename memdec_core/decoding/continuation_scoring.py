"""How probable a continuation is after its context, and whether greedy decoding would write it.

Longer contexts than the model reads lose their oldest tokens. `token_log_probs` of a system may
cost far less than whole distributions; where greedy choices are asked for too, one pass over these
gives both. Shapes: W pairs, B pairs of a batch, T tokens of its longest pair, P scored tokens of a
batch, N of all pairs, C positions of a chunk, V shared vocabulary.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memdec_core.errors import UserError
from memdec_core.models.language_model import LanguageModel, scored_log_probs, token_log_probs
from memdec_core.windows.window_batches import score_windows, windows_of_pairs
from memdec_core.windows.windows import ROW


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


class Continuation(NamedTuple):
    """Token ids of a text and of what may follow it; at least one each."""

    context: Sequence[int]
    tokens: Sequence[int]


class ContinuationScore(NamedTuple):
    """What a system says of a continuation.

    Attributes:
        log_prob: Sum of its tokens' log-probabilities, in nats.
        is_greedy: Whether each of its tokens is the most probable one where it stands.
    """

    log_prob: float
    is_greedy: bool


def context_length_of(lm: LanguageModel) -> int | None:
    """Most tokens that every model of a system reads, None where none has a limit."""
    if hasattr(lm, "context_length"):
        own: int | None = lm.context_length
        return own
    parts = [getattr(lm, name) for name in ("base", "memory") if hasattr(lm, name)]
    limits = [context_length_of(part) for part in parts]
    return min((limit for limit in limits if limit is not None), default=None)


def continuation_scores(
    lm: LanguageModel, pairs: Sequence[Continuation], *, batch_tokens: int
) -> list[ContinuationScore]:
    """Score continuations, and find out which ones are greedy.

    Args:
        lm: The system.
        pairs: Contexts and continuations. What exceeds the model's context is cut off on the left.
        batch_tokens: Most tokens of a batch, padding included; a longer pair is a batch by itself.

    Returns:
        A score for each pair, in their order.

    Raises:
        UserError: A continuation alone does not fit the model's context.
    """
    scores = _by_pair(lm, pairs, batch_tokens, partial(greedy_scores, lm))
    return [
        ContinuationScore(float(score_P2[:, 0].sum()), bool(score_P2[:, 1].all()))
        for score_P2 in scores
    ]


def continuation_log_probs(
    lm: LanguageModel, pairs: Sequence[Continuation], *, batch_tokens: int
) -> NDArray[np.float64]:
    """The log-probabilities alone, by the system's `token_log_probs`; arguments as above.

    Returns:
        float64 (len(pairs),), in nats.
    """
    scores = _by_pair(lm, pairs, batch_tokens, partial(token_log_probs, lm))
    return np.array([float(score_P.sum()) for score_P in scores])


def _by_pair(
    lm: LanguageModel,
    pairs: Sequence[Continuation],
    batch_tokens: int,
    score: Callable[[Tensor, Tensor], Tensor],
) -> list[NDArray[np.float64]]:
    """What `score` gives for each pair's continuation, float64, one row per token."""
    if not pairs:
        return []
    limit = context_length_of(lm)
    fitting = [_fit(pair, limit) for pair in pairs]
    read_tokens, windows_W4 = windows_of_pairs(
        [(np.array(pair.context, np.int64), np.array(pair.tokens, np.int64)) for pair in fitting]
    )
    scores_N = score_windows(score, windows_W4, read_tokens, batch_tokens=batch_tokens)
    return np.split(scores_N, windows_W4[1:, ROW])


def _fit(pair: Continuation, limit: int | None) -> Continuation:
    """The pair without the oldest tokens of a context that is too long."""
    assert pair.context, "a continuation follows something"
    assert pair.tokens, "there is something to score"
    if limit is None:
        return pair
    if len(pair.tokens) >= limit:
        raise UserError(
            f"a continuation of {len(pair.tokens)} tokens leaves no room for its context in a "
            f"model that reads {limit}: use a model that reads more, or shorter continuations"
        )
    return pair._replace(context=pair.context[-(limit - len(pair.tokens)) :])
