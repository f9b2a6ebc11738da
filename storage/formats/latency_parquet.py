"""What systems take: one row per system, context and size of datastore, latency.parquet."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from storage.formats.result_tables import Row
from storage.store.shard_files import ShardReader

LATENCY = "latency.parquet"

_COLUMNS = {
    "system": pl.String,
    "base": pl.String,
    "context": pl.Int64,
    "datastore_rows": pl.Int64,
    "first_token_ms": pl.Float64,
    "ms_per_token": pl.Float64,
    "tokens_per_second": pl.Float64,
    "ratio": pl.Float64,
    "ratio_low": pl.Float64,
    "ratio_high": pl.Float64,
    "flops_ratio": pl.Float64,
    "memory_bytes": pl.Int64,
    "disk_bytes": pl.Int64,
    "device": pl.String,
    "cores": pl.Int64,
    "threads": pl.Int64,
}


def write_latency(folder: Path, rows: Sequence[Row]) -> None:
    """Write latency.parquet.

    Args:
        folder: The shard's folder.
        rows: By column: system, base, context (tokens of the prompt), datastore_rows (None where
            there is no datastore), first_token_ms, ms_per_token and tokens_per_second (after the
            first token), ratio with its quartiles ratio_low and ratio_high (of ms_per_token to the
            base's), flops_ratio (None where operations are not counted), memory_bytes, disk_bytes,
            and the machine: device, cores, threads.
    """
    pl.DataFrame(list(rows), schema=_COLUMNS, orient="row").write_parquet(folder / LATENCY)


def read_latency(reader: ShardReader) -> list[dict[str, JsonValue]]:
    """The rows in the order they were written."""
    return pl.read_parquet(BytesIO(reader.read(LATENCY))).to_dicts()
