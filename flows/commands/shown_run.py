"""What a command that runs stages itself gives them: a Prefect server, and progress bars."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from flows.server.console import EXIT_TERMINATED, screen
from flows.server.server_guard import end_with_us
from tasks.running.blocked_interrupt import blocked_interrupt
from tasks.running.progress import TERMINAL


@contextmanager
def shown_run() -> Iterator[None]:
    """Shows the progress of stages; starts Prefect's temporary server where none is configured.

    Whatever ends the command must not end that server first: the flow records there that it was
    stopped, and would try to for minutes. And it must not outlive the command.
    """
    _exit_on_signals()
    if not PREFECT_API_URL.value():
        wait = "starting a temporary Prefect server, which may take some seconds"
        screen.print(wait, style="dim")
        with blocked_interrupt(), get_client(sync_client=True):
            server = SubprocessASGIServer().server_process
        assert server is not None
        end_with_us(server.pid)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
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
