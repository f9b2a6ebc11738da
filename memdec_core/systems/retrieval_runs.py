"""Which scored positions share a retrieved passage.

Shapes: B sequences of a batch, T tokens of a sequence, P scored positions, R runs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Runs(NamedTuple):
    """Scored positions, in row-major order, grouped by the passage they share.

    Attributes:
        rows_R: The sequence of each run, int64.
        starts_R: Its first column: the tokens before it are the query.
        firsts_R: Rank of its first scored position among all.
        counts_R: How many scored positions it has.
    """

    rows_R: NDArray[np.int64]
    starts_R: NDArray[np.int64]
    firsts_R: NDArray[np.int64]
    counts_R: NDArray[np.int64]


def make_runs(scored_BT: NDArray[np.bool_], stride: int) -> Runs:
    """Cut each sequence into runs of `stride` columns, beginning at its first scored one."""
    width = scored_BT.shape[1]
    rows_P, columns_P = np.nonzero(scored_BT)
    opening_P = scored_BT.argmax(axis=1)[rows_P]
    starts_P = columns_P - (columns_P - opening_P) % stride
    cells_R, firsts_R, counts_R = np.unique(
        rows_P * width + starts_P, return_index=True, return_counts=True
    )
    return Runs(cells_R // width, cells_R % width, firsts_R, counts_R)
