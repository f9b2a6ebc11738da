"""What builders left in an artifact's folder that no record of it names."""

from collections import defaultdict
from collections.abc import Iterable

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ShardEntry
from storage.objects.object_root import ObjectRoot, StoredObject
from storage.objects.store_layout import artifact_key, manifest_key, shard_key


def named_keys(ref: ArtifactRef, entries: Iterable[ShardEntry]) -> set[str]:
    """Keys of an artifact's manifest and of the files of these shards."""
    files = {
        f"{shard_key(ref, entry.attempt, entry.name)}/{file.path}"
        for entry in entries
        for file in entry.files
    }
    return files | {manifest_key(ref)}


def unnamed(
    ref: ArtifactRef, objects: Iterable[StoredObject], named: set[str]
) -> dict[str, list[StoredObject]]:
    """The objects of an artifact by shard folder or record, without those that have a named one."""
    groups: dict[str, list[StoredObject]] = defaultdict(list)
    depth = artifact_key(ref).count("/") + 3
    for listed in objects:
        groups["/".join(listed.key.split("/")[:depth])].append(listed)
    return {
        key: group
        for key, group in groups.items()
        if not any(listed.key in named for listed in group)
    }


def delete_group(root: ObjectRoot, key: str, group: list[StoredObject]) -> None:
    """Deletes what `unnamed` found under a key."""
    if [listed.key for listed in group] == [key]:
        root.delete([key])
    else:
        root.delete_tree(key)
