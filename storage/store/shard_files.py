"""A shard: written by one attempt, committed once, read by name."""

from collections.abc import Mapping
from typing import TypeVar
from uuid import uuid4

from pydantic import JsonValue

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import ShardEntry, parse_record, safe_name
from storage.objects.object_root import ObjectRoot
from storage.objects.store_errors import MissingArtifact
from storage.objects.store_layout import commits_key, shard_key
from storage.store.stored_folder import FolderDraft, StoredFolder

ONE_SHARD = "all"
"""Name of the shard of an artifact that has only one."""
T = TypeVar("T")


def split_of(shard: str) -> str:
    """The split that a shard is a part of: train of `train-00003`; empty if it is of none."""
    return shard.rpartition("-")[0]


def of_split(shards: Mapping[str, T], split: str) -> dict[str, T]:
    """Those of a split among readers or figures of shards by name, in the split's order."""
    return {name: shards[name] for name in sorted(shards) if split_of(name) == split}


def require_split(shards: Mapping[str, T], split: str, artifact: str) -> dict[str, T]:
    """As `of_split`, of the tokens, embeddings or targets that `artifact` names.

    Raises:
        MissingArtifact: There is no shard of this split.
    """
    found = of_split(shards, split)
    if not found:
        raise MissingArtifact(
            f"the {artifact} have no {split} split; check the corpus configuration and run again"
        )
    return found


class ShardReader(StoredFolder):
    """The files and figures of a finished shard.

    Attributes:
        meta: What the builder noted at the commit.
    """

    def __init__(self, root: ObjectRoot, ref: ArtifactRef, entry: ShardEntry) -> None:
        super().__init__(root, shard_key(ref, entry.attempt, entry.name), entry.files)
        self.meta = entry.meta


class ShardWriter:
    """One attempt at one shard.

    Attributes:
        ref: The artifact.
        folder: Local folder for the shard's files; write there freely, also in subfolders.
    """

    def __init__(self, root: ObjectRoot, ref: ArtifactRef, shard: str, attempt: str) -> None:
        self._root = root
        self.ref = ref
        self._shard = safe_name(shard)
        # a worker that died in this attempt may have left files: never mix with them
        taken = not root.reserve(shard_key(ref, attempt, shard))
        self._attempt = uuid4().hex if taken else attempt
        self._draft = FolderDraft(root, shard_key(ref, self._attempt, shard))
        self.folder = self._draft.folder

    def commit(
        self, meta: dict[str, JsonValue], seconds: float, peak_memory_bytes: int
    ) -> ShardEntry:
        """Publishes the shard; of several attempts the first to commit wins.

        Returns:
            The entry that holds, which may be another attempt's.
        """
        entry = ShardEntry(
            name=self._shard,
            attempt=self._attempt,
            files=self._draft.finish(),
            meta=meta,
            seconds=seconds,
            peak_memory_bytes=peak_memory_bytes,
        )
        key = f"{commits_key(self.ref)}/{self._shard}.json"
        while not self._root.create(key, entry.model_dump_json().encode()):
            winner = self._root.read(key)
            if winner is not None:
                return parse_record(ShardEntry, winner, f"{self._root.url}/{key}")
            # sealed and tidied by the winner just now: what we create is collected later
        return entry
