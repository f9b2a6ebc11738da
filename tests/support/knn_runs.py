"""Small datastores, and stages of one shard at a time over them, without an orchestrator."""

from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from storage.formats.embedding_zarr import EmbeddingBlock, write_embeddings
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun
from tests.oracles.knn_oracle import clustered_keys
from tests.support.artifacts import Fill, as_shard, publish
from tests.support.jobs import make_job

VOCABULARY = 50


def make_rows(n_rows: int, width: int, seed: int, document_rows: int) -> EmbeddingBlock:
    """Rows of documents of equal length, each document's first token without a row."""
    keys = clustered_keys(n_rows, width, seed)
    rows = np.arange(n_rows, dtype=np.int64)
    docs = rows // document_rows
    tokens = np.random.default_rng(seed).integers(0, VOCABULARY, n_rows).astype(np.uint32)
    return EmbeddingBlock(keys, tokens, docs, rows + docs + 1)


def publish_embeddings(
    store: Store, train: EmbeddingBlock, valid: EmbeddingBlock, shard_rows: int
) -> ArtifactRef:
    """Publishes an embeddings artifact whose train split has shards of `shard_rows` rows."""
    shards: dict[str, tuple[Fill, dict[str, JsonValue]]] = {}
    for name, block in (("train", train), ("valid", valid)):
        for number, start in enumerate(range(0, len(block.keys_ND), shard_rows)):
            part = EmbeddingBlock(*(array[start : start + shard_rows] for array in block))
            shards[f"{name}-{number:05d}"] = (_fill(part), {})
    return publish(store, "embeddings", shards)


def _fill(block: EmbeddingBlock) -> Fill:
    def write(folder: Path) -> None:
        write_embeddings(as_shard(folder), [block])

    return write


def knn_job(
    stage: str, config: dict[str, JsonValue], inputs: Mapping[str, ArtifactRef], number: int = 1
) -> StageJob:
    """A job whose fingerprint is its number."""
    return make_job(ArtifactRef(stage=stage, fingerprint=f"{number:032x}"), config, inputs)


def build(
    store: Store,
    job: StageJob,
    shard: str,
    work: Callable[[ShardRun], dict[str, JsonValue]],
) -> dict[str, JsonValue]:
    """Builds and commits one shard in this process; returns its figures."""
    writer = store.writer(job.ref, shard, uuid4().hex)
    run = ShardRun(job, shard, RunSettings(), store, writer, lambda _fraction, _note: None)
    meta = work(run)
    writer.commit(meta, seconds=0.1, peak_memory_bytes=1)
    return meta


def true_keys(block: EmbeddingBlock) -> NDArray[np.float32]:
    """Keys as search sees them."""
    return block.keys_ND.astype(np.float32)
