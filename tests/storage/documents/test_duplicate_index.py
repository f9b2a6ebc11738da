from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.documents.document_records import Document
from storage.documents.duplicate_index import DuplicateIndex


@pytest.fixture
def index(tmp_path: Path) -> Iterator[DuplicateIndex]:
    index = DuplicateIndex(tmp_path / "seen.sqlite")
    yield index
    index.close()


def kind(index: DuplicateIndex, doc_id: str, text: str, split: str = "train") -> str | None:
    reject = index.add(split, Document("a.jsonl", 1, doc_id, text, doc_id))
    return None if reject is None else reject.kind


def test_the_first_of_equal_texts_is_kept_whatever_their_ids(index: DuplicateIndex) -> None:
    assert kind(index, "a", "one") is None
    assert kind(index, "a", "one") == "duplicate text"
    assert kind(index, "b", "one") == "duplicate text"
    assert kind(index, "b", "two") is None


def test_the_first_text_keeps_an_id(index: DuplicateIndex) -> None:
    assert kind(index, "a", "one") is None
    assert kind(index, "a", "two") == "duplicate id"
    assert kind(index, "b", "two") is None, "the rejected text must not count as seen"


def test_texts_are_compared_over_splits_but_ids_within_one(index: DuplicateIndex) -> None:
    assert kind(index, "0", "one", "test") is None
    assert kind(index, "0", "two", "train") is None
    assert kind(index, "1", "one", "train") == "duplicate text"
