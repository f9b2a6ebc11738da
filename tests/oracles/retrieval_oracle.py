"""Slow and plain: BM25 from counts in float64, and retrieval for one scored token at a time."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from memdec_core.systems.retrieval_config import RetrievalConfig


def bm25_scores(
    passages: Sequence[NDArray[np.integer]], query: NDArray[np.integer], k1: float, b: float
) -> NDArray[np.float64]:
    """Scores of all passages, Lucene's variant with exact lengths.

    Kamphuis et al. 2020, "Which BM25 Do You Mean?", table 1:
    Σ_t ln(1 + (N - df_t + .5) / (df_t + .5)) · tf_td / (k1 · (1 - b + b · L_d / L_avg) + tf_td).
    """
    lengths = np.array([len(passage) for passage in passages], np.float64)
    norms = k1 * (1 - b + b * lengths / lengths.mean())
    scores = np.zeros(len(passages))
    for token in query:
        counts = np.array([int((passage == token).sum()) for passage in passages])
        found = int((counts > 0).sum())
        scores += math.log(1 + (len(passages) - found + 0.5) / (found + 0.5)) * np.divide(
            counts, norms + counts, out=np.zeros(len(passages)), where=counts > 0
        )
    return scores


def retrieval_log_prob(
    model: PreTrainedModel,
    passages: Sequence[NDArray[np.integer]],
    tokens: NDArray[np.int64],
    position: int,
    first: int,
    config: RetrievalConfig,
) -> NDArray[np.float64]:
    """Log-distribution of the token at `position`, when `first` is the first that is scored.

    The model reads the best passage and as much of the latest context as then fits with a full run
    of tokens; only what comes before `position` is given to it.
    """
    start = first + (position - first) // config.stride * config.stride
    query = tokens[max(0, start - config.query_tokens) : start]
    scores = bm25_scores(passages, query, config.k1, config.b)
    passage = list(passages[int(scores.argmax())]) if scores.max() > 0 else []
    context = list(tokens[:position])
    room = model.config.max_position_embeddings - len(passage) - config.stride
    if passage and start > room:
        context = context[start - room :]
    prompt = torch.tensor([[int(token) for token in passage + context]])
    with torch.no_grad():
        logits = model(input_ids=prompt).logits[0, -1].double()
    log_probs: NDArray[np.float64] = torch.log_softmax(logits, dim=-1).numpy()
    return log_probs
