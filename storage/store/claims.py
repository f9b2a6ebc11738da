"""The right to build an artifact, so that two runs do not do the same work."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.holdings import Holding, store_clock
from storage.store.leases import describe_holder, held_lease, try_to_lease

_FIRST_POLL_SECONDS = 0.5
_LONGEST_POLL_SECONDS = 3.0


@contextmanager
def claim(
    store: Store,
    ref: ArtifactRef,
    on_wait: Callable[[str], None] | None = None,
    *,
    again: bool = False,
) -> Iterator[str | None]:
    """Holds an artifact's lease while it is built; waits while another run builds it.

    A builder that was killed on this machine is followed at once, one on another machine once
    its lease has run out. Should this process lose its lease (it was stopped for a minute), both
    may build: the first commit of each shard and the first manifest count.

    Args:
        store: The store.
        ref: The artifact to build.
        on_wait: Told once, before the first wait, whom we wait for.
        again: Build it also if it exists.

    Yields:
        The id of this attempt, or None if the artifact exists (now).
    """
    holding, clock, pause = Holding(), store_clock(store.root), _FIRST_POLL_SECONDS
    while again or store.manifest(ref) is None:
        key = try_to_lease(store.root, ref, holding, clock)
        if key is not None:
            with held_lease(store.root, ref, key, holding):
                # the builder we followed may have sealed it between our look and our lease
                yield holding.id if again or store.manifest(ref) is None else None
            return
        if on_wait:
            on_wait(f"waiting for {ref}, {describe_holder(store.root, ref)}")
            on_wait = None
        time.sleep(pause)
        pause = min(1.5 * pause, _LONGEST_POLL_SECONDS)
    yield None
