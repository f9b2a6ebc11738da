"""The true keys beside an index that rounds them: one array on disk, read row by row."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


def write_keys(
    path: Path, n_rows: int, width: int, blocks: Iterable[tuple[int, NDArray[np.float16]]]
) -> None:
    """Writes keys as a float16 array of shape (n_rows, width), a block at a time.

    Args:
        path: The `.npy` file.
        n_rows: Rows of all blocks together.
        width: Length of a key.
        blocks: Pairs of first row and keys, in order, without gaps.
    """
    written = 0
    with path.open("wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (n_rows, width)}
        npy.write_array_header_1_0(file, header)
        for start, keys in blocks:
            assert start == written, (start, written)
            file.write(keys.astype("<f2", copy=False).tobytes())
            written += len(keys)
    assert written == n_rows, (written, n_rows)


def open_keys(path: Path) -> NDArray[np.float16]:
    """Opens keys as a memory-mapped array, shape (rows, width)."""
    keys_ND: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    return keys_ND
