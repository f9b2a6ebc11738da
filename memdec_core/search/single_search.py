"""Nearest rows of one query, as a decoder asks for them token after token.

`neighbour_search` is made for many queries at a time, and rounds every block of keys before it
compares them. For one query FAISS is faster: 7 to 15 times on one thread, with 10,000 to 200,000
keys of width 256, flat or in lists.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np
from numpy.typing import NDArray

from memdec_core.search.excluded_rows import excluded_nothing
from memdec_core.search.neighbour_index import has_exact_distances
from memdec_core.search.neighbour_search import Datastore, search_neighbours
from memdec_core.search.neighbours import Neighbours
from memdec_core.search.tile_search import Queries


def nearest_to_one(datastore: Datastore, key_D: NDArray[np.float32], k: int) -> Neighbours:
    """Finds what `search_neighbours` finds for one query, up to the order of equal distances.

    Args:
        datastore: Where to search; nothing is excluded.
        key_D: The query.
        k: Neighbours.

    Returns:
        One list, of shape (1, k); shorter (filled with -1) only where the datastore is.
    """
    key_1D = key_D[None]
    if has_exact_distances(datastore.index):
        with _one_thread():
            distances_1K, ids_1K = datastore.index.search(key_1D, k)
        if np.count_nonzero(ids_1K >= 0) == min(k, datastore.n_rows):
            distances_1K[ids_1K < 0] = np.inf
            return Neighbours(ids_1K, distances_1K)
    return search_neighbours(datastore, Queries(key_1D, excluded_nothing(1)), k)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keeps FAISS from using several threads for a single query.

    Measured on 200,000 flat keys of width 256, on two cores that other work was using too: 36 ms
    instead of 168 ms with two threads. Idle cores were not measured.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
