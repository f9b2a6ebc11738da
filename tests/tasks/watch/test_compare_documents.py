"""Changes between corpora, on the real series of updates, and from a look or a run."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from memdec_core.text.text_config import CorpusConfig
from storage.looks.corpus_looks import CorpusLook, write_seen
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import reading_identity
from tasks.inputs.finished_run import newest_built_corpus
from tasks.jobs.run_settings import RunSettings
from tasks.watch import compare_documents
from tasks.watch.compare_documents import NEVER_RUN, NO_NEW_TEXT, ChangeReport, report_changes
from tasks.watch.read_watched import read_watched_sources
from tasks.watch.watch_job import WatchJob
from tasks.watch.watched_listing import list_corpus
from tests.support.tiny_run import TinyRun
from tests.support.watched_pipeline import WatchedPipeline, copy_pipeline

UPDATES = Path("../shared/data/updates")


def ignore(_done: float, _note: str) -> None:
    """Takes no progress."""


def look_at(config: CorpusConfig, last: CorpusLook | None, store: Store, folder: Path) -> WatchJob:
    job = WatchJob("p", config, list_corpus(config), last, None, folder)
    read_watched_sources(job, store.url, ignore)
    return job


def look_of(job: WatchJob, store: Store) -> CorpusLook:
    seen = read_watched_sources(job, store.url, ignore)
    return CorpusLook(
        reading=reading_identity(job.corpus),
        sources=seen.sources,
        documents=write_seen(store, "p", job.documents),
        kept=0,
        fingerprint="",
    )


@pytest.mark.parametrize("series", ["biomed-synthetic", "law-canada"])
def test_real_updates_are_told_document_by_document(
    series: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = UPDATES / series
    if not folder.exists():
        pytest.skip(f"NOT TESTED: the real series of updates, which is not in {folder}")
    truth = json.loads((folder / "v1-to-v2.truth.json").read_text())
    current = tmp_path / "corpus" / "current.jsonl.gz"
    current.parent.mkdir()
    config = CorpusConfig(documents=(str(current),))
    shutil.copy(folder / "v1.jsonl.gz", current)
    last = look_of(look_at(config, None, store, tmp_path), store)
    shutil.copy(folder / "v2.jsonl.gz", current)
    job = look_at(config, last, store, tmp_path)
    monkeypatch.setattr(compare_documents, "EXAMPLES", 10**6)
    report = report_changes(job, "the last look", RunSettings(store=store.url), ignore)
    for kind in ("added", "edited", "removed"):
        assert report.examples[kind] == sorted(truth[kind]), kind
    pairs = [names.split(" → ") for names in report.examples["renamed"]]
    renamed = {old.partition(" (")[0]: new.partition(" (")[0] for old, new in pairs}
    assert sorted(renamed) == sorted(truth.get("renamed_same_text", []))
    before, after = (read(folder / f"{version}.jsonl.gz") for version in ("v1", "v2"))
    assert all(before[old] == after[new] for old, new in renamed.items())
    assert report.counts["added"].characters == sum(len(after[i]) for i in truth["added"])
    assert report.counts["edited"].characters == sum(len(after[i]) for i in truth["edited"])
    assert report.counts["removed"].characters == sum(len(before[i]) for i in truth["removed"])
    assert (report.drift, report.no_drift) == (None, NEVER_RUN)


def read(path: Path) -> dict[str, str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return {record["id"]: record["text"] for record in map(json.loads, lines)}


@pytest.fixture
def watched(tiny_run: TinyRun, tmp_path: Path) -> WatchedPipeline:
    return copy_pipeline(tiny_run, tmp_path)


def report_of(watched: WatchedPipeline, folder: Path) -> ChangeReport:
    """The first look at a pipeline that has run."""
    store = watched.store
    built = newest_built_corpus(store, "tiny")
    assert built is not None
    listing = list_corpus(watched.config.corpus)
    job = WatchJob("tiny", watched.config.corpus, listing, None, built, folder)
    read_watched_sources(job, store.url, ignore)
    return report_changes(job, "the newest run", watched.settings, ignore)


def test_what_a_run_was_built_from_has_not_changed(
    watched: WatchedPipeline, tmp_path: Path
) -> None:
    watched.edit(lambda records: [*records, records[3] | {"id": "an exact duplicate"}])
    report = report_of(watched, tmp_path)
    assert report.is_empty
    assert report.counts["unchanged"].documents == report.kept == 40
    assert (report.drift, report.no_drift) == (None, NO_NEW_TEXT)


def test_text_that_only_goes_or_is_renamed_has_no_drift(
    watched: WatchedPipeline, tmp_path: Path
) -> None:
    watched.edit(lambda records: [records[0] | {"id": "another"}, *records[2:]])
    report = report_of(watched, tmp_path)
    changed = {kind: count.documents for kind, count in report.counts.items()}
    assert changed == {"added": 0, "edited": 0, "removed": 1, "renamed": 1, "unchanged": 38}
    assert report.has_no_new_text
    assert report.drift is None
