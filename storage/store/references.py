"""What refers to artifacts: running runs, production and earlier releases, finished runs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.objects.store_layout import PRODUCTION
from storage.store.artifact_store import Store
from storage.store.pins import live_pins
from storage.store.production import in_production, read_decisions, ways_back
from storage.store.run_history import pipelines, read_history


class Reference(NamedTuple):
    """An artifact that is needed.

    Attributes:
        ref: The artifact.
        by: What needs it, in words.
        lasting: Whether collection never takes it: it is in production, or of the newest run.
        whole: Whether all that it was made from is needed, too.
    """

    ref: ArtifactRef
    by: str
    lasting: bool = False
    whole: bool = True


def pinned(store: Store, now: Callable[[], float]) -> Iterator[Reference]:
    """What running runs need; some of it may still have to be built."""
    for ref in live_pins(store, now):
        yield Reference(ref, "a running run")


def recorded(
    store: Store, runs: int | None = None, releases: int | None = None
) -> Iterator[Reference]:
    """What is in production, what can be brought back, and what finished runs ended with.

    Args:
        store: The store.
        runs: How many runs of each pipeline count, and gates of its decisions; all when unset.
        releases: How many releases beside production's, likewise.

    Raises:
        DamagedArtifact: A record cannot be read.
    """
    for pipeline in store.root.folders(PRODUCTION):
        yield from _of_releases(store, pipeline, runs, releases)
    for pipeline in pipelines(store):
        history = read_history(store, pipeline)
        first = 0 if runs is None else max(0, len(history) - runs)
        for number, run in enumerate(history[first:], first + 1):
            for ref in run.artifacts:
                by = f"run {number} of {pipeline}"
                yield Reference(ref, by, lasting=number == len(history))


def _of_releases(
    store: Store, pipeline: str, gates: int | None, releases: int | None
) -> Iterator[Reference]:
    decisions = read_decisions(store, pipeline)
    current = in_production(decisions)
    for number, each in ways_back(decisions, releases):
        said = " (in production)" if each is current else ""
        for ref in dict.fromkeys([*vars(each.release).values(), *each.artifacts]):
            by = f"release {number} of {pipeline}{said}"
            yield Reference(ref, by, lasting=each is current)
    for each in decisions if gates is None else decisions[-max(gates, 1) :]:
        if each.gate is not None:
            yield Reference(each.gate, f"the history of {pipeline}", whole=False)


def all_needed(
    references: Iterable[Reference], manifest: Callable[[ArtifactRef], Manifest | None]
) -> Mapping[ArtifactRef, Reference]:
    """What is referred to, and all that it was made from, each with the first that needs it."""
    needed: dict[ArtifactRef, Reference] = {}
    # what must last comes first, and what is needed whole before what is needed by itself
    waiting = deque(sorted(references, key=lambda each: (not each.lasting, not each.whole)))
    while waiting:
        each = waiting.popleft()
        if each.ref in needed:
            continue
        needed[each.ref] = each
        made = manifest(each.ref) if each.whole else None
        waiting.extendleft(each._replace(ref=ref) for ref in (made.inputs.values() if made else ()))
    return needed
