"""`memdec watch`, on a pipeline that has run."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.services.command_line import memdec, memdec_json
from tests.support.tiny_run import TinyRun
from tests.support.watched_pipeline import copy_pipeline

KINDS = {"added", "edited", "removed", "renamed", "unchanged", "rejected"}


@pytest.mark.slow
def test_the_command_tells_people_and_programs_what_changed(
    tiny_run: TinyRun, tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    watched = copy_pipeline(tiny_run, tmp_path)
    options = (
        tiny_run.pipeline, "--store", tmp_path / "store", "--set", "watch.quiet_seconds=0",
        "--set", f"corpus.documents=[{watched.documents}]",
    )  # fmt: skip
    first = memdec_json("watch", *options, env=prefect_environment)
    assert first.keys() == {
        "pipeline", "changed", "announced", "held", "documents", "tokens_added", "drift",
    }  # fmt: skip
    assert first["documents"].keys() == KINDS
    assert (first["pipeline"], first["changed"], first["announced"]) == ("tiny", False, False)
    watched.edit(lambda records: [*records[1:], {"id": "new", "text": "a new document"}, {}])
    done = memdec("watch", *options, env=prefect_environment)
    assert done.returncode == 0, done.stderr
    counts = "1 documents added, 0 edited, 1 removed, 0 renamed, 39 unchanged"
    assert done.stdout.startswith(f"Since the last look: {counts} (")
    assert "`memdec.corpus.updated` is announced" in done.stdout
    assert "base perplexity new" in done.stdout


def test_documents_that_are_not_there_are_the_users_mistake(
    tiny_pipeline: Path, tmp_path: Path, prefect_environment: Mapping[str, str]
) -> None:
    (tiny_pipeline.parent / "domain.jsonl").unlink()
    done = memdec("watch", tiny_pipeline, "--store", tmp_path / "s", env=prefect_environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "config.corpus.documents[0]" in done.stderr
