"""The services that `deploy/services.py` starts, for tests: a server, its database and a worker."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psutil
import pytest
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.deployments.runner import EntrypointType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from tests.services.command_line import ROOT
from tests.services.prefect_database import with_database

Database = Literal["postgresql", "sqlite"]
POOL = "memdec"


@dataclass
class RunningServices:
    """What tests ask of the services.

    Attributes:
        database: Below the Prefect server.
        script: The process of `deploy/services.py`.
        state: Its folder.
        api: URL of the Prefect server.
        client: Of that server; another would cost as much as ten questions.
    """

    database: Database
    script: subprocess.Popen[bytes]
    state: Path
    api: str
    client: SyncPrefectClient

    def process(self, name: str) -> psutil.Process:
        """The process of a service: `postgresql`, `server` or `worker`."""
        marks = {"postgresql": "postgres -D", "server": "server start", "worker": "worker start"}
        children = psutil.Process(self.script.pid).children()
        return next(child for child in children if marks[name] in _command(child))

    def wait_until_ready(self) -> None:
        """Waits until the server answers and has its database, as after one of them was killed."""
        if not comes_true(lambda: answers(f"{self.api}/ready"), 120):
            pytest.fail(f"{self.log('services')}\n{self.log('server')[-3000:]}")

    def flow_processes(self) -> list[psutil.Process]:
        """The processes of flow runs, also of those whose worker has died."""
        return [
            process
            for process in psutil.process_iter()
            if "prefect.engine" in _command(process)
            and self.api in _variable(process, "PREFECT_API_URL")
        ]

    def flow_process(self, run: UUID) -> psutil.Process:
        """The process of one run; that of an earlier run may be about to end."""
        processes = self.flow_processes()
        return next(p for p in processes if _variable(p, "PREFECT__FLOW_RUN_ID") == str(run))

    def log(self, name: str) -> str:
        """What a service has printed."""
        return (self.state / f"{name}.log").read_text(errors="replace")

    def start_run(self, flow: Flow[..., Any], parameters: Mapping[str, Any]) -> UUID:
        """Lets the worker run a flow, which has to be a module's own; returns the run's id."""
        deployment = flow.to_deployment(
            "tested", work_pool_name=POOL, entrypoint_type=EntrypointType.MODULE_PATH
        )
        with temporary_settings({PREFECT_API_URL: self.api}):
            registered = deployment.apply()
        return self.client.create_flow_run_from_deployment(registered, parameters=parameters).id

    def cancel(self, run: UUID) -> None:
        """As the UI's button does."""
        self.client.set_flow_run_state(run, Cancelling())

    def run(self, run: UUID) -> FlowRun:
        """What the server knows of a run."""
        return self.client.read_flow_run(run)

    def wait_until_ended(self, run: UUID, seconds: float = 300) -> FlowRun:
        """The run in its final state."""

        def ended() -> bool:
            state = self.run(run).state
            return state is not None and state.is_final()

        if not comes_true(ended, seconds):
            pytest.fail(f"{self.run(run).state}\n{self.log('worker')[-3000:]}")
        return self.run(run)


def has_postgresql() -> bool:
    """Whether Debian's PostgreSQL is installed."""
    return any(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@contextmanager
def running_services(database: Database, *options: str | Path) -> Iterator[RunningServices]:
    """The services on free ports, in a folder of their own that PostgreSQL's user may enter."""
    if database == "postgresql" and not has_postgresql():
        pytest.skip("NOT TESTED: services on PostgreSQL (apt-get install postgresql)")
    state = Path(tempfile.mkdtemp(prefix="memdec-services-"))
    state.chmod(0o755)
    if database == "sqlite":
        with_database(state / "prefect")
    port, database_port, worker_port = free_ports(3)
    command = [
        sys.executable, "deploy/services.py", "--state", state, "--database", database,
        "--port", port, "--database-port", database_port, "--worker-port", worker_port,
        "--pool", POOL, *options,
    ]  # fmt: skip
    with (state / "services.log").open("wb") as lines:
        script = subprocess.Popen(
            [str(argument) for argument in command],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_SERVER_LOGGING_LEVEL": "INFO"},
            stdout=lines,
            stderr=subprocess.STDOUT,
        )
    api = f"http://127.0.0.1:{port}/api"
    services = RunningServices(database, script, state, api, SyncPrefectClient(api))
    try:
        ready = comes_true(lambda: "all services are ready" in services.log("services"), 240)
        assert ready, services.log("services")
        with services.client:
            yield services
    finally:
        script.send_signal(signal.SIGTERM)
        script.wait(120)
        for left in services.flow_processes():
            with suppress(psutil.NoSuchProcess):  # it was about to end
                left.kill()
        shutil.rmtree(state)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def comes_true(condition: Callable[[], bool], seconds: float, pause: float = 0.2) -> bool:
    """Whether it does in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def answers(url: str) -> bool:
    """Whether an address gives a page."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _variable(process: psutil.Process, name: str) -> str:
    try:
        return process.environ().get(name, "")
    except psutil.Error:
        return ""
