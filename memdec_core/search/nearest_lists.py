"""Lists of the nearest rows so far, one per query, that fill up while keys pass by.

Each list has room for more than k entries. When it is nearly full it is cut to its k nearest, and
the k-th distance becomes the bound that further rows must keep: most rows never enter a list.

An entry is one 64-bit word of distance and row (`memdec_core.search.neighbours`), so that cutting
and sorting are NumPy's, on plain integers, and equal distances are always ordered by row.

Shapes: Q queries, C capacity of a list, K neighbours per query.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memdec_core.search.neighbours import NO_WORD, Neighbours, unpack_words, word_distances

TILE_ROWS = 512
"""Most rows that pass by between two cuts; every list keeps room for that many."""


def list_bytes(k: int) -> int:
    """Memory of one list while it is filled and after it was read."""
    word, row_and_distance = np.dtype(np.uint64).itemsize, 12
    return _capacity(k) * word + k * row_and_distance


def _capacity(k: int) -> int:
    return k + k // 2 + TILE_ROWS


class Entries(NamedTuple):
    """What is in the lists.

    Attributes:
        words_QC: Entries, in no order; unused ones are `NO_WORD`.
        counts_Q: Entries of each list, int64.
        bounds_Q: Squared distance above which a row cannot be among the k nearest, float32.
    """

    words_QC: NDArray[np.uint64]
    counts_Q: NDArray[np.int64]
    bounds_Q: NDArray[np.float32]


class NearestLists:
    """The lists of a block of queries.

    Attributes:
        entries: Their content, to which others may add within the room that was made.
    """

    def __init__(self, n_queries: int, k: int, bounds_Q: NDArray[np.float32] | None = None) -> None:
        """Makes empty lists.

        Args:
            n_queries: Q.
            k: Neighbours per query.
            bounds_Q: Bounds known before; infinite when None. The lists own the array.
        """
        self._k = k
        self.entries = Entries(
            np.full((n_queries, _capacity(k)), NO_WORD, np.uint64),
            np.zeros(n_queries, np.int64),
            np.full(n_queries, np.inf, np.float32) if bounds_Q is None else bounds_Q,
        )

    def make_room(self, queries_M: NDArray[np.int64]) -> None:
        """Cuts those of some lists that have no room for another `TILE_ROWS` entries."""
        words_QC, counts_Q, bounds_Q = self.entries
        full_F = queries_M[counts_Q[queries_M] > words_QC.shape[1] - TILE_ROWS]
        if full_F.size:
            words_FC = words_QC[full_F]
            words_FC.partition(self._k - 1, axis=1)
            words_FC[:, self._k :] = NO_WORD
            words_QC[full_F] = words_FC
            bounds_Q[full_F] = word_distances(words_FC[:, self._k - 1])
            counts_Q[full_F] = self._k

    def cut(self) -> None:
        """Cuts every list, so that every bound is as narrow as the rows so far allow."""
        words_QC, counts_Q, bounds_Q = self.entries
        words_QC.partition(self._k - 1, axis=1)
        words_QC[:, self._k :] = NO_WORD
        full_Q = counts_Q >= self._k
        bounds_Q[full_Q] = word_distances(words_QC[full_Q, self._k - 1])
        np.minimum(counts_Q, self._k, out=counts_Q)

    def neighbours(self) -> Neighbours:
        """Cuts and sorts the lists and reads them."""
        self.cut()
        words_QK = self.entries.words_QC[:, : self._k]
        words_QK.sort(axis=1)
        return unpack_words(words_QK)
