import faiss
import numpy as np
import pytest

from memdec_core.search import neighbour_search
from memdec_core.search.excluded_rows import excluded_nothing, excluded_self
from memdec_core.search.neighbour_index import (
    has_exact_distances,
    inverted_lists,
    new_index,
    recall,
)
from memdec_core.search.neighbour_search import Datastore, search_neighbours
from memdec_core.search.neighbours import Neighbours
from memdec_core.search.tile_search import Queries, exact_neighbours
from tests.oracles.knn_oracle import array_blocks, brute_neighbours, clustered_keys, everything

N, D = 900, 16
KEYS = clustered_keys(N, D, seed=3)
WIDE = KEYS.astype(np.float32)


def _datastore(factory: str, nprobe: int = 4) -> Datastore:
    index = new_index(factory, D)
    index.train(WIDE)
    index.add(WIDE)
    if (lists := inverted_lists(index)) is not None:
        lists.nprobe = nprobe
    return Datastore(index, lambda: array_blocks(KEYS, 128), KEYS)


def _ranges(mode: str) -> np.ndarray:
    rows = np.arange(N)
    if mode == "nothing":
        return excluded_nothing(N)
    if mode == "self":
        return excluded_self(np.arange(N))
    if mode == "neighbourhood":
        return np.stack([np.maximum(rows - 5, 0), np.minimum(rows + 6, N)], axis=1)
    document = rows // 300 * 300
    return np.stack([document, document + 300], axis=1)


def _assert_equal_to_oracle(
    found: Neighbours, ranges: np.ndarray, rows: np.ndarray, k: int
) -> None:
    lists = brute_neighbours(
        KEYS[rows], KEYS, k, lambda q, r: not ranges[rows[q], 0] <= r < ranges[rows[q], 1]
    )
    for position, expected in enumerate(lists):
        ids = found.ids_QK[rows[position]]
        got = found.distances_QK[rows[position]]
        size = len(expected)
        np.testing.assert_allclose(got[:size], [d for d, _ in expected], rtol=1e-5, atol=1e-5)
        assert (ids[size:] == -1).all()
        real = ids[:size]
        assert len(set(real.tolist())) == size
        assert not ((real >= ranges[rows[position], 0]) & (real < ranges[rows[position], 1])).any()


@pytest.mark.parametrize("mode", ["nothing", "self", "neighbourhood", "document"])
@pytest.mark.parametrize("factory", ["Flat", "IVF8,SQfp16", "IVF8,SQ8", "IVF8,PQ8x4np", "SQ8"])
def test_search_finds_what_brute_force_finds(
    factory: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbour_search, "RERANKED", 8)  # PQ is coarse; its candidates suffice
    monkeypatch.setattr(neighbour_search, "FAISS_BLOCK", 256)
    monkeypatch.setattr(neighbour_search, "THREAD_BLOCK", 256)
    ranges = _ranges(mode)
    found = search_neighbours(_datastore(factory, nprobe=8), Queries(WIDE, ranges), 40)
    _assert_equal_to_oracle(found, ranges, np.arange(0, N, 29), 40)


def test_a_true_neighbour_is_not_lost_when_duplicates_push_the_own_row_down() -> None:
    keys = np.zeros((60, 4), np.float16)
    keys[40:] = 9
    wide = keys.astype(np.float32)
    index = faiss.IndexFlatL2(4)
    index.add(wide)
    store = Datastore(index, lambda: array_blocks(keys))
    found = search_neighbours(store, Queries(wide, excluded_self(np.arange(60))), 10)
    for row in range(60):
        assert row not in found.ids_QK[row]
        assert (found.distances_QK[row] == 0).all()
        expected = [other for other in range(60) if other != row and keys[other, 0] == keys[row, 0]]
        assert found.ids_QK[row].tolist() == expected[:10]


