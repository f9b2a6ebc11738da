"""The Prefect server that a command reports to: one that stays, or one of our own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_API_HOST,
    PREFECT_SERVER_API_PORT,
    PREFECT_UI_URL,
)
from prefect.settings.context import temporary_settings

from flows.server.console import output, screen
from memdec_core.errors import UserError

_START_SECONDS = 120


def require_server() -> None:
    """Refuses to go on without a server that stays: a temporary one forgets what is registered.

    Raises:
        UserError: PREFECT_API_URL is not set, or nothing answers there.
    """
    if not PREFECT_API_URL.value():
        raise UserError(
            "PREFECT_API_URL is not set: deployments are registered with a running Prefect server; "
            "start one with `prefect server start` and "
            "set PREFECT_API_URL=http://127.0.0.1:4200/api, or run `memdec serve-flows`"
        )
    if said := unreachable():
        raise UserError(f"{said}; start it, or correct the variable")


def unreachable() -> str:
    """Why the server at PREFECT_API_URL cannot be asked; empty if it answers."""
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is None:
        return ""
    reason = str(error) or type(error).__name__
    return f"PREFECT_API_URL={PREFECT_API_URL.value()}: no Prefect server answers there ({reason})"


def ui_url() -> str:
    """Where the server's UI is, as seen from here."""
    return str(PREFECT_UI_URL.value() or "").rstrip("/")


@contextmanager
def server_at_hand() -> Iterator[None]:
    """The server at PREFECT_API_URL; without that, one that is started here and ends with us.

    Raises:
        UserError: It did not start.
    """
    if PREFECT_API_URL.value():
        yield
        return
    url = f"http://{PREFECT_SERVER_API_HOST.value()}:{PREFECT_SERVER_API_PORT.value()}"
    os.environ["PREFECT_API_URL"] = f"{url}/api"  # for the processes of the runs
    screen.print("starting a Prefect server, which may take some seconds", style="dim")
    command = [sys.executable, "-m", "prefect", "server", "start"]
    # in a session of its own, so that Ctrl-C reaches the runs first: they report to this server
    with subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            with temporary_settings({PREFECT_API_URL: f"{url}/api"}):
                _wait_for(server, url)
                output.print(f"Prefect server and UI: {url}", soft_wrap=True)
                yield
        finally:
            server.terminate()


def _wait_for(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with get_client(sync_client=True) as client:
        while server.poll() is None and time.monotonic() < deadline:
            if client.api_healthcheck() is None:
                return
            time.sleep(0.5)
    raise UserError(
        f"the Prefect server did not start at {url}; `prefect server start` says why. If one runs "
        f"there already, set PREFECT_API_URL={url}/api"
    )
