"""Refuses what cannot work before hours are spent on it: too few rows, other tokenizers."""

from collections.abc import Sequence

from prefect import task

from memdec_core.errors import UserError
from memdec_core.models.models_config import BaseModelConfig
from memdec_core.targets.targets_config import TargetsConfig, check_k
from memdec_core.windows.windows import WindowConfig
from storage.store.artifact_store import Store
from tasks.identity.tokenizer_sharing import SharedVocabulary
from tasks.jobs.run_settings import RunSettings
from tasks.jobs.stage_figures import TokensFigures
from tasks.jobs.stage_job import StageJob
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
