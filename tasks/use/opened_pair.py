"""A base and a memory from the store, over the ids that their tokenizers share."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerFast

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.models.model_loading import load_model
from memdec_core.text.tokenizer_compatibility import shared_vocab_size
from memdec_core.text.tokenizer_loading import load_tokenizer
from memdec_core.text.tokenizer_match import real_vocab_size


class OpenedPair(NamedTuple):
    """Both models over one vocabulary, and the tokenizer that texts are put to them with."""

    base: TransformerLM
    memory: TransformerLM
    tokenizer: PreTrainedTokenizerFast


def open_pair(base: Path, memory: Path, device: torch.device) -> OpenedPair:
    """Loads both.

    Texts are read by the tokenizer with fewer added tokens, the base's where they are equal: to it,
    a token that only the other one knows is text like any other.

    Args:
        base: The base's folder.
        memory: The memory's.
        device: Where both go.

    Raises:
        UserError: Their tokenizers are incompatible, or a folder holds no model.
    """
    tokenizers = load_tokenizer(base), load_tokenizer(memory)
    size = shared_vocab_size(*tokenizers)
    base_lm, memory_lm = (TransformerLM(load_model(f, device), size) for f in (base, memory))
    return OpenedPair(base_lm, memory_lm, min(tokenizers, key=real_vocab_size))


def check_ids(ids: Sequence[int], vocab_size: int) -> None:
    """Refuses a prompt with a token that one of the models does not have.

    Raises:
        UserError: It spells out an added token past the shared ids.
    """
    if ids and max(ids) >= vocab_size:
        raise UserError(
            f"the text spells out an added token (id {max(ids)}) that not all models have: their "
            f"tokenizers share only the ids below {vocab_size}; leave it out"
        )
