"""Models that cannot be continued side by side are found out before they answer wrongly."""

import functools

import pytest
import torch
from transformers import FalconH1Config, MambaConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from memdec_core.errors import UserError
from memdec_core.models.language_model import TransformerLM
from memdec_core.serving.cache_probe import check_cache
from memdec_core.serving.engine import Engine
from memdec_core.serving.engine_limits import EngineLimits
from memdec_core.serving.models import ServedModels
from tests.support.tiny_models import tiny_model


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_transformers_pass(architecture: str, dtype: torch.dtype) -> None:
    check_cache(TransformerLM(tiny_model(architecture).to(dtype), 390), "the base")


def recurrent(kind: str) -> PreTrainedModel:
    if kind == "mamba":
        config = MambaConfig(vocab_size=400, hidden_size=32, num_hidden_layers=2, state_size=4)
    else:
        config = FalconH1Config(
            vocab_size=400,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            mamba_d_ssm=32,
            mamba_n_heads=4,
            mamba_d_head=8,
            mamba_d_state=8,
        )
    return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("kind", ["mamba", "falcon-h1"])
def test_a_model_with_a_state_is_refused(kind: str) -> None:
    base = TransformerLM(tiny_model("gpt2"), 400)
    memory = TransformerLM(recurrent(kind), 400)
    with pytest.raises(UserError, match=r"memory 0 \(\w+ForCausalLM\) cannot be served"):
        Engine(ServedModels(base, (memory,), (0.5,)), EngineLimits())


@pytest.mark.parametrize("ignored", ["attention_mask", "position_ids"])
def test_a_model_that_does_not_heed_padding_is_refused(ignored: str) -> None:
    model = tiny_model("gpt2", width=64)
    heeding = model.forward

    @functools.wraps(heeding)
    def forward(*args: object, **options: object) -> object:
        return heeding(*args, **{**options, ignored: None})

    model.forward = forward
    with pytest.raises(UserError, match="beside another row"):
        check_cache(TransformerLM(model, 390), "the base")
