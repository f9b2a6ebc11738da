"""What a stage's worker processes run: the stage's own work, with what every shard needs."""

import time

from storage.objects.store_errors import translated
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import Figures, ShardRun, work_of
from tasks.running.memory_sampler import MemorySampler
from tasks.running.supervised_process import Report


def list_shards(module: str, job: StageJob, store_url: str, _report: Report) -> list[str]:
    """The names of a stage's shards."""
    names = work_of(module).list_shards
    assert names is not None, module
    return names(job, Store.open(store_url))


def build_committed(
    module: str, job: StageJob, shard: str, attempt: str, settings: RunSettings, report: Report
) -> None:
    """Builds a shard and commits it, with its seconds and its peak of memory."""
    store = Store.open(settings.store)
    writer = store.writer(job.ref, shard, attempt)
    started = time.monotonic()
    with translated(str(job.ref)), MemorySampler() as memory:
        figures = work_of(module).build_shard(ShardRun(job, shard, settings, store, writer, report))
    writer.commit(figures, time.monotonic() - started, memory.peak_bytes)


def summarise(module: str, metas: dict[str, Figures], _report: Report) -> Figures:
    """The figures of a stage whose shards are all built."""
    together = work_of(module).summarise
    assert together is not None, module
    return together(metas)
