"""Nearest rows of the datastore: through a FAISS index, or by comparing with every key.

Whatever the index, what comes out are exact distances between true keys, no excluded row, and no
list shorter than the datastore allows. Memory is bounded by the constants below, whatever N is.

Shapes: Q queries, C candidates per query, K neighbours per query, N rows of the datastore, D width.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from memdec_core.neighbour_index import has_exact_distances, index_nprobe
from memdec_core.neighbours import (
    Neighbours,
    count_found,
    mask_candidates,
    nearest,
    true_distances,
)

QUERY_BLOCK = 2048
"""Queries per FAISS call; with 256 the same search takes eight times as long."""
KEY_BLOCK = 16_384
"""Keys read at a time in a pass over all of them."""
CANDIDATES = 2**24
"""Candidates held at a time in an exact search, 12 bytes each."""
RERANKED = 1.5
"""Candidates per neighbour when the index's distances are not exact."""
DEEPER = 4
"""Times as many candidates and lists on the second try for lists that exclusion left short."""

Keys = NDArray[np.float16] | NDArray[np.float32]
KeyBlocks = Iterable[tuple[int, Keys]]


@dataclass(frozen=True)
class Datastore:
    """The keys of a datastore and the index over them.

    Attributes:
        index: FAISS index whose ids are rows.
        key_blocks: Starts a pass over the true keys: pairs of first row and keys.
        keys_ND: True keys by row, memory-mapped; needed when the index's distances are not exact.
    """

    index: faiss.Index
    key_blocks: Callable[[], KeyBlocks]
    keys_ND: Keys | None = None

    @property
    def n_rows(self) -> int:
        """Rows of the datastore."""
        return int(self.index.ntotal)


def flat_keys(index: faiss.Index) -> NDArray[np.float32] | None:
    """The keys inside a flat index as a view, shape (N, D); None for every other kind."""
    if not isinstance(index, faiss.IndexFlat):
        return None
    flat = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    keys_ND: NDArray[np.float32] = flat.reshape(index.ntotal, index.d)
    return keys_ND


def array_blocks(keys_ND: Keys, block_rows: int = KEY_BLOCK) -> Iterator[tuple[int, Keys]]:
    """Passes over keys that are an array."""
    for start in range(0, len(keys_ND), block_rows):
        yield start, keys_ND[start : start + block_rows]


def search_neighbours(
    datastore: Datastore,
    queries_QD: NDArray[np.float32],
    excluded_Q2: NDArray[np.int64],
    k: int,
) -> Neighbours:
    """Finds the `k` nearest rows of each query, never an excluded one.

    Args:
        datastore: Where to search.
        queries_QD: Queries; at least `QUERY_BLOCK` at a time are fast.
        excluded_Q2: First excluded row and end of the excluded rows, per query.
        k: Neighbours per query.

    Returns:
        Lists shorter than `k` only where the rest of the datastore is excluded.
    """
    if (keys_ND := flat_keys(datastore.index)) is not None:
        return exact_neighbours([(0, keys_ND)], queries_QD, excluded_Q2, k)
    blocks = [
        _search_block(datastore, queries_QD[part], excluded_Q2[part], k)
        for part in _parts(len(queries_QD), QUERY_BLOCK)
    ]
    ids_QK, distances_QK = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    found = Neighbours(ids_QK, distances_QK)
    wanted_Q = np.minimum(k, datastore.n_rows - (excluded_Q2[:, 1] - excluded_Q2[:, 0]))
    short_S = np.flatnonzero(count_found(found) < wanted_Q)
    if short_S.size:
        mended = exact_neighbours(
            datastore.key_blocks(), queries_QD[short_S], excluded_Q2[short_S], k
        )
        found.ids_QK[short_S], found.distances_QK[short_S] = mended
    return found


def _search_block(
    datastore: Datastore, queries_QD: NDArray[np.float32], excluded_Q2: NDArray[np.int64], k: int
) -> Neighbours:
    """One block by the index: deep enough for most lists, then deeper for those left short."""
    longest = int((excluded_Q2[:, 1] - excluded_Q2[:, 0]).max(initial=0))
    found = _probe(datastore, queries_QD, excluded_Q2, k, k + min(longest, k))
    short_S = np.flatnonzero(count_found(found) < k)
    if short_S.size:
        deep = _probe(
            datastore,
            queries_QD[short_S],
            excluded_Q2[short_S],
            k,
            k + min(longest, DEEPER * k),
            DEEPER,
        )
        found.ids_QK[short_S], found.distances_QK[short_S] = deep
    return found


