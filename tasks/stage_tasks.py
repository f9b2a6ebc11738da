"""The stages as Prefect tasks. Their work is imported in worker processes alone.

A flow's own process so loads no model library: it starts five seconds sooner and takes 400 MB less.
"""

from tasks.jobs.stage_catalogue import STAGES
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_record import Stage
from tasks.running.stage_run import StageTask, stage_task


def task_of(job: StageJob) -> StageTask:
    """The task that does a job; a section of its configuration may ask for another work."""
    return _TASKS[STAGES[job.ref.stage].work_for(job.config)]


def add_stage(stage: Stage) -> None:
    """Adds a stage that is not in the catalogue, before the first worker starts.

    Raises:
        ValueError: There is one of this name.
    """
    if stage.name in STAGES:
        raise ValueError(f"stage {stage.name}: there is one already; choose another name")
    STAGES[stage.name] = stage
    _TASKS.update({work: stage_task(work) for work in stage.works()})


_TASKS = {work: stage_task(work) for stage in STAGES.values() for work in stage.works()}
