"""What a pipeline has published on a Prefect server."""

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.events.schemas.events import ReceivedEvent


def newest_page(client: SyncPrefectClient, key: str) -> str:
    """The newest artifact under a key."""
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    found = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC)
    return str(found[0].data)


def events_of(client: SyncPrefectClient, event: str, pipeline: str) -> list[ReceivedEvent]:
    """The events of a name that were told of a pipeline, 50 at the most."""
    wanted = EventFilter(
        event=EventNameFilter(name=[event]),
        resource=EventResourceFilter(id=[f"memdec.pipeline.{pipeline}"]),
    )
    return client.read_events(wanted, limit=50).events
