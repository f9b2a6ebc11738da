"""What a command that runs stages itself gives them: a Prefect server, and progress bars."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.server.api.server import SubprocessASGIServer
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from flows.server.console import EXIT_TERMINATED, screen
from flows.server.prefect_environment import has_server
from flows.server.server_guard import end_with_us
from tasks.running.blocked_interrupt import blocked_interrupt
from tasks.running.progress import TERMINAL
from tasks.running.supervised_process import start_fork_server


@contextmanager
def shown_run() -> Iterator[None]:
    """Shows the progress of stages; starts Prefect's temporary server where none is configured.

    Whatever ends the command must not end that server first: the flow records there that it was
    stopped, and would try to for minutes. And it must not outlive the command.
    """
    _exit_on_signals()
    start_fork_server()  # while Prefect's server starts, it imports what workers need
    if not has_server():
        _start_temporary_server()
    columns = (
        TextColumn("{task.description}", table_column=Column(overflow="fold")),
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
    )
    hidden = not screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=hidden) as display:
        token = TERMINAL.set(display)
        try:
            yield
        except BaseException as failure:
            if _comes_of_signal(failure):
                raise SystemExit(EXIT_TERMINATED) from failure
            raise
        finally:
            TERMINAL.reset(token)


def _start_temporary_server() -> None:
    said = "starting a temporary Prefect server, which may take some seconds"
    if not screen.is_terminal:
        screen.print(said, style="dim")
    with screen.status(said), blocked_interrupt(), get_client(sync_client=True):
        server = SubprocessASGIServer().server_process
    assert server is not None
    end_with_us(server.pid)


def _exit_on_signals() -> None:
    """Has SIGTERM, and a terminal that is closed, end the command in good order."""
    signal.signal(signal.SIGTERM, _exit)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, lambda _number, _frame: signal.raise_signal(signal.SIGTERM))


def _comes_of_signal(failure: BaseException | None) -> bool:
    """Whether SIGTERM hit a flow, whatever else failed while Prefect recorded that."""
    while failure is not None and not isinstance(failure, TerminationSignal):
        failure = failure.__cause__ or failure.__context__
    return failure is not None


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(EXIT_TERMINATED)
