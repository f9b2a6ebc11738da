"""Small artifacts for tests, published the way the pipeline does it."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pyarrow.parquet as pq
from pydantic import JsonValue

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ManifestDraft
from storage.objects.store_layout import artifact_key
from storage.store.artifact_store import Store

Fill = Callable[[Path], None]
SOME = ArtifactRef(stage="corpus", fingerprint="0" * 32)


class Shard(NamedTuple):
    """A folder that writers of files take for a shard's."""

    folder: Path
    ref: ArtifactRef


def as_shard(folder: Path, ref: ArtifactRef = SOME) -> Shard:
    """A folder as that of a shard of some artifact."""
    return Shard(folder, ref)


def contents(folder: Path) -> dict[str, object]:
    """What is in a folder's files: tables without the artifact they name, others to the byte."""
    return {
        path.name: pq.read_table(path) if path.suffix == ".parquet" else path.read_bytes()
        for path in folder.iterdir()
    }


def publish(
    store: Store,
    stage: str,
    shards: Mapping[str, tuple[Fill, dict[str, JsonValue]]],
    config: dict[str, JsonValue] | None = None,
    inputs: dict[str, ArtifactRef] | None = None,
    figures: dict[str, JsonValue] | None = None,
) -> ArtifactRef:
    """Builds and seals an artifact.

    Args:
        store: Where.
        stage: Stage of the artifact.
        shards: By name: a function that writes the shard's files into a folder, and its figures.
        config: Identity of the artifact; with the same stage and inputs, the same reference.
        inputs: Artifacts it was made from, by role.
        figures: Its figures; they are no part of its identity.
    """
    config, inputs = config or {}, inputs or {}
    identity = repr(
        (stage, sorted(config.items()), sorted(inputs.items(), key=str), sorted(shards))
    )
    ref = ArtifactRef(stage=stage, fingerprint=sha256(identity.encode()).hexdigest()[:32])
    attempt = uuid4().hex
    for name, (fill, meta) in shards.items():
        writer = store.writer(ref, name, attempt)
        fill(writer.folder)
        writer.commit(meta, seconds=0.5, peak_memory_bytes=1000)
    draft = ManifestDraft(
        format_version=1,
        config=config,
        inputs=inputs,
        shards=list(store.committed(ref).values()),
        figures=figures or {},
        software={},
    )
    store.seal(ref, draft)
    return ref


def remove(store: Store, ref: ArtifactRef) -> None:
    """Deletes an artifact as nothing of the product does: whatever else needs it."""
    store.root.delete_tree(artifact_key(ref))
