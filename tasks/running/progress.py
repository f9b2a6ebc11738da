"""Progress of a run: bars on the terminal, and a progress artifact per stage in the UI."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger
from rich.progress import Progress, TaskID

TERMINAL: ContextVar[Progress | None] = ContextVar("TERMINAL", default=None)
"""The command's progress display; unset when a worker runs the flow."""

_LONG_SECONDS = 10.0
_UI_INTERVAL_SECONDS = 5.0


class RunProgress:
    """The bar of a whole run: which stage it is at, and how long the others will take.

    Args:
        estimates: Seconds that each stage may take, in their order; None where nobody knows, and
            then no end of the run is promised.
    """

    def __init__(self, estimates: Sequence[float | None]) -> None:
        self._seconds = [each or 0.0 for each in estimates]
        self._is_known = None not in estimates
        self._at = 0
        self._display = TERMINAL.get()
        self._bar: TaskID | None = None
        if self._display is not None:
            total = sum(self._seconds) if self._is_known else None
            self._bar = self._display.add_task("", total=total)

    def extend(self, stages: int) -> None:
        """Takes notice of stages that nobody knew of before; they take little."""
        self._seconds += [0.0] * stages

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Shows that a stage is worked on, and at its end that it is done."""
        self._at += 1
        said = f"stage {self._at} of {len(self._seconds)}: {name}"
        report = partial(self._report, said=said)
        token = STAGE.set(report)
        report(0.0)
        try:
            yield
        finally:
            STAGE.reset(token)

    def _report(self, fraction: float, said: str) -> None:
        if self._display is None or self._bar is None:
            return
        before, present = self._seconds[: self._at - 1], self._seconds[self._at - 1]
        done = sum(before) + fraction * present if self._is_known else None
        self._display.update(self._bar, completed=done, description=said)


STAGE: ContextVar[Callable[[float], None] | None] = ContextVar("STAGE", default=None)
"""Takes the finished fraction of a run's present stage; unset outside of runs of stages."""


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
        self._report_to_run = STAGE.get()
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()
        self._next_update = time.monotonic() + _LONG_SECONDS
        self._artifact: UUID | None = None

    def report(self, shard: str, fraction: float, note: str) -> None:
        """Takes the finished fraction (0 to 1) of one shard."""
        with self._lock:
            self._running[shard] = fraction
            done = (self._finished + sum(self._running.values())) / self._total
            whole = self._finished + sum(each == 1.0 for each in self._running.values())
            due = time.monotonic() >= self._next_update
            if due:
                self._next_update = time.monotonic() + _UI_INTERVAL_SECONDS
        if self._total > 1:
            place = f"shard {min(whole + 1, self._total)}/{self._total}"
            note = f"{place}, {note}" if note else place
        self._show_on_terminal(done, note)
        if due:
            self._show_in_ui(100 * done, note)

    def _show_on_terminal(self, done: float, note: str) -> None:
        display = TERMINAL.get()
        if display is not None and self._bar is not None:
            display.update(self._bar, completed=done, description=note or self._title)
            if self._report_to_run is not None:
                self._report_to_run(done)

    def _show_in_ui(self, percent: float, note: str) -> None:
        said = f"{self._title}: {note}"
        if self._artifact is None:
            created = create_progress_artifact(progress=percent, description=said)
            assert isinstance(created, UUID)
            self._artifact = created
        else:
            update_progress_artifact(self._artifact, progress=percent, description=said)


@contextmanager
def stage_progress(title: str, shards: int, finished: int) -> Iterator[StageProgress]:
    """Shows a stage's progress while its shards are worked on.

    Args:
        title: What the stage does, such as `Embed the tokens of law`.
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


def announce(line: str, level: int = logging.INFO) -> None:
    """Says a line in the run's log and, where there is a terminal display, above its bars."""
    get_run_logger().log(level, "%s", line)
    display = TERMINAL.get()
    if display is not None:
        display.console.print(line, markup=False)
