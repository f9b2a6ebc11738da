"""Publishes a folder all at once: whoever looks at its name sees the old content or the new."""

import ctypes
import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.objects.fingerprint import digest_file
from storage.objects.local_files import make_folder, sync_folder, sync_tree
from storage.objects.store_errors import StorageError

CONTENTS = "files"
"""Key of the record under which the files are listed."""

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux
_CANNOT_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}


class FolderNotOurs(StorageError):
    """A folder holds what this would overwrite, and what was not published here."""


@contextmanager
def published_folder(destination: Path, record: str) -> Iterator[Path]:
    """Gives a new folder to fill, which takes the name `destination` once it is complete.

    It is filled beside `destination`, so that both lie in one file system. A crash leaves it there
    under a name of its own; an error removes it.

    Args:
        destination: Missing, empty, or what an earlier call published and nobody has changed.
        record: Name of a JSON file that the caller writes, an object; the files are listed in it
            under `files`: size in bytes and SHA-256 by path.

    Raises:
        FolderNotOurs: `destination` holds anything else.
        StorageError: It cannot be written.
    """
    destination = destination.expanduser().resolve()
    check_destination(destination, record)
    filled = destination.with_name(f"{destination.name}.unfinished-{secrets.token_hex(4)}")
    try:
        make_folder(filled)
    except OSError as error:
        raise StorageError(
            f"{destination}: cannot be made ({error.strerror}); choose a folder that you may write"
        ) from error
    try:
        yield filled
        _list_files(filled, record)
        sync_tree(filled)
        check_destination(destination, record)  # it took a while
        replaced = _publish(filled, destination)
        sync_folder(destination.parent)
    except BaseException:
        shutil.rmtree(filled, ignore_errors=True)
        raise
    if replaced is not None:
        shutil.rmtree(replaced)


def check_destination(destination: Path, record: str) -> None:
    """Refuses a folder with anything in it that publishing would lose.

    Raises:
        FolderNotOurs: It holds a file that was not published here, or that was changed since.
    """
    if not destination.exists():
        return
    if not destination.is_dir():
        raise FolderNotOurs(f"{destination}: a file is there; give another folder")
    found = {_name(path, destination): path for path in sorted(destination.rglob("*"))}
    if not found:
        return
    try:
        listed = json.loads((destination / record).read_text(encoding="utf-8"))[CONTENTS]
        foreign = [name for name, path in found.items() if not _is_listed(name, path, listed)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise FolderNotOurs(
            f"{destination}: the folder is not empty, and what is there was not exported; give a "
            "new or an empty folder"
        ) from None
    if foreign := [name for name in foreign if name != record]:
        raise FolderNotOurs(
            f"{destination}: {foreign[0]} is not as it was exported, and a new export would lose "
            "it; move it away, or give another folder"
        )


def _is_listed(name: str, path: Path, listed: dict[str, dict[str, object]]) -> bool:
    """Whether a file is the one that was published; large ones are known by their size."""
    if path.is_dir() and not path.is_symlink():
        return any(other.startswith(f"{name}/") for other in listed)
    entry = listed.get(name)
    if entry is None or entry["bytes"] != path.stat().st_size:
        return False
    return name.endswith(".safetensors") or entry["sha256"] == digest_file(path)


def _list_files(folder: Path, record: str) -> None:
    """Completes the record with the files beside it."""
    path = folder / record
    said = json.loads(path.read_text(encoding="utf-8"))
    said[CONTENTS] = {
        _name(file, folder): {"bytes": file.stat().st_size, "sha256": digest_file(file)}
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != path
    }
    path.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _publish(filled: Path, destination: Path) -> Path | None:
    """Gives the new folder its name; returns where the old content is now, if there was any."""
    if not destination.exists() or not any(destination.iterdir()):
        filled.rename(destination)  # in the place of an empty folder too, at once
        return None
    if _exchange(filled, destination):
        return filled
    old = destination.with_name(f"{destination.name}.replaced-{secrets.token_hex(4)}")
    destination.rename(old)
    try:
        filled.rename(destination)
    except OSError:
        with suppress(OSError):
            old.rename(destination)
        raise
    return old


def _exchange(one: Path, other: Path) -> bool:
    """Swaps two names at once; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    if (code := ctypes.get_errno()) in _CANNOT_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(other))
