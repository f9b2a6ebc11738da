"""Memorisation: how much of a text a system reproduces word for word when it decodes greedily.

Greedy decoding takes the most probable token, step by step. It reproduces the first i tokens of a
continuation exactly when each of them is the most probable one after the prompt and the true
tokens before it, because up to its first difference the generated text is the true one. One
teacher-forced forward pass over prompt and continuation therefore says how far greedy decoding
would get; nothing is generated. Both take the smallest of equally probable ids; they can differ
where two probabilities are closer than float32 sums in another order (cached or not, batched or
not) can tell. A stop token counts like any other.

Shapes: D documents, S spans, B spans of a batch, T tokens of a span, L of its continuation,
V vocabulary.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from memdec_core.decoding.decoding_config import AuditConfig
from memdec_core.models.language_model import LanguageModel
from memdec_core.scoring.bootstrap import Bootstrap, mean_interval
from memdec_core.scoring.result_row import ResultRow
from memdec_core.scoring.system_comparison import interval_row
from memdec_core.windows.window_batches import OnProgress, ReadTokens, score_windows

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
    read_tokens: ReadTokens,
    config: AuditConfig,
    *,
    batch_tokens: int,
    on_progress: OnProgress = lambda _fraction: None,
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

    def is_most_probable(tokens_BT: Tensor, scored_BT: Tensor) -> Tensor:
        best_BT = lm.log_probs(tokens_BT[:, :-1]).argmax(dim=-1).cpu()
        return (best_BT == tokens_BT[:, 1:])[scored_BT[:, 1:]]

    ends_S = starts_S + config.span_tokens
    rows_S = np.arange(len(starts_S)) * config.continuation_tokens
    windows_S4 = np.stack([starts_S, starts_S + config.prompt_tokens, ends_S, rows_S], axis=1)
    right_N = score_windows(
        is_most_probable,
        windows_S4,
        read_tokens,
        batch_tokens=batch_tokens,
        on_progress=on_progress,
    )
    right_SL = right_N.astype(np.int64).reshape(-1, config.continuation_tokens)
    runs_S: NDArray[np.int64] = right_SL.cumprod(axis=1).sum(axis=1)
    return runs_S


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
