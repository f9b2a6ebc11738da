from pathlib import Path

import pytest

from storage.documents.document_sources import FileSource, resolve_sources
from storage.documents.source_digests import source_digest
from storage.objects.store_errors import SourceError

WHERE = {"train": "config.corpus.documents", "test": "config.corpus.test_documents"}


def names(*entries: str | Path, test: tuple[str | Path, ...] = ()) -> list[str]:
    roles = {"train": [str(e) for e in entries], "test": [str(e) for e in test]}
    found = resolve_sources(roles, WHERE)
    return [source.name for role in roles for source in found[role]]


def fill(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"text of {file}")
    return folder


def test_files_folders_and_globs_are_named_from_the_entry_on(tmp_path: Path) -> None:
    fill(tmp_path, "x.jsonl", "d/b.md", "d/e/a.txt.gz", "d/.hidden/h.md", "d/p.png", "d/.h.md")
    assert names(tmp_path / "x.jsonl", tmp_path / "d") == ["b.md", "e/a.txt.gz", "x.jsonl"]
    assert names(tmp_path / "**" / "*.md") == ["d/b.md"]
    assert names(tmp_path / "d" / "*" / "*.gz") == ["e/a.txt.gz"]
    assert names(tmp_path / "d" / "p.*") == ["p.png"], "what is named outright is never passed over"


def test_relative_entries_start_at_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fill(tmp_path, "d/a.md"))
    assert names("d") == names("d/*.md") == names("./d/../d/a.md") == ["a.md"]


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    fill(tmp_path, "law/train.jsonl", "bio/train.jsonl", "bio/valid.jsonl")
    entries = [tmp_path / name for name in ("law/train.jsonl", "bio/train.jsonl")]
    assert names(*entries) == ["bio/train.jsonl", "law/train.jsonl"]
    assert names(entries[0], test=(entries[1],)) == ["law/train.jsonl", "bio/train.jsonl"]


def test_a_file_that_two_entries_name_is_read_once(tmp_path: Path) -> None:
    fill(tmp_path, "d/a.md", "d/b.md")
    assert names(tmp_path / "d", tmp_path / "d" / "a.md", tmp_path / "d") == ["a.md", "b.md"]


def test_the_order_of_entries_does_not_matter(tmp_path: Path) -> None:
    fill(tmp_path, "b.md", "a.md", "c.md")
    entries = [tmp_path / name for name in ("b.md", "a.md", "c.md")]
    assert names(*entries) == names(*reversed(entries)) == ["a.md", "b.md", "c.md"]


def test_awkward_names_are_only_names(tmp_path: Path) -> None:
    fill(tmp_path, "a [1] & ünï.jsonl")
    assert names(tmp_path / "a [1] & ünï.jsonl") == ["a [1] & ünï.jsonl"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("missing.jsonl", r"documents\[1\]: '.*missing.jsonl' matches no file .*correct the path"),
        ("*.parquet", r"documents\[1\]: '.*\*.parquet' matches no file"),
        ("empty", r"documents\[1\]: folder '.*empty' holds no documents"),
    ],
)
def test_an_entry_that_names_nothing_is_the_users_mistake(
    tmp_path: Path, entry: str, message: str
) -> None:
    fill(tmp_path, "a.md", "empty/picture.png")
    with pytest.raises(SourceError, match=message):
        names(tmp_path / "a.md", tmp_path / entry)


@pytest.mark.parametrize("package", ["no_such_package", "torch.no_such_part", "sys", "a/b", ""])
def test_a_package_without_sources_is_the_users_mistake(package: str) -> None:
    with pytest.raises(SourceError, match=r"test_documents\[0\]: no installed package"):
        names(test=(f"docstrings:{package}",))


def test_a_digest_is_of_the_bytes_and_not_of_the_place(tmp_path: Path) -> None:
    fill(tmp_path, "a/x.md", "b/x.md")
    (tmp_path / "b" / "x.md").write_bytes((tmp_path / "a" / "x.md").read_bytes())
    first, second = (FileSource("x.md", tmp_path / folder / "x.md") for folder in "ab")
    assert source_digest(first) == source_digest(second)
    second.path.write_text("other")
    assert source_digest(first) != source_digest(second)
