"""Scoring every position of a split once, and the perplexity of the scores.

Shapes: W windows, N scored positions.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from memdec_core.models.language_model import LanguageModel, token_log_probs
from memdec_core.windows.window_batches import OnProgress, ReadTokens, score_windows


def perplexity(log_probs_N: NDArray[np.float64]) -> float:
    """The exponential of the mean negative log-probability per token."""
    return float(np.exp(-np.mean(log_probs_N, dtype=np.float64)))


def split_log_probs(
    lm: LanguageModel,
    windows_W4: NDArray[np.int64],
    read_tokens: ReadTokens,
    *,
    batch_tokens: int,
    on_progress: OnProgress = lambda _fraction: None,
) -> NDArray[np.float64]:
    """Log-probability of every scored position of the windows.

    Args:
        lm: The system to score.
        windows_W4: Any windows of one token stream, as `score_windows` takes them.
        read_tokens: The stream.
        batch_tokens: Most tokens of one batch, padding included.
        on_progress: Takes the finished fraction of the scored tokens, 0 to 1.

    Returns:
        float64 (N,), in the order of the windows: for all windows of a split, in row order.
    """
    return score_windows(
        partial(token_log_probs, lm),
        windows_W4,
        read_tokens,
        batch_tokens=batch_tokens,
        on_progress=on_progress,
    )
