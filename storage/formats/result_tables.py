"""The evaluation's tables: results.parquet and alpha_curve.parquet."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from storage.store.shard_files import ShardReader

RESULTS = "results.parquet"
ALPHA_CURVE = "alpha_curve.parquet"

RESULT_COLUMNS: dict[str, type[pl.DataType]] = {
    "system": pl.String,
    "base": pl.String,
    "split": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "n": pl.Int64,
}
_CURVE_COLUMNS = {"base": pl.String, "alpha": pl.Float64, "perplexity": pl.Float64}

Row = Mapping[str, str | float | int | None]


def write_results(folder: Path, rows: Sequence[Row]) -> None:
    """Write results.parquet: system, base, split, metric, value, ci_low, ci_high, n."""
    pl.DataFrame(list(rows), schema=RESULT_COLUMNS, orient="row").write_parquet(folder / RESULTS)


def read_results(reader: ShardReader) -> list[dict[str, JsonValue]]:
    """The rows of an evaluation, in the order they were written."""
    return pl.read_parquet(BytesIO(reader.read(RESULTS))).to_dicts()


def write_alpha_curve(folder: Path, rows: Sequence[Row]) -> None:
    """Write alpha_curve.parquet: base, alpha, perplexity on the validation split."""
    table = pl.DataFrame(list(rows), schema=_CURVE_COLUMNS, orient="row")
    table.write_parquet(folder / ALPHA_CURVE)


def read_alpha_curve(reader: ShardReader) -> list[dict[str, JsonValue]]:
    """The points of every base's curve, in the order they were written."""
    return pl.read_parquet(BytesIO(reader.read(ALPHA_CURVE))).to_dicts()
