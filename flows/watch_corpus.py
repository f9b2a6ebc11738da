"""The flow: whether a pipeline's documents changed, what changed, and who should know."""

from functools import partial

from prefect import flow
from prefect.client.schemas.objects import State

from flows.config.pipeline_config import PipelineConfig
from flows.running.watch_conclusion import Conclusion, corpus_fingerprint
from flows.running.watch_result import WatchResult, unchanged
from flows.server.end_with_worker import end_with_worker
from memdec_core.errors import UserError
from memdec_core.text.text_config import CorpusConfig
from storage.looks.corpus_looks import CorpusLook, last_look
from storage.objects.temporary_folder import temporary_folder
from storage.store.artifact_store import Store
from tasks.inputs.finished_run import newest_built_corpus
from tasks.jobs.run_settings import RunSettings
from tasks.watch.announce_update import is_due
from tasks.watch.read_watched import ReadSources, read_watched
from tasks.watch.watch_job import WatchJob
from tasks.watch.watched_listing import Listing, QuietWait, list_corpus


@flow(name="watch-corpus", flow_run_name="Look for changes in {config.name}", persist_result=False)
def watch_corpus(
    config: PipelineConfig, settings: RunSettings, *, confirm: bool = False
) -> State[WatchResult]:
    """Looks whether the documents of a pipeline's corpus changed, and announces it if so.

    Args:
        config: The pipeline; of it only the corpus is looked at.
        settings: The store, and where the new text is measured.
        confirm: Announce the change however many documents are gone.

    Returns:
        A completed state; its message says what was found.

    Raises:
        UserError: An entry of the corpus names nothing, or cannot be read.
        StorageError: The store could not be read or written.
        NotAnnounced: The Prefect server did not confirm the event; the next look sends it again.
    """
    end_with_worker()
    store = Store.open(settings.store)
    last = last_look(store, config.name)
    built = newest_built_corpus(store, config.name)
    listing = list_corpus(config.corpus)
    is_known = last is not None and _is_known(last, listing, config.corpus)
    if last is not None and is_known and not is_due(last.same_documents, built, last.announced):
        message = f"Nothing changed in the documents of {config.name} since {last.when}."
        return unchanged(config.name, last, message)
    with temporary_folder() as folder:
        job = WatchJob(config.name, config.corpus, listing, last, built, folder)
        quiet_seconds = 0.0 if is_known else config.watch.quiet_seconds
        found = _read_when_quiet(job, quiet_seconds, settings)
        if found is None:
            message = f"The documents of {config.name} keep changing; the next look goes on."
            return unchanged(config.name, last, message)
        max_removed = 1.0 if confirm else config.watch.max_removed
        return Conclusion(store, *found, settings, max_removed).draw()


def _is_known(last: CorpusLook, listing: Listing, config: CorpusConfig) -> bool:
    """Whether the last look saw exactly this, and would call it the same today."""
    seen = [(source.role, source.name, source.stamp) for source in last.sources]
    return seen == [(listed.role, listed.source.name, listed.stamp) for listed in listing] and (
        last.fingerprint == corpus_fingerprint(config, last.sources)
    )


def _read_when_quiet(
    job: WatchJob, quiet_seconds: float, settings: RunSettings
) -> tuple[WatchJob, ReadSources] | None:
    """Reads what changed once nothing writes there any more; None when that does not come."""
    wait = QuietWait(partial(list_corpus, job.corpus), quiet_seconds)
    while (listing := wait.settled()) is not None:
        job = job.with_listing(listing)
        try:
            seen = read_watched(job, settings)
        except UserError:  # a file that is replaced just now is gone for a moment
            if wait.look() == listing:
                raise
        else:
            if wait.look() == listing:
                return job, seen
        if wait.is_over():
            return None
    return None
