"""A forward pass stops where it is told to, and the head is probed at the scale of real logits."""

import pytest
import torch
from transformers import GPT2LMHeadModel

from memdec_core.models.forward_hooks import forward_until, probe_head
from tests.support.tiny_models import capped_model, tiny_model

TOKENS = torch.arange(4)[None]


@pytest.fixture
def gpt2() -> GPT2LMHeadModel:
    model = tiny_model("gpt2")
    assert isinstance(model, GPT2LMHeadModel)
    return model


def test_what_a_module_is_given_comes_back_and_nothing_after_it_runs(gpt2: GPT2LMHeadModel) -> None:
    def fail(*_args: object) -> None:
        raise AssertionError("the head ran")

    hook = gpt2.lm_head.register_forward_hook(fail)
    with torch.no_grad():
        given = forward_until(gpt2, gpt2.lm_head, TOKENS)
        hook.remove()
        expected = gpt2.transformer(input_ids=TOKENS).last_hidden_state
        assert torch.equal(given, expected)
        assert gpt2(input_ids=TOKENS).logits.shape[:2] == (1, 4), "no hook stays behind"


def test_a_module_that_no_pass_reaches_is_a_mistake_of_the_program(gpt2: GPT2LMHeadModel) -> None:
    with pytest.raises(AssertionError, match="never reached the Linear"):
        forward_until(gpt2, torch.nn.Linear(1, 1), TOKENS)


def test_a_plain_head_is_last_and_counts_its_logits(gpt2: GPT2LMHeadModel) -> None:
    assert probe_head(gpt2, gpt2.lm_head, TOKENS) == (400, True)


def test_a_cap_so_high_that_small_logits_hardly_change_is_found() -> None:
    model = capped_model(30.0)
    assert probe_head(model, model.get_output_embeddings(), TOKENS) == (300, False)
