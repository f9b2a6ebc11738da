"""The log-probability of every token of every choice, given its prompt.

By token and not by choice: a mixture with a memory is formed for every token, with any weight,
from the scores of its two parts.

Legend: R records, S strings, E tokens of all strings, B prompts of a batch, T tokens of a batch.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memdec_core.downstream.choice_strings import ChoiceStrings, Prompts
from memdec_core.models.language_model import LanguageModel, scored_log_probs
from memdec_core.scoring.perplexity import split_log_probs
from memdec_core.windows.window_batches import (
    OnProgress,
    ReadTokens,
    score_windows,
    windows_of_pairs,
)

ANY_TOKEN = np.zeros(1, np.int64)


def choice_log_probs(
    lm: LanguageModel,
    prompts: Prompts,
    strings: ChoiceStrings,
    *,
    batch_tokens: int,
    on_progress: OnProgress = lambda _fraction: None,
) -> NDArray[np.float64]:
    """Log-probabilities of the strings' tokens.

    All first tokens of a prompt's strings come from one forward pass of the prompt; each string of
    more tokens costs one more.

    Args:
        lm: The system to score.
        prompts: Token ids of each prompt, at least one; with the longest string behind it, it fits
            the model.
        strings: What may follow.
        batch_tokens: Most tokens of a batch, padding included; changes nothing but speed, memory
            and the rounding of float32 sums.
        on_progress: Takes the finished fraction, 0 to 1.

    Returns:
        float64 (R, E): each token given the prompt and the string's tokens before it.
    """
    log_probs_RE = np.full((len(prompts), len(strings.token_ids_E)), np.nan)
    share = 1 / (1 + len(strings.longer))
    log_probs_RE[:, strings.first_S] = _first_tokens(
        lm,
        prompts,
        strings.token_ids_E[strings.first_S],
        batch_tokens,
        lambda fraction: on_progress(share * fraction),
    )
    for number, span in enumerate(strings.longer, start=1):
        read_tokens, windows_R4 = followed_by(prompts, strings.token_ids_E[span], given=1)
        scores_N = split_log_probs(lm, windows_R4, read_tokens, batch_tokens=batch_tokens)
        log_probs_RE[:, span.start + 1 : span.stop] = scores_N.reshape(len(prompts), -1)
        on_progress(share * (1 + number))
    assert not np.isnan(log_probs_RE).any(), "every token is scored, and with a number"
    return log_probs_RE


def followed_by(
    prompts: Prompts, string: NDArray[np.int64], *, given: int
) -> tuple[ReadTokens, NDArray[np.int64]]:
    """Every prompt with the same string behind it, as windows of one token stream.

    Args:
        prompts: Token ids of each prompt.
        string: Token ids that follow.
        given: How many of these are not to be scored.

    Returns:
        What reads the stream, and the windows (R, 4), as `make_windows` returns them.
    """
    return windows_of_pairs(
        [(np.concatenate([prompt, string[:given]]), string[given:]) for prompt in prompts]
    )


def _first_tokens(
    lm: LanguageModel,
    prompts: Prompts,
    wanted_S: NDArray[np.int64],
    batch_tokens: int,
    on_progress: OnProgress,
) -> NDArray[np.float64]:
    """Log-probabilities of tokens right after each prompt, float64 (R, S)."""
    read_tokens, windows_R4 = followed_by(prompts, ANY_TOKEN, given=0)
    wanted = torch.from_numpy(wanted_S)

    def score(tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
        chunks = scored_log_probs(lm, tokens_BT, scored_BT)
        return torch.cat([chunk.index_select(1, wanted.to(chunk.device)).cpu() for chunk in chunks])

    return score_windows(
        score, windows_R4, read_tokens, batch_tokens=batch_tokens, on_progress=on_progress
    )
