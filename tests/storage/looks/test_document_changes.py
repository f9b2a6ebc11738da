"""Documents compared between two looks, against dictionaries of whole texts."""

from hypothesis import given
from hypothesis import strategies as st

from storage.documents.duplicate_index import text_digest
from storage.looks.document_changes import DocumentChanges, document_changes, sample_digests
from storage.looks.document_table import DocumentRows, Documents, distinct_documents
from tests.oracles.watch_oracle import Text, changes_of, kept_documents

TEXTS = ["v", "ww", "xxx", "yyyy", "zzzzz"]
few = st.tuples(st.sampled_from(["train", "test"]), st.sampled_from("abcd"), st.sampled_from(TEXTS))
corpora = st.lists(few, max_size=10)


def table_of(documents: list[Text]) -> Documents:
    rows = DocumentRows()
    for split, doc_id, text in documents:
        rows.add(0, split, doc_id, text)
    return distinct_documents(rows.table())


def compared(before: list[Text], after: list[Text]) -> DocumentChanges:
    return document_changes(table_of(before), table_of(after))


def places(changes: DocumentChanges) -> dict[str, set[object]]:
    found: dict[str, set[object]] = {
        kind: set(zip(rows["split"], rows["doc_id"], strict=True))
        for kind, rows in changes._asdict().items()
    }
    moved = changes.renamed
    old = zip(moved["old_split"], moved["old_id"], strict=True)
    found["renamed"] = set(zip(old, zip(moved["split"], moved["doc_id"], strict=True), strict=True))
    return found


@given(corpora, corpora)
def test_every_document_is_where_dictionaries_put_it(before: list[Text], after: list[Text]) -> None:
    changes = compared(before, after)
    assert places(changes) == changes_of(before, after)
    assert changes.is_empty() == (kept_documents(before) == kept_documents(after))


@given(corpora, corpora)
def test_counts_and_characters_add_up(before: list[Text], after: list[Text]) -> None:
    counts = compared(before, after).counts()
    old, new = kept_documents(before), kept_documents(after)
    there = [counts[kind] for kind in ("added", "edited", "renamed", "unchanged")]
    assert sum(count.documents for count in there) == len(new)
    assert sum(count.characters for count in there) == sum(map(len, new.values()))
    gone = [counts[kind].documents for kind in ("edited", "removed", "renamed", "unchanged")]
    assert sum(gone) == len(old)


@given(corpora, corpora)
def test_new_text_is_text_that_was_nowhere_before(before: list[Text], after: list[Text]) -> None:
    new = set(kept_documents(after).values()) - set(kept_documents(before).values())
    assert set(compared(before, after).new()["digest"]) == {text_digest(text) for text in new}


def test_a_record_in_front_of_numbered_ones_is_one_new_document() -> None:
    texts = [f"text {n}" for n in range(50)]
    before = [("train", f"f#{n}", text) for n, text in enumerate(texts)]
    after = [("train", f"f#{n}", text) for n, text in enumerate(["new", *texts])]
    counts = compared(before, after).counts()
    assert (counts["renamed"].documents, counts["added"].documents) == (50, 1)
    assert counts["edited"].documents == counts["removed"].documents == 0


def test_examples_are_few_sorted_and_say_both_names() -> None:
    before = [("train", f"{n:02}", f"old {n}") for n in range(30)] + [("train", "x", "kept")]
    after = [("train", f"{n:02}", f"new {n}") for n in range(30)] + [("test", "y", "kept")]
    examples = compared(before, after).examples(3)
    assert examples["edited"] == ["00", "01", "02"]
    assert examples["renamed"] == ["x (train) → y (test)"]
    assert examples["added"] == examples["removed"] == []


@given(corpora, st.integers(0, 40))
def test_a_sample_is_the_fewest_texts_that_suffice(documents: list[Text], characters: int) -> None:
    rows = table_of(documents)
    lengths = dict(zip(rows["digest"], rows["characters"], strict=True))
    sample = sample_digests(rows, characters)
    assert sample == sorted(lengths)[: len(sample)]
    total = sum(lengths[digest] for digest in sample)
    assert total >= characters or len(sample) == len(lengths)
    assert sum(lengths[digest] for digest in sample[:-1]) < max(characters, 1)
