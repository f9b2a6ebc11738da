"""A text file is one document, called by the file's name."""

from collections.abc import Iterator

from storage.documents.document_records import (
    MAX_DOCUMENT_BYTES,
    Document,
    Fields,
    Reject,
    accept,
    too_long,
)
from storage.documents.document_sources import FileSource
from storage.objects.compressed_files import DamagedFile, open_sound


def read_text(source: FileSource, fields: Fields) -> Iterator[Document | Reject]:
    """Reads the file as UTF-8, with Windows' line ends made plain.

    Args:
        source: The file, plain or compressed.
        fields: Not used by the format; named in no reason.

    Raises:
        DamagedFile: The file is damaged or not UTF-8.
    """
    with open_sound(source.path) as stream:
        content = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(content) > MAX_DOCUMENT_BYTES:
        yield too_long(source.name, 1)
        return
    try:
        text = content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DamagedFile(f"not UTF-8: {error.reason} at byte {error.start}") from error
    document = accept(source.name, 1, source.name, text, fields)
    if isinstance(document, Document):
        document = document._replace(work=source.name)  # a # in a file's name marks no piece
    yield document
