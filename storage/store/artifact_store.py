"""The artifact store: what exists, what is finished, and how it is published.

    artifacts/<stage>/<fingerprint>/
        manifest.json            created last, if absent: the artifact exists
        commits/<shard>.json     created when a shard is finished, if absent
        <attempt>/<shard>/…      the shards' files; a manifest may use several attempts'
        lease/<epoch>.json       who is building (saves work, correctness does not need it)
        scratch/…                resumable state of a shard

A folder and an object store follow the same protocol. Two builders that do not know of each
other can only ever add attempts; which files count is decided by the first commit of each shard
and by the one manifest.
"""

import contextlib
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import ValidationError

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import (
    Manifest,
    ManifestDraft,
    Record,
    ShardEntry,
    parse_manifest,
    parse_record,
)
from storage.objects.object_root import ObjectRoot, StoredObject
from storage.objects.root_urls import open_root
from storage.objects.store_errors import ArtifactInUse, MissingArtifact, StorageError
from storage.objects.store_layout import (
    ARTIFACTS,
    artifact_key,
    commits_key,
    lease_key,
    manifest_key,
    reserved_key,
    scratch_key,
    shard_key,
)
from storage.store.leases import describe_holder, is_held_by, lease_to_delete
from storage.store.leftovers import delete_group, named_keys, unnamed
from storage.store.scratch import Scratch
from storage.store.shard_files import ONE_SHARD, ShardReader, ShardWriter

_logger = logging.getLogger(__name__)


