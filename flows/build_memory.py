"""The flow: documents in, a Memory Decoder and an honest perplexity table out."""

from collections.abc import Sequence
from typing import Any, cast

from prefect import State, flow
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan, plan_pipeline
from flows.planning.plan_explanation import what_changed
from flows.running.named_run import name_run, tag_run
from flows.running.promotion import decide_promotion
from flows.running.run_result import BuildResult, Outcome
from flows.running.stage_runner import StageRunner
from flows.running.trial import why_trial
from flows.server.end_with_worker import end_with_worker
from storage.store.pins import pin
from storage.store.run_history import record_run
from tasks.inputs.finished_run import evaluation_rows
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_catalogue import StageName


@flow(
    name="build-memory",
    flow_run_name="Build the memory of {config.name}",
    task_runner=cast(TaskRunner[Any], ThreadPoolTaskRunner(max_workers=16)),
    persist_result=False,
)
def build_memory(
    config: PipelineConfig,
    settings: RunSettings,
    until_stage: StageName | None = None,
    force: Sequence[StageName] = (),
    *,
    promote: bool | None = None,
) -> BuildResult:
    """Builds what of a pipeline is not built yet, stage by stage.

    Args:
        config: What to compute; decides which artifacts exist already.
        settings: Where and how to compute it.
        until_stage: The last stage to build; all when unset.
        force: Stages whose artifacts are built again.
        promote: Whether a build that passes the gate goes into production, or stays a candidate.
            When unset, it does if the pipeline was run as it stands in its file or deployment.

    Returns:
        The stages in order, the rows of the evaluation once there is one, and whether the memory
        went into production. The run's final state says that, too, in its name and message.

    Raises:
        UserError: A mistake in the configuration, the corpus or a model.
        StorageError: The store could not be read or written.
    """
    end_with_worker()
    plan = plan_pipeline(config)
    run = StageRunner(settings, plan.until(until_stage), frozenset(force), config.name)
    name_run(config.name, what_changed(plan.jobs(), run.store, config.name))
    promotion = None
    page = run.page(f"Build the memory of {config.name}", config.name, "build")
    with pin(run.store, [job.ref for job in plan.jobs()]), page:
        run_stages(run, plan)
        if run.is_complete(plan):
            record_run(run.store, config.name, flow_run.get_id(), run.artifacts)
            trial = why_trial(config, promote=promote)
            promotion = decide_promotion(run, config, plan, trial)
            tag_run(promotion["outcome"])
            if promotion["outcome"] == "kept_back":
                get_run_logger().warning("kept back: %s", promotion["why"])
    result = BuildResult(
        pipeline=config.name,
        flow_run_id=flow_run.get_id(),
        stages=run.results,
        rejected=run.rejected,
        evaluation=evaluation_rows(run.store, plan.evaluation.ref),
        promotion=promotion,
    )
    # whoever calls the flow gets what the state holds
    return completed_build(result)  # type: ignore[return-value]


def run_stages(run: StageRunner, plan: Plan) -> None:
    """Runs a plan's wanted stages in order, inside a flow."""
    for stage, jobs in plan.stages.items():
        for job in jobs:
            run(job)
        if stage == "base_model":
            run.check_tokenizers(plan.base_models, plan.vocabulary)
        if stage == "tokens":
            run.check_neighbours(plan)


def completed_build(result: BuildResult) -> State[BuildResult]:
    """The final state of a run; its name is what the UI shows for the run."""
    promotion = result["promotion"]
    name = None if promotion is None else _STATES[promotion["outcome"]]
    why = "stopped where it was asked to" if promotion is None else promotion["why"]
    return Completed(name=name, message="; ".join([why, *result["rejected"]]), data=result)


_STATES: dict[Outcome, str] = {
    "promoted": "Promoted",
    "candidate": "Candidate",
    "kept_back": "KeptBack",
}
