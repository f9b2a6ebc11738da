"""Finds the files that an entry names, and names them without the folders they lie in."""

import glob
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from storage.objects.store_errors import StorageError

JSONL, PARQUET, TEXT = "jsonl", "parquet", "text"
SUFFIXES = {
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".json": JSONL,
    ".parquet": PARQUET,
    ".txt": TEXT,
    ".text": TEXT,
    ".md": TEXT,
    ".rst": TEXT,
    ".tokens": TEXT,
}
_COMPRESSED = (".gz", ".zst")


class SourceError(StorageError):
    """An entry names nothing that can be read; the message says which and the remedy."""


def format_of(path: Path) -> str | None:
    """The format that a file's name promises, None when it promises none that we read."""
    suffix = path.suffix.lower()
    if suffix not in _COMPRESSED:
        return SUFFIXES.get(suffix)
    inner = SUFFIXES.get(Path(path.stem).suffix.lower())
    return None if inner == PARQUET else inner


def find_files(entry: str, place: str) -> dict[Path, int]:
    """Finds the files of a file, folder or glob entry.

    Args:
        entry: The entry; a folder gives the files of known formats below it, none hidden.
        place: The entry's place in the configuration, for messages.

    Returns:
        Absolute paths, each with the number of its last parts that lie within the entry.

    Raises:
        SourceError: There is none.
    """
    path = Path(os.path.abspath(Path(entry).expanduser()))  # noqa: PTH100 - resolve() follows links
    if path.is_file():
        return {path: 1}
    if path.is_dir():
        root, found = path, [file for file in path.rglob("*") if _is_wanted(file, path)]
        problem = f"folder {entry!r} holds no documents ({', '.join(SUFFIXES)}); name another"
    else:
        root, found = _before_magic(path), [Path(match) for match in _glob(path)]
        problem = (
            f"{entry!r} matches no file (looked from {Path.cwd()}); "
            "correct the path, or run from the folder that it starts in"
        )
    files = {file: len(file.relative_to(root).parts) for file in found if file.is_file()}
    if not files:
        raise SourceError(f"{place}: {problem}")
    return files


def name_files(found: Iterable[dict[Path, int]]) -> dict[Path, str]:
    """Names each file by the tail of its path, made longer where two files would share a name.

    Args:
        found: What `find_files` returned, for every entry of the corpus.
    """
    parts: dict[Path, int] = {}
    for files in found:
        for path, count in files.items():
            parts[path] = max(count, parts.get(path, 0))
    while True:
        by_name: defaultdict[str, list[Path]] = defaultdict(list)
        for path, count in parts.items():
            by_name["/".join(path.parts[-count:])].append(path)
        clashing = [path for paths in by_name.values() if len(paths) > 1 for path in paths]
        if not clashing:
            return {paths[0]: _printable(name) for name, paths in by_name.items()}
        for path in clashing:
            parts[path] += 1


def _is_wanted(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and format_of(file) is not None


def _glob(path: Path) -> list[str]:
    return glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob wants a relative pattern


def _before_magic(path: Path) -> Path:
    parts = path.parts[:-1]
    magic = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:magic])


def _printable(name: str) -> str:
    """Makes a name that is not valid UTF-8 on disk fit for Parquet."""
    return name.encode("utf-8", "backslashreplace").decode()
