"""Says of each planned stage what a run would do with it, why, and what it may cost."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Literal, TypedDict

from pydantic import JsonValue

from flows.plan import Plan
from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from storage.manifest import Manifest
from storage.refs import read_history
from tasks.stage_job import StageJob


class PlannedStage(TypedDict):
    """One row of `memdec plan`; what a build may cost is what the previous one did, if known."""

    stage: str
    fingerprint: str
    action: Literal["reuse", "build"]
    why: str
    estimated_seconds: float | None
    estimated_bytes: int | None


def explain_plan(plan: Plan, store: Store, pipeline: str) -> list[PlannedStage]:
    """Compares a plan with the store and with the pipeline's last finished run."""
    previous = _previous_artifacts(store, pipeline)
    rows: list[PlannedStage] = []
    for job in plan.jobs():
        before = next(previous[job.ref.stage], None)
        sealed = store.manifest(job.ref)
        known = None if sealed or before is None else store.manifest(before)
        rows.append(
            PlannedStage(
                stage=job.ref.stage,
                fingerprint=job.ref.fingerprint,
                action="reuse" if sealed else "build",
                why="it exists" if sealed else _why(job, store, before, known),
                estimated_seconds=known.seconds if known else None,
                estimated_bytes=known.bytes if known else None,
            )
        )
    return rows


def _previous_artifacts(store: Store, pipeline: str) -> defaultdict[str, Iterator[ArtifactRef]]:
    """The artifacts of the pipeline's last run by stage, in the order of the run."""
    by_stage: dict[str, list[ArtifactRef]] = {}
    for run in read_history(store, pipeline, last=1):
        for ref in run.artifacts:
            by_stage.setdefault(ref.stage, []).append(ref)
    return defaultdict(lambda: iter(()), {name: iter(refs) for name, refs in by_stage.items()})


def _why(job: StageJob, store: Store, before: ArtifactRef | None, known: Manifest | None) -> str:
    finished = len(store.committed(job.ref))
    if finished:
        return f"unfinished: {finished} shards are done and will be kept"
    if before == job.ref:
        return "its artifact is gone from the store"
    if known is None:
        return "never built"
    changes = [*_changed_values(known.config, job.identity), *_changed_inputs(job, known)]
    return "; ".join(changes) or "the stage's file format has a new version"


def _changed_inputs(job: StageJob, before: Manifest) -> Iterator[str]:
    for role, ref in job.inputs.items():
        if before.inputs.get(role) != ref:
            yield f"other {role.replace('_', ' ')}"


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
