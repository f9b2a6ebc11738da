"""Reads every byte of artifacts again and names the files that changed."""

from typing import NamedTuple

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import DamagedArtifact
from storage.objects.store_layout import manifest_key, shard_key
from storage.store.artifact_store import Store


class Damage(NamedTuple):
    """A file whose size or SHA-256 differs, or that is missing; its path within the artifact."""

    ref: ArtifactRef
    file: str


class Verification(NamedTuple):
    """How many files were read (manifests included), and which are damaged."""

    checked: int
    damaged: list[Damage]


def verify(store: Store, ref: ArtifactRef | None = None) -> Verification:
    """Checks one artifact, or all of the store, against the manifests.

    Raises:
        MissingArtifact: The artifact asked for does not exist.
        NewerFormat: A newer memdec wrote a manifest.
    """
    checked = 0
    damaged: list[Damage] = []
    for each in store.artifacts() if ref is None else [ref]:
        checked += 1
        try:
            manifest = store.require(each)
        except DamagedArtifact:
            damaged.append(Damage(each, manifest_key(each).rsplit("/", 1)[-1]))
            continue
        for shard in manifest.shards:
            key = shard_key(each, shard.attempt, shard.name)
            for file in shard.files:
                checked += 1
                if store.root.digest(f"{key}/{file.path}") != (file.size, file.sha256):
                    damaged.append(Damage(each, f"{shard.attempt}/{shard.name}/{file.path}"))
    return Verification(checked, damaged)
