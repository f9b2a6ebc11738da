"""A comparison's further tables: the curves that weights were read from, reliability of targets."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from storage.formats.result_tables import RESULT_COLUMNS, RESULTS, Row
from storage.store.shard_files import ShardReader

CURVES = "curves.parquet"
RELIABILITY = "reliability.parquet"

_CURVE_COLUMNS = {
    "system": pl.String,
    "base": pl.String,
    "alpha": pl.Float64,
    "perplexity": pl.Float64,
}
_RELIABILITY_COLUMNS = {"predicted": pl.Float64, "observed": pl.Float64, "entries": pl.Int64}


def write_mixture_curves(folder: Path, rows: Sequence[Row]) -> None:
    """Write curves.parquet: system, base, alpha, perplexity on the validation split."""
    _write(folder / CURVES, rows, _CURVE_COLUMNS)


def read_mixture_curves(reader: ShardReader) -> list[dict[str, JsonValue]]:
    """The points of every curve, in the order they were written."""
    return _read(reader, CURVES)


def write_reliability(folder: Path, rows: Sequence[Row]) -> None:
    """Write reliability.parquet: of every bin the mean probability, what followed, its entries."""
    _write(folder / RELIABILITY, rows, _RELIABILITY_COLUMNS)


def read_reliability(reader: ShardReader) -> list[dict[str, JsonValue]]:
    """The bins, in ascending order."""
    return _read(reader, RELIABILITY)


def write_joint_results(folder: Path, rows: Sequence[Mapping[str, JsonValue]]) -> None:
    """Write results.parquet of several comparisons: their rows with the corpus before them."""
    _write(folder / RESULTS, rows, {"corpus": pl.String} | RESULT_COLUMNS)


def _write(
    path: Path,
    rows: Sequence[Mapping[str, JsonValue]],
    columns: Mapping[str, type[pl.DataType]],
) -> None:
    pl.DataFrame(list(rows), schema=dict(columns), orient="row").write_parquet(path)


def _read(reader: ShardReader, name: str) -> list[dict[str, JsonValue]]:
    return pl.read_parquet(BytesIO(reader.read(name))).to_dicts()
