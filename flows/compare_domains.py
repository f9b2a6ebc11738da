"""The flow: comparisons of several corpora in turn, and what they say together."""

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from prefect import flow
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import JsonValue

from flows.compare_systems import compare_systems
from flows.config.pipeline_config import PipelineConfig
from flows.running.run_result import RunResult, StageResult
from flows.running.stage_runner import StageRunner
from storage.objects.artifact_ref import ArtifactRef
from storage.store.pins import pin
from storage.store.run_history import record_run
from tasks.inputs.finished_run import evaluation_rows
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob


class JoinedResult(TypedDict):
    """What became of the last stage, and its rows: a comparison's, with the corpus of each."""

    flow_run_id: str | None
    stages: list[StageResult]
    evaluation: list[dict[str, JsonValue]]


class DomainsResult(TypedDict):
    """What `memdec compare --json` prints for several pipelines."""

    comparisons: list[RunResult]
    domains: JoinedResult


def plan_domains(comparisons: Mapping[str, ArtifactRef]) -> StageJob:
    """The job that joins the comparisons of several pipelines, by their names."""
    inputs = dict(sorted(comparisons.items()))
    return StageJob.planned("-".join(inputs), "domains", {}, inputs)


@flow(
    name="compare-domains",
    flow_run_name="Compare the memories of several domains",
    task_runner=cast(TaskRunner[Any], ThreadPoolTaskRunner(max_workers=16)),
    persist_result=False,
)
def compare_domains(configs: list[PipelineConfig], settings: RunSettings) -> DomainsResult:
    """Compares the systems of every pipeline, one after another, and joins the results.

    Args:
        configs: Pipelines of different names.
        settings: Where and how to compute; all artifacts are in one store.

    Returns:
        The comparisons in the order given, and the rows of all under common names.

    Raises:
        UserError: A mistake in a configuration, a corpus or a model.
        StorageError: The store could not be read or written.
    """
    results = [compare_systems(config, settings) for config in configs]
    comparisons = {result["pipeline"]: _comparison_of(result) for result in results}
    job = plan_domains(comparisons)
    run = StageRunner(settings, [job], frozenset(), f"{job.pipeline}-domains")
    with pin(run.store, [*comparisons.values(), job.ref]):
        run(job)
        record_run(run.store, f"{job.pipeline}-domains", flow_run.get_id(), run.artifacts)
    joined = JoinedResult(
        flow_run_id=flow_run.get_id(),
        stages=run.results,
        evaluation=evaluation_rows(run.store, job.ref),
    )
    return DomainsResult(comparisons=results, domains=joined)


def _comparison_of(result: RunResult) -> ArtifactRef:
    """The artifact that a comparison ended with."""
    last = result["stages"][-1]
    return ArtifactRef(stage=last["stage"], fingerprint=last["fingerprint"])
