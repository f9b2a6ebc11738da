"""Neighbour lists: their form, their order, their exact distances.

Shapes: Q queries, C candidates per query, K neighbours per query, N rows of the datastore, D width.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from memdec_core.compiled_kernel import kernel

MASKED = np.int64(-1)
NO_WORD = np.uint64(2**64 - 1)
"""The word of no row: it sorts after every other."""


class Neighbours(NamedTuple):
    """The nearest rows of each query, nearest first, equal distances by row.

    Attributes:
        ids_QK: Rows of the datastore, int64; -1 fills the end of a list that is short.
        distances_QK: Squared L2 distances, float32; infinite where the id is -1.
    """

    ids_QK: NDArray[np.int64]
    distances_QK: NDArray[np.float32]


def count_found(neighbours: Neighbours) -> NDArray[np.int64]:
    """Real neighbours in each list, without the filling."""
    found_Q: NDArray[np.int64] = (neighbours.ids_QK >= 0).sum(axis=1, dtype=np.int64)
    return found_Q


def mask_candidates(
    ids_QC: NDArray[np.int64], distances_QC: NDArray[np.float32], excluded_Q2: NDArray[np.int64]
) -> None:
    """Strikes out, in place, what must not count: excluded rows and FAISS's -1.

    Args:
        ids_QC: Candidate rows.
        distances_QC: Their distances.
        excluded_Q2: First excluded row and the end of the excluded rows, per query.
    """
    struck_QC = (ids_QC >= excluded_Q2[:, :1]) & (ids_QC < excluded_Q2[:, 1:])
    struck_QC |= ids_QC < 0
    ids_QC[struck_QC] = MASKED
    distances_QC[struck_QC] = np.inf


def nearest(ids_QC: NDArray[np.int64], distances_QC: NDArray[np.float32], k: int) -> Neighbours:
    """Sorts candidates by distance, then row, and keeps the first `k`.

    Args:
        ids_QC: Candidate rows below 2**32 - 1, or -1.
        distances_QC: Squared distances, at least 0, infinite where the id is -1.
        k: Length of the lists; they are filled with -1 when there are fewer candidates.
    """
    words_QC = np.maximum(distances_QC, np.float32(0)).view(np.uint32).astype(np.uint64)
    words_QC <<= np.uint64(32)
    words_QC |= ids_QC.astype(np.uint32)  # -1 becomes the largest row, hence sorts last
    words_QC[ids_QC < 0] = NO_WORD
    if words_QC.shape[1] > k:
        words_QC = np.partition(words_QC, k - 1, axis=1)[:, :k]
    words_QC.sort(axis=1)
    missing = max(0, k - words_QC.shape[1])
    return unpack_words(np.pad(words_QC, ((0, 0), (0, missing)), constant_values=NO_WORD))


def without_rows(neighbours: Neighbours, struck_R: NDArray[np.bool_]) -> Neighbours:
    """The same lists without some rows of the datastore, as long as before and filled at the end.

    Args:
        neighbours: The lists.
        struck_R: Which rows of the datastore are not to count.
    """
    ids_QK, distances_QK = neighbours
    struck_QK = struck_R[ids_QK] | (ids_QK < 0)
    if np.array_equal(struck_QK, ids_QK < 0):
        return neighbours
    kept_QK = np.where(struck_QK, MASKED, ids_QK)
    return nearest(kept_QK, np.where(struck_QK, np.float32(np.inf), distances_QK), ids_QK.shape[1])


def unpack_words(words_QK: NDArray[np.uint64]) -> Neighbours:
    """Reads lists of words, which hold a row's distance above the row.

    A float32 that is not negative orders like its bits, so that a plain integer sort of words
    orders by distance and breaks ties by row, always in the same way.

    Args:
        words_QK: Words, nearest first; `NO_WORD` fills the end of a list that is short.
    """
    ids_QK = (words_QK & np.uint64(0xFFFFFFFF)).astype(np.int64)
    distances_QK = word_distances(words_QK)
    missing_QK = words_QK == NO_WORD
    ids_QK[missing_QK] = MASKED
    distances_QK[missing_QK] = np.inf
    return Neighbours(ids_QK, distances_QK)


def word_distances(words: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The distances inside words, of the same shape; NaN for `NO_WORD`."""
    return (words >> np.uint64(32)).astype(np.uint32).view(np.float32)


def true_distances(
    queries_QD: NDArray[np.float32],
    keys_ND: NDArray[np.float16],
    ids_QC: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Squared L2 distances as a sum of squared differences, without the loss of |q|² - 2qk + |k|².

    Args:
        queries_QD: Queries.
        keys_ND: True keys by row, in memory or memory-mapped.
        ids_QC: Rows to compare with each query, or -1.

    Returns:
        Distances of the same shape as `ids_QC`, infinite where the id is -1.
    """
    out_QC = np.empty(ids_QC.shape, np.float32)
    _half_distances(queries_QD, keys_ND.view(np.uint16), ids_QC, out_QC)
    return out_QC


@kernel(parallel=True)
def _half_distances(
    queries_QD: NDArray[np.float32],
    bits_ND: NDArray[np.uint16],
    ids_QC: NDArray[np.int64],
    out_QC: NDArray[np.float32],
) -> None:
    """Sums squared differences to float16 bits, which compiled code must widen by itself.

    Exponent and fraction shift into a float32 that is 2**112 too small; a product mends that and
    holds for subnormal numbers too. Keys are finite (checked where they are written).
    """
    for query in numba.prange(ids_QC.shape[0]):
        for column in range(ids_QC.shape[1]):
            row = ids_QC[query, column]
            if row < 0:
                out_QC[query, column] = np.inf
                continue
            total = np.float32(0)
            for d in range(queries_QD.shape[1]):
                bits = np.uint32(bits_ND[row, d])
                magnitude = (bits & np.uint32(0x7FFF)) << np.uint32(13)
                sign = (bits & np.uint32(0x8000)) << np.uint32(16)
                key = np.uint32(magnitude | sign).view(np.float32) * np.float32(2.0**112)
                difference = queries_QD[query, d] - key
                total += difference * difference
            out_QC[query, column] = total
