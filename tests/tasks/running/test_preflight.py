"""What stops a run before anything is built on it: documents that were lost on the way."""

from pathlib import Path
from typing import Literal

import pytest

from memdec_core.errors import UserError
from memdec_core.text.text_config import CorpusConfig
from storage.documents.document_records import Document, Reject
from storage.formats.corpus_parquet import CorpusWriter
from storage.store.artifact_store import Store
from tasks.inputs.lost_documents import check_rejects
from tasks.pages.stage_page import stage_page
from tests.support.artifacts import as_shard, publish
from tests.support.jobs import make_job

KEPT = 97
DUPLICATES = [Reject("a.jsonl", 200 + number, "duplicate text", "of doc/1") for number in range(9)]
GARBAGE = [Reject("a.jsonl", 7, "malformed JSON", "Expecting value"),
           Reject("b|c.jsonl", 9, "missing text", "field 'text' is absent or null"),
           Reject("a.jsonl", 8, "malformed JSON", "Expecting value")]  # fmt: skip
DAMAGED = Reject("cut.jsonl.gz", 0, "damaged file", "gzip: the end is missing", lost_bytes=4321)


def check(
    store: Store,
    rejects: list[Reject],
    max_rejected: float,
    documents: str = "x",
    damaged: Literal["stop", "keep"] = "stop",
) -> str:
    """What is said of a corpus that lacks these records; its page says the same."""

    def fill(folder: Path) -> None:
        with CorpusWriter(as_shard(folder), 10_000) as writer:
            for number in range(KEPT):
                name = f"doc/{number}"
                writer.add("train", Document("a.jsonl", number, name, f"text {number}", name))
            for each in rejects:
                writer.reject(each)

    kinds = [each.kind for each in rejects]
    counts = {"records": KEPT + len(rejects), "characters": {"train": 700}}
    by_reason = {kind: kinds.count(kind) for kind in kinds}
    ref = publish(
        store, "corpus", {"all": (fill, {})}, {"n": len(rejects)},
        figures={
            **counts,
            "rejected_by_reason": {**by_reason},
            "lost_bytes": sum(each.lost_bytes for each in rejects),
        },
    )  # fmt: skip
    config = CorpusConfig(documents=(documents,), max_rejected=max_rejected, damaged=damaged)
    said = check_rejects(make_job(ref, {"corpus": config.model_dump(mode="json")}, {}), store)
    page = stage_page(store, store.require(ref), "A corpus", "Built.")
    of_records = [sentence for sentence in said if "passed over" not in sentence]
    assert ("Not all documents are in it" in page) == bool(of_records)
    assert all(sentence in page for sentence in of_records)
    return "".join(said)


def test_repeated_texts_are_not_lost(store: Store) -> None:
    assert check(store, [], 0) == ""
    assert check(store, DUPLICATES, 0) == ""


def test_what_was_rejected_is_said_with_reasons_the_first_and_where_all_are(store: Store) -> None:
    said = check(store, [*DUPLICATES, *GARBAGE], 0.03)
    start, _, place = said.partition("; all are listed in ")
    assert start == (
        "3 of 109 records rejected (2 malformed JSON, 1 missing text; the first: "
        "a.jsonl record 7: malformed JSON: Expecting value)"
    )
    assert Path(place.removeprefix("file://")).name == "rejects.parquet"
    assert Path(place.removeprefix("file://")).is_file()


def test_files_that_nobody_reads_are_counted_by_kind(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in ("a.md", "b.pdf", "c.pdf", "LICENSE"):
        (folder / name).write_text("text")
    said = check(store, [], 0, str(folder))
    assert said.startswith("3 files passed over (2 .pdf, 1 without ending); read are .jsonl, ")


def test_more_than_may_be_lost_stops_the_run_with_the_remedy(store: Store) -> None:
    with pytest.raises(
        UserError, match=r"3 of 100 records.*record 7.*more than max_rejected \(0\.02"
    ):
        check(store, GARBAGE, 0.02)


def test_a_damaged_file_stops_the_run_and_the_remedy_is_named(store: Store) -> None:
    with pytest.raises(
        UserError,
        match=r"to its end: cut\.jsonl\.gz: damaged file: gzip: the end.*`damaged: keep`",
    ):
        check(store, [*GARBAGE, DAMAGED], 1)


def test_what_is_before_the_damage_is_kept_if_asked_for_and_the_loss_is_said(store: Store) -> None:
    said = check(store, [DAMAGED], 0.1, damaged="keep")
    assert said.startswith("1 of 98 records rejected (1 damaged file; the first: cut.jsonl.gz: ")
    assert "), 4,321 bytes of damaged files lost; all are listed in " in said
