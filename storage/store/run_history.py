"""The history of a pipeline: which artifacts each finished run ended with.

Each run is an object of its own, `refs/<pipeline>/<sequence>.json`, created if absent. One file
per pipeline would need a conditional overwrite, which not every object store has; this way
concurrent runs only ever add.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from pydantic import BaseModel, Field

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import safe_name
from storage.objects.store_layout import REFS
from storage.store.artifact_store import Store


class FinishedRun(BaseModel, frozen=True, extra="forbid"):
    """One entry of the history.

    Attributes:
        id: Unique to the entry.
        when: When it was recorded, ISO, UTC.
        flow_run_id: Prefect's id of the run.
        artifacts: What the run built or reused, in the order of its stages.
    """

    id: str = Field(default_factory=lambda: uuid4().hex)
    when: str
    flow_run_id: str | None
    artifacts: list[ArtifactRef]


def record_run(
    store: Store, pipeline: str, flow_run_id: str | None, artifacts: Sequence[ArtifactRef]
) -> FinishedRun:
    """Adds a run to the end of a pipeline's history; concurrent runs each get their place."""
    run = FinishedRun(
        when=datetime.now(UTC).isoformat(timespec="milliseconds"),
        flow_run_id=flow_run_id,
        artifacts=list(artifacts),
    )
    store.root.append(_folder(pipeline), run.model_dump_json(indent=2).encode())
    return run


def read_history(store: Store, pipeline: str, last: int | None = None) -> list[FinishedRun]:
    """A pipeline's finished runs, newest last; all, or the `last` so many.

    Raises:
        DamagedArtifact: An entry cannot be read.
    """
    listed = store.root.scan(_folder(pipeline))
    older = 0 if last is None else max(0, len(listed) - last)
    return store.records(FinishedRun, listed[older:])


def last_artifacts(store: Store, pipeline: str) -> list[ArtifactRef]:
    """The artifacts that a pipeline's newest finished run ended with; none before the first."""
    return [ref for run in read_history(store, pipeline, last=1) for ref in run.artifacts]


def pipelines(store: Store) -> list[str]:
    """Names of the pipelines that have a history, sorted."""
    return store.root.folders(REFS)


def _folder(pipeline: str) -> str:
    return f"{REFS}/{safe_name(pipeline)}"
