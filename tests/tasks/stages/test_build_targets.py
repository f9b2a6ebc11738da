import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import JsonValue

from memdec_core.errors import UserError
from storage.formats.embedding_zarr import EmbeddingBlock
from storage.formats.target_parquet import TargetReader
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.stage_job import StageJob
from tasks.stages import build_targets
from tasks.stages.build_index import index_shard
from tasks.stages.build_targets import list_shards, summarise, target_shard
from tests.oracles.knn_oracle import Allowed, brute_neighbours, dictionary_distribution, everything
from tests.support.knn_runs import build, knn_job, make_rows, publish_embeddings

TRAIN = make_rows(1000, 16, seed=5, document_rows=70)
VALID = make_rows(120, 16, seed=6, document_rows=40)
SHARDS = ["train-00000", "train-00001", "train-00002", "valid-00000"]
K = 24


@pytest.fixture
def embeddings(store: Store) -> ArtifactRef:
    return publish_embeddings(store, TRAIN, VALID, shard_rows=400)


def _job(
    store: Store, embeddings: ArtifactRef, index: dict[str, JsonValue], **targets: JsonValue
) -> StageJob:
    inputs = {"embeddings": embeddings}
    index_job = knn_job("index", {"index": {"recall_k": 40, **index}}, inputs)
    build(store, index_job, "all", index_shard)
    settings: dict[str, JsonValue] = {"k": K, "gate_sample": 50, **targets}
    return knn_job("targets", {"targets": settings}, inputs | {"index": index_job.ref})


def _build_all(store: Store, job: StageJob) -> dict[str, dict[str, JsonValue]]:
    return {name: build(store, job, name, target_shard) for name in list_shards(job, store)}


def _allowed(exclude: str) -> Allowed:
    docs, positions = TRAIN.doc_N, TRAIN.position_N
    if exclude == "document":
        return lambda query, row: bool(docs[query] != docs[row])
    if exclude == "neighbourhood":
        return lambda query, row: bool(
            docs[query] != docs[row] or abs(positions[query] - positions[row]) > 3
        )
    return lambda query, row: query != row


def _assert_targets(
    store: Store, job: StageJob, split: str, queries: EmbeddingBlock, allowed: Allowed
) -> None:
    """Compares every stored row with p_kNN from brute force, up to half precision."""
    reader = TargetReader(store.readers(job.ref), split)
    got = reader.read(0, reader.n_rows)
    lists = brute_neighbours(queries.keys_ND, TRAIN.keys_ND, K, allowed)
    assert reader.n_rows == len(lists)
    assert got.next_token_R.tolist() == queries.next_token_N.tolist()
    for row, neighbours in enumerate(lists):
        # rows at the k-th distance tie, among duplicates: any of them is right
        entries = slice(*got.offsets_R1[row : row + 2])
        stored = dict(
            zip(got.token_ids_E[entries].tolist(), got.probs_E[entries].tolist(), strict=True)
        )
        exact = dictionary_distribution(neighbours, TRAIN.next_token_N.tolist(), 16.0)
        outcomes = stored.keys() | exact.keys()
        off = sum(abs(stored.get(token, 0) - exact.get(token, 0)) for token in outcomes) / 2
        assert off < 0.01
        assert sum(stored.values()) + float(got.tail_mass_R[row]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("exclude", ["self", "document", "neighbourhood"])
@pytest.mark.parametrize("kind", ["auto", "IVF12,SQfp16"])
def test_targets_equal_brute_force_in_every_way_to_exclude(
    store: Store, embeddings: ArtifactRef, exclude: str, kind: str
) -> None:
    index: dict[str, JsonValue] = {"kind": kind, "nprobe": 12}
    job = _job(store, embeddings, index, exclude=exclude, neighbourhood=3)
    metas = _build_all(store, job)
    assert sorted(metas) == SHARDS
    _assert_targets(store, job, "train", TRAIN, _allowed(exclude))
    _assert_targets(store, job, "valid", VALID, everything)


def test_figures_say_how_far_the_targets_are_from_exact(
    store: Store, embeddings: ArtifactRef
) -> None:
    job = _job(store, embeddings, {"kind": "IVF12,SQ8"})
    figures = summarise(_build_all(store, job))
    assert figures["train_rows"] == 1000
    assert figures["valid_rows"] == 120
    assert figures["train_sample"] == 150
    assert figures["train_short_rows"] == 0
    for key in ("train_kl", "train_total_variation", "valid_kl", "valid_total_variation"):
        value = figures[key]
        assert isinstance(value, float)
        assert 0 <= value < 0.01


def test_targets_too_far_from_exact_are_refused(store: Store, embeddings: ArtifactRef) -> None:
    coarse: dict[str, JsonValue] = {"kind": "IVF64,SQfp16", "nprobe": 1, "min_recall": 0.01}
    job = _job(store, embeddings, coarse)
    with pytest.raises(UserError, match=r"config\.targets\.max_total_variation.*train-00000"):
        build(store, job, "train-00000", target_shard)


def test_k_beyond_the_datastore_is_refused_before_any_shard(
    store: Store, embeddings: ArtifactRef
) -> None:
    job = knn_job("targets", {"targets": {"k": 1000}}, {"embeddings": embeddings})
    with pytest.raises(UserError, match=r"config\.targets\.k: 1000 .* 1000 rows; set it to 999"):
        list_shards(job, store)


def test_excluding_the_only_document_is_refused(store: Store) -> None:
    one = make_rows(100, 16, seed=7, document_rows=100)
    job = _job(store, publish_embeddings(store, one, VALID, 60), {}, exclude="document")
    with pytest.raises(UserError, match=r"config\.targets\.exclude"):
        build(store, job, "train-00000", target_shard)


def test_documents_that_span_shards_are_excluded_whole(
    store: Store, embeddings: ArtifactRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_targets, "DOC_BLOCK", 7)
    job = _job(store, embeddings, {}, exclude="document")
    _build_all(store, job)
    _assert_targets(store, job, "train", TRAIN, _allowed("document"))


def test_the_same_shard_gives_the_same_rows(store: Store, embeddings: ArtifactRef) -> None:
    first = _job(store, embeddings, {"kind": "IVF12,SQ8"})
    again = first.model_copy(update={"ref": ArtifactRef(stage="targets", fingerprint="f" * 32)})
    written = []
    for job in (first, again):
        build(store, job, "train-00001", target_shard)
        reader = store.readers(job.ref)["train-00001"]
        written.append(pq.read_table(reader.local_path("rows.parquet")))
        assert reader.names() == ["rows.parquet"]
    assert written[0].equals(written[1])
    assert len(np.unique(TRAIN.next_token_N)) > 1
