"""Documents from the rows of a Parquet file."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from storage.documents.document_records import Document, Fields, Reject, accept
from storage.documents.document_sources import FileSource
from storage.objects.damaged_files import DamagedFile

_BATCH_ROWS = 256


def read_parquet(source: FileSource, fields: Fields, *, keep: bool) -> Iterator[Document | Reject]:
    """Reads every row, after one pass that only looks whether all of them can be decoded.

    Args:
        source: The file.
        fields: Names of the text's and the id's column.
        keep: Whether to yield the whole row groups before the damage of a damaged file.

    Raises:
        DamagedFile: It is no Parquet file, damaged, or has no such text column; nothing was
            yielded but what was to be kept.
    """
    groups, damage = _sound_groups(source.path, fields)
    if damage and not (keep and groups):
        raise damage
    number = 0
    with pq.ParquetFile(source.path) as file:
        for batch in _batches(file, groups, fields):
            texts = batch.column(fields.text)
            has_ids = fields.id in batch.schema.names
            ids = batch.column(fields.id) if has_ids else pa.nulls(len(texts))
            for doc_id, text in zip(ids, texts, strict=True):
                number += 1
                yield _row(source.name, number, doc_id, text, fields)
    if damage:
        raise damage


def _row(
    file: str, number: int, doc_id: pa.Scalar, text: pa.Scalar, fields: Fields
) -> Document | Reject:
    try:
        return accept(file, number, doc_id.as_py(), text.as_py(), fields)
    except UnicodeDecodeError as error:
        return Reject(file, number, "not UTF-8", f"{error.reason} at byte {error.start}")


def _sound_groups(path: Path, fields: Fields) -> tuple[list[int], DamagedFile | None]:
    """The row groups before the first that cannot be decoded, and what is wrong with that."""
    groups, lost = list[int](), path.stat().st_size
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _require_text(file, fields, lost)
            for group in range(file.num_row_groups):
                for _ in _batches(file, [group], fields):
                    pass
                groups.append(group)
                columns = file.metadata.row_group(group).to_dict()["columns"]
                lost -= sum(column["total_compressed_size"] for column in columns)
    except (pa.ArrowException, OSError) as error:
        return groups, DamagedFile(f"Parquet: {error}", lost)
    return groups, None


def _require_text(file: pq.ParquetFile, fields: Fields, size: int) -> None:
    columns = file.schema_arrow.names
    if fields.text not in columns:
        raise DamagedFile(
            f"no column {fields.text!r}, only {', '.join(map(repr, columns))}; "
            "set config.corpus.text_field",
            lost_bytes=size,
        )


def _batches(file: pq.ParquetFile, groups: list[int], fields: Fields) -> Iterator[pa.RecordBatch]:
    wanted = [name for name in (fields.text, fields.id) if name in file.schema_arrow.names]
    yield from file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=wanted, use_threads=False)
