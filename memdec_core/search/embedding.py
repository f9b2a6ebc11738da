"""The rows of a datastore: keys, the tokens that follow, and where these stand.

A key is what the last block's feed-forward layer is given at a position (paper: the input of the
last block's feed-forward layer, after that layer's norm).

Legend: D width of the model or documents of the split, W windows, N rows (predicted positions).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedConfig

from memdec_core.errors import UserError
from memdec_core.models.key_model import KeyModel, LaunchedBatch
from memdec_core.models.model_loading import context_length
from memdec_core.windows.window_batches import (
    BATCHES_PER_GROUP,
    ReadTokens,
    WindowGroup,
    group_windows,
)
from memdec_core.windows.windows import END, START, Int64Array

ENOUGH_TOKENS = {"cpu": 4_096, "cuda": 65_536}
"""Tokens of a batch beyond which it gets larger but not faster: on a CPU the activations leave the
caches, a GPU is busy."""

BYTES_PER_VALUE = 10
"""Of an activation: float32, and what the allocator holds for reuse."""


class EmbeddedRows(NamedTuple):
    """Consecutive rows of a datastore.

    Attributes:
        keys_ND: float16 inputs of the last feed-forward layer.
        next_token_N: uint32 tokens that follow.
        doc_N: int64 indices of these tokens' documents in the split.
        position_N: int64 places of these tokens in the split's stream.
    """

    keys_ND: npt.NDArray[np.float16]
    next_token_N: npt.NDArray[np.uint32]
    doc_N: Int64Array
    position_N: Int64Array


def embed_windows(
    model: KeyModel,
    read_tokens: ReadTokens,
    offsets_D1: Int64Array,
    windows_W4: Int64Array,
    memory_bytes: int,
) -> Iterator[EmbeddedRows]:
    """Compute the rows of consecutive windows, in stream order.

    Args:
        model: What computes the keys.
        read_tokens: The tokens of the split's stream.
        offsets_D1: int64 starts of the split's documents in the stream, and the end.
        windows_W4: The windows, as `make_windows` returns them.
        memory_bytes: What computing may use beside the model (bytes); changes nothing but speed
            and the rounding of float32 sums.

    Yields:
        Blocks of rows; together, exactly the windows' scored positions.

    Raises:
        UserError: Windows or token ids do not fit the model, the memory does not hold one window,
            or a key does not fit float16.
    """
    if len(windows_W4) == 0:
        return
    longest = int((windows_W4[:, END] - windows_W4[:, START]).max())
    _check_length(model.config, longest)
    budget = longest * fit_batch_size(model.config, longest, memory_bytes)
    batch_tokens = min(budget, max(longest, ENOUGH_TOKENS[model.device.type]))
    groups = group_windows(windows_W4, read_tokens, BATCHES_PER_GROUP * batch_tokens)
    for group, keys_ND in _group_keys(model, groups, batch_tokens):
        doc_N = np.searchsorted(offsets_D1, group.positions_N, side="right") - 1
        yield EmbeddedRows(keys_ND, group.next_token_N, doc_N, group.positions_N)


def _group_keys(
    model: KeyModel, groups: Iterator[WindowGroup], batch_tokens: int
) -> Iterator[tuple[WindowGroup, npt.NDArray[np.float16]]]:
    """Collect each group's keys in stream order, float16 (N, D)."""
    filled = 0
    for group, launched in _launch(model, groups, batch_tokens):
        n_rows = len(group.positions_N)
        if filled == 0:
            keys_ND = np.empty((n_rows, model.config.hidden_size), np.float16)
        keys_ND[launched.batch.rows_P] = launched.collect()
        filled += len(launched.batch.rows_P)
        if filled == n_rows:
            yield group, keys_ND
            filled = 0


def _launch(
    model: KeyModel, groups: Iterator[WindowGroup], batch_tokens: int
) -> Iterator[tuple[WindowGroup, LaunchedBatch]]:
    """Launch batch after batch; on a GPU, one ahead of what the consumer gets.

    The GPU then computes while the host sorts, writes and pads.
    """
    ahead = None
    for group in groups:
        for batch in group.batches(batch_tokens):
            launched = group, model.launch(batch)
            if model.device.type != "cuda":
                yield launched
                continue
            if ahead is not None:
                yield ahead
            ahead = launched
    if ahead is not None:
        yield ahead


def fit_batch_size(config: PreTrainedConfig, window_length: int, memory_bytes: int) -> int:
    """Windows of a batch that can be computed within `memory_bytes`, beside the weights.

    Every token of a batch needs 10 bytes (a float32, and more that the allocator has kept from
    shapes before: measured 1.9 to 2.2 times with glibc) times
    6 D (residual, norm, queries, keys, values, attention's output)
    + 4 F (temporaries of the feed-forward's activation function)
    + 4 D (float16 keys of up to 8 batches, which wait to be put in order),
    where D is the width and F that of the feed-forward layer. Measured without the keys: GPT-2
    5.5 D + 4 F, Qwen2 5 D + 4 F, Llama 4 D + 2 F. Attention that is not fused holds its scores
    twice, 2 * heads * window_length. Nothing else counts, so that a run repeats itself.

    Args:
        config: The model's text configuration.
        window_length: Tokens of the longest window.
        memory_bytes: The budget in bytes.

    Raises:
        UserError: Not even one window fits.
    """
    width: int = config.hidden_size
    inner: int = getattr(config, "intermediate_size", None) or 4 * width  # GPT-2 may not name it
    values = 10 * width + 4 * inner
    if config._attn_implementation == "eager":
        values += 2 * config.num_attention_heads * window_length
    window_bytes = BYTES_PER_VALUE * values * window_length
    if window_bytes > memory_bytes:
        raise UserError(
            f"memory_gb: {memory_bytes / 1e9:.3g} GB do not hold one window of {window_length} "
            f"tokens of this {config.model_type} model; set memory_gb to at least "
            f"{window_bytes / 1e9:.2g}, or windows.length to less"
        )
    return memory_bytes // window_bytes


def _check_length(config: PreTrainedConfig, longest: int) -> None:
    limit = context_length(config)
    if limit is not None and longest > limit:
        raise UserError(
            f"windows.length: a window of {longest} tokens does not fit the base model, which "
            f"reads at most {limit}; set windows.length to {limit} or less"
        )
