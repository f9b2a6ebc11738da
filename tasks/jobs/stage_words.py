"""Stages and jobs in words: names of runs, titles of pages, what an artifact is.

One place decides, so that the timeline, the log, the pages and the command speak alike.
"""

from typing import NamedTuple

from memdec_core.scoring.system_name import SystemName


class StageWords(NamedTuple):
    """One stage in words.

    Attributes:
        run: What its run is called, where `{of}` stands for the pipeline's name.
        noun: What its artifact is called.
        what: What its artifact is, in a sentence.
        other_run: The same of a further job of the stage, where `{of}` stands for what that is
            about; as `run` if empty, "… for …" in place of "… of …".
    """

    run: str
    noun: str
    what: str
    other_run: str = ""


WORDS = {
    "corpus": StageWords(
        "Read the documents of {of}",
        "Documents",
        "Every record is kept or listed in `rejects.parquet` with the reason. A hash of a "
        "document's id decides its split, so a growing corpus moves none.",
    ),
    "base_model": StageWords(
        "Prepare the base model of {of}",
        "Base model",
        "A frozen language model and its tokenizer: fetched, copied, or pretrained here.",
        "Prepare {of}",
    ),
    "student": StageWords(
        "Give the student of {of} the base's vocabulary",
        "Student",
        "A trained memory whose embeddings and head were made anew for the base's tokenizer.",
    ),
    "tokens": StageWords(
        "Tokenize the documents of {of}",
        "Tokens",
        "The documents in corpus order as one stream of token ids per split.",
    ),
    "embeddings": StageWords(
        "Embed the tokens of {of}",
        "Datastore",
        "For every position the key that the base model had for it, and the token that followed.",
    ),
    "index": StageWords(
        "Index the datastore of {of}",
        "Index",
        "Finds the nearest keys; it is only sealed once its recall against exact search suffices.",
    ),
    "targets": StageWords(
        "Find the neighbours of all positions of {of}",
        "kNN targets",
        "What the nearest neighbours of a position say about its next token: the distribution "
        "that the memory learns to give, compared with exact search on a sample.",
    ),
    "memory": StageWords(
        "Train the memory of {of}",
        "Memory",
        "A small model that imitates the retriever; the weights with the best validation loss.",
        "Train {of}",
    ),
    "scores": StageWords(
        "Score the text of {of}",
        "Scores",
        "The probability that a system gave each token of the validation and test splits.",
        "Score {of}",
    ),
    "evaluation": StageWords(
        "Measure what the memory of {of} gains",
        "Evaluation",
        "Base against base + memory on exactly the same tokens; weights tuned on `valid` alone.",
    ),
    "report": StageWords("Write the report on {of}", "Report", "The run on one page."),
    "promotion_gate": StageWords(
        "Judge the new memory of {of}",
        "Promotion gate",
        "Whether a finished build is at least as good as what is in production.",
    ),
    "adapted_model": StageWords(
        "Adapt the base to {of}",
        "Adapted model",
        "What one would do without a memory: the base's own weights trained on the domain.",
        "Train {of}",
    ),
    "choice_scores": StageWords(
        "Answer the downstream tasks of {of}",
        "Answers to downstream tasks",
        "The probability of every choice of every question, as one system sees it.",
        "Answer the downstream tasks with {of}",
    ),
    "latency": StageWords(
        "Time all systems of {of}",
        "Latency",
        "Time per token and memory of every system, interleaved on one machine.",
    ),
    "memorisation_audit": StageWords(
        "Count what was learnt by heart of {of}",
        "Memorisation audit",
        "How much training text greedy decoding gives back word for word; unseen text as control.",
        "Count what was learnt by heart, {of}",
    ),
    "router_features": StageWords(
        "Read the predictions of base and memory of {of}",
        "Router features",
        "Nine figures per position on what base and memory predict there.",
        "Read the predictions of the memory and {of}",
    ),
    "alpha_router": StageWords(
        "Fit the router of α for {of}",
        "Router of α",
        "A small network that chooses the memory's weight anew for every token.",
    ),
    "comparison": StageWords(
        "Compare all systems on {of}", "Comparison", "All systems on exactly the same tokens."
    ),
    "domains": StageWords(
        "Join the comparisons of {of}", "Domains", "Comparisons of several corpora on one page."
    ),
}

_SUFFIXES = ("corpus", "tokens", "embeddings", "index", "targets", "scores", "model", "choices")
_MODELS = ("base_model", "student", "other_memory")


def run_title(stage: str, name: str, pipeline: str) -> str:
    """What a job's run is called: a sentence without its full stop.

    Args:
        stage: Of the artifact.
        name: The job's own name in the pipeline (`tokens`, `base_model_corpus`, `knn_lm_0_scores`).
        pipeline: The pipeline's name.
    """
    if stage not in WORDS:
        return f"{stage.replace('_', ' ').capitalize()} of {pipeline}"
    words = WORDS[stage]
    if name == stage:
        return words.run.format(of=pipeline)
    other = words.other_run or words.run.replace(" of {of}", " for {of}")
    return other.format(of=_about(name))


def page_title(stage: str, name: str, pipeline: str) -> str:
    """The heading of an artifact's page: `Scores of law: the memory`."""
    noun = WORDS[stage].noun if stage in WORDS else stage.replace("_", " ").capitalize()
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
