"""Targets as Parquet: one row per position in stream order, one row group per 4,096 positions.

Shapes: R positions, E entries of all positions together.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from storage.formats.data_file import Column, DataFile, ShardFolder
from storage.store.shard_files import ShardReader, require_split

GROUP_ROWS = 4096
"""Positions per row group: small enough to shuffle by, large enough to compress and to read."""
CACHED_GROUPS = 16
"""Row groups a reader keeps; at 256 entries a position, about 6 MB each."""


class TargetBlock(NamedTuple):
    """Targets of consecutive positions as they are written.

    Attributes:
        offsets_R1: First entry of each position, and the end; int64.
        token_ids_E: Tokens, largest probability first.
        probs_E: Probabilities; float16.
        next_token_R: The token that did follow.
        tail_mass_R: What is missing from the probabilities to 1; float32.
    """

    offsets_R1: NDArray[np.int64]
    token_ids_E: NDArray[np.integer]
    probs_E: NDArray[np.float16]
    next_token_R: NDArray[np.integer]
    tail_mass_R: NDArray[np.float32]


class TargetRows(NamedTuple):
    """Targets of consecutive positions as they are trained on; fields as in `TargetBlock`."""

    offsets_R1: NDArray[np.int64]
    token_ids_E: NDArray[np.int32]
    probs_E: NDArray[np.float32]
    next_token_R: NDArray[np.int64]
    tail_mass_R: NDArray[np.float32]


SPARSE_ROWS = DataFile(
    "rows.parquet",
    ("targets",),
    "The sparse p_kNN of every position of a shard, in stream order",
    (
        Column(
            "token_ids",
            pa.list_(pa.uint16()),
            "Tokens that p_kNN gives a probability, largest first (int32 where ids need more)",
        ),
        Column("probs", pa.list_(pa.float16()), "Their probabilities"),
        Column("next_token", pa.uint32(), "The token that did follow"),
        Column("tail_mass", pa.float32(), "What is missing from the probabilities to 1"),
    ),
)


def write_targets(shard: ShardFolder, blocks: Iterable[TargetBlock], token_limit: int) -> int:
    """Writes a shard of targets; the same rows give the same bytes, however cut into blocks.

    Args:
        shard: Where; must have no targets yet.
        blocks: Consecutive positions; a block and a row group are in memory at a time.
        token_limit: Every token id is below it: up to 65,536, ids take two bytes instead of four.

    Returns:
        Positions written.
    """
    schema = SPARSE_ROWS.schema(shard.ref)
    if token_limit > 2**16:
        schema = schema.set(0, schema.field(0).with_type(pa.list_(pa.int32())))
    split_columns = ["token_ids.list.element", "tail_mass"]  # of float16, few readers know it
    with pq.ParquetWriter(
        shard.folder / SPARSE_ROWS.name,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        column_encoding=dict.fromkeys(split_columns, "BYTE_STREAM_SPLIT"),
    ) as writer:
        waiting = schema.empty_table()
        rows = 0
        for block in blocks:
            waiting = pa.concat_tables([waiting, _table(block, schema)])
            whole = len(waiting) // GROUP_ROWS * GROUP_ROWS
            _write_groups(writer, waiting.slice(0, whole))
            waiting, rows = waiting.slice(whole), rows + len(block.next_token_R)
        _write_groups(writer, waiting)
    return rows


def _write_groups(writer: pq.ParquetWriter, table: pa.Table) -> None:
    if len(table):
        # one chunk per column: page borders, hence bytes, must not depend on the blocks
        writer.write_table(table.combine_chunks(), row_group_size=GROUP_ROWS)


def _table(block: TargetBlock, schema: pa.Schema) -> pa.Table:
    offsets_R1 = pa.array(block.offsets_R1, pa.int32())
    lists = [
        pa.ListArray.from_arrays(offsets_R1, pa.array(values, schema.field(name).type.value_type))
        for name, values in (("token_ids", block.token_ids_E), ("probs", block.probs_E))
    ]
    columns = [
        *lists,
        pa.array(block.next_token_R, pa.uint32()),
        pa.array(block.tail_mass_R, pa.float32()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


class TargetReader:
    """The targets of one split, across its shards, by position.

    Args:
        readers: Shards of a targets artifact, by name.
        split: train or valid.

    Attributes:
        n_rows: Positions of the split.
        group_starts: First position of every row group, and the end; int64.

    Raises:
        MissingArtifact: The artifact has no shard of this split.
        DamagedArtifact: A file is not what was written.
    """

    def __init__(self, readers: Mapping[str, ShardReader], split: str) -> None:
        shards = require_split(readers, split, "targets")
        paths = [reader.local_path(SPARSE_ROWS.name) for reader in shards.values()]
        self._files = [pq.ParquetFile(path, memory_map=True) for path in paths]
        self._groups = [
            (file, group) for file in self._files for group in range(file.metadata.num_row_groups)
        ]
        sizes = [file.metadata.row_group(group).num_rows for file, group in self._groups]
        self.group_starts: NDArray[np.int64] = np.cumsum([0, *sizes], dtype=np.int64)
        self.n_rows = int(self.group_starts[-1])
        self._cache: OrderedDict[int, TargetRows] = OrderedDict()

    def read(self, start: int, stop: int) -> TargetRows:
        """Targets of the positions [start, stop); whole row groups are fastest.

        The arrays are views of cached row groups where that is possible: do not write to them.
        """
        assert 0 <= start <= stop <= self.n_rows, (start, stop, self.n_rows)
        first = int(np.searchsorted(self.group_starts, start, side="right")) - 1
        end = int(np.searchsorted(self.group_starts, stop, side="left"))
        pieces = [_EMPTY]
        for number in range(first, end):
            begin = int(self.group_starts[number])
            pieces.append(_cut(self._group(number), max(start - begin, 0), stop - begin))
        return pieces[1] if len(pieces) == 2 else _join(pieces)

    def _group(self, number: int) -> TargetRows:
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        file, group = self._groups[number]
        rows = _rows(file.read_row_group(group).combine_chunks())
        self._cache[number] = rows
        if len(self._cache) > CACHED_GROUPS:
            self._cache.popitem(last=False)
        return rows


_EMPTY = TargetRows(
    np.zeros(1, np.int64),
    np.empty(0, np.int32),
    np.empty(0, np.float32),
    np.empty(0, np.int64),
    np.empty(0, np.float32),
)


def _rows(table: pa.Table) -> TargetRows:
    """One row group as arrays, without a step per position."""
    token_ids, probs, next_token, tail_mass = (
        table.column(name).chunk(0) for name in table.column_names
    )
    return TargetRows(
        token_ids.offsets.to_numpy().astype(np.int64),
        token_ids.values.to_numpy().astype(np.int32),
        probs.values.to_numpy().astype(np.float32),
        next_token.to_numpy().astype(np.int64),
        tail_mass.to_numpy().astype(np.float32),
    )


def _cut(rows: TargetRows, start: int, stop: int) -> TargetRows:
    offsets = rows.offsets_R1[start : stop + 1]
    entries = slice(int(offsets[0]), int(offsets[-1]))
    return TargetRows(
        offsets - offsets[0],
        rows.token_ids_E[entries],
        rows.probs_E[entries],
        rows.next_token_R[start:stop],
        rows.tail_mass_R[start:stop],
    )


def _join(pieces: list[TargetRows]) -> TargetRows:
    lengths_R = np.concatenate([np.diff(piece.offsets_R1) for piece in pieces])
    return TargetRows(
        np.concatenate([[0], np.cumsum(lengths_R)]).astype(np.int64),
        np.concatenate([piece.token_ids_E for piece in pieces]),
        np.concatenate([piece.probs_E for piece in pieces]),
        np.concatenate([piece.next_token_R for piece in pieces]),
        np.concatenate([piece.tail_mass_R for piece in pieces]),
    )
