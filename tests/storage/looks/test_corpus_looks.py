"""Looks in the store: the newest is found, old ones go with their tables, races only add."""

import threading
from pathlib import Path

import pytest

from storage.looks.corpus_looks import (
    KEPT_LOOKS,
    CorpusLook,
    SeenSource,
    last_look,
    orphaned_tables,
    read_seen,
    record_look,
    write_seen,
)
from storage.looks.document_table import DocumentRows, write_table
from storage.objects.store_errors import DamagedArtifact, UnsafeName
from storage.store.artifact_store import Store

FOREVER = 1e12


def stored_table(store: Store, folder: Path, text: str, pipeline: str = "demo") -> str:
    rows = DocumentRows()
    rows.add(0, "train", "a", text)
    write_table(rows.table(), folder / "rows.parquet")
    return write_seen(store, pipeline, folder / "rows.parquet")


def look_at(table: str, fingerprint: str = "f") -> CorpusLook:
    source = SeenSource(
        role="train", name="a", stamp="1", digest="d", rejected=0, first_reject=None
    )
    return CorpusLook(
        reading={"text_field": "text"}, sources=(source,), documents=table, kept=1,
        fingerprint=fingerprint, alike=("e",), announced="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def keys(store: Store, part: str) -> list[str]:
    return [listed.key for listed in store.root.scan(f"watch/demo/{part}")]


def test_the_newest_look_is_found_with_its_documents(any_store: Store, tmp_path: Path) -> None:
    assert last_look(any_store, "demo") is None
    for text in ("first", "second"):
        record_look(any_store, "demo", look_at(stored_table(any_store, tmp_path, text), text))
    record_look(any_store, "other", look_at("nothing", "other"))
    found = last_look(any_store, "demo")
    assert found is not None
    assert found.same_documents == ("e", "second")
    (row,) = read_seen(any_store, "demo", found).iter_rows(named=True)
    assert row["characters"] == len("second")


def test_old_looks_go_with_the_tables_that_only_they_name(any_store: Store, tmp_path: Path) -> None:
    shared = stored_table(any_store, tmp_path, "shared")
    for number in range(KEPT_LOOKS + 3):
        table = shared if number % 2 else stored_table(any_store, tmp_path, str(number))
        record_look(any_store, "demo", look_at(table, str(number)))
    assert len(keys(any_store, "looks")) == KEPT_LOOKS
    named = {f"watch/demo/documents/{shared}.parquet"}
    kept = keys(any_store, "documents")
    assert named < set(kept)
    assert len(kept) == 1 + KEPT_LOOKS // 2
    found = last_look(any_store, "demo")
    assert found is not None
    assert found.fingerprint == str(KEPT_LOOKS + 2)
    read_seen(any_store, "demo", found)


def test_looks_at_the_same_time_all_get_a_place(any_store: Store) -> None:
    looks = [look_at("t", str(number)) for number in range(KEPT_LOOKS)]
    threads = [threading.Thread(target=record_look, args=(any_store, "demo", x)) for x in looks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys(any_store, "looks")) == KEPT_LOOKS


def test_a_table_that_no_look_names_is_an_orphan_once_it_is_old(
    any_store: Store, tmp_path: Path
) -> None:
    record_look(any_store, "demo", look_at(stored_table(any_store, tmp_path, "named")))
    lost = stored_table(any_store, tmp_path, "lost")
    (orphan,) = orphaned_tables(any_store, FOREVER)
    assert orphan.key == f"watch/demo/documents/{lost}.parquet"
    assert orphaned_tables(any_store, 0.0) == []
    any_store.root.create("watch/demo/looks/00000009.json", b"{")
    assert orphaned_tables(any_store, FOREVER) == [], "nobody knows what a damaged look names"


def test_a_damaged_look_and_a_lost_table_name_the_remedy(any_store: Store) -> None:
    look = look_at("gone")
    with pytest.raises(DamagedArtifact, match=r"documents/gone\.parquet.*delete .*watch/demo"):
        read_seen(any_store, "demo", look)
    any_store.root.create("watch/demo/looks/00000001.json", b"{}")
    with pytest.raises(DamagedArtifact, match=r"00000001\.json.*delete .*watch/demo"):
        last_look(any_store, "demo")


def test_a_pipeline_name_cannot_leave_the_looks(any_store: Store) -> None:
    with pytest.raises(UnsafeName):
        record_look(any_store, "../refs", look_at("t"))


def test_a_look_says_the_same_as_another_whenever_it_was(any_store: Store) -> None:
    look = look_at("t")
    assert look.says_the_same_as(look_at("t").model_copy(update={"when": "later"}))
    assert not look.says_the_same_as(look_at("u"))