class Store:
    """Artifacts below one URL.

    Attributes:
        url: Absolute URL of the store.
        root: Its objects, for the modules of this package.
    """

    def __init__(self, root: ObjectRoot) -> None:
        self.root = root
        self.url = root.url

    @classmethod
    def open(cls, url: str) -> "Store":
        """Opens a folder, `file://` or `s3://`; makes a missing folder.

        Raises:
            StorageError: The URL is of no known kind, or does not answer.
        """
        return cls(open_root(url, create=True))

    @classmethod
    def open_existing(cls, url: str) -> "Store":
        """As `open`, to look at what is there: a missing folder is an error.

        Raises:
            StorageError: Also when there is no such folder.
        """
        return cls(open_root(url, create=False))

    def manifest(self, ref: ArtifactRef) -> Manifest | None:
        """The artifact's manifest, None if the artifact does not exist.

        Raises:
            DamagedArtifact: The manifest cannot be read.
            NewerFormat: A newer memdec wrote it.
        """
        key = manifest_key(ref)
        data = self.root.read(key)
        return None if data is None else parse_manifest(data, f"{self.url}/{key}")

    def require(self, ref: ArtifactRef) -> Manifest:
        """The manifest of an artifact that must exist.

        Raises:
            MissingArtifact: It does not.
        """
        manifest = self.manifest(ref)
        if manifest is None:
            raise MissingArtifact(f"{self.url}: no artifact {ref}; run the pipeline to build it")
        return manifest

    def committed(self, ref: ArtifactRef) -> dict[str, ShardEntry]:
        """Finished shards by name, sorted, whether the artifact is sealed or still being built."""
        manifest = self.manifest(ref)
        if manifest is None:
            built = self.commits(ref)
            # the records go when the artifact is sealed, which may have been just now
            manifest = self.manifest(ref)
        return _by_name(manifest.shards) if manifest else built

    def commits(self, ref: ArtifactRef) -> dict[str, ShardEntry]:
        """The finished shards of a build that is not sealed, beside whatever is."""
        return _by_name(self.records(ShardEntry, self.root.scan(commits_key(ref))))

    def readers(self, ref: ArtifactRef) -> dict[str, ShardReader]:
        """Readers of the finished shards by name, sorted."""
        return {
            name: ShardReader(self.root, ref, entry) for name, entry in self.committed(ref).items()
        }

    def only(self, ref: ArtifactRef) -> ShardReader:
        """The reader of an artifact that is not cut into shards."""
        return self.readers(ref)[ONE_SHARD]

    def writer(self, ref: ArtifactRef, shard: str, attempt: str) -> ShardWriter:
        """A new writer of one shard; works in any process.

        Args:
            ref: The artifact under construction.
            shard: Letters, digits, dots, dashes, underscores.
            attempt: Id of this build, as `claim` gave it.
        """
        return ShardWriter(self.root, ref, shard, attempt)

    def seal(self, ref: ArtifactRef, draft: ManifestDraft, again: str | None = None) -> Manifest:
        """Makes the artifact exist; if another builder was first, its manifest is returned.

        What was needed to build it goes once the manifest has been read, and so do the files of
        attempts that came to nothing.

        Args:
            ref: The artifact.
            draft: What was built.
            again: The attempt that built an existing artifact again, if one did: its manifest takes
                the old one's place in one step. The old files stay for who reads them.

        Raises:
            MissingArtifact: A file that the draft names is not in the store.
            ArtifactInUse: Another attempt has taken over from `again`.
            StoreUnavailable: The manifest was refused.
        """
        self._check_present(ref, draft.shards)
        shards = sorted(draft.shards, key=lambda entry: entry.name)
        manifest = Manifest(
            **dict(draft) | {"shards": shards},
            ref=ref,
            bytes=sum(file.size for entry in shards for file in entry.files),
            seconds=sum(entry.seconds for entry in shards),
            peak_memory_bytes=max((entry.peak_memory_bytes for entry in shards), default=0),
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        data = manifest.model_dump_json(indent=2).encode()
        if again is None:
            self.root.create(manifest_key(ref), data)
        elif is_held_by(self.root, ref, again):
            self.root.replace(manifest_key(ref), data)
        else:
            raise ArtifactInUse(
                f"{self.url}: {ref} was taken over; wait for the run that builds it"
            )
        sealed = self.require(ref)
        try:
            self._tidy(ref, None if again else sealed)
        except StorageError as error:
            _logger.warning("left what %s needed while it was built: %s", ref, error)
        return sealed

    def start_over(self, ref: ArtifactRef) -> None:
        """Forgets what there is of an unfinished build; what is sealed stays.

        Raises:
            ArtifactInUse: Another run is building it.
        """
        with lease_to_delete(self.root, ref) as ours:
            if not ours:
                raise ArtifactInUse(
                    f"{self.url}: cannot build {ref} anew, {describe_holder(self.root, ref)}; "
                    "wait for that run or stop it"
                )
            self._tidy(ref, None)

    def _tidy(self, ref: ArtifactRef, sealed: Manifest | None) -> None:
        """Deletes the records of builders; of a sealed artifact also all files but its own."""
        self.root.delete_tree(commits_key(ref))
        self.root.delete_tree(scratch_key(ref))
        if sealed is None:
            return
        named = named_keys(ref, sealed.shards)
        # of the same attempt, no late worker may write there
        named |= {reserved_key(shard_key(ref, each.attempt, each.name)) for each in sealed.shards}
        for key, group in unnamed(ref, self.root.scan(artifact_key(ref)), named).items():
            if not key.startswith(lease_key(ref)):
                delete_group(self.root, key, group)

    def delete_files(self, ref: ArtifactRef) -> None:
        """Deletes the data of an artifact without manifest; the caller holds its lease."""
        for name in self.root.folders(artifact_key(ref)):
            if f"{artifact_key(ref)}/{name}" != lease_key(ref):
                self.root.delete_tree(f"{artifact_key(ref)}/{name}")

    def location(self, ref: ArtifactRef) -> str:
        """URL of the artifact's folder, for people and their tools."""
        return f"{self.url}/{manifest_key(ref).rpartition('/')[0]}"

    def scratch(self, ref: ArtifactRef) -> Scratch:
        """Resumable state of an unfinished shard."""
        return Scratch(self.root, ref)

    def artifacts(self) -> list[ArtifactRef]:
        """Every artifact that exists, sorted by stage and fingerprint."""
        return [ref for ref in self.known() if self.exists(ref)]

    def exists(self, ref: ArtifactRef) -> bool:
        """Whether the artifact has a manifest, be it damaged."""
        return self.root.head(manifest_key(ref)) is not None

    def known(self) -> list[ArtifactRef]:
        """Everything that has anything in the store, sealed or not, sorted."""
        refs = []
        for stage in self.root.folders(ARTIFACTS):
            for fingerprint in self.root.folders(f"{ARTIFACTS}/{stage}"):
                with contextlib.suppress(ValidationError):  # somebody else's folder
                    refs.append(ArtifactRef(stage=stage, fingerprint=fingerprint))
        return refs

    def records(self, model: type[Record], listed: Iterable[StoredObject]) -> list[Record]:
        """Those of the listed records that are still there.

        Raises:
            DamagedArtifact: One is not such a record.
        """
        found = [(each.key, self.root.read(each.key)) for each in listed]
        return [
            parse_record(model, data, f"{self.url}/{key}")
            for key, data in found
            if data is not None
        ]

    def _check_present(self, ref: ArtifactRef, shards: list[ShardEntry]) -> None:
        """A builder that lost its lease long ago may hold entries whose files were collected."""
        for entry in shards:
            folder = shard_key(ref, entry.attempt, entry.name)
            sizes = {listed.key: listed.size for listed in self.root.scan(folder)}
            for file in entry.files:
                if sizes.get(f"{folder}/{file.path}") != file.size:
                    raise MissingArtifact(
                        f"{self.url}/{folder}/{file.path}: gone before {ref} was sealed; run again"
                    )


def _by_name(entries: Iterable[ShardEntry]) -> dict[str, ShardEntry]:
    return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}
