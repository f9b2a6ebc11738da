"""Tells a Prefect server what has become of a pipeline's releases: a page, and an event."""

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

from flows.server.console import screen
from flows.server.prefect_server import unreachable
from storage.store.artifact_store import Store
from storage.store.production import read_decisions
from tasks.pages.release_page import publish_release

PROMOTED_EVENT = "memdec.memory.promoted"


def announce_decision(store: Store, pipeline: str) -> None:
    """Shows the newest decision in the UI, and tells whoever follows production of a new one."""
    decisions = read_decisions(store, pipeline)
    newest = decisions[-1]
    publish_release(pipeline, decisions)
    if newest.action != "kept_back":
        emit_event(
            PROMOTED_EVENT,
            resource={
                "prefect.resource.id": f"memdec.pipeline.{pipeline}",
                "prefect.resource.name": pipeline,
            },
            payload={"memory": str(newest.release.memory), "why": newest.why, "who": newest.who},
        )


def announce_where_configured(store: Store, pipeline: str) -> None:
    """`announce_decision` of a command: the decision stands, also where no server hears of it."""
    if not PREFECT_API_URL.value():
        return
    if said := unreachable():
        screen.print(
            f"{said}, so its page of releases shows this only after the next decision",
            markup=False,
            soft_wrap=True,
        )
    else:
        announce_decision(store, pipeline)
