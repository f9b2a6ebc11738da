"""Opens what a finished pipeline compares: a base model alone, or with its memory.

What belongs to it is read from the store: the newest finished run of the pipeline ends with an
evaluation, which names the memory, the bases and the α it tuned.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.mixture import MixtureLM
from memdec_core.models.model_loading import load_model, resolve_device
from memdec_core.text.tokenizer_compatibility import shared_vocab_size
from memdec_core.text.tokenizer_loading import load_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from storage.store.run_history import pipelines, read_history
from tasks.inputs.evaluation_rows import evaluated_alpha
from tasks.use.opened_pair import open_pair


class StoredSystem(BaseModel):
    """Which system of which pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str = Field(description="The pipeline's name, as in its YAML file.")
    store: str = Field("store", description="Folder or URL of the store with its finished run.")
    system: Literal["base", "memory"] = Field(
        "memory", description="`memory` is the base with its memory, `base` the base alone."
    )
    alpha: float | None = Field(
        None, ge=0, le=1, description="Weight of the memory; the one that was tuned if empty."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the models go.")


class OpenedSystem(NamedTuple):
    """A system and the tokenizer of its ids."""

    lm: TransformerLM | MixtureLM
    tokenizer: PreTrainedTokenizerFast


def open_system(wanted: StoredSystem) -> OpenedSystem:
    """Loads the models of the pipeline's first evaluated base.

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
    base_folder = _folder(store, store.require(scores).inputs["model"])
    where = resolve_device(wanted.device)
    memory_folder = _folder(store, inputs["memory"])
    if wanted.system == "base":
        # over the same ids as with its memory, so that the two can be compared
        tokenizers = load_tokenizer(base_folder), load_tokenizer(memory_folder)
        lm = TransformerLM(load_model(base_folder, where), shared_vocab_size(*tokenizers))
        return OpenedSystem(lm, min(tokenizers, key=real_vocab_size))
    alpha = evaluated_alpha(store, evaluation) if wanted.alpha is None else wanted.alpha
    base, memory, tokenizer = open_pair(base_folder, memory_folder, where)
    return OpenedSystem(MixtureLM(base, memory, alpha), tokenizer)


def newest_evaluation(store: Store, pipeline: str) -> ArtifactRef:
    """The evaluation that the pipeline's newest finished run with one ended with.

    Raises:
        UserError: There is none.
    """
    for run in reversed(read_history(store, pipeline)):
        for ref in run.artifacts:
            if ref.stage == "evaluation":
                return ref
    known = ", ".join(pipelines(store)) or "none"
    raise UserError(
        f"{store.url}: no finished run of a pipeline `{pipeline}` with an evaluation (known: "
        f"{known}); give the name in the pipeline's YAML file, and `memdec run` it first"
    )


def _folder(store: Store, ref: ArtifactRef) -> Path:
    store.require(ref)
    return store.readers(ref)["all"].folder()