def _probe(
    datastore: Datastore,
    queries_QD: NDArray[np.float32],
    excluded_Q2: NDArray[np.int64],
    k: int,
    depth: int,
    more_lists: int = 1,
) -> Neighbours:
    """Asks the index for `depth` candidates, strikes out the excluded, makes distances exact."""
    index = datastore.index
    exact = has_exact_distances(index)
    if not exact:
        depth = math.ceil(RERANKED * depth)
    depth = min(depth, datastore.n_rows)
    with index_nprobe(index, more_lists):
        distances_QC, ids_QC = index.search(queries_QD, depth)
    mask_candidates(ids_QC, distances_QC, excluded_Q2)
    if not exact:
        assert datastore.keys_ND is not None, "an index with rounded distances needs true keys"
        distances_QC = true_distances(queries_QD, datastore.keys_ND, ids_QC)
    return nearest(ids_QC, distances_QC, k)


def exact_neighbours(
    key_blocks: KeyBlocks,
    queries_QD: NDArray[np.float32],
    excluded_Q2: NDArray[np.int64],
    k: int,
) -> Neighbours:
    """Finds the `k` nearest rows of each query by comparing it with every key.

    Args:
        key_blocks: One pass over the keys: pairs of first row and keys, of any size.
        queries_QD: Queries; all of them are compared in the one pass.
        excluded_Q2: First excluded row and end of the excluded rows, per query.
        k: Neighbours per query.
    """
    found = Neighbours(
        np.full((len(queries_QD), k), -1, np.int64),
        np.full((len(queries_QD), k), np.inf, np.float32),
    )
    norms_Q = np.einsum("qd,qd->q", queries_QD, queries_QD)
    for first_row, block in key_blocks:
        keys_BD = block.astype(np.float32, copy=False)
        # |q|² - 2qk + |k|², by which FAISS ranks, is off by at most this share of |q|² + |k|²
        share = np.float32(keys_BD.shape[1] * 2.0**-22)
        largest = np.einsum("bd,bd->b", keys_BD, keys_BD).max(initial=0)
        for part in _exact_parts(excluded_Q2, k, first_row, len(keys_BD)):
            within_P1 = found.distances_QK[part, -1:] + share * (norms_Q[part] + largest)[:, None]
            found.ids_QK[part], found.distances_QK[part] = _merge_block(
                Neighbours(found.ids_QK[part], found.distances_QK[part]),
                queries_QD[part],
                within_P1,
                keys_BD,
                excluded_Q2[part] - first_row,
                first_row,
            )
    return found


def _merge_block(
    found: Neighbours,
    queries_PD: NDArray[np.float32],
    within_P1: NDArray[np.float32],
    keys_BD: NDArray[np.float32],
    excluded_P2: NDArray[np.int64],
    first_row: int,
) -> Neighbours:
    """Merges a block's nearest rows into lists; exclusion counts from the block's first row."""
    k = found.ids_QK.shape[1]
    # a few more than k, as FAISS ranks by rounded distances
    depth = min(len(keys_BD), k + _struck(excluded_P2, len(keys_BD)) + k // 64 + 8)
    rounded_PC, local_PC = faiss.knn(queries_PD, keys_BD, depth)
    mask_candidates(local_PC, rounded_PC, excluded_P2)
    local_PC[rounded_PC > within_P1] = -1  # cannot be among the k nearest any more
    distances_PC = true_distances(queries_PD, keys_BD, local_PC)
    ids_PC = np.where(local_PC < 0, local_PC, local_PC + first_row)
    return nearest(
        np.concatenate([found.ids_QK, ids_PC], axis=1),
        np.concatenate([found.distances_QK, distances_PC], axis=1),
        k,
    )


def _exact_parts(
    excluded_Q2: NDArray[np.int64], k: int, first_row: int, block_rows: int
) -> Iterator[slice]:
    """Cuts queries so that the candidates of a part are at most `CANDIDATES`, where it can be."""
    depth = k + _struck(excluded_Q2 - first_row, block_rows)
    return _parts(len(excluded_Q2), max(1, min(QUERY_BLOCK, CANDIDATES // depth)))


def _struck(excluded_Q2: NDArray[np.int64], block_rows: int) -> int:
    """Most rows of a block that exclusion strikes out of one list."""
    inside_Q2 = np.clip(excluded_Q2, 0, block_rows)
    return int((inside_Q2[:, 1] - inside_Q2[:, 0]).max(initial=0))


def _parts(n_queries: int, size: int) -> Iterator[slice]:
    for start in range(0, n_queries, size):
        yield slice(start, start + size)
