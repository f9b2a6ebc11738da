"""Documents from the rows of a Parquet file."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from storage.documents.document_records import Document, Fields, Reject, accept
from storage.documents.document_sources import FileSource
from storage.objects.compressed_files import DamagedFile

_BATCH_ROWS = 256


def read_parquet(source: FileSource, fields: Fields) -> Iterator[Document | Reject]:
    """Reads every row, after one pass that only looks whether all of them can be decoded.

    Args:
        source: The file.
        fields: Names of the text's and the id's column.

    Raises:
        DamagedFile: It is no Parquet file, damaged, or has no such text column; nothing was
            yielded.
    """
    try:
        for _ in _batches(source, fields):
            pass
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(f"Parquet: {error}") from error
    number = 0
    for batch in _batches(source, fields):
        texts = batch.column(fields.text)
        has_ids = fields.id in batch.schema.names
        ids = batch.column(fields.id) if has_ids else pa.nulls(len(texts))
        for doc_id, text in zip(ids, texts, strict=True):
            number += 1
            yield _row(source.name, number, doc_id, text, fields)


def _row(
    file: str, number: int, doc_id: pa.Scalar, text: pa.Scalar, fields: Fields
) -> Document | Reject:
    try:
        return accept(file, number, doc_id.as_py(), text.as_py(), fields)
    except UnicodeDecodeError as error:
        return Reject(file, number, "not UTF-8", f"{error.reason} at byte {error.start}")


def _batches(source: FileSource, fields: Fields) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(source.path, page_checksum_verification=True) as file:
        columns = file.schema_arrow.names
        if fields.text not in columns:
            raise DamagedFile(
                f"no column {fields.text!r}, only {', '.join(map(repr, columns))}; "
                "set config.corpus.text_field"
            )
        wanted = [name for name in (fields.text, fields.id) if name in columns]
        yield from file.iter_batches(_BATCH_ROWS, columns=wanted, use_threads=False)
