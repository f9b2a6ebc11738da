"""The services of compose.yaml as processes of this machine: `python deploy/services.py`.

PostgreSQL (Debian's, or SQLite in its place), a Prefect server on it, a worker and, for finished
pipelines, the inference server. Each is started when the one before it answers, started again when
it dies, and ended in reverse order by Ctrl-C or SIGTERM. Linux alone: `setpriv` starts PostgreSQL
as another user than root, and ends every service should this script be killed.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import psutil
import typer
from dotenv import dotenv_values

ROOT = Path(__file__).parents[1]
_START_SECONDS = 180.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.5
_RESTART_SECONDS = 2.0


class ServiceFailed(RuntimeError):
    """A service does not start."""


@dataclass
class Service:
    """One process that is kept running.

    Attributes:
        name: For messages and the name of its log.
        command: Program and arguments.
        environment: All variables of the process.
        is_healthy: Whether it answers.
        stop_signal: Asks it to end in good order.
        process: The process that runs now.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str]
    is_healthy: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, log: Path) -> None:
        """Starts the process; it ends with this one, and has a session and a log of its own."""
        with log.open("ab") as lines:
            self.process = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig",
                    self.stop_signal.name.removeprefix("SIG"),
                    *self.command,
                ],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=lines,
                start_new_session=True,
            )

    def wait_until_healthy(self, log: Path) -> None:
        """Waits until the process answers.

        Raises:
            ServiceFailed: It ended before, or takes longer than three minutes.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_healthy():
            if self.is_dead() or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise ServiceFailed(f"{self.name} does not start; the end of {log}:\n{tail}")
            time.sleep(_POLL_SECONDS)

    def is_dead(self) -> bool:
        """Whether the process has ended."""
        return self.process is None or self.process.poll() is not None

    def stop(self) -> None:
        """Ends the process, and what it has started, within half a minute."""
        if self.process is None or self.is_dead():
            return
        started = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for left in started:
            if left.is_running():
                left.kill()


class Services:
    """Services in the order in which each needs those before it.

    Attributes:
        state: Folder of the logs.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self._running: list[Service] = []

    def run(self, services: list[Service]) -> None:
        """Starts all and keeps them running until this process is told to end.

        Raises:
            ServiceFailed: One does not start.
        """
        try:
            for service in services:
                self._running.append(service)
                service.start(self._log(service))
                service.wait_until_healthy(self._log(service))
                say(f"{service.name} is ready")
            say("all services are ready; Ctrl-C ends them")
            while True:
                time.sleep(_POLL_SECONDS)
                for service in self._running:
                    if service.is_dead():
                        say(f"{service.name} has died and is started again")
                        time.sleep(_RESTART_SECONDS)
                        service.start(self._log(service))
        except (KeyboardInterrupt, _Ended):
            say("ending")
        finally:
            for service in reversed(self._running):
                service.stop()
                say(f"{service.name} has ended")

    def _log(self, service: Service) -> Path:
        return self.state / f"{service.name}.log"


class _Ended(BaseException):
    """SIGTERM has come."""


def _end(_signal: int, _frame: object) -> None:
    raise _Ended


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def answers(url: str) -> bool:
    """Whether an address gives a page."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server's
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def postgresql_programs() -> Path | None:
    """Debian's folder of PostgreSQL's programs, the newest version's; None without PostgreSQL."""
    folders = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in folders), key=lambda p: int(p.parent.name), default=None)


