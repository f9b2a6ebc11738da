from collections.abc import Iterator

import numpy as np
import pytest
import torch

from memdec_core.search.excluded_rows import excluded_self
from memdec_core.search.neighbour_search import search_in_threads
from memdec_core.search.neighbours import Neighbours
from memdec_core.search.search_progress import ignore
from memdec_core.search.tile_search import Queries, exact_neighbours_in_memory
from memdec_core.windows.window_batches import OnProgress
from tests.oracles.knn_oracle import clustered_keys

KEYS = clustered_keys(1100, 16, seed=4).astype(np.float32)
QUERIES = Queries(KEYS, excluded_self(np.arange(len(KEYS))))


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_parts_in_threads_find_what_one_search_finds(three_threads: None) -> None:
    numbers: list[int] = []

    def search(queries: Queries, on_progress: OnProgress = ignore) -> Neighbours:
        numbers.append(torch.get_num_threads())
        return exact_neighbours_in_memory(KEYS, queries, 25, on_progress)

    whole = search(QUERIES)
    fractions: list[float] = []
    parted = search_in_threads(search, QUERIES, 100, fractions.append)
    assert fractions == sorted(fractions), "of all parts together"
    assert len(fractions) > 11
    assert fractions[-1] == pytest.approx(1)
    np.testing.assert_array_equal(parted.ids_QK, whole.ids_QK)
    np.testing.assert_array_equal(parted.distances_QK, whole.distances_QK)
    assert numbers == [3, *[1] * 11]
    assert torch.get_num_threads() == 3
