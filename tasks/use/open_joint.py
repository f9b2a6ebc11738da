"""Opens a base and a memory as one model that generates."""

from pathlib import Path
from typing import NamedTuple

import torch
from transformers import GenerationConfig, PreTrainedTokenizerFast

from memdec_core.decoding.decoders import stop_tokens_of
from memdec_core.joint import JointForCausalLM
from tasks.use.opened_pair import open_pair


class OpenedJoint(NamedTuple):
    """The model, and the tokenizer that texts are put to it with."""

    model: JointForCausalLM
    tokenizer: PreTrainedTokenizerFast


def open_joint(
    base: Path, memory: Path, name: str, alpha: float, device: torch.device
) -> OpenedJoint:
    """Loads both.

    What the base recommends for sampling is left out, only the tokens that end a text are kept:
    whoever generates says how.

    Args:
        base: The base's folder.
        memory: The memory's.
        name: The memory's name in the model.
        alpha: The memory's weight where a call gives none.
        device: Where both go.

    Raises:
        UserError: Their tokenizers are incompatible, or a folder holds no model.
    """
    base_lm, memory_lm, tokenizer = open_pair(base, memory, device)
    joint = JointForCausalLM.from_models(
        base_lm.model, {name: memory_lm.model}, {name: alpha}, base_lm.vocab_size
    )
    ends = sorted(token for token in stop_tokens_of(base_lm.model) if token < base_lm.vocab_size)
    joint.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        eos_token_id=ends or None, pad_token_id=ends[0] if ends else 0
    )
    return OpenedJoint(joint, tokenizer)
