from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.oracles.documents_oracle import read, reasons


def test_rows_become_documents_and_bad_rows_rejects(tmp_path: Path) -> None:
    table = pa.table({"id": ["a", None, "c", "d"], "text": ["one", "two", None, " "]})
    pq.write_table(table, tmp_path / "a.parquet")
    documents, rejects = read(tmp_path / "a.parquet")
    assert [(d.record, d.doc_id, d.text) for d in documents] == [
        (1, "a", "one"),
        (2, "a.parquet#2", "two"),
    ]
    assert reasons(rejects) == {3: "missing text", 4: "empty text"}


def test_whole_number_ids_and_missing_id_columns_are_fine(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [7, 8], "text": ["one", "two"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["three"]}), tmp_path / "b.parquet")
    assert [d.doc_id for d in read(tmp_path)[0]] == ["7", "8", "b.parquet#1"]


def test_many_row_groups_are_numbered_through(tmp_path: Path) -> None:
    table = pa.table({"text": [f"text {i}" for i in range(1000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=300)
    assert [d.record for d in read(tmp_path / "a.parquet")[0]] == list(range(1, 1001))


def test_row_groups_before_the_damage_are_kept_if_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"text {i}" * 100 for i in range(5000)]})
    pq.write_table(table, path, row_group_size=500, compression="zstd", write_page_checksum=True)
    content, metadata = path.read_bytes(), pq.read_metadata(path)
    column = metadata.row_group(3).column(0)
    middle = column.dictionary_page_offset + column.total_compressed_size // 2
    path.write_bytes(content[:middle] + bytes(64) + content[middle + 64 :])
    documents, rejects = read(path, keep_damaged=True)
    assert [d.text for d in documents] == table["text"].to_pylist()[:1500]
    assert reasons(rejects) == {0: "damaged file"}
    kept = sum(metadata.row_group(i).column(0).total_compressed_size for i in range(3))
    assert rejects[0].lost_bytes == len(content) - kept


@pytest.mark.parametrize("damage", ["cut", "flipped", "no parquet", "no text column"])
def test_a_file_that_cannot_be_read_to_its_end_gives_no_document(
    tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "a.parquet"
    column = "words" if damage == "no text column" else "text"
    table = pa.table({column: [f"text {i}" * 100 for i in range(5000)]})
    pq.write_table(table, path, row_group_size=500, compression="zstd", write_page_checksum=True)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = len(content) * 2 // 5
        path.write_bytes(content[:middle] + bytes(64) + content[middle + 64 :])
    elif damage == "no parquet":
        path.write_bytes(b'{"id": "a", "text": "b"}\n')
    documents, rejects = read(path)
    assert not documents
    assert reasons(rejects) == {0: "damaged file"}
