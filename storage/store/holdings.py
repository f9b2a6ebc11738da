"""What living processes hold in a store, leases and pins, and how long they are believed."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import psutil
from pydantic import BaseModel, Field

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import parse_record
from storage.objects.object_root import ObjectRoot, StoredObject
from storage.objects.store_errors import DamagedArtifact, StorageError

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
_SAME_START_SECONDS = 2.0

_logger = logging.getLogger(__name__)


@cache
def _this_host() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    parts = [
        socket.gethostname(),
        boot.read_text().strip() if boot.exists() else "",
        str(namespace.readlink()) if namespace.is_symlink() else "",
    ]
    return " ".join(parts)


class Holding(BaseModel):
    """A record that a process keeps fresh while it works.

    Attributes:
        id: Unique to this record: the attempt's id, the run's id.
        host: Machine, boot and process namespace; the same text means that `pid` can be looked up.
        pid: The process.
        started: When the process started, in seconds by its machine's clock.
        refs: Artifacts the process needs (pins).
    """

    id: str = Field(default_factory=lambda: uuid4().hex)
    host: str = Field(default_factory=_this_host)
    pid: int = Field(default_factory=os.getpid)
    started: float = Field(default_factory=lambda: psutil.Process().create_time())
    refs: list[ArtifactRef] = []

    def encoded(self) -> bytes:
        """The record's bytes in the store."""
        return self.model_dump_json().encode()


def read_holding(root: ObjectRoot, key: str) -> Holding | None:
    """The record at `key`; None if there is none or it cannot be read."""
    data = root.read(key)
    try:
        return None if data is None else parse_record(Holding, data, key)
    except DamagedArtifact:
        return None


def is_live(root: ObjectRoot, listed: StoredObject, now: Callable[[], float]) -> bool:
    """Whether the process behind a record is at work.

    A dead process of this machine is known at once; any other is believed for as long as its
    record is fresh by the store's clock.

    Args:
        root: The store.
        listed: The record's listing.
        now: The store's clock; asked only if needed.
    """
    holding = read_holding(root, listed.key)
    if holding is not None and _is_dead(holding):
        return False
    return now() - listed.modified < STALE_SECONDS


def _is_dead(holding: Holding) -> bool:
    if holding.host != _this_host():
        return False
    try:
        process = psutil.Process(holding.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return abs(process.create_time() - holding.started) > _SAME_START_SECONDS
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def store_clock(root: ObjectRoot) -> Callable[[], float]:
    """The store's clock, read once when first asked and carried on by the local one's pace."""
    offsets: list[float] = []

    def now() -> float:
        if not offsets:
            offsets.append(root.now() - time.monotonic())
        return time.monotonic() + offsets[0]

    return now


@contextmanager
def beating(root: ObjectRoot, key: str, record: Holding) -> Iterator[None]:
    """Keeps a record fresh from a thread, until the block ends or somebody removed the record."""
    stop = threading.Event()
    thread = threading.Thread(
        target=_beat, args=(root, key, record.encoded(), stop), name=f"beat {key}", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _beat(root: ObjectRoot, key: str, data: bytes, stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        try:
            if not root.refresh(key, data):
                return
        except StorageError as error:
            _logger.warning("could not refresh %s: %s", key, error)
