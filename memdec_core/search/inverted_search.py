"""Search through inverted lists, list by list instead of query by query.

All queries that probe a list are compared with it together, as one product of matrices, while its
keys are in the processor's cache. Each query's nearest lists come first, until they hold enough
rows for the k nearest: the distance of the k-th of them bounds what the other lists may add.

Shapes: Q queries, P lists probed per query, L lists, B rows of a list, D width.
"""

from collections.abc import Iterator

import faiss
import numpy as np
from numpy.typing import NDArray

from memdec_core.search.neighbours import Neighbours
from memdec_core.search.search_progress import counted, ignore
from memdec_core.search.tile_search import Keys, Queries, TileSearch
from memdec_core.windows.window_batches import OnProgress

ENOUGH = 1.25
"""Rows per neighbour in the lists that are compared first."""


def inverted_neighbours(
    index: faiss.IndexIVF, queries: Queries, k: int, on_progress: OnProgress = ignore
) -> Neighbours:
    """Finds the `k` nearest rows of each query in its `index.nprobe` nearest lists.

    Args:
        index: Inverted lists whose codes are the keys, float16 or float32.
        queries: What to search for.
        k: Neighbours per query.
        on_progress: Takes the finished fraction.

    Returns:
        Lists are short where the lists probed hold fewer than `k` rows that are not excluded.
    """
    _, probed_QP = index.quantizer.search(queries.keys_QD, index.nprobe)
    sizes_QP = _list_sizes(index)[probed_QP]
    search = TileSearch(queries, k, on_compared=counted(int(sizes_QP.sum()), on_progress))
    first_QP = np.cumsum(sizes_QP, axis=1) - sizes_QP < ENOUGH * k
    for wanted_QP in (first_QP, ~first_QP):
        for number, queries_M in _queries_by_list(probed_QP, wanted_QP):
            keys_BD, rows_B = list_content(index, number)
            search.compare(keys_BD, rows_B, queries_M)
        search.lists.cut()
    return search.lists.neighbours()


def list_content(index: faiss.IndexIVF, number: int) -> tuple[Keys, NDArray[np.int64]]:
    """Keys and rows of one list, as views of the index's own memory or file.

    Args:
        index: Inverted lists whose codes are the keys.
        number: Which list.
    """
    lists = index.invlists
    assert lists is not None, "an index that was filled"
    size = lists.list_size(number)
    codes = faiss.rev_swig_ptr(lists.get_codes(number), size * index.code_size)
    rows_B: NDArray[np.int64] = faiss.rev_swig_ptr(lists.get_ids(number), size)
    if index.code_size == np.dtype(np.float16).itemsize * index.d:
        return codes.view(np.float16).reshape(size, index.d), rows_B
    return codes.view(np.float32).reshape(size, index.d), rows_B


def _list_sizes(index: faiss.IndexIVF) -> NDArray[np.int64]:
    lists = index.invlists
    assert lists is not None, "an index that was filled"
    return np.array([lists.list_size(number) for number in range(index.nlist)], np.int64)


def _queries_by_list(
    probed_QP: NDArray[np.int64], wanted_QP: NDArray[np.bool_]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yields every list that is wanted, with the queries that want it."""
    queries_E, places_E = np.nonzero(wanted_QP)
    lists_E = probed_QP[queries_E, places_E]
    order_E = np.argsort(lists_E, kind="stable")
    numbers, starts = np.unique(lists_E[order_E], return_index=True)
    yield from zip(numbers.tolist(), np.split(queries_E[order_E], starts[1:]), strict=False)
