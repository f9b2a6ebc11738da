"""Reads the sources of a corpus that changed since the last look, and only those."""

from dataclasses import dataclass

from prefect import task

from memdec_core.text.text_config import CorpusConfig
from storage.documents.document_records import Document, Reject
from storage.documents.source_digests import source_digest
from storage.looks.corpus_looks import CorpusLook, SeenSource, read_seen
from storage.looks.document_table import DocumentRows, carry_over, in_source_order, write_table
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import (
    read_source,
    reading_identity,
    source_errors,
    split_of,
    split_shares,
)
from tasks.jobs.run_settings import RunSettings
from tasks.running.progress import stage_progress
from tasks.running.stage_run import TASK_OPTIONS
from tasks.running.supervised_process import Report, supervise
from tasks.watch.watch_job import WatchJob
from tasks.watch.watched_listing import ListedSource


@dataclass(frozen=True)
class ReadSources:
    """What a look saw.

    Attributes:
        sources: In the order of the listing.
        digested: Names of those whose stamp was new, so that their bytes were hashed.
        read: Names of those whose content was new, so that their documents were read.
    """

    sources: tuple[SeenSource, ...]
    digested: tuple[str, ...]
    read: tuple[str, ...]


def read_watched_sources(job: WatchJob, store_url: str, report: Report) -> ReadSources:
    """Makes the table of all documents, with the rows of unchanged sources carried over.

    Args:
        job: The look; the table is written to its `documents`.
        store_url: Where the last look's table is.
        report: Takes the progress.

    Raises:
        UserError: A source cannot be read.
        DamagedArtifact: The last look's table cannot be read.
    """
    known = _Known(job.last, job.corpus)
    rows, seen = DocumentRows(), []
    carried: list[tuple[int, int]] = []
    digested, read = [], []
    for number, listed in enumerate(job.listing):
        report(number / len(job.listing), listed.source.name)
        place = known.by_stamp(listed)
        if place is None:
            digested.append(listed.source.name)
            with source_errors():
                digest = source_digest(listed.source)
            place = known.by_digest(listed, digest)
            if place is None:
                read.append(listed.source.name)
                seen.append(_read(rows, number, listed, digest, job.corpus))
                continue
        seen.append(known.sources[place].model_copy(update={"stamp": listed.stamp}))
        carried.append((place, number))
    table = rows.table()
    if carried and job.last is not None:
        old = read_seen(Store.open(store_url), job.pipeline, job.last)
        table = in_source_order(carry_over(old, carried), table)
    write_table(table, job.documents)
    return ReadSources(tuple(seen), tuple(digested), tuple(read))


class _Known:
    """Numbers of the last look's sources, by what they are called and by what was seen of them."""

    def __init__(self, last: CorpusLook | None, config: CorpusConfig) -> None:
        is_read_alike = last is not None and last.reading == reading_identity(config)
        self.sources = last.sources if last is not None and is_read_alike else ()
        numbered = list(enumerate(self.sources))
        self._stamps = {(s.role, s.name, s.stamp): number for number, s in numbered}
        self._digests = {(s.role, s.name, s.digest): number for number, s in numbered}

    def by_stamp(self, listed: ListedSource) -> int | None:
        return self._stamps.get((listed.role, listed.source.name, listed.stamp))

    def by_digest(self, listed: ListedSource, digest: str) -> int | None:
        return self._digests.get((listed.role, listed.source.name, digest))


def _read(
    rows: DocumentRows, number: int, listed: ListedSource, digest: str, config: CorpusConfig
) -> SeenSource:
    shares = split_shares(config)
    rejects: list[Reject] = []
    count = 0
    with source_errors():
        for record in read_source(listed.source, config):
            if isinstance(record, Document):
                split = split_of(listed.role, record, shares)
                rows.add(number, split, record.doc_id, record.text)
            else:
                count += 1
                rejects = rejects or [record]
    return SeenSource(
        role=listed.role,
        name=listed.source.name,
        stamp=listed.stamp,
        digest=digest,
        rejected=count,
        first_reject=_described(rejects[0]) if rejects else None,
    )


def _described(reject: Reject) -> str:
    where = f"{reject.file} record {reject.record}" if reject.record else reject.file
    return f"{where}: {reject.kind}: {reject.detail}"


@task(task_run_name="Read the documents that changed", **TASK_OPTIONS)
def read_watched(job: WatchJob, settings: RunSettings) -> ReadSources:
    """Reads the sources that changed since the last look, in a worker process."""
    with stage_progress("reading documents", shards=1, finished=0) as progress:
        return supervise(
            read_watched_sources,
            (job, settings.store),
            lambda fraction, note: progress.report("all", fraction, note),
            settings.threads,
        )
