"""LoRA inside a model: it starts as the model, trains its additions alone, and folds into it."""

import pytest
import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertLMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
)

from memdec_core.errors import UserError
from memdec_core.training.adaptation import adapted_layers, add_lora, matched_rank, merge_lora
from memdec_core.training.batch_loss import Objective
from memdec_core.training.trainer import train
from memdec_core.training.training_batches import EpochBatches
from memdec_core.training.training_config import LoraConfig
from memdec_core.training.training_state import trained_parameters
from tests.support.tiny_models import tiny_model
from tests.support.training_data import make_split

FAMILIES = ["gpt2", "qwen2", "qwen3", "llama"]
CONFIG = LoraConfig(epochs=2, batch_tokens=60, learning_rate=1e-2)
IDS = torch.arange(48).reshape(2, 24)
SHAPE = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


class NoCheckpoints:
    """Saves nothing and finds nothing."""

    every_s = 1e9

    def save(self, *_state: object) -> None: ...

    def latest(self) -> None: ...


def logits(model: PreTrainedModel) -> Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def adapt(model: PreTrainedModel) -> None:
    """A few steps of the project's trainer."""
    split = make_split(0, [25] * 8, with_targets=False)
    train(
        model,
        EpochBatches(split.data, CONFIG),
        CONFIG,
        objective=Objective(0.0, 50, "float32"),
        validation=None,
        checkpoints=NoCheckpoints(),
        report=lambda *_: None,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapted_model_starts_as_the_model_itself(family: str) -> None:
    model = tiny_model(family, vocab_size=64)
    before = logits(model)
    add_lora(model, rank=3, seed=0)
    assert torch.equal(logits(model), before)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_changes_every_addition_and_nothing_else(family: str) -> None:
    model = tiny_model(family, vocab_size=64)
    add_lora(model, rank=3, seed=0)
    before = weights(model)
    adapt(model)

    after = model.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    layers = tiny_model(family, vocab_size=64).config.num_hidden_layers
    assert len(changed) == 2 * layers * (3 if family == "gpt2" else 6)
    assert changed == {name for name in before if ".lora_A." in name or ".lora_B." in name}
    assert changed == set(trained_parameters(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_merged_model_gives_the_logits_of_the_adapted_one(family: str) -> None:
    base = tiny_model(family, vocab_size=64)
    model = tiny_model(family, vocab_size=64)
    adapter = add_lora(model, rank=3, seed=0)
    adapt(model)
    adapted = logits(model)
    merge_lora(adapter)

    torch.testing.assert_close(logits(model), adapted, rtol=1e-4, atol=1e-5)
    assert (adapted - logits(base)).abs().max() > 0.05
    assert list(model.state_dict()) == list(base.state_dict())
    assert [type(module) for module in model.modules()] == [type(m) for m in base.modules()]
    assert list(trained_parameters(model)) == list(trained_parameters(base))


def test_the_adapted_layers_are_attentions_inputs_and_the_feed_forward() -> None:
    block = [f"transformer.h.0.{name}" for name in ("attn.c_attn", "mlp.c_fc", "mlp.c_proj")]
    assert list(adapted_layers(tiny_model("gpt2", layers=1))) == block
    names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    names += ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
    block = [f"model.layers.0.{name}" for name in names]
    assert list(adapted_layers(tiny_model("qwen2", layers=1))) == block


def test_opt_and_gpt_neox_can_be_adapted() -> None:
    opt = OPTForCausalLM(OPTConfig(**SHAPE, ffn_dim=32, word_embed_proj_dim=16, pad_token_id=1))
    assert len(adapted_layers(opt)) == 3 * 5
    neox = GPTNeoXForCausalLM(GPTNeoXConfig(**SHAPE, intermediate_size=32))
    assert len(adapted_layers(neox)) == 3 * 3


def test_a_model_of_another_kind_is_refused_with_the_names_looked_for() -> None:
    model = BertLMHeadModel(BertConfig(**SHAPE, intermediate_size=32, is_decoder=True))
    with pytest.raises(UserError, match=r"BertLMHeadModel.*c_attn or q_proj.*`dapt`"):
        add_lora(model, rank=2, seed=0)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_matched_rank_is_the_one_whose_count_of_parameters_is_nearest(family: str) -> None:
    counts = []
    for rank in range(1, 7):
        model = tiny_model(family)
        add_lora(model, rank, seed=0)
        counts.append(sum(value.numel() for value in trained_parameters(model).values()))
    shapes = [tuple(layer.weight.shape) for layer in adapted_layers(tiny_model(family)).values()]
    for wanted in range(1, counts[-1], 97):
        missed_by = [abs(count - wanted) for count in counts]
        assert missed_by[matched_rank(shapes, wanted) - 1] == min(missed_by)


def test_the_additions_are_a_function_of_the_seed_alone() -> None:
    first, again, other = (tiny_model("gpt2") for _ in range(3))
    add_lora(first, rank=2, seed=5)
    state = torch.get_rng_state()
    add_lora(again, rank=2, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    add_lora(other, rank=2, seed=6)
    name = "transformer.h.0.mlp.c_fc.lora_A.default.weight"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])
