"""A stage is a record and a module with its work: one from outside runs like those of pipelines."""

from pathlib import Path

import pytest

from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_catalogue import STAGES
from tasks.pages.stage_page import how_done, plain_title, stage_page
from tasks.stage_tasks import add_stage, task_of
from tests.services.toy_stage import LetterCountConfig, count_letters, plan_count
from tests.support.artifacts import publish

CORPUS = ArtifactRef(stage="corpus", fingerprint="ab" * 16)


def write_text(folder: Path) -> None:
    (folder / "text.txt").write_text("the court shall hear the court")


@pytest.mark.usefixtures("prefect_server")
def test_a_stage_from_outside_is_built_shard_by_shard_shown_and_reused(store: Store) -> None:
    corpus = publish(store, "corpus", {"all": (write_text, {})})
    job = plan_count(LetterCountConfig(letters="eh"), corpus)
    settings = RunSettings(store=store.url, workers=2)

    (built,) = count_letters(job, settings)
    assert (built["stage"], built["reused"]) == ("letter_count", False)
    manifest = store.require(job.ref)
    assert [shard.name for shard in manifest.shards] == ["e", "h"]
    assert manifest.figures == {"by_letter": {"e": 3, "h": 4}, "letters": 7, "characters": 30}

    page = stage_page(store, manifest, plain_title(manifest), how_done(manifest, reused=False))
    assert page.startswith("# Letters\n\nHow often a few letters are in the text of a corpus.")
    assert "`memdec plan PIPELINE.yaml`: what a changed letter would rebuild" in page

    (again,) = count_letters(job, settings)
    assert again["reused"]
    assert plan_count(LetterCountConfig(letters="e"), corpus).ref != job.ref


def test_its_runs_are_called_what_its_record_says() -> None:
    job = plan_count(LetterCountConfig(letters="e"), CORPUS)
    assert job.title == "Count the letters of toy"
    assert task_of(job).name == "toy_work"
    assert task_of(job).description == "Counts letters."


def test_two_stages_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="stage corpus: there is one already"):
        add_stage(STAGES["corpus"])
