"""Passages of the training text, and the one that BM25 finds nearest to a query.

Both are token ids: no text, stemming or stop words. Shapes: D documents, N passages, Q queries,
V token ids that the passages can hold.
"""

from collections.abc import Iterable, Sequence
from typing import Self

import bm25s
import numpy as np
from numpy.typing import NDArray

from memdec_core.errors import UserError
from memdec_core.systems.retrieval_config import RetrievalConfig

NO_PASSAGE = np.int64(-1)


def cut_passages(offsets_D1: NDArray[np.int64], passage_tokens: int) -> NDArray[np.int64]:
    """Cut each document into passages, all full but its last.

    Args:
        offsets_D1: int64 starts of the documents in the stream, and the end of the last.
        passage_tokens: Most tokens of a passage.

    Returns:
        passages_N2, int64, in stream order: the first token of each passage and its end.
    """
    starts_D, ends_D = offsets_D1[:-1], offsets_D1[1:]
    counts_D = -(-(ends_D - starts_D) // passage_tokens)
    document_N = np.repeat(np.arange(len(counts_D)), counts_D)
    rank_N = np.arange(len(document_N)) - np.repeat(np.cumsum(counts_D) - counts_D, counts_D)
    start_N = starts_D[document_N] + rank_N * passage_tokens
    end_N = np.minimum(start_N + passage_tokens, ends_D[document_N])
    return np.stack([start_N, end_N], axis=1).astype(np.int64, copy=False)


class PassageIndex:
    """BM25 over passages: made by `build`.

    The variant is Lucene's with exact lengths (Kamphuis et al. 2020), whose scores are never
    negative: a passage has a positive score if it shares a token with the query, else zero. A
    token counts as often as it is in the query.
    """

    def __init__(self, retriever: bm25s.BM25) -> None:
        self._retriever = retriever
        retriever.activate_numba_scorer()

    @classmethod
    def build(cls, passages: Iterable[NDArray[np.integer]], config: RetrievalConfig) -> Self:
        """Index passages, numbered in the order in which they come.

        Args:
            passages: Token ids of each passage; all are held in memory while the index is made.
            config: k1 and b.
        """
        ids_N = list(passages)
        if not ids_N:
            raise UserError("there is no passage to retrieve: the training split has no tokens")
        n_ids = 1 + max(int(ids.max()) for ids in ids_N)
        vocabulary = {str(token): token for token in range(n_ids)}
        retriever = bm25s.BM25(k1=config.k1, b=config.b, method="lucene")
        retriever.index((ids_N, vocabulary), create_empty_token=False, show_progress=False)
        return cls(retriever)

    def search(self, queries: Sequence[NDArray[np.integer]]) -> NDArray[np.int64]:
        """The best passage for each query, the first of equally good ones.

        Args:
            queries: Token ids of each query, of any length.

        Returns:
            Passage numbers, int64 (Q,); -1 where no passage shares a token with the query.
        """
        return np.array([self._best(query) for query in queries], np.int64)

    def _best(self, query: NDArray[np.integer]) -> np.int64:
        n_ids = len(self._retriever.scores["indptr"]) - 1
        scores_N = self._retriever.get_scores_from_ids(query[query < n_ids])
        best: np.int64 = scores_N.argmax()
        return best if scores_N[best] > 0 else NO_PASSAGE
