"""The corpus artifact: Parquet parts of documents by split, and the list of rejects."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from storage.documents.document_records import Document, Reject
from storage.formats.data_file import Column, DataFile, ShardFolder
from storage.store.shard_files import ShardReader

GROUP_CHARACTERS = 1_000_000  # of a row group, what a reader holds at a time
_GROUP_ROWS = 65_536
DOCUMENTS = DataFile(
    "<split>-*.parquet",
    ("corpus",),
    "Documents of a split, in the order of the corpus",
    (
        Column("doc_id", pa.string(), "The document's id, its own within the split"),
        Column("text", pa.string(), "Its text"),
        Column("split", pa.string(), "train, valid or test"),
        Column("source", pa.string(), "The file it came from"),
    ),
)
REJECTS = DataFile(
    "rejects.parquet",
    ("corpus",),
    "Every record that was not kept, in the order of reading",
    (
        Column("file", pa.string(), "The file it was in"),
        Column("record", pa.int64(), "Its number in the file: 1 is the first, 0 the whole file"),
        Column("reason", pa.string(), "`kind: detail`"),
    ),
)


class _PartWriter:
    """One Parquet file, written in row groups of bounded size."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in schema.names if name in ("split", "source", "file")],
        )
        self._rows: list[tuple[object, ...]] = []
        self._buffered = 0
        self.characters = 0

    def add(self, row: tuple[object, ...], characters: int) -> None:
        """Adds a row of so many characters."""
        if self._rows and (
            self._buffered + characters > GROUP_CHARACTERS or len(self._rows) >= _GROUP_ROWS
        ):
            self._flush()
        self._rows.append(row)
        self._buffered += characters
        self.characters += characters

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            schema = self._writer.schema
            columns = zip(zip(*self._rows, strict=True), schema, strict=True)
            arrays = [pa.array(values, field.type) for values, field in columns]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
        self._rows, self._buffered = [], 0


class CorpusWriter:
    """Writes a corpus into a folder; the same documents give the same bytes.

    A context manager.

    Args:
        shard: Where.
        part_characters: Most characters in a part, unless it is a single document.
    """

    def __init__(self, shard: ShardFolder, part_characters: int) -> None:
        self._shard = shard
        self._part_characters = part_characters
        self._parts: dict[str, _PartWriter] = {}
        self._numbers: dict[str, int] = {}
        self._rejects = self._writer(REJECTS.name, REJECTS)

    def __enter__(self) -> "CorpusWriter":
        return self

    def __exit__(self, *error: object) -> None:
        with ExitStack() as stack:  # closes the others though one fails
            for part in (*self._parts.values(), self._rejects):
                stack.callback(part.close)

    def add(self, split: str, document: Document) -> None:
        """Appends a document to its split, in a new part when the last one is full."""
        size = len(document.text)
        part = self._parts.get(split)
        if part is None or part.characters + size > self._part_characters:
            part = self._next_part(split)
        part.add((document.doc_id, document.text, split, document.file), size)

    def reject(self, reject: Reject) -> None:
        """Lists a record that is not used."""
        reason = f"{reject.kind}: {reject.detail}"
        self._rejects.add((reject.file, reject.record, reason), len(reason))

    def _next_part(self, split: str) -> _PartWriter:
        if split in self._parts:
            self._parts[split].close()
        number = self._numbers.get(split, 0)
        self._numbers[split] = number + 1
        self._parts[split] = self._writer(f"{split}-{number:05d}.parquet", DOCUMENTS)
        return self._parts[split]

    def _writer(self, name: str, file: DataFile) -> _PartWriter:
        return _PartWriter(self._shard.folder / name, file.schema(self._shard.ref))


class CorpusReader:
    """Reads the documents of a corpus artifact, from its one shard, part by part."""

    def __init__(self, reader: ShardReader) -> None:
        self._reader = reader

    def parts(self, split: str) -> list[str]:
        """Names the files of a split, in the order of the corpus."""
        return sorted(name for name in self._reader.names() if name.startswith(f"{split}-"))

    def texts(self, part: str) -> Iterator[tuple[list[str], list[str]]]:
        """Yields ids and texts, a row group at a time: about a million characters, or one document.

        Args:
            part: Name of a file, as `parts` gives it.
        """
        with pq.ParquetFile(self._reader.local_path(part)) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["doc_id", "text"], use_threads=False)
                yield table.column("doc_id").to_pylist(), table.column("text").to_pylist()

    def names(self, part: str) -> list[str]:
        """The ids of a part's documents."""
        table = pq.read_table(self._reader.local_path(part), columns=["doc_id"])
        return list(table.column("doc_id").to_pylist())

    def rejects(self) -> Iterator[tuple[str, int, str]]:
        """Yields file, record and `kind: detail` of every reject, in the order of reading."""
        with pq.ParquetFile(self._reader.local_path(REJECTS.name)) as file:
            for batch in file.iter_batches():
                columns = (batch.column(name).to_pylist() for name in batch.schema.names)
                yield from zip(*columns, strict=True)
