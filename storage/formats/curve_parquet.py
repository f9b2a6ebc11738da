"""Loss curves of a training as a Parquet table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
