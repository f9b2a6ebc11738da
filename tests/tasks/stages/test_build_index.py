import faiss
import numpy as np
import pytest
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.search.excluded_rows import excluded_self
from memdec_core.search.neighbour_search import search_neighbours
from memdec_core.search.tile_search import Queries
from storage.formats.embedding_zarr import EmbeddingReader
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.inputs.open_datastore import open_datastore
from tasks.jobs.stage_job import StageJob
from tasks.stages import build_index
from tasks.stages.build_index import index_shard
from tests.oracles.knn_oracle import brute_neighbours
from tests.support.knn_runs import build, knn_job, make_rows, publish_embeddings, true_keys

TRAIN = make_rows(1200, 16, seed=1, document_rows=100)


@pytest.fixture
def embeddings(store: Store) -> ArtifactRef:
    return publish_embeddings(store, TRAIN, make_rows(90, 16, 2, 30), shard_rows=500)


def _job(embeddings: ArtifactRef, **config: JsonValue) -> StageJob:
    settings: dict[str, JsonValue] = {"recall_k": 50, "recall_sample": 64, **config}
    return knn_job("index", {"index": settings}, {"embeddings": embeddings})


def _check_search(store: Store, job: StageJob) -> None:
    readers = store.readers(job.inputs["embeddings"])
    datastore = open_datastore(store.readers(job.ref)["all"], EmbeddingReader(readers, "train"))
    rows = np.arange(0, 1200, 57)
    queries = true_keys(TRAIN)[rows]
    found = search_neighbours(datastore, Queries(queries, excluded_self(rows)), 20)
    exact = brute_neighbours(queries, TRAIN.keys_ND, 20, lambda q, row: row != rows[q])
    distances = np.array([[distance for distance, _ in each] for each in exact])
    near = found.distances_QK <= distances[:, -1:] * (1 + 1e-5) + 1e-6
    assert near.mean() > 0.9
    assert not (found.ids_QK == rows[:, None]).any()
    wide = np.float64(queries)[:, None] - np.float64(TRAIN.keys_ND)[found.ids_QK]
    np.testing.assert_allclose(found.distances_QK, (wide**2).sum(axis=2), rtol=1e-5, atol=1e-5)


def test_a_small_datastore_is_indexed_flat(store: Store, embeddings: ArtifactRef) -> None:
    job = _job(embeddings)
    meta = build(store, job, "all", index_shard)
    assert meta["kind"] == "Flat"
    assert meta["recall"] == 1
    assert store.readers(job.ref)["all"].names() == ["index.faiss"]
    _check_search(store, job)


def test_beyond_the_exact_limit_inverted_lists_hold_the_keys_themselves(
    store: Store, embeddings: ArtifactRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_index, "PART_SHARE", 0.0)  # a part per block of keys
    monkeypatch.setattr(build_index, "KEY_BLOCK", 500)
    job = _job(embeddings, exact_limit=1000)
    meta = build(store, job, "all", index_shard)
    assert meta["kind"] == "IVF139,SQfp16"
    assert isinstance(meta["recall"], float)
    assert meta["recall"] >= 0.95
    assert meta["exact_distances"] is True
    assert store.readers(job.ref)["all"].names() == ["index.faiss", "recall.png"]
    opened = faiss.read_index(str(store.readers(job.ref)["all"].local_path("index.faiss")))
    assert opened.ntotal == 1200
    assert opened.nprobe == meta["nprobe"]
    _check_search(store, job)


def test_an_index_that_rounds_keeps_the_true_keys_beside_it(
    store: Store, embeddings: ArtifactRef
) -> None:
    job = _job(embeddings, kind="IVF8,SQ8")
    meta = build(store, job, "all", index_shard)
    assert meta["exact_distances"] is False
    assert store.readers(job.ref)["all"].names() == ["index.faiss", "keys.npy", "recall.png"]
    _check_search(store, job)


def test_the_same_job_gives_the_same_bytes(store: Store, embeddings: ArtifactRef) -> None:
    contents = []
    for number in (1, 2):
        settings: dict[str, JsonValue] = {"recall_k": 50, "kind": "IVF8,SQfp16"}
        job = knn_job("index", {"index": settings}, {"embeddings": embeddings}, number)
        build(store, job, "all", index_shard)
        contents.append(store.readers(job.ref)["all"].read("index.faiss"))
    assert contents[0] == contents[1]


def test_an_index_below_the_least_recall_is_refused(store: Store, embeddings: ArtifactRef) -> None:
    job = _job(embeddings, kind="IVF64,SQfp16", nprobe=1, min_recall=0.99, recall_k=5)
    with pytest.raises(UserError, match=r"config\.index\.min_recall.*config\.index\.nprobe"):
        build(store, job, "all", index_shard)
    assert not store.committed(job.ref)


def test_a_datastore_of_one_row_is_refused(store: Store) -> None:
    one = make_rows(1, 16, 3, 1)
    job = _job(publish_embeddings(store, one, one, 10))
    with pytest.raises(UserError, match=r"1 positions.*add documents"):
        build(store, job, "all", index_shard)
