import json
from pathlib import Path

import pytest

from storage.documents.document_records import Reject
from storage.documents.duplicate_index import DuplicateIndex
from tests.oracles.documents_oracle import read, reasons, shared_data

# Sound but for their id, which EXPECTED.json counts as unsound: a number, or made up by us.
ODD_IDS = {
    "one_line_5mb.txt": ["one_line_5mb.txt"],
    "missing_fields.jsonl": ["missing_fields.jsonl#3", "17"],
}


def test_a_file_of_unknown_format_is_listed(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("id\ttext\n")
    documents, rejects = read(tmp_path / "a.tsv")
    assert not documents
    assert [(r.file, r.record, r.kind) for r in rejects] == [("a.tsv", 0, "unknown format")]


def test_every_nasty_file_gives_exactly_its_sound_records(tmp_path: Path) -> None:
    folder = shared_data("bad")
    expected = json.loads((folder / "EXPECTED.json").read_text())
    assert expected
    for name, facts in expected.items():
        documents, rejects = read(folder / name)
        seen = DuplicateIndex(tmp_path / f"{facts['md5']}.sqlite")
        kept = [d for d in documents if not isinstance(seen.add("train", d), Reject)]
        seen.close()
        if facts["good_records"] == ["all"]:
            lines = [line for line in (folder / name).read_bytes().split(b"\n") if line]
            assert not rejects, name
            assert [d.text for d in documents] == [json.loads(line)["text"] for line in lines], name
            continue
        ids = [d.doc_id for d in kept]
        odd = [each for each in ids if each in (name, "17") or each.startswith(f"{name}#")]
        assert odd == ODD_IDS.get(name, []), name
        found = sorted(each for each in ids if each not in odd)
        assert found == sorted(facts["good_records"]), name


@pytest.mark.parametrize("name", ["biomed/valid.jsonl.gz", "law/valid.jsonl.gz"])
def test_sound_files_lose_nothing(name: str) -> None:
    folder = shared_data(name.split("/", maxsplit=1)[0])
    documents, rejects = read(folder / Path(name).name)
    assert len(documents) > 20
    assert not rejects


def test_a_text_file_is_one_document_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c#.md").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    documents, rejects = read(tmp_path)
    assert [(d.doc_id, d.text, d.work) for d in documents] == [
        ("sub/c#.md", "one\ntwo\n", "sub/c#.md")
    ]
    assert not rejects


def test_one_line_of_megabytes_is_a_document(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_bytes(b"word " * 1_000_000)
    assert len(read(tmp_path / "long.txt")[0][0].text) == 5_000_000


def test_an_empty_text_file_and_one_in_latin_1_are_listed(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"\n")
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    documents, rejects = read(tmp_path)
    assert not documents
    assert [(r.file, r.kind) for r in rejects] == [
        ("empty.txt", "empty text"),
        ("latin.txt", "damaged file"),
    ]
    assert reasons(rejects) == {1: "empty text", 0: "damaged file"}
