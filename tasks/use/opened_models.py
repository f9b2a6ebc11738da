"""Opens models of the store over the ids that their tokenizers share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from transformers import GenerationConfig, PreTrainedTokenizerFast

from memdec_core.decoding.decoders import stop_tokens_of
from memdec_core.errors import UserError
from memdec_core.joint import JointForCausalLM
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.model_loading import load_model, resolve_device
from memdec_core.text.tokenizer_compatibility import shared_vocab_size
from memdec_core.text.tokenizer_loading import load_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size
from storage.objects.artifact_ref import ArtifactRef
from storage.store.artifact_store import Store


def model_folder(store: Store, ref: ArtifactRef) -> Path:
    """The folder of a model's artifact.

    Raises:
        MissingArtifact: It is not in the store.
    """
    store.require(ref)
    return store.only(ref).folder()


class SharedIds(NamedTuple):
    """What several models mean the same by.

    Attributes:
        tokenizers: Of each of them.
        vocab_size: They mean the same by the ids below it.
    """

    tokenizers: tuple[PreTrainedTokenizerFast, ...]
    vocab_size: int

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The one with the fewest added tokens, the first where they are equal.

        To it, a token that only another one knows is text like any other.
        """
        return min(self.tokenizers, key=real_vocab_size)

    def check(self, ids: Sequence[int]) -> None:
        """Refuses a prompt with a token that one of the models does not have.

        Raises:
            UserError: It spells out an added token past the shared ids.
        """
        if ids and max(ids) >= self.vocab_size:
            raise UserError(
                f"the text spells out an added token (id {max(ids)}) that not all models have: "
                f"their tokenizers share only the ids below {self.vocab_size}; leave it out"
            )


def shared_ids(first: Path, *others: Path) -> SharedIds:
    """The ids that the tokenizers in the folders of models share.

    Raises:
        UserError: They are incompatible, or cannot be read.
    """
    tokenizers = tuple(map(load_tokenizer, (first, *others)))
    sizes = [shared_vocab_size(tokenizers[0], other) for other in tokenizers[1:]]
    return SharedIds(tokenizers, min(sizes))


def open_pair(
    base: Path, memory: Path, device: torch.device
) -> tuple[TransformerLM, TransformerLM, SharedIds]:
    """Loads a base and a memory from their folders, over one vocabulary.

    Raises:
        UserError: Their tokenizers are incompatible, or a folder holds no model.
    """
    ids = shared_ids(base, memory)
    base_lm, memory_lm = (
        TransformerLM(load_model(each, device), ids.vocab_size) for each in (base, memory)
    )
    return base_lm, memory_lm, ids


def open_joint(
    store: Store,
    base: ArtifactRef,
    memory: ArtifactRef,
    alpha: float,
    device: Literal["auto", "cpu", "cuda"],
) -> tuple[JointForCausalLM, SharedIds]:
    """Loads a base and a memory, called `memory`, as one model that generates.

    What the base recommends for sampling is left out, only the tokens that end a text are kept:
    whoever generates says how.

    Args:
        store: Where both are.
        base: A base model.
        memory: The memory.
        alpha: The memory's weight where a call gives none.
        device: Where both go.

    Raises:
        UserError: Their tokenizers are incompatible.
        StorageError: A model is not there, or the store could not be read.
    """
    folders = model_folder(store, base), model_folder(store, memory)
    base_lm, memory_lm, ids = open_pair(*folders, resolve_device(device))
    joint = JointForCausalLM.from_models(
        base_lm.model, {"memory": memory_lm.model}, {"memory": alpha}, ids.vocab_size
    )
    ends = sorted(token for token in stop_tokens_of(base_lm.model) if token < ids.vocab_size)
    joint.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        eos_token_id=ends or None, pad_token_id=ends[0] if ends else 0
    )
    return joint, ids
