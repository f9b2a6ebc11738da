"""A stage with as many shards as wanted, each of which takes its time."""

import time
from pathlib import Path

from pydantic import JsonValue

from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import ShardRun, StageWork
from tests.support.jobs import make_job

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


WORK = StageWork(build_shard, list_shards, lambda _metas: {})
