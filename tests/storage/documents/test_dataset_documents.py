from pathlib import Path

import pytest

from storage.documents.document_readers import read_documents
from storage.documents.document_records import Document
from storage.documents.document_sources import resolve_sources
from storage.documents.source_digests import source_digest
from storage.objects.store_errors import SourceError
from tests.oracles.documents_oracle import FIELDS, json_lines

ROLES = ("train", "valid", "test")


def ids(entry: str, role: str) -> list[str]:
    (source,) = resolve_sources({role: [entry]}, {role: "config.corpus.documents"})[role]
    records = read_documents(source, FIELDS)
    return [record.doc_id for record in records if isinstance(record, Document)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data files, which the library finds by their names."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    found = tmp_path / "laws"
    found.mkdir()
    for name in ("train", "validation"):
        rows = [{"id": f"{name}/{i}", "text": f"{name} {i}"} for i in range(3)]
        (found / f"{name}.jsonl").write_bytes(json_lines(*rows))
    return found


def test_a_folder_of_data_files_gives_the_split_of_each_role(folder: Path) -> None:
    assert ids(f"datasets:{folder}", "train") == ["train/0", "train/1", "train/2"]
    assert ids(f"datasets:{folder}", "valid") == ["validation/0", "validation/1", "validation/2"]
    with pytest.raises(SourceError, match="datasets:laws: no split for test, only train, valid"):
        ids(f"datasets:{folder}", "test")


def test_a_saved_data_set_is_read_whatever_the_role(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    rows = {"id": [5, 6], "text": ["five", "six"]}
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "saved")
    for role in ROLES:
        assert ids(f"datasets:{tmp_path / 'saved'}", role) == ["5", "6"]


def test_the_digest_is_of_the_files_and_not_of_the_folder(folder: Path) -> None:
    def digest(path: Path) -> tuple[str, str]:
        found = resolve_sources({"train": [f"datasets:{path}"]}, {"train": "documents"})
        return found["train"][0].name, source_digest(found["train"][0])

    before = digest(folder)
    (folder.parent / "elsewhere").mkdir()
    moved = folder.rename(folder.parent / "elsewhere" / "laws")
    assert digest(moved) == before
    (moved / "train.jsonl").write_bytes(b"changed")
    assert digest(moved) != before


def test_a_broken_row_ends_the_run_with_its_place(folder: Path) -> None:
    (folder / "train.jsonl").write_text("this is no JSON\n")
    with pytest.raises(SourceError, match=r"datasets:laws: after row 0: "):
        ids(f"datasets:{folder}", "train")
