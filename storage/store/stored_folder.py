"""A folder of files in a store: written as a local folder, read as one, checked on the way."""

import hashlib
import os
import secrets
import weakref
from contextlib import ExitStack
from pathlib import Path

from storage.objects.fingerprint import digest_file
from storage.objects.local_files import make_folder, sync_tree
from storage.objects.manifest import FileEntry, safe_path
from storage.objects.object_root import ObjectRoot
from storage.objects.store_errors import (
    DamagedArtifact,
    MissingArtifact,
    MissingSource,
    UnsafeName,
    translated,
)
from storage.objects.temporary_folder import temporary_folder


def list_files(folder: Path) -> list[FileEntry]:
    """Every file below `folder` with size and digest, sorted by path.

    Raises:
        UnsafeName: A symbolic link (it may lead out of the store) or a name no store can hold.
    """
    entries = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise UnsafeName(f"{path}: symbolic links cannot be stored; copy the file itself")
        if path.is_file():
            name = safe_path(path.relative_to(folder).as_posix())
            entries.append(FileEntry(path=name, size=path.stat().st_size, sha256=digest_file(path)))
    return entries


class FolderDraft:
    """A new folder of the store, filled through a local folder.

    In a local store `folder` is the final place; otherwise a temporary folder, uploaded by
    `finish`. Nothing refers to it until its owner writes a record of the entries.
    """

    def __init__(self, root: ObjectRoot, key: str) -> None:
        self._root = root
        self._key = key
        self._temporary = ExitStack()
        with translated(f"{root.url}/{key}"):
            if root.folder:
                self.folder = root.folder / key
                make_folder(self.folder)
            else:
                self.folder = self._temporary.enter_context(temporary_folder())
            # kept open, so that no other folder can come to the same inode
            self._handle = os.open(self.folder, os.O_RDONLY)
            weakref.finalize(self, os.close, self._handle)

    def finish(self) -> list[FileEntry]:
        """Makes the files durable in the store and returns their entries.

        Raises:
            MissingArtifact: The folder was collected meanwhile.
            UnsafeName: A file that cannot be stored.
        """
        with self._temporary, translated(f"{self._root.url}/{self._key}"):
            try:
                entries = list_files(self.folder)
                self._publish(entries)
                intact = os.path.samestat(self.folder.stat(), os.fstat(self._handle))
            except (FileNotFoundError, MissingSource):
                intact = False
        if not intact:
            raise MissingArtifact(
                f"{self._root.url}/{self._key}: removed while it was being written; run again"
            )
        return entries

    def _publish(self, entries: list[FileEntry]) -> None:
        if self._root.folder:
            sync_tree(self.folder)
            return
        for entry in entries:
            self._root.upload(self.folder / entry.path, f"{self._key}/{entry.path}")


class StoredFolder:
    """Reads the files of one finished folder, and only those its record names.

    Args:
        root: The store.
        key: The folder's key.
        files: Entries of the record that published the folder.
    """

    def __init__(self, root: ObjectRoot, key: str, files: list[FileEntry]) -> None:
        self._root = root
        self._key = key
        self._files = {entry.path: entry for entry in files}

    def names(self) -> list[str]:
        """Paths of the files, sorted."""
        return sorted(self._files)

    def read(self, path: str) -> bytes:
        """All bytes of a file, checked against its digest.

        Raises:
            MissingArtifact: No such file.
            DamagedArtifact: Its bytes changed.
        """
        entry = self._entry(path)
        data = self._root.read(f"{self._key}/{path}")
        if data is None:
            raise self._missing(path)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise self._damaged(path)
        return data

    def local_path(self, path: str) -> Path:
        """A local file with these bytes: the stored file itself, or a checked copy.

        The stored file is checked by its size only, so that large files can be memory-mapped
        without reading them; `verify` reads everything.

        Raises:
            MissingArtifact: No such file.
            DamagedArtifact: Its size, or its digest when it was copied, differs.
        """
        entry = self._entry(path)
        local = self._base() / path
        with translated(str(local)):
            if not self._root.folder and not local.exists():
                self._fetch(entry, local)
            if not local.exists():
                raise self._missing(path)
            if local.stat().st_size != entry.size:
                raise self._damaged(path)
        return local

    def folder(self) -> Path:
        """A local folder with all the files: the stored one, or a checked copy."""
        for path in self._files:
            self.local_path(path)
        return self._base()

    def _base(self) -> Path:
        return (self._root.folder or cache_folder(self._root.url)) / self._key

    def _fetch(self, entry: FileEntry, local: Path) -> None:
        local.parent.mkdir(parents=True, exist_ok=True)
        partial = local.with_name(f"{local.name}#{secrets.randbelow(10**15)}")
        try:
            self._root.download(f"{self._key}/{entry.path}", partial)
            if digest_file(partial) != entry.sha256:
                raise self._damaged(entry.path)
            partial.replace(local)
        except FileNotFoundError as error:
            raise self._missing(entry.path) from error
        finally:
            partial.unlink(missing_ok=True)

    def _entry(self, path: str) -> FileEntry:
        if path not in self._files:
            raise self._missing(path)
        return self._files[path]

    def _missing(self, path: str) -> MissingArtifact:
        return MissingArtifact(f"{self._root.url}/{self._key}/{path}: no such file; {_REBUILD}")

    def _damaged(self, path: str) -> DamagedArtifact:
        return DamagedArtifact(
            f"{self._root.url}/{self._key}/{path}: not the bytes that were written; {_REBUILD}"
        )


_REBUILD = "rebuild the artifact with `memdec run --force` for its stage"


def cache_folder(url: str) -> Path:
    """Local copies of an object store's files.

    Artifacts never change, so a copy never goes stale; the folder may be deleted at any time.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "memdec", hashlib.sha256(url.encode()).hexdigest()[:16])
