"""What every stage does around its work: reuse, claim, build the missing shards, seal, publish."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import TerminationSignal
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.tasks import Task, exponential_backoff
from pydantic import JsonValue

from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from storage.claims import claim
from storage.manifest import Manifest, ManifestDraft
from storage.store_errors import StoreUnavailable, translated
from tasks.memory_sampler import MemorySampler
from tasks.progress import StageProgress, stage_progress
from tasks.run_settings import RunSettings
from tasks.shard_run import ShardRun
from tasks.software import git_commit, software_versions
from tasks.stage_job import StageJob
from tasks.stage_timeout import Deadline
from tasks.supervised_process import (
    Report,
    WorkerDied,
    WorkerTimedOut,
    stop_workers,
    supervise,
)
from tasks.ui_artifacts import publish_manifest

Figures = dict[str, JsonValue]
ONE_SHARD = "all"


def _one_shard(_job: StageJob, _store: Store) -> list[str]:
    return [ONE_SHARD]


def _figures_of_one_shard(metas: dict[str, Figures]) -> Figures:
    return metas[ONE_SHARD]


@dataclass(frozen=True)
class StageWork:
    """The three things in which stages differ.

    Attributes:
        build_shard: Builds one shard in a worker process and returns its figures.
        list_shards: Names the stage's shards; the same names for the same job, always.
        summarise: Makes the manifest's figures from the figures of all shards, by shard name.
    """

    build_shard: Callable[[ShardRun], Figures]
    list_shards: Callable[[StageJob, Store], list[str]] = _one_shard
    summarise: Callable[[dict[str, Figures]], Figures] = _figures_of_one_shard


def is_transient(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether trying again can help: a killed worker, an unreachable store; never an error."""
    try:
        state.result()
    except (WorkerDied, StoreUnavailable):
        return True
    except Exception:
        return False
    return False


TASK_OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,  # the manifest is the one record of what is done
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": exponential_backoff(backoff_factor=2),
    "retry_condition_fn": is_transient,
}
STAGE_TASK: dict[str, Any] = TASK_OPTIONS | {"task_run_name": "{job.title} ({job.ref})"}


def run_stage(job: StageJob, settings: RunSettings, work: StageWork) -> State[ArtifactRef]:
    """Builds a stage's artifact, or reuses it when it exists.

    Args:
        job: What to build.
        settings: How to build it.
        work: The stage's own part.

    Returns:
        A completed state that holds the artifact's reference; named `Cached` when it was reused.

    Raises:
        UserError: A mistake of the user's, found by the work.
        StorageError: The store could not be read or written.
        WorkerDied: A worker process was killed (retried).
        WorkerFailed: The work failed.
        StageTimedOut: The stage took longer than the settings allow.
    """
    store = Store.open(settings.store)
    logger = get_run_logger()
    if (manifest := store.manifest(job.ref)) is not None:
        return _done(store, job, manifest, reused=True)
    with claim(store, job.ref, on_wait=logger.info) as attempt:
        if attempt is None:
            return _done(store, job, store.require(job.ref), reused=True)
        names = work.list_shards(job, store)
        _build_missing(job, settings, work, attempt, names)
        entries = [store.committed(job.ref)[name] for name in names]
        draft = ManifestDraft(
            format_version=job.format_version,
            config=job.identity,
            inputs=job.inputs,
            shards=entries,
            figures=work.summarise({entry.name: entry.meta for entry in entries}),
            software=software_versions(),
            git_commit=git_commit(),
            flow_run_id=flow_run.get_id(),
        )
        manifest = store.seal(job.ref, draft)
    return _done(store, job, manifest, reused=False)


def _build_missing(
    job: StageJob, settings: RunSettings, work: StageWork, attempt: str, names: list[str]
) -> None:
    """Builds the shards that no earlier attempt has committed, at most `workers` at a time."""
    committed = Store.open(settings.store).committed(job.ref)
    missing = [name for name in names if name not in committed]
    deadline = Deadline.from_now(job.ref, settings.timeouts)
    with stage_progress(job.title, len(names), len(names) - len(missing)) as progress:
        if names == [ONE_SHARD]:
            for name in missing:
                supervise_shard(job, name, attempt, settings, work, progress, deadline)
            return
        running: deque[PrefectFuture[None]] = deque()
        try:
            for name in missing:
                if len(running) == settings.workers:
                    running.popleft().result()
                shard = (job, name, attempt, settings, work, progress, deadline)
                running.append(build_shard.submit(*shard))
            for future in running:
                future.result()
        except (KeyboardInterrupt, TerminationSignal):  # Ctrl-C; a cancellation, SIGTERM
            stop_workers()
            raise


def supervise_shard(
    job: StageJob,
    shard: str,
    attempt: str,
    settings: RunSettings,
    work: StageWork,
    progress: StageProgress,
    deadline: Deadline | None,
) -> None:
    """Builds one shard in a supervised worker process.

    Raises:
        StageTimedOut: The deadline has come; the process was killed.
    """

    def report(fraction: float, note: str) -> None:
        progress.report(shard, fraction, note)

    arguments = (work.build_shard, job, shard, attempt, settings)
    seconds = None if deadline is None else deadline.seconds_left()
    try:
        supervise(_build_in_worker, arguments, report, settings.threads, seconds)
    except WorkerTimedOut:
        assert deadline is not None
        raise deadline.error() from None
    report(1.0, "")


build_shard = task(task_run_name="{job.title}, shard {shard} ({job.ref})", **TASK_OPTIONS)(
    supervise_shard
)


def _build_in_worker(
    work: Callable[[ShardRun], Figures],
    job: StageJob,
    shard: str,
    attempt: str,
    settings: RunSettings,
    report: Report,
) -> None:
    store = Store.open(settings.store)
    writer = store.writer(job.ref, shard, attempt)
    started = time.monotonic()
    with translated(str(job.ref)), MemorySampler() as memory:
        figures = work(ShardRun(job, shard, settings, store, writer, report))
    writer.commit(figures, time.monotonic() - started, memory.peak_bytes)


def _done(store: Store, job: StageJob, manifest: Manifest, *, reused: bool) -> State[ArtifactRef]:
    publish_manifest(store, job, manifest, reused=reused)
    if reused:
        return Completed(name="Cached", message=f"reused {job.ref}", data=job.ref)
    return Completed(message=f"built {job.ref}", data=job.ref)
