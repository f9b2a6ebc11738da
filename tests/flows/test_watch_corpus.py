"""Looks at a corpus on a real server: what is announced, when, and what is left alone."""

from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.events.schemas.events import ReceivedEvent

from flows.plan import plan_pipeline
from flows.watch_corpus import watch_corpus
from storage.refs import record_run
from tests.tiny_run import TinyRun
from tests.watched_pipeline import Record, WatchedPipeline, copy_pipeline

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def watched(tiny_run: TinyRun, tmp_path: Path) -> WatchedPipeline:
    """A pipeline of its own name, since the events of all tests are on one server."""
    pipeline = copy_pipeline(tiny_run, tmp_path, f"name=w{abs(hash(str(tmp_path)))}")
    (run,) = _history(pipeline, "tiny")
    record_run(pipeline.store, pipeline.config.name, None, run.artifacts)
    return pipeline


def _history(pipeline: WatchedPipeline, name: str) -> list[Any]:
    from storage.refs import read_history

    return read_history(pipeline.store, name, last=1)


def look(watched: WatchedPipeline) -> State[Any]:
    return watch_corpus(watched.config, watched.settings, return_state=True)


def events_of(watched: WatchedPipeline) -> list[ReceivedEvent]:
    wanted = EventFilter(
        event=EventNameFilter(name=["memdec.corpus.updated"]),
        resource=EventResourceFilter(id=[f"memdec.pipeline.{watched.config.name}"]),
    )
    with get_client(sync_client=True) as client:
        return client.read_events(wanted).events


def edit_one(records: list[Record]) -> list[Record]:
    return [records[0] | {"text": records[0]["text"] + " An entirely new sentence."}, *records[1:]]


def test_an_edited_document_is_announced_once_with_figures(watched: WatchedPipeline) -> None:
    first = look(watched)
    assert first.result()["changed"] is False, first.message
    assert look(watched).message.startswith("Nothing changed in the documents")
    watched.edit(edit_one)
    state = look(watched)
    result = state.result()
    print(state.message, result)
    assert (result["changed"], result["announced"]) == (True, True)
    assert result["documents"]["edited"] == 1
    (event,) = events_of(watched)
    assert event.payload["fingerprint"] == plan_pipeline(watched.config).corpora[0].ref.fingerprint
    assert look(watched).result()["changed"] is False
    assert len(events_of(watched)) == 1
