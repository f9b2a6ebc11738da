"""Every write to a local store: all or nothing, and on disk before it returns."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def create_file(path: Path, data: bytes) -> bool:
    """Creates `path` with all of `data`, unless it exists.

    Returns:
        Whether this call created it; of several racers exactly one gets `True`.
    """
    with _staged(path, data) as staged:
        try:
            os.link(staged, path)
        except FileExistsError:
            return False
        return True


def replace_file(path: Path, data: bytes) -> None:
    """Puts `data` at `path`; a reader sees the old bytes or the new, never a part."""
    with _staged(path, data) as staged:
        staged.replace(path)


@contextmanager
def _staged(path: Path, data: bytes) -> Iterator[Path]:
    """A file beside `path` with the data on disk, for the block to give its name."""
    # obstore's listings skip names that end in # and digits, so leftovers of a crash are never
    # taken for objects
    staged = path.with_name(f"{path.name}#{secrets.randbelow(10**15)}")
    try:
        with _open_new(staged) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield staged
    finally:
        staged.unlink(missing_ok=True)
    sync_folder(path.parent)


def _open_new(path: Path) -> BinaryIO:
    make_folder(path.parent)
    try:
        return path.open("xb")
    except FileNotFoundError:  # the folder was empty, and somebody tidied it away just now
        make_folder(path.parent)
        return path.open("xb")


def make_folder(folder: Path) -> None:
    """Creates `folder` and its parents so that they survive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:  # likewise
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


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
