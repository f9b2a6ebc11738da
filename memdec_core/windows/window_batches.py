"""Windows as padded batches: sorted by length, and with the way back to stream order.

Legend: W windows, G windows of a group, B windows or rows of a batch, T tokens of its longest,
N scored positions of all windows or of a group, P of a batch.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memdec_core.windows.windows import END, FIRST, ROW, START, Int64Array

TokenArray = npt.NDArray[np.integer]

ReadTokens = Callable[[int, int], TokenArray]
"""Tokens start .. stop - 1 of a stream."""

OnProgress = Callable[[float], None]
"""Takes the finished fraction, 0 to 1."""

BATCHES_PER_GROUP = 8
"""Batches whose windows are sorted together; longer groups pad less but hold more rows."""


class WindowBatch(NamedTuple):
    """Some windows of a group, ready for the model.

    Attributes:
        tokens_BT: int64 token ids, right-padded with zeros; each window without its last token,
            which is predicted but predicts nothing.
        picked_P: Where the scored positions' hidden states are in the batch's B * T.
        rows_P: Which rows of the group they are.
    """

    tokens_BT: Int64Array
    picked_P: Int64Array
    rows_P: Int64Array


class WindowGroup(NamedTuple):
    """Consecutive windows; what their rows predict, and where that stands.

    Attributes:
        windows_G4: As `make_windows` returns them.
        first_token: Position in the stream of the first of `tokens`.
        tokens: The tokens from there to the last window's end.
        positions_N: int64 predicted positions, in stream order.
    """

    windows_G4: Int64Array
    first_token: int
    tokens: TokenArray
    positions_N: Int64Array

    @property
    def next_token_N(self) -> npt.NDArray[np.uint32]:
        """The predicted tokens."""
        return self.tokens[self.positions_N - self.first_token].astype(np.uint32)

    def batches(self, batch_tokens: int) -> Iterator[WindowBatch]:
        """Cut the group into batches, longest windows first.

        Args:
            batch_tokens: Most tokens of a batch, padding included; at least one window is taken.
        """
        reads_G = self.windows_G4[:, END] - self.windows_G4[:, START] - 1
        for chosen_B in batches_by_length(reads_G, batch_tokens):
            yield self._batch(self.windows_G4[chosen_B])

    def _batch(self, windows_B4: Int64Array) -> WindowBatch:
        bounds_B2 = windows_B4[:, [START, END]] - self.first_token
        tokens_BT = pad_rows([self.tokens[start : end - 1] for start, end in bounds_B2.tolist()])
        rows_B = windows_B4[:, ROW] - self.windows_G4[0, ROW]
        picked_P = predicting_states(windows_B4, tokens_BT.shape[1])
        return WindowBatch(tokens_BT, picked_P, ranges(rows_B, n_scored(windows_B4)))


def group_windows(
    windows_W4: Int64Array, read_tokens: ReadTokens, group_tokens: int
) -> Iterator[WindowGroup]:
    """Cut windows into groups of consecutive ones and read each group's tokens once.

    Args:
        windows_W4: Consecutive windows, as `make_windows` returns them.
        read_tokens: The stream of their split.
        group_tokens: Most tokens the windows of a group read; at least one window is taken.
    """
    reads_W = windows_W4[:, END] - windows_W4[:, START] - 1
    for start, stop in consecutive_runs(reads_W, group_tokens):
        windows_G4 = windows_W4[start:stop]
        first_token = int(windows_G4[0, START])
        yield WindowGroup(
            windows_G4,
            first_token,
            read_tokens(first_token, int(windows_G4[-1, END])),
            ranges(windows_G4[:, FIRST], n_scored(windows_G4)),
        )


def score_windows(
    score: Callable[[Tensor, Tensor], Tensor],
    windows_W4: Int64Array,
    read_tokens: ReadTokens,
    *,
    batch_tokens: int,
    on_progress: OnProgress = lambda _fraction: None,
) -> npt.NDArray[np.float64]:
    """Score windows in batches of like length, and put the scores in the order of the windows.

    Args:
        score: Of a batch as `pad_windows` returns it, a value or a row for every scored position,
            in row-major order.
        windows_W4: Any windows of one token stream, e.g. all of a split or a sample.
        read_tokens: The stream.
        batch_tokens: Most tokens of one batch, padding included; a longer window is a batch by
            itself. Changes nothing but speed, memory and the rounding of float32 sums.
        on_progress: Takes the finished fraction of the scored positions, 0 to 1.

    Returns:
        float64 (N,), or (N, …) where `score` gives rows.
    """
    counts_W = n_scored(windows_W4)
    firsts_W = np.cumsum(counts_W) - counts_W
    scores_N = np.empty(int(counts_W.sum()))
    done = 0
    for chosen_B in batches_by_length(windows_W4[:, END] - windows_W4[:, START], batch_tokens):
        scores_P = score(*pad_windows(windows_W4[chosen_B], read_tokens)).cpu().numpy()
        if done == 0:
            scores_N = np.full((len(scores_N), *scores_P.shape[1:]), np.nan)
        scores_N[ranges(firsts_W[chosen_B], counts_W[chosen_B])] = scores_P
        done += len(scores_P)
        on_progress(done / len(scores_N))
    assert not np.isnan(scores_N).any(), "every position is scored, and with a number"
    return scores_N


def windows_of_pairs(
    pairs: Sequence[tuple[TokenArray, TokenArray]],
) -> tuple[ReadTokens, Int64Array]:
    """Texts that are no stream as windows of one: of each pair the second part is scored.

    Returns:
        What reads the stream, and the windows (W, 4), as `make_windows` returns them.
    """
    stream = np.concatenate([ids for pair in pairs for ids in pair])
    given_W, scored_W = np.array([[len(ids) for ids in pair] for pair in pairs], np.int64).T
    ends_W = np.cumsum(given_W + scored_W)
    firsts_W, rows_W = ends_W - scored_W, np.cumsum(scored_W) - scored_W
    windows_W4 = np.stack([firsts_W - given_W, firsts_W, ends_W, rows_W], axis=1)
    return lambda start, stop: stream[start:stop], windows_W4


def n_scored(windows_W4: Int64Array) -> Int64Array:
    """How many positions each window scores, int64 (W,)."""
    counts_W: Int64Array = windows_W4[:, END] - windows_W4[:, FIRST]
    return counts_W


def pad_windows(windows_B4: Int64Array, read_tokens: ReadTokens) -> tuple[Tensor, Tensor]:
    """Read windows into one right-padded batch.

    Returns:
        Token ids int64 (B, T), padded with 0, and where a token is scored, bool (B, T).
    """
    tokens_BT = pad_rows([read_tokens(w[START], w[END]) for w in windows_B4.tolist()])
    columns_BT = windows_B4[:, START, None] + np.arange(tokens_BT.shape[1])
    scored_BT = (columns_BT >= windows_B4[:, FIRST, None]) & (columns_BT < windows_B4[:, END, None])
    return torch.from_numpy(tokens_BT), torch.from_numpy(scored_BT)


def pad_rows(rows: Sequence[TokenArray]) -> Int64Array:
    """Rows of token ids as one array (B, T), int64, padded on the right with 0."""
    lengths_B1 = np.array([[len(row)] for row in rows])
    is_read_BT = np.arange(int(lengths_B1.max())) < lengths_B1
    tokens_BT = np.zeros(is_read_BT.shape, np.int64)
    tokens_BT[is_read_BT] = np.concatenate(rows)
    return tokens_BT


def predicting_states(windows_B4: Int64Array, width: int) -> Int64Array:
    """Where the states that predict scored tokens are in a batch's B * width, int64 (P,)."""
    before_first_B = windows_B4[:, FIRST] - 1 - windows_B4[:, START]
    return ranges(np.arange(len(windows_B4)) * width + before_first_B, n_scored(windows_B4))


def batches_by_length(lengths_W: Int64Array, batch_tokens: int) -> Iterator[npt.NDArray[np.intp]]:
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


def consecutive_runs(sizes_W: Int64Array, limit: int) -> Iterator[tuple[int, int]]:
    """Cut a list greedily into runs whose sizes add up to at most `limit`.

    An item larger than the limit is a run by itself.

    Args:
        sizes_W: int64 sizes, at least 1 each.
        limit: Largest sum of a run.

    Yields:
        Start and stop of each run, in order.
    """
    ends_W = np.cumsum(sizes_W)
    start = 0
    while start < len(ends_W):
        before = ends_W[start] - sizes_W[start]
        stop = int(np.searchsorted(ends_W, before + limit, side="right"))
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def ranges(starts_B: Int64Array, counts_B: Int64Array) -> Int64Array:
    """The integers start .. start + count - 1 of each pair, one after the other (int64)."""
    shifts_B = starts_B - (np.cumsum(counts_B) - counts_B)
    result: Int64Array = np.repeat(shifts_B, counts_B) + np.arange(int(counts_B.sum()))
    return result
