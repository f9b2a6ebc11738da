"""Continues a prompt with the base model alone and with its memory."""

from typing import Literal

from memdec_core.errors import UserError
from memdec_core.generation import (
    Decoder,
    DecodingConfig,
    MixtureDecoder,
    TransformerDecoder,
    generate,
    stop_tokens_of,
)
from memdec_core.language_model import TransformerLM
from memdec_core.model_loading import load_model, load_tokenizer, resolve_device
from memdec_core.tokenizer_match import real_vocab_size
from storage.artifact_ref import ArtifactRef
from storage.artifact_store import Store
from tasks.evaluation_rows import evaluation_rows


def tuned_alpha(store: Store, evaluation: ArtifactRef) -> float:
    """The α that an evaluation chose on the validation split, for its first base.

    Raises:
        UserError: There is no such evaluation.
    """
    for row in evaluation_rows(store, evaluation):
        if row["metric"] == "alpha":
            alpha = row["value"]
            assert isinstance(alpha, float)
            return alpha
    raise UserError(
        f"{store.url}: {evaluation} has not been made, so no α is known; "
        "run the pipeline first, or give --alpha"
    )


def side_by_side(
    store: Store,
    base: ArtifactRef,
    memory: ArtifactRef,
    alpha: float,
    prompt: str,
    decoding: DecodingConfig,
    device: Literal["auto", "cpu", "cuda"],
) -> dict[str, str]:
    """Generates twice from one prompt.

    Args:
        store: Where both models are.
        base: A base model's artifact.
        memory: The memory's artifact.
        alpha: Weight of the memory, 0 to 1.
        prompt: The text to continue.
        decoding: How to choose tokens; both continuations use the same seed.
        device: `auto`, `cpu` or `cuda`.

    Returns:
        The continuations, named `base` and `memory` (base with memory).

    Raises:
        UserError: A model is not there, or the prompt is too long.
        StorageError: The store could not be read.
    """
    store.require(base)
    store.require(memory)
    folders = [store.readers(ref)["all"].folder() for ref in (base, memory)]
    tokenizer = load_tokenizer(folders[0])
    vocabulary = real_vocab_size(tokenizer)
    where = resolve_device(device)
    base_lm, memory_lm = (TransformerLM(load_model(f, where), vocabulary) for f in folders)
    tokens = tokenizer(prompt, add_special_tokens=False)["input_ids"]

    def text_of(decoder: Decoder) -> str:
        new = list(generate(decoder, tokens, decoding, stop_tokens_of(base_lm)))
        return str(tokenizer.decode(new))

    mixture = MixtureDecoder(TransformerDecoder(base_lm), TransformerDecoder(memory_lm), alpha)
    return {"base": text_of(TransformerDecoder(base_lm)), "memory": text_of(mixture)}
