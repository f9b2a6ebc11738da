"""Puts automations on a Prefect server."""

from collections.abc import Iterator, Sequence
from typing import Literal

from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound

from flows.server.automations import crash_automations, notice_automations
from flows.server.deployment_registry import Registered
from flows.server.prefect_server import ui_url
from memdec_core.errors import UserError


def set_automations(
    client: SyncPrefectClient, wanted: Sequence[AutomationCore]
) -> Iterator[Registered]:
    """Creates automations by name, or makes the existing ones equal to them.

    An equal one is left alone: an update forgets which runs it is waiting for.
    """
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
        yield Registered(name=automation.name, action=action, starts=[], url=url)


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
