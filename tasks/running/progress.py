"""Progress of a stage: a bar on the terminal and a progress artifact in the UI."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from rich.progress import Progress, TaskID

TERMINAL: ContextVar[Progress | None] = ContextVar("TERMINAL", default=None)
"""The command's progress display; unset when a worker runs the flow."""

_LONG_SECONDS = 10.0
_UI_INTERVAL_SECONDS = 5.0


class StageProgress:
    """Collects the progress of a stage's shards and shows their mean.

    The UI gets an artifact only once the stage has taken ten seconds, and then at most one update
    in five: each is a request to the server.
    """

    def __init__(self, title: str, shards: int, finished: int, bar: TaskID | None) -> None:
        self._title = title
        self._total = shards
        self._finished = finished
        self._bar = bar
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()
        self._next_update = time.monotonic() + _LONG_SECONDS
        self._artifact: UUID | None = None

    def report(self, shard: str, fraction: float, note: str) -> None:
        """Takes the finished fraction (0 to 1) of one shard."""
        with self._lock:
            self._running[shard] = fraction
            done = (self._finished + sum(self._running.values())) / self._total
            due = time.monotonic() >= self._next_update
            if due:
                self._next_update = time.monotonic() + _UI_INTERVAL_SECONDS
        self._show_on_terminal(done, note)
        if due:
            self._show_in_ui(100 * done)

    def _show_on_terminal(self, done: float, note: str) -> None:
        display = TERMINAL.get()
        if display is not None and self._bar is not None:
            display.update(self._bar, completed=done, description=f"{self._title} {note}".rstrip())

    def _show_in_ui(self, percent: float) -> None:
        if self._artifact is None:
            created = create_progress_artifact(progress=percent, description=self._title)
            assert isinstance(created, UUID)
            self._artifact = created
        else:
            update_progress_artifact(artifact_id=self._artifact, progress=percent)


@contextmanager
def stage_progress(title: str, shards: int, finished: int) -> Iterator[StageProgress]:
    """Shows a stage's progress while its shards are worked on.

    Args:
        title: What the bar is called, such as `Embed the tokens of law`.
        shards: Number of shards of the stage.
        finished: How many of them an earlier attempt has left finished.
    """
    display = TERMINAL.get()
    bar = None if display is None else display.add_task(title, total=1.0)
    try:
        yield StageProgress(title, shards, finished, bar)
    finally:
        if display is not None and bar is not None:
            display.remove_task(bar)


def announce(line: str) -> None:
    """Prints a line above the progress bars; nothing without a terminal display."""
    display = TERMINAL.get()
    if display is not None:
        display.console.print(line, markup=False)
