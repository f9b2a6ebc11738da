"""What a router sees of a position: two distributions of the next token, before it is known.

Shapes: P positions, V shared vocabulary, F features, N scored positions of a split, C positions
whose distributions are in memory together.
"""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memdec_core.models.language_model import LanguageModel, paired_log_probs
from memdec_core.windows.window_batches import OnProgress, ReadTokens, score_windows

FEATURES = (
    "base_entropy",
    "memory_entropy",
    "base_top",
    "memory_top",
    "same_top",
    "base_of_memory_top",
    "memory_of_base_top",
    "kl_memory_base",
    "kl_base_memory",
)
"""`top` is the log-probability of a model's most probable token, `base_of_memory_top` what the base
gives to the memory's; `kl_memory_base` is KL(memory ‖ base). All in nats but `same_top`, 0 or 1."""

LOWEST = -100.0
"""Log-probabilities below count as this, so that a probability of 0 leaves every feature finite."""

BLOCK_ENTRIES = 2**19
"""Of a distribution that features are computed from at a time, small enough for the caches."""


def router_features(base_PV: Tensor, memory_PV: Tensor) -> Tensor:
    """Features of positions, from their distributions alone.

    Args:
        base_PV: The base's log-probabilities of all next tokens, each row normalised.
        memory_PV: The memory's, on the same device.

    Returns:
        float32 (P, F), in the order of `FEATURES`.
    """
    base_PV, memory_PV = (each.float().clamp(min=LOWEST) for each in (base_PV, memory_PV))
    base_p_PV, memory_p_PV = base_PV.exp(), memory_PV.exp()
    above_base_PV = memory_PV - base_PV
    base_top, memory_top = base_PV.max(dim=-1), memory_PV.max(dim=-1)
    columns = (
        -(base_p_PV * base_PV).sum(dim=-1),
        -(memory_p_PV * memory_PV).sum(dim=-1),
        base_top.values,
        memory_top.values,
        (base_top.indices == memory_top.indices).float(),
        base_PV.gather(1, memory_top.indices.unsqueeze(1)).squeeze(1),
        memory_PV.gather(1, base_top.indices.unsqueeze(1)).squeeze(1),
        (memory_p_PV * above_base_PV).sum(dim=-1),
        -(base_p_PV * above_base_PV).sum(dim=-1),
    )
    return torch.stack(columns, dim=1)


def split_router_features(
    base: LanguageModel,
    memory: LanguageModel,
    windows_W4: NDArray[np.int64],
    read_tokens: ReadTokens,
    *,
    batch_tokens: int,
    on_progress: OnProgress = lambda _fraction: None,
) -> NDArray[np.float32]:
    """Features of every scored position of the windows, in one pass of both models.

    Args:
        base: The base.
        memory: The memory; it shares the base's vocabulary, and both cut distributions into chunks
            of as many rows.
        windows_W4: Windows of one token stream, as `score_windows` takes them.
        read_tokens: The stream.
        batch_tokens: Most tokens of one batch, padding included.
        on_progress: Takes the finished fraction of the positions, 0 to 1.

    Returns:
        float32 (N, F), in the order of the windows.
    """
    features_NF = score_windows(
        partial(_batch_features, base, memory),
        windows_W4,
        read_tokens,
        batch_tokens=batch_tokens,
        on_progress=on_progress,
    )
    assert np.isfinite(features_NF).all(), "every position has finite features"
    return features_NF.astype(np.float32)


@torch.inference_mode()
def _batch_features(
    base: LanguageModel, memory: LanguageModel, tokens_BT: Tensor, scored_BT: Tensor
) -> Tensor:
    """Features of a batch's scored positions, float32 (P, F) on the CPU."""
    rows = max(1, BLOCK_ENTRIES // base.vocab_size)
    pairs = paired_log_probs((base, memory), tokens_BT, scored_BT, rows)
    return torch.cat([router_features(*pair).cpu() for pair in pairs])
