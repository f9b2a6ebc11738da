"""From a tokens artifact and a model folder to rows, shard by shard."""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.models.model_loading import load_model
from storage.formats.embedding_zarr import EmbeddingReader
from storage.formats.token_shards import write_token_shard
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun
from tasks.stages.build_embeddings import embed_shard, list_shards, summarise
from tests.oracles.embeddings_oracle import slow_rows
from tests.support.artifacts import as_shard, publish
from tests.support.jobs import make_job
from tests.support.tiny_models import tiny_model_folder

WINDOWS: dict[str, JsonValue] = {"length": 32, "stride": 12, "scope": "document"}
LENGTHS = {
    "train-00000": [40, 0, 3, 1],
    "train-00001": [100, 2, 64, 1],
    "valid-00000": [17, 33],
    "test-00000": [9],
}


def documents(shard: str) -> list[list[int]]:
    rng = np.random.default_rng(sum(shard.encode()))
    return [rng.integers(0, 400, n).tolist() for n in LENGTHS[shard]]


def fill_tokens(folder: Path, shard: str) -> None:
    tokens = [token for document in documents(shard) for token in document]
    lengths = np.array(LENGTHS[shard], np.int64)
    ids = [f"{shard}-{i}" for i in range(len(lengths))]
    write_token_shard(as_shard(folder), ids, np.array(tokens, np.uint16), lengths)


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    return tiny_model_folder(tmp_path)


@pytest.fixture
def job(store: Store, model_folder: Path) -> StageJob:
    """The embeddings of a small corpus, in shards of at most 50 positions."""
    tokens = publish(
        store,
        "tokens",
        {name: (lambda folder, name=name: fill_tokens(folder, name), {}) for name in LENGTHS},
    )

    def copy_model(folder: Path) -> None:
        shutil.copytree(model_folder, folder, dirs_exist_ok=True)

    base_model = publish(store, "base_model", {"all": (copy_model, {})})
    return make_job(
        ArtifactRef(stage="embeddings", fingerprint="e" * 32),
        {"embeddings": {"shard_positions": 50}, "windows": WINDOWS},
        {"tokens": tokens, "base_model": base_model},
    )


class Built(NamedTuple):
    """A shard's figures, the fractions it reported on the way, and its files."""

    meta: dict[str, JsonValue]
    fractions: list[float]
    folder: Path


def build(
    store: Store, job: StageJob, shard: str, attempt: str = "a" * 32, memory_gb: float = 1.0
) -> Built:
    """Builds and commits one shard."""
    writer = store.writer(job.ref, shard, attempt)
    fractions: list[float] = []
    run = ShardRun(
        job,
        shard,
        RunSettings(device="cpu", memory_gb=memory_gb),
        store,
        writer,
        lambda fraction, _note: fractions.append(fraction),
    )
    meta = embed_shard(run)
    writer.commit(meta, seconds=1.0, peak_memory_bytes=1)
    return Built(meta, fractions, writer.folder)


@pytest.mark.parametrize("scope", ["document", "stream"])
def test_the_rows_of_all_shards_are_those_of_full_forward_passes(
    store: Store, job: StageJob, model_folder: Path, scope: str
) -> None:
    windows = WINDOWS | {"scope": scope}
    job = job.model_copy(update={"config": job.config | {"windows": windows}})
    names = list_shards(job, store)
    metas = {name: build(store, job, name).meta for name in names}
    model = load_model(model_folder)
    for split, parts in (("train", ["train-00000", "train-00001"]), ("valid", ["valid-00000"])):
        texts = [document for part in parts for document in documents(part)]
        expected = slow_rows(model, texts, 32, 12, scope)
        reader = EmbeddingReader(store.readers(job.ref), split)
        assert reader.next_tokens().tolist() == [row.next_token for row in expected]
        assert reader.docs().tolist() == [row.doc for row in expected]
        assert reader.positions().tolist() == [row.position for row in expected]
        keys_ND = np.stack([row.key_D for row in expected])
        np.testing.assert_allclose(
            reader.keys().astype(np.float32), keys_ND, rtol=2**-10, atol=1e-5
        )
        starts = [(name, start, stop - start) for name, start, stop in reader.shard_rows]
        assert starts == [
            (name, metas[name]["first_row"], metas[name]["rows"])
            for name in names
            if name.startswith(split)
        ]
        figures = summarise(metas)[split]
        assert isinstance(figures, dict)
        assert figures["rows"] == len(expected)


def test_shards_hold_whole_windows_and_at_most_the_positions_asked_for(
    store: Store, job: StageJob
) -> None:
    names = list_shards(job, store)
    # windows of the train split score 31, 8, 2, 31, 12 (5 times), 8, 1, 31, 12, 12, 8
    assert names == [*(f"train-{i:05d}" for i in range(5)), "valid-00000"]
    sizes = [build(store, job, name).meta["rows"] for name in names]
    assert sizes == [41, 43, 48, 40, 32, 48]


def test_a_shard_is_the_same_to_the_byte_when_it_is_built_again(
    store: Store, job: StageJob
) -> None:
    folders = [build(store, job, "train-00001", attempt).folder for attempt in ("a" * 32, "b" * 32)]
    contents = [
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in folders
    ]
    assert contents[0] == contents[1]
    assert contents[0]


def test_progress_ends_at_one(store: Store, job: StageJob) -> None:
    fractions = build(store, job, "train-00000").fractions
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_too_little_memory_for_a_window_is_the_users_to_mend(store: Store, job: StageJob) -> None:
    with pytest.raises(UserError, match="memory_gb"):
        build(store, job, "train-00000", memory_gb=1e-6)
