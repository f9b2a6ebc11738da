"""Nearest rows of the datastore, whatever its index: exact distances, no excluded row.

A flat index is compared with every key, inverted lists of true keys list by list; through any other
index FAISS finds candidates, which the true keys rank again. No list is shorter than the datastore
allows: what is left short is searched again, among all keys.

Shapes: Q queries, C candidates per query, K neighbours per query, N rows of the datastore, D width.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from memdec_core.search.excluded_rows import excluded_nothing
from memdec_core.search.inverted_search import inverted_neighbours
from memdec_core.search.nearest_lists import list_bytes
from memdec_core.search.neighbour_index import has_exact_distances, index_nprobe
from memdec_core.search.neighbours import (
    Neighbours,
    count_found,
    mask_candidates,
    nearest,
    true_distances,
)
from memdec_core.search.search_progress import counted, ignore, of_parts
from memdec_core.search.tile_search import (
    KeyBlocks,
    Queries,
    exact_neighbours,
    exact_neighbours_in_memory,
)
from memdec_core.windows.window_batches import OnProgress

FAISS_BLOCK = 2048
"""Queries per FAISS call; with 256 the same search takes eight times as long."""
THREAD_BLOCK = 32_768
"""Most queries of a thread at a time; with a quarter of it search takes 1.4-1.6 times as long."""
KEY_BLOCK = 16_384
"""Keys read at a time in a pass over all of them."""
RERANKED = 1.5
"""Candidates per neighbour when the index's distances are not exact."""
DEEPER = 4
"""Times as many candidates and lists on the second try for lists that exclusion left short."""


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
    keys_ND: NDArray[np.float16] | None = None

    @property
    def n_rows(self) -> int:
        """Rows of the datastore."""
        return int(self.index.ntotal)


def queries_at_once(k: int, width: int, memory_bytes: float) -> int:
    """How many queries to search for together: many are fast, all of them need lists in memory.

    Args:
        k: Neighbours per query.
        width: Length of a key.
        memory_bytes: What the search may use.
    """
    query_bytes = list_bytes(k) + width * 8  # as float32, as codes, and as they were read
    fitting = int(memory_bytes / query_bytes)
    return max(FAISS_BLOCK, min(fitting, search_threads() * THREAD_BLOCK))


def search_neighbours(
    datastore: Datastore, queries: Queries, k: int, on_progress: OnProgress = ignore
) -> Neighbours:
    """Finds the `k` nearest rows of each query, never an excluded one.

    Args:
        datastore: Where to search.
        queries: What to search for, best `queries_at_once`.
        k: Neighbours per query.
        on_progress: Takes the finished fraction.

    Returns:
        Lists shorter than `k` only where the rest of the datastore is excluded.
    """
    found = _search(datastore, queries, k, on_progress)
    excluded_Q = queries.excluded_Q2[:, 1] - queries.excluded_Q2[:, 0]
    wanted_Q = np.minimum(k, datastore.n_rows - excluded_Q)
    short_S = np.flatnonzero(count_found(found) < wanted_Q)
    if short_S.size:
        mended = exact_neighbours(datastore.key_blocks(), queries.part(short_S), k)
        found.ids_QK[short_S], found.distances_QK[short_S] = mended
    return found


def search_unseen(datastore: Datastore, keys_QD: NDArray[np.floating], k: int) -> Neighbours:
    """As `search_neighbours`, of queries that are not in the datastore: nothing is excluded."""
    keys = keys_QD.astype(np.float32, copy=False)
    return search_neighbours(datastore, Queries(keys, excluded_nothing(len(keys))), k)


def _search(datastore: Datastore, queries: Queries, k: int, on_progress: OnProgress) -> Neighbours:
    """Searches in the way that the index allows; some lists may be short."""
    index = datastore.index
    if isinstance(index, faiss.IndexFlat):
        keys_ND = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
        keys_ND = keys_ND.reshape(index.ntotal, index.d)
        return search_in_threads(
            lambda part, report: exact_neighbours_in_memory(keys_ND, part, k, report),
            queries,
            THREAD_BLOCK,
            on_progress,
        )
    if has_exact_distances(index):
        assert isinstance(index, faiss.IndexIVF), "the other kind with exact distances"
        return search_in_threads(
            lambda part, report: inverted_neighbours(index, part, k, report),
            queries,
            THREAD_BLOCK,
            on_progress,
        )
    blocks, add = [], counted(len(queries.keys_QD), on_progress)
    for start in range(0, len(queries.keys_QD), FAISS_BLOCK):
        part = queries.part(slice(start, start + FAISS_BLOCK))
        blocks.append(_search_block(datastore, part, k))
        add(len(part.keys_QD))
    return Neighbours(*(np.concatenate(arrays) for arrays in zip(*blocks, strict=True)))


def _search_block(datastore: Datastore, queries: Queries, k: int) -> Neighbours:
    """One block by FAISS: deep enough for most lists, then deeper for those left short."""
    excluded_Q2 = queries.excluded_Q2
    longest = int((excluded_Q2[:, 1] - excluded_Q2[:, 0]).max(initial=0))
    found = _probe(datastore, queries, k, k + min(longest, k))
    short_S = np.flatnonzero(count_found(found) < k)
    if short_S.size:
        depth = k + min(longest, DEEPER * k)
        deep = _probe(datastore, queries.part(short_S), k, depth, DEEPER)
        found.ids_QK[short_S], found.distances_QK[short_S] = deep
    return found


def _probe(
    datastore: Datastore, queries: Queries, k: int, depth: int, more_lists: int = 1
) -> Neighbours:
    """Asks the index for candidates, strikes out the excluded, makes distances exact."""
    assert datastore.keys_ND is not None, "an index with rounded distances needs true keys"
    depth = min(math.ceil(RERANKED * depth), datastore.n_rows)
    with index_nprobe(datastore.index, more_lists):
        distances_QC, ids_QC = datastore.index.search(queries.keys_QD, depth)
    mask_candidates(ids_QC, distances_QC, queries.excluded_Q2)
    distances_QC = true_distances(queries.keys_QD, datastore.keys_ND, ids_QC)
    return nearest(ids_QC, distances_QC, k)


def search_threads() -> int:
    """Threads that a search uses: those PyTorch was given."""
    return torch.get_num_threads()


def search_in_threads(
    search: Callable[[Queries, OnProgress], Neighbours],
    queries: Queries,
    most: int,
    on_progress: OnProgress = ignore,
) -> Neighbours:
    """Searches parts of the queries beside each other.

    Args:
        search: Searches some of the queries, in one thread, and reports the finished fraction.
        queries: All queries, at least one.
        most: Most queries in a part.
        on_progress: Takes the finished fraction of all.

    Returns:
        Their neighbours, in the order of the queries, whatever the number of threads.
    """
    threads = search_threads()
    size = min(most, -(-len(queries.keys_QD) // threads))
    parts = [
        queries.part(slice(start, start + size)) for start in range(0, len(queries.keys_QD), size)
    ]
    reports = of_parts([len(part.keys_QD) for part in parts], on_progress)
    with _single_threads(threads) as pool:
        blocks = list(pool.map(search, parts, reports))
    return Neighbours(*(np.concatenate(arrays) for arrays in zip(*blocks, strict=True)))


@contextmanager
def _single_threads(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool in which PyTorch and FAISS start no threads of their own."""
    try:
        with ThreadPoolExecutor(threads, initializer=_stay_alone) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)  # the number is also what threads started later take


def _stay_alone() -> None:
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
