"""Jobs in words: names of runs, titles of pages.

One place decides, so that the timeline, the log, the pages and the command speak alike.
"""

import re

from tasks.jobs.stage_catalogue import STAGES

_SUFFIXES = ("corpus", "tokens", "embeddings", "index", "targets", "scores", "model", "choices")
_ROLES = {
    "base": "base",
    "evaluated": "base",
    "knn_lm": "kNN-LM",
    "rag": "in-context retrieval",
    "dapt": "DAPT",
    "dapt_small": "DAPT of the student",
    "lora": "LoRA",
    "memory": "memory",
    "router": "base",
    "audit": "base",
    "latency": "base",
    "router_features": "base",
    "production": "the memory in production",
}
_DEFINITE = ("memory", "base_model", "student", "other_memory")
_NUMBERED = re.compile(r"(.*?)_?(\d+)")
_ELSEWHERE = re.compile(
    r"(.+?)_((?:base|knn_lm|dapt|lora|router_features)_\d+|dapt_small|production|memory.*)"
)


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
    suffix = next((each for each in _SUFFIXES if name.endswith(f"_{each}")), "")
    if name not in _DEFINITE:
        name = name.removesuffix(f"_{suffix}")
    if name not in _DEFINITE and (found := _ELSEWHERE.fullmatch(name)):
        return f"{_role(found[2])} on {found[1].replace('_', ' ')}"
    return _role(name)


def _role(name: str) -> str:
    numbered = _NUMBERED.fullmatch(name)
    if numbered and numbered[1] in _ROLES:
        base = f"base {int(numbered[2]) + 1}"
        role = _ROLES[numbered[1]]
        return base if role == "base" else f"{role} on {base}"
    if name.startswith("memory_beta_"):
        return f"the memory with β = {name.removeprefix('memory_beta_')}"
    if name.startswith("memory_"):
        return f"the memory of {name.removeprefix('memory_').replace('_', ' ')}"
    if name.startswith(("student_", "datastore_")):
        kind, _, model = name.partition("_")
        return f"{kind} {model.replace('_', ' ')}"
    if name in _DEFINITE:
        return f"the {name.replace('_', ' ')}"
    return _ROLES.get(name, name.replace("_", " "))
