"""The right to build an artifact, so that two runs do not do the same work."""

from collections.abc import Iterator
from contextlib import contextmanager

from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.leases import Announce, awaited_lease


@contextmanager
def claim(store: Store, ref: ArtifactRef, on_wait: Announce | None = None) -> Iterator[str | None]:
    """Holds an artifact's lease while it is built; waits while another run builds it.

    A builder that was killed on this machine is followed at once, one on another machine once
    its lease has run out. Should this process lose its lease (it was stopped for a minute), both
    may build: the first commit of each shard and the first manifest count.

    Args:
        store: The store.
        ref: The artifact to build.
        on_wait: Told once, before the first wait, whom we wait for.

    Yields:
        The id of this attempt, or None if the artifact exists (now).
    """

    def exists() -> bool:
        return store.manifest(ref) is not None

    with awaited_lease(store.root, ref, exists, on_wait) as holding:
        # the builder we followed may have sealed it between our look and our lease
        yield None if holding is None or exists() else holding.id
