"""Refuses models whose tokenizers differ, before hours are spent on them."""

from collections.abc import Sequence

from prefect import task

from memdec_core.base_model_config import BaseModelConfig
from memdec_core.errors import UserError
from memdec_core.model_loading import load_tokenizer
from memdec_core.tokenizer_match import explain_difference
from storage.artifact_store import Store
from tasks.run_settings import RunSettings
from tasks.stage_job import StageJob
from tasks.stage_run import TASK_OPTIONS
from tasks.supervised_process import Report, supervise


@task(task_run_name="compare tokenizers", **TASK_OPTIONS)
def check_tokenizers(models: Sequence[StageJob], settings: RunSettings) -> None:
    """Compares the first model's tokenizer with each of the others'.

    Args:
        models: Built base models: the datastore's model, then student and evaluated models.
        settings: Where the store is.

    Raises:
        UserError: Two tokenizers differ; the message says how.
    """
    supervise(compare_tokenizers, (list(models), settings.store), _ignore, settings.threads)


def compare_tokenizers(models: Sequence[StageJob], store_url: str, _report: Report) -> None:
    """The comparison itself, in a worker process."""
    store = Store.open(store_url)
    first, *others = models
    tokenizer = load_tokenizer(store.readers(first.ref)["all"].folder())
    for other in others:
        difference = explain_difference(
            tokenizer, load_tokenizer(store.readers(other.ref)["all"].folder())
        )
        if difference is not None:
            raise UserError(
                f"The tokenizers of {_name(first)} and {_name(other)} differ: {difference} "
                "A memory mixes probabilities token by token, so all models must share one "
                "tokenizer: give config.memory.init and config.evaluation.bases models that have "
                "the tokenizer of config.base_model. A memory of another tokenizer family can "
                "still be a start: give it as config.memory.from_memory."
            )


def _name(model: StageJob) -> str:
    config = BaseModelConfig.model_validate(model.config["base_model"])
    return str(model.ref) if config.name is None else f"{config.name} ({model.ref})"


def _ignore(_fraction: float, _note: str) -> None:
    """The comparison takes no time worth showing."""
