"""Reads any source: one stream of documents and rejects, which no bad record ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from storage.documents.bucket_objects import fetched
from storage.documents.dataset_documents import read_dataset
from storage.documents.docstring_documents import read_docstrings
from storage.documents.document_formats import JSONL, PARQUET, SUFFIXES
from storage.documents.document_records import (
    DAMAGED_FILE,
    MAX_DOCUMENT_BYTES,
    Document,
    Fields,
    Reject,
    accept,
    too_long,
)
from storage.documents.document_sources import (
    BucketSource,
    DatasetSource,
    FileSource,
    PackageSource,
    Source,
)
from storage.documents.jsonl_documents import read_jsonl
from storage.documents.parquet_documents import read_parquet
from storage.objects.compressed_files import open_sound
from storage.objects.damaged_files import DamagedFile
from storage.objects.store_errors import SourceError


def read_documents(
    source: Source, fields: Fields, *, keep_damaged: bool = False
) -> Iterator[Document | Reject]:
    """Yields every record of a source in its order, as a document or as a reject.

    A damaged file gives one reject, record 0, and no document but those before the damage if they
    are to be kept.

    Args:
        source: What to read.
        fields: Names of the text's and the id's field.
        keep_damaged: Whether to keep what lies before the damage.

    Raises:
        SourceError: The disk failed or a data set broke off; that is no fault of the documents,
            and a corpus without them would be another corpus.
        StorageError: A bucket does not answer.
    """
    if isinstance(source, PackageSource):
        yield from read_docstrings(source)
    elif isinstance(source, DatasetSource):
        yield from read_dataset(source, fields)
    else:
        try:
            with _as_file(source) as file:
                yield from _read_file(file, fields, keep=keep_damaged)
        except DamagedFile as error:
            lost = f"{error}; {error.lost_bytes:,} bytes lost" if keep_damaged else str(error)
            yield Reject(source.name, 0, DAMAGED_FILE, lost, error.lost_bytes)
        except OSError as error:
            raise SourceError(f"{source.name}: cannot be read: {error}; run again") from error


@contextmanager
def _as_file(source: FileSource | BucketSource) -> Iterator[FileSource]:
    """The source itself, or a copy of an object."""
    if isinstance(source, FileSource):
        yield source
    else:
        with fetched(source.found) as copy:
            yield FileSource(source.name, copy)


def _read_file(source: FileSource, fields: Fields, *, keep: bool) -> Iterator[Document | Reject]:
    if source.format is None:
        known = ", ".join(SUFFIXES)
        reason = f"its name tells no format that we read ({known}); write it as JSON Lines"
        return iter([Reject(source.name, 0, "unknown format", reason)])
    if source.format == PARQUET:
        return read_parquet(source, fields, keep=keep)
    return (read_jsonl if source.format == JSONL else _read_text)(source, fields, keep=keep)


def _read_text(source: FileSource, fields: Fields, *, keep: bool) -> Iterator[Document | Reject]:
    """A text file is one document, called by the file's name; Windows' line ends are made plain."""
    with open_sound(source.path, keep=keep) as stream:
        content = stream.read(MAX_DOCUMENT_BYTES + 1)
        if len(content) > MAX_DOCUMENT_BYTES:
            yield too_long(source.name, 1)
            return
        text, damage = _decoded(content)
        if damage and not (keep and text):
            raise damage
        document = accept(source.name, 1, source.name, text.replace("\r\n", "\n"), fields)
        if isinstance(document, Document):
            document = document._replace(work=source.name)  # a # in a file's name marks no piece
        yield document
    if damage:
        raise damage


def _decoded(content: bytes) -> tuple[str, DamagedFile | None]:
    """The text in the whole lines before what is not UTF-8, and what that is."""
    try:
        return content.decode(), None
    except UnicodeDecodeError as error:
        end = content.rfind(b"\n", 0, error.start) + 1
        reason = f"not UTF-8: {error.reason} at byte {error.start}"
        return content[:end].decode(), DamagedFile(reason, lost_bytes=len(content) - end)
