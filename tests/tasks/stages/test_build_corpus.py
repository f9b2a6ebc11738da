import gzip
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import obstore
import pyarrow.parquet as pq
import pytest
from pydantic import JsonValue

from memdec_core.errors import UserError
from memdec_core.text.text_config import CorpusConfig
from storage.objects.artifact_ref import ArtifactRef
from storage.objects.root_urls import open_bucket
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import corpus_identity
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_work import ShardRun
from tasks.stages.build_corpus import build_corpus_shard
from tasks.watch.watched_listing import list_corpus
from tests.oracles.documents_oracle import json_lines, numbered
from tests.support.jobs import make_job

if TYPE_CHECKING:  # at hand, it would make every test here one that starts processes
    from tests.services.s3_server import Bucket

SPLITS = ("train", "valid", "test")


def build(
    store: Store,
    config: CorpusConfig,
    attempt: str = "first",
    planned: dict[str, JsonValue] | None = None,
) -> tuple[dict[str, Any], Path, list[float]]:
    """Builds the shard; returns its figures, its folder and the reported fractions."""
    ref = ArtifactRef(stage="corpus", fingerprint="0" * 32)
    job = make_job(
        ref,
        {"corpus": config.model_dump(mode="json")},
        {},
        identity=planned or corpus_identity(config),
    )
    writer = store.writer(ref, "all", attempt)
    fractions: list[float] = []

    def report(fraction: float, note: str) -> None:
        fractions.append(fraction)

    run = ShardRun(job, "all", RunSettings(), store, writer, report)
    return build_corpus_shard(run), writer.folder, fractions


def rows(folder: Path, split: str) -> list[dict[str, str]]:
    return [
        row
        for part in sorted(folder.glob(f"{split}-*.parquet"))
        for row in pq.read_table(part).to_pylist()
    ]


def ids(folder: Path, split: str) -> set[str]:
    return {row["doc_id"] for row in rows(folder, split)}


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """A folder with sound documents, bad records, duplicates and a damaged file."""
    folder = tmp_path / "messy"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(
        numbered(300) + b"not JSON\n" + json_lines({"id": "doc/1", "text": "another text"})
    )
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(numbered(50) + numbered(50, start=300)))
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress(numbered(40, start=900))[:-20])
    (folder / "note.txt").write_text("A note that is a document by itself.")
    return folder


