"""The flow: a memory beside what one would do without it, all on the same tokens."""

from typing import Any, cast

from prefect import flow
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.build_memory import run_stages
from flows.config.pipeline_config import PipelineConfig
from flows.planning.comparison_plan import comparison_name, plan_comparison
from flows.running.run_result import RunResult
from flows.running.stage_runner import StageRunner
from flows.server.end_with_worker import end_with_worker
from storage.store.pins import pin
from storage.store.run_history import record_run
from tasks.inputs.finished_run import evaluation_rows
from tasks.jobs.run_settings import RunSettings


@flow(
    name="compare-systems",
    flow_run_name="Compare systems on {config.name}",
    task_runner=cast(TaskRunner[Any], ThreadPoolTaskRunner(max_workers=16)),
    persist_result=False,
)
def compare_systems(config: PipelineConfig, settings: RunSettings) -> RunResult:
    """Builds a pipeline's memory and the systems beside it, and compares them.

    Args:
        config: What to compute; decides which artifacts exist already.
        settings: Where and how to compute it.

    Returns:
        The stages in order, and the rows of the comparison.

    Raises:
        UserError: A mistake in the configuration, the corpus or a model.
        StorageError: The store could not be read or written.
    """
    end_with_worker()
    plan = plan_comparison(config)
    run = StageRunner(settings, plan.jobs(), frozenset(), comparison_name(config))
    page = run.page(f"Compare systems on {config.name}", config.name, "comparison")
    with pin(run.store, [job.ref for job in plan.jobs()]), page:
        run_stages(run, plan.pipeline)
        for job in plan.models:
            run(job)
        run.check_tokenizers(plan.base_models, plan.vocabulary)
        for job in plan.beside:
            run(job)
        record_run(run.store, comparison_name(config), flow_run.get_id(), run.artifacts)
    return RunResult(
        pipeline=config.name,
        flow_run_id=flow_run.get_id(),
        stages=run.results,
        rejected=run.rejected,
        evaluation=evaluation_rows(run.store, plan.comparison.ref),
    )
