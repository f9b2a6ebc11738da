"""What the command prints: results on standard output, everything else on standard error."""

import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from memdec_core.errors import UserError
from storage.objects.store_errors import StorageError, StoreUnavailable
from tasks.running.supervised_process import WorkerFailed

EXIT_FAILED = 1
EXIT_MISTAKE = 2
EXIT_KEPT_BACK = 3
EXIT_STOPPED = 130
EXIT_TERMINATED = 143

screen = Console(stderr=True, highlight=False)
output = Console(highlight=False)


@contextmanager
def exit_on_mistake() -> Iterator[None]:
    """Turns errors into one message and an exit code: 2 for the user's mistakes, else 1."""
    interrupted = _noted_interrupts()
    try:
        yield
    except (UserError, StorageError) as mistake:
        screen.print("[bold red]error[/]", end=" ")
        screen.print(str(mistake), markup=False, soft_wrap=True)
        sys.exit(EXIT_FAILED if isinstance(mistake, StoreUnavailable) else EXIT_MISTAKE)
    except SystemExit as end:
        if end.code == EXIT_STOPPED or interrupted.is_set():  # Typer makes the former of Ctrl-C
            _exit_stopped(EXIT_STOPPED)
        if end.code == EXIT_TERMINATED:
            _exit_stopped(EXIT_TERMINATED)
        raise
    except Exception as failure:
        if interrupted.is_set():  # Prefect makes a crashed run of it, depending on where it hits
            _exit_stopped(EXIT_STOPPED)
        screen.print("[bold red]failed[/]", end=" ")
        screen.print(str(failure) or repr(failure), markup=False, soft_wrap=True)
        if isinstance(failure, WorkerFailed):
            screen.print(
                "The run's page in the Prefect UI has the traceback; "
                "`memdec artifacts verify` tells whether what the stage read is damaged.",
                soft_wrap=True,
            )
        sys.exit(EXIT_FAILED)


def _noted_interrupts() -> threading.Event:
    """An event that is set when Ctrl-C arrives, which interrupts as it always does."""
    event = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    return event


def _exit_stopped(code: int) -> NoReturn:
    screen.print(
        "stopped; what was finished is kept, the same command goes on from there "
        "(a stage of --force from its beginning)",
        soft_wrap=True,
    )
    sys.exit(code)


def print_json(value: object) -> None:
    """Prints one JSON object, and nothing else, on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def print_table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Prints rows of equal keys as a table on standard output."""
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        table.add_column(name.replace("_", " "), overflow="fold")  # a URL is whole or of no use
    for row in rows:
        table.add_row(*[_cell(value) for value in row.values()])
    output.print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return "" if value is None else str(value)
