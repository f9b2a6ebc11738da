"""Opens what is served: the first pipeline's base and the memories of all of them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from transformers import PreTrainedTokenizerFast

from memdec_core.decoding.decoders import stop_tokens_of
from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.model_loading import load_model, resolve_device
from memdec_core.serving.models import ServedModels
from memdec_core.text.tokenizer_loading import load_tokenizer
from memdec_core.text.tokenizer_match import explain_difference, real_vocab_size
from storage.store.artifact_inspection import served_fingerprint
from storage.store.artifact_store import Store
from storage.store.production import Release
from tasks.inputs.finished_run import evaluated_alpha
from tasks.inputs.scored_systems import name_bases
from tasks.serving.engine_slot import ServedSet
from tasks.serving.model_catalog import BASE, ModelCatalog, ServedMemory
from tasks.use.opened_models import model_folder


class ServedPipeline(NamedTuple):
    """What a pipeline has made that can be served.

    Attributes:
        name: The pipeline's.
        release: What is served.
        number: That of the decision which brought it into production; None if none did.
    """

    name: str
    release: Release
    number: int | None


def open_models(
    store: Store,
    pipelines: Sequence[ServedPipeline],
    alpha: float | None,
    device: Literal["auto", "cpu", "cuda"],
) -> ServedSet:
    """Loads all models.

    Args:
        store: Where they are.
        pipelines: At least one, each with a name of its own; the base is the first one's.
        alpha: Weight of every memory where a request gives none; the tuned ones if None.
        device: Where models run.

    Raises:
        UserError: A pipeline is called `base`, a model is not there, or tokenizers differ.
        StorageError: The store could not be read.
    """
    if BASE in [pipeline.name for pipeline in pipelines]:
        raise UserError(
            f"a pipeline is called `{BASE}`, which is the name of the base alone here; "
            "give it another `name` in its YAML file"
        )
    first = pipelines[0].release.base
    parts = (first, *(each.release.memory for each in pipelines))
    folders = [model_folder(store, ref) for ref in parts]
    tokenizer = load_tokenizer(folders[0])
    for pipeline, folder in zip(pipelines, folders[1:], strict=True):
        _check_tokenizer(tokenizer, folder, pipeline.name)
    memories = [
        ServedMemory(
            name,
            evaluated_alpha(store, release.evaluation) if alpha is None else alpha,
            str(release.memory),
            number,
        )
        for name, release, number in pipelines
    ]
    where, vocabulary = resolve_device(device), real_vocab_size(tokenizer)
    base, *others = (TransformerLM(load_model(each, where), vocabulary) for each in folders)
    catalog = ModelCatalog(
        base_name=name_bases(store, {BASE: first})[BASE],
        memories=memories,
        tokenizer=tokenizer,
        stop_tokens=stop_tokens_of(base.model),
        fingerprint=served_fingerprint(parts),
        created=int(time.time()),
    )
    # every request of ours says its weights
    return ServedSet(ServedModels(base, tuple(others), (0.0,) * len(others)), catalog)


def _check_tokenizer(base: PreTrainedTokenizerFast, memory: Path, name: str) -> None:
    difference = explain_difference(base, load_tokenizer(memory))
    if difference is not None:
        raise UserError(
            f"the memory of `{name}` cannot be put beside the base: {difference} Serve it with a "
            "base of its own family, or name another pipeline first"
        )
