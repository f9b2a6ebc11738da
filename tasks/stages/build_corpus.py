"""corpus: documents from anywhere become Parquet parts, split, each record kept or listed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.text.document_split import SPLITS
from memdec_core.text.text_config import CorpusConfig
from storage.documents.document_records import Document, Reject
from storage.documents.document_sources import BucketSource, FileSource, Source
from storage.documents.duplicate_index import DUPLICATE_TEXT, DuplicateIndex
from storage.formats.corpus_parquet import CorpusWriter
from storage.objects.temporary_folder import temporary_folder
from tasks.identity.corpus_identity import (
    ENTRY_FIELDS,
    READING_ORDER,
    corpus_identity,
    corpus_sources,
    read_source,
    source_errors,
    split_of,
    split_shares,
)
from tasks.jobs.stage_work import ShardRun, StageWork

_REPORT_EVERY = 1000  # records


@dataclass
class CorpusCounts:
    """Counts records as they are kept or rejected; records in = kept + rejected.

    Attributes:
        documents: Documents kept, by split.
        characters: Their characters, by split.
        rejected: Rejects, by kind of reason.
        lost_bytes: Bytes of damaged files that are in no record.
        first_reject: An example to show.
    """

    documents: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    lost_bytes: int = 0
    first_reject: Reject | None = None

    @property
    def records(self) -> int:
        """Records read so far; a file that was rejected whole counts as one."""
        return self.documents.total() + self.rejected.total()

    def add(self, split: str, document: Document) -> None:
        """Counts a document that was kept."""
        self.documents[split] += 1
        self.characters[split] += len(document.text)

    def reject(self, reject: Reject) -> None:
        """Counts a reject."""
        self.rejected[reject.kind] += 1
        self.lost_bytes += reject.lost_bytes
        self.first_reject = self.first_reject or reject

    def figures(self) -> dict[str, JsonValue]:
        """The figures for the manifest; duplicates are among the rejected."""
        return {
            "records": self.records,
            "kept": self.documents.total(),
            "rejected": self.rejected.total(),
            "duplicates": self.rejected[DUPLICATE_TEXT],
            "rejected_by_reason": dict(sorted(self.rejected.items())),
            "lost_bytes": self.lost_bytes,
            "documents": {split: self.documents[split] for split in SPLITS},
            "characters": {split: self.characters[split] for split in SPLITS},
        }

    def __str__(self) -> str:
        """One phrase: records read and kept, and the commonest reasons for the others."""
        said = f"{self.records:,} records read, {self.documents.total():,} kept"
        if (reject := self.first_reject) is None:
            return said
        reasons = ", ".join(f"{count:,} {kind}" for kind, count in self.rejected.most_common(3))
        where = f"{reject.file} record {reject.record}" if reject.record else reject.file
        return (
            f"{said}, {self.rejected.total():,} rejected ({reasons}; "
            f"the first: {where}: {reject.kind}: {reject.detail})"
        )


def build_corpus_shard(run: ShardRun) -> dict[str, JsonValue]:
    """Reads every source, splits, drops duplicates and writes the parts and the rejects.

    Args:
        run: The corpus's one shard.

    Returns:
        The corpus's figures: records in, kept, rejected (also by reason), duplicates among those,
        bytes lost of damaged files, documents and characters per split. A damaged file counts as
        one rejected record.

    Raises:
        UserError: An entry names nothing, a split is empty, or documents changed meanwhile.
    """
    config = run.config(CorpusConfig)
    counts = CorpusCounts()
    with (
        source_errors(),
        temporary_folder() as temporary,
        closing(DuplicateIndex(temporary / "seen.sqlite")) as seen,
        CorpusWriter(run.writer, config.part_characters) as writer,
    ):
        for split, record in _split_records(config, run, counts):
            outcome = record
            if isinstance(record, Document):
                outcome = seen.add(split, record) or record
            if isinstance(outcome, Reject):
                writer.reject(outcome)
                counts.reject(outcome)
            else:
                writer.add(split, outcome)
                counts.add(split, outcome)
    _require_every_split(config, counts)
    if run.job.identity != corpus_identity(config):
        raise UserError(
            "config.corpus: documents changed since the run was planned; run again, "
            "and let nothing write to them meanwhile"
        )
    return counts.figures()


def _split_records(
    config: CorpusConfig, run: ShardRun, counts: CorpusCounts
) -> Iterator[tuple[str, Document | Reject]]:
    """Yields every record with its split (a reject's split has no meaning)."""
    sources = corpus_sources(config)
    total = sum(_size(source) for found in sources.values() for source in found)
    shares = split_shares(config)
    done = 0
    for role in READING_ORDER:
        for source in sources[role]:
            for record in read_source(source, config):
                if isinstance(record, Document):
                    yield split_of(role, record, shares), record
                else:
                    yield role, record
                if counts.records % _REPORT_EVERY == 0:
                    run.report(done / total, f"{counts.records:,} records")
            done += _size(source)
            run.report(done / total, f"{counts.records:,} records")


def _size(source: Source) -> int:
    """A source's share of the progress, in bytes where they are known."""
    if isinstance(source, FileSource):
        return max(1, source.path.stat().st_size)
    return max(1, source.found.size) if isinstance(source, BucketSource) else 1 << 20


def _require_every_split(config: CorpusConfig, counts: CorpusCounts) -> None:
    empty = [split for split in SPLITS if not counts.documents[split]]
    if not empty:
        return
    split = empty[0]
    if split == "train" or getattr(config, ENTRY_FIELDS[split]):
        place, remedy = ENTRY_FIELDS[split], "add documents, or mend those that were rejected"
    else:
        place = f"{split}_fraction"
        remedy = f"raise it, add documents, or name files in config.corpus.{ENTRY_FIELDS[split]}"
    raise UserError(f"config.corpus.{place}: no document for {split}: {counts}; {remedy}")


WORK = StageWork(build_corpus_shard)
