"""Puts deployments and their work pool on a Prefect server, and takes deployments off."""

from collections.abc import Collection, Iterator
from typing import Literal, TypedDict

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from flows.server.deployments import TAG
from flows.server.prefect_server import ui_url

_PAGE = 100


class Registered(TypedDict):
    """A deployment or an automation on the server, and what was done with it.

    Attributes:
        starts: When it starts by itself: cron expressions with their time zone, and events.
    """

    name: str
    action: Literal["created", "updated", "kept", "deleted"]
    starts: list[str]
    url: str


def ensure_work_pool(client: SyncPrefectClient, name: str) -> bool:
    """Makes a pool for process workers, unless there is one of this name; returns if it did."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(
            WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template)
        )
        return True
    return False


def register(client: SyncPrefectClient, deployment: RunnerDeployment) -> Registered:
    """Creates a deployment with its schedule and trigger, or makes the existing one equal to it."""
    try:
        client.read_deployment_by_name(deployment.full_name)
    except ObjectNotFound:
        known = False
    else:
        known = True
    made = deployment.apply()
    return Registered(
        name=deployment.full_name,
        action="updated" if known else "created",
        starts=_starts(deployment),
        url=f"{ui_url()}/deployments/deployment/{made}",
    )


def _starts(deployment: RunnerDeployment) -> list[str]:
    crons = [made.schedule for made in deployment.schedules or []]
    expressions = [
        f"{cron.cron} {cron.timezone}" for cron in crons if isinstance(cron, CronSchedule)
    ]
    events = [event for trigger in deployment.triggers for event in getattr(trigger, "expect", ())]
    return [*expressions, *events]


def remove_others(
    client: SyncPrefectClient, kept: Collection[str], *, delete: bool
) -> Iterator[Registered]:
    """Deployments of memdec's that are not among those kept; deleted only if that is asked for.

    Args:
        client: Of the server.
        kept: Full names, as `build-memory/law`.
        delete: Whether to delete the others, with their triggers and scheduled runs.
    """
    flows = {flow.id: flow.name for flow in client.read_flows()}
    for deployment in _deployments_of_memdec(client):
        name = f"{flows.get(deployment.flow_id, '')}/{deployment.name}"
        if name in kept:
            continue
        if delete:
            client.delete_resource_owned_automations(f"prefect.deployment.{deployment.id}")
            client.delete_deployment(deployment.id)
        yield Registered(
            name=name,
            action="deleted" if delete else "kept",
            starts=[],
            url=f"{ui_url()}/deployments/deployment/{deployment.id}",
        )


def _deployments_of_memdec(client: SyncPrefectClient) -> list[DeploymentResponse]:
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    found: list[DeploymentResponse] = []
    while len(found) % _PAGE == 0:
        page = client.read_deployments(deployment_filter=tagged, limit=_PAGE, offset=len(found))
        if not page:
            break
        found += page
    return found
