"""Tells Prefect that a corpus changed, and makes sure that the server has heard it.

That is done until a run was built from the corpus, and not too often.
"""

import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.events.filters import EventFilter, EventIDFilter
from prefect.settings import PREFECT_API_URL
from pydantic import JsonValue

from tasks.inputs.finished_run import BuiltCorpus

CORPUS_UPDATED = "memdec.corpus.updated"
CORPUS_CONFIRMED = "memdec.corpus.confirmed"
"""Sent by a person: documents are meant to be gone, so that the deployed watch announces it."""
ANNOUNCE_AGAIN_AFTER = timedelta(hours=24)
_CONFIRM_SECONDS = 90.0
_ASK_AGAIN_SECONDS = 0.5


class NotAnnounced(RuntimeError):
    """The server has not confirmed the event; the next look announces the change again."""


def is_due(
    same_documents: Collection[str],
    built: BuiltCorpus | None,
    announced: str | None,
    now: datetime | None = None,
) -> bool:
    """Whether to announce a corpus now.

    The announcement follows the state, not the moment of the change: what was announced and never
    built, since the build failed or nobody listened, is announced again a day later.

    Args:
        same_documents: Fingerprints of all corpora known to have these documents.
        built: What the newest run was built from; None without a run.
        announced: When these documents were announced, ISO; None if they were not.
        now: The present by default.
    """
    if built is not None and built.corpus.fingerprint in same_documents:
        return False
    if announced is None:
        return True
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(announced)
    return age > ANNOUNCE_AGAIN_AFTER


def someone_listens() -> bool:
    """Whether there is a server whose automations can follow an event.

    A command's temporary server ends with the command.
    """
    return bool(PREFECT_API_URL.value())


@task(
    task_run_name="Announce the new corpus of {pipeline}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def announce_update(pipeline: str, payload: dict[str, JsonValue]) -> None:
    """Emits the event and waits until the server has stored it.

    `emit_event` only hands it to a thread, which drops what it cannot send.

    Args:
        pipeline: Name of the pipeline.
        payload: What changed.

    Raises:
        NotAnnounced: The server does not have it after a minute and a half.
    """
    event = emit_event(
        CORPUS_UPDATED,
        resource={
            "prefect.resource.id": f"memdec.pipeline.{pipeline}",
            "prefect.resource.name": pipeline,
        },
        payload=payload,
    )
    if event is None or not _is_stored(event.id):
        raise NotAnnounced(
            f"the Prefect server has not confirmed {CORPUS_UPDATED} for {pipeline}; the next look "
            "announces the change again"
        )


def _is_stored(event_id: UUID) -> bool:
    deadline = time.monotonic() + _CONFIRM_SECONDS
    wanted = EventFilter(id=EventIDFilter(id=[event_id]))
    with get_client(sync_client=True) as client:
        while not client.read_events(wanted, limit=1).events:
            if time.monotonic() > deadline:
                return False
            time.sleep(_ASK_AGAIN_SECONDS)
    return True
