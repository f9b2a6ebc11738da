"""Continues a prompt with the base model alone and with its memory."""

from typing import Literal

from memdec_core.decoding.decoding_config import ContinuationConfig
from memdec_core.joint.continuation import continue_text
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store
from tasks.use.opened_models import open_joint


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
