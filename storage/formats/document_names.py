"""Ids of the documents of a token stream, from the table beside each shard's tokens."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from storage.objects.store_errors import DamagedArtifact
from storage.store.shard_files import ShardReader, of_split


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
    path = reader.local_path("documents.parquet")
    try:
        table = pq.read_table(path, columns=["doc_id"])
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedArtifact(
            f"{path}: not a table of documents ({error}); rebuild it with "
            "`memdec run --force tokens`"
        ) from error
    return table.column("doc_id").combine_chunks()
