"""Automations at work on a real Prefect server: crashes are restarted, given up and reported."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from prefect.automations import AutomationCore, ChangeFlowRunState, EventTrigger, Posture
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events import emit_event
from prefect.flows import flow
from prefect.states import Completed, Crashed, Running

from flows.server.automations import NOTICED_RUNS, RESTART, crash_automations
from flows.server.server_registry import set_automations, wanted_automations
from tests.services.deployed import eventually

pytestmark = pytest.mark.slow


class Messages(BaseHTTPRequestHandler):
    """Takes what the notification block posts."""

    received: list[dict[str, str]]

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.received.append(json.loads(self.rfile.read(size)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def messages(client: SyncPrefectClient) -> Iterator[list[dict[str, str]]]:
    """What the block `custom-webhook/team` has sent, while this lasts."""
    received: list[dict[str, str]] = []
    handler = type("Handler", (Messages,), {"received": received})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        block = CustomWebhookNotificationBlock(
            name="team",
            url=f"http://127.0.0.1:{server.server_port}/",
            json_data={"subject": "{{subject}}", "body": "{{body}}"},
        )
        block.save("team", overwrite=True)
        yield received
        server.shutdown()


def crash(client: SyncPrefectClient, run: UUID) -> None:
    """One start of a run that ends with its process."""
    client.set_flow_run_state(run, Running(), force=True)
    client.set_flow_run_state(run, Crashed(message="the process is gone"), force=True)


def test_a_run_that_crashes_is_restarted_then_given_up_and_reported(
    client: SyncPrefectClient, messages: list[dict[str, str]]
) -> None:
    wanted = crash_automations(pause=timedelta(seconds=10))
    notices = wanted_automations(client, "custom-webhook/team")[len(wanted) :]
    list(set_automations(client, [*wanted, *notices]))

    @flow(name="crashes")
    def crashes() -> None: ...

    deployment = client.create_deployment(
        client.create_flow(crashes), "law", tags=["memdec", "law"]
    )
    run = client.create_flow_run_from_deployment(deployment).id
    crash(client, run)
    eventually(lambda: client.read_flow_run(run).state_name == "AwaitingRetry", "a restart")
    for _ in range(3):
        crash(client, run)
    eventually(lambda: client.read_flow_run(run).state_type == StateType.FAILED, "the end")
    ended = client.read_flow_run(run)
    assert ended.run_count == 4
    assert ended.state is not None
    assert "is not started again" in str(ended.state.message)

    def about(state: str) -> dict[str, str] | None:
        return next((sent for sent in messages if sent["subject"].endswith(state)), None)

    crashed = eventually(lambda: about(": Crashed"), "a message about a crash")
    failed = eventually(lambda: about(": Failed"), "a message about the end")
    assert "Pipeline law, crashes: Crashed at start" in crashed["body"]
    assert "the process is gone" in crashed["body"]
    for sent in (crashed, failed):
        assert f"/runs/flow-run/{run}" in sent["body"]

    held = client.create_flow_run_from_deployment(deployment).id
    client.set_flow_run_state(held, Completed(name="KeptBack", message="too few documents"))
    kept_back = eventually(lambda: about(": KeptBack"), "a message about what was kept back")
    assert "too few documents" in kept_back["body"]


def test_an_automation_of_ours_that_does_not_work_is_reported(
    client: SyncPrefectClient, messages: list[dict[str, str]]
) -> None:
    list(set_automations(client, wanted_automations(client, "custom-webhook/team")))
    broken = AutomationCore(
        name="memdec: acts on a run that is not there",
        trigger=EventTrigger(posture=Posture.Reactive, expect={"memdec.test"}),
        actions=[ChangeFlowRunState(state=StateType.FAILED)],
    )
    made = client.create_automation(broken)

    def reported() -> dict[str, str] | None:
        emit_event("memdec.test", resource={"prefect.resource.id": "memdec.test"})
        return next((sent for sent in messages if "An automation failed" in sent["subject"]), None)

    try:
        assert broken.name in eventually(reported, "a message about the automation")["body"]
    finally:
        client.delete_automation(made)


def test_an_automation_is_changed_only_where_it_differs(
    client: SyncPrefectClient, messages: list[dict[str, str]]
) -> None:
    wanted = wanted_automations(client, "custom-webhook/team")
    list(set_automations(client, wanted))
    changed = [
        found.model_copy(update={"enabled": False}) if found.name == RESTART else found
        for found in wanted
    ]
    again = {made["name"]: made["action"] for made in set_automations(client, changed)}
    assert again.pop(RESTART) == "updated"
    assert set(again.values()) == {"kept"}
    assert NOTICED_RUNS in again
    (stored,) = client.read_automations_by_name(RESTART)
    assert stored.enabled is False
    list(set_automations(client, wanted))
    assert {found.name for found in wanted} <= {found.name for found in client.read_automations()}
