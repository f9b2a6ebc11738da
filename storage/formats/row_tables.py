"""Tables of few rows: results, curves, examples, checks, latency."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
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


_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("epoch", pa.float64(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),
        pa.field("kl", pa.float64()),
        pa.field("ce", pa.float64(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
    ]
)


def write_curves(path: Path, points: Sequence[Mapping[str, Any]]) -> None:
    """Writes one row per point; `kl` is null where there were no targets.

    Args:
        path: File to write.
        points: step, epoch, split (`train` or `valid`), loss, kl, ce (nats), learning_rate.
    """
    pq.write_table(pa.Table.from_pylist(list(points), schema=_SCHEMA), path, compression="zstd")


def read_curves(path: Path) -> list[dict[str, Any]]:
    """The points as `write_curves` took them."""
    points: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return points


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
