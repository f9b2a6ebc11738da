"""A search cut into parts that run beside each other, one thread each.

Many small products in a row waste most of the time in which several threads share each of them;
whole parts of the queries, one per thread, never wait for each other.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import faiss
import numpy as np
import torch

from memdec_core.search.neighbours import Neighbours
from memdec_core.search.tile_search import Queries


def search_threads() -> int:
    """Threads that a search uses: those PyTorch was given."""
    return torch.get_num_threads()


def search_in_threads(
    search: Callable[[Queries], Neighbours], queries: Queries, most: int
) -> Neighbours:
    """Searches parts of the queries beside each other.

    Args:
        search: Searches some of the queries, in one thread.
        queries: All queries, at least one.
        most: Most queries in a part.

    Returns:
        Their neighbours, in the order of the queries, whatever the number of threads.
    """
    threads = search_threads()
    size = min(most, -(-len(queries.keys_QD) // threads))
    parts = [
        queries.part(slice(start, start + size)) for start in range(0, len(queries.keys_QD), size)
    ]
    with _single_threads(threads) as pool:
        blocks = list(pool.map(search, parts))
    ids_QK, distances_QK = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    return Neighbours(ids_QK, distances_QK)


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
