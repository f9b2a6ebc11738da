"""Windows: what the model reads, which tokens it is scored on, and their order in an epoch.

Legend: D documents, W windows, N positions (predicted tokens), G row groups of targets.

The stream of a split is its documents, one after the other; `offsets_D1` (int64, D + 1 values)
holds where each document starts and where the last one ends. Windows are a function of these
offsets alone, so that no number of workers and no cut into shards can move or lose a token.

An epoch is shuffled, yet each row group of targets is read about once. A plain shuffle would read a
row group of 4,096 positions for every window. Instead blocks of neighbouring row groups are
permuted, and windows are shuffled within pools of a few such blocks: a reader that caches one
pool's row groups (`POOL_GROUPS`) reads each about once per epoch.
"""

from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, model_validator

Int64Array = npt.NDArray[np.int64]

START, FIRST, END, ROW = 0, 1, 2, 3


class WindowConfig(BaseModel, frozen=True, extra="forbid"):
    """How the token stream is cut into windows; the defaults are the paper's protocol."""

    section: ClassVar[str] = "windows"

    length: int = Field(1024, ge=2, description="Most tokens the model sees at once.")
    stride: int = Field(
        512,
        ge=1,
        description="Tokens by which windows advance; each token keeps length - stride of context.",
    )
    scope: Literal["document", "stream"] = Field(
        "document",
        description="`document`: contexts never cross documents; `stream`: one long text per "
        "split, the protocol of WikiText perplexities.",
    )

    @model_validator(mode="after")
    def _every_token_has_context(self) -> Self:
        if self.stride >= self.length:
            raise ValueError(
                f"stride ({self.stride}) must be smaller than length ({self.length}): the first "
                "token scored in a window is predicted from the one before it, which the window "
                f"must hold; use {self.length - 1} for windows that overlap as little as possible"
            )
        return self


def make_windows(offsets_D1: Int64Array, config: WindowConfig) -> Int64Array:
    """Cut a token stream into windows that score every predictable token exactly once.

    A sequence (a document, or the whole stream) starts with a window that scores all of its tokens
    but the first, which nothing predicts. Each further window begins `stride` tokens later and
    scores only what lies beyond the window before it, so that its scored tokens have at least
    `length - stride` tokens of context.

    Args:
        offsets_D1: int64 starts of the documents in the stream, and the end of the last.
        config: Length and stride in tokens, and the scope of a context.

    Returns:
        windows_W4, int64, in stream order, with the columns START, FIRST, END, ROW: the model sees
        tokens[start:end], the positions first .. end - 1 are scored, and `row` is the row of
        `first` (the rank of that position among all scored ones). Sequences of fewer than two
        tokens have no window.
    """
    bounds = offsets_D1 if config.scope == "document" else offsets_D1[[0, -1]]
    starts, ends = bounds[:-1], bounds[1:]
    lengths = ends - starts
    beyond_first_window = np.maximum(lengths - config.length, 0)
    counts = np.where(lengths >= 2, 1 + -(-beyond_first_window // config.stride), 0)
    n_windows = int(counts.sum())

    sequence_W = np.repeat(np.arange(len(counts)), counts)
    rank_W = np.arange(n_windows) - np.repeat(np.cumsum(counts) - counts, counts)
    start_W = starts[sequence_W] + rank_W * config.stride
    end_W = np.minimum(start_W + config.length, ends[sequence_W])
    first_W = start_W + np.where(rank_W == 0, 1, config.length - config.stride)
    scored_W = end_W - first_W
    row_W = np.cumsum(scored_W) - scored_W
    return np.stack([start_W, first_W, end_W, row_W], axis=1).astype(np.int64, copy=False)


def n_rows(offsets_D1: Int64Array, scope: Literal["document", "stream"]) -> int:
    """Number of positions of a stream: its tokens, less those that open a sequence.

    Rows depend on the scope alone, not on the windows' length and stride.
    """
    bounds = offsets_D1 if scope == "document" else offsets_D1[[0, -1]]
    lengths = np.diff(bounds)
    return int(np.maximum(lengths - 1, 0).sum())


_BLOCK_GROUPS = 2
_POOL_BLOCKS = 5
# A pool's own row groups, and the next one of each block, into which its last window may reach.
POOL_GROUPS = _POOL_BLOCKS * (_BLOCK_GROUPS + 1)


def epoch_order(
    row_W: Int64Array, group_starts_G1: Int64Array, seed: int, epoch: int
) -> Int64Array:
    """The windows in the order of an epoch, a pure function of the arguments.

    Args:
        row_W: First row of each window.
        group_starts_G1: First row of each row group, and the end.
        seed: Seed of the training.
        epoch: Counted from 0.

    Returns:
        A permutation of 0 .. W - 1, int64.
    """
    rng = np.random.default_rng([seed, epoch])
    group_W = np.searchsorted(group_starts_G1, row_W, side="right") - 1
    block_W = group_W // _BLOCK_GROUPS
    n_blocks = -(-(len(group_starts_G1) - 1) // _BLOCK_GROUPS)
    pool_W = rng.permutation(n_blocks)[block_W] // _POOL_BLOCKS
    shuffled = rng.permutation(len(row_W))
    return shuffled[np.argsort(pool_W[shuffled], kind="stable")]


def step_bounds(size_W: Int64Array, step_size: int) -> Int64Array:
    """Cuts windows, in their order, into steps of about equal size.

    The number of steps depends on the sum of sizes alone, so that it is the same in every epoch.

    Args:
        size_W: Predicted tokens of each window, in the order of the epoch.
        step_size: Predicted tokens wanted per step.

    Returns:
        bounds_S1, int64: step s takes the windows bounds[s] .. bounds[s + 1] - 1, at least one.
    """
    n_windows, total = len(size_W), int(size_W.sum())
    n_steps = n_steps_of(total, n_windows, step_size)
    steps = np.arange(n_steps + 1)
    middles_W = np.cumsum(size_W) - size_W / 2
    cuts = np.searchsorted(middles_W, steps * (total / n_steps))
    cuts[0], cuts[-1] = 0, n_windows
    cuts = np.maximum.accumulate(cuts - steps) + steps  # at least one window per step ...
    return np.minimum(cuts, n_windows - n_steps + steps).astype(np.int64)  # ... to the last


def n_steps_of(total: int, n_windows: int, step_size: int) -> int:
    """Steps of an epoch of `total` predicted tokens in `n_windows` windows."""
    return min(n_windows, -(-total // step_size))
