"""Finds the files that an entry names, and names them without the folders they lie in."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePath

from storage.documents.bucket_objects import BucketObject, is_bucket, list_entry
from storage.documents.document_formats import SUFFIXES, ending_of, format_of
from storage.documents.folder_walk import match, parts_before_magic, readable, walk
from storage.objects.store_errors import SourceError

Found = Path | BucketObject


def find_files(entry: str, place: str) -> dict[Found, int]:
    """Finds the files of a file, folder, glob or bucket entry.

    Args:
        entry: The entry; a folder gives the files of known formats below it, none hidden, and so
            does a prefix in a bucket.
        place: The entry's place in the configuration, for messages.

    Returns:
        Absolute paths or objects, each with the number of last parts that lie within the entry.

    Raises:
        SourceError: There is none, or it or a folder cannot be read.
        StorageError: A bucket does not answer.
    """
    with readable():
        files, problem = _find_objects(entry, place) if is_bucket(entry) else _find(entry)
    if not files:
        raise SourceError(f"{place}: {problem}")
    return files


def _find_objects(entry: str, place: str) -> tuple[dict[Found, int], str]:
    listed = list_entry(entry, place)
    wanted: dict[Found, int] = {
        each: count
        for each, count in listed.objects.items()
        if format_of(each.path) is not None or not listed.is_prefix
    }
    return wanted, f"{entry!r} holds no documents ({', '.join(SUFFIXES)}); name another"


def _find(entry: str) -> tuple[dict[Found, int], str]:
    """What `find_files` returns, and what is wrong if that is nothing."""
    path = _absolute(entry)
    if path.is_file():
        return {path: 1}, ""
    if path.is_dir():
        root, found = path, [file for file in walk(path) if format_of(file) is not None]
        problem = f"folder {entry!r} holds no documents ({', '.join(SUFFIXES)}); name another"
    else:
        root, found = Path(*parts_before_magic(path.parts)), list(match(path))
        problem = (
            f"{entry!r} matches no file (looked from {Path.cwd()}); "
            "correct the path, or run from the folder that it starts in"
        )
    return {file: len(file.relative_to(root).parts) for file in found if file.is_file()}, problem


def passed_over(entry: str) -> Counter[str]:
    """Counts the files of a folder entry that are not read since their names tell no format.

    Returns:
        Numbers of files by the end of their names, such as `.pdf`; empty for other entries.

    Raises:
        SourceError: A folder cannot be read.
        StorageError: A bucket does not answer.
    """
    files: Iterable[PurePath] = ()
    with readable():
        if is_bucket(entry):
            listed = list_entry(entry, entry)
            files = (each.path for each in listed.objects if listed.is_prefix)
        elif (path := _absolute(entry)).is_dir():
            files = walk(path)
        return Counter(ending_of(file) for file in files if format_of(file) is None)


def name_files(found: Iterable[dict[Found, int]]) -> dict[Found, str]:
    """Names each file by the tail of its path, made longer where two files would share a name.

    Args:
        found: What `find_files` returned, for every entry of the corpus.
    """
    parts: dict[Found, int] = {}
    for files in found:
        for path, count in files.items():
            parts[path] = max(count, parts.get(path, 0))
    while True:
        by_name: defaultdict[str, list[Found]] = defaultdict(list)
        for path, count in parts.items():
            by_name["/".join(path.parts[-count:])].append(path)
        clashing = [path for paths in by_name.values() if len(paths) > 1 for path in paths]
        if not clashing:
            return {paths[0]: _printable(name) for name, paths in by_name.items()}
        for path in clashing:
            parts[path] += 1


def _absolute(entry: str) -> Path:
    return Path(os.path.abspath(Path(entry).expanduser()))  # noqa: PTH100 - resolve() follows links


def _printable(name: str) -> str:
    """Makes a name that is not valid UTF-8 on disk fit for Parquet."""
    return name.encode("utf-8", "backslashreplace").decode()
