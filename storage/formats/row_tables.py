"""Tables of few rows: results, curves, checks, times, examples.

Every table is a Parquet file of a fixed name and fixed columns, in the order its rows were made.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

from storage.formats.data_file import Column, DataFile, ShardFolder
from storage.store.shard_files import ShardReader

Row = Mapping[str, JsonValue]


class RowTable(DataFile):
    """One kind of table."""

    def write(self, shard: ShardFolder, rows: Sequence[Row]) -> None:
        """Write the table; the same rows give the same bytes."""
        table = pa.Table.from_pylist(list(rows), schema=self.schema(shard.ref))
        pq.write_table(table, shard.folder / self.name, compression="zstd")

    def read(self, reader: ShardReader) -> list[dict[str, JsonValue]]:
        """The rows as they were written."""
        return pl.read_parquet(BytesIO(reader.read(self.name))).to_dicts()


_STRING, _INT, _FLOAT, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_SYSTEM = Column("system", _STRING, "What was measured: base, memory, mixture, knn_lm, …")
_BASE = Column("base", _STRING, "The base model it was measured with; null: with none")
_LOW = Column("ci_low", _FLOAT, "Lower end of value's 95 % interval; null where there is none")
_HIGH = Column("ci_high", _FLOAT, "Its upper end")
_MEASURED = (
    _SYSTEM,
    _BASE,
    Column("split", _STRING, "On which split, corpus or data set"),
    Column("metric", _STRING, "Of what: perplexity, perplexity_ratio, accuracy, …"),
    Column("value", _FLOAT, "The figure, in the metric's unit"),
    _LOW,
    _HIGH,
    Column("n", _INT, "What it is a mean over", "positions, records or spans"),
)
_TUNING = (
    _BASE,
    Column("alpha", _FLOAT, "A weight of the memory (kNN-LM: of the neighbours) that was tried"),
    Column("perplexity", _FLOAT, "Of the validation split at that weight"),
)

RESULTS = RowTable(
    "results.parquet",
    ("evaluation", "comparison", "memorisation_audit"),
    "What was measured, with intervals",
    _MEASURED,
)
JOINT_RESULTS = RowTable(
    RESULTS.name,
    ("domains",),
    "What was measured in several comparisons",
    (Column("corpus", _STRING, "The pipeline's name"), *_MEASURED),
)
"""`RESULTS` reads them, too."""
ALPHA_CURVE = RowTable(
    "alpha_curve.parquet",
    ("evaluation",),
    "Perplexity on the validation split at every α that was tried",
    _TUNING,
)
MIXTURE_CURVES = RowTable(
    "curves.parquet",
    ("comparison",),
    "The same for every system that has such a weight",
    (_SYSTEM, *_TUNING),
)
RELIABILITY_BINS = RowTable(
    "reliability.parquet",
    ("comparison",),
    "How often tokens follow to which the targets give a probability, in ascending bins",
    (
        Column("predicted", _FLOAT, "Mean probability of the bin's entries"),
        Column("observed", _FLOAT, "Share of them whose token did follow"),
        Column("entries", _INT, "How many the bin has", "entries of the targets"),
    ),
)
CHECKS = RowTable(
    "checks.parquet",
    ("promotion_gate",),
    "The checks of the gate",
    (
        Column("check", _STRING, "What was checked"),
        _BASE,
        Column("value", _FLOAT, "What was found"),
        _LOW,
        _HIGH,
        Column("limit", _FLOAT, "What is allowed"),
        Column("passed", _BOOL, "Whether it passed"),
    ),
)
LATENCIES = RowTable(
    "latency.parquet",
    ("latency",),
    "What a token costs each system",
    (
        _SYSTEM,
        _BASE,
        Column("context", _INT, "Length of the prompt", "tokens"),
        Column("datastore_rows", _INT, "Null where there is no datastore", "rows"),
        Column("first_token_ms", _FLOAT, "Time to the first token", "ms"),
        Column("ms_per_token", _FLOAT, "Time per token after the first", "ms"),
        Column("tokens_per_second", _FLOAT, "The same turned round", "1/s"),
        Column("ratio", _FLOAT, "Of ms_per_token to the base's, median"),
        Column("ratio_low", _FLOAT, "Its first quartile"),
        Column("ratio_high", _FLOAT, "Its third quartile"),
        Column("flops_ratio", _FLOAT, "Operations to the base's; null where not counted"),
        Column("memory_bytes", _INT, "Main memory that the system needs", "bytes"),
        Column("disk_bytes", _INT, "Size of its files", "bytes"),
        Column("device", _STRING, "Where it ran"),
        Column("cores", _INT, "Of that machine"),
        Column("threads", _INT, "That were used"),
    ),
)
LOSS_CURVES = RowTable(
    "curves.parquet",
    ("base_model", "memory", "adapted_model"),
    "Losses of the training",
    (
        Column("step", _INT, "Optimizer steps so far", nullable=False),
        Column("epoch", _FLOAT, "The same in passes over the data", "epochs", nullable=False),
        Column("split", _STRING, "train or valid", nullable=False),
        Column("loss", _FLOAT, "β·kl + (1-β)·ce", "nats", nullable=False),
        Column("kl", _FLOAT, "KL(p_kNN ‖ p_mem); null where there were no targets", "nats"),
        Column("ce", _FLOAT, "Cross-entropy with the token that follows", "nats", nullable=False),
        Column("learning_rate", _FLOAT, "Of the step", nullable=False),
    ),
)
MEMORISED = RowTable(
    "examples.parquet",
    ("memorisation_audit",),
    "What the memory reproduced of its documents, word for word",
    (
        Column("document", _STRING, "Its id", nullable=False),
        Column("token_offset", _INT, "Of the text in the document", "tokens", nullable=False),
        Column("character_offset", _INT, "The same", "characters", nullable=False),
        Column("tokens", _INT, "Reproduced", "tokens", nullable=False),
        Column("base_tokens", _INT, "Of these, by the base alone", "tokens", nullable=False),
        Column("prompt", _STRING, "What it was given", nullable=False),
        Column("text", _STRING, "What it reproduced", nullable=False),
    ),
)
