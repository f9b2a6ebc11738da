"""Columns with a row per scored position, in stream order: scores, features, routed scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.store.shard_files import ShardReader

SCORES = "scores.parquet"


def write_scores(folder: Path, log_probs_GN: npt.NDArray[np.float64]) -> None:
    """Write a split's scores.

    Args:
        folder: The shard's folder.
        log_probs_GN: Natural logarithms, (G settings, N positions); -inf is a probability of 0.
            float32 holds them as the models gave them.
    """
    assert not np.isnan(log_probs_GN).any()
    columns = [pa.array(log_probs_N.astype(np.float32)) for log_probs_N in log_probs_GN]
    table = pa.Table.from_arrays(columns, [f"log_prob_{g}" for g in range(len(columns))])
    pq.write_table(table, folder / SCORES, compression="zstd", use_dictionary=False)


def read_scores(reader: ShardReader) -> npt.NDArray[np.float64]:
    """The scores (G, N) as they were written, in float64."""
    table = pq.read_table(reader.local_path(SCORES))
    columns: Sequence[pa.ChunkedArray] = table.columns
    return np.stack([column.to_numpy() for column in columns]).astype(np.float64)


FEATURES = "features.parquet"


def write_features(
    folder: Path, names: Sequence[str], features_NF: npt.NDArray[np.float32]
) -> None:
    """Write the features of a split's positions, the columns under their names."""
    columns = [pa.array(np.ascontiguousarray(column_N)) for column_N in features_NF.T]
    table = pa.Table.from_arrays(columns, list(names))
    pq.write_table(table, folder / FEATURES, compression="zstd", use_dictionary=False)


def read_features(reader: ShardReader, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """The features (N, F) in the order of the names given."""
    table = pq.read_table(reader.local_path(FEATURES), columns=list(names))
    return np.stack([table[name].to_numpy() for name in names], axis=1)


COLUMNS = ("log_prob", "alpha")


def write_routed(
    folder: Path,
    split: str,
    log_probs_N: npt.NDArray[np.float64],
    alphas_N: npt.NDArray[np.float64],
) -> None:
    """Write a split's scores and weights."""
    columns = [pa.array(values_N.astype(np.float32)) for values_N in (log_probs_N, alphas_N)]
    table = pa.Table.from_arrays(columns, list(COLUMNS))
    pq.write_table(table, folder / _name(split), compression="zstd", use_dictionary=False)


def read_routed(
    reader: ShardReader, split: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """A split's scores and weights as they were written, in float64."""
    table = pq.read_table(reader.local_path(_name(split)))
    log_probs_N, alphas_N = (table[name].to_numpy().astype(np.float64) for name in COLUMNS)
    return log_probs_N, alphas_N


def _name(split: str) -> str:
    return f"routed-{split}.parquet"
