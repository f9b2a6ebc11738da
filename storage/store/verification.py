"""Reads every byte of artifacts again, names the files that changed and the artifacts missing."""

from typing import NamedTuple

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.objects.store_errors import DamagedArtifact
from storage.objects.store_layout import manifest_key, shard_key
from storage.store.artifact_store import Store
from storage.store.collection_history import collected
from storage.store.references import Reference, all_needed, recorded


class Damage(NamedTuple):
    """A file whose size or SHA-256 differs, or that is missing; its path within the artifact."""

    ref: ArtifactRef
    file: str


class Verification(NamedTuple):
    """What was found.

    Attributes:
        checked: How many files were read, manifests included.
        damaged: Those of them that are not what was written.
        missing: Artifacts that are referred to, that are not there and that nobody collected.
    """

    checked: int
    damaged: list[Damage]
    missing: list[Reference]


def verify(store: Store, ref: ArtifactRef | None = None) -> Verification:
    """Checks one artifact, or all of the store, against the manifests.

    Of the whole store also what is in production, all releases and finished runs are followed to
    all that they were made from. What running runs have pinned may still have to be built.

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
    return Verification(checked, damaged, _missing(store) if ref is None else [])


def _missing(store: Store) -> list[Reference]:
    """What lasts cannot have been collected, even if it once was: it has been built since."""

    def manifest(ref: ArtifactRef) -> Manifest | None:
        try:
            return store.manifest(ref)
        except DamagedArtifact:  # it is there, and its damage was told
            return None

    needed = all_needed(recorded(store), manifest)
    gone = collected(store)
    return [
        each
        for ref, each in sorted(needed.items(), key=str)
        if (each.lasting or ref not in gone) and not store.exists(ref)
    ]
