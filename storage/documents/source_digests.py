"""What a source is, whatever it is called on disk, and what tells cheaply that it may have changed.

Both are made of all its files: the digest of their content, the stamp of their listing alone.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from storage.documents.dataset_documents import hub_revision
from storage.documents.document_sources import BucketSource, FileSource, PackageSource, Source
from storage.documents.package_modules import module_files
from storage.objects.store_errors import SourceError

_GONE = "gone"


def source_digest(source: Source) -> str:
    """Digests the bytes of a file, of a package's modules or of a data set (or its revision).

    Of an object in a bucket it is the entity tag, so that none is fetched to plan a run.

    Raises:
        SourceError: It cannot be read.
    """
    return _summary(source, _file_digest, "read")


def source_stamp(source: Source) -> str:
    """The stamp of a source: as long as it stays the same, so does the content.

    Of files it is made of size, time of modification and time of the last change of the inode,
    which also sees a file that was replaced by one of the same age; one that is gone meanwhile has
    a stamp of its own. Of a data set on the hub it is its revision.

    Raises:
        SourceError: It cannot be listed.
    """
    return _summary(source, _file_stamp, "listed")


def _summary(source: Source, of_file: Callable[[Path], str], verb: str) -> str:
    """What `of_file` says of a source's files; the revision of what is on the hub."""
    try:
        if isinstance(source, FileSource):
            return of_file(source.path)
        if isinstance(source, BucketSource):
            return f"{source.found.e_tag} {source.found.size}"
        if isinstance(source, PackageSource):
            files = module_files(source.package)
        elif (folder := Path(source.dataset)).is_dir():
            found = sorted(path for path in folder.rglob("*") if path.is_file())
            files = [(path.relative_to(folder).as_posix(), path) for path in found]
        else:
            return hub_revision(source)
        digest = hashlib.sha256()
        for name, path in files:
            digest.update(f"{name}\0{of_file(path)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    except OSError as error:
        raise SourceError(f"{source.name}: cannot be {verb}: {error}; make it readable") from error


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_stamp(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return _GONE
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
