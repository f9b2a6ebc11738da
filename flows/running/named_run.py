"""How a run is found among others: its name says what changed, its tags what it is of."""

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import flow_run


def name_run(pipeline: str, changed: str) -> None:
    """Names this build after what changed since the last one, and tags it.

    The tags are the pipeline and what started the run: `by-schedule`, `by-event` or `by-hand`.

    Args:
        pipeline: What is built.
        changed: In a few words.
    """
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(_own_id())
        name = f"Build the memory of {pipeline}: {changed}"
        client.update_flow_run(run.id, name=name, tags=sorted({*run.tags, pipeline, _start(run)}))


def tag_run(outcome: str) -> None:
    """Adds what became of a build to the tags of its run: the colour of a state is Prefect's."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(_own_id())
        client.update_flow_run(run.id, tags=sorted({*run.tags, outcome.replace("_", "-")}))


def _own_id() -> UUID:
    identity: str | None = flow_run.id
    assert identity is not None, "called within a flow"
    return UUID(identity)


def _start(run: FlowRun) -> str:
    if run.auto_scheduled:
        return "by-schedule"
    by = run.created_by
    return "by-event" if by is not None and by.type == "AUTOMATION" else "by-hand"
