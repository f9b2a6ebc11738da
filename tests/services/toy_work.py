"""What the stage of `tests.services.toy_stage` does in its workers."""

from storage.store.artifact_store import Store
from tasks.jobs.stage_figures import StageFigures
from tasks.jobs.stage_job import StageJob
from tasks.jobs.stage_work import Figures, ShardRun, StageWork
from tests.services.toy_stage import LetterCountConfig


class LetterFigures(StageFigures):
    """How often one letter was found in how much text."""

    count: int
    characters: int


def list_letters(job: StageJob, _store: Store) -> list[str]:
    """A shard for every letter."""
    return list(job.section(LetterCountConfig).letters)


def count_letter(run: ShardRun) -> Figures:
    """Counts one letter in the corpus's one file."""
    assert run.shard in run.config(LetterCountConfig).letters
    text = run.only("corpus").read("text.txt").decode()
    return LetterFigures(count=text.count(run.shard), characters=len(text)).model_dump()


def together(metas: dict[str, Figures]) -> Figures:
    """The counts by letter, and their sum."""
    counts = {letter: LetterFigures.model_validate(meta) for letter, meta in metas.items()}
    return {
        "by_letter": {letter: found.count for letter, found in counts.items()},
        "letters": sum(found.count for found in counts.values()),
        "characters": max(found.characters for found in counts.values()),
    }


WORK = StageWork(count_letter, list_letters, together)