def test_lists_left_short_by_a_long_document_are_searched_again() -> None:
    ranges = np.tile([[0, N - 30]], (N, 1))
    found = search_neighbours(_datastore("IVF8,SQfp16", nprobe=1), Queries(WIDE, ranges), 20)
    _assert_equal_to_oracle(found, ranges, np.arange(0, N, 53), 20)


def test_lists_are_short_only_when_the_datastore_is_exhausted() -> None:
    ranges = np.tile([[0, N - 7]], (N, 1))
    for factory in ("Flat", "IVF8,SQfp16"):
        found = search_neighbours(
            _datastore(factory, nprobe=1), Queries(WIDE[:50], ranges[:50]), 20
        )
        assert np.isin(found.ids_QK[:, :7], np.arange(N - 7, N)).all()
        assert (found.ids_QK[:, 7:] == -1).all()
        assert np.isinf(found.distances_QK[:, 7:]).all()


def test_reranked_distances_are_exact_where_the_index_rounds() -> None:
    store = _datastore("IVF8,SQ8", nprobe=8)
    assert not has_exact_distances(store.index)
    found = search_neighbours(store, Queries(WIDE, excluded_self(np.arange(N))), 30)
    rough, _ = store.index.search(WIDE, 30)
    expected = [[d for d, _ in row] for row in brute_neighbours(KEYS[:9], KEYS, 31, everything)]
    np.testing.assert_allclose(found.distances_QK[:9], np.array(expected)[:, 1:], rtol=1e-5)
    assert not np.allclose(rough[:9, 1:], np.array(expected)[:, 1:30], rtol=1e-5)


def test_halves_in_inverted_lists_have_exact_distances() -> None:
    store = _datastore("IVF8,SQfp16", nprobe=8)
    assert has_exact_distances(store.index)
    exact = exact_neighbours(array_blocks(KEYS), Queries(WIDE, excluded_nothing(N)), 25)
    found = search_neighbours(store, Queries(WIDE, excluded_nothing(N)), 25)
    np.testing.assert_allclose(found.distances_QK, exact.distances_QK, rtol=1e-5)


@pytest.mark.parametrize("block_rows", [37, 301, N])
def test_exact_search_does_not_depend_on_the_blocks(block_rows: int) -> None:
    ranges = _ranges("neighbourhood")
    whole = exact_neighbours(array_blocks(KEYS), Queries(WIDE[:40], ranges[:40]), 25)
    cut = exact_neighbours(array_blocks(KEYS, block_rows), Queries(WIDE[:40], ranges[:40]), 25)
    np.testing.assert_array_equal(whole.ids_QK, cut.ids_QK)
    np.testing.assert_array_equal(whole.distances_QK, cut.distances_QK)


def test_the_probed_lists_are_as_before_after_a_deeper_search() -> None:
    store = _datastore("IVF8,SQfp16", nprobe=1)
    search_neighbours(store, Queries(WIDE, np.tile([[0, N - 30]], (N, 1))), 20)
    lists = inverted_lists(store.index)
    assert lists is not None
    assert lists.nprobe == 1


def test_recall_counts_equally_near_rows_as_found() -> None:
    exact = Neighbours(np.array([[0, 1, 2], [3, 4, -1]]), np.array([[0, 1, 1], [0, 2, np.inf]]))
    tied = Neighbours(np.array([[0, 7, 1], [3, 9, -1]]), np.array([[0, 1, 1], [0, 5, np.inf]]))
    assert recall(tied, exact) == pytest.approx(4 / 5)
    assert recall(exact, exact) == 1


@pytest.mark.parametrize("factory", ["Flat", "IVF8,SQfp16", "IVF8,SQ8"])
def test_every_search_tells_how_far_it_is(factory: str) -> None:
    fractions: list[float] = []
    queries = Queries(WIDE, excluded_self(np.arange(N)))
    search_neighbours(_datastore(factory), queries, 10, fractions.append)
    assert fractions
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
