"""A table of documents without their texts: what is compared when a corpus may have changed.

One row per sound document, in the order in which the corpus stage reads them.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from storage.documents.duplicate_index import text_digest
from storage.formats.corpus_parquet import CorpusReader
from storage.formats.data_file import Column, DataFile
from storage.objects.store_errors import DamagedArtifact

Documents = pl.DataFrame
"""Rows with the columns of `SCHEMA`."""

SEEN = DataFile(
    "*.parquet",
    (),
    "The documents that a look at a corpus saw, in the order of the corpus",
    (
        Column("source", pa.int32(), "Number of its source among those seen"),
        Column("split", pa.string(), "train, valid or test"),
        Column("doc_id", pa.string(), "The document's id"),
        Column("digest", pa.binary(), "Of its text"),
        Column("characters", pa.int64(), "Its length", "characters"),
    ),
)
SCHEMA = pl.Schema(SEEN.schema(None))
KEY = ("split", "doc_id")
_CHUNK_ROWS = 65_536


class DocumentRows:
    """Collects rows; of a text only the digest and the length are kept."""

    def __init__(self) -> None:
        self._chunks = [Documents(schema=SCHEMA)]
        self._rows: list[tuple[int, str, str, bytes, int]] = []

    def add(self, source: int, split: str, doc_id: str, text: str) -> None:
        """Adds a document."""
        self._rows.append((source, split, doc_id, text_digest(text), len(text)))
        if len(self._rows) == _CHUNK_ROWS:
            self._flush()

    def table(self) -> Documents:
        """All rows so far."""
        self._flush()
        return pl.concat(self._chunks)

    def _flush(self) -> None:
        self._chunks.append(Documents(self._rows, schema=SCHEMA, orient="row"))
        self._rows = []


def distinct_documents(rows: Documents) -> Documents:
    """The rows that a corpus of these documents keeps, as `DuplicateIndex` decides.

    Of equal texts in whatever split, and of equal ids within a split, the first is kept. Only rows
    that share either with another one are looked at one by one.

    Args:
        rows: In the order of the corpus.
    """
    repeated = rows.select(
        pl.col("digest").is_duplicated() | pl.struct(KEY).is_duplicated()
    ).to_series()
    texts: set[bytes] = set()
    ids: set[tuple[str, str]] = set()
    dropped = []
    shared = rows.with_row_index("row").filter(repeated).select("row", *KEY, "digest")
    for row, split, doc_id, digest in shared.iter_rows():
        if digest in texts or (split, doc_id) in ids:
            dropped.append(row)
        else:
            texts.add(digest)
            ids.add((split, doc_id))
    if not dropped:
        return rows
    gone = pl.Series(dropped, dtype=pl.UInt32).implode()
    return rows.with_row_index("row").filter(~pl.col("row").is_in(gone)).drop("row")


def carry_over(rows: Documents, numbers: Sequence[tuple[int, int]]) -> Documents:
    """The rows of some sources, given by old and new number, in their old order."""
    schema = {"source": pl.Int32(), "new": pl.Int32()}
    renumbered = pl.DataFrame(numbers, schema=schema, orient="row")
    joined = rows.join(renumbered, on="source", maintain_order="left")
    return joined.drop("source").rename({"new": "source"}).select(SCHEMA.names())


def in_source_order(*tables: Documents) -> Documents:
    """The rows of all tables, by source, each source's in their order."""
    return pl.concat(tables).sort("source", maintain_order=True)


def corpus_documents(reader: CorpusReader, splits: tuple[str, ...]) -> Documents:
    """The documents of a corpus artifact, as if they came from one source.

    Args:
        reader: The artifact's one shard.
        splits: All of its splits.
    """
    rows = DocumentRows()
    for split in splits:
        for part in reader.parts(split):
            for doc_ids, texts in reader.texts(part):
                for doc_id, text in zip(doc_ids, texts, strict=True):
                    rows.add(0, split, doc_id, text)
    return rows.table()


def write_table(rows: Documents, path: Path) -> None:
    """Writes a table as Parquet."""
    table = rows.to_arrow().cast(SEEN.schema(None))
    pq.write_table(table, path, compression="zstd")


def parse_table(source: bytes | Path, where: str) -> Documents:
    """Reads a table.

    Args:
        source: The file, or its bytes.
        where: What is read, for the message.

    Raises:
        DamagedArtifact: It is no such table.
    """
    try:
        rows = pl.read_parquet(BytesIO(source) if isinstance(source, bytes) else source)
        return rows.select(SCHEMA.names()).cast(SCHEMA)
    except (pl.exceptions.PolarsError, OSError) as error:
        problem = str(error).splitlines()[0]
        raise DamagedArtifact(f"{where}: not a table of documents ({problem})") from error
