"""What a source is, whatever it is called on disk: the digest of its content."""

import hashlib
from pathlib import Path

from storage.documents.dataset_documents import dataset_digest
from storage.documents.document_files import SourceError
from storage.documents.document_sources import FileSource, PackageSource, Source
from storage.documents.package_modules import module_files


def source_digest(source: Source) -> str:
    """Digests the bytes of a file, of a package's modules or of a data set (its revision).

    Args:
        source: The source.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        if isinstance(source, FileSource):
            return _file_digest(source.path)
        if isinstance(source, PackageSource):
            return _package_digest(source.package)
    except OSError as error:
        raise SourceError(f"{source.name}: cannot be read: {error}; make it readable") from error
    return dataset_digest(source)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _package_digest(package: str) -> str:
    digest = hashlib.sha256()
    for name, path in module_files(package):
        digest.update(f"{name}\0{_file_digest(path)}\n".encode())
    return digest.hexdigest()
