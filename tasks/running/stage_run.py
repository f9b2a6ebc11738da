"""What every stage does around its work: reuse, claim, build the missing shards, seal, publish."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import TerminationSignal
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.tasks import Task, exponential_backoff

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.manifest import Manifest, ManifestDraft
from storage.objects.store_errors import StoreUnavailable
from storage.store.artifact_store import Store
from storage.store.claims import claim
from storage.store.shard_files import ONE_SHARD
from tasks.jobs.run_settings import Deadline, RunSettings
from tasks.jobs.software import git_commit, software_versions
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_record import Work
from tasks.pages.ui_artifacts import publish_manifest
from tasks.running.progress import StageProgress, announce, stage_progress
from tasks.running.stage_worker import build_committed, list_shards, summarise
from tasks.running.supervised_process import (
    WorkerDied,
    WorkerTimedOut,
    import_in_workers,
    stop_workers,
    supervise,
)


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
import_in_workers("tasks.running.stage_worker")
StageTask = Task[..., Any]
T = TypeVar("T")


def stage_task(work: Work) -> StageTask:
    """Makes a stage's Prefect task; the work itself is imported in worker processes alone."""
    import_in_workers(work.module)

    def run(job: StageJob, settings: RunSettings, *, again: bool = False) -> State[ArtifactRef]:
        return run_stage(job, settings, work.module, sharded=work.sharded, again=again)

    return task(
        name=work.module.rpartition(".")[2],
        description=work.does,
        task_run_name="{job.title} ({job.ref})",
        **TASK_OPTIONS,
    )(run)


def run_stage(
    job: StageJob, settings: RunSettings, module: str, *, sharded: bool, again: bool
) -> State[ArtifactRef]:
    """Builds a stage's artifact, or reuses it when it exists.

    Args:
        job: What to build.
        settings: How to build it.
        module: Has the stage's own part.
        sharded: Whether that lists its shards.
        again: Build it beside the one that exists, and then put it in that one's place.

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
    if not again and (manifest := store.manifest(job.ref)) is not None:
        return _done(store, job, manifest, reused=True)
    with claim(store, job.ref, on_wait=announce, again=again) as attempt:
        if attempt is None:
            return _done(store, job, store.require(job.ref), reused=True)
        names = [ONE_SHARD]
        if sharded:
            names = _in_worker(settings, list_shards, module, job, settings.store)
        finished = store.commits if again else store.committed
        missing = [name for name in names if name not in finished(job.ref)]
        _build_missing(job, settings, module, attempt, names, missing)
        built = finished(job.ref)
        entries = [built[name] for name in names]
        figures = entries[0].meta
        if sharded:
            metas = {entry.name: entry.meta for entry in entries}
            figures = _in_worker(settings, summarise, module, metas)
        draft = ManifestDraft(
            format_version=job.format_version,
            config=job.identity,
            inputs=job.inputs,
            shards=entries,
            figures=figures,
            software=software_versions(),
            git_commit=git_commit(),
            flow_run_id=flow_run.get_id(),
        )
        manifest = store.seal(job.ref, draft, attempt if again else None)
    return _done(store, job, manifest, reused=False)


def _build_missing(
    job: StageJob,
    settings: RunSettings,
    module: str,
    attempt: str,
    names: Sequence[str],
    missing: Sequence[str],
) -> None:
    """Builds the shards that no earlier attempt has committed, at most `workers` at a time."""
    deadline = Deadline.from_now(job.ref, settings.timeouts)
    with stage_progress(job.title, len(names), len(names) - len(missing)) as progress:
        if names == [ONE_SHARD]:
            for name in missing:
                supervise_shard(job, name, attempt, settings, module, progress, deadline)
            return
        running: deque[PrefectFuture[None]] = deque()
        try:
            for name in missing:
                if len(running) == settings.workers:
                    running.popleft().result()
                shard = (job, name, attempt, settings, module, progress, deadline)
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
    module: str,
    progress: StageProgress,
    deadline: Deadline | None,
) -> None:
    """Builds one shard in a supervised worker process.

    Raises:
        StageTimedOut: The deadline has come; the process was killed.
    """

    def report(fraction: float, note: str) -> None:
        progress.report(shard, fraction, note)

    arguments = (module, job, shard, attempt, settings)
    seconds = None if deadline is None else deadline.seconds_left()
    try:
        supervise(build_committed, arguments, report, settings.threads, seconds)
    except WorkerTimedOut:
        assert deadline is not None
        raise deadline.error() from None
    report(1.0, "")


build_shard = task(task_run_name="{job.title}, shard {shard} ({job.ref})", **TASK_OPTIONS)(
    supervise_shard
)


def _in_worker(settings: RunSettings, work: Callable[..., T], *arguments: object) -> T:
    """Runs what takes a moment, but needs the libraries of the stage."""
    return supervise(work, arguments, lambda _done, _note: None, settings.threads)


def _done(store: Store, job: StageJob, manifest: Manifest, *, reused: bool) -> State[ArtifactRef]:
    publish_manifest(store, job, manifest, reused=reused)
    if reused:
        return Completed(name="Cached", message=f"reused {job.ref}", data=job.ref)
    return Completed(message=f"built {job.ref}", data=job.ref)
