import faiss
import numpy as np
import pytest

from memdec_core.search.excluded_rows import excluded_nothing, excluded_self
from memdec_core.search.inverted_search import inverted_neighbours, list_content
from memdec_core.search.neighbour_index import new_index
from memdec_core.search.tile_search import Queries
from tests.oracles.knn_oracle import all_distances, clustered_keys

N, D, K = 1500, 24, 20
KEYS = clustered_keys(N, D, seed=5)
WIDE = KEYS.astype(np.float32)
QUERIES = Queries(WIDE, excluded_self(np.arange(N)))


def filled(factory: str, nprobe: int) -> faiss.IndexIVF:
    index = new_index(factory, D)
    index.train(WIDE)
    index.add(WIDE)
    assert isinstance(index, faiss.IndexIVF)
    index.nprobe = nprobe
    return index


@pytest.mark.parametrize("factory", ["IVF32,SQfp16", "IVF32,Flat"])
def test_lists_hold_the_keys_themselves(factory: str) -> None:
    index = filled(factory, 1)
    seen = []
    for number in range(index.nlist):
        keys, rows = list_content(index, number)
        np.testing.assert_array_equal(keys.astype(np.float32), WIDE[rows])
        seen += rows.tolist()
    assert sorted(seen) == list(range(N))


@pytest.mark.parametrize("nprobe", [1, 5, 32])
@pytest.mark.parametrize("factory", ["IVF32,SQfp16", "IVF32,Flat"])
def test_search_finds_the_nearest_rows_of_the_probed_lists(factory: str, nprobe: int) -> None:
    index = filled(factory, nprobe)
    found = inverted_neighbours(index, QUERIES, K)
    list_of_row = np.empty(N, np.int64)
    for number in range(index.nlist):
        list_of_row[list_content(index, number)[1]] = number
    centroids = index.quantizer.reconstruct_n(0, index.nlist)
    for query in range(0, N, 71):
        probed = np.argsort(all_distances(WIDE[query : query + 1], centroids)[0])[:nprobe]
        allowed = np.isin(list_of_row, probed) & (np.arange(N) != query)
        distances = all_distances(WIDE[query : query + 1], KEYS)[0]
        expected = np.sort(distances[allowed])[:K]
        got = found.distances_QK[query][: len(expected)]
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
        assert (found.ids_QK[query][len(expected) :] == -1).all()
        assert allowed[found.ids_QK[query][: len(expected)]].all()


def test_lists_without_rows_are_passed_over() -> None:
    index = new_index("IVF8,SQfp16", D)
    index.train(WIDE)
    index.add(WIDE[:30] * 0.01)  # all of them near one centroid
    assert isinstance(index, faiss.IndexIVF)
    index.nprobe = 8
    sizes = [len(list_content(index, number)[1]) for number in range(8)]
    assert min(sizes) == 0
    found = inverted_neighbours(index, Queries(WIDE[:5], excluded_nothing(5)), 30)
    assert (np.sort(found.ids_QK, axis=1) == np.arange(30)).all()
