"""What every look at a pipeline's corpus saw, so that the next one can tell what changed.

A look is an object of its own, `watch/<pipeline>/looks/<sequence>.json`, created if absent: looks
at the same time only ever add. It names the table of the documents it saw, which is written before
it and which looks that saw the same documents share. The last few looks are kept.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, Field, JsonValue

from storage.looks.document_table import Documents, parse_table
from storage.objects.manifest import parse_record, safe_name
from storage.objects.object_root import StoredObject
from storage.objects.store_errors import DamagedArtifact
from storage.objects.store_layout import WATCH, looks_key, seen_documents_key
from storage.store.artifact_store import Store

KEPT_LOOKS = 5


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


def last_look(store: Store, pipeline: str) -> CorpusLook | None:
    """The newest look, None if there is none.

    Raises:
        DamagedArtifact: It cannot be read, or a newer memdec recorded it.
    """
    for listed in reversed(_looks(store, pipeline)):
        data = store.root.read(listed.key)
        if data is not None:
            return _parse(store, listed.key, data)
    return None


def read_seen(store: Store, pipeline: str, look: CorpusLook) -> Documents:
    """The documents that a look saw, those that the corpus stage would drop included.

    Raises:
        DamagedArtifact: The table is gone or cannot be read.
    """
    key = _table_key(pipeline, look.documents)
    data = store.root.read(key)
    where = f"{store.url}/{key}"
    if data is None:
        raise DamagedArtifact(f"{where}: the table of a look is gone; {_remedy(store, pipeline)}")
    return parse_table(data, where)


def write_seen(store: Store, pipeline: str, table: Path) -> str:
    """Stores a table of documents and returns the id under which a look can name it."""
    table_id = uuid4().hex
    store.root.create_new(_table_key(pipeline, table_id), table.read_bytes())
    return table_id


def record_look(store: Store, pipeline: str, look: CorpusLook) -> None:
    """Adds a look, and deletes all but the last few with the tables that only they name."""
    store.root.append(looks_key(safe_name(pipeline)), look.model_dump_json(indent=2).encode())
    listed = _looks(store, pipeline)
    old, kept = listed[:-KEPT_LOOKS], listed[-KEPT_LOOKS:]
    if not old:
        return
    tables = _named_tables(store, pipeline, old) - _named_tables(store, pipeline, kept)
    store.root.delete([each.key for each in old])
    store.root.delete(sorted(tables))


def orphaned_tables(store: Store, oldest: float) -> list[StoredObject]:
    """Tables that no look names, last written before `oldest` (s since 1970): a crash left them."""
    orphans = []
    for pipeline in store.root.folders(WATCH):
        # a look names its table moments after it was stored: the old and unnamed ones are dead
        tables = store.root.scan(seen_documents_key(pipeline))
        try:
            named = _named_tables(store, pipeline, _looks(store, pipeline))
        except DamagedArtifact:
            continue  # nobody knows which tables it names
        orphans += [t for t in tables if t.modified <= oldest and t.key not in named]
    return orphans


def _named_tables(store: Store, pipeline: str, listed: list[StoredObject]) -> set[str]:
    read = {look.key: store.root.read(look.key) for look in listed}
    return {
        _table_key(pipeline, _parse(store, key, data).documents)
        for key, data in read.items()
        if data is not None
    }


def _looks(store: Store, pipeline: str) -> list[StoredObject]:
    return store.root.scan(looks_key(safe_name(pipeline)))


def _table_key(pipeline: str, table_id: str) -> str:
    return f"{seen_documents_key(safe_name(pipeline))}/{safe_name(table_id)}.parquet"


def _parse(store: Store, key: str, data: bytes) -> CorpusLook:
    where = f"{store.url}/{key}"
    try:
        return parse_record(CorpusLook, data, where)
    except DamagedArtifact as error:
        pipeline = key.split("/")[1]
        problem = f"{where}: not a look of this memdec; {_remedy(store, pipeline)}"
        raise DamagedArtifact(problem) from error


def _remedy(store: Store, pipeline: str) -> str:
    return (
        f"delete {store.url}/{WATCH}/{pipeline}, and the next look compares with the pipeline's "
        "last run"
    )
