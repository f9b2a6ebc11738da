"""Columns with a float32 per scored position, in stream order: scores, features, routed scores.

Legend: F features, G settings of a system, N positions.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.store.shard_files import ShardReader

SCORES = "scores.parquet"
FEATURES = "features.parquet"
ROUTED_COLUMNS = ("log_prob", "alpha")

Float64Array = npt.NDArray[np.float64]


def write_scores(folder: Path, log_probs_GN: Float64Array) -> None:
    """Write a split's scores.

    Args:
        folder: The shard's folder.
        log_probs_GN: Natural logarithms, (G settings, N positions); -inf is a probability of 0.
            float32 holds them as the models gave them.
    """
    assert not np.isnan(log_probs_GN).any()
    names = [f"log_prob_{g}" for g in range(len(log_probs_GN))]
    _write(folder / SCORES, names, log_probs_GN)


def read_scores(reader: ShardReader) -> Float64Array:
    """The scores (G, N) as they were written, in float64."""
    return np.stack(_read(reader, SCORES)).astype(np.float64)


def write_features(
    folder: Path, names: Sequence[str], features_NF: npt.NDArray[np.float32]
) -> None:
    """Write the features of a split's positions, the columns under their names."""
    _write(folder / FEATURES, names, features_NF.T)


def read_features(reader: ShardReader, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """The features (N, F) in the order of the names given."""
    return np.stack(_read(reader, FEATURES, names), axis=1)


def write_routed(
    folder: Path, split: str, log_probs_N: Float64Array, alphas_N: Float64Array
) -> None:
    """Write a split's scores and weights."""
    _write(folder / _routed(split), ROUTED_COLUMNS, (log_probs_N, alphas_N))


def read_routed(reader: ShardReader, split: str) -> tuple[Float64Array, Float64Array]:
    """A split's scores and weights as they were written, in float64."""
    log_probs_N, alphas_N = _read(reader, _routed(split), ROUTED_COLUMNS)
    return log_probs_N.astype(np.float64), alphas_N.astype(np.float64)


def _routed(split: str) -> str:
    return f"routed-{split}.parquet"


def _write(path: Path, names: Iterable[str], columns: Iterable[npt.NDArray[np.floating]]) -> None:
    arrays = [pa.array(column_N.astype(np.float32, order="C")) for column_N in columns]
    table = pa.Table.from_arrays(arrays, list(names))
    pq.write_table(table, path, compression="zstd", use_dictionary=False)


def _read(
    reader: ShardReader, name: str, columns: Sequence[str] | None = None
) -> list[npt.NDArray[np.float32]]:
    """Some columns in the order asked for, all of them by default."""
    table = pq.read_table(reader.local_path(name), columns=columns and list(columns))
    return [table[column].to_numpy() for column in columns or table.column_names]
