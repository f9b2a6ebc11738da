"""Text of a base model and its memory: a prompt continued with and without it, and a chat."""

from typing import Literal

import torch

from memdec_core.decoding.decoding_config import ContinuationConfig
from memdec_core.errors import UserError
from memdec_core.joint.continuation import continue_text
from memdec_core.joint.conversation import Conversation
from memdec_core.text.tokenizer_loading import load_tokenizer
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.use.opened_models import model_folder, open_joint


def continue_both(
    store: Store,
    base: ArtifactRef,
    memory: ArtifactRef,
    alpha: float,
    prompt: str,
    config: ContinuationConfig,
    device: Literal["auto", "cpu", "cuda"],
) -> dict[str, list[str]]:
    """Generates twice from one prompt.

    Args:
        store: Where both models are.
        base: A base model's artifact.
        memory: The memory's artifact.
        alpha: Weight of the memory, 0 to 1.
        prompt: The text to continue.
        config: How to choose tokens; both sides use the same seed.
        device: `auto`, `cpu` or `cuda`.

    Returns:
        The continuations, `config.num_samples` each, named `base` and `memory` (base with memory).

    Raises:
        UserError: A model is not there, the tokenizers are incompatible, or the prompt is too long
            or spells out a token that one of them lacks.
        StorageError: The store could not be read.
    """
    joint, ids = open_joint(store, base, memory, alpha, device)
    tokens = ids.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    ids.check(tokens)
    return {
        name: continue_text(joint, ids.tokenizer, tokens, config, weight)
        for name, weight in (("base", 0.0), ("memory", alpha))
    }


def open_conversation(
    store: Store,
    base: ArtifactRef,
    memory: ArtifactRef,
    alpha: float,
    sampling: ContinuationConfig,
    system: str | None,
    device: Literal["auto", "cpu", "cuda"],
) -> Conversation:
    """Loads both models, and seeds what is sampled from now on.

    Args:
        store: Where both models are.
        base: A base model's artifact.
        memory: The memory's artifact.
        alpha: Weight of the memory, 0 to 1.
        sampling: How to choose tokens.
        system: The system message, if any.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        UserError: The base has no chat template, or the tokenizers are incompatible.
        StorageError: A model is not there, or the store could not be read.
    """
    tokenizer = load_tokenizer(model_folder(store, base))
    if tokenizer.chat_template is None:
        raise UserError(
            "the base model's tokenizer has no chat template, so it was hardly tuned to chat: use "
            "`memdec generate`, or a base model with a template (chat_template.jinja in its folder)"
        )
    joint, _ = open_joint(store, base, memory, alpha, device)
    torch.manual_seed(sampling.seed)
    return Conversation(joint, tokenizer, sampling, alpha, system)
