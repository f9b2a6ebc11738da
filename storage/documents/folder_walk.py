"""Finds files below folders: links are followed, each folder is entered, and but once."""

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from storage.objects.store_errors import SourceError


@contextmanager
def readable() -> Iterator[None]:
    """Lets nothing be passed over that the operating system does not let us read.

    Raises:
        SourceError: Instead of an `OSError`; it names the place.
    """
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"{error.filename}: cannot be read ({error.strerror}), and a corpus without the "
            "documents there would be another one; make it readable, or name the folders beside it"
        ) from error


def walk(folder: Path) -> Iterator[Path]:
    """Yields every file below a folder that is not hidden, nor in a hidden folder.

    Linked folders come last, and only those that are not below the folder anyway; so a link adds
    documents and never renames any, and one that leads back to where it is ends there.

    Raises:
        OSError: A folder cannot be read.
    """
    seen: set[tuple[int, int]] = set()
    starts = [folder]
    for start in starts:  # grows
        for root, folders, files in os.walk(start, onerror=_raise):
            status = Path(root).stat()
            if (place := (status.st_dev, status.st_ino)) in seen:
                folders.clear()
                continue
            seen.add(place)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            starts += [path for path in (Path(root, name) for name in folders) if path.is_symlink()]
            yield from (Path(root, name) for name in sorted(files) if not name.startswith("."))


def match(pattern: Path) -> Iterator[Path]:
    """Yields what a pattern matches; links are followed.

    Raises:
        OSError: A folder that the pattern leads through cannot be read, which `glob` passes over.
    """
    parts = pattern.parts
    for end in range(len(parts_before_magic(parts)), len(parts)):
        for folder in _glob(parts[:end]):
            if folder.is_dir():
                os.scandir(folder).close()
    yield from _glob(parts)


def parts_before_magic(parts: Sequence[str]) -> Sequence[str]:
    """The parts of a pattern's path that name one folder."""
    whole = parts[:-1]
    return whole[: next((i for i, part in enumerate(whole) if glob.has_magic(part)), len(whole))]


def _glob(parts: Sequence[str]) -> Iterator[Path]:
    return map(Path, glob.iglob(os.path.join(*parts), recursive=True))  # noqa: PTH118, PTH207


def _raise(error: OSError) -> None:
    raise error
