"""Refuses what cannot work before hours are spent on it: lost documents, other tokenizers."""

from collections import Counter
from collections.abc import Sequence

from prefect import task

from memdec_core.errors import UserError
from memdec_core.models.models_config import BaseModelConfig
from memdec_core.targets.targets_config import TargetsConfig, check_k
from memdec_core.text.text_config import CorpusConfig
from memdec_core.windows.windows import WindowConfig
from storage.documents.document_files import passed_over
from storage.documents.document_formats import SUFFIXES
from storage.store.artifact_store import Store
from tasks.identity.corpus_identity import ENTRY_FIELDS, source_errors
from tasks.identity.tokenizer_sharing import SharedVocabulary
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_figures import TokensFigures
from tasks.jobs.stage_job import StageJob
from tasks.pages.reject_words import corpus_rejects
from tasks.running.stage_run import TASK_OPTIONS
from tasks.running.supervised_process import Report, supervise


def check_neighbours(embeddings: StageJob, targets: StageJob, store: Store) -> None:
    """Compares k with the rows that the datastore will have, which the tokens decide.

    Args:
        embeddings: Planned; its tokens are built.
        targets: Planned.
        store: Where the tokens are.

    Raises:
        UserError: `config.targets.k` exceeds the datastore.
    """
    windows = embeddings.section(WindowConfig)
    train = TokensFigures.of(store.require(embeddings.inputs["tokens"])).train
    config = targets.section(TargetsConfig)
    check_k(config.k, train.positions if windows.scope == "document" else train.tokens - 1)


def check_rejects(corpus: StageJob, store: Store) -> list[str]:
    """Compares what a built corpus lacks with what it may lack.

    Args:
        corpus: Its job.
        store: Where it is.

    Returns:
        What was rejected and which files were passed over, a sentence each; empty if nothing was.

    Raises:
        UserError: A file is damaged, more records were rejected than `max_rejected` allows, or a
            folder of the documents cannot be read.
    """
    config = corpus.section(CorpusConfig)
    rejects = corpus_rejects(store, corpus.ref)
    if rejects.damaged and config.damaged == "stop":
        raise UserError(
            f"{corpus.title}: a file cannot be read to its end: {rejects.damaged}. Mend it, get it "
            "again, take it out of the corpus, or keep what is before the damage with `damaged: "
            "keep` in its corpus section; then run again"
        )
    if rejects.share > config.max_rejected:
        raise UserError(
            f"{corpus.title}: {rejects.said}. That is more than max_rejected "
            f"({config.max_rejected:g}) of its corpus section allows: mend the documents, or raise "
            "it; then run again"
        )
    return [said for said in (rejects.said, _passed_over(config)) if said]


def _passed_over(config: CorpusConfig) -> str:
    """Counts the files in folders of documents that are not read; empty if there are none."""
    counts: Counter[str] = Counter()
    with source_errors():
        for field in ENTRY_FIELDS.values():
            for entry in getattr(config, field):
                counts += passed_over(entry)
    if not counts:
        return ""
    kinds = ", ".join(f"{n:,} {ending or 'without ending'}" for ending, n in counts.most_common())
    files = "file" if counts.total() == 1 else "files"
    return f"{counts.total():,} {files} passed over ({kinds}); read are {', '.join(SUFFIXES)}"


@task(task_run_name="Compare the tokenizers of all models", **TASK_OPTIONS)
def check_tokenizers(
    models: Sequence[StageJob], planned: SharedVocabulary | None, settings: RunSettings
) -> None:
    """Compares the first model's tokenizer with each of the others'.

    Args:
        models: Built base models: the datastore's model, then student and evaluated models.
        planned: What the plan takes them to share.
        settings: Where the store is.

    Raises:
        UserError: Two tokenizers are incompatible; the message says how. Or they share other ids
            than was planned.
    """
    job = (list(models), planned, settings.store)
    supervise(compare_models, job, _ignore, settings.threads)


def compare_models(
    models: Sequence[StageJob],
    planned: SharedVocabulary | None,
    store_url: str,
    _report: Report,
) -> None:
    """The comparison itself, in a worker process: reading tokenizers imports PyTorch."""
    from memdec_core.text.tokenizer_compatibility import compare_tokenizers
    from memdec_core.text.tokenizer_loading import load_tokenizer
    from memdec_core.text.tokenizer_match import real_vocab_size
    from tasks.identity.tokenizer_sharing import cut_at

    store = Store.open(store_url)
    tokenizers = {model.ref: load_tokenizer(store.only(model.ref).folder()) for model in models}
    first, *others = models
    size = real_vocab_size(tokenizers[first.ref])
    for other in others:
        found = compare_tokenizers(tokenizers[first.ref], tokenizers[other.ref])
        if found.difference is not None:
            raise UserError(
                f"The tokenizers of {_name(first)} and {_name(other)} differ: {found.difference} "
                "A memory mixes probabilities token by token, so all models must share one "
                "tokenizer: give config.memory.init and config.evaluation.bases models that have "
                "the tokenizer of config.base_model. A memory of another tokenizer family can "
                "still be a start: give it as config.memory.from_memory."
            )
        size = min(size, found.shared_vocab_size)
    if cut_at(size, tokenizers) != planned:
        raise UserError(
            f"The models share the first {size:,} ids of their tokenizers, which could not be "
            "known when the run was planned: a model was yet to be pretrained, or the hub could "
            "not be reached. Run again with a connection, or give the models as local folders "
            "(`memdec artifacts show base_model/…` ends with a pretrained model's)."
        )


def _name(model: StageJob) -> str:
    config = model.section(BaseModelConfig)
    return str(model.ref) if config.name is None else f"{config.name} ({model.ref})"


def _ignore(_fraction: float, _note: str) -> None:
    """The comparison takes no time worth showing."""
