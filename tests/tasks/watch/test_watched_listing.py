"""Listing a corpus, and waiting until nothing writes to it."""

import threading
import time
from pathlib import Path

import pytest

from memdec_core.errors import UserError
from memdec_core.text.text_config import CorpusConfig
from tasks.identity.corpus_identity import corpus_sources
from tasks.watch.watched_listing import QuietWait, list_corpus


@pytest.fixture
def config(tmp_path: Path) -> CorpusConfig:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text('{"id": "1", "text": "x"}\n')
    (tmp_path / "test.txt").write_text("test")
    return CorpusConfig(
        documents=(str(tmp_path / "*.jsonl"),), test_documents=(str(tmp_path / "test.txt"),)
    )


def test_sources_are_listed_in_the_order_in_which_the_corpus_reads_them(
    config: CorpusConfig,
) -> None:
    listing = list_corpus(config)
    names = [(listed.role, listed.source.name) for listed in listing]
    assert names == [("test", "test.txt"), ("train", "a.jsonl"), ("train", "b.jsonl")]
    assert {listed.source for listed in listing} == {
        source for sources in corpus_sources(config).values() for source in sources
    }
    assert list_corpus(config) == listing


def test_an_entry_that_names_nothing_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.corpus\.documents\[0\]"):
        list_corpus(CorpusConfig(documents=(str(tmp_path / "absent"),)))


def test_a_burst_is_waited_for_to_its_end(config: CorpusConfig, tmp_path: Path) -> None:
    writes, quiet, pause = 10, 2.0, 0.05  # a busy machine makes pauses longer
    path = tmp_path / "a.jsonl"
    last_write = 0.0

    def burst() -> None:
        nonlocal last_write
        for number in range(writes):
            time.sleep(pause)
            path.write_text("x" * number)
            last_write = time.monotonic()

    writer = threading.Thread(target=burst)
    started = time.monotonic()
    writer.start()
    settled = QuietWait(lambda: list_corpus(config), quiet).settled()
    waited = time.monotonic()
    writer.join()
    assert settled == list_corpus(config)
    assert waited - last_write >= quiet * 0.8
    assert waited - started >= writes * pause + quiet * 0.8


def test_a_corpus_that_never_settles_is_given_up_after_ten_times_as_long(
    config: CorpusConfig, tmp_path: Path
) -> None:
    count = 0

    def restless() -> tuple[object, ...]:
        nonlocal count
        count += 1
        return (count,)

    started = time.monotonic()
    wait = QuietWait(restless, 0.1)  # type: ignore[arg-type]
    assert wait.settled() is None
    assert 0.9 < time.monotonic() - started < 60
    assert wait.is_over()


def test_without_quiet_nothing_is_waited_for(config: CorpusConfig) -> None:
    started = time.monotonic()
    assert QuietWait(lambda: list_corpus(config), 0.0).settled() == list_corpus(config)
    assert time.monotonic() - started < 30
