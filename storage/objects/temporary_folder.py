"""Temporary folders that do not outlive their process for long, however that ends.

A process that is killed cannot clear up after itself, so the next one does it: whoever makes a
folder first removes those whose makers are gone. The operating system tells by a lock on a file
beside each folder, which it releases with its holder.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

PREFIX = "memdec-work-"
_LOCK = ".lock"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder for this process alone, removed at the end.

    Raises:
        OSError: It cannot be made.
    """
    place = Path(tempfile.gettempdir())
    _remove_abandoned(place)
    folder = place / f"{PREFIX}{uuid4().hex[:8]}"  # short: sockets may lie in it
    with _locked(folder, seconds=-1):  # nobody knows it but who looks for abandoned ones
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(place: Path) -> None:
    for lock in place.glob(f"{PREFIX}*{_LOCK}"):
        folder = lock.with_suffix("")
        with suppress(Timeout, OSError), _locked(folder, seconds=0):  # in use, or another's
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, seconds: float) -> Iterator[None]:
    """Holds the lock of a folder, waited for so long at most, and leaves no lock file behind."""
    lock = folder.with_suffix(_LOCK)
    with FileLock(lock, timeout=seconds, mode=0o600, thread_local=False):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
