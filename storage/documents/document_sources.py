"""Resolves the entries of a corpus configuration into sources: files, objects, data sets, packages.

A source's name is what the artifact knows of it: it holds no path outside the entry, so that the
same documents in another folder make the same corpus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.documents.bucket_objects import BucketObject
from storage.documents.document_files import Found, find_files, name_files
from storage.documents.document_formats import format_of
from storage.documents.package_modules import find_package
from storage.objects.store_errors import SourceError

_DATASETS = "datasets:"
_DOCSTRINGS = "docstrings:"


@dataclass(frozen=True)
class FileSource:
    """One file; its name is relative to the entry's folder, the bare file name for a file."""

    name: str
    path: Path

    @property
    def format(self) -> str | None:
        """`jsonl`, `parquet` or `text`, by the file's name; None when that tells nothing."""
        return format_of(self.path)


@dataclass(frozen=True)
class BucketSource:
    """One object of a bucket; named as a file is, relative to the entry's prefix."""

    name: str
    found: BucketObject


@dataclass(frozen=True)
class PackageSource:
    """The documentation text of an installed package, or of the standard library."""

    name: str
    package: str


@dataclass(frozen=True)
class DatasetSource:
    """One split of a data set of the `datasets` library; `role` says for which split of ours."""

    name: str
    dataset: str
    config: str | None
    role: str


Source = FileSource | BucketSource | PackageSource | DatasetSource


def resolve_sources(
    entries: Mapping[str, Sequence[str]], where: Mapping[str, str]
) -> dict[str, list[Source]]:
    """Finds everything that the entries name.

    Args:
        entries: Entries by role (`train`, `valid`, `test`).
        where: The configuration path of each role's entries, for messages.

    Returns:
        Sources by role, sorted by name, each once.

    Raises:
        SourceError: An entry names nothing.
        StorageError: A bucket does not answer.
    """
    files: dict[str, list[dict[Found, int]]] = {role: [] for role in entries}
    others: dict[str, list[Source]] = {role: [] for role in entries}
    for role, texts in entries.items():
        for number, entry in enumerate(texts):
            place = f"{where[role]}[{number}]"
            if entry.startswith(_DATASETS):
                others[role].append(_dataset(entry, role))
            elif entry.startswith(_DOCSTRINGS):
                others[role].append(_package(entry, place))
            else:
                files[role].append(find_files(entry, place))
    names = name_files(found for role in files for found in files[role])
    return {
        role: sorted(
            {_file(names[each], each) for found in files[role] for each in found}
            | set(others[role]),
            key=lambda source: (source.name, repr(source)),
        )
        for role in entries
    }


def _file(name: str, found: Found) -> Source:
    return FileSource(name, found) if isinstance(found, Path) else BucketSource(name, found)


def _dataset(entry: str, role: str) -> DatasetSource:
    dataset, _, config = entry.removeprefix(_DATASETS).partition(":")
    shown = Path(dataset).name if Path(dataset).is_dir() else dataset
    name = _DATASETS + shown + (f":{config}" if config else "")
    return DatasetSource(name, dataset, config or None, role)


def _package(entry: str, place: str) -> PackageSource:
    package = entry.removeprefix(_DOCSTRINGS)
    if find_package(package) is None:
        raise SourceError(
            f"{place}: no installed package {package!r} with Python sources; "
            "install it, or name another"
        )
    return PackageSource(entry, package)
