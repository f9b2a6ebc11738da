"""Records of what was collected, so that what is gone on purpose is told from what was lost."""

from datetime import UTC, datetime
from uuid import uuid4

from pydantic import BaseModel, Field

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_layout import COLLECTED
from storage.store.artifact_store import Store


class Collection(BaseModel, frozen=True, extra="forbid"):
    """What one collection deleted, or found gone that nothing needed any more.

    Attributes:
        id: Unique to the record.
        when: ISO, UTC.
        artifacts: Sorted by stage and fingerprint.
    """

    id: str = Field(default_factory=lambda: uuid4().hex)
    when: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    artifacts: list[ArtifactRef]


def record_collection(store: Store, artifacts: list[ArtifactRef]) -> None:
    """Adds a record; the artifacts may still be there, and are deleted next."""
    record = Collection(artifacts=artifacts)
    store.root.append(COLLECTED, record.model_dump_json(indent=2).encode())


def collected(store: Store) -> dict[ArtifactRef, str]:
    """When each artifact was collected, of those that were; it may have been built since.

    Raises:
        DamagedArtifact: A record cannot be read.
    """
    records = store.records(Collection, store.root.scan(COLLECTED))
    return {ref: record.when for record in records for ref in record.artifacts}
