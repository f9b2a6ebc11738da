"""What of ours is on a Prefect server: deployments, their work pool and runs, and automations."""

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, TypedDict

from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import BlockDocument, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled
from prefect.workers.process import ProcessWorker

from flows.server.automations import crash_automations, notice_automations
from flows.server.deployments import TAG
from flows.server.prefect_server import ui_url
from memdec_core.errors import UserError

_PAGE = 100
_MESSAGE = (
    "`memdec serve-flows` was stopped. The run goes on when it is started again; what was finished "
    "is kept."
)
_UNFINISHED = [StateType.PENDING, StateType.RUNNING]


class Registered(TypedDict):
    """A deployment or an automation on the server, and what was done with it.

    Attributes:
        starts: When it starts by itself: cron expressions with their time zone, and events.
    """

    name: str
    action: Literal["created", "updated", "kept", "deleted"]
    starts: list[str]
    url: str


def ensure_work_pool(client: SyncPrefectClient, name: str) -> None:
    """Makes a pool for process workers, unless there is one of this name."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(
            WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template)
        )


def register(client: SyncPrefectClient, deployment: RunnerDeployment) -> Registered:
    """Creates a deployment with its schedule and trigger, or makes the existing one equal to it."""
    action: Literal["created", "updated"] = "updated"
    try:
        client.read_deployment_by_name(deployment.full_name)
    except ObjectNotFound:
        action = "created"
    made = deployment.apply()
    return Registered(
        name=deployment.full_name,
        action=action,
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


def schedule_unfinished_again(deployments: Sequence[RunnerDeployment]) -> Iterator[str]:
    """Schedules the runs again that end with this process, so that the next one goes on with them.

    No other process runs them: only one serves a deployment.

    Yields:
        The names of the runs.
    """
    with get_client(sync_client=True) as client:
        ids = [client.read_deployment_by_name(made.full_name).id for made in deployments]
        runs = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=ids)),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
            ),
        )
        for run in runs:
            client.set_flow_run_state(run.id, Scheduled(name="AwaitingRetry", message=_MESSAGE))
            yield run.name


def set_automations(
    client: SyncPrefectClient, wanted: Sequence[AutomationCore]
) -> list[Registered]:
    """Creates automations by name, or makes the existing ones equal to them.

    An equal one is left alone: an update forgets which runs it is waiting for.
    """
    done = []
    for automation in wanted:
        known = client.read_automations_by_name(automation.name)
        action: Literal["created", "updated", "kept"] = "kept"
        if not known:
            made = client.create_automation(automation)
            action = "created"
        else:
            made = known[0].id
            if AutomationCore.model_validate(known[0].model_dump()) != automation:
                client.update_automation(made, automation)
                action = "updated"
        url = f"{ui_url()}/automations/automation/{made}"
        done.append(Registered(name=automation.name, action=action, starts=[], url=url))
    return done


def wanted_automations(client: SyncPrefectClient, notify: str | None) -> list[AutomationCore]:
    """What the server shall do by itself.

    Args:
        client: Of the server.
        notify: The block for messages as `TYPE/NAME`, such as `slack-webhook/team`; none if unset.

    Raises:
        UserError: There is no such block, or it sends no messages.
    """
    automations = crash_automations()
    if notify is not None:
        automations += notice_automations(_notification_block(client, notify).id, ui_url())
    return automations


def _notification_block(client: SyncPrefectClient, slug: str) -> BlockDocument:
    kind, _, name = slug.partition("/")
    try:
        block = client.read_block_document_by_name(name, kind)
    except ObjectNotFound:
        raise UserError(
            f"--notify {slug}: the server has no such block; `prefect block ls` lists them as "
            "TYPE/NAME, and the UI makes one under Blocks"
        ) from None
    schema = block.block_schema
    if schema is None or "notify" not in schema.capabilities:
        raise UserError(
            f"--notify {slug}: a block of type {kind} sends no notifications; take one such as "
            "slack-webhook or custom-webhook"
        )
    return block
