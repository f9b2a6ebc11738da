"""Operations counted from the layers are those that a decoder's products perform."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from memdec_core.decoding.latency import forward_flops, joint_flops_ratio
from tests.support.tiny_models import tiny_model


def performed(model: PreTrainedModel, context: int) -> int:
    """Operations of the products in one cached step, seen by PyTorch as they are called."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        tokens = torch.arange(1, context)[None]
        cache = model(input_ids=tokens, use_cache=True).past_key_values
        with FlopCounterMode(display=False) as counter:
            model(input_ids=torch.tensor([[3]]), past_key_values=cache, use_cache=True)
    return counter.get_total_flops()


@pytest.mark.parametrize("context", [2, 40])
@pytest.mark.parametrize("architecture", ["gpt2", "qwen2", "qwen3", "llama"])
def test_operations_are_those_performed(architecture: str, context: int) -> None:
    model = tiny_model(architecture, width=64, heads=4, layers=3)
    assert forward_flops(model, context) == performed(model, context)


def test_operations_of_a_model_small_enough_to_count_by_hand() -> None:
    model = tiny_model("gpt2", vocab_size=400, layers=2, width=32, heads=2)
    block = 32 * 96 + 32 * 32 + 2 * 32 * 128
    assert forward_flops(model, 10) == 2 * (2 * block + 400 * 32) + 2 * (2 * 2 * 32 * 10)


def test_the_joint_ratio_is_one_more_than_the_memorys_share() -> None:
    base, memory = tiny_model("gpt2", width=64), tiny_model("gpt2", width=32)
    share = forward_flops(memory, 20) / forward_flops(base, 20)
    assert joint_flops_ratio(base, memory, 20) == pytest.approx(1 + share)
    assert joint_flops_ratio(base, base, 20) == 2.0
