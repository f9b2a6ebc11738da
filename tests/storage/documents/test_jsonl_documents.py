import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.documents.document_records import Fields
from storage.documents.jsonl_documents import read_lines
from tests.oracles.documents_oracle import json_lines, read, reasons

BAD_LINES = {
    "a bare string": (b'"text"', "not an object"),
    "a list": (b'["id", "text"]', "not an object"),
    "null": (b"null", "not an object"),
    "no text": (b'{"id": "x"}', "missing text"),
    "null text": (b'{"id": "x", "text": null}', "missing text"),
    "number as text": (b'{"id": "x", "text": 42}', "wrong type"),
    "list as text": (b'{"id": "x", "text": ["a"]}', "wrong type"),
    "fraction as id": (b'{"id": 1.5, "text": "a"}', "wrong type"),
    "trailing comma": (b'{"id": "x", "text": "a",}', "malformed JSON"),
    "single quotes": (b"{'id': 'x', 'text': 'a'}", "malformed JSON"),
    "NaN": (b'{"id": "x", "text": "a", "score": NaN}', "malformed JSON"),
    "a key twice": (b'{"id": "x", "text": "a", "text": "b"}', "malformed JSON"),
    "cut": (b'{"id": "x", "text": "a', "malformed JSON"),
    "raw NUL": (b'{"id": "x", "text": "a\0b"}', "malformed JSON"),
    "block of NULs": (b"\0" * 4096, "malformed JSON"),
    "deep nesting": (b"[" * 100_000, "malformed JSON"),
    "huge number": (b'{"text": "a", "n": ' + b"9" * 10_000 + b"}", "malformed JSON"),
    "Latin-1": ('{"id": "x", "text": "café"}'.encode("latin-1"), "not UTF-8"),
    "overlong form": (b'{"id": "x", "text": "\xc0\xaf"}', "not UTF-8"),
    "lone surrogate": (b'{"id": "x", "text": "a \\ud83d"}', "not Unicode"),
    "lone surrogate in the id": (b'{"id": "\\ud83d", "text": "a"}', "not Unicode"),
    "empty": (b'{"id": "x", "text": ""}', "empty text"),
    "white space": (b'{"id": "x", "text": " \\n\\t"}', "empty text"),
    "zero width": ('{"id": "x", "text": "\u200b\u200d\ufeff"}'.encode(), "empty text"),
    "one full stop": (b'{"id": "x", "text": "."}', "empty text"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_listed_and_its_neighbours_are_kept(tmp_path: Path, name: str) -> None:
    line, kind = BAD_LINES[name]
    good = {"id": "before", "text": "one"}, {"id": "after", "text": "two"}
    (tmp_path / "a.jsonl").write_bytes(json_lines(good[0]) + line + b"\n" + json_lines(good[1]))
    documents, rejects = read(tmp_path / "a.jsonl")
    assert [document.doc_id for document in documents] == ["before", "after"]
    assert reasons(rejects) == {2: kind}


@pytest.mark.parametrize(
    "text", ["a\0b\x07", "<|endoftext|>", "한국어", "🙂", "=", "a" * 1_000_000]
)
def test_odd_but_sound_texts_are_kept_as_they_are(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines({"id": "x", "text": text}))
    documents, rejects = read(tmp_path / "a.jsonl")
    assert [document.text for document in documents] == [text]
    assert not rejects


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_record(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"id": "x", "text": "one"}\r\n\r\n{"id": "y", "text": "two"}'
    (tmp_path / "a.jsonl").write_bytes(content)
    documents, rejects = read(tmp_path / "a.jsonl")
    assert [(d.record, d.doc_id, d.text) for d in documents] == [(1, "x", "one"), (3, "y", "two")]
    assert not rejects


def test_a_record_without_an_id_is_called_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n" + json_lines({"text": "one"}, {"text": "2", "id": ""}))
    documents, _ = read(tmp_path / "a.jsonl")
    assert [d.doc_id for d in documents] == ["a.jsonl#2", "a.jsonl#3"]
    assert [d.work for d in documents] == ["a.jsonl#2", "a.jsonl#3"]


def test_pieces_share_their_work_and_whole_documents_are_their_own(tmp_path: Path) -> None:
    records = [{"id": name, "text": name} for name in ("book#1", "book#2#b", "other", "#x")]
    (tmp_path / "a.jsonl").write_bytes(json_lines(*records))
    documents, _ = read(tmp_path / "a.jsonl")
    assert [document.work for document in documents] == ["book", "book", "other", "#x"]


def test_other_field_names_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines({"key": "x", "body": "one", "text": 3}))
    documents, _ = read(tmp_path / "a.jsonl", Fields(text="body", id="key"))
    assert [(document.doc_id, document.text) for document in documents] == [("x", "one")]


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b""))), st.integers(1, 20))
def test_lines_longer_than_the_limit_are_passed_over_and_no_other(
    lines: list[bytes], limit: int
) -> None:
    stream = io.BytesIO(b"".join(line + b"\n" for line in lines))
    found = list(read_lines(stream, limit))
    assert found == [line + b"\n" if len(line) < limit else None for line in lines]


@given(st.dictionaries(st.text(), st.text()), st.text(), st.text())
def test_whatever_a_record_holds_it_is_kept_or_listed(
    tmp_path_factory: pytest.TempPathFactory, record: dict[str, str], doc_id: str, text: str
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    path.write_bytes(json.dumps(record | {"id": doc_id, "text": text}).encode() + b"\n")
    documents, rejects = read(path)
    assert len(documents) + len(rejects) == 1
    assert all(document.text == text for document in documents)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([{"text": "one"}, {"text": "two"}], indent=2),
        json.dumps([{"text": "one"}, {"text": "two"}]),
        json.dumps({"text": "one", "id": "a"}, indent=2),
    ],
)
def test_one_json_value_is_one_reject_that_says_what_is_wanted(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "a.json").write_text(content)
    documents, rejects = read(tmp_path / "a.json")
    assert not documents
    assert [(each.record, each.kind) for each in rejects] == [(0, "damaged file")]
    assert "write it as JSON Lines" in rejects[0].detail


def test_whole_numbers_are_ids_and_others_are_not(tmp_path: Path) -> None:
    ids = [7, -1, 0, "0x", True, 1.5, [1]]
    records = ({"id": name, "text": f"text {n}"} for n, name in enumerate(ids))
    (tmp_path / "a.jsonl").write_bytes(json_lines(*records))
    documents, rejects = read(tmp_path / "a.jsonl")
    assert [document.doc_id for document in documents] == ["7", "-1", "0", "0x"]
    assert reasons(rejects) == {5: "wrong type", 6: "wrong type", 7: "wrong type"}


def test_a_bad_first_line_is_not_taken_for_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"[1]\n" + json_lines({"id": "x", "text": "one"}))
    documents, rejects = read(tmp_path / "a.jsonl")
    assert [document.doc_id for document in documents] == ["x"]
    assert reasons(rejects) == {1: "not an object"}
