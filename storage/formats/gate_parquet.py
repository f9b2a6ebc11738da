"""The checks of a promotion gate: checks.parquet."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from storage.store.shard_files import ShardReader

CHECKS = "checks.parquet"
_COLUMNS = {
    "check": pl.String,
    "base": pl.String,
    "value": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "limit": pl.Float64,
    "passed": pl.Boolean,
}


def write_checks(folder: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write checks.parquet: check, base, value, ci_low, ci_high, limit, passed."""
    pl.DataFrame(list(rows), schema=_COLUMNS, orient="row").write_parquet(folder / CHECKS)


def read_checks(reader: ShardReader) -> list[dict[str, JsonValue]]:
    """The checks in the order they were made."""
    return pl.read_parquet(BytesIO(reader.read(CHECKS))).to_dicts()
