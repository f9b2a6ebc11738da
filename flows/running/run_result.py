"""What runs return: their stages, their evaluation, what became of a finished build."""

from typing import Literal, TypedDict

from pydantic import JsonValue

from storage.store.artifact_store import Store
from tasks.jobs.stage_job import StageJob
from tasks.pages.figure_words import seconds_of
from tasks.pages.report_tables import made

Outcome = Literal["promoted", "candidate", "kept_back"]


class StageResult(TypedDict):
    """What became of one stage.

    Attributes:
        stage: Of the artifact.
        name: What the pipeline calls the job, such as `base_model_corpus`.
        fingerprint: Of the artifact.
        reused: Whether it was there already.
        seconds: That this run spent on it.
        bytes: Size of the artifact.
        made: The artifact in a few words.
    """

    stage: str
    name: str
    fingerprint: str
    reused: bool
    seconds: float
    bytes: int
    made: str


class Promotion(TypedDict):
    """What became of a finished build.

    Attributes:
        outcome: Whether this very memory is in production now, passed the gate and waits for
            somebody to promote it, or was kept back.
        why: In words.
    """

    outcome: Outcome
    why: str


class RunResult(TypedDict):
    """What `memdec compare --json` prints, and `memdec run --json` with `promotion` beside it."""

    pipeline: str
    flow_run_id: str | None
    stages: list[StageResult]
    rejected: list[str]
    evaluation: list[dict[str, JsonValue]]


class BuildResult(RunResult):
    """The same, with what became of the finished build; null where it was not to be finished."""

    promotion: Promotion | None


def stage_result(store: Store, job: StageJob, seconds: float, *, reused: bool) -> StageResult:
    """Sums up a job whose artifact is there."""
    manifest = store.require(job.ref)
    return StageResult(
        stage=job.ref.stage,
        name=job.name,
        fingerprint=job.ref.fingerprint,
        reused=reused,
        seconds=seconds,
        bytes=manifest.bytes,
        made=made(manifest),
    )


def stage_line(result: StageResult) -> str:
    """A stage in one line, for the terminal and the log."""
    ref = f"{result['stage']}/{result['fingerprint'][:12]}"
    name = "" if result["name"] == result["stage"] else f" ({result['name']})"
    done = "reused" if result["reused"] else "built "
    said = [f"{done} {ref}{name}", seconds_of(result["seconds"]), result["made"]]
    return "  ".join(part for part in said if part)
