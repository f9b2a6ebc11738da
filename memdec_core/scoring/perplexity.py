"""Scoring every position of a split once, and the perplexity of the scores.

Windows are those of `windows.make_windows`: int64 columns start, first, end, row; the model sees
tokens[start:end] and positions first..end-1 are scored. Shapes: W windows, N scored positions,
B windows of a batch, T tokens of its longest window.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from memdec_core.models.language_model import LanguageModel, token_log_probs
from memdec_core.windows.window_batches import ranges
from memdec_core.windows.windows import END, FIRST, START

ReadTokens: TypeAlias = Callable[[int, int], NDArray[np.integer]]


def perplexity(log_probs_N: NDArray[np.float64]) -> float:
    """The exponential of the mean negative log-probability per token."""
    return float(np.exp(-np.mean(log_probs_N, dtype=np.float64)))


def split_log_probs(
    lm: LanguageModel,
    windows_W4: NDArray[np.int64],
    read_tokens: ReadTokens,
    *,
    batch_tokens: int,
    on_progress: Callable[[float], None] = lambda _fraction: None,
) -> NDArray[np.float64]:
    """Log-probability of every scored position of the windows.

    Args:
        lm: The system to score.
        windows_W4: Any windows of one token stream, e.g. all of a split or a sample.
        read_tokens: Returns the ids of tokens start..stop-1 of the stream.
        batch_tokens: Most tokens of one batch, padding included; a longer window is a batch by
            itself. Changes nothing but speed and memory.
        on_progress: Takes the finished fraction of the scored tokens, 0 to 1.

    Returns:
        float64 (N,), in the order of the windows: for all windows of a split, in row order.
    """
    counts_W = windows_W4[:, END] - windows_W4[:, FIRST]
    starts_W = np.cumsum(counts_W) - counts_W
    log_probs_N = np.full(int(counts_W.sum()), np.nan)
    done = 0
    for chosen_B in batches_by_length(windows_W4[:, END] - windows_W4[:, START], batch_tokens):
        tokens_BT, scored_BT = pad_windows(windows_W4[chosen_B], read_tokens)
        scores_P = token_log_probs(lm, tokens_BT, scored_BT).double().cpu().numpy()
        log_probs_N[ranges(starts_W[chosen_B], counts_W[chosen_B])] = scores_P
        done += len(scores_P)
        on_progress(done / len(log_probs_N))
    assert not np.isnan(log_probs_N).any(), "every position is scored, and with a number"
    return log_probs_N


def batches_by_length(
    lengths_W: NDArray[np.int64], batch_tokens: int
) -> Iterator[NDArray[np.intp]]:
    """Group sequences of like length, so that padding costs next to nothing.

    Yields:
        Indices (B,) with B · max(length) ≤ batch_tokens, or a single index; longest first, so
        that a batch too large for the machine fails at once.
    """
    order_W = np.argsort(-lengths_W, kind="stable")
    begin = 0
    while begin < len(order_W):
        longest = int(lengths_W[order_W[begin]])
        end = begin + max(1, batch_tokens // longest)
        yield order_W[begin:end]
        begin = end


def pad_windows(
    windows_B4: NDArray[np.int64], read_tokens: ReadTokens
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read windows into one right-padded batch.

    Returns:
        Token ids int64 (B, T), padded with 0, and where a token is scored, bool (B, T).
    """
    starts_B, firsts_B, ends_B, _rows = windows_B4.T
    columns_T = np.arange((ends_B - starts_B).max())
    tokens_BT = np.zeros((len(windows_B4), len(columns_T)), dtype=np.int64)
    for row, (start, end) in enumerate(zip(starts_B, ends_B, strict=True)):
        tokens_BT[row, : end - start] = read_tokens(int(start), int(end))
    scored_BT = (columns_T >= (firsts_B - starts_B)[:, None]) & (
        columns_T < (ends_B - starts_B)[:, None]
    )
    return torch.from_numpy(tokens_BT), torch.from_numpy(scored_BT)
