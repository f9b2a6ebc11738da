"""Deletes what no history, no running run and no unfinished build needs any more."""

from collections.abc import Callable, Container, Iterable, Iterator
from typing import NamedTuple

from storage.looks.corpus_looks import orphaned_tables
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.object_root import StoredObject
from storage.objects.store_errors import StoreFull
from storage.objects.store_layout import (
    CLOCK,
    TRASH,
    artifact_key,
    commits_key,
    manifest_key,
    scratch_key,
)
from storage.store.artifact_store import Store
from storage.store.collection_history import collected, record_collection
from storage.store.holdings import store_clock
from storage.store.leases import is_leased, lease_to_delete
from storage.store.leftovers import delete_group, named_keys, unnamed
from storage.store.pins import dead_pins
from storage.store.references import all_needed, pinned, recorded

GRACE_SECONDS = 300.0
UNFINISHED_SECONDS = 86_400.0
RELEASES = 3
"""How many releases beside the one in production stay by default."""

Clock = Callable[[], float]


class Garbage(NamedTuple):
    """What was deleted, or would be.

    Attributes:
        artifacts: Whole artifacts, finished or not.
        leftovers: Keys of what dead builders left beside artifacts that stay, and of dead records.
        bytes: Size of all that.
    """

    artifacts: list[ArtifactRef]
    leftovers: list[str]
    bytes: int


def collect_garbage(
    store: Store,
    keep: int,
    releases: int = RELEASES,
    *,
    dry_run: bool = False,
    grace_seconds: float = GRACE_SECONDS,
) -> Garbage:
    """Frees space.

    What stays: everything the last `keep` runs of any pipeline ended with, what is in production
    and the releases that can be brought back, with all they were made from; what a living run has
    pinned; what is being built; the finished shards and checkpoints of an interrupted build for a
    day; anything written in the last minutes.

    Args:
        store: The store.
        keep: Runs of each pipeline's history to protect.
        releases: Releases of each pipeline to protect, beside the one in production.
        dry_run: Only say what would go.
        grace_seconds: Age from which files that no record names are taken for dead.

    Raises:
        DamagedArtifact: A record of something protected cannot be read, so that nobody knows what
            else it protects; rebuild it first.
    """
    now = store_clock(store.root)
    garbage = Garbage([], [], 0)

    def protected() -> Container[ArtifactRef]:
        """Pins before history: a run records itself before it gives up its pin."""
        running = list(pinned(store, now))
        return all_needed([*running, *recorded(store, keep, releases)], store.manifest)

    stays = protected()
    doomed: dict[ArtifactRef, list[StoredObject]] = {}
    for ref, objects in _idle(store, now):
        if ref not in stays and _is_over(ref, objects, now):
            doomed[ref] = objects
            continue
        leftovers = _leftovers(store, ref, objects, now() - grace_seconds)
        garbage = _collect(store, garbage, leftovers, dry_run=dry_run)
    noted = dry_run or _note(store, doomed, stays)
    for ref, objects in doomed.items():
        if dry_run or _delete_artifact(store, ref, protected):
            garbage.artifacts.append(ref)
            garbage = _count(garbage, objects)
    if not noted:  # there is room now
        _note(store, doomed, stays)
    return _collect_strays(store, garbage, now, dry_run=dry_run, grace_seconds=grace_seconds)


def _idle(store: Store, now: Clock) -> Iterator[tuple[ArtifactRef, list[StoredObject]]]:
    """Everything of each artifact that nobody works on."""
    for ref in store.known():
        objects = store.root.scan(artifact_key(ref))
        if objects and not is_leased(store.root, ref, now):
            yield ref, objects


def _collect(
    store: Store, garbage: Garbage, found: dict[str, list[StoredObject]], *, dry_run: bool
) -> Garbage:
    for key, group in found.items():
        if not dry_run:
            delete_group(store.root, key, group)
        garbage.leftovers.append(key)
        garbage = _count(garbage, group)
    return garbage


def _count(garbage: Garbage, objects: Iterable[StoredObject]) -> Garbage:
    freed = sum(listed.size for listed in objects)
    return garbage._replace(bytes=garbage.bytes + freed)


def _note(store: Store, doomed: Iterable[ArtifactRef], stays: Container[ArtifactRef]) -> bool:
    """Records what goes, and what is gone of old runs and releases; False if there is no room."""
    known = collected(store)
    goes = {*doomed, *(each.ref for each in recorded(store) if each.ref not in stays)}
    if new := sorted(goes - known.keys(), key=str):
        try:
            record_collection(store, new)
        except StoreFull:
            return False
    return True


def _is_over(ref: ArtifactRef, objects: list[StoredObject], now: Clock) -> bool:
    """Whether nobody will go on with it: it is finished, or was given up long ago."""
    if any(listed.key == manifest_key(ref) for listed in objects):
        return True
    return max(listed.modified for listed in objects) < now() - UNFINISHED_SECONDS


def _delete_artifact(
    store: Store, ref: ArtifactRef, protected: Callable[[], Container[ArtifactRef]]
) -> bool:
    """Deletes an artifact unless a run has come to need it; manifest first, then data."""
    root = store.root
    with lease_to_delete(root, ref) as ours:
        if not ours:
            return False
        root.delete_tree(commits_key(ref))
        manifest = root.read(manifest_key(ref))
        root.delete([manifest_key(ref)])
        # a run that pins from now on finds no manifest; one that pinned before is seen here
        if ref in protected():
            if manifest is not None:
                root.create(manifest_key(ref), manifest)  # unless it was sealed anew meanwhile
            return False
        store.delete_files(ref)
        return True


def _leftovers(
    store: Store, ref: ArtifactRef, objects: list[StoredObject], oldest: float
) -> dict[str, list[StoredObject]]:
    """Objects that no record names, by shard folder or record, last written before `oldest`.

    What a manifest has just replaced may still be read.
    """
    manifest = next((listed for listed in objects if listed.key == manifest_key(ref)), None)
    if manifest is not None and manifest.modified > oldest:
        return {}
    named = named_keys(ref, store.committed(ref).values())
    kept_folders = () if manifest else (f"{commits_key(ref)}/", f"{scratch_key(ref)}/")
    return {
        key: group
        for key, group in unnamed(ref, objects, named).items()
        if not key.startswith(kept_folders) and max(listed.modified for listed in group) <= oldest
    }


def _collect_strays(
    store: Store, garbage: Garbage, now: Clock, *, dry_run: bool, grace_seconds: float
) -> Garbage:
    """Records of dead runs, tables of looks that were never recorded, half a deletion."""
    oldest = now() - grace_seconds
    records = [listed.key for listed in store.root.scan(CLOCK) if listed.modified <= oldest]
    records += dead_pins(store, now)
    tables = orphaned_tables(store, oldest)
    records += [listed.key for listed in tables]
    trash = [f"{TRASH}/{name}" for name in store.root.folders(TRASH)]
    garbage = _count(garbage, [*tables, *store.root.scan(TRASH)])
    garbage.leftovers.extend([*records, *trash])
    if not dry_run:
        store.root.delete(records)
        for folder in trash:
            store.root.delete_tree(folder)
    return garbage
