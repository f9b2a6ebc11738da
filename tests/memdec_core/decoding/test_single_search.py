"""One query's neighbours, from every kind of index, are those of comparing everything."""

import faiss
import numpy as np
import pytest

from memdec_core.decoding.system_decoders import nearest_to_one
from memdec_core.search.index_filling import train_index
from memdec_core.search.neighbour_index import new_index
from memdec_core.search.neighbour_search import Datastore
from tests.oracles.knn_oracle import all_distances, array_blocks, clustered_keys

ROWS, WIDTH = 3000, 16


def make_datastore(factory: str, nprobe: int = 12) -> tuple[Datastore, np.ndarray]:
    keys = clustered_keys(ROWS, WIDTH, seed=1)
    index = new_index(factory, WIDTH)
    if not index.is_trained:
        train_index(index, keys.astype(np.float32), factory)
        index.nprobe = nprobe
    index.add(keys.astype(np.float32))
    return Datastore(index, lambda: array_blocks(keys), keys), keys


@pytest.mark.parametrize("k", [1, 40, ROWS + 5])
@pytest.mark.parametrize("factory", ["Flat", "IVF12,SQfp16", "IVF12,Flat", "IVF12,SQ8"])
def test_neighbours_are_the_nearest_of_all_keys(factory: str, k: int) -> None:
    datastore, keys = make_datastore(factory)
    for query in clustered_keys(5, WIDTH, seed=2).astype(np.float32):
        found = nearest_to_one(datastore, query, k)
        distances = all_distances(query[None], keys)[0]
        assert found.ids_QK.shape == found.distances_QK.shape == (1, k)
        n = min(k, ROWS)
        ids = found.ids_QK[0, :n]
        assert len(set(ids.tolist())) == n
        np.testing.assert_allclose(found.distances_QK[0, :n], np.sort(distances)[:n], rtol=1e-4)
        np.testing.assert_allclose(found.distances_QK[0, :n], distances[ids], rtol=1e-4)
        assert (found.ids_QK[0, n:] == -1).all()
        assert np.isinf(found.distances_QK[0, n:]).all()


def test_lists_that_hold_too_few_rows_are_mended() -> None:
    datastore, keys = make_datastore("IVF12,SQfp16", nprobe=1)
    query = clustered_keys(1, WIDTH, seed=2).astype(np.float32)[0]
    found = nearest_to_one(datastore, query, 2500)
    assert (found.ids_QK >= 0).all()
    expected = np.sort(all_distances(query[None], keys)[0])[:2500]
    np.testing.assert_allclose(found.distances_QK[0], expected, rtol=1e-4)


def test_faiss_keeps_its_threads_afterwards() -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        nearest_to_one(make_datastore("Flat")[0], np.zeros(WIDTH, np.float32), 4)
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)
