"""The two files of an index: what FAISS searches, and the true keys where that rounds them.

FAISS accepts a file with flipped bits; that the bytes are right is the manifest's checksum's duty.

FAISS can only write inverted lists that it holds in memory, and its own way around this
(`merge_ondisk`) stores an absolute path in the index and prints to standard output. So `IndexParts`
moves the filled lists to disk whenever a part is full; in the end one plain FAISS file is written,
whose last section, the lists, is copied from the parts. Every version of FAISS reads such files.
"""

import struct
from collections.abc import Iterable
from functools import partial
from io import FileIO
from pathlib import Path
from typing import IO, NamedTuple

import faiss
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from storage.objects.local_files import sync_folder
from storage.objects.store_errors import DamagedArtifact

_LISTS = struct.Struct("<4sQQ4sQ")  # kind, number of lists, bytes per code, way of sizes, sizes


def write_index(path: Path, index: faiss.Index) -> None:
    """Writes an index to `path`; a crash leaves nothing of that name.

    Raises:
        OSError: What the operating system says; of its own files FAISS only tells a failed check.
    """
    staged = path.with_name(f"{path.name}.part")
    with staged.open("wb", buffering=0) as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(partial(_write_all, file)))  # type: ignore[attr-defined]
    _put_in_place(staged, path)


def _write_all(file: FileIO, data: bytes) -> None:
    while data:  # a disk that fills up takes a part first
        data = data[file.write(data) :]


def _put_in_place(staged: Path, path: Path) -> None:
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


class _Part(NamedTuple):
    starts: NDArray[np.int64]  # first entry of each list, and the end
    codes: NDArray[np.uint8]  # (entries, bytes per code), memory-mapped
    ids: NDArray[np.int64]  # (entries,), memory-mapped


def fits_in_parts(index: faiss.Index) -> bool:
    """Whether an empty index ends in plain inverted lists, which can be written in parts."""
    lists = faiss.try_extract_index_ivf(index)
    if lists is None:
        return False
    kind = lists.invlists and faiss.downcast_InvertedLists(lists.invlists)
    return isinstance(kind, faiss.ArrayInvertedLists) and faiss.serialize_index(
        index
    ).tobytes().endswith(_no_lists(lists))


class IndexParts:
    """Collects the lists of one trained index, part by part, in row order.

    Args:
        index: Trained index for which `fits_in_parts`; the caller adds keys to it between calls.
        folder: Empty folder for the parts; the caller removes it.
    """

    def __init__(self, index: faiss.Index, folder: Path) -> None:
        self._index = index
        self._lists = faiss.extract_index_ivf(index)
        self._folder = folder
        self._parts: list[_Part] = []
        self._rows = 0

    def flush(self) -> None:
        """Moves the keys added so far from the index to disk; the index is empty again.

        Ids count the rows of one index, so that they start anew with each part.
        """
        lists, n_lists = self._lists.invlists, self._lists.nlist
        assert lists is not None, "fits_in_parts"
        sizes = np.array([lists.list_size(number) for number in range(n_lists)], np.int64)
        prefix = self._folder / f"part-{len(self._parts):05d}"
        codes_path, ids_path = prefix.with_suffix(".codes"), prefix.with_suffix(".ids")
        with codes_path.open("wb") as codes, ids_path.open("wb") as ids:
            for number in np.flatnonzero(sizes):
                length, width = int(sizes[number]), self._lists.code_size
                held = faiss.rev_swig_ptr(lists.get_codes(int(number)), length * width)
                codes.write(held.tobytes())
                held = faiss.rev_swig_ptr(lists.get_ids(int(number)), length)
                ids.write((held + self._rows).astype("<i8").tobytes())
        starts = np.concatenate([[0], np.cumsum(sizes)])
        if starts[-1]:
            width = self._lists.code_size
            self._parts.append(
                _Part(
                    starts,
                    np.memmap(codes_path, np.uint8, "r").reshape(-1, width),
                    np.memmap(ids_path, "<i8", "r"),
                )
            )
        self._rows += self._index.ntotal
        self._index.reset()

    def join(self, path: Path) -> None:
        """Writes the index with the lists of all parts to `path`; a crash leaves nothing there."""
        sizes = sum((np.diff(part.starts) for part in self._parts), np.zeros(self._lists.nlist))
        staged = path.with_name(f"{path.name}.part")
        with staged.open("wb") as file:
            file.write(self._settings())
            file.write(_lists_header(self._lists, b"full", self._lists.nlist))
            file.write(sizes.astype("<u8").tobytes())
            for number in range(self._lists.nlist):
                self._copy_list(file, number)
        _put_in_place(staged, path)

    def set_nprobe(self, path: Path, nprobe: int) -> None:
        """Changes how many lists are probed in a joined file that nobody else reads yet."""
        self._lists.nprobe = nprobe
        with path.open("r+b") as file:
            file.write(self._settings())  # of the same length as before

    def _settings(self) -> bytes:
        """All of the index that precedes its lists."""
        self._index.ntotal = self._lists.ntotal = self._rows
        whole = faiss.serialize_index(self._index).tobytes()
        self._index.reset()
        return whole.removesuffix(_no_lists(self._lists))

    def _copy_list(self, file: IO[bytes], number: int) -> None:
        """One list: the codes of all its entries, then their ids."""
        slices = [(part, slice(*part.starts[number : number + 2])) for part in self._parts]
        for part, entries in slices:
            file.write(part.codes[entries].tobytes())
        for part, entries in slices:
            file.write(part.ids[entries].tobytes())


def _lists_header(lists: faiss.IndexIVF, way: bytes, n_sizes: int) -> bytes:
    return _LISTS.pack(b"ilar", lists.nlist, lists.code_size, way, n_sizes)


def _no_lists(lists: faiss.IndexIVF) -> bytes:
    """How FAISS writes lists that are all empty: by the numbers of those that are not."""
    return _lists_header(lists, b"sprs", 0)