def test_a_bucket_gives_the_corpus_that_the_same_folder_gives(
    store: Store, messy: Path, bucket: "Bucket", monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    url = f"{bucket.url}/{uuid4().hex}"
    for path in messy.iterdir():
        obstore.put(open_bucket(bucket.url), f"{url.rpartition('/')[2]}/{path.name}", path)
    shares = {"valid_fraction": 0.1, "test_fraction": 0.1}
    figures, folder, fractions = build(store, CorpusConfig(documents=(url,), **shares), "bucket")
    same, local, _ = build(store, CorpusConfig(documents=(str(messy),), **shares), "folder")
    assert figures == same
    assert {split: rows(folder, split) for split in SPLITS} == {
        split: rows(local, split) for split in SPLITS
    }
    assert fractions[-1] == 1.0

    before = list_corpus(config := CorpusConfig(documents=(url,), **shares))
    obstore.put(open_bucket(url), "note.txt", b"Another note.")
    changed = set(list_corpus(config)) - set(before)
    assert [listed.source.name for listed in changed] == ["note.txt"]


def test_documents_before_the_damage_are_kept_if_asked_for(store: Store, messy: Path) -> None:
    config = CorpusConfig(documents=(str(messy),), valid_fraction=0.1, test_fraction=0.1)
    keeping = config.model_copy(update={"damaged": "keep"})
    assert corpus_identity(config) != corpus_identity(keeping)
    figures, folder, _ = build(store, keeping)
    cut = [row for split in SPLITS for row in rows(folder, split) if "cut" in row["source"]]
    assert 30 < len(cut) < 40, "of 40, as far as they are there"
    assert figures["kept"] == 351 + len(cut)
    assert figures["rejected_by_reason"]["damaged file"] == 1
    assert 0 < figures["lost_bytes"] < 100, "a broken line"


def test_every_record_is_kept_or_listed(store: Store, messy: Path) -> None:
    config = CorpusConfig(documents=(str(messy),), valid_fraction=0.1, test_fraction=0.1)
    figures, folder, fractions = build(store, config)
    assert figures["records"] == 300 + 2 + 100 + 1 + 1 == figures["kept"] + figures["rejected"]
    assert figures["kept"] == 351 == sum(figures["documents"].values())
    assert figures["duplicates"] == 50
    assert figures["rejected_by_reason"] == {
        "damaged file": 1,
        "duplicate id": 1,
        "duplicate text": 50,
        "malformed JSON": 1,
    }
    rejects = pq.read_table(folder / "rejects.parquet").to_pylist()
    assert len(rejects) == figures["rejected"]
    assert [(r["file"], r["record"]) for r in rejects if r["file"] != "b.jsonl.gz"] == [
        ("a.jsonl", 301),
        ("a.jsonl", 302),
        ("cut.jsonl.gz", 0),
    ]
    characters = {split: sum(len(row["text"]) for row in rows(folder, split)) for split in SPLITS}
    assert figures["characters"] == characters
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_rerun_gives_the_same_bytes(store: Store, messy: Path) -> None:
    config = CorpusConfig(documents=(str(messy),), part_characters=1000)
    folders = [build(store, config, attempt)[1] for attempt in ("first", "second")]
    contents = [{f.name: f.read_bytes() for f in folder.iterdir()} for folder in folders]
    assert len(contents[0]) > 8
    assert contents[0] == contents[1]


def test_a_growing_corpus_never_moves_a_document(store: Store, tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(numbered(400))
    config = CorpusConfig(documents=(str(tmp_path / "*.jsonl"),))
    _, before, _ = build(store, config)
    (tmp_path / "a.jsonl").write_bytes(numbered(300, start=400))
    _, after, _ = build(store, config, "second")
    for split in SPLITS:
        assert ids(before, split) <= ids(after, split)


def test_pieces_of_one_work_never_span_splits(store: Store, tmp_path: Path) -> None:
    pieces = [
        {"id": f"book{book}#{piece}", "text": f"text {book} {piece}"}
        for book in range(60)
        for piece in range(3)
    ]
    (tmp_path / "a.jsonl").write_bytes(json_lines(*pieces))
    _, folder, _ = build(store, CorpusConfig(documents=(str(tmp_path / "a.jsonl"),)))
    works = [{name.partition("#")[0] for name in ids(folder, split)} for split in SPLITS]
    assert sum(map(len, works)) == len(set.union(*works)) == 60


def test_records_without_ids_are_spread_over_the_splits(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines(*({"text": f"text {i}"} for i in range(400))))
    figures, _, _ = build(store, CorpusConfig(documents=(str(tmp_path / "a.jsonl"),)))
    assert all(figures["documents"][split] > 5 for split in SPLITS)


def test_held_out_files_stay_whole_and_their_texts_leave_train(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_bytes(numbered(100))
    (tmp_path / "valid.jsonl").write_bytes(numbered(10, start=95))
    (tmp_path / "test.jsonl").write_bytes(numbered(10, start=200))
    config = CorpusConfig(
        documents=(str(tmp_path / "train.jsonl"),),
        valid_documents=(str(tmp_path / "valid.jsonl"),),
        test_documents=(str(tmp_path / "test.jsonl"),),
    )
    figures, folder, _ = build(store, config)
    assert figures["documents"] == {"train": 95, "valid": 10, "test": 10}
    assert figures["duplicates"] == 5
    assert {row["source"] for row in rows(folder, "valid")} == {"valid.jsonl"}


def test_an_empty_split_is_the_users_mistake(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(numbered(2) + b"bad\n")
    config = CorpusConfig(documents=(str(tmp_path / "a.jsonl"),), valid_fraction=0.01)
    expected = (
        r"config\.corpus\.valid_fraction: no document for valid: 3 records read, 2 kept, "
        r"1 rejected \(1 malformed JSON; the first: a.jsonl record 3: .*raise it"
    )
    with pytest.raises(UserError, match=expected):
        build(store, config)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"id\ttext\n"])
def test_an_empty_corpus_is_the_users_mistake(store: Store, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=r"config\.corpus\.documents: no document for train"):
        build(store, CorpusConfig(documents=(str(tmp_path / "a.jsonl"),)))


def test_a_missing_file_is_the_users_mistake(store: Store, tmp_path: Path) -> None:
    config = CorpusConfig(documents=("docstrings:stdlib",), valid_documents=("no/such.jsonl",))
    with pytest.raises(UserError, match=r"config\.corpus\.valid_documents\[0\]: 'no/such.jsonl'"):
        corpus_identity(config)


def test_documents_that_change_after_planning_are_not_published(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(numbered(300))
    config = CorpusConfig(documents=(str(path),))
    planned = corpus_identity(config)
    path.write_bytes(numbered(301))
    with pytest.raises(UserError, match="documents changed since the run was planned"):
        build(store, config, planned=planned)


def test_the_identity_holds_contents_and_no_path(messy: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "else"
    shutil.copytree(messy, moved)
    here, there = (
        corpus_identity(CorpusConfig(documents=(str(f / "*.gz"), str(f)))) for f in (messy, moved)
    )
    assert here == there
    assert str(tmp_path) not in str(here)
    (moved / "note.txt").write_text("edited")
    assert corpus_identity(CorpusConfig(documents=(str(moved),))) != here


def test_the_identity_follows_what_matters_and_nothing_else(messy: Path) -> None:
    held_out = (str(messy / "note.txt"),)
    entries = {"documents": (str(messy),), "test_documents": held_out}
    base = corpus_identity(CorpusConfig(**entries))
    assert corpus_identity(CorpusConfig(**entries, test_fraction=0.3)) == base, "it is not used"
    assert corpus_identity(CorpusConfig(**entries, valid_fraction=0.3)) != base
    assert corpus_identity(CorpusConfig(**entries, text_field="body")) != base
