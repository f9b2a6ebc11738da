"""What is sealed in a store, to be compared before and after something happened to a run."""

from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store


def checksums(store: Store) -> dict[str, str]:
    """SHA-256 of every file of every artifact, by stage, fingerprint, shard and path."""
    return {
        f"{ref.stage}/{ref.fingerprint}/{shard.name}/{file.path}": file.sha256
        for ref in store.artifacts()
        if ref.stage != "report"  # tells seconds and memory
        for shard in store.require(ref).shards
        for file in shard.files
    }


def attempts(store: Store) -> dict[ArtifactRef, list[str]]:
    """When every artifact was sealed, and which attempt built each of its shards."""
    found = {}
    for ref in store.artifacts():
        manifest = store.require(ref)
        found[ref] = [manifest.created, *(shard.attempt for shard in manifest.shards)]
    return found
