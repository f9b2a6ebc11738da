"""The record of one look at a corpus."""

from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, Field, JsonValue


class SeenSource(BaseModel, frozen=True, extra="forbid"):
    """One source as a look saw it.

    Attributes:
        role: Which documents it gives: train, valid or test.
        name: Its name in the corpus.
        stamp: Of its listing; the same stamp means the same content.
        digest: Of its content.
        rejected: Records that are no documents; a file that is rejected whole counts as one.
        first_reject: The first of them and why, None where there is none.
    """

    role: str
    name: str
    stamp: str
    digest: str
    rejected: int
    first_reject: str | None


class CorpusLook(BaseModel, frozen=True, extra="forbid"):
    """One look.

    Attributes:
        version: Of this record's form.
        id: Unique to the look.
        when: ISO, UTC.
        reading: How sources become documents, without their contents.
        sources: In the order in which the corpus stage reads them.
        documents: Id of the table of their documents.
        kept: How many of them a corpus keeps: no repeated ones.
        fingerprint: Of the corpus artifact that a run would make of them.
        alike: Of other corpora with the same documents, in other files say; newest last.
        announced: When these documents were announced, ISO, UTC; None if they were not.
    """

    version: Literal[1] = 1
    id: str = Field(default_factory=lambda: uuid4().hex)
    when: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    reading: dict[str, JsonValue]
    sources: tuple[SeenSource, ...]
    documents: str
    kept: int
    fingerprint: str
    alike: tuple[str, ...] = ()
    announced: str | None = None

    @property
    def same_documents(self) -> tuple[str, ...]:
        """Fingerprints of all corpora known to have these documents."""
        return (*self.alike, self.fingerprint)

    def says_the_same_as(self, other: "CorpusLook") -> bool:
        """Whether nothing but the time of the look differs."""
        own = {"id", "when"}
        return self.model_dump(exclude=own) == other.model_dump(exclude=own)
