"""Where keys are taken, in the families we name and in one that has no such place."""

import pytest
from transformers import (
    BertConfig,
    BertLMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)

from memdec_core.errors import UserError
from memdec_core.models.key_model import find_key_layer
from tests.support.tiny_models import tiny_model

SHAPE = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def test_the_key_layer_of_gpt2_is_the_last_blocks_mlp() -> None:
    model = tiny_model("gpt2", layers=3)
    name, module = find_key_layer(model)
    assert name == "h.2.mlp"
    assert module is model.get_submodule("transformer.h.2.mlp")


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
def test_the_key_layer_of_llama_and_its_kin_is_the_last_layers_mlp(architecture: str) -> None:
    model = tiny_model(architecture, layers=3)
    assert find_key_layer(model).module is model.get_submodule("model.layers.2.mlp")


def test_the_key_layer_is_found_in_mistral_gpt_neox_and_opt() -> None:
    mistral = MistralForCausalLM(MistralConfig(**SHAPE, num_key_value_heads=1))
    assert find_key_layer(mistral).module is mistral.get_submodule("model.layers.2.mlp")
    neox = GPTNeoXForCausalLM(GPTNeoXConfig(**SHAPE, intermediate_size=32))
    assert find_key_layer(neox).module is neox.get_submodule("gpt_neox.layers.2.mlp")
    opt = OPTForCausalLM(OPTConfig(**SHAPE, ffn_dim=32, word_embed_proj_dim=16, pad_token_id=1))
    assert find_key_layer(opt).module is opt.get_submodule("model.decoder.layers.2.fc1")


def test_a_body_without_a_head_has_the_same_key_layer() -> None:
    model = tiny_model("qwen3")
    assert find_key_layer(model.base_model) == find_key_layer(model)


def test_a_model_of_another_kind_is_refused_with_the_names_looked_for() -> None:
    model = BertLMHeadModel(BertConfig(**SHAPE, intermediate_size=32, is_decoder=True))
    with pytest.raises(UserError, match=r"BertLMHeadModel.*BertModel.*h or layers.*mlp or"):
        find_key_layer(model)
