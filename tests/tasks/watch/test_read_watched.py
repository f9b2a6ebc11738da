"""What a look reads: changed sources alone, every record counted, nothing twice."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

from memdec_core.text.text_config import CorpusConfig
from storage.documents.document_sources import Source
from storage.looks.corpus_looks import CorpusLook, write_seen
from storage.looks.document_table import distinct_documents, parse_table
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import reading_identity
from tasks.watch import read_watched
from tasks.watch.read_watched import ReadSources, read_watched_sources
from tasks.watch.watch_job import WatchJob
from tasks.watch.watched_listing import list_corpus


def write(path: Path, texts: dict[str, str]) -> None:
    path.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in texts.items()))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write(folder / f"{name}.jsonl", {f"{name}{n}": f"text {name} {n}" for n in range(9)})
    return folder


class Looks:
    """One look after another, as the flow makes them."""

    def __init__(self, corpus: Path, store: Store, folder: Path) -> None:
        self.config = CorpusConfig(documents=(str(corpus),))
        self.last: CorpusLook | None = None
        self._store = store
        self._folder = folder

    def look(self) -> ReadSources:
        job = WatchJob("p", self.config, list_corpus(self.config), self.last, None, self._folder)
        seen = read_watched_sources(job, self._store.url, lambda _done, _note: None)
        self.rows = parse_table(job.documents, "")
        self.last = CorpusLook(
            reading=reading_identity(self.config),
            sources=seen.sources,
            documents=write_seen(self._store, "p", job.documents),
            kept=0,
            fingerprint="",
        )
        return seen

    def texts(self) -> set[tuple[str, int]]:
        return set(zip(self.rows["doc_id"], self.rows["source"], strict=True))


@pytest.fixture
def looks(corpus: Path, store: Store, tmp_path: Path) -> Looks:
    return Looks(corpus, store, tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of all sources whose content is touched, for a digest or for documents."""
    names: list[str] = []

    def noting(function: Callable[..., object]) -> Callable[..., object]:
        def call(source: Source, *arguments: object) -> object:
            names.append(f"{function.__name__} {source.name}")
            return function(source, *arguments)

        return call

    for name in ("source_digest", "read_source"):
        monkeypatch.setattr(read_watched, name, noting(getattr(read_watched, name)))
    return names


def test_the_first_look_reads_everything_and_the_second_nothing(
    looks: Looks, opened: list[str]
) -> None:
    first = looks.look()
    assert first.read == first.digested == ("a.jsonl", "b.jsonl", "c.jsonl")
    rows = looks.rows
    opened.clear()
    second = looks.look()
    assert (second.read, second.digested, opened) == ((), (), [])
    assert looks.rows.equals(rows)


def test_a_file_that_was_touched_is_hashed_and_not_read(
    looks: Looks, opened: list[str], corpus: Path
) -> None:
    looks.look()
    opened.clear()
    os.utime(corpus / "b.jsonl", (1, 1))
    seen = looks.look()
    assert (seen.digested, seen.read) == (("b.jsonl",), ())
    assert opened == ["source_digest b.jsonl"]
    opened.clear()
    looks.look()
    assert opened == [], "the new stamp was noted"


def test_only_a_changed_file_is_read_and_the_rows_are_those_of_a_first_look(
    looks: Looks, opened: list[str], corpus: Path, store: Store, tmp_path: Path
) -> None:
    looks.look()
    opened.clear()
    write(corpus / "b.jsonl", {"b0": "text b 0", "new": "a new text"})
    (corpus / "c.jsonl").unlink()
    write(corpus / "0.jsonl", {"zero": "in front of all"})
    seen = looks.look()
    assert seen.read == ("0.jsonl", "b.jsonl")
    touched = {line.split()[1] for line in opened}
    assert touched == {"0.jsonl", "b.jsonl"}
    fresh = Looks(corpus, store, tmp_path)
    fresh.look()
    assert looks.rows.equals(fresh.rows)
    assert looks.texts() >= {("zero", 0), ("a0", 1), ("new", 2)}


def test_another_way_of_reading_reads_everything_again(looks: Looks, opened: list[str]) -> None:
    looks.look()
    looks.config = looks.config.model_copy(update={"test_fraction": 0.3})
    assert len(looks.look().read) == 3


def test_what_is_no_document_is_counted_and_ends_nothing(looks: Looks, corpus: Path) -> None:
    (corpus / "b.jsonl").write_text('{"id": "1", "text": "sound"}\n{"id": "2", "te')
    (corpus / "c.jsonl.gz").write_bytes(b"\x1f\x8b\x08 cut off")
    seen = {source.name: source for source in looks.look().sources}
    assert (seen["a.jsonl"].rejected, seen["a.jsonl"].first_reject) == (0, None)
    assert seen["b.jsonl"].rejected == 1
    assert "b.jsonl record 2: malformed JSON" in (seen["b.jsonl"].first_reject or "")
    assert seen["c.jsonl.gz"].rejected == 1
    assert "c.jsonl.gz: damaged file: gzip" in (seen["c.jsonl.gz"].first_reject or "")
    assert len(distinct_documents(looks.rows)) == 9 + 1 + 9
    opened_again = looks.look()
    assert opened_again.read == ()
    assert {source.name: source for source in opened_again.sources} == seen


def test_data_sets_and_packages_are_watched_like_files(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = datasets.Dataset.from_dict({"id": ["1", "2"], "text": ["one text", "two texts"]})
    rows.save_to_disk(tmp_path / "saved")
    package = tmp_path / "documented_package"
    package.mkdir()
    (package / "__init__.py").write_text(f'"""{"Documentation of it. " * 20}"""')
    monkeypatch.syspath_prepend(tmp_path)
    looks = Looks(tmp_path, store, tmp_path)
    entries = (f"datasets:{tmp_path / 'saved'}", "docstrings:documented_package")
    looks.config = CorpusConfig(documents=entries)
    assert looks.look().read == ("datasets:saved", "docstrings:documented_package")
    before = looks.texts()
    assert {doc_id for doc_id, _ in before} == {
        "1",
        "2",
        "docstrings/documented_package/__init__.py",
    }
    assert looks.look().digested == (), "reading a data set leaves its folder alone"
    (package / "more.py").write_text(f'"""{"Documentation of more. " * 20}"""')
    seen = looks.look()
    assert seen.read == seen.digested == ("docstrings:documented_package",)
    assert looks.texts() - before == {("docstrings/documented_package/more.py", 1)}
