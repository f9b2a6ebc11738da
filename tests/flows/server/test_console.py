import pytest

from flows.server.console import exit_on_mistake
from memdec_core.errors import UserError
from storage.objects.store_errors import StoreFull, StoreUnavailable
from tasks.running.supervised_process import WorkerFailed


def failed_worker() -> WorkerFailed:
    failure = WorkerFailed("KeyError: 'a'")
    failure.add_note("Traceback (most recent call last): ...")
    return failure


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("config.index.k: [bold] is no number"), 2, "error config.index.k: [bold] is no"),
        (StoreFull("no room"), 2, "error no room"),
        (StoreUnavailable("no answer"), 1, "error no answer"),
        (failed_worker(), 1, "failed KeyError: 'a'"),
        (RuntimeError(), 1, "failed RuntimeError()"),
        (SystemExit(130), 130, "stopped; what was finished is kept"),
        (SystemExit(0), 0, ""),
    ],
)
def test_an_error_becomes_one_message_and_an_exit_code(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end, exit_on_mistake():
        raise error
    printed = capsys.readouterr()
    assert end.value.code == code
    assert printed.out == ""
    assert printed.err.startswith(message)
    assert "Traceback" not in printed.err
