"""The Prefect deployments of a pipeline: build, compare, watch, and one stage alone.

`memdec deploy` registers them for a work pool, `memdec serve-flows` runs them itself, and
`deploy/prefect.yaml` holds the same for `prefect deploy`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.runner.storage import LocalStorage

from flows.config.pipeline_config import PipelineConfig
from flows.server.prefect_environment import RUN_ENVIRONMENT
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.software import software_versions
from tasks.watch.announce_update import CORPUS_CONFIRMED, CORPUS_UPDATED

TAG = "memdec"
Deployed = Literal["build", "compare", "watch", "stage"]


@dataclass(frozen=True)
class _Kind:
    """In what the deployments of a pipeline differ.

    Attributes:
        entrypoint: The flow, by module: it is found wherever memdec is installed.
        description: For the deployment's page in the UI.
        collision: What becomes of a run while another one of the deployment runs.
    """

    entrypoint: str
    description: str
    collision: ConcurrencyLimitStrategy


_KINDS: dict[Deployed, _Kind] = {
    "build": _Kind(
        "flows.build_memory.build_memory",
        "Builds the memory **{name}**: every stage whose artifact is not there yet. It starts when "
        "the corpus has changed, on its schedule, or by hand; a run waits for the one before.",
        ConcurrencyLimitStrategy.ENQUEUE,
    ),
    "compare": _Kind(
        "flows.compare_systems.compare_systems",
        "Compares the memory **{name}** with what one would do without it, on the same tokens. It "
        "builds what is missing; a run waits for the one before.",
        ConcurrencyLimitStrategy.ENQUEUE,
    ),
    "watch": _Kind(
        "flows.watch_corpus.watch_corpus",
        "Looks whether the documents of **{name}** have changed, says what has, and starts "
        "`build-memory/{name}`. A run is cancelled while another one still looks.",
        ConcurrencyLimitStrategy.CANCEL_NEW,
    ),
    "stage": _Kind(
        "flows.run_one_stage.run_one_stage",
        "Runs one stage of **{name}** alone, again if asked, as `build-memory/{name}` is deployed. "
        "What comes of it stays a candidate; a run waits for the one before.",
        ConcurrencyLimitStrategy.ENQUEUE,
    ),
}


def deployments_of(
    configs: Sequence[PipelineConfig], settings: RunSettings, folder: Path, pool: str | None
) -> list[RunnerDeployment]:
    """The deployments of several pipelines, in their order; nothing is registered yet.

    Args:
        configs: The pipelines; a deployment has its pipeline's name.
        settings: Of the runs. A worker has another working directory, so the store has to be
            absolute.
        folder: Where relative paths of documents and models start.
        pool: The work pool whose workers run them; None for the process that serves them.
    """
    return [
        _deployment(kind, config, settings, folder, pool) for config in configs for kind in _KINDS
    ]


def _deployment(
    kind: Deployed, config: PipelineConfig, settings: RunSettings, folder: Path, pool: str | None
) -> RunnerDeployment:
    made = _KINDS[kind]
    deployment = RunnerDeployment.from_storage(
        LocalStorage(str(folder)),
        entrypoint=made.entrypoint,
        name=config.name,
        description=made.description.format(name=config.name),
        version=software_versions()["memdec"],
        tags=[TAG, config.name],
        parameters=_parameters(kind, config, settings),
        schedules=_schedules(kind, config),
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=made.collision),
        triggers=[*_triggers(kind, config.name)],
        work_pool_name=pool,
        job_variables={"env": dict(RUN_ENVIRONMENT)} if pool is not None else None,
    )
    assert isinstance(deployment, RunnerDeployment)
    return deployment


def _parameters(kind: Deployed, config: PipelineConfig, settings: RunSettings) -> dict[str, Any]:
    """Of one stage only the name: its form asks for what else there is."""
    return {"pipeline": config.name} if kind == "stage" else parameters_of(config, settings)


def parameters_of(config: PipelineConfig, settings: RunSettings) -> dict[str, Any]:
    """What the flows are called with: of a pipeline, only what its file says."""
    return {
        "config": config.model_dump(mode="json", exclude_unset=True),
        "settings": settings.model_dump(mode="json"),
    }


def _schedules(kind: Deployed, config: PipelineConfig) -> list[DeploymentScheduleCreate]:
    cron: str | None = getattr(config.schedule, kind, None)
    if cron is None:
        return []
    schedule = CronSchedule(cron=cron, timezone=config.schedule.timezone)
    return [DeploymentScheduleCreate(schedule=schedule)]


def _triggers(kind: Deployed, pipeline: str) -> list[DeploymentEventTrigger]:
    """Events of a pipeline that start a run; what they do not set is the deployment's own."""
    match = {"prefect.resource.id": f"memdec.pipeline.{pipeline}"}
    if kind == "build":
        name = f"memdec: build {pipeline} when its corpus has changed"
        return [DeploymentEventTrigger(name=name, expect={CORPUS_UPDATED}, match=match)]
    if kind == "watch":
        return [
            DeploymentEventTrigger(
                name=f"memdec: announce {pipeline} when somebody confirms that documents are gone",
                expect={CORPUS_CONFIRMED},
                match=match,
                parameters={"confirm": True},
            )
        ]
    return []
