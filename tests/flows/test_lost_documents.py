"""A corpus of which records are lost: the command stops, or says so to its end."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.services.command_line import memdec, memdec_json

pytestmark = pytest.mark.slow


def test_garbage_stops_a_run_or_is_said_to_the_end(
    tiny_pipeline: Path, tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    documents = tiny_pipeline.parent / "domain.jsonl"
    documents.write_text(documents.read_text() + "garbage\n")
    store = ("--store", tmp_path / "store")
    arguments = ("run", tiny_pipeline, *store, "--until", "corpus")
    stopped = memdec(*arguments, env=prefect_environment)
    assert stopped.returncode == 2
    assert "domain.jsonl record 81: malformed JSON" in stopped.stderr
    assert "more than max_rejected (0.01)" in stopped.stderr

    allowed = ("--set", "corpus.max_rejected=0.05")
    said = memdec(*arguments, *allowed, env=prefect_environment)
    assert said.returncode == 0, said.stderr
    assert "Not all documents are in it: 1 of 81 records rejected (1 malformed JSON" in said.stdout
    again = memdec_json(*arguments, *allowed, env=prefect_environment)
    assert {stage["reused"] for stage in again["stages"]} == {True}, "the limit is no content"
    assert "1 of 81 records rejected" in again["rejected"][0]
    url = {PREFECT_API_URL: prefect_environment["PREFECT_API_URL"]}
    with temporary_settings(url), get_client(sync_client=True) as client:
        run = client.read_flow_run(again["flow_run_id"])
    assert run.state is not None
    assert "1 of 81 records rejected" in str(run.state.message)
