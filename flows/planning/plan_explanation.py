"""Says of each planned stage what a run would do with it, why, and what it may cost."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypedDict

from pydantic import JsonValue

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest
from storage.store.artifact_store import Store
from storage.store.run_history import last_artifacts
from tasks.jobs.stage_job import StageJob

MOST_NAMED = 3
"""Changes in the name of a run."""
MOST_CHANGES = 5
"""Named in a row; a comparison has dozens of inputs."""
_DOCUMENTS = "contents."  # how their identity begins in a corpus's configuration


class PlannedStage(TypedDict):
    """One row of `memdec plan`; what a build may cost is what the previous one did, if known."""

    name: str
    stage: str
    fingerprint: str
    action: Literal["reuse", "build"]
    why: str
    estimated_seconds: float | None
    estimated_bytes: int | None


class _LastRun(NamedTuple):
    """What the last finished run of a name ended with, and of it what is still there."""

    refs: list[ArtifactRef]
    manifests: list[Manifest]

    @classmethod
    def of(cls, store: Store, pipeline: str) -> "_LastRun":
        refs = last_artifacts(store, pipeline)
        manifests = [store.manifest(ref) for ref in refs]
        return cls(refs, [manifest for manifest in manifests if manifest is not None])

    def most_alike(self, job: StageJob) -> Manifest | None:
        """Of the artifacts of the job's stage, the one that differs least from it."""
        alike = [each for each in self.manifests if each.ref.stage == job.ref.stage]
        return min(alike, key=lambda manifest: _difference(job, manifest), default=None)


def explain_plan(jobs: Sequence[StageJob], store: Store, pipeline: str) -> list[PlannedStage]:
    """Compares planned jobs with the store and with the last finished run of this name."""
    last = _LastRun.of(store, pipeline)
    rows: list[PlannedStage] = []
    for job in jobs:
        sealed = store.manifest(job.ref)
        known = None if sealed else last.most_alike(job)
        rows.append(
            PlannedStage(
                name=job.name,
                stage=job.ref.stage,
                fingerprint=job.ref.fingerprint,
                action="reuse" if sealed else "build",
                why="it exists" if sealed else _why(job, store, last.refs, known),
                estimated_seconds=known.seconds if known else None,
                estimated_bytes=known.bytes if known else None,
            )
        )
    return rows


def what_changed(jobs: Sequence[StageJob], store: Store, pipeline: str) -> str:
    """In what jobs differ from the last finished run of this name, in a few words."""
    last = _LastRun.of(store, pipeline)
    if not last.refs:
        return "for the first time"
    said: dict[str, None] = {}  # in order, each once
    for job in jobs:
        known = None if job.ref in last.refs else last.most_alike(job)
        for change in _changed_values(known.config, job.identity) if known else ():
            said["other documents" if change.startswith(_DOCUMENTS) else change] = None
    shown = [*said][:MOST_NAMED]
    return ", ".join([*shown, *["…"] * (len(said) > MOST_NAMED)]) or "nothing changed"


def estimated_seconds(jobs: Sequence[StageJob], store: Store, pipeline: str) -> list[float | None]:
    """What each job may take: nothing where its artifact exists, None where nobody knows."""
    rows = explain_plan(jobs, store, pipeline)
    return [0.0 if row["action"] == "reuse" else row["estimated_seconds"] for row in rows]


def _difference(job: StageJob, before: Manifest) -> tuple[bool, int]:
    """Whether another kind of work was done, such as scoring without retrieval; changed values."""
    return job.identity.keys() != before.config.keys(), len(_changes(job, before))


def _why(
    job: StageJob, store: Store, previous: Sequence[ArtifactRef], known: Manifest | None
) -> str:
    finished = len(store.committed(job.ref))
    if finished:
        return f"unfinished: {finished} shards are done and will be kept"
    if job.ref in previous:
        return "its artifact is gone from the store"
    if known is None:
        return "never built"
    changes = _changes(job, known)
    if len(changes) > MOST_CHANGES:
        changes = [*changes[:MOST_CHANGES], f"{len(changes) - MOST_CHANGES} more changes"]
    return "; ".join(changes) or "the stage's file format has a new version"


def _changes(job: StageJob, before: Manifest) -> list[str]:
    others = [role for role, ref in job.inputs.items() if before.inputs.get(role) != ref]
    return [
        *_changed_values(before.config, job.identity),
        *(f"other {role.replace('_', ' ')}" for role in others),
    ]


def _changed_values(
    old: dict[str, JsonValue], new: dict[str, JsonValue], prefix: str = ""
) -> Iterator[str]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _changed_values(before, after, f"{prefix}{key}.")
        elif isinstance(before, list | dict) or isinstance(after, list | dict):
            yield f"{prefix}{key} changed"
        else:
            yield f"{prefix}{key}: {before} → {after}"
