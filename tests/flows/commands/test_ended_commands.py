"""Every way to end a command that runs stages: nothing of it goes on, nothing is lost or left.

`make test` leaves out the terminal that is closed, which is SIGTERM by another name.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from storage.objects.temporary_folder import temporary_folder
from storage.store.artifact_store import Store
from storage.store.verification import verify
from tests.services.command_line import ENTRY, ROOT
from tests.services.prefect_database import with_database
from tests.services.running_services import comes_true
from tests.support.tiny_pipeline import write_tiny_pipeline

pytestmark = pytest.mark.slow

WAYS = {
    "ctrl-c": signal.SIGINT,
    "terminated": signal.SIGTERM,
    "terminal-closed": signal.SIGHUP,
    "killed": signal.SIGKILL,
}
STATUS = {"ctrl-c": 130, "terminated": 143, "terminal-closed": 143, "killed": -signal.SIGKILL}
TRIED = [way for way in WAYS if way != "terminal-closed" or "MEMDEC_KILL_EVERY_STAGE" in os.environ]
OF_THE_TERMINAL = {"ctrl-c", "terminal-closed"}  # reach every process of the command


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, of a name so short that sockets may lie in it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def started_in(folder: Path) -> Iterator[psutil.Process]:
    """Processes of ours whose temporary files are in a folder."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder):
                yield process
        except psutil.Error:  # somebody else's, or gone
            continue


@pytest.mark.parametrize("way", TRIED)
def test_an_ended_command_leaves_no_process_and_no_half_of_anything(
    tmp_path: Path, temporary: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = write_tiny_pipeline(tmp_path / "pipeline")
    store = Store.open(str(tmp_path / "store"))
    home = {"PREFECT_HOME": str(with_database(tmp_path / "prefect")), "TMPDIR": str(temporary)}
    with subprocess.Popen(  # with a temporary Prefect server
        [*ENTRY, "run", str(pipeline), "--store", store.url],
        env=os.environ | home, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as command:  # fmt: skip
        assert command.stderr is not None
        lines = iter(command.stderr.readline, "")
        assert any("built  base_model" in line for line in lines)
        assert len(list(started_in(temporary))) > 1
        (os.killpg if way in OF_THE_TERMINAL else os.kill)(command.pid, WAYS[way])
        _, errors = command.communicate(timeout=120)
    assert command.returncode == STATUS[way], errors
    assert "Traceback" not in errors
    if way != "killed":
        assert errors.splitlines()[-1].startswith("stopped; what was finished is kept")
    assert comes_true(lambda: not list(started_in(temporary)), 60)
    assert verify(store).damaged == []
    assert {ref.stage for ref in store.artifacts()} >= {"corpus", "base_model"}
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with temporary_folder():  # as the next command does
        pass
    left = {path.name.partition("_")[0] for path in temporary.iterdir()}
    assert left <= {"torchinductor"}, "PyTorch keeps one cache per user"


_FAILS_ON_THE_WAY_OUT = """
from flows.command_entry import prepare_environment
prepare_environment()
from flows.commands.shown_run import shown_run
from flows.server.console import exit_on_mistake
from prefect.exceptions import TerminationSignal
with exit_on_mistake(), shown_run():
    try:
        raise TerminationSignal(15)
    except TerminationSignal:
        raise RuntimeError("the run could not be recorded as crashed")
"""


def test_what_fails_while_a_terminated_run_is_recorded_does_not_hide_why_it_ended() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FAILS_ON_THE_WAY_OUT],
        env=os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api"},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == STATUS["terminated"], done.stderr
    assert done.stderr.splitlines()[-1].startswith("stopped; what was finished is kept")
