"""Features of the positions of a split: features.parquet, a float32 column each, in order."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.store.shard_files import ShardReader

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
