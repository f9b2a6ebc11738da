"""The temporary Prefect server of a command that has no other."""

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from flows.console import screen
from tasks.blocked_interrupt import blocked_interrupt


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
