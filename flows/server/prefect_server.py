"""The Prefect server that a command reports to: a temporary one, or one that stays."""

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

from flows.server.console import screen
from memdec_core.errors import UserError
from tasks.running.blocked_interrupt import blocked_interrupt


def start_temporary_server() -> None:
    """Starts Prefect's temporary server, unless one is configured; it ends with this process.

    Ctrl-C must not end it first: the flow records there that it was stopped, and would try to for
    minutes.
    """
    if PREFECT_API_URL.value():
        return
    screen.print("starting a temporary Prefect server, which may take some seconds", style="dim")
    with blocked_interrupt(), get_client(sync_client=True):
        pass


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
