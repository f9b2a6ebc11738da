"""Windows as padded batches: grouped, sorted by length, and with the way back to stream order.

Legend: D documents, W windows of a shard, G windows of a group, B windows of a batch, T tokens of
its longest window, N rows of a group, P rows of a batch.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from memdec_core.windows.windows import END, FIRST, ROW, START, Int64Array

TokenSource = Callable[[int, int], npt.NDArray[np.integer]]
"""Tokens start .. stop - 1 of a split's stream."""

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
    tokens: npt.NDArray[np.integer]
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
        longest_first_G = np.argsort(-reads_G, kind="stable")
        start = 0
        while start < len(longest_first_G):
            size = max(1, batch_tokens // int(reads_G[longest_first_G[start]]))
            yield self._batch(self.windows_G4[longest_first_G[start : start + size]])
            start += size

    def _batch(self, windows_B4: Int64Array) -> WindowBatch:
        reads_B = windows_B4[:, END] - windows_B4[:, START] - 1
        width = int(reads_B.max())
        index_BT = (windows_B4[:, START] - self.first_token)[:, None] + np.arange(width)
        is_read_BT = np.arange(width) < reads_B[:, None]
        tokens_BT = np.zeros(is_read_BT.shape, np.int64)
        tokens_BT[is_read_BT] = self.tokens[index_BT[is_read_BT]]
        rows_B = windows_B4[:, ROW] - self.windows_G4[0, ROW]
        scored_B = windows_B4[:, END] - windows_B4[:, FIRST]
        before_first_B = windows_B4[:, FIRST] - 1 - windows_B4[:, START]
        picked_P = ranges(np.arange(len(windows_B4)) * width + before_first_B, scored_B)
        return WindowBatch(tokens_BT, picked_P, ranges(rows_B, scored_B))


def group_windows(
    windows_W4: Int64Array, read_tokens: TokenSource, group_tokens: int
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
            ranges(windows_G4[:, FIRST], windows_G4[:, END] - windows_G4[:, FIRST]),
        )


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
