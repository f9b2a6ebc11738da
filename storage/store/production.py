"""What of a pipeline is in production, and every decision that led there.

Each decision is an object of its own, `production/<pipeline>/<number>.json`, created if absent:
of two deciders who have seen the same last decision one is told that the place is taken, and has
to look again. What is in production is what the newest decision that changes it names.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import safe_name
from storage.objects.store_layout import PRODUCTION
from storage.store.artifact_store import Store

Action = Literal["promoted", "kept_back", "rolled_back"]


class Release(BaseModel, frozen=True, extra="forbid"):
    """What is used together: a memory, the base that its α was tuned for, that evaluation."""

    base: ArtifactRef
    memory: ArtifactRef
    evaluation: ArtifactRef


class Decision(BaseModel, frozen=True, extra="forbid"):
    """One entry of a pipeline's history of releases.

    Attributes:
        action: Whether the release went into production, stayed a candidate, or came back.
        release: What was decided on.
        artifacts: What the run that made it ended with; kept from collection while it counts.
        gate: The gate's artifact, which has the measurements behind the decision.
        who: A person and host, or a flow run.
        why: In words.
        when: ISO, UTC.
    """

    action: Action
    release: Release
    artifacts: list[ArtifactRef]
    gate: ArtifactRef | None = None
    who: str
    why: str
    when: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))


def read_decisions(store: Store, pipeline: str) -> list[Decision]:
    """All decisions on a pipeline, oldest first: number 1 is the first.

    Raises:
        DamagedArtifact: An entry cannot be read.
    """
    return store.records(Decision, store.root.scan(_folder(pipeline)))


def count_decisions(store: Store, pipeline: str) -> int:
    """How many there are, without reading them."""
    return len(store.root.scan(_folder(pipeline)))


def in_production(decisions: Sequence[Decision]) -> Decision | None:
    """The decision that brought into production what is there; None before the first."""
    changes = (each for each in reversed(decisions) if each.action != "kept_back")
    return next(changes, None)


def rejection(decisions: Sequence[Decision], release: Release) -> Decision | None:
    """The rollback that took a release out of production, or another of the same memory.

    It counts until the memory is brought back. The memory in production is not rejected with a
    release of it that differs in base or evaluation alone.
    """
    out: dict[Release, Decision] = {}
    current: Release | None = None
    for each in decisions:
        if each.action == "kept_back":
            continue
        out = {gone: by for gone, by in out.items() if gone.memory != each.release.memory}
        if each.action == "rolled_back" and current not in (None, each.release):
            out[current] = each
        current = each.release
    if release in out or current is None or release.memory == current.memory:
        return out.get(release)
    return next((by for gone, by in out.items() if gone.memory == release.memory), None)


def record_decision(store: Store, pipeline: str, decision: Decision, after: int) -> bool:
    """Adds a decision that was made in view of the first `after` ones.

    Returns:
        Whether it was added; False where somebody else has decided meanwhile.
    """
    key = f"{_folder(pipeline)}/{after + 1:08d}.json"
    return store.root.create(key, decision.model_dump_json(indent=2).encode())


def ways_back(
    decisions: Sequence[Decision], count: int | None = None
) -> list[tuple[int, Decision]]:
    """The releases that were ever in production, each with the number of its newest decision.

    Args:
        decisions: The history.
        count: How many to give beside the one in production; all when unset.

    Returns:
        The one in production first, then those that a rollback brings back, the next first, then
        those that somebody has rolled back, of which the newest is beyond `count`: a mistaken
        rollback can be undone.
    """
    newest = {
        each.release: (number, each)
        for number, each in enumerate(decisions, 1)
        if each.action != "kept_back"
    }
    found = sorted(newest.values(), key=lambda each: -each[0])
    current, others = found[:1], found[1:]
    good = [each for each in others if rejection(decisions, each[1].release) is None]
    rejected = [each for each in others if each not in good]
    if count is not None:
        good, rejected = good[:count], rejected[:1]
    return current + good + rejected


def _folder(pipeline: str) -> str:
    return f"{PRODUCTION}/{safe_name(pipeline)}"
