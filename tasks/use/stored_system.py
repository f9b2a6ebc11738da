"""Opens what a finished pipeline compares: a base model alone, or with its memory.

What belongs to it is read from the store: the newest finished run of the pipeline ends with an
evaluation, which names the memory, the bases and the α it tuned.
"""

from typing import Literal

from pydantic import BaseModel, Field
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import MixtureLM
from memdec_core.models.model_loading import load_model, resolve_device
from storage.store.artifact_store import Store
from tasks.inputs.finished_run import evaluated_alpha, newest_evaluation
from tasks.use.opened_models import model_folder, open_pair, shared_ids


class StoredSystem(BaseModel, frozen=True, extra="forbid"):
    """Which system of which pipeline."""

    pipeline: str = Field(description="The pipeline's name, as in its YAML file.")
    store: str = Field("store", description="Folder or URL of the store with its finished run.")
    system: Literal["base", "memory"] = Field(
        "memory", description="`memory` is the base with its memory, `base` the base alone."
    )
    alpha: float | None = Field(
        None, ge=0, le=1, description="Weight of the memory; the one that was tuned if empty."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the models go.")


def open_system(
    wanted: StoredSystem,
) -> tuple[TransformerLM | MixtureLM, PreTrainedTokenizerFast]:
    """Loads the models of the pipeline's first evaluated base, with the tokenizer of their ids.

    Raises:
        UserError: The pipeline has no finished run with an evaluation, or the tokenizers of base
            and memory are incompatible.
        StorageError: The store could not be read.
    """
    store = Store.open_existing(wanted.store)
    evaluation = newest_evaluation(store, wanted.pipeline)
    inputs = store.require(evaluation).inputs
    scores = inputs["base_0"]
    if scores.stage != "scores":
        raise UserError(
            f"{store.url}: {evaluation} was made by an older memdec; "
            "`memdec run` the pipeline again"
        )
    base_folder = model_folder(store, store.require(scores).inputs["model"])
    memory_folder = model_folder(store, inputs["memory"])
    where = resolve_device(wanted.device)
    if wanted.system == "base":
        # over the same ids as with its memory, so that the two can be compared
        ids = shared_ids(base_folder, memory_folder)
        return TransformerLM(load_model(base_folder, where), ids.vocab_size), ids.tokenizer
    alpha = evaluated_alpha(store, evaluation) if wanted.alpha is None else wanted.alpha
    base, memory, ids = open_pair(base_folder, memory_folder, where)
    return MixtureLM(base, memory, alpha), ids.tokenizer
