"""Datastores of any size hold real keys first and search like those the pipeline builds."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from memdec_core.search.excluded_rows import excluded_nothing
from memdec_core.search.index_config import IndexConfig
from memdec_core.search.neighbour_index import inverted_lists
from memdec_core.search.neighbour_search import search_neighbours
from memdec_core.search.sized_datastore import build_datastore, resize_keys, stored_bytes
from memdec_core.search.tile_search import Queries
from tests.oracles.knn_oracle import all_distances, clustered_keys

KEYS = clustered_keys(500, 16, seed=1)


@pytest.mark.parametrize("n_rows", [1, 499, 500])
def test_smaller_datastores_are_the_first_rows(n_rows: int) -> None:
    np.testing.assert_array_equal(resize_keys(KEYS, n_rows, seed=0), KEYS[:n_rows])


def test_larger_ones_are_filled_with_copies_near_their_originals_and_none_the_same() -> None:
    grown = resize_keys(KEYS, 40_000, seed=0)
    assert grown.dtype == np.float16
    np.testing.assert_array_equal(grown[:500], KEYS)
    moved = (grown[500:].astype(np.float64) - np.resize(KEYS, (39_500, 16))).std(axis=0)
    np.testing.assert_allclose(moved, 0.1 * KEYS.astype(np.float64).std(axis=0), rtol=0.05)
    assert len(np.unique(grown[500:], axis=0)) == 39_500
    np.testing.assert_array_equal(grown, resize_keys(KEYS, 40_000, seed=0))
    assert (grown[500:] != resize_keys(KEYS, 40_000, seed=1)[500:]).any()


@pytest.mark.parametrize("kind", ["auto", "IVF20,SQfp16", "IVF20,SQ8"])
def test_a_datastore_finds_the_nearest_keys(kind: str) -> None:
    keys = resize_keys(KEYS, 3000, seed=0)
    datastore = build_datastore(keys, IndexConfig(kind=kind, recall_k=50, min_recall=0.99))
    assert datastore.n_rows == 3000
    queries = clustered_keys(40, 16, seed=2).astype(np.float32)
    found = search_neighbours(datastore, Queries(queries, excluded_nothing(40)), 50)
    nearest = np.sort(all_distances(queries, keys), axis=1)[:, :50]
    assert (found.distances_QK <= nearest[:, -1:] * 1.001).mean() > 0.97


def test_size_decides_the_kind_and_the_recall_how_many_lists_are_probed() -> None:
    config = IndexConfig(exact_limit=1000, recall_k=20, min_recall=0.99)
    assert isinstance(build_datastore(KEYS, config).index, faiss.IndexFlat)
    scattered = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float16)
    probed = []
    for least in (0.1, 0.99):
        wanted = config.model_copy(update={"min_recall": least})
        lists = inverted_lists(build_datastore(scattered, wanted).index)
        assert lists is not None
        assert lists.nlist == round(4 * 3000**0.5)
        probed.append(lists.nprobe)
    assert probed[0] < probed[1]


@pytest.mark.parametrize(("kind", "beside"), [("Flat", 0), ("IVF5,SQ8", 500 * 16 * 2)])
def test_stored_bytes_are_those_of_the_files(tmp_path: Path, kind: str, beside: int) -> None:
    datastore = build_datastore(KEYS, IndexConfig(kind=kind, recall_k=50, min_recall=0.5))
    faiss.write_index(datastore.index, str(tmp_path / "index"))
    assert stored_bytes(datastore) == (tmp_path / "index").stat().st_size + beside
