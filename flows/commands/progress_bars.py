"""Progress bars of the stages that a command runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from flows.server.console import screen
from tasks.running.progress import TERMINAL


@contextmanager
def progress_bars() -> Iterator[None]:
    """Shows the progress of running stages on the terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    hidden = not screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=hidden) as display:
        token = TERMINAL.set(display)
        try:
            yield
        finally:
            TERMINAL.reset(token)
