"""What has to be there before one stage of a pipeline can be run alone."""

from flows.config.pipeline_config import PipelineConfig
from flows.planning.plan import plan_pipeline
from memdec_core.errors import UserError
from storage.store.artifact_store import Store
from tasks.jobs.stage_catalogue import StageName


def require_what_it_reads(config: PipelineConfig, store_url: str, stage: StageName) -> None:
    """Refuses to run a stage alone before the ones that come first are built.

    Args:
        config: The pipeline.
        store_url: Where its artifacts are.
        stage: The stage.

    Raises:
        UserError: The pipeline has no such stage, or one before it is not built.
        StorageError: The store could not be read.
    """
    store = Store.open(store_url)
    earlier = [job for job in plan_pipeline(config).until(stage) if job.ref.stage != stage]
    missing = [job for job in earlier if store.manifest(job.ref) is None]
    if missing:
        names = ", ".join(dict.fromkeys(job.name for job in missing))
        raise UserError(
            f"{stage} of {config.name} cannot be run alone, as it reads what is not built yet "
            f"({names}); run the pipeline without naming one stage"
        )
