"""Pins: what running runs need, so that nothing of it is collected meanwhile."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import StorageError
from storage.objects.store_layout import PINS
from storage.store.artifact_store import Store
from storage.store.holdings import Holding, beating, is_live, read_holding

_logger = logging.getLogger(__name__)


@contextmanager
def pin(store: Store, refs: Sequence[ArtifactRef]) -> Iterator[None]:
    """Protects artifacts, existing or to be built, for as long as the block runs.

    Pin first and ask what exists afterwards: the collector removes an artifact's manifest, then
    looks for pins, then removes the files. So whoever finds the manifest under a pin keeps it.
    """
    record = Holding(refs=list(refs))
    key = f"{PINS}/{record.id}.json"
    store.root.create_new(key, record.encoded())
    try:
        with beating(store.root, key, record):
            yield
    finally:
        try:
            store.root.delete([key])
        except StorageError as error:
            _logger.warning("could not remove %s, it runs out by itself: %s", key, error)


def live_pins(store: Store, now: Callable[[], float]) -> set[ArtifactRef]:
    """Everything that living runs have pinned."""
    refs: set[ArtifactRef] = set()
    for listed in store.root.scan(PINS):
        if is_live(store.root, listed, now):
            holding = read_holding(store.root, listed.key)
            refs.update(holding.refs if holding else [])
    return refs


def dead_pins(store: Store, now: Callable[[], float]) -> list[str]:
    """Keys of the pins that killed runs left."""
    return [listed.key for listed in store.root.scan(PINS) if not is_live(store.root, listed, now)]
