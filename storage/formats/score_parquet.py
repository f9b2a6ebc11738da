"""Token scores: the log-probability of every scored position of a split, in stream order.

One shard per split, `scores.parquet`, with a float32 column per setting the system was scored with
(`log_prob_0`, `log_prob_1`, …); most systems have one.
"""

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
