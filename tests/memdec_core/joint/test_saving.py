"""A joint model survives saving and loading, and leaves its parts as they were."""

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, PreTrainedModel

from memdec_core.errors import UserError
from memdec_core.joint import JointConfig, JointForCausalLM
from tests.memdec_core.joint.conftest import VOCABULARY
from tests.support.tiny_models import tiny_config, tiny_model

IDS = torch.tensor([[5, 17, 200, 31]])


def test_what_is_loaded_is_what_was_saved(joint: JointForCausalLM, tmp_path: Path) -> None:
    joint.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert isinstance(loaded, JointForCausalLM)
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=IDS).logits, joint(input_ids=IDS).logits)
    assert (loaded.config.memories, loaded.config.weights) == (["law", "biomed"], [0.4, 0.25])
    assert loaded.config.vocab_size == VOCABULARY
    assert loaded.generation_config.pad_token_id == joint.base.generation_config.pad_token_id


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    parts = [tiny_model("gpt2", seed=seed) for seed in (1, 2, 3)]
    memories = {"law": parts[1], "biomed": parts[2]}
    weights = {"law": 0.4, "biomed": 0.25}
    joint = JointForCausalLM.from_models(parts[0], memories, weights, VOCABULARY)
    joint.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as stored:
        names = set(stored.keys())
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    for prefix, part in zip(("base", "memory_0", "memory_1"), loaded.parts, strict=True):
        assert f"{prefix}.transformer.wte.weight" in names
        assert f"{prefix}.lm_head.weight" not in names
        assert part.lm_head.weight is part.transformer.wte.weight
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=IDS).logits, joint(input_ids=IDS).logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_part_is_loaded_in_the_type_asked_for(
    joint: JointForCausalLM, tmp_path: Path, dtype: torch.dtype
) -> None:
    joint.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=dtype)
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}


def test_the_parts_keep_their_causal_mask(parts: list[PreTrainedModel]) -> None:
    base = copy.deepcopy(parts[0])
    before = base(input_ids=IDS).logits
    joint = JointForCausalLM.from_models(base, {"law": parts[1]}, {"law": 0.5}, VOCABULARY)
    assert base.config._attn_implementation == "sdpa"
    assert torch.equal(base(input_ids=IDS).logits, before)
    assert torch.equal(joint.base(input_ids=IDS).logits, before)


def test_another_attention_reaches_every_part(joint: JointForCausalLM) -> None:
    before = joint(input_ids=IDS).logits
    joint.set_attn_implementation("eager")
    try:
        assert {part.config._attn_implementation for part in joint.parts} == {"eager"}
        torch.testing.assert_close(joint(input_ids=IDS).logits, before)
    finally:
        joint.set_attn_implementation("sdpa")


def test_the_configuration_is_plain_json(joint: JointForCausalLM) -> None:
    stored = json.loads(joint.config.to_json_string())
    again = JointConfig.from_dict(stored)
    assert again.memory_1.model_type == "llama"
    assert again.to_dict() == joint.config.to_dict()
    assert again.max_position_embeddings == 256


def test_a_base_alone_is_a_joint_model_without_memories(parts: list[PreTrainedModel]) -> None:
    joint = JointForCausalLM.from_models(parts[0], {}, {}, VOCABULARY)
    own = parts[0](input_ids=IDS).logits[..., :VOCABULARY]
    assert torch.equal(joint(input_ids=IDS).logits, own)


def test_parts_that_do_not_fit_are_refused(parts: list[PreTrainedModel]) -> None:
    wide = tiny_model("gpt2", vocab_size=420)
    with pytest.raises(UserError, match="law predicts 416 tokens, fewer than 417"):
        JointForCausalLM.from_models(wide, {"law": parts[1]}, {"law": 0.5}, 417)
    with pytest.raises(UserError, match="at most 1"):
        JointForCausalLM.from_models(parts[0], {"law": parts[1]}, {"law": 1.5}, VOCABULARY)
    with pytest.raises(UserError, match="1 weights for 2 memories"):
        JointConfig(base=tiny_config(), memories=["a", "b"], weights=[0.5])


def test_a_joint_model_is_never_resized(joint: JointForCausalLM) -> None:
    with pytest.raises(UserError, match="is not resized"):
        joint.resize_token_embeddings(500)
