"""Refuses models whose tokenizers differ, before hours are spent on them."""

from collections.abc import Sequence

from prefect import task

from memdec_core.errors import UserError
from memdec_core.model_loading import load_tokenizer
from memdec_core.tokenizer_match import explain_difference
from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from tasks.run_settings import RunSettings
from tasks.stage_run import TASK_OPTIONS
from tasks.supervised_process import Report, supervise


@task(task_run_name="compare tokenizers", **TASK_OPTIONS)
def check_tokenizers(models: Sequence[ArtifactRef], settings: RunSettings) -> None:
    """Compares the first model's tokenizer with each of the others'.

    Args:
        models: Base model artifacts: the datastore's model, then student and evaluated models.
        settings: Where the store is.

    Raises:
        UserError: Two tokenizers differ; the message says how.
    """
    supervise(compare_tokenizers, (list(models), settings.store), _ignore, settings.threads)


def compare_tokenizers(models: Sequence[ArtifactRef], store_url: str, _report: Report) -> None:
    """The comparison itself, in a worker process."""
    store = Store.open(store_url)
    first, *others = models
    tokenizer = load_tokenizer(store.readers(first)["all"].folder())
    for other in others:
        difference = explain_difference(
            tokenizer, load_tokenizer(store.readers(other)["all"].folder())
        )
        if difference is not None:
            raise UserError(
                f"The tokenizers of {first} and {other} differ: {difference} "
                "A memory mixes probabilities token by token, so the base model, the memory's "
                "initial model (memory.init) and every evaluated model must share one tokenizer."
            )


def _ignore(_fraction: float, _note: str) -> None:
    """The comparison takes no time worth showing."""
