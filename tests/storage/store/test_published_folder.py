"""A published folder is whole, replaces only what was published, and leaves nothing beside it."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from storage.store import published_folder as module
from storage.store.published_folder import FolderNotOurs, published_folder
from tests.services.command_line import ROOT

RECORD = "record.json"


def publish(destination: Path, content: str) -> None:
    with published_folder(destination, RECORD) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a.txt").write_text(content)
        (folder / "w.safetensors").write_text(content)
        (folder / RECORD).write_text('{"who": "me"}')


def read(destination: Path) -> str:
    assert (destination / "w.safetensors").read_text() == (destination / "deep/a.txt").read_text()
    return (destination / "deep" / "a.txt").read_text()


def test_a_folder_is_made_with_a_record_of_its_files(tmp_path: Path) -> None:
    publish(tmp_path / "new" / "place", "one")
    assert read(tmp_path / "new" / "place") == "one"
    record = json.loads((tmp_path / "new" / "place" / RECORD).read_text())
    assert record["who"] == "me"
    assert set(record["files"]) == {"deep/a.txt", "w.safetensors"}
    one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    assert record["files"]["deep/a.txt"] == {"bytes": 3, "sha256": one}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["place"]


@pytest.mark.parametrize("exchange", [True, False])
def test_what_was_published_before_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:  # as on systems that cannot swap two names
        monkeypatch.setattr(module, "_exchange", lambda *_names: False)
    (tmp_path / "place").mkdir()
    publish(tmp_path / "place", "one")
    publish(tmp_path / "place", "two")
    assert read(tmp_path / "place") == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_this_system_swaps_names_at_once(tmp_path: Path) -> None:
    """A reader finds one content or the other, at any moment."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    if not module._exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("NOT TESTED: replacing at once, which this file system cannot")
    publish(tmp_path / "place", "0")
    stop, missing = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            if not (tmp_path / "place" / "deep" / "a.txt").exists():
                missing.append(1)

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(1, 20):
        publish(tmp_path / "place", str(number))
    stop.set()
    reader.join()
    assert not missing


@pytest.mark.parametrize("name", ["notes.txt", "deep/notes.txt", ".git/HEAD", "empty/"])
def test_what_somebody_put_there_is_never_lost(tmp_path: Path, name: str) -> None:
    publish(tmp_path / "place", "one")
    added = tmp_path / "place" / name
    if name.endswith("/"):
        added.mkdir()
    else:
        added.parent.mkdir(exist_ok=True)
        added.write_text("mine")
    with pytest.raises(FolderNotOurs, match="is not as it was exported"):
        publish(tmp_path / "place", "two")
    assert added.exists()
    assert read(tmp_path / "place") == "one"


def test_a_file_that_was_changed_is_never_lost(tmp_path: Path) -> None:
    publish(tmp_path / "place", "one")
    (tmp_path / "place" / "deep" / "a.txt").write_text("eno")
    with pytest.raises(FolderNotOurs, match=r"deep/a\.txt is not as it was exported"):
        publish(tmp_path / "place", "two")


@pytest.mark.parametrize("record", [None, "not json", '{"files": 3}', '["files"]'])
def test_any_other_folder_is_refused(tmp_path: Path, record: str | None) -> None:
    (tmp_path / "other").write_text("mine")
    if record is not None:
        (tmp_path / RECORD).write_text(record)
    with pytest.raises(FolderNotOurs, match="not empty"):
        publish(tmp_path, "one")
    with pytest.raises(FolderNotOurs, match="a file is there"):
        publish(tmp_path / "other", "one")
    assert (tmp_path / "other").read_text() == "mine"


def test_an_error_leaves_the_old_state_and_nothing_else(tmp_path: Path) -> None:
    publish(tmp_path / "place", "one")

    def fail() -> None:
        with published_folder(tmp_path / "place", RECORD) as folder:
            (folder / "half").write_text("x")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        fail()
    assert read(tmp_path / "place") == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_kill_leaves_the_old_state(tmp_path: Path) -> None:
    publish(tmp_path / "place", "one")
    code = (
        "import os, signal\nfrom pathlib import Path\n"
        "from storage.store.published_folder import published_folder\n"
        f"with published_folder(Path({str(tmp_path / 'place')!r}), 'record.json') as folder:\n"
        "    (folder / 'half').write_text('x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert read(tmp_path / "place") == "one"
    publish(tmp_path / "place", "two")
    assert read(tmp_path / "place") == "two"


def test_what_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def race() -> None:
        with published_folder(tmp_path / "place", RECORD) as folder:
            (folder / RECORD).write_text("{}")
            (tmp_path / "place").mkdir()
            (tmp_path / "place" / "mine").write_text("mine")

    with pytest.raises(FolderNotOurs):
        race()
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert (tmp_path / "place" / "mine").read_text() == "mine"
