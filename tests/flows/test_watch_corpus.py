"""Looks at a corpus on a real server: what is announced, when, and what is left alone."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events.schemas.events import ReceivedEvent

from flows.planning.plan import plan_pipeline
from flows.running import watch_conclusion
from flows.watch_corpus import watch_corpus
from storage.looks.corpus_looks import last_look, record_look
from storage.store.run_history import read_history, record_run
from tasks.watch import announce_update
from tests.services.published import events_of, newest_page
from tests.support.tiny_run import TinyRun
from tests.support.watched_pipeline import Record, WatchedPipeline, copy_pipeline

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def watched(tiny_run: TinyRun, tmp_path: Path) -> WatchedPipeline:
    """A pipeline that has run, with a name of its own, since all tests share one server."""
    pipeline = copy_pipeline(tiny_run, tmp_path, f"name=w{uuid4().hex}")
    (run,) = read_history(pipeline.store, "tiny", last=1)
    record_run(pipeline.store, pipeline.config.name, None, run.artifacts)
    return pipeline


def look(watched: WatchedPipeline) -> State[Any]:
    return watch_corpus(watched.config, watched.settings, return_state=True)


def updates_of(watched: WatchedPipeline) -> list[ReceivedEvent]:
    with get_client(sync_client=True) as client:
        return events_of(client, "memdec.corpus.updated", watched.config.name)


def page_of(watched: WatchedPipeline) -> str:
    with get_client(sync_client=True) as client:
        return newest_page(client, f"{watched.config.name}-corpus-changes")


def edit_first(records: list[Record]) -> list[Record]:
    return [records[0] | {"text": records[0]["text"] + " An entirely new end."}, *records[1:]]


def fingerprint_of(watched: WatchedPipeline) -> str:
    return plan_pipeline(watched.config).stages["corpus"][0].ref.fingerprint


def test_an_edited_document_is_announced_once_with_figures_and_a_page(
    watched: WatchedPipeline,
) -> None:
    assert look(watched).result()["documents"]["unchanged"] == 40
    unchanged = look(watched)
    assert (unchanged.name, unchanged.is_completed()) == ("Unchanged", True)
    assert str(unchanged.message).startswith("Nothing changed in the documents")
    assert updates_of(watched) == []
    watched.edit(edit_first)
    result = look(watched).result()
    assert (result["changed"], result["announced"]) == (True, True)
    assert result["documents"] == {
        "added": 0, "edited": 1, "removed": 0, "renamed": 0, "unchanged": 39, "rejected": 0,
    }  # fmt: skip
    assert result["tokens_added"] > 0
    assert result["drift"]["base_perplexity_new"] > 1
    (event,) = updates_of(watched)
    assert event.resource.name == watched.config.name
    assert event.payload["fingerprint"] == fingerprint_of(watched)
    assert event.payload["documents"]["edited"] == 1
    first, *_ = watched.documents.read_text().splitlines()
    assert event.payload["characters"]["edited"] == len(json.loads(first)["text"])
    assert event.payload["drift"] == result["drift"]
    assert any(str(related.id).startswith("prefect.flow-run.") for related in event.related)
    page = page_of(watched)
    assert "doc/1/0" in page
    assert "memdec.corpus.updated" in page
    assert "data:image/png;base64" in page
    assert look(watched).result()["changed"] is False
    assert len(updates_of(watched)) == 1


def test_what_is_not_recorded_is_announced_again_and_what_is_not_built_a_day_later(
    watched: WatchedPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.edit(edit_first)

    def crash(*_arguments: object) -> None:
        raise OSError("killed between the event and the record")

    with monkeypatch.context() as patched:
        patched.setattr(watch_conclusion, "record_look", crash)
        assert look(watched).is_failed()
    assert len(updates_of(watched)) == 1
    with monkeypatch.context() as patched:
        patched.setattr(announce_update, "_is_stored", lambda _id: False)
        state = look(watched)
        with pytest.raises(announce_update.NotAnnounced, match="the next look"):
            state.result()
    assert look(watched).result()["announced"]
    announced = len(updates_of(watched))
    assert announced >= 2
    assert not look(watched).result()["announced"]
    last = last_look(watched.store, watched.config.name)
    assert last is not None
    yesterday = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    record_look(
        watched.store, watched.config.name, last.model_copy(update={"announced": yesterday})
    )
    again = look(watched).result()
    assert (again["announced"], again["documents"]["edited"]) == (True, 1)
    assert not look(watched).result()["announced"]
    assert len(updates_of(watched)) == announced + 1


def test_documents_that_are_as_the_newest_run_found_them_are_not_announced(
    watched: WatchedPipeline,
) -> None:
    original = watched.documents.read_text()
    watched.edit(lambda records: records[1:])
    assert look(watched).result()["announced"]
    watched.documents.write_text(original)
    state = look(watched)
    result = state.result()
    assert (result["changed"], result["announced"]) == (True, False)
    assert result["documents"]["added"] == 1
    assert "The newest run was built from these documents" in str(state.message)
    watched.documents.write_text(original + "\n\n")
    state = look(watched)
    assert state.result()["changed"] is False, "no document is another"
    assert "1 sources were hashed and 1 read" in str(state.message)
    assert len(updates_of(watched)) == 1


def with_quiet(watched: WatchedPipeline, seconds: float) -> WatchedPipeline:
    watch = watched.config.watch.model_copy(update={"quiet_seconds": seconds})
    return watched._replace(config=watched.config.model_copy(update={"watch": watch}))


def test_a_burst_is_one_announcement_and_endless_writing_none(watched: WatchedPipeline) -> None:
    look(watched)

    def write_ten() -> None:
        for number in range(10):
            time.sleep(0.05)
            new = {"id": f"n{number}", "text": f"the new text {number}"}
            watched.edit(lambda records, new=new: [*records, new])

    writer = threading.Thread(target=write_ten)
    watched.edit(edit_first)
    writer.start()
    result = look(with_quiet(watched, 2.0)).result()
    writer.join()
    assert (result["documents"]["added"], result["documents"]["edited"]) == (10, 1)
    before = last_look(watched.store, watched.config.name)
    stop = threading.Event()

    def write_on() -> None:
        while not stop.wait(0.01):
            watched.documents.touch()

    writer = threading.Thread(target=write_on)
    watched.edit(lambda records: records[1:])
    writer.start()
    state = look(with_quiet(watched, 1.0))
    stop.set()
    writer.join()
    assert state.name == "Unchanged"
    assert "keep changing" in str(state.message)
    assert last_look(watched.store, watched.config.name) == before
    assert len(updates_of(watched)) == 1


def test_a_pipeline_that_never_ran_is_announced_and_nobody_is_told_where_nobody_listens(
    watched: WatchedPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = watched.settings.model_copy(update={"store": str(tmp_path / "empty")})
    watched = watched._replace(settings=settings)
    with monkeypatch.context() as patched:
        patched.setattr(watch_conclusion, "someone_listens", lambda: False)
        state = look(watched)
    assert (state.result()["changed"], state.result()["announced"]) == (True, False)
    assert "no Prefect server is configured" in str(state.message)
    assert updates_of(watched) == []
    result = look(watched).result()
    assert (result["changed"], result["announced"]) == (True, True)
    assert result["documents"]["added"] == 40
    assert (result["tokens_added"], result["drift"]) == (None, {})
    assert "The pipeline has never run" in page_of(watched)
    assert look(watched).result()["changed"] is False
    (event,) = updates_of(watched)
    assert event.payload["fingerprint"] == fingerprint_of(watched)


def test_a_corpus_that_shrinks_too_much_is_held_until_somebody_confirms_it(
    watched: WatchedPipeline,
) -> None:
    look(watched)
    before = watched.documents.read_text()
    watched.edit(lambda records: records[:31])
    for _ in range(2):  # it is not what the next look compares with
        state = look(watched)
        assert state.name == "Held"
        assert state.result()["held"]
        assert state.result()["documents"]["removed"] == 9
        assert "watch.max_removed" in str(state.message)
        assert "`memdec watch PIPELINE.yaml --confirm`" in page_of(watched)
    assert updates_of(watched) == []
    watched.documents.write_text(before)
    assert look(watched).name == "Unchanged", "they came back"

    watched.edit(lambda records: records[:31])
    state = watch_corpus(watched.config, watched.settings, confirm=True, return_state=True)
    assert state.result()["announced"]
    (event,) = updates_of(watched)
    assert event.payload["documents"]["removed"] == 9
    watched.edit(lambda records: records[:25])
    assert look(watched).result()["announced"], "a fifth and less is a change like any other"
