"""The flow: one stage of a deployed pipeline, again if asked, from the artifacts that it reads."""

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from flows.build_memory import build_memory
from flows.config.pipeline_config import PipelineConfig
from flows.planning.one_stage import require_what_it_reads
from flows.running.run_result import BuildResult
from flows.server.end_with_worker import end_with_worker
from memdec_core.errors import UserError
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_catalogue import StageName


@flow(name="run-stage", flow_run_name="Run {stage} of {pipeline}", persist_result=False)
def run_one_stage(
    pipeline: str, stage: StageName, *, again: bool = True, until: StageName | None = None
) -> BuildResult:
    """Runs one stage of a pipeline as it is deployed; what comes of it stays a candidate.

    Args:
        pipeline: Its name; configuration and settings are those of its deployment build-memory.
        stage: What to run; all that it reads must have been built.
        again: Whether to build it though its artifact exists, which then stays until the end.
        until: Where to stop; after this stage when unset.

    Returns:
        As the flow build-memory.

    Raises:
        UserError: There is no such deployment, or something that the stage reads is missing.
        StorageError: The store could not be read or written.
    """
    end_with_worker()
    with get_client(sync_client=True) as client:
        try:
            deployed = client.read_deployment_by_name(f"build-memory/{pipeline}").parameters
        except ObjectNotFound as error:
            raise UserError(
                f"build-memory/{pipeline}: no such deployment; `memdec deploy` its pipeline"
            ) from error
    config = PipelineConfig.model_validate(deployed["config"])
    settings = RunSettings.model_validate(deployed["settings"])
    require_what_it_reads(config, settings.store, stage)
    forced = [stage] if again else []
    return build_memory(config, settings, until or stage, forced, promote=False)
