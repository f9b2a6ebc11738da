"""A flow of one stage with as many shards as wanted, built as those of a pipeline are."""

from prefect import flow

from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_record import Work
from tasks.running.stage_run import stage_task

build = stage_task(Work("tests.services.sharded_work", "The stage.", sharded=True))


@flow(persist_result=False)
def build_shards(job: StageJob, settings: RunSettings, *, again: bool = False) -> None:
    """The stage alone."""
    build(job, settings, again=again, return_state=True).result()
