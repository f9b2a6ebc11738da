from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.documents.document_records import Document, Reject
from storage.formats.corpus_parquet import GROUP_CHARACTERS, CorpusReader, CorpusWriter
from storage.store.artifact_store import Store
from tests.support.artifacts import as_shard, publish

SPLITS = st.sampled_from(["train", "valid", "test"])


def document(number: int, text: str) -> Document:
    return Document("a.jsonl", number, f"doc/{number}", text, f"doc/{number}")


def write(folder: Path, documents: list[tuple[str, Document]], part_characters: int) -> None:
    with CorpusWriter(as_shard(folder), part_characters) as writer:
        for split, item in documents:
            writer.add(split, item)


def published(store: Store, documents: list[tuple[str, Document]], size: int) -> CorpusReader:
    def fill(folder: Path) -> None:
        write(folder, documents, size)

    return CorpusReader(store.readers(publish(store, "corpus", {"all": (fill, {})}))["all"])


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(SPLITS, st.text(st.characters(codec="utf-8"), max_size=30))),
    part_characters=st.integers(1, 60),
)
def test_every_document_is_read_back_in_order_from_parts_of_the_size_asked_for(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], part_characters: int
) -> None:
    store = Store.open(str(tmp_path_factory.mktemp("store")))
    documents = [(split, document(i, text)) for i, (split, text) in enumerate(rows)]
    reader = published(store, documents, part_characters)
    for split in ("train", "valid", "test"):
        found: list[tuple[str, str]] = []
        for part in reader.parts(split):
            batches = list(reader.texts(part))
            inside = [pair for ids, texts in batches for pair in zip(ids, texts, strict=True)]
            size = sum(len(text) for _, text in inside)
            assert len(inside) == 1 or (inside and size <= part_characters)
            found += inside
        assert found == [(d.doc_id, d.text) for s, d in documents if s == split]
        names = [name for part in reader.parts(split) for name in reader.names(part)]
        assert names == [name for name, _ in found]


def test_batches_are_bounded_by_characters(store: Store) -> None:
    documents = [("train", document(i, "x" * 300_000)) for i in range(10)]
    documents.append(("train", document(10, "y" * 3_000_000)))
    reader = published(store, documents, 100_000_000)
    assert reader.parts("train") == ["train-00000.parquet"]
    sizes = [sum(map(len, texts)) for _, texts in reader.texts("train-00000.parquet")]
    assert sizes == [900_000, 900_000, 900_000, 300_000, 3_000_000]
    assert all(size <= GROUP_CHARACTERS for size in sizes[:-1])


def test_the_columns_say_where_a_document_came_from(tmp_path: Path) -> None:
    write(tmp_path, [("valid", document(3, "text"))], 100)
    assert pq.read_table(tmp_path / "valid-00000.parquet").to_pylist() == [
        {"doc_id": "doc/3", "text": "text", "split": "valid", "source": "a.jsonl"}
    ]
    assert pq.read_table(tmp_path / "rejects.parquet").num_rows == 0


def test_rejects_are_listed_with_file_record_and_reason(tmp_path: Path) -> None:
    with CorpusWriter(as_shard(tmp_path), 100) as writer:
        writer.reject(Reject("a.jsonl", 7, "wrong type", "it is a number"))
    assert pq.read_table(tmp_path / "rejects.parquet").to_pylist() == [
        {"file": "a.jsonl", "record": 7, "reason": "wrong type: it is a number"}
    ]


def test_the_same_documents_give_the_same_bytes(tmp_path: Path) -> None:
    documents = [("train", document(i, f"text {i} " * 50)) for i in range(500)]
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, documents, 20_000)
        contents.append({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()})
    assert len(contents[0]) > 5
    assert contents[0] == contents[1]
