"""Leases: who works on an artifact. They save double work; correctness never needs them.

A lease is the object `lease/<epoch>.json`, created if absent; the highest epoch counts. A dead
builder's is taken over by creating the next epoch, so of several racers one wins.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.object_root import ObjectRoot, numbered_keys
from storage.objects.store_errors import StorageError, StoreFull
from storage.objects.store_layout import lease_key
from storage.store.holdings import Holding, beating, is_live, read_holding, store_clock

_logger = logging.getLogger(__name__)


def is_leased(root: ObjectRoot, ref: ArtifactRef, now: Callable[[], float]) -> bool:
    """Whether a living process works on the artifact."""
    leases = root.scan(lease_key(ref))
    return bool(leases) and is_live(root, leases[-1], now)


@contextmanager
def lease_to_delete(root: ObjectRoot, ref: ArtifactRef) -> Iterator[bool]:
    """Keeps builders away for the block; yields False while one is at work.

    A full store has no room for a lease, but deleting must go on; nobody can build there anyway.
    """
    holding = Holding()
    try:
        key = try_to_lease(root, ref, holding, store_clock(root))
        full = False
    except StoreFull:
        key, full = None, True
    if key is None:
        yield full
        return
    with held_lease(root, ref, key, holding):
        yield True


def try_to_lease(
    root: ObjectRoot, ref: ArtifactRef, holding: Holding, now: Callable[[], float]
) -> str | None:
    """The key of our new lease, or None while somebody else's is live."""
    leases = root.scan(lease_key(ref))
    if leases and is_live(root, leases[-1], now):
        return None
    key = next(numbered_keys(lease_key(ref), leases))
    return key if root.create(key, holding.encoded()) else None


@contextmanager
def held_lease(root: ObjectRoot, ref: ArtifactRef, key: str, holding: Holding) -> Iterator[None]:
    """Keeps a lease of ours fresh for the block; gives it back, unless it was taken over."""
    try:
        with beating(root, key, holding):
            yield
    finally:
        try:
            if read_holding(root, key) == holding:
                older = [listed.key for listed in root.scan(lease_key(ref)) if listed.key < key]
                root.delete([*older, key])
        except StorageError as error:
            _logger.warning("could not release %s, it runs out by itself: %s", key, error)


def is_held_by(root: ObjectRoot, ref: ArtifactRef, attempt: str) -> bool:
    """Whether the newest lease is this attempt's."""
    holding = _newest_holding(root, ref)
    return holding is not None and holding.id == attempt


def describe_holder(root: ObjectRoot, ref: ArtifactRef) -> str:
    """Who builds an artifact, as a clause for messages."""
    holding = _newest_holding(root, ref)
    if holding is None:
        return "which another run builds"
    return f"which process {holding.pid} on {holding.host.split()[0]} builds"


def _newest_holding(root: ObjectRoot, ref: ArtifactRef) -> Holding | None:
    leases = root.scan(lease_key(ref))
    return read_holding(root, leases[-1].key) if leases else None
