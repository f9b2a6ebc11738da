"""Temporary folders: gone with their process, or when the next one comes."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from storage.objects.temporary_folder import temporary_folder
from tests.services.command_line import ROOT

_HOLD = """
import sys
from storage.objects.temporary_folder import temporary_folder
with temporary_folder() as folder:
    (folder / "file").write_text("text")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made, in this process and its children."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def holder() -> tuple[subprocess.Popen[str], Path]:
    """A process that holds a folder until it is told to end, and the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_gone_at_the_end_whatever_happens(place: Path) -> None:
    with temporary_folder() as folder:
        (folder / "file").write_text("text")
        with temporary_folder() as other:
            assert folder.is_dir()
            assert other != folder
    with pytest.raises(ZeroDivisionError), temporary_folder() as folder:
        _ = 1 / 0
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_nothing_of_one_that_lives(place: Path) -> None:
    (killed, left), (alive, held) = holder(), holder()
    (place / "memdec-work-of-others").mkdir()
    try:
        killed.kill()
        killed.communicate()
        assert (left / "file").is_file()
        with temporary_folder():
            assert not left.exists()
            assert (held / "file").is_file()
    finally:
        alive.communicate("end")
    assert [path.name for path in place.iterdir()] == ["memdec-work-of-others"]
