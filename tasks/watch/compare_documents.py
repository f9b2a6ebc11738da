"""Compares the documents of a corpus with those of an earlier look or run, and measures drift."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from prefect import task

from memdec_core.text.document_split import SPLITS
from storage.documents.document_records import Document
from storage.documents.duplicate_index import text_digest
from storage.formats.corpus_parquet import CorpusReader
from storage.looks.corpus_looks import read_seen
from storage.looks.document_changes import (
    ChangeKind,
    DocumentCount,
    document_changes,
    sample_digests,
)
from storage.looks.document_table import (
    SCHEMA,
    Documents,
    corpus_documents,
    distinct_documents,
    parse_table,
)
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import read_source, source_errors
from tasks.jobs.run_settings import RunSettings
from tasks.running.progress import stage_progress
from tasks.running.stage_run import TASK_OPTIONS
from tasks.running.supervised_process import Report, import_in_workers, supervise
from tasks.watch.watch_job import SAMPLE_CHARACTERS, Drift, WatchJob

import_in_workers("tasks.watch.corpus_drift")  # PyTorch takes seconds to import

Earlier = Literal["the last look", "the newest run", "nothing"]
"""What documents are compared with."""

EXAMPLES = 20
NEVER_RUN = (
    "The pipeline has never run: there is no tokenizer to count tokens with, and neither a model "
    "nor training text to compare the new text with."
)
NO_NEW_TEXT = "No document has new text, so there is nothing to compare."


@dataclass(frozen=True)
class ChangeReport:
    """What changed.

    Attributes:
        earlier: What the documents were compared with.
        counts: Documents and characters by kind of change, and of those unchanged.
        examples: Ids of some documents by kind of change.
        drift: How the new text differs, where it can be measured.
        no_drift: Otherwise why not, as a sentence.
    """

    earlier: Earlier
    counts: dict[str, DocumentCount]
    examples: dict[ChangeKind, list[str]]
    drift: Drift | None
    no_drift: str

    @property
    def is_empty(self) -> bool:
        """Whether not one document changed."""
        return not any(self.examples.values())

    @property
    def has_no_new_text(self) -> bool:
        """Whether documents only went or changed their names."""
        return not self.counts["added"].documents and not self.counts["edited"].documents

    @property
    def removed_share(self) -> float:
        """Removed documents among those that were there before."""
        before = sum(n.documents for kind, n in self.counts.items() if kind != "added")
        return self.counts["removed"].documents / max(before, 1)

    @property
    def kept(self) -> int:
        """Documents that are there now."""
        return sum(n.documents for kind, n in self.counts.items() if kind != "removed")


def report_changes(
    job: WatchJob, earlier: Earlier, settings: RunSettings, report: Report
) -> ChangeReport:
    """Compares the table that the look made with an earlier one.

    Args:
        job: The look, its documents read.
        earlier: What to compare with.
        settings: Store, device and memory.
        report: Takes the progress.

    Raises:
        UserError: A source cannot be read.
        StorageError: What to compare with is damaged.
    """
    store = Store.open(settings.store)
    after = distinct_documents(parse_table(job.documents, str(job.documents)))
    report(0.0, f"{len(after):,} documents")
    changes = document_changes(_documents_of(store, job, earlier), after)
    new = changes.new()
    drift, why = None, NO_NEW_TEXT
    if not new.is_empty() and job.built is None:
        why = NEVER_RUN
    elif not new.is_empty() and job.built is not None:
        from tasks.watch.corpus_drift import measure_drift  # PyTorch takes seconds to import

        report(0.1, f"{len(new):,} new texts")
        sample = sample_digests(new, SAMPLE_CHARACTERS)
        drift = measure_drift(store, job.built, _texts(job, new), sample, settings)
    return ChangeReport(earlier, changes.counts(), changes.examples(EXAMPLES), drift, why)


def _documents_of(store: Store, job: WatchJob, earlier: Earlier) -> Documents:
    if earlier == "the last look" and job.last is not None:
        return distinct_documents(read_seen(store, job.pipeline, job.last))
    if earlier == "the newest run" and job.built is not None:
        return corpus_documents(CorpusReader(store.only(job.built.corpus)), SPLITS)
    return Documents(schema=SCHEMA)


def _texts(job: WatchJob, new: Documents) -> Iterator[tuple[bytes, str]]:
    """Digest and text of every new document, from the sources that hold one; each text once."""
    wanted = set(new["digest"])
    for number in new["source"].unique().sort():
        with source_errors():
            for record in read_source(job.listing[number].source, job.corpus):
                if isinstance(record, Document):
                    digest = text_digest(record.text)
                    if digest in wanted:
                        wanted.discard(digest)
                        yield digest, record.text


@task(task_run_name="Compare the documents with those of {earlier}", **TASK_OPTIONS)
def compare_documents(job: WatchJob, earlier: Earlier, settings: RunSettings) -> ChangeReport:
    """Finds what changed document by document, and how new text differs, in a worker process."""
    with stage_progress("comparing documents", shards=1, finished=0) as progress:
        return supervise(
            report_changes,
            (job, earlier, settings),
            lambda fraction, note: progress.report("all", fraction, note),
            settings.threads,
        )
