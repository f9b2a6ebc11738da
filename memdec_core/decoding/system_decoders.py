"""Baselines token by token: kNN-LM and in-context retrieval as decoders, with cached attention.

kNN-LM searches for each token that is predicted. `neighbour_search` is made for many queries at a
time, and rounds every block of keys before it compares them. For one query FAISS is faster: 7 to
15 times on one thread, with 10,000 to 200,000 keys of width 256, flat or in lists. Retrieval reads
on from what is cached until another passage is due.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from memdec_core.decoding.decoders import Decoder, TransformerDecoder
from memdec_core.models.mixture import mix_log_probs
from memdec_core.search.neighbour_index import has_exact_distances
from memdec_core.search.neighbour_search import Datastore, search_unseen
from memdec_core.search.neighbours import Neighbours
from memdec_core.search.one_thread import one_thread
from memdec_core.systems.knn_lm import KnnLM
from memdec_core.systems.retrieval_lm import RetrievalLM


def nearest_to_one(datastore: Datastore, key_D: NDArray[np.float32], k: int) -> Neighbours:
    """Finds what `search_neighbours` finds for one query, up to the order of equal distances.

    On one thread: measured on 200,000 flat keys of width 256, on two cores that other work was
    using too, 36 ms instead of 168 ms with two threads. Idle cores were not measured.

    Args:
        datastore: Where to search; nothing is excluded.
        key_D: The query.
        k: Neighbours.

    Returns:
        One list, of shape (1, k); shorter (filled with -1) only where the datastore is.
    """
    key_1D = key_D[None]
    if has_exact_distances(datastore.index):
        with one_thread():
            distances_1K, ids_1K = datastore.index.search(key_1D, k)
        if np.count_nonzero(ids_1K >= 0) == min(k, datastore.n_rows):
            distances_1K[ids_1K < 0] = np.inf
            return Neighbours(ids_1K, distances_1K)
    return search_unseen(datastore, key_1D, k)


class KnnDecoder:
    """A decoder of a kNN-LM: its distributions are those of `KnnLM.log_probs`."""

    def __init__(self, lm: KnnLM) -> None:
        self._lm = lm
        self._base = TransformerDecoder(lm.base)

    @property
    def context_length(self) -> int | None:
        """As the base's."""
        return self._base.context_length

    def feed(self, tokens: Sequence[int]) -> Tensor:
        """As `Decoder.feed`; the pass that gives the base's logits gives the key to search with."""
        lm = self._lm
        with lm.recorded_keys() as recorded:
            base_V = self._base.feed(tokens)
        (keys,) = recorded
        last_D = keys.flatten(0, -2)[-1].float().cpu().numpy()
        (knn_V,) = lm.neighbour_log_probs(nearest_to_one(lm.datastore, last_D, lm.k))
        return mix_log_probs(base_V, knn_V, lm.weight)


class RetrievalDecoder:
    """A decoder with a passage before its context: distributions of `RetrievalLM.log_probs`.

    Every `stride` tokens a passage is searched with the last tokens; it stands before all others,
    so that the base must read passage and context anew. In between, a token costs one step.
    """

    def __init__(self, lm: RetrievalLM, new_decoder: Callable[[], Decoder]) -> None:
        """Starts a sequence.

        Args:
            lm: What to retrieve, and when.
            new_decoder: Makes a fresh decoder of `lm.base`.
        """
        self._lm = lm
        self._new_decoder = new_decoder
        self._reader = new_decoder()
        self._tokens: list[int] = []
        self._run_start = 0

    @property
    def context_length(self) -> int | None:
        """As the base's: where no passage is found, the context is all it reads."""
        return self._lm.base.context_length

    def feed(self, tokens: Sequence[int]) -> Tensor:
        """As `Decoder.feed`."""
        self._tokens += tokens
        stride = self._lm.config.stride
        run_start = 1 + (len(self._tokens) - 1) // stride * stride
        if run_start == self._run_start:
            return self._reader.feed(tokens)
        self._run_start = run_start
        self._reader = self._new_decoder()
        return self._reader.feed(self._passage_and_context())

    def _passage_and_context(self) -> list[int]:
        """What the base reads in this run; the context loses what does not fit with a full run."""
        query = self._tokens[: self._run_start][-self._lm.config.query_tokens :]
        found = int(self._lm.index.search([np.array(query)])[0])
        if found < 0:
            return self._tokens
        passage = self._lm.read_passage(found).tolist()
        limit = self._lm.base.context_length
        stop = self._run_start + self._lm.config.stride
        lost = 0 if limit is None else max(0, len(passage) + stop - limit)
        return [*passage, *self._tokens[lost:]]
