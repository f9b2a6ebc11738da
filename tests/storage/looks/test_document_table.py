"""Tables of documents: which rows a corpus keeps, and rows that are carried over."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.documents.document_records import Document
from storage.documents.duplicate_index import DuplicateIndex
from storage.formats.corpus_parquet import CorpusReader, CorpusWriter
from storage.looks.document_table import (
    DocumentRows,
    Documents,
    carry_over,
    corpus_documents,
    distinct_documents,
    in_source_order,
    parse_table,
    write_table,
)
from storage.objects.store_errors import DamagedArtifact
from tests.oracles.watch_oracle import Text
from tests.support.artifacts import as_shard

SPLITS = ("test", "valid", "train")
few = st.tuples(st.sampled_from(SPLITS), st.sampled_from("abc"), st.sampled_from("vwxyz"))
corpora = st.lists(few, max_size=12)


def table_of(documents: list[Text], source: int = 0) -> Documents:
    rows = DocumentRows()
    for split, doc_id, text in documents:
        rows.add(source, split, doc_id, text)
    return rows.table()


@given(corpora)
def test_what_a_corpus_keeps_is_what_its_index_of_duplicates_keeps(documents: list[Text]) -> None:
    with (
        TemporaryDirectory() as folder,
        closing(DuplicateIndex(Path(folder) / "seen.sqlite")) as index,
    ):
        kept = [
            (split, doc_id, text)
            for split, doc_id, text in documents
            if index.add(split, Document("f", 1, doc_id, text, doc_id)) is None
        ]
    assert distinct_documents(table_of(documents)).equals(table_of(kept))


@given(
    st.lists(corpora, min_size=1, max_size=4), st.permutations(range(4)), st.sets(st.integers(0, 3))
)
def test_rows_that_are_carried_over_are_those_read_again(
    sources: list[list[Text]], order: list[int], changed: set[int]
) -> None:
    old = in_source_order(*[table_of(texts, number) for number, texts in enumerate(sources)])
    places = [place for place in order if place < len(sources)]
    wanted = in_source_order(*[table_of(sources[p], number) for number, p in enumerate(places)])
    carried = carry_over(old, [(p, n) for n, p in enumerate(places) if p not in changed])
    fresh = [table_of(sources[p], n) for n, p in enumerate(places) if p in changed]
    assert in_source_order(carried, *fresh).equals(wanted)


def test_a_corpus_artifact_has_the_rows_of_its_documents(tmp_path: Path) -> None:
    documents = [(split, f"{split}{n}", f"text {split} {n}") for split in SPLITS for n in range(5)]
    with CorpusWriter(as_shard(tmp_path), part_characters=30) as writer:
        for split, doc_id, text in documents:
            writer.add(split, Document("f", 1, doc_id, text, doc_id))

    class Folder:
        def names(self) -> list[str]:
            return [path.name for path in tmp_path.iterdir()]

        def local_path(self, name: str) -> Path:
            return tmp_path / name

    found = corpus_documents(CorpusReader(Folder()), SPLITS)  # type: ignore[arg-type]
    assert found.equals(table_of(documents))


def test_a_table_survives_its_file_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    rows = table_of([("train", "é/1", "text"), ("test", "2", "🙂")], source=3)
    write_table(rows, tmp_path / "rows.parquet")
    assert parse_table(tmp_path / "rows.parquet", "here").equals(rows)
    data = (tmp_path / "rows.parquet").read_bytes()
    assert parse_table(data, "here").equals(rows)
    other = pl.DataFrame({"a": [1]})
    other.write_parquet(tmp_path / "other.parquet")
    for damaged in (data[:-9], b"", (tmp_path / "other.parquet").read_bytes()):
        with pytest.raises(DamagedArtifact, match="here: not a table of documents"):
            parse_table(damaged, "here")
