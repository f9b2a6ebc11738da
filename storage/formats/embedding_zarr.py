"""Datastore rows in Zarr: keys, next tokens, documents and positions, row by row.

One group `rows.zarr` (Zarr v3) per pipeline shard. Its arrays are cut into Zarr shards (one file
each) of 65,536 rows, and these into chunks of 4,096. Nothing is compressed, as keys hardly shrink
and reading would be half as fast, but each chunk and each file's index has a CRC-32C checksum: Zarr
does not notice a flipped bit without one. Nor does it notice a missing file, which would read as
zeros; so all chunks are written, zeros too, and each file's size is checked before it is read.
Dimensions have names, so that xarray opens the group.

Legend: D width of a key, N rows.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import zarr
from zarr.codecs import Crc32cCodec

from storage.formats.data_file import Column, DataFile, ShardFolder
from storage.objects.store_errors import DamagedArtifact
from storage.store.shard_files import ShardReader, require_split

GROUP = "rows.zarr"
CHUNK_ROWS = 4_096
SHARD_ROWS = 65_536

DATASTORE_ROWS = DataFile(
    GROUP,
    ("embeddings",),
    "Rows of the datastore: what the model had read, and what followed",
    (
        Column("keys_ND", pa.float16(), "The model's input to its last feed-forward network"),
        Column("next_token_N", pa.uint32(), "The token that follows"),
        Column("doc_N", pa.int64(), "Number of its document in the split, from 0"),
        Column("position_N", pa.int64(), "Its place in the split's token stream", "tokens"),
    ),
)
_ROW, _WIDTH = "row", "width"
_CHECKSUM_BYTES = 4
_INDEX_BYTES = 16 * (SHARD_ROWS // CHUNK_ROWS) + _CHECKSUM_BYTES

Keys = npt.NDArray[np.float16]
Int64Array = npt.NDArray[np.int64]


class EmbeddingBlock(NamedTuple):
    """Consecutive rows of a datastore.

    Attributes:
        keys_ND: float16 keys.
        next_token_N: uint32 tokens that follow.
        doc_N: int64 indices of these tokens' documents in the split.
        position_N: int64 places of these tokens in the split's stream.
    """

    keys_ND: Keys
    next_token_N: npt.NDArray[np.uint32]
    doc_N: Int64Array
    position_N: Int64Array


def write_embeddings(shard: ShardFolder, blocks: Iterable[EmbeddingBlock]) -> tuple[int, int]:
    """Write the rows of one pipeline shard, a Zarr shard of 65,536 rows at a time.

    Args:
        shard: Where.
        blocks: Rows in order, in blocks of any size, at least one row in all.

    Returns:
        Rows written, and the width of a key.
    """
    writer: _RowWriter | None = None
    for block in blocks:
        writer = writer or _RowWriter(shard, block.keys_ND.shape[1])
        writer.append(block)
    assert writer is not None, "a shard has at least one row"
    writer.flush()
    return writer.n_rows, writer.width


class _RowWriter:
    """Gathers blocks into whole Zarr shards: a shard written in parts is read and written anew."""

    def __init__(self, shard: ShardFolder, width: int) -> None:
        self.width = width
        self.n_rows = 0
        self._waiting = 0
        group = zarr.create_group(
            shard.folder / GROUP, zarr_format=3, attributes={**DATASTORE_ROWS.metadata(shard.ref)}
        )
        keys, *others = DATASTORE_ROWS.columns
        self._arrays = [_create(group, keys, width), *(_create(group, each) for each in others)]
        self._buffers = [
            np.empty((SHARD_ROWS, *array.shape[1:]), array.dtype) for array in self._arrays
        ]

    def append(self, block: tuple[npt.NDArray[Any], ...]) -> None:
        """Take rows in, and write whenever they fill a Zarr shard."""
        taken = 0
        while taken < len(block[0]):
            part = slice(taken, taken + SHARD_ROWS - self._waiting)
            size = len(block[0][part])
            for buffer, rows in zip(self._buffers, block, strict=True):
                buffer[self._waiting : self._waiting + size] = rows[part]
            taken += size
            self._waiting += size
            if self._waiting == SHARD_ROWS:
                self.flush()

    def flush(self) -> None:
        """Write what waits, a whole Zarr shard except at the end."""
        stop = self.n_rows + self._waiting
        for array, buffer in zip(self._arrays, self._buffers, strict=True):
            array.resize((stop, *array.shape[1:]))
            array[self.n_rows : stop] = buffer[: self._waiting]
        self.n_rows, self._waiting = stop, 0


def _create(group: zarr.Group, column: Column, *tail: int) -> zarr.Array[Any]:
    return group.create_array(
        column.name,
        shape=(0, *tail),
        dtype=column.type.to_pandas_dtype(),
        attributes={**column.metadata()},
        dimension_names=(_ROW, _WIDTH)[: 1 + len(tail)],
        chunks=(CHUNK_ROWS, *tail),
        shards=(SHARD_ROWS, *tail),
        compressors=[Crc32cCodec()],
        filters=None,
        fill_value=0,
        config={"write_empty_chunks": True},
    )


class EmbeddingReader:
    """The rows of one split, across its pipeline shards.

    Args:
        readers: Shards of an embeddings artifact, by name.
        split: train (the datastore) or valid (the queries).

    Attributes:
        n_rows: Rows in all.
        width: Entries of a key.
        shard_rows: Name, first row and end of each pipeline shard, in order.

    Raises:
        MissingArtifact: The artifact has no shard of this split, or lacks a file.
        DamagedArtifact: A file is not what was written. All methods raise it too, and name the
            file.
    """

    def __init__(self, readers: Mapping[str, ShardReader], split: str) -> None:
        shards = require_split(readers, split, "embeddings")
        self._shards = [_ShardRows(reader.folder() / GROUP) for reader in shards.values()]
        sizes = [shard.n_rows for shard in self._shards]
        self._starts = np.cumsum([0, *sizes], dtype=np.int64)
        self.n_rows = int(self._starts[-1])
        self.width = self._shards[0].width
        ends = self._starts.tolist()
        self.shard_rows: list[tuple[str, int, int]] = list(
            zip(shards, ends[:-1], ends[1:], strict=True)
        )

    def iter_keys(self, block_rows: int) -> Iterator[tuple[int, Keys]]:
        """Pass over all keys, in order.

        Args:
            block_rows: Rows of a block; every chunk is read once if it is a multiple of 4,096
                and shards are.

        Yields:
            First row and keys, float16 (block_rows, D), of each block; the last may be shorter.
        """
        for start in range(0, self.n_rows, block_rows):
            yield start, self.keys(start, min(start + block_rows, self.n_rows))

    def keys(self, start: int = 0, stop: int | None = None) -> Keys:
        """Keys of the rows start .. stop - 1, float16 (N, D)."""
        return self._read("keys_ND", start, stop)

    def next_tokens(self, start: int = 0, stop: int | None = None) -> npt.NDArray[np.uint32]:
        """Tokens that follow, uint32 (N,)."""
        return self._read("next_token_N", start, stop)

    def docs(self, start: int = 0, stop: int | None = None) -> Int64Array:
        """Documents of these tokens, int64 (N,)."""
        return self._read("doc_N", start, stop)

    def positions(self, start: int = 0, stop: int | None = None) -> Int64Array:
        """Places of these tokens in the split's stream, int64 (N,)."""
        return self._read("position_N", start, stop)

    def take(self, ids_N: Int64Array) -> Keys:
        """Keys of any rows, float16 (N, D), in the order asked for.

        Every chunk that holds one of the rows is read whole, for its checksum: fine for samples
        and for ids that lie together.

        Args:
            ids_N: int64 rows, in any order, repeated or not.
        """
        assert ids_N.size == 0 or (ids_N.min() >= 0 and ids_N.max() < self.n_rows)
        keys_ND = np.empty((len(ids_N), self.width), np.float16)
        order_N = np.argsort(ids_N, kind="stable")
        sorted_N = ids_N[order_N]
        for shard, shard_start in zip(self._shards, self._starts, strict=False):
            for start in range(0, shard.n_rows, CHUNK_ROWS):
                stop = min(start + CHUNK_ROWS, shard.n_rows)
                bounds = (shard_start + start, shard_start + stop)
                first, last = np.searchsorted(sorted_N, bounds)
                if first < last:
                    chunk = shard.read("keys_ND", start, stop)
                    keys_ND[order_N[first:last]] = chunk[sorted_N[first:last] - bounds[0]]
        return keys_ND

    def _read(self, name: str, start: int, stop: int | None) -> npt.NDArray[Any]:
        stop = self.n_rows if stop is None else stop
        assert 0 <= start <= stop <= self.n_rows, (start, stop, self.n_rows)
        first = int(np.searchsorted(self._starts[1:-1], start, side="right"))
        pieces: list[npt.NDArray[Any]] = []
        for shard, begin in zip(self._shards[first:], self._starts[first:-1], strict=True):
            if begin >= stop and pieces:
                break
            pieces.append(
                shard.read(name, max(start - int(begin), 0), min(stop - int(begin), shard.n_rows))
            )
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


