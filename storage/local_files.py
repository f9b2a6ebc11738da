"""Every write to a local store: all or nothing, and on disk before it returns."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

_ATTEMPTS = 5


def create_file(path: Path, data: bytes) -> bool:
    """Creates `path` with all of `data`, unless it exists.

    Returns:
        Whether this call created it; of several racers exactly one gets `True`.
    """

    def link(staged: Path) -> bool:
        try:
            os.link(staged, path)
        except FileExistsError:
            return False
        return True

    return _write(path, data, link)


def replace_file(path: Path, data: bytes) -> None:
    """Puts `data` at `path`; a reader sees the old bytes or the new, never a part."""

    def move(staged: Path) -> bool:
        staged.replace(path)
        return True

    _write(path, data, move)


def _write(path: Path, data: bytes, publish: Callable[[Path], bool]) -> bool:
    for attempt in range(_ATTEMPTS):
        make_folder(path.parent)
        # obstore's listings skip names that end in # and digits, so leftovers of a crash are
        # never taken for objects
        staged = path.with_name(f"{path.name}#{secrets.randbelow(10**15)}")
        try:
            with staged.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            published = publish(staged)
        except FileNotFoundError:
            # somebody collected the empty folder between making and using it
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        finally:
            staged.unlink(missing_ok=True)
        sync_folder(path.parent)
        return published
    raise AssertionError("the loop returns or raises")


def make_folder(folder: Path) -> None:
    """Creates `folder` and its parents so that they survive a power cut."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for made in reversed(missing):
        made.mkdir(exist_ok=True)
        sync_folder(made.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Makes every file and name below `folder` durable, deepest first."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            sync_folder(Path(parent, name))
        sync_folder(Path(parent))
