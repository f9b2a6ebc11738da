"""Columns with a float32 per scored position, in stream order: scores, features, routed scores.

Legend: F features, G settings of a system, N positions.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.formats.data_file import Column, DataFile, ShardFolder
from storage.store.shard_files import ShardReader

_FLOAT = pa.float32()

SCORES = DataFile(
    "scores.parquet",
    ("scores",),
    "Log-probability of every scored position of a split, in stream order",
    (Column("log_prob_*", _FLOAT, "Of the token that follows; * is the system's setting", "nats"),),
)
FEATURES = DataFile(
    "features.parquet",
    ("router_features",),
    "What a router reads of every scored position: two models' distributions in nine figures",
    (
        Column("base_entropy", _FLOAT, "Entropy of the base's distribution", "nats"),
        Column("memory_entropy", _FLOAT, "Entropy of the memory's", "nats"),
        Column("base_top", _FLOAT, "Log-probability of the base's most probable token", "nats"),
        Column("memory_top", _FLOAT, "Log-probability of the memory's", "nats"),
        Column("same_top", _FLOAT, "1 where both are the same token, else 0"),
        Column("base_of_memory_top", _FLOAT, "What the base gives to the memory's", "nats"),
        Column("memory_of_base_top", _FLOAT, "What the memory gives to the base's", "nats"),
        Column("kl_memory_base", _FLOAT, "KL(memory ‖ base)", "nats"),
        Column("kl_base_memory", _FLOAT, "KL(base ‖ memory)", "nats"),
    ),
)
ROUTED = DataFile(
    "routed-<split>.parquet",
    ("alpha_router",),
    "The routed mixture at every scored position, in stream order",
    (
        Column("log_prob", _FLOAT, "Log-probability of the token that follows", "nats"),
        Column("alpha", _FLOAT, "The memory's weight"),
    ),
)

Float64Array = npt.NDArray[np.float64]


def write_scores(shard: ShardFolder, log_probs_GN: Float64Array) -> None:
    """Write a split's scores.

    Args:
        shard: Where.
        log_probs_GN: Natural logarithms, (G settings, N positions); -inf is a probability of 0.
            float32 holds them as the models gave them.
    """
    assert not np.isnan(log_probs_GN).any()
    _write(shard.folder / SCORES.name, SCORES.schema(shard.ref, len(log_probs_GN)), log_probs_GN)


def read_scores(reader: ShardReader) -> Float64Array:
    """The scores (G, N) as they were written, in float64."""
    return np.stack(_read(reader, SCORES.name)).astype(np.float64)


def write_features(shard: ShardFolder, features_NF: npt.NDArray[np.float32]) -> None:
    """Write the features of a split's positions, in the order of the columns of `FEATURES`."""
    _write(shard.folder / FEATURES.name, FEATURES.schema(shard.ref), features_NF.T)


def read_features(reader: ShardReader, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """The features (N, F) in the order of the names given."""
    return np.stack(_read(reader, FEATURES.name, names), axis=1)


def write_routed(
    shard: ShardFolder, split: str, log_probs_N: Float64Array, alphas_N: Float64Array
) -> None:
    """Write a split's scores and weights."""
    path = shard.folder / _routed(split)
    _write(path, ROUTED.schema(shard.ref), (log_probs_N, alphas_N))


def read_routed(reader: ShardReader, split: str) -> tuple[Float64Array, Float64Array]:
    """A split's scores and weights as they were written, in float64."""
    log_probs_N, alphas_N = _read(reader, _routed(split))
    return log_probs_N.astype(np.float64), alphas_N.astype(np.float64)


def _routed(split: str) -> str:
    return ROUTED.name.replace("<split>", split)


def _write(path: Path, schema: pa.Schema, columns: Iterable[npt.NDArray[np.floating]]) -> None:
    arrays = [pa.array(column_N.astype(np.float32, order="C")) for column_N in columns]
    table = pa.Table.from_arrays(arrays, schema=schema)
    pq.write_table(table, path, compression="zstd", use_dictionary=False)


def _read(
    reader: ShardReader, name: str, columns: Sequence[str] | None = None
) -> list[npt.NDArray[np.float32]]:
    """Some columns in the order asked for, all of them by default."""
    table = pq.read_table(reader.local_path(name), columns=columns and list(columns))
    return [table[column].to_numpy() for column in columns or table.column_names]
