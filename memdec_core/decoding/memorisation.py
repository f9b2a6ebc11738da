"""Memorisation: how much of a text a system reproduces word for word when it decodes greedily.

Greedy decoding takes the most probable token, step by step. It reproduces the first i tokens of a
continuation exactly when each of them is the most probable one after the prompt and the true
tokens before it, because up to its first difference the generated text is the true one. One
teacher-forced forward pass over prompt and continuation therefore says how far greedy decoding
would get; nothing is generated. Both take the smallest of equally probable ids; they can differ
where two probabilities are closer than float32 sums in another order (cached or not, batched or
not) can tell. A stop token counts like any other.

Shapes: D documents, S spans, B spans of a batch, P tokens of prompt, L tokens of continuation,
N = P + L tokens of a span, V vocabulary.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from memdec_core.decoding.decoding_config import AuditConfig
from memdec_core.models.language_model import LanguageModel
from memdec_core.scoring.bootstrap import Bootstrap, mean_interval
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.system_comparison import interval_row
from memdec_core.windows.window_batches import TokenSource

RESAMPLES = 1000
CONFIDENCE = 0.95
"""Resamples of spans behind each interval, and the share of them inside it."""


def draw_spans(offsets_D1: NDArray[np.int64], config: AuditConfig) -> NDArray[np.int64]:
    """Draws spans of a token stream: disjoint, each inside one document.

    Each document is cut into spans from a random place on, and spans are drawn among all.

    Args:
        offsets_D1: Starts of the documents in the stream, and the end of the last.
        config: How many, how long, and the seed.

    Returns:
        Starts of the spans in the stream, int64 (S,), increasing; fewer than asked for, or none,
        where the documents hold no more.
    """
    rng = np.random.default_rng(config.seed)
    lengths_D = np.diff(offsets_D1)
    counts_D = lengths_D // config.span_tokens
    first_D = offsets_D1[:-1] + rng.integers(0, lengths_D % config.span_tokens, endpoint=True)
    total = int(counts_D.sum())
    picked_S = np.sort(rng.choice(total, min(config.spans, total), replace=False))
    ends_D = np.cumsum(counts_D)
    document_S = np.searchsorted(ends_D, picked_S, side="right")
    rank_S = picked_S - (ends_D - counts_D)[document_S]
    starts_S: NDArray[np.int64] = first_D[document_S] + rank_S * config.span_tokens
    return starts_S


def verbatim_runs(
    lm: LanguageModel,
    starts_S: NDArray[np.int64],
    read_tokens: TokenSource,
    config: AuditConfig,
    *,
    batch_tokens: int,
    on_progress: Callable[[float], None] = lambda _fraction: None,
) -> NDArray[np.int64]:
    """Counts the continuation's tokens that greedy decoding reproduces before it first differs.

    Args:
        lm: The system.
        starts_S: Starts of the spans in the stream.
        read_tokens: The stream.
        config: Lengths of prompt and continuation.
        batch_tokens: Most tokens of a batch, whose whole distributions (V float32 each) are in
            memory at once; at least one span is taken.
        on_progress: Takes the finished fraction of the spans, 0 to 1.

    Returns:
        int64 (S,), each from 0 to L.
    """
    size = max(1, batch_tokens // config.span_tokens)
    runs_S = np.zeros(len(starts_S), np.int64)
    for first in range(0, len(starts_S), size):
        batch = starts_S[first : first + size].tolist()
        spans = [read_tokens(start, start + config.span_tokens) for start in batch]
        tokens_BN = torch.from_numpy(np.stack(spans).astype(np.int64))
        runs_S[first : first + size] = _runs(lm, tokens_BN, config.prompt_tokens)
        on_progress((first + len(batch)) / len(starts_S))
    return runs_S


def _runs(lm: LanguageModel, tokens_BN: torch.Tensor, prompt_tokens: int) -> NDArray[np.int64]:
    """Length of the right start of each continuation, by one forward pass."""
    log_probs_BTV = lm.log_probs(tokens_BN[:, :-1])[:, prompt_tokens - 1 :]
    right_BL = log_probs_BTV.argmax(dim=-1).cpu() == tokens_BN[:, prompt_tokens:]
    runs_B: NDArray[np.int64] = right_BL.long().cumprod(dim=1).sum(dim=1).numpy()
    return runs_B


def verbatim_rows(
    system: str, base: str, split: str, runs_S: NDArray[np.int64], config: AuditConfig
) -> list[ResultRow]:
    """The table's rows of one system on one split.

    Args:
        system: Name of the system.
        base: Name of the base model.
        split: `train`, or `test` for text that nobody has seen: what is reproduced there is
            boilerplate, not memory.
        runs_S: As `verbatim_runs` counts them, of at least one span.
        config: What was measured.

    Returns:
        `verbatim_share` (of spans reproduced in full) and `verbatim_tokens` (mean run), with
        intervals by resampling spans, and `verbatim_longest` (tokens); n counts spans.
    """
    bootstrap = Bootstrap(np.arange(len(runs_S)), RESAMPLES, CONFIDENCE, config.seed)
    whole_S = (runs_S == config.continuation_tokens).astype(np.float64)
    means = {
        "verbatim_share": mean_interval(whole_S, bootstrap),
        "verbatim_tokens": mean_interval(runs_S.astype(np.float64), bootstrap),
    }
    n = len(runs_S)
    rows = [interval_row(system, base, split, metric, mean, n) for metric, mean in means.items()]
    longest = float(runs_S.max())
    return [*rows, ResultRow(system, base, split, "verbatim_longest", longest, None, None, n)]
