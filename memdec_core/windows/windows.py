"""Windows: what the model reads, and which tokens it is scored on.

Legend: D documents, W windows, N positions (predicted tokens).

The stream of a split is its documents, one after the other; `offsets_D1` (int64, D + 1 values)
holds where each document starts and where the last one ends. Windows are a function of these
offsets alone, so that no number of workers and no cut into shards can move or lose a token.
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