def postgresql(
    state: Path, port: int, environment: Mapping[str, str]
) -> tuple[Service, dict[str, str]]:
    """PostgreSQL with a cluster of its own, and the variables by which Prefect's server reaches it.

    The password is made once and lies in a file that only its owner reads.
    """
    programs = postgresql_programs()
    if programs is None:
        raise ServiceFailed(
            "PostgreSQL is not installed; `apt-get install postgresql` brings it, "
            "`--database sqlite` does without"
        )
    user = ["--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    data, password = state / "postgresql", state / "postgresql.password"
    if not (data / "PG_VERSION").exists():
        data.mkdir(exist_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        if user:
            shutil.chown(data, "postgres", "postgres")
            shutil.chown(password, "postgres", "postgres")
        made = subprocess.run(
            ["setpriv", *user, programs / "initdb", "--pgdata", data, "--username=prefect",
             "--pwfile", password, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"],
            env=environment, cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise ServiceFailed(f"PostgreSQL's cluster cannot be made in {data}: {made.stderr}")
    variables = {
        "PREFECT_SERVER_DATABASE_DRIVER": "postgresql+asyncpg",
        "PREFECT_SERVER_DATABASE_HOST": "127.0.0.1",
        "PREFECT_SERVER_DATABASE_PORT": str(port),
        "PREFECT_SERVER_DATABASE_NAME": "postgres",
        "PREFECT_SERVER_DATABASE_USER": "prefect",
        "PREFECT_SERVER_DATABASE_PASSWORD": password.read_text(),
    }
    where = ["-h", "127.0.0.1", "-p", str(port)]
    ready = [str(programs / "pg_isready"), "--quiet", *where]
    service = Service(
        "postgresql",
        [*user, str(programs / "postgres"), "-D", str(data), *where, "-k", ""],
        environment,
        lambda: subprocess.run(ready, check=False).returncode == 0,
        signal.SIGINT,  # as SIGTERM, but does not wait for connections that others leave open
    )
    return service, variables


def prefect(name: str, arguments: list[str], environment: Mapping[str, str], *urls: str) -> Service:
    """A service that is a command of Prefect's, and what answers once it is ready."""
    command = [sys.executable, "-m", "prefect", *arguments]
    return Service(name, command, environment, lambda: all(answers(url) for url in urls))


def inference(
    pipelines: list[Path], store: str, port: int, environment: Mapping[str, str]
) -> Service:
    """The inference server of finished pipelines."""
    arguments = [*map(str, pipelines), "--store", store, "--port", str(port)]
    code = "from flows.command_entry import main; main()"
    return Service(
        "inference",
        [sys.executable, "-c", code, "serve", *arguments],
        environment,
        lambda: answers(f"http://127.0.0.1:{port}/health"),
    )


def main(  # noqa: PLR0913 - each is an option of the command
    state: Annotated[Path, typer.Option(help="Folder of databases, logs and settings.")],
    database: Annotated[Literal["postgresql", "sqlite"], typer.Option()] = "postgresql",
    port: Annotated[int, typer.Option(help="Of the Prefect server and its UI.")] = 4200,
    database_port: Annotated[int, typer.Option(help="Of PostgreSQL.")] = 5432,
    worker_port: Annotated[int, typer.Option(help="Of the worker's health.")] = 4201,
    pool: Annotated[str, typer.Option(help="Work pool; made if there is none.")] = "memdec",
    serve: Annotated[list[Path] | None, typer.Option(help="A finished pipeline to serve.")] = None,
    serve_port: Annotated[int, typer.Option(help="Of the inference server.")] = 8080,
    store: Annotated[str, typer.Option(help="Store of the pipelines served.")] = "store",
) -> None:
    """Runs memdec's services on this machine, on loopback, until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` makes us deaf to it
    state = state.absolute()
    state.mkdir(parents=True, exist_ok=True)
    settings = {
        name: value or "" for name, value in dotenv_values(ROOT / "deploy/prefect.env").items()
    }
    environment = settings | os.environ | {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
        "PREFECT_WORKER_WEBSERVER_PORT": str(worker_port),
    }  # fmt: skip
    services = []
    try:
        variables: dict[str, str] = {}  # the server's alone, no run sees the password
        if database == "postgresql":
            first, variables = postgresql(state, database_port, environment)
            services.append(first)
        api = environment["PREFECT_API_URL"]
        services.append(
            prefect("server", ["server", "start"], environment | variables, f"{api}/health")
        )
        start = ["worker", "start", "--type", "process", "--with-healthcheck", "--pool", pool]
        alive = (f"http://127.0.0.1:{worker_port}/health", f"{api}/work_pools/{pool}")
        services.append(prefect("worker", start, environment, *alive))
        if serve:
            services.append(inference(serve, store, serve_port, environment))
        Services(state).run(services)
    except ServiceFailed as failure:
        sys.stderr.write(f"error {failure}\n")
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
