"""Shards of token ids, with the length of each document.

A shard holds the documents of one corpus part.

Legend: D documents, T tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.formats.data_file import Column, DataFile, ShardFolder
from storage.objects.store_errors import DamagedArtifact
from storage.store.shard_files import ShardReader, of_split, require_split

TokenArray = npt.NDArray[np.unsignedinteger]

TOKENS = DataFile(
    "tokens.npy",
    ("tokens",),
    "Token ids of the documents of one corpus part, one after the other; uint16 or uint32",
)
LENGTHS = DataFile("lengths.npy", ("tokens",), "Tokens of each of these documents; int64, may be 0")
ENCODED = DataFile(
    "documents.parquet",
    ("tokens",),
    "The same documents by name",
    (
        Column("doc_id", pa.string(), "The document's id"),
        Column("tokens", pa.int64(), "Its length", "tokens"),
    ),
)


def write_token_shard(
    shard: ShardFolder,
    doc_ids: Sequence[str],
    tokens_T: TokenArray,
    lengths_D: npt.NDArray[np.int64],
) -> None:
    """Write one shard; the same arguments give the same bytes.

    Args:
        shard: Where.
        doc_ids: Ids of the documents, in order.
        tokens_T: uint16 or uint32 ids of all documents, in order.
        lengths_D: int64 tokens of each document.
    """
    assert len(doc_ids) == len(lengths_D)
    assert len(tokens_T) == lengths_D.sum()
    np.save(shard.folder / TOKENS.name, tokens_T, allow_pickle=False)
    np.save(shard.folder / LENGTHS.name, lengths_D, allow_pickle=False)
    documents = pa.table([doc_ids, lengths_D], schema=ENCODED.schema(shard.ref))
    pq.write_table(documents, shard.folder / ENCODED.name, compression="zstd")


class TokenReader:
    """The token stream of one split, across its shards.

    Tokens are memory-mapped: only what is read takes memory.

    Args:
        readers: Shards of a tokens artifact, by name.
        split: train, valid or test.

    Attributes:
        offsets_D1: int64 start of each document in the stream, and the end of the last.
        n_tokens: Length of the stream.

    Raises:
        MissingArtifact: The artifact has no shard of this split.
        DamagedArtifact: A shard's files do not fit together.
    """

    def __init__(self, readers: Mapping[str, ShardReader], split: str) -> None:
        shards = require_split(readers, split, "tokens")
        lengths = [_load(reader, LENGTHS) for reader in shards.values()]
        self._shards: list[TokenArray] = [_load(reader, TOKENS) for reader in shards.values()]
        for name, shard, lengths_D in zip(shards, self._shards, lengths, strict=True):
            if len(shard) != lengths_D.sum():
                raise _damaged(
                    f"tokens shard {name}: {len(shard)} tokens for documents of {lengths_D.sum()}"
                )
        sizes = [len(shard) for shard in self._shards]
        self._starts = np.cumsum([0, *sizes], dtype=np.int64)
        self.offsets_D1: npt.NDArray[np.int64] = np.cumsum(
            np.concatenate([[0], *lengths]), dtype=np.int64
        )
        self.n_tokens = int(self._starts[-1])

    def read(self, start: int, stop: int) -> TokenArray:
        """Token ids of the stream's range [start, stop), in a new array."""
        assert 0 <= start <= stop <= self.n_tokens, (start, stop, self.n_tokens)
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        pieces: list[TokenArray] = []
        for shard, begin in zip(self._shards[first:], self._starts[first:-1], strict=True):
            if begin >= stop:
                break
            pieces.append(shard[max(start - int(begin), 0) : stop - int(begin)])
        return np.concatenate([self._shards[0][:0], *pieces])


def _load(reader: ShardReader, file: DataFile) -> npt.NDArray[Any]:
    path = reader.local_path(file.name)
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _damaged(f"{path}: not an array ({error})") from error
    return array


def read_document_ids(
    readers: Mapping[str, ShardReader], split: str, documents: Sequence[int]
) -> list[str]:
    """Ids of some documents of a split.

    Args:
        readers: Shards of a tokens artifact, by name.
        split: train, valid or test.
        documents: Numbers of the documents in the split's stream, from 0, in any order.

    Raises:
        DamagedArtifact: A shard's table cannot be read.
    """
    columns = [_doc_ids(reader) for reader in of_split(readers, split).values()]
    ids: list[str] = pa.chunked_array(columns, pa.string()).take(pa.array(documents)).to_pylist()
    return ids


def _doc_ids(reader: ShardReader) -> pa.Array:
    path = reader.local_path(ENCODED.name)
    try:
        table = pq.read_table(path, columns=["doc_id"])
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(f"{path}: not a table of documents ({error})") from error
    return table.column("doc_id").combine_chunks()


def _damaged(problem: str) -> DamagedArtifact:
    return DamagedArtifact(f"{problem}; rebuild it with `memdec run --force tokens`")
