"""Refuses a corpus that lacks too much of its documents, and says what it lacks."""

from collections import Counter

from memdec_core.errors import UserError
from memdec_core.text.text_config import CorpusConfig
from storage.documents.document_files import passed_over
from storage.documents.document_formats import SUFFIXES
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import ENTRY_FIELDS, source_errors
from tasks.jobs.stage_job import StageJob
from tasks.pages.reject_words import corpus_rejects


def check_rejects(corpus: StageJob, store: Store) -> list[str]:
    """Compares what a built corpus lacks with what it may lack.

    Args:
        corpus: Its job.
        store: Where it is.

    Returns:
        What was rejected and which files were passed over, a sentence each; empty if nothing was.

    Raises:
        UserError: A file is damaged, more records were rejected than `max_rejected` allows, or a
            folder of the documents cannot be read.
    """
    config = corpus.section(CorpusConfig)
    rejects = corpus_rejects(store, corpus.ref)
    if rejects.damaged and config.damaged == "stop":
        raise UserError(
            f"{corpus.title}: a file cannot be read to its end: {rejects.damaged}. Mend it, get it "
            "again, take it out of the corpus, or keep what is before the damage with `damaged: "
            "keep` in its corpus section; then run again"
        )
    if rejects.share > config.max_rejected:
        raise UserError(
            f"{corpus.title}: {rejects.said}. That is more than max_rejected "
            f"({config.max_rejected:g}) of its corpus section allows: mend the documents, or raise "
            "it; then run again"
        )
    return [said for said in (rejects.said, _passed_over(config)) if said]


def _passed_over(config: CorpusConfig) -> str:
    """Counts the files in folders of documents that are not read; empty if there are none."""
    counts: Counter[str] = Counter()
    with source_errors():
        for field in ENTRY_FIELDS.values():
            for entry in getattr(config, field):
                counts += passed_over(entry)
    if not counts:
        return ""
    kinds = ", ".join(f"{n:,} {ending or 'without ending'}" for ending, n in counts.most_common())
    files = "file" if counts.total() == 1 else "files"
    return f"{counts.total():,} {files} passed over ({kinds}); read are {', '.join(SUFFIXES)}"
