"""Files below folders: whatever is linked, locked or circular, none is lost without a word."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.documents.document_files import find_files, passed_over
from storage.objects.store_errors import SourceError

NOBODY = 65534


def fill(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"text of {file}")
    return folder


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that others may read too; those of `tmp_path` they may not."""
    with tempfile.TemporaryDirectory(prefix="memdec-walk-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def names(entry: Path) -> list[str]:
    found = find_files(str(entry), "documents[0]")
    return ["/".join(path.parts[-count:]) for path, count in found.items()]


@contextmanager
def not_as_root() -> Iterator[None]:
    """Root may read every folder; somebody else may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_linked_folders_are_read_after_all_others_and_rename_none(tmp_path: Path) -> None:
    fill(tmp_path, "elsewhere/e.md", "elsewhere/deep/d.md", "docs/b/f.md")
    (tmp_path / "docs" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "docs" / "0").symlink_to(tmp_path / "docs" / "b")
    assert names(tmp_path / "docs") == ["b/f.md", "a/e.md", "a/deep/d.md"]


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    fill(tmp_path, "docs/a/x.md", "other/y.md")
    (tmp_path / "docs" / "a" / "up").symlink_to(tmp_path / "docs")
    (tmp_path / "docs" / "out").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "back").symlink_to(tmp_path / "docs")
    assert names(tmp_path / "docs") == ["a/x.md", "out/y.md"]


def test_a_folder_named_by_a_link_is_read(tmp_path: Path) -> None:
    fill(tmp_path, "docs/a.md")
    (tmp_path / "link").symlink_to(tmp_path / "docs")
    assert names(tmp_path / "link") == ["a.md"]


@pytest.mark.parametrize("rights", [0, 0o444])
@pytest.mark.parametrize("entry", ["docs", "docs/**/*.md", "docs/*/*.md", "docs/locked/b.md"])
def test_a_folder_that_cannot_be_read_is_no_empty_one(
    open_to_all: Path, entry: str, rights: int
) -> None:
    locked = fill(open_to_all, "docs/open/a.md", "docs/locked/b.md") / "docs" / "locked"
    locked.chmod(rights)
    with not_as_root(), pytest.raises(SourceError, match=r"docs/locked.*: cannot be read"):
        find_files(str(open_to_all / entry), "documents[0]")


def test_files_that_are_passed_over_are_counted_by_kind(tmp_path: Path) -> None:
    fill(tmp_path, "a.md", "b.PDF", "c/d.pdf", "c/e.html", "c/README", "c/f.tar.gz", "c/.g.pdf")
    assert passed_over(str(tmp_path)) == {".PDF": 1, ".pdf": 1, ".html": 1, "": 1, ".tar.gz": 1}
    assert not passed_over(str(tmp_path / "c" / "*.pdf")), "what is named outright is rejected"
    assert not passed_over("docstrings:stdlib")
