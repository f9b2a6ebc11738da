"""Tables of few rows: results, curves, checks, times, examples.

Every table is a Parquet file of a fixed name and fixed columns, in the order its rows were made.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

from storage.store.shard_files import ShardReader

Row = Mapping[str, JsonValue]


class RowTable(NamedTuple):
    """One kind of table.

    Attributes:
        name: The file's.
        columns: Types by name, or an Arrow schema that says which columns are never null. Files of
            the two are compressed by different libraries, as each was from the beginning.
    """

    name: str
    columns: Mapping[str, type[pl.DataType]] | pa.Schema

    def write(self, folder: Path, rows: Sequence[Row]) -> None:
        """Write the table into a folder; the same rows give the same bytes."""
        path = folder / self.name
        if isinstance(self.columns, pa.Schema):
            table = pa.Table.from_pylist(list(rows), schema=self.columns)
            pq.write_table(table, path, compression="zstd")
        else:
            pl.DataFrame(list(rows), schema=dict(self.columns), orient="row").write_parquet(path)

    def read(self, reader: ShardReader) -> list[dict[str, JsonValue]]:
        """The rows as they were written."""
        return pl.read_parquet(BytesIO(reader.read(self.name))).to_dicts()


_MEASURED: dict[str, type[pl.DataType]] = {
    "system": pl.String,
    "base": pl.String,
    "split": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "n": pl.Int64,
}
_TUNING = {"base": pl.String, "alpha": pl.Float64, "perplexity": pl.Float64}

RESULTS = RowTable("results.parquet", _MEASURED)
"""What was measured; a base of null is none at all."""
JOINT_RESULTS = RowTable(RESULTS.name, {"corpus": pl.String} | _MEASURED)
"""Results of several comparisons; `RESULTS` reads them, too."""
ALPHA_CURVE = RowTable("alpha_curve.parquet", _TUNING)
"""Perplexity on the validation split at every α that was tried."""
MIXTURE_CURVES = RowTable("curves.parquet", {"system": pl.String} | _TUNING)
"""The same for every system of a comparison that has such a weight."""
RELIABILITY_BINS = RowTable(
    "reliability.parquet", {"predicted": pl.Float64, "observed": pl.Float64, "entries": pl.Int64}
)
"""Bins in ascending order: their mean probability, how often the token followed, their entries."""
CHECKS = RowTable(
    "checks.parquet",
    {
        "check": pl.String,
        "base": pl.String,
        "value": pl.Float64,
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "limit": pl.Float64,
        "passed": pl.Boolean,
    },
)
"""The checks of a gate."""
LATENCIES = RowTable(
    "latency.parquet",
    {
        "system": pl.String,
        "base": pl.String,
        "context": pl.Int64,  # tokens of the prompt
        "datastore_rows": pl.Int64,  # null where there is no datastore
        "first_token_ms": pl.Float64,
        "ms_per_token": pl.Float64,  # after the first
        "tokens_per_second": pl.Float64,
        "ratio": pl.Float64,  # of ms_per_token to the base's, with its quartiles
        "ratio_low": pl.Float64,
        "ratio_high": pl.Float64,
        "flops_ratio": pl.Float64,  # null where operations are not counted
        "memory_bytes": pl.Int64,
        "disk_bytes": pl.Int64,
        "device": pl.String,
        "cores": pl.Int64,
        "threads": pl.Int64,
    },
)
"""What a token costs each system."""
LOSS_CURVES = RowTable(
    "curves.parquet",
    pa.schema(
        [
            pa.field("step", pa.int64(), nullable=False),
            pa.field("epoch", pa.float64(), nullable=False),
            pa.field("split", pa.string(), nullable=False),  # train or valid
            pa.field("loss", pa.float64(), nullable=False),
            pa.field("kl", pa.float64()),  # null where there were no targets
            pa.field("ce", pa.float64(), nullable=False),
            pa.field("learning_rate", pa.float64(), nullable=False),
        ]
    ),
)
"""Losses of a training (nats)."""
MEMORISED = RowTable(
    "examples.parquet",
    pa.schema(
        [
            pa.field("document", pa.string(), nullable=False),  # its id
            pa.field("token_offset", pa.int64(), nullable=False),  # of the text in the document
            pa.field("character_offset", pa.int64(), nullable=False),
            pa.field("tokens", pa.int64(), nullable=False),  # reproduced
            pa.field("base_tokens", pa.int64(), nullable=False),  # of these, by the base alone
            pa.field("prompt", pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),  # what was reproduced
        ]
    ),
)
"""What a memory reproduced of its documents, word for word."""
