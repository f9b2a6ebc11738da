from pathlib import Path

from tests.oracles.documents_oracle import read, reasons


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
