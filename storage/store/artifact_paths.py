"""Paths of an artifact's data for people and their notebooks: globs that match nothing else."""

import re
from collections import defaultdict
from os.path import commonprefix

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_layout import artifact_key, shard_key
from storage.store.artifact_store import Store
from storage.store.shard_files import split_of


def data_paths(store: Store, ref: ArtifactRef) -> list[str]:
    """One glob for the files of a name in the shards of a split, or the paths themselves.

    A folder, such as a Zarr group, counts as one file. Paths are given one by one where a glob
    would also match what another attempt left.

    Args:
        store: The store; of a local one paths are absolute, of a bucket URLs.
        ref: A sealed artifact.

    Raises:
        MissingArtifact: It does not exist.
    """
    groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in store.require(ref).shards:
        folder = shard_key(ref, entry.attempt, entry.name)
        for file in entry.files:
            name = file.path.partition("/")[0]
            groups[split_of(entry.name), name].add(f"{folder}/{name}")
    there = _data_keys(store, ref)
    place = store.url if store.root.folder is None else str(store.root.folder)
    return [f"{place}/{key}" for found in groups.values() for key in _globbed(found, there)]


def _data_keys(store: Store, ref: ArtifactRef) -> set[str]:
    """Everything in the artifact, a folder within a shard as one."""
    depth = artifact_key(ref).count("/") + 4
    listed = store.root.scan(artifact_key(ref))
    return {"/".join(each.key.split("/")[:depth]) for each in listed}


def _globbed(wanted: set[str], there: set[str]) -> list[str]:
    """One glob for these keys if it matches no other, else the keys."""
    if len(wanted) == 1:
        return [*wanted]
    columns = [set(column) for column in zip(*(key.split("/") for key in wanted), strict=True)]
    glob = "/".join(_common(column) for column in columns)
    pattern = re.compile(re.escape(glob).replace(r"\*", "[^/]*"))
    return [glob] if {key for key in there if pattern.fullmatch(key)} == wanted else sorted(wanted)


def _common(names: set[str]) -> str:
    """What names of one place have in common at their beginning, and a star for the rest."""
    if len(names) == 1:
        return next(iter(names))
    same = commonprefix(sorted(names))  # noqa: RUF071 - of names, not of paths
    return f"{same.rstrip('0123456789')}*"
