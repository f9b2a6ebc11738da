"""Resumable state of an unfinished shard: checkpoints of a training."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from pydantic import AfterValidator, BaseModel

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import FileEntry, parse_record, safe_name
from storage.objects.object_root import ObjectRoot
from storage.objects.store_errors import DamagedArtifact, MissingArtifact
from storage.objects.store_layout import scratch_key
from storage.store.stored_folder import FolderDraft, StoredFolder


class _Snapshot(BaseModel):
    """One saved state: the folder that holds it and its files."""

    folder: Annotated[str, AfterValidator(safe_name)]
    files: list[FileEntry]


class Scratch:
    """Named snapshots beside an artifact; never part of its manifest, gone once it is sealed.

    A snapshot is visible only when all of it is durable: its record `<name>.json` comes last.
    """

    def __init__(self, root: ObjectRoot, ref: ArtifactRef) -> None:
        self._root = root
        self._key = scratch_key(ref)

    def save(self, name: str, fill: Callable[[Path], None]) -> None:
        """Saves a snapshot, over one of the same name.

        Args:
            name: Sorts by age: `step-000120`.
            fill: Writes the snapshot's files into the folder it is given.
        """
        folder = f"{safe_name(name)}-{uuid4().hex}"
        draft = FolderDraft(self._root, f"{self._key}/{folder}")
        fill(draft.folder)
        record = _Snapshot(folder=folder, files=draft.finish())
        before = self._record(name)
        self._root.replace(f"{self._key}/{name}.json", record.model_dump_json().encode())
        if before:
            self._root.delete_tree(f"{self._key}/{before.folder}")

    def latest(self) -> tuple[str, Path] | None:
        """The newest snapshot whose bytes are whole: its name and a local folder with its files."""
        for name in reversed(self._names()):
            try:
                record = self._record(name)
                if record:
                    files = StoredFolder(self._root, f"{self._key}/{record.folder}", record.files)
                    for path in files.names():
                        files.read(path)
                    return name, files.folder()
            except (DamagedArtifact, MissingArtifact):
                continue
        return None

    def keep_last(self, count: int) -> None:
        """Deletes all but the newest `count` snapshots, and what dead savers left."""
        names = self._names()
        for name in names[: len(names) - count]:
            self._root.delete([f"{self._key}/{name}.json"])
        kept = {record.folder for name in self._names() if (record := self._record(name))}
        for folder in self._root.folders(self._key):
            if folder not in kept:
                self._root.delete_tree(f"{self._key}/{folder}")

    def _names(self) -> list[str]:
        """Snapshots with a record, oldest first."""
        keys = (entry.key.removeprefix(f"{self._key}/") for entry in self._root.scan(self._key))
        return sorted(
            key.removesuffix(".json") for key in keys if "/" not in key and key.endswith(".json")
        )

    def _record(self, name: str) -> _Snapshot | None:
        key = f"{self._key}/{name}.json"
        data = self._root.read(key)
        return None if data is None else parse_record(_Snapshot, data, f"{self._root.url}/{key}")
