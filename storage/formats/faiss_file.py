"""FAISS indexes as files: written whole, opened without reading them into memory.

FAISS accepts a file with flipped bits; that the bytes are right is the manifest's checksum's duty.
"""

from pathlib import Path

import faiss

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
