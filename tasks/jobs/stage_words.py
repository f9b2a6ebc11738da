"""Jobs in words: names of runs, titles of pages.

One place decides, so that the timeline, the log, the pages and the command speak alike.
"""

from memdec_core.scoring.system_name import SystemName
from tasks.jobs.stage_catalogue import STAGES

_SUFFIXES = ("corpus", "tokens", "embeddings", "index", "targets", "scores", "model", "choices")
_MODELS = ("base_model", "student", "other_memory")


def run_title(stage: str, name: str, pipeline: str) -> str:
    """What a job's run is called: a sentence without its full stop.

    Args:
        stage: Of the artifact.
        name: The job's own name in the pipeline (`tokens`, `base_model_corpus`, `knn_lm_0_scores`).
        pipeline: The pipeline's name.
    """
    if stage not in STAGES:
        return f"{stage.replace('_', ' ').capitalize()} of {pipeline}"
    record = STAGES[stage]
    if name == stage:
        return record.run.format(of=pipeline)
    other = record.other_run or record.run.replace(" of {of}", " for {of}")
    return other.format(of=_about(name))


def page_title(stage: str, name: str, pipeline: str) -> str:
    """The heading of an artifact's page: `Scores of law: the memory`."""
    noun = STAGES[stage].noun if stage in STAGES else stage.replace("_", " ").capitalize()
    about = "" if name == stage else f": {_about(name)}"
    return f"{noun} of {pipeline}{about}"


def _about(name: str) -> str:
    """What a job of its own name is about: `knn_lm_0_scores` is about `kNN-LM on base 1`."""
    if name not in _MODELS:
        suffix = next((each for each in _SUFFIXES if name.endswith(f"_{each}")), "")
        name = name.removesuffix(f"_{suffix}")
    if name in _MODELS:
        return f"the {name.replace('_', ' ')}"
    found = SystemName.of_job(name)
    return found.title if found else name.replace("_", " ")
