"""Scores under a routed mixture: routed-valid.parquet and routed-test.parquet, in stream order.

A float32 column `log_prob` as in the scores of other systems, and `alpha`, the memory's weight.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.store.shard_files import ShardReader

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
