"""A flow of one stage with as many shards as wanted, built as those of a pipeline are."""

import time
from pathlib import Path

from prefect import flow, task
from prefect.client.schemas.objects import State
from pydantic import JsonValue

from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from tasks.run_settings import RunSettings
from tasks.shard_run import ShardRun
from tasks.stage_job import StageJob
from tasks.stage_run import STAGE_TASK, StageWork, run_stage
from tests.jobs import make_job

TOKENS = ArtifactRef(stage="tokens", fingerprint="ab" * 16)


def sharded_job(seconds: dict[str, float], log: Path) -> StageJob:
    """A job whose shards each take some seconds and write their name into a log first."""
    return make_job(TOKENS, {"seconds": dict(seconds), "log": str(log)}, {}, identity={})


def list_shards(job: StageJob, _store: Store) -> list[str]:
    """As the job says."""
    return list(_seconds(job))


def build_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Takes its time and leaves a file."""
    with Path(str(run.job.config["log"])).open("a") as log:
        log.write(f"{run.shard}\n")
    (run.writer.folder / "shard.txt").write_text(run.shard)
    time.sleep(_seconds(run.job)[run.shard])
    return {}


def _seconds(job: StageJob) -> dict[str, float]:
    seconds = job.config["seconds"]
    assert isinstance(seconds, dict)
    return {name: float(str(value)) for name, value in seconds.items()}


@task(**STAGE_TASK)
def build(job: StageJob, settings: RunSettings) -> State[ArtifactRef]:
    """The stage."""
    return run_stage(job, settings, StageWork(build_shard, list_shards, lambda _metas: {}))


@flow(persist_result=False)
def build_shards(job: StageJob, settings: RunSettings) -> None:
    """The stage alone."""
    build(job, settings, return_state=True).result()
