"""What a command that runs stages itself gives them: a Prefect server, and progress bars."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from flows.server.console import screen
from flows.server.prefect_server import start_temporary_server
from tasks.running.progress import TERMINAL


@contextmanager
def shown_run() -> Iterator[None]:
    """Starts a temporary server where none is configured; shows the progress of stages."""
    start_temporary_server()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    hidden = not screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=hidden) as display:
        token = TERMINAL.set(display)
        try:
            yield
        finally:
            TERMINAL.reset(token)
