"""What became of a corpus's records: the stage's figures, and the words for an empty split."""

from collections import Counter
from dataclasses import dataclass, field

from pydantic import JsonValue

from memdec_core.text.document_split import SPLITS
from storage.documents.document_records import Document, Reject
from storage.documents.duplicate_index import DUPLICATE_TEXT


@dataclass
class CorpusCounts:
    """Counts records as they are kept or rejected; records in = kept + rejected.

    Attributes:
        documents: Documents kept, by split.
        characters: Their characters, by split.
        rejected: Rejects, by kind of reason.
        first_reject: An example to show.
    """

    documents: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
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
        self.first_reject = self.first_reject or reject

    def figures(self) -> dict[str, JsonValue]:
        """The figures for the manifest; duplicates are among the rejected."""
        return {
            "records": self.records,
            "kept": self.documents.total(),
            "rejected": self.rejected.total(),
            "duplicates": self.rejected[DUPLICATE_TEXT],
            "rejected_by_reason": dict(sorted(self.rejected.items())),
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
