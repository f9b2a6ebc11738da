"""The two files of an index: what FAISS searches, and the true keys where that rounds them.

FAISS accepts a file with flipped bits; that the bytes are right is the manifest's checksum's duty.
"""

from collections.abc import Iterable
from pathlib import Path

import faiss
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from storage.objects.local_files import sync_folder
from storage.objects.store_errors import DamagedArtifact


def write_index(path: Path, index: faiss.Index) -> None:
    """Writes an index to `path`; a crash leaves nothing of that name."""
    staged = path.with_name(f"{path.name}.part")
    faiss.write_index(index, str(staged))
    put_in_place(staged, path)


def put_in_place(staged: Path, path: Path) -> None:
    """Gives a finished file its name, once its bytes are on disk."""
    sync_folder(staged)
    staged.replace(path)
    sync_folder(path.parent)


def open_index(path: Path) -> faiss.Index:
    """Opens an index; its keys and lists are read from the file when they are searched.

    Raises:
        DamagedArtifact: The file is missing or not an index.
    """
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise DamagedArtifact(
            f"{path}: not a FAISS index this version can open; "
            "run `memdec artifacts verify`, then rebuild with `--force index`"
        ) from error


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
