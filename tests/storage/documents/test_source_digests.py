"""Stamps: every change of content changes them, and nothing is read for it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.documents.document_sources import DatasetSource, FileSource, PackageSource
from storage.documents.source_digests import source_stamp


def overwrite(path: Path) -> None:
    path.write_text("other text")


def replace_by_one_of_the_same_size_and_age(path: Path) -> None:
    status = path.stat()
    other = path.with_name("other")
    other.write_text("TEXT")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert path.stat().st_size == status.st_size


@pytest.mark.parametrize(
    "change", [overwrite, os.utime, replace_by_one_of_the_same_size_and_age, Path.unlink]
)
def test_a_file_that_may_have_changed_has_another_stamp(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    source = FileSource("a.txt", path)
    before = source_stamp(source)
    assert source_stamp(source) == before
    change(path)
    assert source_stamp(source) != before


def test_a_local_data_set_is_stamped_by_the_files_below_it(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "rows.arrow").write_bytes(b"rows")
    source = DatasetSource("datasets:set", str(folder), None, "train")
    stamps = [source_stamp(source)]
    (folder / "more.json").write_text("{}")
    stamps.append(source_stamp(source))
    (folder / "more.json").rename(folder / "less.json")
    stamps.append(source_stamp(source))
    shutil.rmtree(folder / "train")
    stamps.append(source_stamp(source))
    assert len(set(stamps)) == len(stamps)


def test_a_package_is_stamped_by_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "watched_package"
    package.mkdir()
    (package / "__init__.py").write_text('"""Documentation."""')
    monkeypatch.syspath_prepend(tmp_path)
    source = PackageSource("docstrings:watched_package", "watched_package")
    before = source_stamp(source)
    (package / "notes.txt").write_text("no module")
    assert source_stamp(source) == before
    (package / "__init__.py").write_text('"""Other documentation."""')
    assert source_stamp(source) != before
