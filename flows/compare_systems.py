"""The flow: a memory beside what one would do without it, all on the same tokens."""

from typing import Any, cast

from prefect import flow
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.build_memory import RunResult, run_stages
from flows.config.pipeline_config import PipelineConfig
from flows.planning.comparison_plan import comparison_name, plan_comparison
from flows.running.stage_runner import StageRunner
from flows.server.end_with_worker import end_with_worker
from storage.store.pins import pin
from storage.store.run_history import record_run
from tasks.inputs.finished_run import evaluation_rows
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.running.stage_run import StageTask
from tasks.stage_tasks import (
    adapt_base_model,
    audit_memorisation,
    build_base_model,
    build_corpus,
    build_embeddings,
    build_index,
    build_targets,
    build_tokens,
    compare_scores,
    extract_router_features,
    measure_latency,
    score_choices,
    score_knn_choices,
    score_knn_lm,
    score_model,
    score_retrieval,
    train_alpha_router,
    train_memory,
)


def task_of(job: StageJob) -> StageTask:
    """The task that does a job; a section of a scoring job says how it is scored."""
    ways = _SCORED_BY.get(job.ref.stage, {})
    return next((ways[name] for name in ways if name in job.config), _TASKS[job.ref.stage])


_SCORED_BY: dict[str, dict[str, StageTask]] = {
    "scores": {"knn_lm": score_knn_lm, "retrieval": score_retrieval},
    "choice_scores": {"knn_lm": score_knn_choices},
}


_TASKS: dict[str, StageTask] = {
    "corpus": build_corpus,
    "base_model": build_base_model,
    "tokens": build_tokens,
    "embeddings": build_embeddings,
    "index": build_index,
    "targets": build_targets,
    "memory": train_memory,
    "adapted_model": adapt_base_model,
    "scores": score_model,
    "choice_scores": score_choices,
    "latency": measure_latency,
    "memorisation_audit": audit_memorisation,
    "router_features": extract_router_features,
    "alpha_router": train_alpha_router,
    "comparison": compare_scores,
}


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
    run = StageRunner(settings, plan.jobs(), frozenset())
    page = run.page(f"Compare systems on {config.name}", config.name, "comparison")
    with pin(run.store, [job.ref for job in plan.jobs()]), page:
        run_stages(run, plan.pipeline)
        for job in plan.models:
            run(task_of(job), job)
        run.check_tokenizers(plan.base_models, plan.vocabulary)
        for job in plan.beside:
            run(task_of(job), job)
        record_run(run.store, comparison_name(config), flow_run.get_id(), run.artifacts)
    return RunResult(
        pipeline=config.name,
        flow_run_id=flow_run.get_id(),
        stages=run.results,
        evaluation=evaluation_rows(run.store, plan.comparison.ref),
    )
