"""A base and two memories of different kinds and paddings, put together."""

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from memdec_core.joint import JointForCausalLM
from tests.oracles.joint_oracle import PAD
from tests.support.tiny_models import tiny_model

VOCABULARY = 390


def _peaked(model: PreTrainedModel) -> PreTrainedModel:
    """Random models say nearly the same everywhere; these differ clearly in their first choices."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "wpe" not in name:
                weight.mul_(3.0)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = PAD
    return model


@pytest.fixture(scope="module")
def parts() -> list[PreTrainedModel]:
    base = _peaked(tiny_model("gpt2", seed=1, width=64))
    qwen2 = _peaked(tiny_model("qwen2", seed=2, vocab_size=416))
    return [base, qwen2, _peaked(tiny_model("llama", seed=3, vocab_size=VOCABULARY))]


@pytest.fixture(scope="module")
def joint(parts: list[PreTrainedModel]) -> JointForCausalLM:
    memories = {"law": parts[1], "biomed": parts[2]}
    return JointForCausalLM.from_models(
        parts[0], memories, {"law": 0.4, "biomed": 0.25}, VOCABULARY
    )


@pytest.fixture(scope="module")
def single(parts: list[PreTrainedModel]) -> JointForCausalLM:
    return JointForCausalLM.from_models(parts[0], {"law": parts[1]}, {"law": 0.4}, VOCABULARY)


def left_padded(prompts: list[list[int]]) -> dict[str, Tensor]:
    """Arguments of a model: ids and mask, int64 (B, T)."""
    longest = max(map(len, prompts))
    rows = [[PAD] * (longest - len(prompt)) + prompt for prompt in prompts]
    masks = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(masks)}


def random_prompts(count: int, seed: int, *, longest: int = 24) -> list[list[int]]:
    """Prompts of 1 to `longest` tokens, none of them padding."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (count,), generator=generator).tolist()
    return [
        torch.randint(1, VOCABULARY, (length,), generator=generator).tolist() for length in lengths
    ]
