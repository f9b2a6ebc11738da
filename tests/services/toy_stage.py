"""A stage that only tests have: its record, its configuration and a flow that runs it.

Its work is in `tests.services.toy_work`; nothing else knows of it.
"""

from prefect import flow
from pydantic import BaseModel

from flows.running.run_result import StageResult
from flows.running.stage_runner import StageRunner
from storage.objects.artifact_ref import ArtifactRef
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_record import Stage
from tasks.stage_tasks import add_stage


class LetterCountConfig(BaseModel):
    """Which letters to count, each in a shard of its own."""

    letters: str


add_stage(
    Stage(
        name="letter_count",
        noun="Letters",
        run="Count the letters of {of}",
        what="How often a few letters are in the text of a corpus.",
        made="{letters} letters in {characters} characters",
        next_command=("memdec plan PIPELINE.yaml", "what a changed letter would rebuild"),
        module="tests.services.toy_work",
        does="Counts letters.",
        sharded=True,
    )
)


def plan_count(config: LetterCountConfig, corpus: ArtifactRef) -> StageJob:
    """The stage's job on a corpus."""
    sections = {"letter_count": config.model_dump(mode="json")}
    return StageJob.planned("toy", "letter_count", sections, {"corpus": corpus})


@flow(persist_result=False)
def count_letters(job: StageJob, settings: RunSettings) -> list[StageResult]:
    """The stage alone, as the flows of pipelines run theirs."""
    run = StageRunner(settings, [job], frozenset(), job.pipeline)
    run(job)
    return run.results
