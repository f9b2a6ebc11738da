"""What a stage's worker processes run: the stage's own work, with what every shard needs."""

import threading
import time
from pathlib import Path
from types import TracebackType

import psutil

from storage.objects.store_errors import translated
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import Figures, ShardRun, work_of
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


_STATUS = Path("/proc/self/status")
_INTERVAL_SECONDS = 0.05


class MemorySampler:
    """Watches this process's own memory, 20 times a second, while used as a context manager.

    Pages of memory-mapped files are left out: the kernel takes them back whenever it wants them,
    so they are a cache, not a need.

    Attributes:
        peak_bytes: The largest amount seen (anonymous and shared memory), in bytes.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "MemorySampler":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.sample()

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            self.sample()

    def sample(self) -> None:
        """Looks at the memory now."""
        self.peak_bytes = max(self.peak_bytes, own_bytes())


def own_bytes() -> int:
    """Anonymous and shared memory of this process in bytes; all resident memory off Linux."""
    if not _STATUS.exists():
        return int(psutil.Process().memory_info().rss)
    kilobytes = 0
    for line in _STATUS.read_text().splitlines():
        if line.startswith(("RssAnon:", "RssShmem:")):
            kilobytes += int(line.split()[1])
    return kilobytes * 1024
