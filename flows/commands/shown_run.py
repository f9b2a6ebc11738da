"""What a command that runs stages itself gives them: a Prefect server, and progress bars."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from flows.server.console import screen
from tasks.running.blocked_interrupt import blocked_interrupt
from tasks.running.progress import TERMINAL


@contextmanager
def shown_run() -> Iterator[None]:
    """Shows the progress of stages; starts Prefect's temporary server where none is configured.

    Ctrl-C must not end that server first: the flow records there that it was stopped, and would try
    to for minutes.
    """
    if not PREFECT_API_URL.value():
        wait = "starting a temporary Prefect server, which may take some seconds"
        screen.print(wait, style="dim")
        with blocked_interrupt(), get_client(sync_client=True):
            pass
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    hidden = not screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=hidden) as display:
        token = TERMINAL.set(display)
        try:
            yield
        finally:
            TERMINAL.reset(token)
