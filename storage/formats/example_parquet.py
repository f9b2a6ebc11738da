"""Reproduced spans of an audit as a Parquet table, longest first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.store.shard_files import ShardReader

EXAMPLES = "examples.parquet"

_SCHEMA = pa.schema(
    [
        pa.field("document", pa.string(), nullable=False),
        pa.field("token_offset", pa.int64(), nullable=False),
        pa.field("character_offset", pa.int64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("base_tokens", pa.int64(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)


def write_examples(folder: Path, examples: Sequence[Mapping[str, Any]]) -> None:
    """Write examples.parquet.

    Args:
        folder: The shard's folder.
        examples: document (its id), token_offset and character_offset (of the reproduced text in
            it), tokens (reproduced), base_tokens (of these, by the base alone), prompt, text (what
            was reproduced).
    """
    table = pa.Table.from_pylist(list(examples), schema=_SCHEMA)
    pq.write_table(table, folder / EXAMPLES, compression="zstd")


def read_examples(reader: ShardReader) -> list[dict[str, Any]]:
    """The examples as `write_examples` took them."""
    examples: list[dict[str, Any]] = pq.read_table(reader.local_path(EXAMPLES)).to_pylist()
    return examples
