"""The rows of a file of records, whatever its format: JSON lines, CSV or Parquet."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from storage.documents.document_records import MAX_DOCUMENT_BYTES
from storage.documents.jsonl_documents import read_lines
from storage.objects.compressed_files import open_sound
from storage.objects.damaged_files import DamagedFile
from storage.objects.store_errors import SourceError

RecordRow = Mapping[str, object]
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_COMPRESSED = (".gz", ".zst")
_BATCH_ROWS = 1024


def read_rows(path: Path) -> Iterator[tuple[int, RecordRow]]:
    """Reads a file by the format that its name promises; blank lines of JSON count for nothing.

    Args:
        path: The file.

    Yields:
        Number of the record (of the line, in JSON lines), from 1, and its values by column. All
        values of CSV are strings.

    Raises:
        SourceError: The file cannot be read; the message names the record and what to do.
    """
    inner = Path(path.stem) if path.suffix.lower() in _COMPRESSED else path
    suffix = inner.suffix.lower()
    try:
        if suffix in _JSON_LINES:
            yield from _json_rows(path)
        elif suffix == ".csv":
            yield from enumerate(_csv_rows(path), start=1)
        elif suffix == ".parquet" and inner is path:
            yield from enumerate(_parquet_rows(path), start=1)
        else:
            raise SourceError(
                f"{path.name}: not a format of records; give .jsonl, .ndjson, .json or .csv (also "
                "as .gz or .zst), or .parquet"
            )
    except (DamagedFile, pa.ArrowException, OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(
            f"{path.name}: cannot be read: {_first_line(error)}; copy or download it again"
        ) from error


def _json_rows(path: Path) -> Iterator[tuple[int, RecordRow]]:
    with open_sound(path) as stream:
        for number, line in enumerate(read_lines(stream, MAX_DOCUMENT_BYTES), start=1):
            if line is None or line.strip():
                yield number, _parse(path.name, number, line)


def _parse(file: str, number: int, line: bytes | None) -> RecordRow:
    place, remedy = f"{file}: line {number} is", "the file must hold one JSON object a line"
    if line is None:
        raise SourceError(f"{place} longer than {MAX_DOCUMENT_BYTES:,} bytes; {remedy}")
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{place} not JSON in UTF-8: {error}; {remedy}") from error
    if not isinstance(row, dict):
        raise SourceError(f"{place} a {type(row).__name__}; {remedy}")
    return row


def _csv_rows(path: Path) -> Iterator[RecordRow]:
    with open_sound(path) as stream:
        table = pl.read_csv(stream.read(), infer_schema=False)
    yield from table.fill_null("").iter_rows(named=True)


def _parquet_rows(path: Path) -> Iterator[RecordRow]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
            yield from batch.to_pylist()


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(".: ")
