"""What follows from a look: whether it is told, to whom, and what the next one compares with."""

from collections import defaultdict
from datetime import UTC, datetime

from prefect.client.schemas.objects import State

from flows.running.watch_result import (
    HELD,
    IS_BUILT,
    NOBODY_LISTENS,
    SERVER_ANNOUNCED,
    WatchResult,
    changed,
    payload,
    unchanged,
)
from memdec_core.text.text_config import CorpusConfig
from storage.looks.corpus_looks import CorpusLook, SeenSource, record_look, write_seen
from storage.objects.fingerprint import fingerprint
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import identity_of, reading_identity
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_catalogue import STAGES
from tasks.watch.announce_update import announce_update, is_due, someone_listens
from tasks.watch.changes_page import changes_sentence, publish_changes
from tasks.watch.compare_documents import ChangeReport, Earlier, compare_documents
from tasks.watch.read_watched import ReadSources
from tasks.watch.watch_job import WatchJob

MOST_ALIKE = 20
"""Fingerprints kept of corpora with the same documents."""


def corpus_fingerprint(config: CorpusConfig, sources: tuple[SeenSource, ...]) -> str:
    """Fingerprint of the corpus artifact that a run would make of these sources."""
    digests: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for source in sources:
        digests[source.role].append((source.name, source.digest))
    contents = identity_of({role: digests[role] for role in ("train", "valid", "test")})
    identity = contents | reading_identity(config)
    return fingerprint("corpus", STAGES["corpus"].format_version, identity, {})


class Conclusion:
    """Compares, publishes, announces, and then records: a crash before that repeats it all.

    Args:
        store: Where looks are recorded.
        job: The look, its documents read.
        seen: What it saw.
        settings: Store, device and memory.
        max_removed: Largest share of documents that may be gone; of more the look is not recorded.
    """

    def __init__(
        self,
        store: Store,
        job: WatchJob,
        seen: ReadSources,
        settings: RunSettings,
        max_removed: float,
    ) -> None:
        self._store = store
        self._job = job
        self._seen = seen
        self._settings = settings
        self._max_removed = max_removed
        self._fingerprint = corpus_fingerprint(job.corpus, seen.sources)

    def draw(self) -> State[WatchResult]:
        """Does what is to be done, inside a flow."""
        job, report = self._job, self._since_last()
        look = self._look(report)
        due = is_due(look.same_documents, job.built, look.announced)
        if due and (report is None or report.is_empty):
            report = compare_documents(job, self._built_or_nothing, self._settings)
            if report.is_empty and job.built is not None:
                alike = (*look.alike, job.built.corpus.fingerprint)
                look = look.model_copy(update={"alike": alike})
        if report is None or report.is_empty:
            self._record(look)
            message = f"Not one document of {job.pipeline} changed; {self._reading()}."
            return unchanged(job.pipeline, look, message)
        if due and report.removed_share > self._max_removed:
            publish_changes(job.pipeline, report, self._seen, HELD)
            message = f"{changes_sentence(report)} {HELD}"
            return changed(job.pipeline, report, self._seen.sources, message, held=True)
        told = due and someone_listens()
        outcome = IS_BUILT if not due else SERVER_ANNOUNCED if told else NOBODY_LISTENS
        publish_changes(job.pipeline, report, self._seen, outcome)
        if told:
            announce_update(job.pipeline, payload(report, self._seen.sources, self._fingerprint))
            look = look.model_copy(update={"announced": datetime.now(UTC).isoformat()})
        self._record(look)
        message = f"{changes_sentence(report)} {outcome}"
        return changed(job.pipeline, report, self._seen.sources, message, told=told)

    def _since_last(self) -> ChangeReport | None:
        """What changed since the last look, or else since the newest run; None if nothing can."""
        job = self._job
        if job.last is not None and job.last.fingerprint == self._fingerprint:
            return None
        earlier = self._built_or_nothing if job.last is None else "the last look"
        return compare_documents(job, earlier, self._settings)

    @property
    def _built_or_nothing(self) -> Earlier:
        return "nothing" if self._job.built is None else "the newest run"

    def _look(self, report: ChangeReport | None) -> CorpusLook:
        """This look, not announced unless the same documents were."""
        last, built = self._job.last, self._job.built
        alike: tuple[str, ...] = ()
        announced = None
        if report is None or report.is_empty:
            if last is not None:
                alike, announced = last.same_documents, last.announced
            elif built is not None:
                alike = (built.corpus.fingerprint,)
        others = dict.fromkeys(name for name in alike if name != self._fingerprint)
        return CorpusLook(
            reading=reading_identity(self._job.corpus),
            sources=self._seen.sources,
            documents="",
            kept=report.kept if report is not None else last.kept if last is not None else 0,
            fingerprint=self._fingerprint,
            alike=tuple(others)[-MOST_ALIKE:],
            announced=announced,
        )

    def _record(self, look: CorpusLook) -> None:
        """Records the look, if it says anything that the last one does not."""
        last = self._job.last
        if last is not None and _contents(last) == _contents(look):
            look = look.model_copy(update={"documents": last.documents})
            if look.says_the_same_as(last):
                return
        else:
            table = write_seen(self._store, self._job.pipeline, self._job.documents)
            look = look.model_copy(update={"documents": table})
        record_look(self._store, self._job.pipeline, look)

    def _reading(self) -> str:
        read, digested = len(self._seen.read), len(self._seen.digested)
        return f"{digested:,} sources were hashed and {read:,} read"


def _contents(look: CorpusLook) -> tuple[object, ...]:
    """What decides the table of a look."""
    sources = [(source.role, source.name, source.digest) for source in look.sources]
    return look.reading, sources
