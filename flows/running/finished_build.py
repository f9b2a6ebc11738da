"""A pipeline of which all is built and decided: what a run of it would say, with nothing to run.

Loads neither Prefect nor PyTorch, so that `memdec run` can say it at once.
"""

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import Plan, plan_pipeline, release_of
from flows.planning.planned_gate import plan_gate
from flows.running.run_result import BuildResult, Promotion, stage_result
from storage.store.artifact_store import Store
from storage.store.production import in_production, read_decisions
from storage.store.run_history import last_artifacts
from tasks.inputs.finished_run import evaluation_rows
from tasks.inputs.lost_documents import check_rejects
from tasks.jobs.stage_catalogue import StageName
from tasks.jobs.stage_figures import GateFigures


def finished_build(
    config: PipelineConfig, store_url: str, until: StageName | None, *, promote: bool | None
) -> BuildResult | None:
    """What a run would return that neither builds, records nor decides anything.

    Args:
        config: The pipeline.
        store_url: Where its artifacts are.
        until: As of the flow, and
        promote: likewise.

    Returns:
        None where there is something to do.

    Raises:
        UserError: A mistake in the configuration, or too many documents are lost.
        StorageError: The store could not be read.
    """
    store = Store.open(store_url)
    plan = plan_pipeline(config)
    wanted = plan.until(until)
    if any(store.manifest(job.ref) is None for job in wanted):
        return None
    promotion = None
    if plan.report in wanted:
        promotion = _decided(store, config, plan, promote=promote)
        if promotion is None or last_artifacts(store, config.name) != [job.ref for job in wanted]:
            return None
    corpora = [job for job in wanted if job.ref.stage == "corpus"]
    return BuildResult(
        pipeline=config.name,
        flow_run_id=None,
        stages=[stage_result(store, job, 0.0, reused=True) for job in wanted],
        rejected=[said for corpus in corpora for said in check_rejects(corpus, store)],
        evaluation=evaluation_rows(store, plan.evaluation.ref),
        promotion=promotion,
    )


def _decided(
    store: Store, config: PipelineConfig, plan: Plan, *, promote: bool | None
) -> Promotion | None:
    """What was decided on the build and still stands; None where the gate has to be asked."""
    decisions = read_decisions(store, config.name)
    current = in_production(decisions)
    production = None if current is None else current.release
    if production == release_of(plan):
        return Promotion(outcome="promoted", why="it is in production already")
    newest = decisions[-1] if decisions else None
    if newest is None or newest.action != "kept_back" or newest.release != release_of(plan):
        return None
    gate = plan_gate(config, plan, store, production)[-1].ref
    if newest.gate != gate:
        return None
    if not GateFigures.of(store.require(gate)).passed:
        return Promotion(outcome="kept_back", why=newest.why)
    return Promotion(outcome="candidate", why=newest.why) if promote is False else None
