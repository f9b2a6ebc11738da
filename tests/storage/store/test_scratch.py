"""Snapshots: whole or invisible, the newest whole one is found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.objects.store_errors import UnsafeName
from storage.store.artifact_store import Store

REF = ArtifactRef(stage="memory", fingerprint="0" * 32)


def writes(text: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "state.txt").write_text(text)

    return fill


def latest_text(store: Store) -> str | None:
    found = store.scratch(REF).latest()
    return None if found is None else (found[1] / "state.txt").read_text()


def test_the_latest_snapshot_is_the_last_by_name(any_store: Store) -> None:
    scratch = any_store.scratch(REF)
    assert scratch.latest() is None
    for step in (2, 10, 1):
        scratch.save(f"step-{step:04d}", writes(str(step)))
    found = scratch.latest()
    assert found is not None
    assert found[0] == "step-0010"
    assert latest_text(any_store) == "10"


def test_saving_again_replaces_the_snapshot(any_store: Store) -> None:
    scratch = any_store.scratch(REF)
    scratch.save("step", writes("old"))
    scratch.save("step", writes("new"))
    assert latest_text(any_store) == "new"
    assert len(any_store.root.scan("artifacts")) == 2


def test_a_snapshot_whose_writing_failed_is_invisible(any_store: Store) -> None:
    def fail(folder: Path) -> None:
        writes("half")(folder)
        raise RuntimeError("killed")

    scratch = any_store.scratch(REF)
    scratch.save("step-1", writes("whole"))
    with pytest.raises(RuntimeError, match="killed"):
        scratch.save("step-2", fail)
    assert latest_text(any_store) == "whole"


def test_a_damaged_snapshot_is_passed_over(any_store: Store) -> None:
    scratch = any_store.scratch(REF)
    scratch.save("step-1", writes("good"))
    scratch.save("step-2", writes("then"))
    damaged = [entry.key for entry in any_store.root.scan("artifacts") if "/step-2-" in entry.key]
    any_store.root.replace(damaged[0], b"thin")
    assert latest_text(any_store) == "good"


def test_only_the_newest_snapshots_are_kept(any_store: Store) -> None:
    scratch = any_store.scratch(REF)
    for step in range(4):
        scratch.save(f"step-{step}", writes(str(step)))
    scratch.keep_last(2)
    assert latest_text(any_store) == "3"
    assert len(any_store.root.scan("artifacts")) == 4
    scratch.keep_last(5)
    assert len(any_store.root.scan("artifacts")) == 4


def test_a_snapshot_name_cannot_leave_the_scratch(any_store: Store) -> None:
    with pytest.raises(UnsafeName):
        any_store.scratch(REF).save("../manifest", writes("x"))
