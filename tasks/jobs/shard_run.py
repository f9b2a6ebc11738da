"""What a worker process is handed to build one shard."""

from collections.abc import Callable
from dataclasses import dataclass

from storage.store.artifact_store import Store
from storage.store.shard_files import ShardWriter
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob


@dataclass(frozen=True)
class ShardRun:
    """One shard of a stage, in the process that computes it.

    Attributes:
        job: The stage's configuration and inputs.
        shard: Name of the shard to build, `all` in stages of one shard.
        settings: How to execute; must not change the result.
        store: The opened store, to read the inputs.
        writer: Where the shard's files go; committed by the caller when the work returns.
        report: Takes the finished fraction of this shard (0 to 1) and a short note.
    """

    job: StageJob
    shard: str
    settings: RunSettings
    store: Store
    writer: ShardWriter
    report: Callable[[float, str], None]
