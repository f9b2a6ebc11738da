"""What a corpus lacks of the records that were read, in words."""

from collections import Counter
from typing import NamedTuple

from storage.documents.document_records import DAMAGED_FILE
from storage.documents.duplicate_index import DUPLICATE_TEXT
from storage.formats.corpus_parquet import REJECTS, CorpusReader
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.stage_figures import RecordFigures

SHOWN_REASONS = 3


class Rejects(NamedTuple):
    """The records of a corpus that were rejected; repeated texts are none.

    Attributes:
        share: Of all records read.
        said: How many, the commonest reasons, the first one and where all are listed; empty if
            there are none.
        damaged: The first damaged file and what is wrong with it; empty if there is none.
    """

    share: float
    said: str
    damaged: str


def corpus_rejects(store: Store, corpus: ArtifactRef) -> Rejects:
    """Counts a corpus's rejects.

    Raises:
        MissingArtifact: There is no such corpus.
    """
    manifest = store.require(corpus)
    figures = RecordFigures.of(manifest)
    counts = Counter(figures.rejected_by_reason)
    del counts[DUPLICATE_TEXT]
    if not counts.total():
        return Rejects(0.0, "", "")
    reader = CorpusReader(store.only(corpus))
    first = _first(reader, "")
    reasons = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common(SHOWN_REASONS))
    listed = f"{store.location(corpus)}/{manifest.shards[0].attempt}/all/{REJECTS.name}"
    lost = f", {figures.lost_bytes:,} bytes of damaged files lost" if figures.lost_bytes else ""
    said = (
        f"{counts.total():,} of {figures.records:,} records rejected ({reasons}; the first: "
        f"{first}){lost}; all are listed in {listed}"
    )
    damaged = _first(reader, DAMAGED_FILE) if counts[DAMAGED_FILE] else ""
    return Rejects(counts.total() / figures.records, said, damaged)


def _first(reader: CorpusReader, kind: str) -> str:
    """The first reject of a kind, of any kind but a repeated text if it is empty."""
    for file, record, reason in reader.rejects():
        if reason.startswith(f"{kind}: " if kind else "") and not reason.startswith(DUPLICATE_TEXT):
            return f"{file} record {record}: {reason}" if record else f"{file}: {reason}"
    return ""