class _ShardRows:
    """The Zarr group of one pipeline shard, whose files are checked before they are believed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            group = zarr.open_group(path, mode="r", zarr_format=3)
            self._arrays = {name: _array(group, name) for name, *_ in DATASTORE_ROWS.columns}
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise _damaged(path, f"not a group of datastore rows ({error})") from error
        sizes = {array.shape[0] for array in self._arrays.values()}
        if len(sizes) != 1:
            raise _damaged(path, f"its arrays differ in length ({sorted(sizes)})")
        self.n_rows, self.width = self._arrays["keys_ND"].shape

    def read(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        array = self._arrays[name]
        rows_N = np.empty((stop - start, *array.shape[1:]), array.dtype)
        for file_start in range(start - start % SHARD_ROWS, stop, SHARD_ROWS):
            a, b = max(start, file_start), min(stop, file_start + SHARD_ROWS)
            path = self._check_size(name, file_start)
            try:
                rows_N[a - start : b - start] = array[a:b]
            except (ValueError, OSError) as error:
                raise _damaged(path, str(error)) from error
        return rows_N

    def _check_size(self, name: str, file_start: int) -> Path:
        array = self._arrays[name]
        numbers = (str(file_start // SHARD_ROWS), *("0" for _ in array.shape[1:]))
        path = self._path.joinpath(name, "c", *numbers)
        chunks = math.ceil(min(SHARD_ROWS, self.n_rows - file_start) / CHUNK_ROWS)
        row_bytes = array.dtype.itemsize * math.prod(array.shape[1:])
        wanted = chunks * (CHUNK_ROWS * row_bytes + _CHECKSUM_BYTES) + _INDEX_BYTES
        size = path.stat().st_size if path.exists() else 0
        if size != wanted:
            raise _damaged(path, f"{size} bytes instead of {wanted}")
        return path


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    member = group[name]
    if not isinstance(member, zarr.Array):
        raise TypeError(f"{name} is a {type(member).__name__}")
    return member


def _damaged(path: Path, what: str) -> DamagedArtifact:
    return DamagedArtifact(
        f"{path}: {what}; rebuild the artifact with `memdec run --force embeddings`"
    )
