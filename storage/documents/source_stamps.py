"""What tells cheaply that a source may have changed: a listing, never the content."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from storage.documents.dataset_documents import dataset_digest
from storage.documents.document_files import SourceError
from storage.documents.document_sources import FileSource, PackageSource, Source
from storage.documents.package_modules import module_files

_GONE = "gone"


def source_stamp(source: Source) -> str:
    """The stamp of a source: as long as it stays the same, so does the content.

    Of files it is made of size, time of modification and time of the last change of the inode,
    which also sees a file that was replaced by one of the same age. Of a data set on the hub it is
    its revision.

    Args:
        source: The source; a file that is gone meanwhile has a stamp of its own.

    Raises:
        SourceError: It cannot be listed.
    """
    try:
        if isinstance(source, FileSource):
            return _file_stamp(source.path)
        if isinstance(source, PackageSource):
            return _joint_stamp(module_files(source.package))
        folder = Path(source.dataset)
        if folder.is_dir():
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            return _joint_stamp((path.relative_to(folder).as_posix(), path) for path in files)
    except OSError as error:
        raise SourceError(f"{source.name}: cannot be listed: {error}; make it readable") from error
    return dataset_digest(source)


def _file_stamp(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return _GONE
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _joint_stamp(files: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0{_file_stamp(path)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
