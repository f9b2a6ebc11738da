"""Deployments at work: a real server, a real worker that is killed, and flows that are served."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.commands import deploy_command
from flows.server.automations import crash_automations
from flows.server.server_registry import set_automations
from storage.store.artifact_store import Store
from storage.store.run_history import read_history
from tests.services.command_line import ENTRY
from tests.services.deployed import (
    environment_at,
    eventually,
    worker_of,
    write_deployed_pipelines,
)
from tests.services.own_server import prefect_in
from tests.services.prefect_database import with_database
from tests.support.tiny_run import TinyRun

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prefect_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A server of these tests' own, which waits for nothing of other tests' runs."""
    with prefect_in(tmp_path_factory.mktemp("own-prefect")) as environment:
        yield environment


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def builds(client: SyncPrefectClient) -> dict[str, list[FlowRun]]:
    """Runs of the deployments that build, by pipeline."""
    return {
        name: [run for run in client.read_flow_runs() if run.deployment_id == deployment]
        for name in ("law", "medicine")
        for deployment in [client.read_deployment_by_name(f"build-memory/{name}").id]
    }


def kill_all(worker: subprocess.Popen[bytes]) -> None:
    """Ends a worker and what it runs at once, as a machine that fails."""
    started = psutil.Process(worker.pid)
    for process in [started, *started.children(recursive=True)]:
        process.kill()
    worker.wait()


def has_completed(client: SyncPrefectClient, run: UUID) -> bool:
    """Whether a run ended well; the name of its state says what came of the build."""
    state = client.read_flow_run(run).state
    return state is not None and state.is_completed()


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_an_update_builds_its_pipeline_and_a_machine_that_fails_is_survived(
    client: SyncPrefectClient,
    prefect_environment: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipelines = write_deployed_pipelines(tmp_path, {"watch": None})
    monkeypatch.chdir(pipelines.parent)
    deploy_command.deploy([pipelines], pool="killed", threads=1, as_json=True)
    # heartbeats come every 30 seconds, on a busy machine later; no worker reports the death twice
    quick = crash_automations(silence=timedelta(seconds=50), pause=timedelta(seconds=10))
    list(set_automations(client, quick))
    for _ in range(2):
        emit_event("memdec.corpus.updated", resource={"prefect.resource.id": "memdec.pipeline.law"})
    with worker_of("killed", tmp_path / "worker-1", prefect_environment) as worker:

        def first_and_second() -> tuple[UUID, UUID] | None:
            states = {run.state_name: run.id for run in builds(client)["law"]}
            if {"Running", "AwaitingConcurrencySlot"} <= states.keys():
                return states["Running"], states["AwaitingConcurrencySlot"]
            return None

        first, second = eventually(first_and_second, "one run that works and one that waits")
        kill_all(worker)
    with worker_of("killed", tmp_path / "worker-2", prefect_environment):
        eventually(
            lambda: all(has_completed(client, run) for run in (first, second)),
            "both runs completed",
        )
    assert client.read_flow_run(first).run_count == 2
    history = [state.name for state in client.read_flow_run_states(first)]
    assert history.index("Crashed") < history.index("AwaitingRetry")
    assert {name: len(runs) for name, runs in builds(client).items()} == {"law": 2, "medicine": 0}
    runs = read_history(Store.open(str(pipelines.parent / "store")), "law")
    assert {run.flow_run_id for run in runs} == {str(first), str(second)}


@contextmanager
def serving(run: TinyRun, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`memdec serve-flows` with a server of its own, and that server's URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    home = with_database(folder / "prefect")
    environment |= {"PREFECT_HOME": str(home), "PREFECT_SERVER_API_PORT": port}
    command = [*ENTRY, "serve-flows", str(run.pipeline), "--store", str(run.store)]
    with subprocess.Popen(
        command, cwd=folder, env=environment_at(folder, environment), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            found = re.search(r"Prefect server and UI: (\S+)", process.stdout.readline())
            assert found, process.communicate()
            assert "until Ctrl-C" in process.stdout.readline()
            yield process, found[1]
        finally:
            process.terminate()


@pytest.mark.timeout(900)
def test_flows_are_served_without_a_worker_until_ctrl_c(tiny_run: TinyRun, tmp_path: Path) -> None:
    with (
        serving(tiny_run, tmp_path) as (process, url),
        temporary_settings({PREFECT_API_URL: f"{url}/api"}),
        get_client(sync_client=True) as client,
    ):
        deployment = eventually(
            lambda: next(
                (
                    d
                    for d in client.read_deployments()
                    if d.entrypoint == "flows.build_memory.build_memory"
                ),
                None,
            ),
            "the deployment",
        )
        run = client.create_flow_run_from_deployment(deployment.id)
        eventually(lambda: has_completed(client, run.id), "a build")
        as_deployed = client.read_flow_run(run.id)
        assert as_deployed.state_name == "Promoted"
        assert {"tiny", "by-hand", "promoted"} <= {*as_deployed.tags}
        assert as_deployed.name == "Build the memory of tiny: nothing changed"
        elsewhere = deployment.parameters["settings"] | {"store": str(tmp_path / "elsewhere")}
        late = client.create_flow_run_from_deployment(
            deployment.id, parameters={"settings": elsewhere}
        )
        eventually(
            lambda: client.read_flow_run(late.id).state_name == "Running", "a run that works"
        )
        flows = [
            child
            for child in psutil.Process(process.pid).children()
            if "prefect.engine" in child.cmdline()
        ]
        assert flows
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert re.search(r"Build the memory of tiny: .* goes on at the next start", out)
        assert "Traceback" not in errors
        _, alive = psutil.wait_procs(flows, timeout=10)
        assert not alive
